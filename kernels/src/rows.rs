//! Rows of data as the kernels take them: checked once, then walked without bounds checks.

use core::ops::Range;

use crate::ahead::ask_all;

/// Numbers of tensor rows, each known to be below [`Ids::limit`].
///
/// The kernels index Θ by these without a bounds check, so the type can only be made by [`Ids::check`].
///
/// The default is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids<'a> {
    ids: &'a [u32],
    limit: u32,
}

impl<'a> Ids<'a> {
    /// `ids`, if every one is below `limit`; otherwise the first that is not.
    ///
    /// # Errors
    /// The position in `ids` of the first number that is `limit` or more.
    pub fn check(ids: &'a [u32], limit: u32) -> Result<Self, usize> {
        if ids.iter().fold(0, |most, &id| most.max(id)) < limit || ids.is_empty() {
            Ok(Self { ids, limit })
        } else {
            Err(ids.iter().position(|&id| id >= limit).unwrap_or(0))
        }
    }

    /// The numbers of `range`.
    ///
    /// # Panics
    /// Where `range` does not lie within.
    #[inline(always)]
    pub fn slice(self, range: Range<usize>) -> Self {
        Self { ids: &self.ids[range], limit: self.limit }
    }

    /// The numbers.
    #[inline(always)]
    pub fn as_slice(self) -> &'a [u32] {
        self.ids
    }

    /// Every number is below this.
    #[inline(always)]
    pub fn limit(self) -> u32 {
        self.limit
    }
}

/// One example: the tensor rows it touches, each at most once, by how much, what is to be predicted, and how much that matters.
///
/// The default touches nothing and does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row<'a> {
    ids: Ids<'a>,
    values: &'a [f32],
    /// What is to be predicted: -1 or 1 for the logistic and the hinge loss, the number of the class where there is an output for
    /// each, else any number.
    pub target: f32,
    /// What its loss is multiplied by; not negative.
    pub weight: f32,
}

impl<'a> Row<'a> {
    /// The row of `ids` and `values`, which are as many, or none where every value is 1, with weight 1.
    ///
    /// # Panics
    /// Where `values` has another length.
    #[inline(always)]
    pub fn new(ids: Ids<'a>, values: &'a [f32], target: f32) -> Self {
        assert!(values.is_empty() || values.len() == ids.ids.len(), "a row's values and ids differ in number");
        Self { ids, values, target, weight: 1.0 }
    }

    /// The same row with this weight.
    #[inline(always)]
    pub fn weighing(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// Asks the processor for its ids and values ahead of use.
    #[inline(always)]
    pub fn prefetch(&self) {
        ask_all(self.ids.ids);
        ask_all(self.values);
    }

    /// The tensor rows it touches.
    #[inline(always)]
    pub fn ids(&self) -> Ids<'a> {
        self.ids
    }

    /// The values beside the ids; empty where every value is 1.
    #[inline(always)]
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// How many tensor rows it touches.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.ids.ids.len()
    }

    /// True where it touches none.
    pub fn is_empty(&self) -> bool {
        self.ids.ids.is_empty()
    }
}
