//! How far apart two cpus are just now: the round trip of a cache line. Virtual cpus move, so it holds for a while at most.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use crate::sys::pin::pin;

/// Round trips up to this, in seconds, are near. Those of cores that share a last-level cache were 46 to 71 ns on all machines
/// measured, the others 310 to 1780 ns.
pub(crate) const NEAR: f64 = 200e-9;
/// Trips of one batch.
const TRIPS: u64 = 64;
/// The fewest batches that say anything.
const FEWEST: usize = 3;

/// How long a cache line takes from one of `cpus` to the other and back, in seconds: the middle of `batches` batches, or of as many as
/// there are within `patience`; `None` where others have the cpus, and there is nothing to see.
pub(crate) fn round_trip(cpus: (usize, usize), batches: usize, patience: Duration) -> Option<f64> {
    let (ball, over) = (CachePadded::new(AtomicU64::new(0)), CachePadded::new(AtomicBool::new(false)));
    let until = Instant::now() + patience;
    let serve = || {
        // Where it is forbidden the figure is worse, and no other can be had.
        let _ = pin(&[cpus.0]);
        let (mut trips, mut at) = (Vec::with_capacity(batches), 0);
        'batches: while trips.len() < batches && Instant::now() < until {
            let begun = Instant::now();
            for _ in 0..TRIPS {
                ball.store(at + 1, Ordering::Release);
                let mut looks = 0u32;
                while ball.load(Ordering::Acquire) != at + 2 {
                    spin_loop();
                    looks += 1;
                    if looks.is_multiple_of(1024) && Instant::now() >= until {
                        break 'batches;
                    }
                }
                at += 2;
            }
            trips.push(begun.elapsed().as_secs_f64() / TRIPS as f64);
        }
        over.store(true, Ordering::Release);
        trips
    };
    let give_back = || {
        let _ = pin(&[cpus.1]);
        let mut seen = 0;
        while !over.load(Ordering::Acquire) {
            let now = ball.load(Ordering::Acquire);
            if now != seen {
                seen = now + 1;
                ball.store(seen, Ordering::Release);
            }
            spin_loop();
        }
    };
    let mut trips = std::thread::scope(|scope| {
        let serving = Builder::new().spawn_scoped(scope, serve).ok()?;
        // Without the other one the first gives up by itself.
        let _ = Builder::new().spawn_scoped(scope, give_back);
        serving.join().ok()
    })?;
    trips.sort_by(f64::total_cmp);
    (trips.len() >= FEWEST).then(|| trips[trips.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pin::allowed_cpus;

    #[test]
    fn a_look_ends_and_says_a_time_or_nothing() {
        let cpus = allowed_cpus();
        let pair = (cpus[0], cpus[cpus.len() - 1]);
        let (patience, begun) = (Duration::from_millis(50), Instant::now());
        let trip = round_trip(pair, 5, patience);
        assert!(trip.is_none_or(|trip| trip > 0.0 && trip < patience.as_secs_f64()), "{trip:?}");
        assert_eq!(round_trip(pair, 5, Duration::ZERO), None);
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
