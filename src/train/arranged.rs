//! Ratings as they are learned: copied once into a grid of blocks, some users by some items each, whose rows of the table fit a
//! second-level cache together.
//!
//! What flows in: a corpus whose rows are pairs of features. What flows out: tasks, a block each, in an order in which those that are
//! learned at the same time have neither users nor items in common, and the ratings of a block, shuffled: data is often sorted by user.
//! So rows of the table stay where they are for as long as a task takes, and children do not meet (the grid is that of Zhuang, Chin,
//! Juan & Lin, "A Fast Parallel SGD for Matrix Factorization in Shared Memory Systems", RecSys 2013). Nothing keeps children apart but
//! the order; where they meet all the same, as at the ends of diagonals, it is Hogwild.

use std::ops::Range;

use hogback_kernels::Ratings;
use rayon::prelude::*;

use super::corpus::{BATCH, Corpus, checked};
use crate::data::order::{Holdout, Strips, mix, shuffle};
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
        let held = |row: u64| holdout.is_some_and(|holdout| holdout.has(row));
        let mut counts = [vec![0u32; corpus.limit() as usize], vec![0u32; corpus.limit() as usize]];
        let (mut ratings, mut alike) = (0, true);
        corpus.for_each_pair(|row, ids, _, weight| {
            if !held(row) {
                counts.iter_mut().zip(ids).for_each(|(counts, id)| counts[id as usize] += 1);
                ratings += 1;
                alike &= weight == 1.0;
            }
        })?;
        let rows: usize = counts.iter().flatten().filter(|&&count| count > 0).count();
        let side = (rows * row_bytes).div_ceil(BLOCK_BYTES).next_power_of_two();
        let most = ((ratings / LEAST) as f64).sqrt() as usize;
        let side = side.max(16).min(most).clamp(1, MOST_SIDE);
        let shares = counts.map(|counts| shares(&counts, ratings, side));

        let block =
            |ids: [u32; 2]| usize::from(shares[0][ids[0] as usize]) * side + usize::from(shares[1][ids[1] as usize]);
        let mut bounds = vec![0; side * side + 1];
        corpus.for_each_pair(|row, ids, _, _| bounds[block(ids) + 1] += usize::from(!held(row)))?;
        (0..side * side).for_each(|at| bounds[at + 1] += bounds[at]);
        let mut next = bounds.clone();
        let mut arranged = vec![([0; 2], 0.0, 1.0); ratings];
        corpus.for_each_pair(|row, ids, target, weight| {
            if !held(row) {
                let at = &mut next[block(ids)];
                arranged[*at] = (ids, target, weight);
                *at += 1;
            }
        })?;
        let mut blocks = Vec::with_capacity(side * side);
        let mut rest = &mut arranged[..];
        for bounds in bounds.windows(2) {
            let (block, behind) = rest.split_at_mut(bounds[1] - bounds[0]);
            blocks.push(block);
            rest = behind;
        }
        blocks.into_par_iter().enumerate().for_each(|(at, block)| shuffle(block, mix(seed ^ mix(at as u64))));
        Ok(Self {
            ids: arranged.iter().map(|rating| rating.0).collect(),
            targets: arranged.iter().map(|rating| rating.1).collect(),
            weights: if alike { vec![1.0; BATCH] } else { arranged.iter().map(|rating| rating.2).collect() },
            bounds,
            side,
            limit: corpus.limit(),
        })
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
