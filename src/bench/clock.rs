//! Time: that of the clock, of this process on the cpus, and of everybody else on them; the middle and the ends of several samples.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Runs `once` as often as `times` says; how long it took.
pub(super) fn repeat(times: u64, mut once: impl FnMut()) -> Duration {
    let begun = Instant::now();
    (0..times).for_each(|_| once());
    begun.elapsed()
}

/// How long all threads of this process together have had a cpu.
pub(super) fn on_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Whose the cpus were, from a moment on.
#[derive(Clone, Copy, Debug)]
pub struct Cpus {
    /// Ticks of all cpus so far, and those in which somebody ran.
    ticks: Option<(u64, u64)>,
    /// Of this process.
    own: Duration,
}

/// The ticks of a second, in what Linux tells programs.
const TICKS: f64 = 100.0;

impl Cpus {
    /// From now on.
    pub fn now() -> Self {
        Self { ticks: ticks(), own: on_cpu() }
    }

    /// The share of the time of all cpus that other processes have had since then, where the system tells.
    pub fn others(self) -> Option<f64> {
        let ((all_before, busy_before), now) = (self.ticks?, Self::now());
        let (all, busy) = now.ticks?;
        let own = (now.own - self.own).as_secs_f64() * TICKS;
        let all = (all - all_before).max(1) as f64;
        Some((((busy - busy_before) as f64 - own) / all).clamp(0.0, 1.0))
    }
}

fn ticks() -> Option<(u64, u64)> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let cpus = machine.lines().next()?.strip_prefix("cpu")?;
    // user, nice, system, idle, waiting, interrupts, soft interrupts, stolen; what comes behind is in user and nice already.
    let ticks: Vec<u64> = cpus.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
    let all = ticks.iter().sum::<u64>();
    Some((all, all - ticks.get(3)? - ticks.get(4)?))
}

/// The middle of some measurements, with the lowest and the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Spread {
    /// Of `samples`; of none, all is NaN.
    pub(super) fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| samples.get(index).copied().unwrap_or(f64::NAN);
        let (half, last) = (samples.len() / 2, samples.len().wrapping_sub(1));
        let median =
            if samples.len().is_multiple_of(2) { (at(half.wrapping_sub(1)) + at(half)) / 2.0 } else { at(half) };
        Self { median, low: at(0), high: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_a_share_of_the_cpus_and_this_process_the_time_it_worked() {
        let (cpus, before) = (Cpus::now(), on_cpu());
        while on_cpu() == before {}
        let others = cpus.others();
        assert!(others.is_none_or(|share| (0.0..=1.0).contains(&share)), "{others:?}");
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, low: 1.0, high: 4.0 });
        assert!(Spread::of(Vec::new()).median.is_nan());
    }
}
