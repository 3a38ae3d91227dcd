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

#[cfg(test)]
mod tests {
    use super::super::tests::spaces;
    use super::*;

    /// Whether `child` is `parent` but for `decision` and those that hang on others.
    fn is_edited(space: &Space, parent: &Architecture, child: &Architecture, decision: usize) -> bool {
        let differs = |nth: usize| parent.0[nth] != child.0[nth];
        let may = |nth: usize| nth == decision || space.decisions[nth].when.is_some();
        let both_made = |nth: usize| parent.0[nth] != UNMADE && child.0[nth] != UNMADE;
        differs(decision)
            && (0..parent.0.len()).filter(|&nth| differs(nth)).all(may)
            && (0..parent.0.len()).filter(|&nth| nth != decision && both_made(nth)).all(|nth| !differs(nth))
            && space.settle(child.0.to_vec(), &mut Random::new(0)) == *child
    }

    #[test]
    fn neighbours_differ_in_one_decision_and_all_of_those_are_there() {
        let mut random = Random::new(1);
        for space in spaces() {
            for _ in 0..50 {
                let parent = space.draw(&mut random);
                let edits = space.neighbours(&parent, &mut random);
                assert!(edits.iter().all(|edit| is_edited(&space, &parent, &edit.child, edit.decision)));
                assert!(edits.iter().all(|edit| edit.child.0[edit.decision] == edit.choice));
                let mut which: Vec<_> = edits.iter().map(|edit| (edit.decision, edit.choice)).collect();
                which.sort_unstable();
                which.dedup();
                let made = parent.0.iter().zip(&space.decisions).filter(|(choice, _)| **choice != UNMADE);
                assert_eq!(which.len(), made.map(|(_, decision)| decision.values.len() - 1).sum::<usize>());
                assert_eq!(which.len(), edits.len());
            }
        }
    }

    #[test]
    fn of_values_with_an_order_the_nearest_come_first_and_else_chance_decides() {
        let mut random = Random::new(2);
        for space in spaces() {
            let parent = space.draw(&mut random);
            let distance = |edit: &Edit| match space.decisions[edit.decision].is_ordered {
                true => edit.choice.abs_diff(parent.0[edit.decision]),
                false => 1,
            };
            let orders: Vec<Vec<Edit>> = (0..20).map(|_| space.neighbours(&parent, &mut random)).collect();
            assert!(orders.iter().all(|edits| edits.is_sorted_by_key(distance)));
            let many = orders[0].iter().filter(|edit| distance(edit) == 1).count();
            assert!(many < 3 || orders.iter().any(|edits| edits[0].decision != orders[0][0].decision));
        }
    }

    #[test]
    fn each_decision_is_mutated_as_often() {
        let mut random = Random::new(3);
        for space in spaces() {
            let parent = space.draw(&mut random);
            let free: Vec<usize> = (0..parent.0.len())
                .filter(|&nth| parent.0[nth] != UNMADE && space.decisions[nth].values.len() > 1)
                .collect();
            let mut times = vec![0; parent.0.len()];
            for _ in 0..3000 {
                let child = space.mutate(&parent, &mut random);
                let which: Vec<_> =
                    free.iter().filter(|&&nth| is_edited(&space, &parent, &child, nth)).copied().collect();
                assert_eq!(which.len(), usize::from(!free.is_empty()));
                which.into_iter().for_each(|nth| times[nth] += 1);
            }
            let even = 3000.0 / free.len() as f64;
            assert!(free.iter().all(|&nth| (f64::from(times[nth]) - even).abs() < 6.0 * even.sqrt()), "{times:?}");
        }
    }
}
