//! Local search by first improvement, best first: the neighbours of the best so far are tried one by one, and whatever betters it takes
//! its place. Where all its neighbours are known, the best of those that have others is gone on from.

use super::frontier::Frontier;
use super::{STARTS, Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// Local search.
#[derive(Debug)]
pub struct LocalSearch<'s> {
    frontier: Frontier<'s>,
}

impl<'s> LocalSearch<'s> {
    /// Local search in `space`.
    pub fn new(space: &'s Space) -> Self {
        Self { frontier: Frontier::new(space) }
    }
}

impl Strategy for LocalSearch<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        let begins = archive.different() < STARTS;
        let next = if begins { None } else { self.frontier.take(1, archive, random, |_, _| (0, 0)) };
        next.unwrap_or_else(|| self.frontier.space().draw(random))
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, _: bool) -> Option<Update> {
        self.frontier.put(architecture, reward);
        None
    }
}
