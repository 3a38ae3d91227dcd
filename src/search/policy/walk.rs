//! [`Walk`]: what is kept of the way to an architecture, for the way back.

use std::ops::Range;

use super::Policy;
use super::cell::{Back, Memory};
use super::layout::UNITS;
use super::skips::Links;
use crate::search::space::{Space, UNMADE};

/// How likely an architecture is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Odds {
    /// The logarithm of its probability; -∞ where it is not allowed.
    pub log_probability: f32,
    /// The entropy of its decisions, each given those before it, in nats: the mean over those that were made.
    pub entropy: f32,
}

/// The way to an architecture. Its memory is used again by the next.
#[derive(Debug)]
pub struct Walk {
    /// Which decisions each step is of.
    pub(super) steps: Vec<Range<usize>>,
    /// What was chosen.
    pub(super) choices: Vec<u8>,
    /// By value, of decisions that were made: its probability, and the logarithm of that.
    pub(super) probabilities: Vec<f32>,
    pub(super) logs: Vec<f32>,
    /// By decision that was made: its entropy.
    pub(super) entropies: Vec<f32>,
    /// How many decisions were made, the logarithm of the probability of them all, and the sum of their entropies.
    pub(super) decided: usize,
    pub(super) log_probability: f32,
    pub(super) entropy: f32,
    /// The layers of the LSTM, the lower first.
    pub(super) layers: [Memory; 2],
    /// The states that skip connections come from.
    pub(super) links: Links,
    /// Slopes by what comes out of a layer, and by what goes in; a row of [`UNITS`] a step.
    pub(super) by: Vec<f32>,
    pub(super) below: Vec<f32>,
    pub(super) back: Back,
    /// By value: slopes by its logit.
    pub(super) by_logits: Vec<f32>,
}

impl Walk {
    pub(super) fn new(policy: &Policy<'_>) -> Self {
        let (steps, decisions) = (policy.groups.len(), policy.space.decisions());
        let values = policy.layout.values[decisions.len()];
        Self {
            steps: Vec::with_capacity(steps),
            choices: vec![UNMADE; decisions.len()],
            probabilities: vec![0.0; values],
            logs: vec![0.0; values],
            entropies: vec![0.0; decisions.len()],
            decided: 0,
            log_probability: 0.0,
            entropy: 0.0,
            layers: [Memory::new(steps), Memory::new(steps)],
            links: Links::new(policy.layout.skips.map(|skips| skips.layers), steps),
            by: vec![0.0; steps * UNITS],
            below: vec![0.0; steps * UNITS],
            back: Back::new(steps),
            by_logits: vec![0.0; values],
        }
    }

    /// How likely its architecture is.
    pub fn odds(&self) -> Odds {
        let entropy = self.entropy / self.decided.max(1) as f32;
        Odds { log_probability: self.log_probability, entropy }
    }

    /// Before the first step.
    pub(super) fn clear(&mut self) {
        self.steps.clear();
        self.choices.fill(UNMADE);
        (self.decided, self.log_probability, self.entropy) = (0, 0.0, 0.0);
    }

    /// Whether any of these decisions is made, after those before them.
    pub(super) fn is_step(&self, space: &Space, decisions: Range<usize>) -> bool {
        decisions.into_iter().any(|decision| space.is_made(decision, &self.choices))
    }

    /// The decisions that were made at a step, and what was chosen.
    pub(super) fn made(&self, step: usize) -> impl Iterator<Item = (usize, u8)> {
        made(&self.steps[step], &self.choices)
    }

    /// Puts down what was chosen.
    pub(super) fn put(&mut self, decision: usize, choice: u8, log_probability: f32, entropy: f32) {
        self.choices[decision] = choice;
        self.entropies[decision] = entropy;
        self.decided += 1;
        self.log_probability += log_probability;
        self.entropy += entropy;
    }
}

/// Those of some decisions that were made, and what was chosen.
pub(super) fn made<'w>(decisions: &Range<usize>, choices: &'w [u8]) -> impl Iterator<Item = (usize, u8)> + use<'w> {
    decisions.clone().map(|decision| (decision, choices[decision])).filter(|(_, choice)| *choice != UNMADE)
}
