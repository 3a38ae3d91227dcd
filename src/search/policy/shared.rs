//! [`SharedPolicy`]: the weights of a policy as Θ, which all controllers pull and push.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use hogback_kernels::{Adam, DenseRule};

use super::Policy;
use crate::theta::{BLOCK_ROWS, Class, TensorSpec, Theta};

/// The weights of a policy as Θ, and how often they were moved.
#[derive(Debug)]
pub struct SharedPolicy<'s> {
    policy: Policy<'s>,
    theta: Theta,
    /// Updates that were begun, which number the steps of Adam, and those that are done: a pull sees all of these whole.
    updates: AtomicU64,
    done: AtomicU64,
    samples: AtomicU64,
}

impl<'s> SharedPolicy<'s> {
    /// Θ with one dense tensor, `policy`, a word a row, in `shards` shards, its weights as [`Policy::begin`] sets them.
    ///
    /// # Errors
    /// The system's, where the address space is not to be had.
    pub fn new(policy: Policy<'s>, shards: usize, seed: u64) -> io::Result<Self> {
        let words = policy.words();
        let class = Class::Dense { slots: 2 };
        let spec = TensorSpec { name: "policy", rows: words, capacity: words, width: 1, class };
        let theta = Theta::reserve([spec], shards, policy.backend)?;
        let mut weights = vec![0.0; words];
        policy.begin(&mut weights, seed);
        let cells = theta.tensors()[0].cells();
        weights.iter().enumerate().for_each(|(at, &word)| cells.set(at, word));
        Ok(Self { policy, theta, updates: AtomicU64::new(0), done: AtomicU64::new(0), samples: AtomicU64::new(0) })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy<'s> {
        &self.policy
    }

    /// Its weights and their averages, to be committed and restored.
    pub fn theta(&self) -> &Theta {
        &self.theta
    }

    /// How many updates were begun.
    pub fn updates(&self) -> u64 {
        self.updates.load(Ordering::Relaxed)
    }

    /// How many architectures were sampled.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Goes on from where a search was that had made so many updates and samples. Nobody may learn meanwhile.
    pub fn resume(&self, updates: u64, samples: u64) {
        self.updates.store(updates, Ordering::Relaxed);
        self.done.store(updates, Ordering::Relaxed);
        self.samples.store(samples, Ordering::Relaxed);
    }

    /// Counts a sample; how many there were before it.
    pub(in crate::search) fn count_sample(&self) -> u64 {
        self.samples.fetch_add(1, Ordering::Relaxed)
    }

    /// Copies the weights, which others may move meanwhile; how many updates were done before.
    ///
    /// # Panics
    /// Where `weights` is of another length than [`Policy::words`].
    pub fn pull(&self, weights: &mut [f32]) -> u64 {
        let done = self.done.load(Ordering::Acquire);
        for (block, words) in weights.chunks_mut(BLOCK_ROWS).enumerate() {
            self.theta.pull(0, block, words);
        }
        done
    }

    /// Moves the weights against `gradient` by a step of Adam, block by block at the shards; the number of that step, from 1, of those
    /// of all controllers.
    ///
    /// # Panics
    /// Where `gradient` is of another length than [`Policy::words`].
    pub fn push(&self, gradient: &[f32], rate: f32) -> u64 {
        let step = self.updates.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = DenseRule::Adam(Adam::at(step, rate));
        for (block, words) in gradient.chunks(BLOCK_ROWS).enumerate() {
            self.theta.push(0, block, words, rule);
        }
        self.done.fetch_add(1, Ordering::Release);
        step
    }
}
