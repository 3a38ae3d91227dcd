//! Thompson sampling (Thompson 1933) of neighbours of the best: what choices are worth is learned from all trials, and the neighbour that
//! comes next is the one that does best by a draw from what is known.
//!
//! Large steps where little is known, small ones where much is: at first it goes where whole decisions may still turn out well, and in the
//! end it does what local search does, the best neighbours first.

use super::frontier::{Frontier, Place};
use super::worth::Worth;
use super::{STARTS, Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// Around how many of the best places is looked.
const PLACES: usize = 3;

/// Thompson sampling.
#[derive(Debug)]
pub struct Thompson<'s> {
    frontier: Frontier<'s>,
    worth: Worth,
}

impl<'s> Thompson<'s> {
    /// Thompson sampling in `space`.
    pub fn new(space: &'s Space) -> Self {
        Self { frontier: Frontier::new(space), worth: Worth::new(space) }
    }
}

impl Strategy for Thompson<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        let Self { frontier, worth } = self;
        let best = |places: &[Place], random: &mut Random| {
            let mut best = (f64::MIN, (0, 0));
            for (nth, place) in places.iter().enumerate() {
                // Half of what it came to beyond what is expected of it is taken for luck.
                let here = 0.5 * (f64::from(place.reward) + worth.of(&place.architecture));
                for (at, edit) in place.around().iter().enumerate() {
                    let (more, deviation) = worth.difference(&place.architecture, &edit.child);
                    let drawn = here + more + deviation * random.normal();
                    if drawn > best.0 {
                        best = (drawn, (nth, at));
                    }
                }
            }
            best.1
        };
        let begins = archive.different() < STARTS;
        let next = if begins { None } else { frontier.take(PLACES, archive, random, best) };
        next.unwrap_or_else(|| frontier.space().draw(random))
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, _: bool) -> Option<Update> {
        self.frontier.put(architecture, reward);
        self.worth.learn(architecture, reward);
        None
    }
}
