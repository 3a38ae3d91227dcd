//! Which cpus the process may use, and pinning a thread to some of them.

use std::io;
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cpus the calling thread may run on, in rising order; never none.
///
/// Asked before any thread is pinned, these are the cpus of the process. Where the system does not tell (more cpus than
/// a mask holds), they are numbered from 0.
pub fn allowed_cpus() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) if set.count() > 0 => (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        _ => (0..available_parallelism().map_or(1, usize::from)).collect(),
    }
}

/// Pins the calling thread to `cpus`: it runs on these alone from now on.
///
/// # Errors
/// `InvalidInput` where `cpus` is empty or names a cpu this machine or process does not have.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if cpu >= CpuSet::MAX_CPU {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no cpu {cpu}")));
        }
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `work` on a thread of its own, so that no test inherits its pinning.
    fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn a_pinned_thread_runs_on_its_cpu_alone() {
        for cpu in allowed_cpus() {
            on_thread(|| {
                pin(&[cpu]).unwrap();
                assert_eq!(allowed_cpus(), [cpu]);
                assert_eq!(rustix::thread::sched_getcpu(), cpu);
            });
        }
    }

    #[test]
    fn a_thread_can_be_pinned_to_a_set() {
        let all = allowed_cpus();
        on_thread(|| {
            pin(&all[..1]).unwrap();
            pin(&all).unwrap();
            assert_eq!(allowed_cpus(), all);
        });
    }

    #[test]
    fn impossible_cpus_are_refused_and_change_nothing() {
        on_thread(|| {
            let before = allowed_cpus();
            for cpus in [vec![], vec![CpuSet::MAX_CPU - 1], vec![CpuSet::MAX_CPU], vec![before[0], usize::MAX]] {
                assert_eq!(pin(&cpus).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{cpus:?}");
            }
            assert_eq!(allowed_cpus(), before);
        });
    }
}
