//! [`Network`]: fully connected layers, in a flat stretch of words that anybody may hold: a child's copy of Θ, or memory of its own.
//!
//! What flows in: weights, and a batch of rows, dense or sparse. What flows out: margins; and, of the slopes of a loss by them, the
//! gradient of every weight and of the inputs. A network knows neither engine nor shards; laying one out is a few sums, and its
//! [`Buffers`] serve network after network.

mod affine;
mod buffers;
mod hidden;
#[cfg(test)]
mod tests;

use std::ops::Range;

use hogback_kernels::{Activation, Backend, Row};

use affine::{Affine, Source};
pub use buffers::Buffers;
use hidden::Hidden;

use crate::model::chance::deviate;

/// How large the weights of the last of several layers are at first, compared with those of others.
const SMALL: f64 = 0.1;
/// Layers begin on a cache line.
const LINE: usize = 16;

/// What a network is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Numbers in a row of input.
    pub inputs: usize,
    /// The outputs of each hidden layer.
    pub hidden: Vec<usize>,
    /// What stands behind each of them.
    pub activation: Activation,
    /// Margins of a row.
    pub outputs: usize,
    /// Which layers also see what came out of an earlier one than that before them: from which and to which, rising, none twice. Layers
    /// count from 1, the first hidden one; 0 is the input, and the last layer, which may be skipped to, stands behind all hidden ones.
    pub skips: Vec<(usize, usize)>,
}

/// A batch of rows.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Row behind row, as many numbers each as the network has inputs.
    Dense(&'a [f32]),
    /// Rows of ids below the network's inputs, and values; and what is to be taken off each input.
    Sparse(&'a [Row<'a>], &'a [f32]),
}

/// Units that are left out of a batch in learning (Srivastava et al. 2014): each with this probability, the others made so much
/// larger; which ones hangs on the seed alone.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability, from 0 to below 1.
    pub share: f32,
    /// The seed of the batch.
    pub seed: u64,
}

/// A batch on its way through a network, forwards and back.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The instruction set.
    pub backend: Backend,
    /// The words of the network.
    pub weights: &'a [f32],
    /// What goes in.
    pub input: Input<'a>,
    /// How many rows that is.
    pub rows: usize,
    /// What is left out, in learning.
    pub dropout: Option<Dropout>,
    /// How far apart the margins of two rows begin.
    pub stride: usize,
}

/// A layer's part of the words, as a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// "layer1.weight", "layer1.bias" and so on, the first layer being the one that sees the input.
    pub name: String,
    /// Weights have a row for each input, biases one. The inputs are what comes out of the layer before, then what is skipped to this one,
    /// from the nearest layer to the farthest: so those that the network gains with its own come last.
    pub rows: usize,
    /// A column for each output.
    pub width: usize,
    /// Where it stands.
    pub words: Range<usize>,
}

/// Fully connected layers, an activation behind each but the last. A layer may see several earlier ones, the outputs of all of them one
/// behind the other (Zoph & Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017).
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Affine>,
    hidden: Hidden,
    words: usize,
}

impl Network {
    /// The network of a shape. One that no memory could hold has `usize::MAX` words, and can be asked for them alone.
    pub fn new(shape: &Shape) -> Self {
        let mut words = 0usize;
        let mut take = |count: usize| {
            let from = words;
            words = from.saturating_add(count).checked_next_multiple_of(LINE).unwrap_or(usize::MAX);
            from
        };
        let leads = |&(from, to): &(usize, usize)| from + 1 < to && to <= shape.hidden.len() + 1;
        debug_assert!(shape.skips.is_sorted() && shape.skips.iter().all(leads), "skips that lead nowhere");
        let size = |nth: usize| nth.checked_sub(1).map_or(shape.inputs, |nth| shape.hidden[nth]);
        let layer = |(to, &outputs): (usize, &usize)| {
            let skipped = shape.skips.iter().rev().filter(|&&(from, end)| end == to && from < to - 1);
            let mut inputs = 0usize;
            let source = |from: usize| {
                let first = inputs;
                inputs = inputs.saturating_add(size(from));
                let shared = shape.skips.iter().any(|&(begin, end)| begin == from && end > to);
                Source { from, rows: first..inputs, shared }
            };
            let sources = [to - 1].into_iter().chain(skipped.map(|&(from, _)| from)).map(source).collect();
            Affine::new(sources, outputs, take(inputs.saturating_mul(outputs)), take(outputs))
        };
        let layers: Vec<Affine> = (1..).zip(shape.hidden.iter().chain([&shape.outputs])).map(layer).collect();
        Self { layers, hidden: Hidden { activation: shape.activation }, words }
    }

    /// How many words its parameters take, padding included.
    pub fn words(&self) -> usize {
        self.words
    }

    /// How many of them are parameters.
    pub fn parameters(&self) -> usize {
        self.parts().map(|part| part.words.len()).sum()
    }

    /// Where the weights of each layer stand, without its biases.
    pub fn weights(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.layers.iter().map(Affine::weights)
    }

    /// Numbers in a row of input, then in one of what comes out of each layer.
    pub fn sizes(&self) -> Vec<usize> {
        [self.inputs()].into_iter().chain(self.layers.iter().map(|layer| layer.outputs)).collect()
    }

    /// How many numbers of a row in learning stand between its input and its margins, at most: what comes out of each hidden layer, what is
    /// kept of that, and the slopes.
    pub fn between(&self) -> usize {
        let hidden = &self.layers[..self.layers.len() - 1];
        hidden.iter().fold(0, |all, layer| all.saturating_add(layer.outputs.saturating_mul(3)))
    }

    /// Its tensors, layer by layer, weights before biases.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.layers.iter().zip(1..).flat_map(|(layer, nth)| {
            let part =
                |what, rows, words| Part { name: format!("layer{nth}.{what}"), rows, width: layer.outputs, words };
            [part("weight", layer.inputs, layer.weights()), part("bias", 1, layer.bias())]
        })
    }

    /// Numbers in a row of input.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// Margins of a row.
    pub fn outputs(&self) -> usize {
        self.last().outputs
    }

    /// Makes `words` a fresh network: weights of mean 0 by the seed, such that rows of input of mean squared norm `norm` come out of every
    /// layer about as large as they went in (LeCun et al. 1998; He et al. 2015 for activations that let half through); biases of 0, and of
    /// the last layer `constant`, the best constant prediction. Behind hidden layers the last one's weights are a tenth of that, so that
    /// nearly the best constant is what is said at first; not 0, or all units of a layer would learn the same.
    ///
    /// # Panics
    /// Where `words` are not as many as [`Network::words`], or `constant` not as many as the outputs.
    pub fn begin(&self, words: &mut [f32], norm: f64, constant: &[f32], seed: u64) {
        assert!(words.len() == self.words && constant.len() == self.outputs(), "words of another network");
        words.fill(0.0);
        let gain = match self.hidden.activation {
            Activation::Relu | Activation::Gelu => 2f64,
            Activation::Tanh => 1.0,
        };
        let mut drawn = 0;
        let norm = if norm > 0.0 { norm } else { 1.0 };
        for (nth, layer) in self.layers.iter().enumerate() {
            let gain = match nth {
                nth if nth + 1 < self.layers.len() => gain,
                0 => 1.0,
                _ => SMALL * SMALL,
            };
            let size = |source: &Source| if source.from == 0 { norm } else { source.rows.len() as f64 };
            let spread = (gain / layer.sources.iter().map(size).sum::<f64>()).sqrt() as f32;
            for word in &mut words[layer.weights()] {
                *word = spread * deviate(seed ^ 0x6c61_7965, drawn);
                drawn += 1;
            }
        }
        words[self.last().bias()].copy_from_slice(constant);
    }

    /// Leaves the margins in [`Buffers::margins`].
    ///
    /// # Panics
    /// Where the weights or the input are of another size.
    pub fn forward(&self, pass: Pass<'_>, buffers: &mut Buffers) {
        let Pass { backend, weights, rows, dropout, stride, .. } = pass;
        assert_eq!(weights.len(), self.words, "words of another network");
        buffers.fit(self, rows, dropout, stride);
        let Buffers { outputs, kept, margins, centred, .. } = buffers;
        for (nth, layer) in self.layers.iter().enumerate() {
            let (before, here) = outputs.split_at_mut(nth);
            match here.first_mut() {
                Some(here) => {
                    layer.forward(pass, before, (here, layer.outputs), centred);
                    self.hidden.forward(backend, nth, here, &mut kept[nth], dropout);
                }
                None => layer.forward(pass, before, (margins, stride), centred),
            }
        }
    }

    /// Writes into `gradient` that of every word, of a loss whose slopes by the margins stand behind [`Buffers::margins_and_slopes`] after
    /// [`Network::forward`] of the same pass; and into `inputs`, where they are wanted, the slopes by the input.
    ///
    /// # Panics
    /// Where `gradient` or `inputs` are of another size.
    pub fn backward(
        &self,
        pass: Pass<'_>,
        buffers: &mut Buffers,
        gradient: &mut [f32],
        mut inputs: Option<&mut [f32]>,
    ) {
        assert_eq!(gradient.len(), self.words, "words of another network");
        let Buffers { outputs, kept, slopes, margin_slopes, turned, centred, .. } = buffers;
        if let Input::Sparse(rows, _) = pass.input {
            turned.turn(rows, self.inputs());
        }
        for (nth, layer) in self.layers.iter().enumerate().rev() {
            // The slopes by what came out of this layer, and those, or room for them, by what came out of the ones before.
            let (before, here) = slopes.split_at_mut(nth);
            let dz = here.first().map_or((&margin_slopes[..], pass.stride), |slopes| (slopes, layer.outputs));
            layer.backward(pass, outputs, dz, gradient, (before, inputs.as_deref_mut()), (turned, centred));
            // All that see the one before have gone back.
            if let Some(last) = nth.checked_sub(1) {
                let known = (&outputs[last][..], &kept[last][..]);
                self.hidden.backward(pass.backend, last, known, &mut before[last], pass.dropout);
            }
        }
    }

    fn last(&self) -> &Affine {
        &self.layers[self.layers.len() - 1]
    }
}
