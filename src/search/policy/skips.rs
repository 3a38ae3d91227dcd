//! Skip connections, by anchor points: which layers go into a layer. Forward beside backward.
//!
//! A state that a connection may come from is a row: first the learned ones, by layer, then those of the steps of the walk.

use hogback_kernels::{Activation, Matrix, MatrixMut};

use super::heads::soften;
use super::layout::{Skips, UNITS};
use super::{Policy, Walk};
use crate::search::space::Decision;

/// What is kept of skip connections.
#[derive(Debug)]
pub(super) struct Links {
    /// By layer that a connection may come from: the row of its state.
    states: Vec<usize>,
    /// By row: W_prev h.
    previous: Vec<f32>,
    /// Those that were decided, one behind the other.
    links: Vec<Link>,
    /// A row for each of those: tanh(W_prev h_j + W_curr h_i).
    compared: Vec<f32>,
    /// By row: the slopes by W_prev h. By step: those by W_curr h.
    by_previous: Vec<f32>,
    by_current: Vec<f32>,
}

/// A connection that was decided.
#[derive(Debug)]
struct Link {
    decision: usize,
    step: usize,
    /// The row of the state it comes from.
    from: usize,
}

impl Links {
    /// Room for `steps` steps, where connections may come from so many layers.
    pub(super) fn new(layers: Option<usize>, steps: usize) -> Self {
        let rows = layers.map_or(0, |layers| layers + steps);
        Self {
            states: vec![0; layers.unwrap_or(0)],
            previous: vec![0.0; rows * UNITS],
            links: Vec::new(),
            compared: Vec::new(),
            by_previous: vec![0.0; rows * UNITS],
            by_current: vec![0.0; if rows > 0 { steps * UNITS } else { 0 }],
        }
    }
}

/// Between which layers a connection is decided at an anchor point. Where there is nothing to decide it is as any other decision.
pub(super) fn link(decision: &Decision) -> Option<(usize, usize)> {
    decision.skip.filter(|_| decision.values.len() == 2)
}

/// The matrix of [`UNITS`] rows of as many words that begins there.
fn square(weights: &[f32], from: usize) -> Matrix<'_> {
    Matrix::new(&weights[from..from + UNITS * UNITS], UNITS, UNITS)
}

impl Policy<'_> {
    /// Begins a walk: no layer has an anchor point yet.
    pub(super) fn skips_start(&self, weights: &[f32], walk: &mut Walk) {
        let Some(Skips { previous, states, layers, .. }) = self.layout.skips else { return };
        let links = &mut walk.links;
        links.states.iter_mut().enumerate().for_each(|(layer, row)| *row = layer);
        links.links.clear();
        links.compared.clear();
        let learned = Matrix::new(&weights[states..][..layers * UNITS], layers, UNITS);
        let into = MatrixMut::new(&mut links.previous[..layers * UNITS], layers, UNITS);
        self.backend.multiply(into, learned, square(weights, previous), false);
    }

    /// Decides a step that is the anchor point of layer `to`.
    pub(super) fn decide_skips(
        &self,
        weights: &[f32],
        walk: &mut Walk,
        step: usize,
        to: usize,
        mut choose: impl FnMut(usize, &[f32]) -> u8,
    ) {
        let Some(Skips { previous, current, judge, layers, .. }) = self.layout.skips else { return };
        let judge = &weights[judge..][..UNITS];
        let here = Matrix::new(&walk.layers[1].output(step)[..UNITS], 1, UNITS);
        let mut shared = [0.0; UNITS];
        self.backend.multiply(MatrixMut::new(&mut shared, 1, UNITS), here, square(weights, current), false);
        if to < layers {
            let into = &mut walk.links.previous[(layers + step) * UNITS..][..UNITS];
            self.backend.multiply(MatrixMut::new(into, 1, UNITS), here, square(weights, previous), false);
        }
        for decision in walk.steps[step].clone() {
            let Some((from, _)) = link(&self.space.decisions()[decision]) else { continue };
            if !self.space.is_made(decision, &walk.choices) {
                continue;
            }
            let Links { states, previous, links, compared, .. } = &mut walk.links;
            let from = states[from];
            let before = compared.len();
            let sums = shared.iter().zip(&previous[from * UNITS..][..UNITS]).map(|(here, there)| here + there);
            compared.extend(sums);
            let compared = &mut compared[before..];
            self.backend.activate(Activation::Tanh, compared, &mut []);
            links.push(Link { decision, step, from });
            let logit = compared.iter().zip(judge).map(|(u, v)| u * v).sum();
            // A sigmoid is the softmax of that beside 0.
            let values = self.layout.values[decision]..self.layout.values[decision + 1];
            let (logs, probabilities) = (&mut walk.logs[values.clone()], &mut walk.probabilities[values]);
            logs.copy_from_slice(&[0.0, logit]);
            let entropy = soften(logs, probabilities, &[true; 2]);
            let choice = choose(decision, probabilities);
            let log = logs[usize::from(choice)];
            walk.put(decision, choice, log, entropy);
        }
        if to < layers {
            walk.links.states[to] = layers + step;
        }
    }

    /// Goes back through all connections of a walk: into the weights, and into what the upper layer gave.
    pub(super) fn skips_back(&self, weights: &[f32], walk: &mut Walk, gradient: &mut [f32]) {
        let Some(Skips { previous, current, judge, states, layers }) = self.layout.skips else { return };
        let Walk { links, layers: memories, by, steps, by_logits, .. } = walk;
        if links.links.is_empty() {
            return;
        }
        let Links { links, compared, by_previous, by_current, .. } = links;
        let steps = steps.len();
        by_previous.fill(0.0);
        by_current.fill(0.0);
        for (link, compared) in links.iter().zip(compared.chunks_exact(UNITS)) {
            // No stands still beside yes.
            let by_logit = by_logits[self.layout.values[link.decision] + 1];
            self.backend.add_scaled(by_logit, compared, &mut gradient[judge..][..UNITS]);
            let from = &mut by_previous[link.from * UNITS..][..UNITS];
            let here = &mut by_current[link.step * UNITS..][..UNITS];
            let judge = &weights[judge..][..UNITS];
            for (at, (u, v)) in compared.iter().zip(judge).enumerate() {
                let slope = by_logit * v * (1.0 - u * u);
                from[at] += slope;
                here[at] += slope;
            }
        }
        let outputs = memories[1].outputs(steps);
        let learned = &weights[states..][..layers * UNITS];
        let (by_learned, by_steps) = by_previous.split_at(layers * UNITS);
        let by_learned = Matrix::new(by_learned, layers, UNITS);
        let by_steps = Matrix::new(&by_steps[..steps * UNITS], steps, UNITS);
        let by_current = Matrix::new(&by_current[..steps * UNITS], steps, UNITS);
        let backend = self.backend;
        let mut into = |from: usize, rows: usize, a: Matrix<'_>, b: Matrix<'_>| {
            let into = MatrixMut::new(&mut gradient[from..][..rows * UNITS], rows, UNITS);
            backend.multiply(into, a, b, true);
        };
        into(previous, UNITS, Matrix::new(learned, layers, UNITS).transposed(), by_learned);
        into(previous, UNITS, outputs.transposed(), by_steps);
        into(current, UNITS, outputs.transposed(), by_current);
        into(states, layers, by_learned, square(weights, previous).transposed());
        for (slopes, from) in [(by_steps, previous), (by_current, current)] {
            let by = MatrixMut::new(&mut by[..steps * UNITS], steps, UNITS);
            backend.multiply(by, slopes, square(weights, from).transposed(), true);
        }
    }
}
