//! The order of rows: tasks that interleave distant stretches of the data, shuffled anew each pass by the seed.
//!
//! The rows are cut into [`STRATA`] equal strata, each stratum into one strip a task, and a task walks one strip of each stratum,
//! [`RUN`] rows of each in turn, strata far from each other one after the other (the bits of their numbers reversed: 0, 8, 4,
//! 12, …). So every task sees all parts of the file in their true proportions: data sorted by label trains like shuffled data,
//! while each strip is read from beginning to end, as memory likes it.

use std::ops::Range;

use hogback_kernels::mix;

/// Strips that a task walks side by side.
pub const STRATA: u64 = 16;
const _: () = assert!(STRATA.is_power_of_two(), "bits of their numbers are reversed");

/// Rows of a strip that are walked in a row: the hardware fetches what follows ahead of use, and 64 rows still come from all
/// parts of the data alike.
pub const RUN: u64 = 4;

/// The strips of one task.
pub type Strips = Vec<Range<u64>>;

/// The tasks of pass `pass`: each row of `0..rows` stands in one strip of one task.
pub fn tasks(rows: u64, tasks: u64, seed: u64, pass: u64) -> Vec<Strips> {
    let tasks = tasks.clamp(1, rows.max(1));
    let mut strips: Vec<Strips> = vec![Vec::with_capacity(STRATA as usize); tasks as usize];
    for nth in 0..STRATA {
        let stratum = nth.reverse_bits() >> (u64::BITS - STRATA.trailing_zeros());
        let (from, to) = (rows * stratum / STRATA, rows * (stratum + 1) / STRATA);
        let mut turn: Vec<u64> = (0..tasks).collect();
        shuffle(&mut turn, mix(seed ^ mix(pass ^ mix(stratum))));
        for (task, nth) in turn.into_iter().enumerate() {
            let strip = from + (to - from) * nth / tasks..from + (to - from) * (nth + 1) / tasks;
            if !strip.is_empty() {
                strips[task].push(strip);
            }
        }
    }
    strips
}

/// Which rows are held out: a share of all, the same ones whatever the order.
#[derive(Clone, Copy, Debug)]
pub struct Holdout {
    /// Of 2^53.
    below: u64,
    seed: u64,
}

impl Holdout {
    /// A share of `share` of all rows.
    pub fn new(share: f64, seed: u64) -> Self {
        // The constant keeps the choice apart from other uses of the seed.
        Self { below: (share * (1u64 << 53) as f64).ceil() as u64, seed: mix(seed ^ 0x686f_6c64) }
    }

    /// Whether `row` is one of them.
    #[inline(always)]
    pub fn has(self, row: u64) -> bool {
        (mix(row ^ self.seed) >> 11) < self.below
    }
}

/// Walks strips a few rows of each in turn.
#[derive(Debug)]
pub struct Interleaved {
    strips: Strips,
    turn: usize,
}

impl Interleaved {
    /// Begins at the first row of each strip.
    pub fn new(strips: Strips) -> Self {
        Self { strips, turn: 0 }
    }
}

impl Iterator for Interleaved {
    /// Consecutive rows, at most [`RUN`], and the number of their strip.
    type Item = (Range<u64>, usize);

    fn next(&mut self) -> Option<(Range<u64>, usize)> {
        // Strips differ by a row in length, so a few empty ones are passed over, only near the end.
        for _ in 0..self.strips.len() {
            let turn = self.turn;
            self.turn = if turn + 1 == self.strips.len() { 0 } else { turn + 1 };
            let strip = &mut self.strips[turn];
            if !strip.is_empty() {
                let run = strip.start..strip.end.min(strip.start + RUN);
                strip.start = run.end;
                return Some((run, turn));
            }
        }
        None
    }
}

/// Shuffles `items` by `seed` (Fisher & Yates).
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        // The high half of a product: uniform to one part in 2⁶⁴ / len (Lemire 2019).
        let pick = ((u128::from(mix(state)) * (last as u128 + 1)) >> 64) as usize;
        items.swap(last, pick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_walked_once_whatever_the_numbers() {
        for rows in [0u64, 1, 2, 15, 16, 17, 100, 1003] {
            for n in [1, 2, 3, 7, 64] {
                for pass in 0..2 {
                    let mut seen: Vec<u64> = tasks(rows, n, 9, pass)
                        .into_iter()
                        .flat_map(Interleaved::new)
                        .flat_map(|(run, _)| run)
                        .collect();
                    seen.sort_unstable();
                    assert_eq!(seen, (0..rows).collect::<Vec<_>>(), "{rows} rows, {n} tasks");
                }
            }
        }
    }

    #[test]
    fn passes_and_seeds_differ_and_repeat() {
        assert_eq!(tasks(1000, 8, 1, 0), tasks(1000, 8, 1, 0));
        assert_ne!(tasks(1000, 8, 1, 0), tasks(1000, 8, 1, 1));
        assert_ne!(tasks(1000, 8, 1, 0), tasks(1000, 8, 2, 0));
    }

    /// Sorted by label, one in four positive: every stretch of a task has about that share.
    #[test]
    fn a_task_sees_all_parts_of_the_data_in_proportion() {
        for strips in tasks(64_000, 10, 3, 0) {
            let labels: Vec<bool> =
                Interleaved::new(strips).flat_map(|(run, _)| run).map(|row| row >= 48_000).collect();
            for length in [16, 64] {
                for stretch in labels.chunks_exact(length) {
                    assert_eq!(stretch.iter().filter(|&&positive| positive).count(), length / 4);
                }
            }
        }
    }

    #[test]
    fn held_out_rows_are_the_share_asked_for() {
        let held = |share: f64, rows| (0..rows).filter(|&row| Holdout::new(share, 7).has(row)).count();
        assert!((9_700..10_300).contains(&held(0.1, 100_000)), "{}", held(0.1, 100_000));
        assert_eq!((held(0.0, 1000), held(1.0, 1000)), (0, 1000));
    }
}
