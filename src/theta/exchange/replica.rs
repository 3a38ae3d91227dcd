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
