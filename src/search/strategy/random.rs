//! Random search: every decision drawn evenly, whatever came of the others (Bergstra & Bengio 2012).

use super::{Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// Random search.
#[derive(Debug)]
pub struct RandomSearch<'s> {
    space: &'s Space,
}

impl<'s> RandomSearch<'s> {
    /// Random search in `space`.
    pub fn new(space: &'s Space) -> Self {
        Self { space }
    }
}

impl Strategy for RandomSearch<'_> {
    fn propose(&mut self, _: &Archive, random: &mut Random) -> Architecture {
        self.space.draw(random)
    }

    fn learn(&mut self, _: &Architecture, _: f32, _: bool) -> Option<Update> {
        None
    }
}
