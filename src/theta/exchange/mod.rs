//! The exchange: how what a child learns reaches Θ, and how Θ reaches the child.
//!
//! | | extent | order | delta up | snapshot down |
//! |---|---|---|---|---|
//! | [`hogwild`] | the head (or all of a small table) | free, each child at its own interval | merged under the shard's claim | the merged rows, at once |
//! | [`rounds`] | the rows a round touches | rounds, in child order | applied by the shards' children at the round's end | at the next round's beginning |
//! | [`replica`] | the layers of a network | free, every so many batches | weights added, slots averaged, under the shard's claim | the merged words, at once |
//! | dense tensors that children do not copy (no job has any yet) | a block | free | a gradient, [`super::Theta::push`] | [`super::Theta::pull`] |
//!
//! The tail of a sparse tensor needs no exchange under `hogwild`: children update it in place.

pub mod hogwild;
pub mod replica;
pub mod rounds;

/// Index of the weights among the tensors of a sparse linear model.
pub const WEIGHT: usize = 0;
/// Index of the intercept, which is laid out as a row of the weights.
pub const BIAS: usize = 1;
/// Index of the layers of a network, all of them in one dense tensor of a word a row.
pub const LAYERS: usize = 2;
/// Index of the number of steps that the optimiser slots of the layers have seen.
pub const STEPS: usize = 3;
