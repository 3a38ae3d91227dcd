//! Asynchronous successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020): every model is tried
//! with few passes first; of those tried so far on a rung, the best third may go on to the next, and nobody waits for stragglers.
//!
//! A model that goes on begins anew, with its rate falling over all the passes of the rung: that costs up to half as many passes more
//! than going on from where it was, and needs no memory for models that wait.

/// One in how many goes on.
const OF: usize = 3;
/// How many rungs at most.
const RUNGS: usize = 3;

/// The passes of each rung, rising to `passes`; a single one where there are too few for more.
pub(super) fn rungs(passes: u32) -> Vec<u32> {
    let mut rungs: Vec<u32> = (0..RUNGS as u32).map(|down| passes / (OF as u32).pow(down)).filter(|&n| n > 0).collect();
    rungs.reverse();
    rungs.dedup();
    rungs
}

/// What was done on each rung, as one controller knows it.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    rungs: Vec<Rung>,
}

/// What was done on a rung.
#[derive(Debug, Default)]
struct Rung {
    /// R and the number of each trial, R falling.
    trials: Vec<(f32, usize)>,
    /// So many of the first are known to have gone on.
    gone: usize,
}

impl Ladder {
    /// Puts down a trial that is done.
    pub(super) fn put(&mut self, rung: usize, reward: f32, number: usize) {
        self.rungs.resize_with(self.rungs.len().max(rung + 1), Rung::default);
        let Rung { trials, gone } = &mut self.rungs[rung];
        let at = trials.partition_point(|(other, _)| *other >= reward);
        trials.insert(at, (reward, number));
        *gone = at.min(*gone);
    }

    /// A trial that may go on from one of the first `rungs` rungs, with its rung, and that `claims` then: the highest rung first, and on it
    /// the best first.
    pub(super) fn next(&mut self, rungs: usize, claims: impl Fn(usize) -> bool) -> Option<(usize, usize)> {
        for (nth, Rung { trials, gone }) in self.rungs.iter_mut().take(rungs).enumerate().rev() {
            let third = trials.len() / OF;
            for &(reward, number) in &trials[(*gone).min(third)..third] {
                if reward <= 0.0 {
                    break;
                }
                *gone += 1;
                if claims(number) {
                    return Some((nth, number));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_rise_by_thirds_to_all_passes() {
        assert_eq!(rungs(10), [1, 3, 10]);
        assert_eq!(rungs(27), [3, 9, 27]);
        assert_eq!(rungs(2), [2]);
        assert_eq!(rungs(1), [1]);
    }

    #[test]
    fn the_best_third_goes_on_once_and_nobody_who_failed() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.next(2, |_| true), None);
        for (number, reward) in [0.1, 0.9, 0.3, 0.5, 0.7, 0.2].into_iter().enumerate() {
            ladder.put(0, reward, number);
        }
        // Another controller has claimed the best.
        assert_eq!(ladder.next(2, |number| number != 1), Some((0, 4)));
        assert_eq!(ladder.next(2, |_| true), None);
        (0..3).for_each(|number| ladder.put(1, 0.5, number));
        assert_eq!((ladder.next(1, |_| true), ladder.next(2, |_| true)), (None, Some((1, 0))));
        // A new best one, and with it a third more.
        (6..9).for_each(|number| ladder.put(0, 0.95, number));
        assert_eq!(ladder.next(2, |number| ![1, 4].contains(&number)), Some((0, 6)));
        let mut failing = Ladder::default();
        (0..9).for_each(|number| failing.put(0, 0.0, number));
        assert_eq!(failing.next(2, |_| true), None);
    }
}
