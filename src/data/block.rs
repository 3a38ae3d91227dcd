//! [`Block`]: some thousand rows of data, compressed by rows, wherever their bytes lie.

use std::ops::Range;

use hogback_kernels::{Ids, ask_for};

use super::repeats::Repeats;
use crate::sys::map::ask_for_pages;

/// For so many ids pages are asked for at a time; together with their values they stay in the second-level cache until they are
/// written.
const PAGES: usize = 16 << 10;

/// Consecutive rows of a file, checked: row offsets rise and every id is below the limit.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The number in the file of the first row here.
    pub first_row: u64,
    pub(crate) offsets: &'a [u32],
    pub(crate) labels: &'a [f32],
    pub(crate) ids: Ids<'a>,
    /// As many as ids, or none where every value here is 1.
    pub(crate) values: &'a [f32],
    /// As many as rows, or none where every row here weighs 1.
    pub(crate) weights: &'a [f32],
    /// What is handed out where `values` has none: as many ones as the longest row has ids, or nothing.
    pub(crate) ones: &'a [f32],
}

impl<'a> Block<'a> {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// How many ids in all rows together.
    pub fn nonzeros(&self) -> usize {
        self.ids.as_slice().len()
    }

    /// The label of row `i`; NaN where it has none.
    ///
    /// # Panics
    /// Where there is no such row, as [`Block::ids`] and [`Block::values`].
    #[inline(always)]
    pub fn label(&self, i: usize) -> f32 {
        self.labels[i]
    }

    /// The labels of all rows.
    pub fn labels(&self) -> &'a [f32] {
        self.labels
    }

    /// How much row `i` counts beside others: as often as so many rows of its kind; 1 where nothing was said.
    #[inline(always)]
    pub fn weight(&self, i: usize) -> f32 {
        if self.weights.is_empty() { 1.0 } else { self.weights[i] }
    }

    /// The weights of all rows; none where every one is 1.
    pub fn weights(&self) -> &'a [f32] {
        self.weights
    }

    /// The ids of row `i`, each once.
    #[inline(always)]
    pub fn ids(&self, i: usize) -> Ids<'a> {
        self.ids.slice(self.range(i))
    }

    /// The ids of some rows, one after the other.
    ///
    /// # Panics
    /// Where there are no such rows.
    #[inline(always)]
    pub fn ids_of(&self, rows: Range<usize>) -> Ids<'a> {
        self.ids.slice(self.offsets[rows.start] as usize..self.offsets[rows.end] as usize)
    }

    /// The values beside the ids of row `i`; empty where all values of the whole file are 1 (of the whole block, for
    /// an [`OwnedBlock`] that belongs to no file).
    #[inline(always)]
    pub fn values(&self, i: usize) -> &'a [f32] {
        let range = self.range(i);
        if !self.values.is_empty() {
            &self.values[range]
        } else if !self.ones.is_empty() {
            &self.ones[..range.len()]
        } else {
            &[]
        }
    }

    /// Asks the processor for what says where the rows some way behind row `i` lie, ahead of use.
    #[inline(always)]
    pub fn prefetch_behind(&self, i: usize) {
        /// A cache line's offsets or labels.
        const FAR: usize = 16;
        ask_for(self.offsets, i + FAR);
        ask_for(self.labels, i + FAR);
    }

    #[inline(always)]
    fn range(&self, i: usize) -> Range<usize> {
        self.offsets[i] as usize..self.offsets[i + 1] as usize
    }
}

/// Rows in private memory: what parsing makes, and what a [`Block`] is a view of.
///
/// Filled row by row: [`OwnedBlock::push`] for each id, then [`OwnedBlock::end_row`] or
/// [`OwnedBlock::end_weighted_row`].
#[derive(Clone, Debug)]
pub struct OwnedBlock {
    /// The number in the file of the first row here.
    pub first_row: u64,
    /// Every id is to be below this.
    pub(crate) limit: u32,
    pub(crate) offsets: Vec<u32>,
    pub(crate) labels: Vec<f32>,
    pub(crate) ids: Vec<u32>,
    /// As many as ids; none after [`OwnedBlock::drop_ones`] where all were 1.
    pub(crate) values: Vec<f32>,
    /// As many as rows; none as long as all are 1.
    pub(crate) weights: Vec<f32>,
    /// Of each bad row that was skipped, how many rows of this block come before it.
    pub skipped: Vec<u32>,
    /// The pages for so many ids and values have been asked for.
    asked: usize,
}

impl OwnedBlock {
    /// No rows yet; their ids will be below `limit`.
    pub fn new(limit: u32) -> Self {
        Self::with_room(limit, 0)
    }

    /// [`OwnedBlock::new`] with room for `nonzeros` ids.
    pub(crate) fn with_room(limit: u32, nonzeros: usize) -> Self {
        let (ids, values) = (Vec::with_capacity(nonzeros), Vec::with_capacity(nonzeros));
        let (labels, weights, skipped) = (Vec::new(), Vec::new(), Vec::new());
        Self { first_row: 0, limit, offsets: vec![0], labels, ids, values, weights, skipped, asked: 0 }
    }

    /// The rows of `block`, whose ids will be below the limit that is still to be set.
    pub(crate) fn copy_of(block: &Block<'_>) -> Self {
        Self {
            first_row: block.first_row,
            limit: 0,
            offsets: block.offsets.to_vec(),
            labels: block.labels.to_vec(),
            ids: block.ids.as_slice().to_vec(),
            values: block.values.to_vec(),
            weights: block.weights.to_vec(),
            skipped: Vec::new(),
            asked: 0,
        }
    }

    /// Adds an id to the row being filled; a value of 0 adds nothing.
    #[inline(always)]
    pub fn push(&mut self, id: u32, value: f32) {
        if value != 0.0 {
            self.ids.push(id);
            self.values.push(value);
        }
    }

    /// Adds `value` to that of the id that was pushed as number `nth`, from 0, into the row being filled.
    ///
    /// # Panics
    /// Where there is none.
    #[inline(always)]
    pub(crate) fn add(&mut self, nth: usize, value: f32) {
        let at = self.open_start() + nth;
        self.values[at] += value;
    }

    /// Ends the row being filled, in which no id stands twice. The label is NaN where there is none.
    pub fn end_row(&mut self, label: f32) {
        self.end_weighted_row(label, 1.0);
    }

    /// [`OwnedBlock::end_row`] for a row that counts as much as `weight` rows; it is finite and not below 0.
    pub fn end_weighted_row(&mut self, label: f32, weight: f32) {
        if weight != 1.0 || !self.weights.is_empty() {
            self.weights.resize(self.rows(), 1.0);
            self.weights.push(weight);
        }
        self.offsets.push(self.ids.len() as u32);
        self.labels.push(label);
    }

    /// Drops the row being filled, which is bad.
    pub(crate) fn skip_row(&mut self) {
        self.cut_row(0);
        self.skipped.push(self.rows() as u32);
    }

    /// Adds up the values of ids that stand more than once in the row being filled, each at its first place; a sum of zero goes.
    ///
    /// # Errors
    /// In words, where it adds up to too much.
    pub(crate) fn fold_repeated(&mut self, repeats: &mut Repeats) -> Result<(), &'static str> {
        let start = self.open_start();
        let all = self.ids.len() - start;
        let kept = repeats.fold(&mut self.ids[start..], &mut self.values[start..]);
        if kept == all {
            return Ok(());
        }
        self.cut_row(kept);
        if self.values[start..].iter().any(|value| !value.is_finite()) {
            return Err("values of one feature add up to more than a float holds");
        }
        self.retain_in_row(|_, value| value != 0.0);
        Ok(())
    }

    /// [`OwnedBlock::fold_repeated`] where few rows have repeats.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn check_repeated(&mut self, repeats: &mut Repeats) -> Result<(), &'static str> {
        if repeats.any(self.open_row()) { self.fold_repeated(repeats) } else { Ok(()) }
    }

    /// Keeps of the row being filled what `keep` says, by id and value.
    pub(crate) fn retain_in_row(&mut self, keep: impl Fn(u32, f32) -> bool) {
        let start = self.open_start();
        let mut kept = start;
        for at in start..self.ids.len() {
            if keep(self.ids[at], self.values[at]) {
                (self.ids[kept], self.values[kept]) = (self.ids[at], self.values[at]);
                kept += 1;
            }
        }
        self.ids.truncate(kept);
        self.values.truncate(kept);
    }

    /// Room for `count` more ids and values in the row being filled; [`OwnedBlock::cut_row`] says how many of them stay.
    pub(crate) fn room(&mut self, count: usize) -> (&mut [u32], &mut [f32]) {
        let start = self.ids.len();
        if start + count > self.asked {
            self.asked = start + count + PAGES;
            ask_for_pages(&mut self.ids, count + PAGES);
            ask_for_pages(&mut self.values, count + PAGES);
        }
        self.ids.resize(start + count, 0);
        self.values.resize(start + count, 0.0);
        (&mut self.ids[start..], &mut self.values[start..])
    }

    /// Keeps the first `count` ids of the row being filled.
    pub(crate) fn cut_row(&mut self, count: usize) {
        let end = self.open_start() + count;
        self.ids.truncate(end);
        self.values.truncate(end);
    }

    /// The ids of the row being filled.
    pub(crate) fn open_row(&mut self) -> &mut [u32] {
        let start = self.open_start();
        &mut self.ids[start..]
    }

    fn open_start(&self) -> usize {
        self.offsets.last().map_or(0, |&at| at as usize)
    }

    /// Lets the values go where every one is 1.
    pub(crate) fn drop_ones(&mut self) {
        if self.values.iter().all(|&value| value == 1.0) {
            self.values = Vec::new();
        }
    }

    /// Gives back the memory that was only room to grow.
    pub(crate) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The rows as a [`Block`].
    ///
    /// # Panics
    /// Where an id is not below the limit.
    pub fn as_block(&self) -> Block<'_> {
        let ids = match Ids::check(&self.ids, self.limit) {
            Ok(ids) => ids,
            Err(at) => panic!("id {} is not below {}", self.ids[at], self.limit),
        };
        let (offsets, labels, values, weights) = (&*self.offsets, &*self.labels, &*self.values, &*self.weights);
        Block { first_row: self.first_row, offsets, labels, ids, values, weights, ones: &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_filled_in() {
        let mut block = OwnedBlock::new(10);
        block.push(9, 0.5);
        block.push(3, 0.0);
        block.push(2, -1.0);
        block.end_row(1.0);
        block.end_row(f32::NAN);
        let block = block.as_block();
        assert_eq!((block.rows(), block.nonzeros()), (2, 2));
        assert_eq!((block.ids(0).as_slice(), block.values(0), block.label(0)), (&[9, 2][..], &[0.5, -1.0][..], 1.0));
        assert_eq!((block.ids(1).as_slice(), block.values(1)), (&[][..], &[][..]));
        assert_eq!((block.ids(0).limit(), block.label(1).is_nan()), (10, true));
    }

    #[test]
    fn rows_weigh_1_until_one_is_said_to_weigh_something_else() {
        let mut block = OwnedBlock::new(10);
        block.end_row(1.0);
        block.end_weighted_row(0.0, 1.0);
        assert_eq!((block.as_block().weights(), block.as_block().weight(1)), (&[][..], 1.0));
        block.end_weighted_row(0.0, 2.5);
        block.end_row(1.0);
        assert_eq!((block.as_block().weights(), block.as_block().weight(2)), (&[1.0, 1.0, 2.5, 1.0][..], 2.5));
    }

    #[test]
    fn repeated_ids_add_up_in_their_first_place() {
        let mut block = OwnedBlock::new(10);
        block.push(7, 1.0);
        block.end_row(0.0);
        for (id, value) in [(7, 1.0), (3, 2.0), (7, 0.5), (1, 4.0), (3, -2.0)] {
            block.push(id, value);
        }
        let mut repeats = Repeats::default();
        block.fold_repeated(&mut repeats).unwrap();
        block.end_row(0.0);
        let rows = block.as_block();
        assert_eq!((rows.ids(0).as_slice(), rows.ids(1).as_slice()), (&[7][..], &[7, 1][..]));
        assert_eq!(rows.values(1), [1.5, 4.0]);
        block.push(2, f32::MAX);
        block.push(2, f32::MAX);
        assert!(block.fold_repeated(&mut repeats).is_err());
    }

    #[test]
    fn ones_are_not_kept() {
        let mut block = OwnedBlock::new(10);
        block.push(4, 1.0);
        block.end_row(0.0);
        block.drop_ones();
        assert_eq!(block.as_block().values(0), [0.0; 0]);
        assert_eq!(Block { ones: &[1.0, 1.0], ..block.as_block() }.values(0), [1.0]);
    }

    #[test]
    #[should_panic(expected = "id 4 is not below 4")]
    fn an_id_past_the_limit_is_not_handed_out() {
        let mut block = OwnedBlock::new(4);
        block.push(4, 1.0);
        block.end_row(0.0);
        block.as_block();
    }
}
