//! [`Frontier`]: what was tried, the best first, and the neighbours of each that were not.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Edit, Space};

/// What was tried, and around which there may be unknown ones.
#[derive(Debug)]
pub(super) struct Frontier<'s> {
    space: &'s Space,
    open: BinaryHeap<Place>,
    /// What was proposed and not heard of.
    in_flight: Vec<Architecture>,
}

/// An architecture that was tried.
#[derive(Debug)]
pub(super) struct Place {
    /// What came of it.
    pub(super) reward: f32,
    pub(super) architecture: Architecture,
    /// Its neighbours that nobody has tried, as far as is known; none where nobody looked around.
    around: Option<Vec<Edit>>,
}

impl<'s> Frontier<'s> {
    /// One that knows nothing yet.
    pub(super) fn new(space: &'s Space) -> Self {
        Self { space, open: BinaryHeap::new(), in_flight: Vec::new() }
    }

    /// Hears what came of a trial.
    pub(super) fn put(&mut self, architecture: &Architecture, reward: f32) {
        self.in_flight.retain(|waiting| waiting != architecture);
        self.open.push(Place { reward, architecture: architecture.clone(), around: None });
    }

    /// Takes the neighbour that `choose` says, by number, of the best place that has any which nobody has tried; none where no place has.
    pub(super) fn take(
        &mut self,
        archive: &Archive,
        random: &mut Random,
        choose: impl FnOnce(&Place, &[Edit], &mut Random) -> usize,
    ) -> Option<Architecture> {
        while let Some(mut best) = self.open.peek_mut() {
            let mut around =
                best.around.take().unwrap_or_else(|| self.space.neighbours(&best.architecture, random));
            let in_flight = &self.in_flight;
            around.retain(|edit| archive.reward(&edit.child).is_none() && !in_flight.contains(&edit.child));
            if around.is_empty() {
                PeekMut::pop(best);
                continue;
            }
            let nth = choose(&best, &around, random);
            let child = around.remove(nth).child;
            best.around = Some(around);
            self.in_flight.push(child.clone());
            return Some(child);
        }
        None
    }

    /// Remembers that an architecture is under way.
    pub(super) fn begin(&mut self, architecture: &Architecture) {
        self.in_flight.push(architecture.clone());
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.reward.total_cmp(&other.reward)
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}
