//! A layer of the LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000), over the steps of a
//! walk. Forward beside backward.
//!
//! z = x·W_x + h'·W_h + b, of which i, f and o are the sigmoids of their quarters and g is the tanh of its own; c = f·c' + i·g;
//! h = o·tanh c; h' and c' are those of the step before, at first 0.

use hogback_kernels::{Activation, Backend, Matrix, MatrixMut};

use super::layout::{GATE_ROW, GATES, INPUTS, UNITS};

/// Words from one step to the next of what goes in.
const INPUT_ROW: usize = INPUTS.next_multiple_of(16);
/// Words of the weights for what comes from below, and of those for what was given at the step before.
const HALF: usize = UNITS * GATE_ROW;
/// Words of the weights of a layer.
const WEIGHTS: usize = INPUTS * GATE_ROW;
/// Words from one row of a turned half of the weights to the next.
const TURNED_ROW: usize = UNITS.next_multiple_of(16);
/// The gates that are sigmoids: i, f and o.
const SIGMOIDS: usize = 3 * UNITS;

/// What a layer keeps of the steps of a walk.
#[derive(Debug)]
pub(super) struct Memory {
    /// A row a step, and one behind the last: x, h', 1.
    inputs: Vec<f32>,
    /// A row a step: i, f, o, g.
    gates: Vec<f32>,
    /// A row a step, and one before the first: c.
    cells: Vec<f32>,
    /// A row a step: tanh c.
    shown: Vec<f32>,
}

/// What going back through a layer needs beside what it has kept.
#[derive(Debug)]
pub(super) struct Back {
    /// W_x and W_h, their rows as columns.
    turned: [Vec<f32>; 2],
    /// A row a step: the slopes by z.
    slopes: Vec<f32>,
}

impl Memory {
    /// Room for `steps` steps.
    pub(super) fn new(steps: usize) -> Self {
        let mut inputs = vec![0.0; (steps + 1) * INPUT_ROW];
        inputs.chunks_mut(INPUT_ROW).for_each(|row| row[INPUTS - 1] = 1.0);
        Self {
            inputs,
            gates: vec![0.0; steps * GATE_ROW],
            cells: vec![0.0; (steps + 1) * UNITS],
            shown: vec![0.0; steps * UNITS],
        }
    }

    /// What comes from below at a step.
    pub(super) fn input(&mut self, step: usize) -> &mut [f32] {
        &mut self.inputs[step * INPUT_ROW..][..UNITS]
    }

    /// What it gave at a step, and behind it a 1.
    pub(super) fn output(&self, step: usize) -> &[f32] {
        &self.inputs[(step + 1) * INPUT_ROW + UNITS..][..UNITS + 1]
    }

    /// What it gave at the first `steps` steps, a row each.
    pub(super) fn outputs(&self, steps: usize) -> Matrix<'_> {
        Matrix::with_stride(&self.inputs[INPUT_ROW + UNITS..], steps, UNITS, INPUT_ROW)
    }

    /// Takes in what comes from below at `count` steps from `first` on.
    pub(super) fn enter(&mut self, backend: Backend, weights: &[f32], first: usize, count: usize) {
        let weights = &weights[..WEIGHTS];
        let z = &mut self.gates[first * GATE_ROW..][..count * GATE_ROW];
        backend.fill_rows(MatrixMut::with_stride(z, count, GATES, GATE_ROW), &weights[2 * HALF..][..GATES]);
        let x = Matrix::with_stride(&self.inputs[first * INPUT_ROW..], count, UNITS, INPUT_ROW);
        let down = Matrix::with_stride(&weights[..HALF], UNITS, GATES, GATE_ROW);
        backend.multiply(MatrixMut::with_stride(z, count, GATES, GATE_ROW), x, down, true);
    }

    /// Makes a step, after [`Memory::enter`] and the step before it.
    pub(super) fn step(&mut self, backend: Backend, weights: &[f32], step: usize) {
        let z = &mut self.gates[step * GATE_ROW..][..GATES];
        if step > 0 {
            let along = Matrix::with_stride(&weights[HALF..2 * HALF], UNITS, GATES, GATE_ROW);
            let before = Matrix::new(&self.inputs[step * INPUT_ROW + UNITS..][..UNITS], 1, UNITS);
            backend.multiply(MatrixMut::new(z, 1, GATES), before, along, true);
        }
        // sigmoid z = ½ + ½ tanh ½z: one call for all gates.
        z[..SIGMOIDS].iter_mut().for_each(|z| *z *= 0.5);
        backend.activate(Activation::Tanh, z, &mut []);
        z[..SIGMOIDS].iter_mut().for_each(|z| *z = 0.5 + 0.5 * *z);
        let [input, forget, output, proposed] = quarters(z);
        let (before, here) = self.cells.split_at_mut((step + 1) * UNITS);
        let (before, here) = (&before[step * UNITS..], &mut here[..UNITS]);
        let shown = &mut self.shown[step * UNITS..][..UNITS];
        for at in 0..UNITS {
            here[at] = forget[at] * before[at] + input[at] * proposed[at];
        }
        shown.copy_from_slice(here);
        backend.activate(Activation::Tanh, shown, &mut []);
        let given = &mut self.inputs[(step + 1) * INPUT_ROW + UNITS..][..UNITS];
        for at in 0..UNITS {
            given[at] = output[at] * shown[at];
        }
    }

    /// Adds the gradient of the weights to `gradient`, by the slopes `by` of what was given at the first `steps` steps, a row of
    /// [`UNITS`] each; those of what came from below go into `below`, as many.
    pub(super) fn back(
        &self,
        backend: Backend,
        (weights, gradient): (&[f32], &mut [f32]),
        (steps, by): (usize, &[f32]),
        below: &mut [f32],
        back: &mut Back,
    ) {
        let Back { turned, slopes } = back;
        for (turned, half) in turned.iter_mut().zip(weights.chunks_exact(HALF)) {
            for (at, row) in turned.chunks_exact_mut(TURNED_ROW).enumerate() {
                row[..UNITS].iter_mut().enumerate().for_each(|(from, word)| *word = half[from * GATE_ROW + at]);
            }
        }
        let [down, along] = turned.each_ref().map(|turned| Matrix::with_stride(turned, GATES, UNITS, TURNED_ROW));
        // The slopes by h and c that come from the step behind.
        let (mut carried, mut by_cell) = ([0.0; UNITS], [0.0; UNITS]);
        for step in (0..steps).rev() {
            let [input, forget, output, proposed] = quarters(&self.gates[step * GATE_ROW..][..GATES]);
            let before = &self.cells[step * UNITS..][..UNITS];
            let shown = &self.shown[step * UNITS..][..UNITS];
            let by = &by[step * UNITS..][..UNITS];
            let here = &mut slopes[step * GATE_ROW..][..GATES];
            for at in 0..UNITS {
                let by = by[at] + carried[at];
                let (i, f, o, g) = (input[at], forget[at], output[at], proposed[at]);
                let by_c = by_cell[at] + by * o * (1.0 - shown[at] * shown[at]);
                here[at] = by_c * g * i * (1.0 - i);
                here[UNITS + at] = by_c * before[at] * f * (1.0 - f);
                here[2 * UNITS + at] = by * shown[at] * o * (1.0 - o);
                here[3 * UNITS + at] = by_c * i * (1.0 - g * g);
                by_cell[at] = by_c * f;
            }
            if step > 0 {
                let carried = MatrixMut::new(&mut carried, 1, UNITS);
                backend.multiply(carried, Matrix::new(here, 1, GATES), along, false);
            }
        }
        let slopes = Matrix::with_stride(slopes, steps, GATES, GATE_ROW);
        let gradient = MatrixMut::with_stride(gradient, INPUTS, GATES, GATE_ROW);
        let inputs = Matrix::with_stride(&self.inputs, steps, INPUTS, INPUT_ROW);
        backend.multiply(gradient, inputs.transposed(), slopes, true);
        let below = MatrixMut::new(&mut below[..steps * UNITS], steps, UNITS);
        backend.multiply(below, slopes, down, false);
    }
}

impl Back {
    /// Room for `steps` steps.
    pub(super) fn new(steps: usize) -> Self {
        Self { turned: [(); 2].map(|()| vec![0.0; GATES * TURNED_ROW]), slopes: vec![0.0; steps * GATE_ROW] }
    }
}

/// The gates of a step: i, f, o, g.
fn quarters(gates: &[f32]) -> [&[f32]; 4] {
    [0, 1, 2, 3].map(|nth| &gates[nth * UNITS..][..UNITS])
}
