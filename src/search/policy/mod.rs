//! The policy that writes architectures (Zoph & Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017, section 3): an
//! autoregressive LSTM of two layers of 35 units, over the decisions of a space.
//!
//! What flows in: a space, a flat stretch of weights ([`shared`] has it of Θ), chance or an architecture. What flows out: architectures
//! with their probabilities, and the gradient of those.
//!
//! A decision that is made is a step: what was chosen at the step before goes in (an embedding, at first a learned row), and a softmax
//! over the values comes out. Consecutive skip connections into one layer are one step, the layer's anchor point (section 3.3): with h_i
//! what comes out there, P(layer j goes into layer i) = sigmoid(v·tanh(W_prev h_j + W_curr h_i)), h_j being what came out at the anchor
//! point of layer j; of a layer that has none, as the input and the first layer, a learned row. What goes in at the step after it is the
//! sum of the embeddings of all that was decided there.

mod cell;
mod heads;
mod layout;
mod shared;
mod skips;
mod walk;

#[cfg(test)]
pub(in crate::search) mod tests;

use std::ops::Range;

use hogback_kernels::Backend;

use super::space::{Architecture, Space, Value};
use crate::random::Random;
pub use layout::UNITS;
use layout::{GATE_ROW, INPUTS, Layout};
pub use shared::SharedPolicy;
use skips::link;
pub use walk::{Odds, Walk};

/// At first all weights lie evenly within this of 0.
pub const FIRST_WITHIN: f32 = 0.08;

/// The policy of a space; its weights are the caller's.
#[derive(Debug)]
pub struct Policy<'s> {
    space: &'s Space,
    backend: Backend,
    layout: Layout,
    /// By step that may be made, in order: which decisions it is of, one or skip connections into one layer.
    groups: Vec<Range<usize>>,
}

/// Which values may be chosen, by number among the values of all decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed(Vec<bool>);

impl<'s> Policy<'s> {
    /// The policy of a space.
    pub fn new(space: &'s Space, backend: Backend) -> Self {
        let into = |decision: usize| link(&space.decisions()[decision]).map(|(_, to)| to);
        let mut groups: Vec<Range<usize>> = Vec::new();
        for decision in 0..space.decisions().len() {
            match groups.last_mut() {
                Some(last) if into(decision).is_some() && into(last.start) == into(decision) => last.end = decision + 1,
                _ => groups.push(decision..decision + 1),
            }
        }
        Self { space, backend, layout: Layout::new(space), groups }
    }

    /// Its space.
    pub fn space(&self) -> &'s Space {
        self.space
    }

    /// How many words its weights are.
    pub fn words(&self) -> usize {
        self.layout.words
    }

    /// Sets the weights to what a search begins with: evenly within [`FIRST_WITHIN`] of 0, by a seed; 0 between the parts.
    pub fn begin(&self, weights: &mut [f32], seed: u64) {
        weights.fill(0.0);
        let mut random = Random::new(seed);
        for word in self.layout.parts.iter().flat_map(|part| part.words()) {
            weights[word] = FIRST_WITHIN * (2.0 * random.share() - 1.0) as f32;
        }
    }

    /// Every value; or of the decision called `layers` only those up to `depth`, or the least where all are beyond it.
    pub fn allowed(&self, depth: Option<u32>) -> Allowed {
        let mut allowed = vec![true; self.layout.values[self.space.decisions().len()]];
        let layers = self.space.decisions().iter().position(|decision| decision.name == "layers");
        if let (Some(depth), Some(layers)) = (depth, layers) {
            let depth = f64::from(depth);
            let number = |value: &Value| if let Value::Number(number) = value { *number } else { f64::NEG_INFINITY };
            let numbers = self.space.decisions()[layers].values.iter().map(number);
            let most = depth.max(numbers.clone().fold(f64::INFINITY, f64::min));
            let here = &mut allowed[self.layout.values[layers]..];
            here.iter_mut().zip(numbers).for_each(|(allowed, number)| *allowed = number <= most);
        }
        Allowed(allowed)
    }

    /// Room for walks of this policy.
    pub fn walk(&self) -> Walk {
        Walk::new(self)
    }

    /// Draws an architecture; the walk keeps how.
    ///
    /// # Panics
    /// Where the weights, here as everywhere, are not [`Policy::words`], or the walk is of another policy.
    pub fn sample(&self, weights: &[f32], allowed: &Allowed, random: &mut Random, walk: &mut Walk) -> Architecture {
        self.start(weights, walk);
        for group in &self.groups {
            if !walk.is_step(self.space, group.clone()) {
                continue;
            }
            let step = walk.steps.len();
            walk.steps.push(group.clone());
            self.enter(weights, walk, step, 1);
            let draw = |_: usize, probabilities: &[f32]| drawn(probabilities, random.share());
            self.decide(weights, allowed, walk, step, draw);
            self.feed(weights, walk, step);
        }
        self.space.settle(walk.choices.clone(), random)
    }

    /// Walks the way to an architecture; the walk keeps it, and what it gives is to the bit what [`Policy::sample`] with the same weights
    /// found.
    pub fn follow(&self, weights: &[f32], allowed: &Allowed, architecture: &Architecture, walk: &mut Walk) -> Odds {
        self.start(weights, walk);
        walk.choices.copy_from_slice(architecture.choices());
        for group in &self.groups {
            if walk.is_step(self.space, group.clone()) {
                walk.steps.push(group.clone());
                self.feed(weights, walk, walk.steps.len() - 1);
            }
        }
        self.enter(weights, walk, 0, walk.steps.len());
        for step in 0..walk.steps.len() {
            self.decide(weights, allowed, walk, step, |decision, _| architecture.choices()[decision]);
        }
        walk.odds()
    }

    /// Adds to `gradient` that of `by_log_probability` · log p + `by_entropy` · H by the weights: p the probability of the architecture
    /// that the walk was of, H its mean entropy ([`Odds`]). The weights are those it was walked with, and p is not 0.
    pub fn gradient(
        &self,
        weights: &[f32],
        walk: &mut Walk,
        by_log_probability: f32,
        by_entropy: f32,
        gradient: &mut [f32],
    ) {
        self.slopes(walk, by_log_probability, by_entropy / walk.decided.max(1) as f32);
        self.back(weights, walk, gradient);
    }

    /// The logarithm of how much likelier `choice` is for a decision than what was chosen in the walk, after what was chosen before it.
    pub fn log_odds(&self, walk: &Walk, decision: usize, choice: u8) -> f32 {
        let logs = &walk.logs[self.layout.values[decision]..];
        logs[usize::from(choice)] - logs[usize::from(walk.choices[decision])]
    }

    /// Adds to `gradient` that of Σ slope · [`Policy::log_odds`] over `edits`, each a decision, a choice and its slope, by the weights that
    /// were walked with.
    pub fn edits_gradient(
        &self,
        weights: &[f32],
        walk: &mut Walk,
        edits: impl Iterator<Item = (usize, u8, f32)>,
        gradient: &mut [f32],
    ) {
        walk.by_logits.fill(0.0);
        for (decision, choice, slope) in edits {
            let from = self.layout.values[decision];
            walk.by_logits[from + usize::from(choice)] += slope;
            walk.by_logits[from + usize::from(walk.choices[decision])] -= slope;
        }
        self.back(weights, walk, gradient);
    }

    /// Goes back through a walk, from the slopes by logits on.
    fn back(&self, weights: &[f32], walk: &mut Walk, gradient: &mut [f32]) {
        let steps = walk.steps.len();
        walk.by[..steps * UNITS].fill(0.0);
        for step in 0..steps {
            self.heads_back(weights, walk, step, gradient);
        }
        self.skips_back(weights, walk, gradient);
        for layer in [1, 0] {
            let cell = self.layout.cells[layer]..self.layout.cells[layer] + INPUTS * GATE_ROW;
            let parts = (&weights[cell.clone()], &mut gradient[cell]);
            let Walk { layers, by, below, back, .. } = walk;
            layers[layer].back(self.backend, parts, (steps, by), below, back);
            std::mem::swap(by, below);
        }
        for step in 0..steps {
            let slopes = &walk.by[step * UNITS..][..UNITS];
            let mut add = |row: Range<usize>| self.backend.add_scaled(1.0, slopes, &mut gradient[row]);
            match step.checked_sub(1) {
                None => add(self.layout.start..self.layout.start + UNITS),
                Some(before) => {
                    walk.made(before).for_each(|(decision, choice)| add(self.layout.embedding(decision, choice)));
                }
            }
        }
    }

    /// Begins a walk.
    fn start(&self, weights: &[f32], walk: &mut Walk) {
        walk.clear();
        walk.layers[0].input(0).copy_from_slice(&weights[self.layout.start..][..UNITS]);
        self.skips_start(weights, walk);
    }

    /// Takes `count` steps from `first` on through both layers.
    fn enter(&self, weights: &[f32], walk: &mut Walk, first: usize, count: usize) {
        let [lower, upper] = &mut walk.layers;
        let [below, above] = self.layout.cells.map(|from| &weights[from..from + INPUTS * GATE_ROW]);
        lower.enter(self.backend, below, first, count);
        for step in first..first + count {
            lower.step(self.backend, below, step);
            upper.input(step).copy_from_slice(&lower.output(step)[..UNITS]);
        }
        upper.enter(self.backend, above, first, count);
        for step in first..first + count {
            upper.step(self.backend, above, step);
        }
    }

    /// Decides what a step is of, after [`Policy::enter`], as `choose` says by decision and probabilities.
    fn decide(
        &self,
        weights: &[f32],
        allowed: &Allowed,
        walk: &mut Walk,
        step: usize,
        choose: impl FnMut(usize, &[f32]) -> u8,
    ) {
        match link(&self.space.decisions()[walk.steps[step].start]) {
            None => self.decide_head(weights, allowed, walk, step, choose),
            Some((_, to)) => self.decide_skips(weights, walk, step, to, choose),
        }
    }

    /// Has what was chosen at a step go in at the next.
    fn feed(&self, weights: &[f32], walk: &mut Walk, step: usize) {
        let Walk { layers, steps, choices, .. } = walk;
        let input = layers[0].input(step + 1);
        input.fill(0.0);
        for (decision, choice) in walk::made(&steps[step], choices) {
            let row = &weights[self.layout.embedding(decision, choice)];
            input.iter_mut().zip(row).for_each(|(input, word)| *input += word);
        }
    }
}

/// The value that a number from 0 to below 1 falls on.
fn drawn(probabilities: &[f32], share: f64) -> u8 {
    let mut left = share;
    let falls = probabilities.iter().position(|&p| {
        left -= f64::from(p);
        left < 0.0
    });
    // Where rounding has left a little: the last that can be.
    falls.or_else(|| probabilities.iter().rposition(|&p| p > 0.0)).unwrap_or(0) as u8
}
