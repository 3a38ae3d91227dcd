//! All architectures of a space, one after the other.

use super::{Architecture, Space, UNMADE};

/// See [`Space::all`].
#[derive(Debug)]
pub struct All<'s> {
    space: &'s Space,
    /// The next one; none behind the last.
    next: Option<Box<[u8]>>,
}

impl Space {
    /// All architectures, [`Space::size`] of them: the first value of every decision first, and the last decision changes fastest.
    pub fn all(&self) -> All<'_> {
        let mut first: Box<[u8]> = vec![UNMADE; self.decisions.len()].into();
        self.first_from(0, &mut first);
        All { space: self, next: Some(first) }
    }

    /// Makes the decisions from number `from` on anew, each by its first value.
    fn first_from(&self, from: usize, choices: &mut [u8]) {
        for nth in from..choices.len() {
            choices[nth] = if self.is_made(nth, choices) { 0 } else { UNMADE };
        }
    }

    /// The architecture behind the one of `choices`; none behind the last.
    fn behind(&self, mut choices: Box<[u8]>) -> Option<Box<[u8]>> {
        let goes_on =
            |nth: &usize| choices[*nth] != UNMADE && usize::from(choices[*nth]) + 1 < self.decisions[*nth].values.len();
        let last = (0..choices.len()).rev().find(goes_on)?;
        choices[last] += 1;
        self.first_from(last + 1, &mut choices);
        Some(choices)
    }
}

impl Iterator for All<'_> {
    type Item = Architecture;

    fn next(&mut self) -> Option<Architecture> {
        let next = self.next.take()?;
        self.next = self.space.behind(next.clone());
        Some(Architecture(next))
    }
}
