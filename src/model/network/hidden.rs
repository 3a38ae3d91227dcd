//! What stands behind a hidden layer: an activation, and in learning units left out. Forward beside backward.

use hogback_kernels::{Activation, Backend};

use super::Dropout;
use crate::data::order::mix;

/// The activation of all hidden layers of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hidden {
    pub(super) activation: Activation,
}

impl Hidden {
    /// Makes what came out of layer `nth` what goes into the next; `kept` is what going back will want, if it wants more than that.
    pub(super) fn forward(
        self,
        backend: Backend,
        nth: usize,
        words: &mut [f32],
        kept: &mut [f32],
        dropout: Option<Dropout>,
    ) {
        backend.activate(self.activation, words, kept);
        if let Some(Dropout { share, seed }) = dropout {
            backend.dropout(words, share, seed_of(seed, nth), 0);
        }
    }

    /// Makes the slopes by what went into the next layer those by what came out of layer `nth`; `words` are as the forward pass left them.
    pub(super) fn backward(
        self,
        backend: Backend,
        nth: usize,
        words: &[f32],
        kept: &[f32],
        slopes: &mut [f32],
        dropout: Option<Dropout>,
    ) {
        if let Some(Dropout { share, seed }) = dropout {
            backend.dropout(slopes, share, seed_of(seed, nth), 0);
        }
        backend.activate_back(self.activation, if kept.is_empty() { words } else { kept }, slopes);
    }
}

/// The seed of a layer in a batch.
fn seed_of(batch: u64, layer: usize) -> u64 {
    mix(batch ^ mix(layer as u64))
}
