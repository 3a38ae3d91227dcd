//! A layer: what goes in times its weights, plus its biases. Forward beside backward.

use std::ops::Range;

use hogback_kernels::{Matrix, MatrixMut, Turned};

use super::{Input, Pass};

/// z = x·W + b, W having a row for each input and a column for each output.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Where its weights and biases begin.
    weights: usize,
    bias: usize,
}

impl Affine {
    /// The layer whose weights and biases begin there.
    pub(super) fn new(inputs: usize, outputs: usize, weights: usize, bias: usize) -> Self {
        Self { inputs, outputs, weights, bias }
    }

    /// Where its weights stand.
    pub(super) fn weights(&self) -> Range<usize> {
        self.weights..self.weights + self.inputs * self.outputs
    }

    /// Where its biases stand.
    pub(super) fn bias(&self) -> Range<usize> {
        self.bias..self.bias + self.outputs
    }

    /// Writes z, whose rows begin `stride` words apart, of a pass.
    pub(super) fn forward(&self, pass: Pass<'_>, (z, stride): (&mut [f32], usize), centred: &mut Vec<f32>) {
        let Pass { backend, weights: words, input, rows, .. } = pass;
        let (weights, bias) = (Matrix::new(&words[self.weights()], self.inputs, self.outputs), &words[self.bias()]);
        match input {
            Input::Dense(x) => {
                backend.fill_rows(MatrixMut::with_stride(z, rows, self.outputs, stride), bias);
                let z = MatrixMut::with_stride(z, rows, self.outputs, stride);
                backend.multiply(z, Matrix::new(x, rows, self.inputs), weights, true);
            }
            Input::Sparse(x, means) => {
                // (x - means)·W + b = x·W + (b - means·W): rows stay sparse.
                centred.clear();
                centred.resize(self.outputs, 0.0);
                backend.multiply(
                    MatrixMut::new(centred, 1, self.outputs),
                    Matrix::new(means, 1, self.inputs),
                    weights,
                    false,
                );
                centred.iter_mut().zip(bias).for_each(|(off, bias)| *off = bias - *off);
                backend.fill_rows(MatrixMut::with_stride(z, rows, self.outputs, stride), centred);
                backend.multiply_rows(MatrixMut::with_stride(z, rows, self.outputs, stride), x, weights);
            }
        }
    }

    /// Writes the gradient of its weights and biases, and the slopes by the input where they are wanted, by the slopes `dz`, whose rows
    /// begin `stride` words apart: dW = xᵀ·dz, db = Σ dz, dx = dz·Wᵀ.
    pub(super) fn backward(
        &self,
        pass: Pass<'_>,
        (dz, stride): (&[f32], usize),
        gradient: &mut [f32],
        dx: Option<&mut [f32]>,
        (turned, centred): (&mut Turned, &mut Vec<f32>),
    ) {
        let Pass { backend, weights: words, input, rows, .. } = pass;
        let dz = Matrix::with_stride(dz, rows, self.outputs, stride);
        let bias = &mut gradient[self.bias()];
        bias.fill(0.0);
        backend.add_rows(bias, dz);
        if let Input::Sparse(..) = input {
            centred.clear();
            centred.extend(bias.iter().map(|sum| -sum));
        }
        let dw = &mut gradient[self.weights()];
        match input {
            Input::Dense(x) => {
                let dw = MatrixMut::new(dw, self.inputs, self.outputs);
                backend.multiply(dw, Matrix::new(x, rows, self.inputs).transposed(), dz, false);
            }
            Input::Sparse(x, means) => {
                // (x - means)ᵀ·dz = xᵀ·dz - meansᵀ·Σ dz.
                turned.turn(x, self.inputs);
                backend.multiply_turned(MatrixMut::new(dw, self.inputs, self.outputs), turned, dz);
                let (means, sums) = (Matrix::new(means, self.inputs, 1), Matrix::new(centred, 1, self.outputs));
                backend.multiply(MatrixMut::new(dw, self.inputs, self.outputs), means, sums, true);
            }
        }
        if let Some(dx) = dx {
            let weights = Matrix::new(&words[self.weights()], self.inputs, self.outputs);
            backend.multiply(MatrixMut::new(dx, rows, self.inputs), dz, weights.transposed(), false);
        }
    }
}
