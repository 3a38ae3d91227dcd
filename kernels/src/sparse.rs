//! Products with rows of data that are mostly zeros: a first layer, and the gradient of its weights.
//!
//! What flows in: checked [`Row`]s, weights with a row a feature. What flows out: an output a row of data; for the gradient the batch is
//! turned around once ([`Turned`]), so that each row of it is summed in registers and written once.

use alloc::vec::Vec;

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::gemm::each;
use crate::lane::Lane;
use crate::matrix::{Matrix, MatrixMut};
use crate::rows::Row;

/// The most registers of outputs that are summed at once.
const MOST: usize = 8;

/// A batch of rows, by feature: which rows have it, with what value. Reused from batch to batch.
#[derive(Debug, Default)]
pub struct Turned {
    /// Where the entries of each feature begin, and where the last ones end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    rows: usize,
}

/// A feature of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    row: u32,
    value: f32,
}

impl Turned {
    /// Takes the rows of a batch, of `features` features; what was here before is gone. Takes time for each feature, whether it is in
    /// the batch or not.
    ///
    /// # Panics
    /// Where the limit of a row's ids is above `features`, or the batch has 2³² nonzeros or more.
    pub fn turn(&mut self, rows: &[Row<'_>], features: usize) {
        let nonzeros: usize = rows.iter().map(Row::len).sum();
        assert!(u32::try_from(nonzeros).is_ok() && u32::try_from(rows.len()).is_ok(), "a batch of {nonzeros} nonzeros");
        rows.iter().for_each(|row| check(row, features));
        self.starts.clear();
        self.starts.resize(features + 1, 0);
        self.entries.resize(nonzeros, Entry::default());
        self.rows = rows.len();
        let (starts, entries) = (self.starts.as_mut_slice(), self.entries.as_mut_slice());
        for row in rows {
            row.ids().as_slice().iter().for_each(|&id| starts[id as usize] += 1);
        }
        // The end of each feature, from which filling walks down to its start.
        let mut end = 0;
        for start in starts.iter_mut() {
            end += *start;
            *start = end;
        }
        for (row, these) in rows.iter().enumerate().rev() {
            let mut fill = |id: u32, value: f32| {
                let place = &mut starts[id as usize];
                *place -= 1;
                entries[*place as usize] = Entry { row: row as u32, value };
            };
            let ids = these.ids().as_slice().iter();
            if these.values().is_empty() {
                ids.for_each(|&id| fill(id, 1.0));
            } else {
                ids.zip(these.values()).for_each(|(&id, &value)| fill(id, value));
            }
        }
    }

    /// How many features.
    fn features(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

/// Checks that `row` has none but `features` features.
fn check(row: &Row<'_>, features: usize) {
    assert!(row.is_empty() || row.ids().limit() as usize <= features, "a row of data made for more weights");
}

impl Backend {
    /// y += x·w, where x are rows of data and w has a row a feature.
    ///
    /// # Panics
    /// Where the shapes do not fit each other, `w` is transposed, or the limit of a row's ids is above the rows of `w`.
    pub fn multiply_rows(self, mut y: MatrixMut<'_>, x: &[Row<'_>], w: Matrix<'_>) {
        struct Rows<'c, 'a>(Outputs, &'c [Row<'a>]);
        impl Work for Rows<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                for (at, row) in self.1.iter().enumerate() {
                    let (ids, values) = (row.ids().as_slice(), row.values());
                    // SAFETY: the caller's promise; ids are below the rows of the weights, values as many or none; there is an
                    // output for each row.
                    unsafe {
                        if values.is_empty() {
                            self.0.add::<V>(at, ids.len(), |nth| (*ids.get_unchecked(nth) as usize, 1.0));
                        } else {
                            let entry = |nth| (*ids.get_unchecked(nth) as usize, *values.get_unchecked(nth));
                            self.0.add::<V>(at, ids.len(), entry);
                        }
                    }
                }
            }
        }
        assert_eq!((y.rows(), y.columns()), (x.len(), w.columns()), "outputs of another shape");
        x.iter().for_each(|row| check(row, w.rows()));
        self.run(Rows(Outputs::new(&mut y, &w, true), x));
    }

    /// dw = xᵀ·dy, where x is a batch that has been turned: all of `dw` is written.
    ///
    /// # Panics
    /// Where the shapes do not fit each other, or `dy` is transposed.
    pub fn multiply_turned(self, mut dw: MatrixMut<'_>, x: &Turned, dy: Matrix<'_>) {
        struct Features<'c>(Outputs, &'c Turned);
        impl Work for Features<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Turned { starts, entries, .. } = self.1;
                for (at, ends) in starts.windows(2).enumerate() {
                    let entries = &entries[ends[0] as usize..ends[1] as usize];
                    // SAFETY: the caller's promise; entries name rows of the batch, which are as many as those of the slopes.
                    unsafe {
                        self.0.add::<V>(at, entries.len(), |nth| {
                            let entry = entries.get_unchecked(nth);
                            (entry.row as usize, entry.value)
                        });
                    }
                }
            }
        }
        assert_eq!((dw.rows(), dw.columns()), (x.features(), dy.columns()), "a gradient of another shape");
        assert_eq!(x.rows, dy.rows(), "slopes of another batch");
        self.run(Features(Outputs::new(&mut dw, &dy, false), x));
    }
}

/// Rows that are sums of multiples of other rows.
struct Outputs {
    to: *mut f32,
    to_stride: usize,
    from: *const f32,
    from_stride: usize,
    columns: usize,
    /// Whether sums begin with what stands in the rows.
    add: bool,
}

impl Outputs {
    fn new(to: &mut MatrixMut<'_>, from: &Matrix<'_>, add: bool) -> Self {
        assert!(from.contiguous(), "a matrix whose rows are not contiguous");
        Self {
            to_stride: to.stride(),
            to: to.start(),
            from: from.start(),
            from_stride: from.strides[0],
            columns: to.columns(),
            add,
        }
    }

    /// Writes row `to`: the sum of `count` rows, each the number of one and its factor.
    ///
    /// # Safety
    /// The instruction set of `V`, and rows of such numbers.
    #[inline(always)]
    unsafe fn add<V: Lane>(&self, to: usize, count: usize, entry: impl Fn(usize) -> (usize, f32)) {
        let mut at = 0;
        while at < self.columns {
            let left = self.columns - at;
            // SAFETY: the caller's promise; the registers begin within the columns, and the last one is as long as what is left.
            unsafe {
                let to = self.to.add(to * self.to_stride + at);
                let from = self.from.add(at);
                match left.div_ceil(V::WORDS) {
                    1 => self.block::<V, 1>(to, from, left, count, &entry),
                    2 => self.block::<V, 2>(to, from, left, count, &entry),
                    3 => self.block::<V, 3>(to, from, left, count, &entry),
                    4 => self.block::<V, 4>(to, from, left, count, &entry),
                    5..MOST => self.block::<V, 4>(to, from, 4 * V::WORDS, count, &entry),
                    _ => self.block::<V, MOST>(to, from, left.min(MOST * V::WORDS), count, &entry),
                }
                at += V::WORDS
                    * match left.div_ceil(V::WORDS) {
                        few @ 1..=4 => few,
                        5..MOST => 4,
                        _ => MOST,
                    };
            }
        }
    }

    /// `N` registers of a row; `words` of them are in it.
    ///
    /// # Safety
    /// That of [`Outputs::add`].
    #[inline(always)]
    unsafe fn block<V: Lane, const N: usize>(
        &self,
        to: *mut f32,
        from: *const f32,
        words: usize,
        count: usize,
        entry: &impl Fn(usize) -> (usize, f32),
    ) {
        let last = words - (N - 1) * V::WORDS;
        let whole = last == V::WORDS;
        // SAFETY: the caller's promise.
        unsafe {
            let load = |at: *const f32, n: usize| {
                let at = at.add(n * V::WORDS);
                if n + 1 < N || whole { V::load_private(at) } else { V::load_first(at, last) }
            };
            let mut sums = [V::splat(0.0); N];
            if self.add {
                each!(N, n, sums[n] = load(to, n));
            }
            for nth in 0..count {
                let (row, factor) = entry(nth);
                let (row, factor) = (from.add(row * self.from_stride), V::splat(factor));
                each!(N, n, sums[n] = load(row, n).fma(factor, sums[n]));
            }
            each!(N, n, {
                let to = to.add(n * V::WORDS);
                if n + 1 < N || whole { sums[n].store_private(to) } else { sums[n].store_first(to, last) }
            });
        }
    }
}
