//! A layer: what goes in times its weights, plus its biases. Forward beside backward.

use std::ops::Range;

use hogback_kernels::{Matrix, MatrixMut, Turned};

use super::{Input, Pass};

/// z = x·W + b, W having a row for each input and a column for each output. What goes in comes from one layer or from several, whose
/// outputs stand one behind the other in x: the sum of their products with their rows of W needs no such x.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    pub(super) sources: Vec<Source>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Where its weights and biases begin.
    weights: usize,
    bias: usize,
}

/// A layer whose outputs go into another.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Its number; 0 is the input of the network.
    pub(super) from: usize,
    /// Its rows of the weights, one for each of its outputs.
    pub(super) rows: Range<usize>,
    /// A layer further on sees it as well: on the way back slopes by it are there already.
    pub(super) shared: bool,
}

impl Source {
    /// What comes from it, `input` being that of the network and `outputs` what came out of its hidden layers.
    fn input<'a>(&self, input: Input<'a>, outputs: &'a [Vec<f32>]) -> Input<'a> {
        self.from.checked_sub(1).map_or(input, |nth| Input::Dense(&outputs[nth]))
    }
}

impl Affine {
    /// The layer that sees these, whose weights and biases begin there.
    pub(super) fn new(sources: Vec<Source>, outputs: usize, weights: usize, bias: usize) -> Self {
        let inputs = sources.last().map_or(0, |source| source.rows.end);
        Self { sources, inputs, outputs, weights, bias }
    }

    /// Where its weights stand.
    pub(super) fn weights(&self) -> Range<usize> {
        self.weights..self.weights + self.inputs * self.outputs
    }

    /// Where its biases stand.
    pub(super) fn bias(&self) -> Range<usize> {
        self.bias..self.bias + self.outputs
    }

    /// Where the weights of one of its sources stand.
    fn weights_of(&self, source: &Source) -> Range<usize> {
        self.weights + source.rows.start * self.outputs..self.weights + source.rows.end * self.outputs
    }

    /// What is to be taken off its inputs, and the source that these are, where it sees sparse rows.
    fn means<'a>(&self, input: Input<'a>) -> Option<(&Source, &'a [f32])> {
        match input {
            Input::Dense(_) => None,
            Input::Sparse(_, means) => {
                self.sources.iter().find(|source| source.from == 0).map(|source| (source, means))
            }
        }
    }

    /// Writes z, whose rows begin `stride` words apart, of a pass that has left `outputs` in the hidden layers before.
    pub(super) fn forward(
        &self,
        pass: Pass<'_>,
        outputs: &[Vec<f32>],
        (z, stride): (&mut [f32], usize),
        centred: &mut Vec<f32>,
    ) {
        let Pass { backend, weights: words, input, rows, .. } = pass;
        let weights = |source: &Source| Matrix::new(&words[self.weights_of(source)], source.rows.len(), self.outputs);
        let mut bias = &words[self.bias()];
        if let Some((source, means)) = self.means(input) {
            // (x - means)·W + b = x·W + (b - means·W): rows stay sparse.
            centred.clear();
            centred.resize(self.outputs, 0.0);
            let means = Matrix::new(means, 1, source.rows.len());
            backend.multiply(MatrixMut::new(centred, 1, self.outputs), means, weights(source), false);
            centred.iter_mut().zip(bias).for_each(|(off, bias)| *off = bias - *off);
            bias = centred;
        }
        backend.fill_rows(MatrixMut::with_stride(z, rows, self.outputs, stride), bias);
        for source in &self.sources {
            let z = MatrixMut::with_stride(z, rows, self.outputs, stride);
            match source.input(input, outputs) {
                Input::Dense(x) => {
                    backend.multiply(z, Matrix::new(x, rows, source.rows.len()), weights(source), true);
                }
                Input::Sparse(x, _) => backend.multiply_rows(z, x, weights(source)),
            }
        }
    }

    /// Writes the gradient of its weights and biases by the slopes `dz`, whose rows begin `stride` words apart, and adds to the slopes by
    /// what it sees: to `slopes` by what came out of the hidden layers before, and to those by the input of the network where they are
    /// wanted; the first to add writes. dW = xᵀ·dz, db = Σ dz, dx = dz·Wᵀ. Sparse input is `turned`.
    pub(super) fn backward(
        &self,
        pass: Pass<'_>,
        outputs: &[Vec<f32>],
        (dz, stride): (&[f32], usize),
        gradient: &mut [f32],
        (slopes, mut inputs): (&mut [Vec<f32>], Option<&mut [f32]>),
        (turned, centred): (&Turned, &mut Vec<f32>),
    ) {
        let Pass { backend, weights: words, input, rows, .. } = pass;
        let dz = Matrix::with_stride(dz, rows, self.outputs, stride);
        let bias = &mut gradient[self.bias()];
        bias.fill(0.0);
        backend.add_rows(bias, dz);
        if self.means(input).is_some() {
            centred.clear();
            centred.extend(bias.iter().map(|sum| -sum));
        }
        for source in &self.sources {
            let (words, dw) = (&words[self.weights_of(source)], &mut gradient[self.weights_of(source)]);
            let size = source.rows.len();
            match source.input(input, outputs) {
                Input::Dense(x) => {
                    let x = Matrix::new(x, rows, size);
                    backend.multiply(MatrixMut::new(dw, size, self.outputs), x.transposed(), dz, false);
                }
                Input::Sparse(_, means) => {
                    // (x - means)ᵀ·dz = xᵀ·dz - meansᵀ·Σ dz.
                    backend.multiply_turned(MatrixMut::new(dw, size, self.outputs), turned, dz);
                    let (means, sums) = (Matrix::new(means, size, 1), Matrix::new(centred, 1, self.outputs));
                    backend.multiply(MatrixMut::new(dw, size, self.outputs), means, sums, true);
                }
            }
            let dx = match source.from.checked_sub(1) {
                Some(nth) => Some(&mut slopes[nth][..]),
                None => inputs.as_deref_mut(),
            };
            if let Some(dx) = dx {
                let weights = Matrix::new(words, size, self.outputs);
                backend.multiply(MatrixMut::new(dx, rows, size), dz, weights.transposed(), source.shared);
            }
        }
    }
}
