//! The softmax of a decision over what the upper layer gives. Forward beside backward.

use hogback_kernels::{Matrix, MatrixMut};

use super::layout::{SEEN, UNITS};
use super::skips::link;
use super::walk::made;
use super::{Allowed, Policy, Walk};

impl Policy<'_> {
    /// Decides what a step is of, a decision by itself.
    pub(super) fn decide_head(
        &self,
        weights: &[f32],
        allowed: &Allowed,
        walk: &mut Walk,
        step: usize,
        mut choose: impl FnMut(usize, &[f32]) -> u8,
    ) {
        let decision = walk.steps[step].start;
        let values = self.layout.values[decision]..self.layout.values[decision + 1];
        let (logs, probabilities) = (&mut walk.logs[values.clone()], &mut walk.probabilities[values.clone()]);
        let count = logs.len();
        let head = Matrix::new(&weights[self.layout.heads[decision]..][..count * SEEN], count, SEEN);
        let seen = Matrix::new(walk.layers[1].output(step), SEEN, 1);
        self.backend.multiply(MatrixMut::new(logs, count, 1), head, seen, false);
        let entropy = soften(logs, probabilities, &allowed.0[values]);
        let choice = choose(decision, probabilities);
        let log = logs[usize::from(choice)];
        walk.put(decision, choice, log, entropy);
    }

    /// Goes back through the decision of a step, if it is one by itself: into the weights of its head, and into what the layer gave.
    pub(super) fn heads_back(&self, weights: &[f32], walk: &mut Walk, step: usize, gradient: &mut [f32]) {
        let decision = walk.steps[step].start;
        if link(&self.space.decisions()[decision]).is_some() {
            return;
        }
        let values = self.layout.values[decision]..self.layout.values[decision + 1];
        let count = values.len();
        let slopes = &walk.by_logits[values];
        let head = self.layout.heads[decision]..self.layout.heads[decision] + count * SEEN;
        let seen = Matrix::new(walk.layers[1].output(step), 1, SEEN);
        let by_head = MatrixMut::new(&mut gradient[head.clone()], count, SEEN);
        self.backend.multiply(by_head, Matrix::new(slopes, count, 1), seen, true);
        let head = Matrix::with_stride(&weights[head], count, UNITS, SEEN);
        let by = MatrixMut::new(&mut walk.by[step * UNITS..][..UNITS], 1, UNITS);
        self.backend.multiply(by, Matrix::new(slopes, 1, count), head, true);
    }

    /// Writes the slopes by all logits of `by_log` · log p + `by_entropy` · Σ H. Those of log p are 1 - p for what was chosen and -p for
    /// the others, those of an entropy H are -p·(log p + H).
    pub(super) fn slopes(&self, walk: &mut Walk, by_log: f32, by_entropy: f32) {
        for step in 0..walk.steps.len() {
            for (decision, choice) in made(&walk.steps[step], &walk.choices) {
                let values = self.layout.values[decision]..self.layout.values[decision + 1];
                let entropy = walk.entropies[decision];
                let pairs = walk.probabilities[values.clone()].iter().zip(&walk.logs[values.clone()]);
                for (slope, (&p, &log)) in walk.by_logits[values.clone()].iter_mut().zip(pairs) {
                    // What cannot be chosen stands still: its logarithm is -∞.
                    *slope = if p > 0.0 { -p * (by_log + by_entropy * (log + entropy)) } else { 0.0 };
                }
                walk.by_logits[values.start + usize::from(choice)] += by_log;
            }
        }
    }
}

/// Makes logits logarithms of probabilities, of those that are allowed; the entropy, in nats.
pub(super) fn soften(logits: &mut [f32], probabilities: &mut [f32], allowed: &[bool]) -> f32 {
    let most = logits.iter().zip(allowed).filter(|(_, allowed)| **allowed).fold(f32::MIN, |most, (&x, _)| most.max(x));
    let mut sum = 0.0;
    for ((&logit, p), &allowed) in logits.iter().zip(probabilities.iter_mut()).zip(allowed) {
        *p = if allowed { (logit - most).exp() } else { 0.0 };
        sum += *p;
    }
    let (log, scale) = (most + sum.ln(), 1.0 / sum);
    let mut entropy = 0.0;
    for ((logit, p), &allowed) in logits.iter_mut().zip(probabilities).zip(allowed) {
        *logit = if allowed { *logit - log } else { f32::NEG_INFINITY };
        *p *= scale;
        entropy -= if allowed { *p * *logit } else { 0.0 };
    }
    entropy
}
