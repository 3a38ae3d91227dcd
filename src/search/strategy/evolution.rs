//! Regularised evolution (Real, Aggarwal, Huang & Le, "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019): the
//! best of a few that are drawn from the population is changed in one decision; who is born pushes out the oldest, however good.

use std::collections::VecDeque;

use super::{Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// How often a child that is known is changed once more.
const CHANGES: usize = 16;

/// Regularised evolution.
#[derive(Debug)]
pub struct Evolution<'s> {
    space: &'s Space,
    /// The living and their R, the oldest first.
    population: VecDeque<(Architecture, f32)>,
    /// How many live at once.
    size: usize,
    /// How many are drawn, of whom the best becomes a parent.
    tournament: usize,
}

impl<'s> Evolution<'s> {
    /// Evolution in `space` of a population of `size`, parents being the best of `tournament`.
    pub fn new(space: &'s Space, size: usize, tournament: usize) -> Self {
        Self { space, population: VecDeque::with_capacity(size + 1), size, tournament }
    }
}

impl Strategy for Evolution<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        if self.population.len() < self.size {
            return self.space.draw(random);
        }
        let mut parent = random.below(self.size);
        for _ in 1..self.tournament {
            let other = random.below(self.size);
            if self.population[other].1 > self.population[parent].1 {
                parent = other;
            }
        }
        let mut child = self.space.mutate(&self.population[parent].0, random);
        // One that is known teaches nothing: its relatives are tried.
        for _ in 0..CHANGES {
            if archive.reward(&child).is_none() {
                break;
            }
            child = self.space.mutate(&child, random);
        }
        child
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, _: bool) -> Option<Update> {
        self.population.push_back((architecture.clone(), reward));
        if self.population.len() > self.size {
            self.population.pop_front();
        }
        None
    }
}
