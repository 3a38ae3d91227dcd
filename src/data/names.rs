//! [`Names`]: names and their rows, looked up by hash; and [`NameBatch`]: names to be looked up together.

use xxhash_rust::xxh3::xxh3_64;

/// The row of a name that is not there; no row has this number.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// A slot without a name.
const EMPTY: u64 = u64::MAX;

/// Names and their rows, 0, 1, 2, … in the order in which they were added.
///
/// The names lie one after the other in one piece of memory. Rows are found by open addressing: a slot holds the upper
/// half of a name's hash beside its row, so a name is compared with others hardly ever but with its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<u64>,
    /// A power of two of them, at most three quarters taken; none before the first name.
    slots: Vec<u64>,
}

impl Names {
    /// How many names.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All names, one after the other.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The length of each name in bytes.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = u32> {
        let mut start = 0;
        self.ends.iter().map(move |&end| (end - std::mem::replace(&mut start, end)) as u32)
    }

    /// The name of `row`.
    #[inline(always)]
    pub(crate) fn name(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start as usize..self.ends[row] as usize]
    }

    /// The row of `name`, whose hash is `hash`; [`NO_ROW`] where it is not there.
    pub(crate) fn find(&self, name: &[u8], hash: u64) -> u32 {
        if self.slots.is_empty() {
            return NO_ROW;
        }
        let mut at = self.home(hash);
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return NO_ROW;
            }
            if slot >> 32 == hash >> 32 && self.name(slot as u32) == name {
                return slot as u32;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Puts the row of each name of `batch` into `rows`; [`NO_ROW`] where it is not there.
    pub(crate) fn find_all(&self, batch: &NameBatch, rows: &mut [u32]) {
        if self.slots.is_empty() {
            rows.fill(NO_ROW);
            return;
        }
        // First the slot of each, then the names: within each round no access waits for another.
        for (row, &hash) in rows.iter_mut().zip(&batch.hashes) {
            let slot = self.slots[self.home(hash)];
            *row = if slot >> 32 == hash >> 32 { slot as u32 } else { NO_ROW };
        }
        for (nth, row) in rows.iter_mut().enumerate() {
            let name = batch.name(nth);
            if *row == NO_ROW || self.name(*row) != name {
                *row = self.find(name, batch.hashes[nth]);
            }
        }
    }

    /// The row of `name`, whose hash is `hash`; it is added where it is missing.
    pub(crate) fn add(&mut self, name: &[u8], hash: u64) -> u32 {
        let row = self.find(name, hash);
        if row != NO_ROW {
            return row;
        }
        let row = self.len() as u32;
        self.text.extend_from_slice(name);
        self.ends.push(self.text.len() as u64);
        if self.len() * 4 > self.slots.len() * 3 {
            self.grow();
        } else {
            self.take_slot(row, hash);
        }
        row
    }

    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(16);
        self.slots.clear();
        self.slots.resize(slots, EMPTY);
        (0..self.len() as u32).for_each(|row| self.take_slot(row, hash(self.name(row))));
    }

    fn take_slot(&mut self, row: u32, hash: u64) {
        let mut at = self.home(hash);
        while self.slots[at] != EMPTY {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = hash >> 32 << 32 | u64::from(row);
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }
}

/// The hash of a name.
#[inline(always)]
pub(crate) fn hash(name: &[u8]) -> u64 {
    xxh3_64(name)
}

/// Names with their hashes; filled, looked up and cleared row by row.
#[derive(Debug, Default)]
pub(crate) struct NameBatch {
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<u32>,
    hashes: Vec<u64>,
}

impl NameBatch {
    /// Adds the name that `parts` make one after the other.
    #[inline(always)]
    pub(crate) fn push<const N: usize>(&mut self, parts: [&[u8]; N]) {
        let start = self.text.len();
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.hashes.push(hash(&self.text[start..]));
        self.ends.push(self.text.len() as u32);
    }

    /// The name that was added as number `nth`, from 0.
    #[inline(always)]
    pub(crate) fn name(&self, nth: usize) -> &[u8] {
        let start = if nth == 0 { 0 } else { self.ends[nth - 1] };
        &self.text[start as usize..self.ends[nth] as usize]
    }

    /// The hash of the name that was added as number `nth`, from 0.
    pub(crate) fn hash(&self, nth: usize) -> u64 {
        self.hashes[nth]
    }

    /// Lets all names go.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.hashes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_found_again_alone_and_together() {
        let (mut names, mut batch) = (Names::default(), NameBatch::default());
        assert_eq!(names.find(b"", hash(b"")), NO_ROW);
        let name = |nth: u32| format!("n{}", u64::from(nth) * 7919).into_bytes();
        for nth in 0..10_000 {
            assert_eq!(names.add(&name(nth), hash(&name(nth))), nth);
        }
        assert_eq!(names.add(&name(77), hash(&name(77))), 77);
        for nth in 0..20_000 {
            let expected = if nth < 10_000 { nth } else { NO_ROW };
            assert_eq!(names.find(&name(nth), hash(&name(nth))), expected);
            batch.push([&b"n"[..], &name(nth)[1..]]);
        }
        let mut rows = vec![0; 20_000];
        names.find_all(&batch, &mut rows);
        assert!(rows.iter().enumerate().all(|(nth, &row)| row == if nth < 10_000 { nth as u32 } else { NO_ROW }));
        assert_eq!(names.lengths().map(u64::from).sum::<u64>(), names.text().len() as u64);
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let mut names = Names::default();
        // Growing takes the true hashes.
        names.grow();
        for (row, name) in [&b"a"[..], b"b", b"", b"ab"].into_iter().enumerate() {
            assert_eq!(names.add(name, 7), row as u32);
        }
        assert_eq!((names.find(b"b", 7), names.find(b"ab", 7), names.find(b"c", 7)), (1, 3, NO_ROW));
        // The first two share the lower half of their hashes, and so their slot, the others the upper half.
        let (mut names, hashes) = (Names::default(), [1, 1 | 5 << 32, 2 | 5 << 32]);
        names.grow();
        for (row, hash) in hashes.into_iter().enumerate() {
            assert_eq!(names.add(&[row as u8], hash), row as u32);
        }
        assert_eq!([0, 1, 2].map(|row| names.find(&[row], hashes[row as usize])), [0, 1, 2]);
    }
}
