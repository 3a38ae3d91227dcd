//! Θ: all parameters, in tensors of blocks owned by shards, in memory that children race on.
//!
//! What flows in: updates in place (the kernels), deltas and gradients (the exchange). What flows out: views for children,
//! snapshots for checkpoints.

pub mod exchange;
pub mod private;
mod shard;
mod snapshot;
mod tensor;

use std::io;

use hogback_kernels::{Backend, DenseRule};

pub use shard::{Claim, Shard};
pub use snapshot::Snapshot;
pub(crate) use snapshot::all_finite;
pub use tensor::{BLOCK_ROWS, Class, Tensor, TensorSpec};

/// All parameters of a run.
#[derive(Debug)]
pub struct Theta {
    tensors: Vec<Tensor>,
    shards: Vec<Shard>,
    backend: Backend,
}

impl Theta {
    /// Θ of the given tensors, all zero, in `shards` shards.
    ///
    /// # Errors
    /// The system's, where the address space is not to be had.
    pub fn reserve(specs: impl IntoIterator<Item = TensorSpec>, shards: usize, backend: Backend) -> io::Result<Self> {
        let tensors = specs.into_iter().map(Tensor::reserve).collect::<io::Result<_>>()?;
        Ok(Self { tensors, shards: (0..shards.max(1)).map(|_| Shard::default()).collect(), backend })
    }

    /// The tensors.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The instruction set that copies and merges here.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Which shard owns a block: every S-th, beginning one further for each tensor, so that small tensors spread.
    pub fn owner(&self, tensor: usize, block: usize) -> usize {
        (tensor + block) % self.shards.len()
    }

    /// Copies a block of a dense tensor's weights into private memory.
    ///
    /// # Panics
    /// Where `to` is not as long as the block.
    pub fn pull(&self, tensor: usize, block: usize, to: &mut [f32]) {
        self.backend.copy_out(self.tensors[tensor].block(0, block), to);
    }

    /// Applies a gradient to a block of a dense tensor, at its shard.
    ///
    /// # Panics
    /// Where `gradient` is not as long as the block, or the tensor has not the slots of the rule.
    pub fn push(&self, tensor: usize, block: usize, gradient: &[f32], rule: DenseRule) {
        let _claim = self.shards[self.owner(tensor, block)].claim();
        let tensor = &self.tensors[tensor];
        let slots: Vec<_> = (1..tensor.planes()).map(|plane| tensor.block(plane, block)).collect();
        self.backend.dense_step(rule, tensor.block(0, block), &slots, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hogback_kernels::Adam;

    fn dense(rows: usize, slots: usize, shards: usize) -> Theta {
        let spec = TensorSpec { name: "layer", rows, capacity: rows, width: 3, class: Class::Dense { slots } };
        Theta::reserve([spec], shards, Backend::best()).unwrap()
    }

    /// Four threads pull blocks and push the gradient of ½|w - goal|² without waiting for each other.
    #[test]
    fn dense_blocks_learn_from_pushed_gradients_under_every_rule() {
        let rows = BLOCK_ROWS + 5;
        let rules: [fn(u64) -> DenseRule; 4] = [
            |_| DenseRule::Sgd { rate: 0.05 },
            |_| DenseRule::Momentum { rate: 0.01, momentum: 0.8 },
            |_| DenseRule::Adagrad { rate: 0.3, floor: 1e-3 },
            |step| DenseRule::Adam(Adam::at(step, 0.02)),
        ];
        for rule in rules {
            for shards in [1, 2, 3] {
                let theta = dense(rows, rule(1).slots(), shards);
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            for step in 1..=300 {
                                for block in 0..theta.tensors()[0].blocks() {
                                    let len = theta.tensors()[0].block(0, block).len();
                                    let mut w = vec![0.0; len];
                                    theta.pull(0, block, &mut w);
                                    let gradient: Vec<f32> =
                                        w.iter().enumerate().map(|(at, w)| w - (at % 3) as f32).collect();
                                    theta.push(0, block, &gradient, rule(step));
                                }
                            }
                        });
                    }
                });
                let far = (0..rows * 3).map(|at| (theta.tensors()[0].cells().get(at) - (at % 3) as f32).abs());
                let far = far.fold(0.0, f32::max);
                assert!(far < 0.2, "{:?} with {shards} shards ends {far} away", rule(1));
            }
        }
    }

    #[test]
    fn the_number_of_shards_decides_who_owns_and_who_exchanges_what() {
        let rows = 5 * BLOCK_ROWS;
        let exchanged = |shards: usize| {
            let theta = dense(rows, 0, shards);
            for block in 0..5 {
                theta.push(0, block, &vec![0.0; BLOCK_ROWS * 3], DenseRule::Sgd { rate: 0.0 });
            }
            let owners: Vec<_> = (0..5).map(|block| theta.owner(0, block)).collect();
            (owners, theta.shards().iter().map(Shard::exchanges).collect::<Vec<_>>())
        };
        assert_eq!(exchanged(1), (vec![0, 0, 0, 0, 0], vec![5]));
        assert_eq!(exchanged(2), (vec![0, 1, 0, 1, 0], vec![3, 2]));
        assert_eq!(exchanged(4), (vec![0, 1, 2, 3, 0], vec![2, 1, 1, 1]));
    }
}
