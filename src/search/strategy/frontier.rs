//! [`Frontier`]: what was tried, the best first, and around each the neighbours that were not.
//!
//! Strategies that go from the best to its neighbours share it: once all neighbours of a place are known it is left, and the next best
//! takes its turn. So no search of this kind comes to an end or has to begin anew, and where luck has put a place too high, it is soon done
//! with.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::space::{Architecture, Edit, Space};

/// What was tried, and around which there may be something that was not.
#[derive(Debug)]
pub(super) struct Frontier<'s> {
    space: &'s Space,
    open: BinaryHeap<Place>,
    /// What was taken and not heard of.
    in_flight: Vec<Architecture>,
}

/// An architecture that was tried.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) architecture: Architecture,
    /// What came of it.
    pub(super) reward: f32,
    /// Its neighbours that were not tried, as [`Space::neighbours`] has them; none where nobody has looked around.
    around: Option<Vec<Edit>>,
}

impl Place {
    /// Its neighbours that were not tried; some, wherever a frontier shows it.
    pub(super) fn around(&self) -> &[Edit] {
        self.around.as_deref().unwrap_or_default()
    }
}

impl<'s> Frontier<'s> {
    /// One of `space` that knows nothing yet.
    pub(super) fn new(space: &'s Space) -> Self {
        Self { space, open: BinaryHeap::new(), in_flight: Vec::new() }
    }

    /// Its space.
    pub(super) fn space(&self) -> &'s Space {
        self.space
    }

    /// Hears what came of a trial.
    pub(super) fn put(&mut self, architecture: &Architecture, reward: f32) {
        self.in_flight.retain(|other| other != architecture);
        self.open.push(Place { architecture: architecture.clone(), reward, around: None });
    }

    /// The best place that `child` is a neighbour of, and by which edit.
    pub(super) fn parent(&self, child: &Architecture) -> Option<(&Place, (usize, u8))> {
        let edits = self.open.iter().filter_map(|place| Some((place, self.space.edit(&place.architecture, child)?)));
        edits.max_by(|(one, _), (other, _)| one.cmp(other))
    }

    /// Takes a neighbour of one of the best `many` places: `choose` is shown those, the best first and at least one, and says which and
    /// which of its neighbours, by their numbers. None where all neighbours of all places are known.
    pub(super) fn take(
        &mut self,
        many: usize,
        archive: &Archive,
        random: &mut Random,
        choose: impl FnOnce(&[Place], &mut Random) -> (usize, usize),
    ) -> Option<Architecture> {
        let mut places = Vec::with_capacity(many);
        while places.len() < many
            && let Some(mut place) = self.open.pop()
        {
            let mut around = place.around.take().unwrap_or_else(|| self.space.neighbours(&place.architecture, random));
            around.retain(|edit| archive.reward(&edit.child).is_none() && !self.in_flight.contains(&edit.child));
            if !around.is_empty() {
                places.push(Place { around: Some(around), ..place });
            }
        }
        let taken = if places.is_empty() { None } else { Some(choose(&places, random)) };
        let child = taken.and_then(|(place, nth)| Some(places[place].around.as_mut()?.remove(nth).child));
        self.in_flight.extend(child.clone());
        self.open.extend(places);
        child
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
