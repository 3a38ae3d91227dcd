//! [`Tensor`]: a named part of Θ, rows × words, in memory that is reserved once and never moves.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use hogback_kernels::Cells;

use crate::sys::map::Region;

/// Rows in a block, the unit of ownership, exchange and commits.
pub const BLOCK_ROWS: usize = 4096;

/// How children may touch a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Rows of a weight with its optimiser slots interleaved, updated in place.
    Sparse,
    /// Weights and this many optimiser slots in planes of their own; children pull copies and push gradients.
    Dense {
        /// Optimiser slots of a weight.
        slots: usize,
    },
}

/// What a tensor is to be.
#[derive(Clone, Debug)]
pub struct TensorSpec {
    /// Its name, as it stands in the model directory.
    pub name: &'static str,
    /// How many rows it has now.
    pub rows: usize,
    /// How many rows it may grow to.
    pub capacity: usize,
    /// Words in a row: of a sparse tensor the weights and their slots, of a dense one the weights.
    pub width: usize,
    /// How children may touch it.
    pub class: Class,
}

/// A named part of Θ.
#[derive(Debug)]
pub struct Tensor {
    spec: TensorSpec,
    /// Sparse: one plane. Dense: the weights, then each slot.
    planes: Vec<Region>,
    /// Rows in use. Raised with Release after the new rows were made ready, read with Acquire: whoever sees a row
    /// sees it ready. New rows are zero, which every update rule takes as fresh, so there is nothing more to make.
    rows: AtomicUsize,
}

impl Tensor {
    /// Reserves address space for all the rows the tensor may grow to; memory comes with the first touch.
    ///
    /// # Errors
    /// The system's, where the address space is not to be had.
    pub fn reserve(spec: TensorSpec) -> io::Result<Self> {
        let planes = match spec.class {
            Class::Sparse => 1,
            Class::Dense { slots } => 1 + slots,
        };
        let words = spec.capacity.max(spec.rows) * spec.width;
        let planes = (0..planes).map(|_| Region::reserve(words)).collect::<io::Result<_>>()?;
        Ok(Self { rows: AtomicUsize::new(spec.rows), planes, spec })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// Words in a row.
    pub fn width(&self) -> usize {
        self.spec.width
    }

    /// How children may touch it.
    pub fn class(&self) -> Class {
        self.spec.class
    }

    /// Rows in use.
    pub fn rows(&self) -> usize {
        self.rows.load(Ordering::Acquire)
    }

    /// Raises the number of rows to `rows`; lower numbers change nothing. Pointers into the tensor stay good.
    ///
    /// # Panics
    /// Where `rows` exceeds what was reserved.
    pub fn grow(&self, rows: usize) {
        assert!(rows * self.spec.width <= self.planes[0].len(), "{} cannot grow to {rows} rows", self.spec.name);
        self.rows.fetch_max(rows, Ordering::Release);
    }

    /// How many planes it has.
    pub fn planes(&self) -> usize {
        self.planes.len()
    }

    /// All rows in use of a plane.
    pub fn plane(&self, plane: usize) -> Cells<'_> {
        self.planes[plane].cells().slice(0..self.rows() * self.spec.width)
    }

    /// All rows in use of the first plane.
    pub fn cells(&self) -> Cells<'_> {
        self.plane(0)
    }

    /// How many blocks its rows fill.
    pub fn blocks(&self) -> usize {
        self.rows().div_ceil(BLOCK_ROWS)
    }

    /// The words of block `block` in `plane`.
    pub fn block(&self, plane: usize, block: usize) -> Cells<'_> {
        let rows = self.rows();
        let from = (block * BLOCK_ROWS).min(rows);
        let to = (from + BLOCK_ROWS).min(rows);
        self.planes[plane].cells().slice(from * self.spec.width..to * self.spec.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_appear_where_they_will_stay_and_are_zero() {
        let spec = TensorSpec { name: "t", rows: 3, capacity: 10_000, width: 2, class: Class::Sparse };
        let tensor = Tensor::reserve(spec).unwrap();
        let before = tensor.cells();
        before.set(5, 7.0);
        tensor.grow(5000);
        tensor.grow(10);
        assert_eq!(tensor.rows(), 5000);
        assert_eq!(tensor.blocks(), 2);
        assert_eq!(tensor.block(0, 1).len(), (5000 - BLOCK_ROWS) * 2);
        assert_eq!(tensor.cells().get(5), 7.0);
        assert!((6..10_000).all(|at| tensor.cells().get(at) == 0.0));
        assert!(std::ptr::eq(before.words().as_ptr(), tensor.cells().words().as_ptr()));
    }

    #[test]
    #[should_panic(expected = "cannot grow")]
    fn a_tensor_does_not_grow_past_what_it_reserved() {
        let spec = TensorSpec { name: "t", rows: 3, capacity: 4, width: 2, class: Class::Sparse };
        Tensor::reserve(spec).unwrap().grow(5);
    }
}
