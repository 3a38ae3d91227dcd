//! Local search by first improvement, best first: the neighbours of the best architecture so far are tried one by one; whatever betters it
//! takes its place, and where all its neighbours are known, the best that still has unknown ones does. So it never has to begin anew, and
//! where luck has put one too high it goes on soon.

use super::frontier::Frontier;
use super::{Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// Local search.
#[derive(Debug)]
pub struct LocalSearch<'s> {
    space: &'s Space,
    frontier: Frontier<'s>,
    /// How many random ones are still to be proposed before.
    starts: usize,
}

impl<'s> LocalSearch<'s> {
    /// Local search in `space`, from the best of `starts` random ones.
    pub fn new(space: &'s Space, starts: usize) -> Self {
        Self { space, frontier: Frontier::new(space), starts }
    }
}

impl Strategy for LocalSearch<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        if self.starts > 0 {
            self.starts -= 1;
        } else if let Some(next) = self.frontier.take(archive, random, |_, _, _| 0) {
            return next;
        }
        let next = self.space.draw(random);
        self.frontier.begin(&next);
        next
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, _: bool) -> Option<Update> {
        self.frontier.put(architecture, reward);
        None
    }
}
