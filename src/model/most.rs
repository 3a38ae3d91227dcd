//! [`Most`]: of many scored rows the few with the highest scores.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The rows with the highest scores, of all that were offered.
#[derive(Debug)]
pub(super) struct Most {
    most: usize,
    /// The one to go next on top.
    heap: BinaryHeap<Scored>,
}

/// A row that may be among them. The greater the worse; of equal scores the later row.
#[derive(Debug)]
struct Scored {
    score: f32,
    row: u32,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored {}

impl Most {
    /// At most so many rows.
    pub(super) fn new(most: usize) -> Self {
        Self { most, heap: BinaryHeap::new() }
    }

    /// One more row.
    pub(super) fn offer(&mut self, score: f32, row: usize) {
        self.heap.push(Scored { score, row: row as u32 });
        if self.heap.len() > self.most {
            self.heap.pop();
        }
    }

    /// The rows with their scores, the highest first.
    pub(super) fn best(self) -> impl Iterator<Item = (usize, f32)> {
        self.heap.into_sorted_vec().into_iter().map(|scored| (scored.row as usize, scored.score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_stay_and_of_equal_ones_those_that_stand_first() {
        let mut most = Most::new(3);
        for (row, score) in [-2.0, 0.5, -0.5, 0.5, 0.5, -1.0, 0.25].into_iter().enumerate() {
            most.offer(score, row);
        }
        assert_eq!(most.best().collect::<Vec<_>>(), [(1, 0.5), (3, 0.5), (4, 0.5)]);
        let mut none = Most::new(0);
        none.offer(1.0, 7);
        assert_eq!(none.best().count(), 0);
    }
}
