//! Local search by first improvement, best first: the neighbours of the best architecture so far are tried one by one; whatever betters it
//! takes its place, and where all its neighbours are known, the best that still has unknown ones does.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Space};

/// Local search.
#[derive(Debug)]
pub struct LocalSearch<'s> {
    space: &'s Space,
    /// Those around which there may be unknown ones.
    open: BinaryHeap<Place>,
    /// What was proposed and not heard of.
    in_flight: Vec<Architecture>,
    /// How many random ones are to be proposed before.
    starts: usize,
}

/// An architecture that was tried.
#[derive(Debug)]
struct Place {
    reward: f32,
    architecture: Architecture,
    /// Neighbours that were not looked at, the next one last; none where nobody looked around.
    ahead: Option<Vec<Architecture>>,
}

impl<'s> LocalSearch<'s> {
    /// Local search in `space`, from the best of `starts` random ones.
    pub fn new(space: &'s Space, starts: usize) -> Self {
        Self { space, open: BinaryHeap::new(), in_flight: Vec::new(), starts }
    }

    fn next(&mut self, archive: &Archive, random: &mut Random) -> Option<Architecture> {
        while let Some(mut best) = self.open.peek_mut() {
            if best.ahead.is_none() {
                let mut ahead = self.space.neighbours(&best.architecture, random);
                ahead.reverse();
                best.ahead = Some(ahead);
            }
            while let Some(next) = best.ahead.as_mut().and_then(Vec::pop) {
                if archive.reward(&next).is_none() && !self.in_flight.contains(&next) {
                    return Some(next);
                }
            }
            std::collections::binary_heap::PeekMut::pop(best);
        }
        None
    }
}

impl Strategy for LocalSearch<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        let next = if self.starts > 0 {
            self.starts -= 1;
            None
        } else {
            self.next(archive, random)
        };
        let next = next.unwrap_or_else(|| self.space.draw(random));
        self.in_flight.push(next.clone());
        next
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, _: bool) -> Option<Update> {
        self.in_flight.retain(|waiting| waiting != architecture);
        self.open.push(Place { reward, architecture: architecture.clone(), ahead: None });
        None
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
