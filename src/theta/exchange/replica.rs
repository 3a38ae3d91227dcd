//! The layers of a network under `hogwild`: each child learns a copy of them, weights and optimiser slots, as if it were alone, and
//! merges what it has changed into Θ every so many batches.
//!
//! A gradient of layers touches every word, so that pushing each to the shard would move weights and slots from core to core with
//! every batch: of 100,000 weights under Adam that takes three times as long as the step itself on near cores, and ten times on far
//! ones (measured, see docs/performance.md). Only the weights are merged, and slots when a task ends.
//!
//! **Protocol.** Only its child touches a replica's private words. Θ's are written only under the claim of the shard that owns the block, so no
//! delta is lost. Weights: a merge adds the change since the last one and takes the sum back, so m children together move Θ by as
//! many steps as one child would. Slots and the count of steps are averages: a task's change of them counts 1/m, so that they stay
//! what m children have on average. A child never waits for a claim, except when it has gone [`RETRIES`] exchanges without one, or
//! when its task ends. Nothing but the claim's Acquire and Release orders the words.

use hogback_kernels::{DenseRule, MergeRule};

use super::{LAYERS, STEPS};
use crate::fault::{Faults, Point};
use crate::theta::private::{Aligned, Private};
use crate::theta::{BLOCK_ROWS, Theta};

/// At how many exchanges in a row a block may be left out because its shard was taken.
const RETRIES: u32 = 4;

/// The layers as one child has them.
#[derive(Debug)]
pub struct Replica<'t> {
    theta: &'t Theta,
    faults: &'t Faults,
    mine: Private,
    /// What each plane was at the last exchange; empty for a child that has Θ to itself.
    base: Vec<Aligned>,
    base_steps: f32,
    /// How many children have one.
    children: usize,
    /// Where the round over the blocks begins, so that children do not all want the same shard.
    first: usize,
    /// For each block at how many exchanges in a row its shard was taken.
    refused: Vec<u32>,
}

impl<'t> Replica<'t> {
    /// That of child number `child` of `children`, pulled. Its memory is touched first by the calling thread, which should be the child's.
    pub fn new(theta: &'t Theta, child: usize, children: usize, faults: &'t Faults) -> Self {
        let layers = &theta.tensors()[LAYERS];
        let (words, planes, blocks) = (layers.rows(), layers.planes(), layers.blocks());
        let base = if children > 1 { (0..planes).map(|_| Aligned::new(words)).collect() } else { Vec::new() };
        let mut replica = Self {
            theta,
            faults,
            mine: Private::new(theta.backend(), words, planes - 1),
            base,
            base_steps: 0.0,
            children,
            first: child * blocks / children,
            refused: vec![0; blocks],
        };
        replica.pull();
        replica
    }

    /// Takes everything from Θ anew, forgetting what has not been pushed.
    pub fn pull(&mut self) {
        self.pull_planes(self.mine.planes.len());
        self.mine.steps = self.theta.tensors()[STEPS].cells().get(0);
        self.base_steps = self.mine.steps;
    }

    /// Takes up what the others have merged into the weights since this child's task ended. Of the averages it has its own, which were
    /// Θ's then.
    pub fn go_on(&mut self) {
        if self.children > 1 {
            self.pull_planes(1);
        }
    }

    fn pull_planes(&mut self, planes: usize) {
        let backend = self.theta.backend();
        for (nth, plane) in self.mine.planes[..planes].iter_mut().enumerate() {
            backend.copy_out(self.theta.tensors()[LAYERS].plane(nth), plane.as_mut_slice());
            if let Some(base) = self.base.get_mut(nth) {
                base.as_mut_slice().copy_from_slice(plane.as_slice());
            }
        }
    }

    /// The weights, and where their gradient goes.
    pub fn parts(&mut self) -> (&[f32], &mut [f32]) {
        self.mine.parts()
    }

    /// See [`Private::step`].
    pub fn step(&mut self, rule: impl FnOnce(u64) -> DenseRule) {
        self.mine.step(rule);
    }

    /// Merges what was learned into Θ and takes up what others have, as far as the shards are free; with `settle`, at the end of a task,
    /// waits for those that are not, and merges the slots too.
    pub fn exchange(&mut self, settle: bool) {
        if self.children == 1 {
            if settle {
                self.put_back();
            }
            return;
        }
        let blocks = self.refused.len();
        for block in (0..blocks).map(|nth| (self.first + nth) % blocks) {
            let shard = &self.theta.shards()[self.theta.owner(LAYERS, block)];
            let claim = if settle || self.refused[block] >= RETRIES { Some(shard.claim()) } else { shard.try_claim() };
            let Some(_claim) = claim else {
                self.refused[block] += 1;
                continue;
            };
            self.refused[block] = 0;
            let planes = if settle { self.base.len() } else { 1 };
            for plane in 0..planes {
                let master = self.theta.tensors()[LAYERS].block(plane, block);
                let words = block * BLOCK_ROWS..block * BLOCK_ROWS + master.len();
                let rule = self.rule(plane);
                let mine = self.mine.planes[plane].cells().slice(words.clone());
                let base = self.base[plane].cells().slice(words);
                self.theta.backend().merge(master, mine, base, rule);
            }
            self.faults.pass(Point::WhileMerging);
        }
        if settle {
            let _claim = self.theta.shards()[self.theta.owner(STEPS, 0)].claim();
            let master = self.theta.tensors()[STEPS].cells();
            master.set(0, master.get(0) + (self.mine.steps - self.base_steps) / self.children as f32);
            self.mine.steps = master.get(0);
            self.base_steps = self.mine.steps;
        }
    }

    fn rule(&self, plane: usize) -> MergeRule {
        if plane == 0 { MergeRule::Sum } else { MergeRule::Part(1.0 / self.children as f32) }
    }

    /// What a child that has Θ to itself does at the end of a task.
    fn put_back(&mut self) {
        let layers = &self.theta.tensors()[LAYERS];
        for (nth, plane) in self.mine.planes.iter().enumerate() {
            self.theta.backend().copy_in(plane.as_slice(), layers.plane(nth));
        }
        self.theta.tensors()[STEPS].cells().set(0, self.mine.steps);
        self.faults.pass(Point::WhileMerging);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theta::{Class, TensorSpec};
    use hogback_kernels::Backend;

    /// Θ of so many words of layers with so many slots each.
    fn theta(words: usize, slots: usize, shards: usize) -> Theta {
        let spec = |name, rows, class| TensorSpec { name, rows, capacity: rows, width: 1, class };
        let specs = [
            spec("weight", 0, Class::Sparse),
            spec("bias", 1, Class::Sparse),
            spec("layers", words, Class::Dense { slots }),
            spec("steps", 1, Class::Dense { slots: 0 }),
        ];
        Theta::reserve(specs, shards, Backend::best()).unwrap()
    }

    /// Adds 1 to every weight, in one step.
    fn add_one(replica: &mut Replica<'_>) {
        replica.parts().1.fill(-1.0);
        // The slots, if there are any, are the test's.
        let slots = replica.mine.planes.split_off(1);
        replica.step(|_| DenseRule::Sgd { rate: 1.0 });
        replica.mine.planes.extend(slots);
    }

    fn plane(theta: &Theta, plane: usize) -> Vec<f32> {
        let cells = theta.tensors()[LAYERS].plane(plane);
        (0..cells.len()).map(|at| cells.get(at)).collect()
    }

    fn steps(theta: &Theta) -> f32 {
        theta.tensors()[STEPS].cells().get(0)
    }

    /// Each of several children adds 1 to each weight and each slot 60 times a task, exchanging as it goes; small whole numbers add
    /// exactly, so any delta that is lost or doubled shows.
    #[test]
    fn no_delta_is_lost_or_doubled() {
        let (rounds, tasks) = (60, 3);
        for (words, children) in [(100, 2), (2 * BLOCK_ROWS, 4), (3 * BLOCK_ROWS + 7, 2), (5 * BLOCK_ROWS + 1, 4)] {
            for shards in 1..=3 {
                let theta = theta(words, 2, shards);
                let faults = Faults::none();
                std::thread::scope(|scope| {
                    for child in 0..children {
                        let (theta, faults) = (&theta, &faults);
                        scope.spawn(move || {
                            let mut replica = Replica::new(theta, child, children, faults);
                            for _ in 0..tasks {
                                replica.pull();
                                for round in 1..=rounds {
                                    add_one(&mut replica);
                                    for slot in &mut replica.mine.planes[1..] {
                                        slot.as_mut_slice().iter_mut().for_each(|word| *word += 1.0);
                                    }
                                    replica.exchange(round == rounds);
                                }
                            }
                        });
                    }
                });
                let learned = (rounds * tasks) as f32;
                let story = format!("{words} words, {children} children, {shards} shards");
                assert!(plane(&theta, 0).iter().all(|&word| word == learned * children as f32), "{story}");
                for slot in [1, 2] {
                    assert!(plane(&theta, slot).iter().all(|&word| word == learned), "slot {slot}, {story}");
                }
                assert_eq!(steps(&theta), learned, "{story}");
            }
        }
    }

    #[test]
    fn slots_and_steps_are_averages_and_weights_are_sums() {
        let theta = theta(50, 1, 1);
        let faults = Faults::none();
        let [mut one, mut other] = [0, 1].map(|child| Replica::new(&theta, child, 2, &faults));
        for (replica, steps, slot) in [(&mut one, 10, 8.0), (&mut other, 2, 4.0)] {
            (0..steps).for_each(|_| add_one(replica));
            replica.mine.planes[1].as_mut_slice().fill(slot);
            // Within a task weights alone are merged.
            replica.exchange(false);
        }
        assert_eq!((plane(&theta, 0)[7], plane(&theta, 1)[7], steps(&theta)), (12.0, 0.0, 0.0));
        one.exchange(true);
        other.exchange(true);
        assert_eq!((plane(&theta, 0)[7], plane(&theta, 1)[7], steps(&theta)), (12.0, 6.0, 6.0));
        // Who merges takes up what others have; who came first sees the rest with its next exchange.
        assert_eq!((other.parts().0[7], other.mine.planes[1].as_slice()[7], other.mine.steps), (12.0, 6.0, 6.0));
        one.exchange(true);
        assert_eq!((one.parts().0[7], one.mine.planes[1].as_slice()[7], one.mine.steps), (12.0, 6.0, 6.0));
        assert_eq!((plane(&theta, 1)[7], steps(&theta)), (6.0, 6.0), "what has not changed moves nothing");
    }

    #[test]
    fn a_child_alone_puts_back_what_it_has_when_its_task_ends() {
        let theta = theta(BLOCK_ROWS + 3, 2, 3);
        let faults = Faults::none();
        let mut replica = Replica::new(&theta, 0, 1, &faults);
        // Numbers of which sums would round.
        for (nth, plane) in replica.mine.planes.iter_mut().enumerate() {
            let word = |at: usize| 0.1 + 1.0 / (at + nth + 1) as f32;
            plane.as_mut_slice().iter_mut().enumerate().for_each(|(at, to)| *to = word(at));
        }
        replica.mine.steps = 7.0;
        replica.exchange(false);
        assert!((0..3).all(|nth| plane(&theta, nth).iter().all(|&word| word == 0.0)) && steps(&theta) == 0.0);
        replica.exchange(true);
        for nth in 0..3 {
            assert_eq!(plane(&theta, nth), replica.mine.planes[nth].as_slice());
        }
        assert_eq!(steps(&theta), 7.0);
    }

    #[test]
    fn what_is_pulled_is_what_theta_has_and_what_was_not_pushed_is_forgotten() {
        for children in [1, 2] {
            let theta = theta(100, 1, 1);
            let faults = Faults::none();
            let mut replica = Replica::new(&theta, 0, children, &faults);
            add_one(&mut replica);
            theta.tensors()[LAYERS].plane(0).set(3, 5.0);
            theta.tensors()[LAYERS].plane(1).set(3, 6.0);
            theta.tensors()[STEPS].cells().set(0, 4.0);
            replica.pull();
            assert_eq!(
                (replica.parts().0[3], replica.mine.planes[1].as_slice()[3], replica.mine.steps),
                (5.0, 6.0, 4.0)
            );
            assert_eq!(replica.parts().0[4], 0.0);
            replica.exchange(true);
            assert_eq!(
                (plane(&theta, 0)[3], plane(&theta, 0)[4], plane(&theta, 1)[3], steps(&theta)),
                (5.0, 0.0, 6.0, 4.0)
            );
        }
    }

    #[test]
    fn a_taken_shard_is_waited_for_only_after_some_refusals_and_others_are_not() {
        let theta = theta(2 * BLOCK_ROWS, 0, 2);
        let faults = Faults::none();
        // The second of two begins with the second block, whose shard is free.
        let mut replica = Replica::new(&theta, 1, 2, &faults);
        let claim = theta.shards()[theta.owner(LAYERS, 0)].claim();
        for nth in 1..=RETRIES {
            add_one(&mut replica);
            replica.exchange(false);
            assert_eq!((plane(&theta, 0)[0], plane(&theta, 0)[BLOCK_ROWS]), (0.0, nth as f32));
        }
        // The next exchange does not end before the claim is given back.
        std::thread::scope(|scope| {
            scope.spawn(|| replica.exchange(false));
            while theta.shards()[theta.owner(LAYERS, 1)].exchanges() == u64::from(RETRIES) {
                std::thread::yield_now();
            }
            drop(claim);
        });
        assert_eq!(plane(&theta, 0)[0], RETRIES as f32);
    }

    #[test]
    fn a_panic_while_merging_leaves_the_shard_free_and_a_new_replica_whole() {
        for children in [1, 2] {
            let theta = theta(100, 1, 1);
            let faults = Faults::none().at(Point::WhileMerging, 0, 1);
            let mut replica = Replica::new(&theta, 0, children, &faults);
            add_one(&mut replica);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replica.exchange(true)));
            assert!(caught.is_err());
            let mut replica = Replica::new(&theta, 0, children, &faults);
            assert!(replica.parts().0.iter().all(|&word| word == 1.0));
            replica.exchange(true);
            assert!(plane(&theta, 0).iter().all(|&word| word == 1.0));
        }
    }
}
