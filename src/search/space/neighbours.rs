//! Architectures that differ from one in one decision, and in what hangs on it.

use super::{Architecture, Space, UNMADE};
use crate::random::Random;

/// A neighbour: its parent, one decision of which was made otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The decision.
    pub decision: usize,
    /// What was chosen there instead.
    pub choice: u8,
    /// What comes of it.
    pub child: Architecture,
}

impl Space {
    /// A copy of `parent` in which one decision, any that was made and leaves a choice, is made otherwise, each other value being as
    /// likely. Decisions that come into being by that are drawn, and those that lose their ground are left out. `parent` itself where
    /// nothing can be made otherwise.
    pub fn mutate(&self, parent: &Architecture, random: &mut Random) -> Architecture {
        let is_free = |nth: &usize| parent.0[*nth] != UNMADE && self.decisions[*nth].values.len() > 1;
        let free = (0..self.decisions.len()).filter(is_free).count();
        if free == 0 {
            return parent.clone();
        }
        let decision = (0..self.decisions.len()).filter(is_free).nth(random.below(free)).unwrap_or_default();
        let other = random.below(self.decisions[decision].values.len() - 1) as u8;
        self.with(parent, decision, other + u8::from(other >= parent.0[decision]), random)
    }

    /// All copies of `parent` in which one decision is made otherwise, in random order, but of values with an order those nearer by come
    /// first. As with [`Space::mutate`], decisions that come into being are drawn.
    pub fn neighbours(&self, parent: &Architecture, random: &mut Random) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (nth, decision) in self.decisions.iter().enumerate() {
            let choice = parent.0[nth];
            if choice == UNMADE {
                continue;
            }
            for other in (0..decision.values.len() as u8).filter(|other| *other != choice) {
                let distance = if decision.is_ordered { other.abs_diff(choice) } else { 1 };
                edits.push((distance, random.number(), nth, other));
            }
        }
        edits.sort_unstable();
        let edit =
            |(_, _, decision, choice)| Edit { decision, choice, child: self.with(parent, decision, choice, random) };
        edits.into_iter().map(edit).collect()
    }

    /// The decision of `parent` that was made otherwise, and how, where `child` came of that; none where it came of something else.
    pub fn edit(&self, parent: &Architecture, child: &Architecture) -> Option<(usize, u8)> {
        let mut differ = parent.0.iter().zip(&child.0).enumerate().filter(|(_, (one, other))| one != other);
        let (decision, (was, is)) = differ.next()?;
        // What hangs on it has come into being, or lost its ground.
        let hangs = |(_, (one, other)): (usize, (&u8, &u8))| *one == UNMADE || *other == UNMADE;
        (*was != UNMADE && *is != UNMADE && differ.all(hangs)).then_some((decision, *is))
    }

    /// A copy of `parent` in which `decision`, which was made, is `choice`.
    pub fn with(&self, parent: &Architecture, decision: usize, choice: u8, random: &mut Random) -> Architecture {
        let mut choices = parent.0.to_vec();
        choices[decision] = choice;
        self.settle(choices, random)
    }
}
