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
    /// By rung: R and the number of each trial, R falling.
    rungs: Vec<Vec<(f32, usize)>>,
}

impl Ladder {
    /// Puts down a trial that is done.
    pub(super) fn put(&mut self, rung: usize, reward: f32, number: usize) {
        self.rungs.resize_with(self.rungs.len().max(rung + 1), Vec::new);
        let here = &mut self.rungs[rung];
        let at = here.partition_point(|(other, _)| *other >= reward);
        here.insert(at, (reward, number));
    }

    /// The trials that may go on from one of the first `rungs` rungs, with their rung: the highest rung first, and on it the best first.
    pub(super) fn may_go_on(&self, rungs: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let here = self.rungs.iter().take(rungs).enumerate().rev();
        here.flat_map(|(rung, trials)| {
            let best = trials[..trials.len() / OF].iter().filter(|(reward, _)| *reward > 0.0);
            best.map(move |&(_, number)| (rung, number))
        })
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
    fn the_best_third_goes_on_and_nobody_who_failed() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.may_go_on(2).count(), 0);
        for (number, reward) in [0.1, 0.9, 0.3, 0.5, 0.7, 0.2].into_iter().enumerate() {
            ladder.put(0, reward, number);
        }
        assert_eq!(ladder.may_go_on(2).collect::<Vec<_>>(), [(0, 1), (0, 4)]);
        (0..3).for_each(|number| ladder.put(1, 0.5, number));
        assert_eq!(ladder.may_go_on(2).collect::<Vec<_>>(), [(1, 0), (0, 1), (0, 4)]);
        assert_eq!(ladder.may_go_on(1).collect::<Vec<_>>(), [(0, 1), (0, 4)]);
        let mut failing = Ladder::default();
        (0..9).for_each(|number| failing.put(0, 0.0, number));
        assert_eq!(failing.may_go_on(2).count(), 0);
    }
}
