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

use hogback_kernels::{Cells, MergeRule, Slot};

/// Index of the weights among the tensors of a sparse linear model.
pub const WEIGHT: usize = 0;
/// Index of the intercept.
pub const BIAS: usize = 1;

/// The intercept in Θ.
pub(crate) fn read_bias(cells: Cells<'_>) -> Slot {
    Slot { weight: cells.get(0), squares: if cells.len() > 1 { cells.get(1) } else { 0.0 } }
}

/// Writes the intercept to Θ.
fn write_bias(cells: Cells<'_>, bias: Slot) {
    cells.set(0, bias.weight);
    if cells.len() > 1 {
        cells.set(1, bias.squares);
    }
}

/// `master` with the change from `base` to `mine` joined by `rule`.
fn joined(master: Slot, mine: Slot, base: Slot, rule: MergeRule) -> Slot {
    let squares = master.squares + (mine.squares - base.squares);
    let scale = match rule {
        MergeRule::Sum => 1.0,
        MergeRule::Scaled { floor } => ((floor + mine.squares) / (floor + squares)).sqrt(),
    };
    Slot { weight: master.weight + scale * (mine.weight - base.weight), squares }
}
