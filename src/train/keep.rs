//! [`Keeper`]: commits generations when they are due, and goes on when a commit fails.

use std::time::{Duration, Instant};

use crate::checkpoint::{Generation, Writer};
use crate::error::Result;

/// Commits at the ends of passes are at least this far apart, so that short passes are not spent on the disk.
const APART: Duration = Duration::from_secs(2);
/// And at least this many times as far apart as the last commit took.
const COST: u32 = 20;

/// When to commit, and the writer to do it with.
pub(crate) struct Keeper<'a> {
    writer: Writer<'a>,
    shards: usize,
    every: Duration,
    last: Instant,
    took: Duration,
}

impl<'a> Keeper<'a> {
    /// Commits through `writer` in `shards` files, at least every `every`; whenever it can where that is no time at all.
    pub(crate) fn new(writer: Writer<'a>, shards: usize, every: Duration) -> Self {
        Self { writer, shards, every, last: Instant::now(), took: Duration::ZERO }
    }

    /// Whether a commit is due in the middle of a pass.
    pub(crate) fn is_due(&self) -> bool {
        self.is_after(self.every)
    }

    /// Whether a commit is due at the end of a pass.
    pub(crate) fn is_due_between_passes(&self) -> bool {
        self.is_after(APART.min(self.every))
    }

    fn is_after(&self, time: Duration) -> bool {
        time.is_zero() || self.last.elapsed() >= time.max(self.took * COST)
    }

    /// Commits.
    ///
    /// # Errors
    /// The system's; what was there before is intact, and the next commit may be tried when it is due.
    pub(crate) fn commit(&mut self, generation: &Generation) -> Result<u64> {
        let begun = Instant::now();
        let number = self.writer.commit(generation, self.shards);
        self.took = begun.elapsed();
        self.last = Instant::now();
        number
    }
}
