//! What stands around the products of a layer: rows that begin with the intercepts, the sums of their slopes, scaled sums.

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::matrix::{Matrix, MatrixMut};

impl Backend {
    /// Writes `row` into every row of `y`.
    ///
    /// # Panics
    /// Where the row is not as long as those of `y`.
    pub fn fill_rows(self, mut y: MatrixMut<'_>, row: &[f32]) {
        assert_eq!(y.columns(), row.len(), "a row of another length");
        y.each().for_each(|words| words.copy_from_slice(row));
    }

    /// Adds the rows of `x` to `sums`, one after the other.
    ///
    /// # Panics
    /// Where the sums are not as many as the columns of `x`, or `x` is transposed.
    pub fn add_rows(self, sums: &mut [f32], x: Matrix<'_>) {
        struct AddRows<'s, 'a>(&'s mut [f32], Matrix<'a>);
        impl Work for AddRows<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(sums, x) = self;
                for row in x.each() {
                    sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        assert_eq!(sums.len(), x.columns(), "a sum for each column");
        assert!(x.contiguous(), "a matrix whose rows are not contiguous");
        self.run(AddRows(sums, x));
    }

    /// `y += s * x`, as the compiler vectorises it for this instruction set.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn add_scaled(self, s: f32, x: &[f32], y: &mut [f32]) {
        struct AddScaled<'a>(f32, &'a [f32], &'a mut [f32]);
        impl Work for AddScaled<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                for (y, x) in self.2.iter_mut().zip(self.1) {
                    *y += self.0 * x;
                }
            }
        }
        assert_eq!(x.len(), y.len(), "a sum of slices of different lengths");
        self.run(AddScaled(s, x, y));
    }
}
