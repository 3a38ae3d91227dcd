//! Faults that tests put into a run: a panic at the n-th time a point is passed. A run without them pays one load a row group.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Where a thread may be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A child, before it learns a group of rows.
    BeforeUpdate,
    /// A child, with half a group learned.
    InsideUpdate,
    /// A child, after a group, before it is exchanged.
    AfterUpdate,
    /// A child, while it holds a shard and has merged a part.
    WhileMerging,
    /// A controller, before a round of booking and dealing, with a reward not booked yet, and with a task not dealt yet.
    Controller,
}

/// Which points panic, and when.
#[derive(Debug)]
pub struct Faults {
    /// By point: how many more passages until the panics begin; negative when there are none to come.
    until: [AtomicI64; 5],
    /// By point: how many panics.
    times: [AtomicI64; 5],
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self { until: [const { AtomicI64::new(-1) }; 5], times: [const { AtomicI64::new(0) }; 5] }
    }

    /// Panics from the `nth` passage (0 is the first) of `point` on, `times` times in a row.
    pub fn panics(self, point: Point, nth: i64, times: i64) -> Self {
        self.until[point as usize].store(nth, Relaxed);
        self.times[point as usize].store(times, Relaxed);
        self
    }

    /// Whether `point` is to panic some time.
    #[inline]
    pub fn armed(&self, point: Point) -> bool {
        self.until[point as usize].load(Relaxed) >= 0
    }

    /// Passes `point`.
    ///
    /// # Panics
    /// Where a test wants it.
    #[inline]
    pub fn pass(&self, point: Point) {
        if self.armed(point) {
            self.count(point);
        }
    }

    #[cold]
    fn count(&self, point: Point) {
        if self.until[point as usize].fetch_sub(1, Relaxed) <= 0 {
            if self.times[point as usize].fetch_sub(1, Relaxed) > 0 {
                self.until[point as usize].store(0, Relaxed);
                panic!("injected fault: {point:?}");
            }
            self.until[point as usize].store(-1, Relaxed);
        }
    }
}
