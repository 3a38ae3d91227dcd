//! [`Numbers`]: numbers and their rows, looked up in a flat table, many at a time.

use hogback_kernels::ask_for;
use rustc_hash::FxHashMap;

use super::names::NO_ROW;
use crate::sys::map::with_huge_pages;

/// Numbers below this are looked up in a flat table, which takes four bytes for each number up to the largest.
const FLAT_LIMIT: usize = 1 << 24;

/// So many numbers before it is looked up, the place of a number in the flat table is asked for: of what is read all around it,
/// that table is driven out of the caches again and again.
const AHEAD: usize = 128;

/// Numbers and their rows, 0, 1, 2, … in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    keys: Vec<u32>,
    /// The rows of keys below [`FLAT_LIMIT`], by key.
    flat: Vec<u32>,
    /// The rows of the others.
    rest: FxHashMap<u32, u32>,
}

impl Numbers {
    /// How many numbers.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// All numbers, in the order of their rows.
    pub(crate) fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// Asks the processor for the place of `key` in the flat table, or, where that is not so long, for its end: what lies nowhere takes
    /// long to be looked for.
    #[inline(always)]
    fn ask_for(&self, key: u32) {
        ask_for(&self.flat, (key as usize).min(self.flat.len()));
    }

    /// The row of `key`.
    #[inline(always)]
    pub(crate) fn get(&self, key: u32) -> Option<u32> {
        match self.flat.get(key as usize) {
            Some(&NO_ROW) => None,
            Some(&row) => Some(row),
            None => self.rest.get(&key).copied(),
        }
    }

    /// Puts rows in the place of `numbers`, as far as they are known, and the places of the others, which stay, at the end of
    /// `missed`.
    pub(crate) fn find_all(&self, numbers: &mut [u32], missed: &mut Vec<u32>) {
        /// So many at a time.
        const MANY: usize = 256;
        let mut places = [0; MANY];
        for from in (0..numbers.len()).step_by(MANY) {
            // No branch depends on what is found, or what comes next would wait for it.
            let mut count = 0;
            for at in from..numbers.len().min(from + MANY) {
                self.ask_for(numbers[(at + AHEAD).min(numbers.len() - 1)]);
                let number = &mut numbers[at];
                let row = self.flat.get(*number as usize).copied().unwrap_or(NO_ROW);
                *number = if row == NO_ROW { *number } else { row };
                places[count % MANY] = at;
                count += usize::from(row == NO_ROW);
            }
            for &at in &places[..count] {
                match self.rest.get(&numbers[at]) {
                    Some(&row) => numbers[at] = row,
                    None => missed.push(at as u32),
                }
            }
        }
    }

    /// Puts the rows of those of `numbers` in their place that stand at `places`; they are added where they are missing.
    pub(crate) fn add_all(&mut self, numbers: &mut [u32], places: &[u32]) {
        for (nth, &at) in places.iter().enumerate() {
            if let Some(&ahead) = places.get(nth + AHEAD) {
                self.ask_for(numbers[ahead as usize]);
            }
            let number = &mut numbers[at as usize];
            *number = self.add(*number);
        }
    }

    /// Numbers the rows anew: row `order[i]` becomes row i. `order` names each row once.
    pub(crate) fn reorder(&mut self, order: &[u32]) {
        self.keys = order.iter().map(|&row| self.keys[row as usize]).collect();
        for (row, &key) in (0..).zip(&self.keys) {
            match self.flat.get_mut(key as usize) {
                Some(place) => *place = row,
                None => _ = self.rest.insert(key, row),
            }
        }
    }

    /// The row of `key`, which is added where it is missing.
    pub(crate) fn add(&mut self, key: u32) -> u32 {
        if let Some(row) = self.get(key) {
            return row;
        }
        let row = self.keys.len() as u32;
        self.keys.push(key);
        let at = key as usize;
        if at < FLAT_LIMIT {
            if at >= self.flat.len() {
                let length = (at + 1).next_power_of_two();
                let mut flat = with_huge_pages(length);
                flat.extend_from_slice(&self.flat);
                flat.resize(length, NO_ROW);
                self.flat = flat;
            }
            self.flat[at] = row;
        } else {
            self.rest.insert(key, row);
        }
        row
    }

    /// Takes the numbers that were added last away again, but for the first `length` ones.
    pub(crate) fn truncate(&mut self, length: usize) {
        for key in self.keys.drain(length.min(self.keys.len())..) {
            match self.flat.get_mut(key as usize) {
                Some(row) => *row = NO_ROW,
                None => _ = self.rest.remove(&key),
            }
        }
    }
}
