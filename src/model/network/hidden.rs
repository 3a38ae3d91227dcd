//! What stands behind a hidden layer: an activation, and in learning units left out. Forward beside backward.

use hogback_kernels::{Activation, Backend, mix};

use super::Dropout;

/// The activation of all hidden layers of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hidden {
    pub(super) activation: Activation,
}

impl Hidden {
    /// Whether going back wants more of a layer than what went into the next: what went into the activation, or what came out of it
    /// before units were left out.
    pub(super) fn keeps(self, dropout: Option<Dropout>) -> bool {
        self.activation.keeps() || dropout.is_some() && self.activation == Activation::Tanh
    }

    /// Makes what came out of layer `nth` what goes into the next; `kept` is as long where something is kept, else empty.
    pub(super) fn forward(
        self,
        backend: Backend,
        nth: usize,
        words: &mut [f32],
        kept: &mut [f32],
        dropout: Option<Dropout>,
    ) {
        if self.activation.keeps() {
            backend.activate(self.activation, words, kept);
        } else {
            backend.activate(self.activation, words, &mut []);
            if !kept.is_empty() {
                kept.copy_from_slice(words);
            }
        }
        if let Some(Dropout { share, seed }) = dropout {
            backend.dropout(words, share, seed_of(seed, nth), 0);
        }
    }

    /// Makes the slopes by what went into the next layer those by what came out of layer `nth`; the others are as the forward pass left
    /// them.
    pub(super) fn backward(
        self,
        backend: Backend,
        nth: usize,
        (words, kept): (&[f32], &[f32]),
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
