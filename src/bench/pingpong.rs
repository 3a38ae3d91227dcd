//! Two cpus that work together. Virtual ones move, so what two threads do together is measured between two looks at how far
//! apart they are, or noise is compared.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use serde::Serialize;

use crate::engine::distance::{NEAR, round_trip};
use crate::sys::pin::{allowed_cpus, pin};

/// The middle of so many batches counts.
const BATCHES: usize = 15;
/// A look takes no longer than this: where other processes have the cpus there is nothing to see.
const PATIENCE: Duration = Duration::from_millis(40);

/// Where two cpus are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// A cache line goes there and back within 200 ns.
    Near,
    /// It takes longer.
    Far,
    /// Every sample would have to be dropped: these are of all of them.
    Unsettled,
}

impl Placement {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
            Self::Unsettled => "unsettled",
        }
    }
}

/// Two cpus that work together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair(pub(super) usize, pub(super) usize);

impl Pair {
    /// Runs `first` on one cpu and `second` on the other, begun together; how long both took, until the later end.
    pub(super) fn both(self, first: impl FnOnce() + Send, second: impl FnOnce() + Send) -> Duration {
        let ready = CachePadded::new(AtomicUsize::new(0));
        let begin = |cpu: usize, work: Box<dyn FnOnce() + Send + '_>| {
            // Where it is forbidden the figures are worse, and no others can be had.
            let _ = pin(&[cpu]);
            ready.fetch_add(1, Ordering::AcqRel);
            while ready.load(Ordering::Acquire) < 2 {
                std::hint::spin_loop();
            }
            let begun = Instant::now();
            work();
            (begun, Instant::now())
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| begin(self.1, Box::new(second)));
            let mine = scope.spawn(|| begin(self.0, Box::new(first)));
            let times = [mine.join(), other.join()].map(|joined| joined.unwrap_or_else(resume));
            times[0].1.max(times[1].1) - times[0].0.min(times[1].0)
        })
    }

    /// Runs `work` on one cpu while `beside` is repeated on the other; how long `work` took.
    pub(super) fn beside(self, mut beside: impl FnMut() + Send, work: impl FnOnce() + Send) -> Duration {
        let (running, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut took = Duration::ZERO;
        let watch = || {
            while !running.load(Ordering::Acquire) {
                std::hint::spin_loop();
            }
            let begun = Instant::now();
            work();
            took = begun.elapsed();
            done.store(true, Ordering::Release);
        };
        self.both(watch, || {
            beside();
            running.store(true, Ordering::Release);
            while !done.load(Ordering::Acquire) {
                beside();
            }
        });
        took
    }

    /// How long a cache line takes from one cpu to the other and back, in seconds; `None` where neither had a cpu to itself.
    pub(super) fn round_trip(self) -> Option<f64> {
        round_trip((self.0, self.1), BATCHES, PATIENCE)
    }
}

/// What two looks, before and after a sample, say of it; `None` where they differ, and the sample is worth nothing.
pub(super) fn agreed(before: Option<f64>, after: Option<f64>) -> Option<Placement> {
    let (before, after) = (before?, after?);
    let place = |trip: f64| if trip <= NEAR { Placement::Near } else { Placement::Far };
    let alike = before <= 2.0 * after && after <= 2.0 * before;
    (alike && place(before) == place(after)).then(|| place(before))
}

/// Keeps the calling thread on a cpu; when dropped it may run where it could before.
pub(super) struct Pinned(Vec<usize>);

impl Pinned {
    pub(super) fn to(cpu: usize) -> Self {
        let before = Self(allowed_cpus());
        let _ = pin(&[cpu]);
        before
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = pin(&self.0);
    }
}

fn resume<T>(panic: Box<dyn std::any::Any + Send>) -> T {
    std::panic::resume_unwind(panic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_where_both_looks_see_the_same() {
        assert_eq!(agreed(Some(50e-9), Some(60e-9)), Some(Placement::Near));
        assert_eq!(agreed(Some(1400e-9), Some(1700e-9)), Some(Placement::Far));
        assert_eq!(agreed(Some(50e-9), Some(1400e-9)), None);
        assert_eq!(agreed(Some(190e-9), Some(210e-9)), None);
        assert_eq!(agreed(Some(50e-9), Some(150e-9)), None);
        assert_eq!(agreed(None, Some(50e-9)), None);
    }

    #[test]
    fn both_threads_of_a_pair_run_and_are_waited_for() {
        let cpus = allowed_cpus();
        let pair = Pair(cpus[0], cpus[cpus.len() - 1]);
        let (mut left, mut right) = (0, 0);
        pair.both(|| left += 1, || right += 2);
        assert_eq!((left, right), (1, 2));
        let mut times = 0;
        let took = pair.beside(|| times += 1, || std::hint::black_box(()));
        assert!(times >= 1 && took < Duration::from_secs(60));
    }
}
