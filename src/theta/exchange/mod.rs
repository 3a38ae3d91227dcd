//! The exchange: how what a child learns reaches Θ, and how Θ reaches the child.
//!
//! | | extent | order | delta up | snapshot down |
//! |---|---|---|---|---|
//! | [`hogwild`] | the head (or all of a small table) | free, each child at its own interval | merged under the shard's claim | the merged rows, at once |
//! | [`rounds`] | the rows a round touches | rounds, in child order | applied by the shards' children at the round's end | at the next round's beginning |
//! | dense tensors | a block | free | a gradient, [`super::Theta::push`] | [`super::Theta::pull`] |
//!
//! The tail of a sparse tensor needs no exchange under `hogwild`: children update it in place.

pub mod hogwild;
pub mod rounds;

/// Index of the weights among the tensors of a sparse linear model.
pub const WEIGHT: usize = 0;
/// Index of the intercept, which is laid out as a row of the weights.
pub const BIAS: usize = 1;
