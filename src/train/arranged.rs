//! Ratings as they are learned: copied once into a grid of blocks, some users by some items each, whose rows of the table fit a
//! second-level cache together.
//!
//! What flows in: a corpus whose rows are pairs of features. What flows out: tasks, a block each, in an order in which those that are
//! learned at the same time have neither users nor items in common, and the ratings of a block, shuffled: data is often sorted by user.
//! So rows of the table stay where they are for as long as a task takes, and children do not meet (the grid is that of Zhuang, Chin,
//! Juan & Lin, "A Fast Parallel SGD for Matrix Factorization in Shared Memory Systems", RecSys 2013). Nothing keeps children apart but
//! the order; where they meet all the same, as at the ends of diagonals, it is Hogwild.

use std::ops::Range;

use hogback_kernels::{Ratings, mix};
use rayon::prelude::*;

use super::corpus::{BATCH, Corpus, checked};
use crate::data::order::{Holdout, Strips, shuffle};
use crate::error::Result;

/// Bytes of the rows of the table that the users and the items of a block have together, by and by: half of a common second-level cache.
const BLOCK_BYTES: usize = 512 << 10;
/// The least ratings of a block, on average, so that dealing costs nothing.
const LEAST: usize = 2048;
/// The most users' or items' shares: a block then has enough ratings to make good use of its rows.
const MOST_SIDE: usize = 64;

/// Ratings in a grid of blocks.
#[derive(Debug)]
pub(super) struct Arranged {
    ids: Vec<[u32; 2]>,
    targets: Vec<f32>,
    /// Of each rating; or as many ones as are fetched at a time.
    weights: Vec<f32>,
    /// Where each block begins, and where the last one ends; users by items.
    bounds: Vec<usize>,
    /// Shares of users, and as many of items.
    side: usize,
    limit: u32,
}

impl Arranged {
    /// The ratings of `corpus` that are not held out, for a table whose rows have `row_bytes` bytes.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn new(corpus: &Corpus<'_>, holdout: Option<Holdout>, row_bytes: usize, seed: u64) -> Result<Self> {
        let threads = rayon::current_num_threads() as u64;
        let piece = |nth: u64| corpus.rows() * nth / threads..corpus.rows() * (nth + 1) / threads;
        let pieces: Vec<Range<u64>> = (0..threads).map(piece).collect();
        let counted =
            pieces.par_iter().map(|rows| Counted::of(corpus, rows.clone(), holdout)).collect::<Result<Vec<_>>>()?;
        let Counted { counts, ratings, alike } =
            counted.into_iter().reduce(|all, more| all.and(&more)).unwrap_or_default();
        let rows = counts.iter().flatten().filter(|&&count| count > 0).count();
        let side = (rows * row_bytes).div_ceil(BLOCK_BYTES).next_power_of_two();
        let most = ((ratings / LEAST) as f64).sqrt() as usize;
        let side = side.max(16).min(most).clamp(1, MOST_SIDE);
        let shares = counts.map(|counts| shares(&counts, ratings, side));

        let block =
            |ids: [u32; 2]| usize::from(shares[0][ids[0] as usize]) * side + usize::from(shares[1][ids[1] as usize]);
        let sort = |rows: &Range<u64>| Piece::sorted(corpus, rows.clone(), holdout, side * side, block);
        let pieces = pieces.par_iter().map(sort).collect::<Result<Vec<_>>>()?;
        let mut bounds = vec![0; side * side + 1];
        for at in 0..side * side {
            bounds[at + 1] = bounds[at] + pieces.iter().map(|piece| piece.block(at).len()).sum::<usize>();
        }
        let shuffled = |at: usize| {
            let mut block: Vec<Rating> = pieces.iter().flat_map(|piece| piece.block(at)).copied().collect();
            shuffle(&mut block, mix(seed ^ mix(at as u64)));
            block
        };
        let (mut ids, mut targets) = (vec![[0; 2]; ratings], vec![0.0; ratings]);
        let mut weights = vec![1.0; if alike { BATCH } else { ratings }];
        let (mut ids_left, mut targets_left, mut weights_left) = (&mut ids[..], &mut targets[..], &mut weights[..]);
        let mut blocks = Vec::with_capacity(side * side);
        for (at, bounds) in bounds.windows(2).enumerate() {
            let len = bounds[1] - bounds[0];
            let of_weights = if alike { 0 } else { len };
            blocks.push((
                at,
                ids_left.split_off_mut(..len).unwrap_or_default(),
                targets_left.split_off_mut(..len).unwrap_or_default(),
                weights_left.split_off_mut(..of_weights).unwrap_or_default(),
            ));
        }
        blocks.into_par_iter().for_each(|(at, ids, targets, weights)| {
            let ratings = shuffled(at);
            ids.iter_mut().zip(&ratings).for_each(|(ids, rating)| *ids = rating.ids);
            targets.iter_mut().zip(&ratings).for_each(|(target, rating)| *target = rating.target);
            weights.iter_mut().zip(&ratings).for_each(|(weight, rating)| *weight = rating.weight);
        });
        Ok(Self { ids, targets, weights, bounds, side, limit: corpus.limit() })
    }

    /// The tasks of pass `pass`: diagonal after diagonal of the grid, along which no two blocks have users or items in common.
    pub(super) fn tasks(&self, seed: u64, pass: u64) -> Vec<Strips> {
        let by = mix(seed ^ mix(pass));
        let mut diagonals: Vec<usize> = (0..self.side).collect();
        let mut users: Vec<usize> = (0..self.side).collect();
        shuffle(&mut diagonals, by);
        shuffle(&mut users, mix(by));
        let blocks = diagonals
            .iter()
            .flat_map(|diagonal| users.iter().map(move |user| user * self.side + (user + diagonal) % self.side));
        let ranges = blocks.map(|block| self.bounds[block] as u64..self.bounds[block + 1] as u64);
        ranges.filter(|range| !range.is_empty()).map(|range| vec![range]).collect()
    }

    /// The ratings of `range` of a task, of which no more are to be learned at a time than are fetched at a time.
    ///
    /// # Errors
    /// Where a rating names a feature that the model has not.
    pub(super) fn ratings(&self, range: Range<usize>) -> Result<Ratings<'_>> {
        let ids = checked(self.ids[range.clone()].as_flattened(), self.limit)?;
        let weights =
            if self.weights.len() == self.ids.len() { &self.weights[range.clone()] } else { &self.weights[..] };
        Ok(Ratings { ids, targets: &self.targets[range], weights })
    }

    /// A feature of rating `at`.
    pub(super) fn first(&self, at: usize) -> u32 {
        self.ids[at][0]
    }
}

/// A rating on its way to its block.
#[derive(Clone, Copy, Debug, Default)]
struct Rating {
    ids: [u32; 2],
    target: f32,
    weight: f32,
}

/// What is known of some ratings.
#[derive(Debug, Default)]
struct Counted {
    /// By feature, how many have it as their first and as their second.
    counts: [Vec<u32>; 2],
    ratings: usize,
    /// All weigh 1.
    alike: bool,
}

impl Counted {
    fn of(corpus: &Corpus<'_>, rows: Range<u64>, holdout: Option<Holdout>) -> Result<Self> {
        let counts = || vec![0u32; corpus.limit() as usize];
        let mut counted = Self { counts: [counts(), counts()], ratings: 0, alike: true };
        corpus.for_each_pair(rows, holdout, |ids, _, weight| {
            counted.counts.iter_mut().zip(ids).for_each(|(counts, id)| counts[id as usize] += 1);
            counted.ratings += 1;
            counted.alike &= weight == 1.0;
        })?;
        Ok(counted)
    }

    fn and(mut self, other: &Self) -> Self {
        for (counts, others) in self.counts.iter_mut().zip(&other.counts) {
            counts.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
        Self { ratings: self.ratings + other.ratings, alike: self.alike && other.alike, ..self }
    }
}

/// Some ratings, block by block.
#[derive(Debug)]
struct Piece {
    ratings: Vec<Rating>,
    bounds: Vec<usize>,
}

impl Piece {
    fn sorted(
        corpus: &Corpus<'_>,
        rows: Range<u64>,
        holdout: Option<Holdout>,
        blocks: usize,
        block: impl Fn([u32; 2]) -> usize,
    ) -> Result<Self> {
        let mut bounds = vec![0; blocks + 1];
        corpus.for_each_pair(rows.clone(), holdout, |ids, _, _| bounds[block(ids) + 1] += 1)?;
        (0..blocks).for_each(|at| bounds[at + 1] += bounds[at]);
        let (mut next, mut ratings) = (bounds.clone(), vec![Rating::default(); bounds[blocks]]);
        corpus.for_each_pair(rows, holdout, |ids, target, weight| {
            let at = &mut next[block(ids)];
            ratings[*at] = Rating { ids, target, weight };
            *at += 1;
        })?;
        Ok(Self { ratings, bounds })
    }

    fn block(&self, at: usize) -> &[Rating] {
        &self.ratings[self.bounds[at]..self.bounds[at + 1]]
    }
}

/// By feature, which of `side` shares it is in, such that all have about as many of the `ratings`; features of one share follow each
/// other in the table.
fn shares(counts: &[u32], ratings: usize, side: usize) -> Vec<u8> {
    let mut before = 0usize;
    let share = |&count: &u32| {
        let share = (before * side / ratings.max(1)).min(side - 1);
        before += count as usize;
        share as u8
    };
    counts.iter().map(share).collect()
}
