//! Faults that tests put into a run, at the n-th time a point is passed. A run without them pays a few loads a row group.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Where a fault may be put, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A child panics before it learns a group of rows.
    BeforeUpdate,
    /// A child panics with half a group learned.
    InsideUpdate,
    /// A child panics after a group, before it is exchanged.
    AfterUpdate,
    /// A child panics while it holds a shard and has merged a part.
    WhileMerging,
    /// A controller panics before a round of booking and dealing, with a reward not booked yet, or with a task not dealt yet.
    Controller,
    /// A weight in Θ stops to be a number when a child has learned a row that has it.
    Weight,
    /// The gradient of the last row of a group was no number.
    Gradient,
    /// The run is asked to stop when a child has done a task.
    TaskDone,
}

/// How many points there are.
const POINTS: usize = 8;

/// Which points have faults, and when.
#[derive(Debug)]
pub struct Faults {
    /// By point: how many more passages until the faults begin; negative when there are none to come.
    until: [AtomicI64; POINTS],
    /// By point: how many faults.
    times: [AtomicI64; POINTS],
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self { until: [const { AtomicI64::new(-1) }; POINTS], times: [const { AtomicI64::new(0) }; POINTS] }
    }

    /// Faults from the `nth` passage (0 is the first) of `point` on, `times` times in a row.
    pub fn at(self, point: Point, nth: i64, times: i64) -> Self {
        self.until[point as usize].store(nth, Relaxed);
        self.times[point as usize].store(times, Relaxed);
        self
    }

    /// Whether `point` is to have a fault some time.
    #[inline]
    pub fn armed(&self, point: Point) -> bool {
        self.until[point as usize].load(Relaxed) >= 0
    }

    /// Passes `point`; true where it has its fault now.
    #[inline]
    pub fn strikes(&self, point: Point) -> bool {
        self.armed(point) && self.count(point)
    }

    /// Passes `point`.
    ///
    /// # Panics
    /// Where a test wants it.
    #[inline]
    pub fn pass(&self, point: Point) {
        if self.strikes(point) {
            panic!("injected fault: {point:?}");
        }
    }

    #[cold]
    fn count(&self, point: Point) -> bool {
        if self.until[point as usize].fetch_sub(1, Relaxed) > 0 {
            return false;
        }
        let strikes = self.times[point as usize].fetch_sub(1, Relaxed) > 0;
        self.until[point as usize].store(if strikes { 0 } else { -1 }, Relaxed);
        strikes
    }
}
