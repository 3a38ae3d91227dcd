//! [`Names`]: names and their rows, looked up by hash; and [`NameBatch`]: names to be looked up together.

use xxhash_rust::xxh3::xxh3_64;

use crate::sys::map::with_huge_pages;

/// The row of a name that is not there; no row has this number.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// Names of at most so many bytes stand in the table itself.
const SHORT: usize = 12;
/// The bits of a slot that are its name's word; the others are its row.
const WORD: u128 = (1 << (8 * SHORT)) - 1;
/// A slot without a name: its row is [`NO_ROW`].
const EMPTY: u128 = u128::MAX;

/// Names, in UTF-8, and their rows, 0, 1, 2, … in the order in which they were added.
///
/// The names lie one after the other in one piece of memory. Rows are found by open addressing. A slot holds a row and
/// the word of its name, which for a short name is the name itself, so that finding it takes one access to memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    text: Vec<u8>,
    /// Where each name ends in `text`.
    ends: Vec<u64>,
    /// A power of two of them, at most half of them taken; none before the first name.
    slots: Vec<u128>,
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
    pub(crate) fn name(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start as usize..self.ends[row] as usize]
    }

    /// The row of `name`; [`NO_ROW`] where it is not there.
    pub(crate) fn find(&self, name: &[u8]) -> u32 {
        if self.slots.is_empty() { NO_ROW } else { self.find_from(self.home(word(name)), word(name), name) }
    }

    /// Puts the row of each name of `batch` into `rows`; [`NO_ROW`] where it is not there.
    pub(crate) fn find_all(&self, batch: &mut NameBatch, rows: &mut [u32]) {
        if self.slots.is_empty() {
            rows.fill(NO_ROW);
            return;
        }
        // First the slots of all, where no access waits for the one before it and no branch is guessed wrongly.
        batch.slots.clear();
        batch.slots.extend(batch.words.iter().map(|&word| self.slots[self.home(word)]));
        for (nth, (row, (&word, &slot))) in rows.iter_mut().zip(batch.words.iter().zip(&batch.slots)).enumerate() {
            *row = row_of(slot);
            if slot & WORD != word || (is_long(word) && self.name(*row) != batch.long_name(nth)) {
                *row = self.find_from(self.home(word), word, batch.long_name(nth));
            }
        }
    }

    /// The row of the name with this word, looked for from slot `at` on; a short name need not be given.
    fn find_from(&self, mut at: usize, word: u128, name: &[u8]) -> u32 {
        loop {
            let slot = self.slots[at];
            let row = row_of(slot);
            if row == NO_ROW || (slot & WORD == word && (!is_long(word) || self.name(row) == name)) {
                return row;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The row of `name`, which is added where it is missing.
    pub(crate) fn add(&mut self, name: &[u8]) -> u32 {
        let row = self.find(name);
        if row != NO_ROW {
            return row;
        }
        let row = self.len() as u32;
        self.text.extend_from_slice(name);
        self.ends.push(self.text.len() as u64);
        if self.len() * 2 > self.slots.len() {
            let slots = (2 * self.slots.len()).max(16);
            self.slots = with_huge_pages(slots);
            self.slots.resize(slots, EMPTY);
            (0..self.len() as u32).for_each(|row| self.take_slot(row, word(self.name(row))));
        } else {
            self.take_slot(row, word(name));
        }
        row
    }

    /// Takes the names that were added last away again, but for the first `length` ones.
    pub(crate) fn truncate(&mut self, length: usize) {
        // The last one first: whatever was added before it stands where it would stand without it.
        for row in (length as u32..self.len() as u32).rev() {
            let mut at = self.home(word(self.name(row)));
            while row_of(self.slots[at]) != row {
                at = (at + 1) & (self.slots.len() - 1);
            }
            self.slots[at] = EMPTY;
        }
        self.ends.truncate(length);
        self.text.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    fn take_slot(&mut self, row: u32, word: u128) {
        let mut at = self.home(word);
        while row_of(self.slots[at]) != NO_ROW {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.slots[at] = u128::from(row) << (8 * SHORT) | word;
    }

    #[inline(always)]
    fn home(&self, word: u128) -> usize {
        home(word) & (self.slots.len() - 1)
    }
}

/// Where a word is to be looked for first, in a table of any power of two.
#[inline(always)]
pub(crate) fn home(word: u128) -> usize {
    // Two factors without a pattern, and both halves of the product: every bit of the word counts.
    let (low, high) = (word as u64 ^ 0x9E37_79B9_7F4A_7C15, (word >> 64) as u64 ^ 0xD1B5_4A32_D192_ED03);
    let product = u128::from(low) * u128::from(high);
    (product as u64 ^ (product >> 64) as u64) as usize
}

#[inline(always)]
fn row_of(slot: u128) -> u32 {
    (slot >> (8 * SHORT)) as u32
}

/// The word of a name: of a short one the name, the first byte lowest, and ones up to the end; of a long one its hash
/// between ones and zeros. No byte of UTF-8 is all ones, so no short name but the empty one has such a beginning.
#[inline(always)]
pub(crate) fn word(name: &[u8]) -> u128 {
    if name.len() > SHORT {
        return u128::from(xxh3_64(name)) << 8 | 0xFF;
    }
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name);
    padded(u128::from_le_bytes(bytes), name.len())
}

/// The word of the name that stands in `text` from `start` to `end`, where it is short and text goes on behind it.
#[inline(always)]
pub(crate) fn short(text: &[u8], start: usize, end: usize) -> Option<u128> {
    let bytes = text[start..].first_chunk().filter(|_| end - start <= SHORT)?;
    Some(padded(u128::from_le_bytes(*bytes), end - start))
}

/// The word of a short name of `length` bytes, behind which anything may stand.
#[inline(always)]
fn padded(name: u128, length: usize) -> u128 {
    (name | u128::MAX << (8 * length)) & WORD
}

/// True for the words of long names.
#[inline(always)]
pub(crate) fn is_long(word: u128) -> bool {
    word as u8 == 0xFF && word != WORD
}

/// What several names begin with.
#[derive(Debug, Default)]
pub(crate) struct Prefix {
    text: Vec<u8>,
    /// The first bytes of `text`, the first one lowest.
    start: u128,
}

impl Prefix {
    /// Makes this the prefix of the namespace `name`: nothing for the one without a name.
    pub(crate) fn set(&mut self, name: &[u8]) {
        self.text.clear();
        if !name.is_empty() {
            self.text.extend_from_slice(name);
            self.text.push(b'^');
        }
        let mut bytes = [0; 16];
        let length = self.text.len().min(SHORT);
        bytes[..length].copy_from_slice(&self.text[..length]);
        self.start = u128::from_le_bytes(bytes);
    }
}

/// Names to be looked up together; filled, looked up and cleared row by row.
#[derive(Debug, Default)]
pub(crate) struct NameBatch {
    words: Vec<u128>,
    /// The long names.
    text: Vec<u8>,
    /// Where each name ends in `text`; a short one takes no room there.
    ends: Vec<u32>,
    /// What stands in the slot of each, while they are looked up.
    slots: Vec<u128>,
}

impl NameBatch {
    /// Adds the name that is `prefix` and what stands in `text` from `start` to `end`.
    #[inline(always)]
    pub(crate) fn push(&mut self, prefix: &Prefix, text: &[u8], start: usize, end: usize) {
        let (before, length) = (prefix.text.len(), prefix.text.len() + end - start);
        match text[start..].first_chunk() {
            Some(&bytes) if length <= SHORT => {
                // What stands behind the name gives way to the ones.
                self.words.push(padded(prefix.start | u128::from_le_bytes(bytes) << (8 * before), length));
                self.ends.push(self.text.len() as u32);
            }
            _ => self.push_parts(&[&prefix.text, &text[start..end]]),
        }
    }

    /// Adds the name that is `prefix` and then `parts`, one after the other.
    pub(crate) fn push_joined(&mut self, prefix: &Prefix, parts: &[&[u8]]) {
        self.push_parts(&[&[&*prefix.text], parts].concat());
    }

    fn push_parts(&mut self, parts: &[&[u8]]) {
        let start = self.text.len();
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        let word = word(&self.text[start..]);
        if !is_long(word) {
            self.text.truncate(start);
        }
        self.words.push(word);
        self.ends.push(self.text.len() as u32);
    }

    /// How many names.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The word of the name that was added as number `nth`, from 0.
    #[inline(always)]
    pub(crate) fn word(&self, nth: usize) -> u128 {
        self.words[nth]
    }

    /// Adds the name that has this word.
    #[inline(always)]
    pub(crate) fn add(&mut self, word: u128, name: &[u8]) {
        if is_long(word) {
            self.text.extend_from_slice(name);
        }
        self.words.push(word);
        self.ends.push(self.text.len() as u32);
    }

    /// The name that was added as number `nth`, from 0, where it is a long one; else nothing.
    pub(crate) fn long_name(&self, nth: usize) -> &[u8] {
        let start = if nth == 0 { 0 } else { self.ends[nth - 1] };
        &self.text[start as usize..self.ends[nth] as usize]
    }

    /// Has `f` do something with the name that was added as number `nth`, from 0.
    pub(crate) fn with_name<T>(&self, nth: usize, f: impl FnOnce(&[u8]) -> T) -> T {
        let bytes = self.words[nth].to_le_bytes();
        let length = bytes[..SHORT].iter().position(|&byte| byte == 0xFF).unwrap_or(SHORT);
        f(if is_long(self.words[nth]) { self.long_name(nth) } else { &bytes[..length] })
    }

    /// Lets all names go.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.text.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of 0 to 20 bytes.
    fn name(nth: u64) -> Vec<u8> {
        let mut digits = (nth % 3000 * 7919).to_string().repeat(2).into_bytes();
        digits.truncate(nth as usize % 21);
        digits
    }

    #[test]
    fn many_names_are_found_again_alone_and_together() {
        let (mut names, mut batch, mut prefix) = (Names::default(), NameBatch::default(), Prefix::default());
        assert_eq!(names.find(b""), NO_ROW);
        let mut known: Vec<Vec<u8>> = Vec::new();
        for nth in 0..5000 {
            let name = name(nth);
            let expected = known.iter().position(|known| *known == name).unwrap_or(known.len());
            assert_eq!(names.add(&name), expected as u32, "{nth}");
            if expected == known.len() {
                known.push(name);
            }
        }
        assert!(known.len() > 2000 && known.len() == names.len());
        for (row, name) in known.iter().enumerate() {
            assert_eq!((names.find(name), names.name(row as u32)), (row as u32, &**name));
        }
        let expected: Vec<u32> = (4000..6000).map(|nth| names.find(&name(nth))).collect();
        for nth in 4000..6000 {
            let text = [&name(nth)[..], b"|and what comes after it"].concat();
            match nth % 3 {
                0 => batch.push(&prefix, &text, 0, name(nth).len()),
                1 => batch.push(&prefix, &name(nth), 0, name(nth).len()),
                _ => batch.push_joined(&prefix, &[&text[..1], &text[1..name(nth).len()]]),
            }
            assert!(batch.with_name(nth as usize - 4000, |all| all == name(nth)));
        }
        let mut rows = vec![0; 2000];
        names.find_all(&mut batch, &mut rows);
        assert!(rows == expected && rows.contains(&NO_ROW) && rows.iter().any(|&row| row != NO_ROW));
        assert_eq!(names.lengths().map(u64::from).sum::<u64>(), names.text().len() as u64);

        for (space, feature) in
            [("a", "b"), ("", "x"), ("a", "bcdefghij"), ("a", "bcdefghijk"), ("abcdefghijklmnop", "")]
        {
            prefix.set(space.as_bytes());
            batch.clear();
            let text = format!("{feature}:1 and what comes after it");
            batch.push(&prefix, text.as_bytes(), 0, feature.len());
            let whole = if space.is_empty() { feature.to_string() } else { format!("{space}^{feature}") };
            assert!(batch.with_name(0, |name| name == whole.as_bytes()), "{whole}");
            let row = names.add(whole.as_bytes());
            names.find_all(&mut batch, &mut rows[..1]);
            assert_eq!(rows[0], row, "{whole}");
        }
    }

    #[test]
    fn names_are_told_apart_by_every_byte() {
        let mut names = Names::default();
        let all = ["", "\0", "\0\0", "a", "a\0", "abcdefghijkl", "abcdefghijklm", "abcdefghijkln", "abcdefghijk\u{7f}"];
        for (row, name) in all.iter().enumerate() {
            assert_eq!((names.find(name.as_bytes()), names.add(name.as_bytes())), (NO_ROW, row as u32), "{name:?}");
        }
        for (row, name) in all.iter().enumerate() {
            assert_eq!(names.find(name.as_bytes()), row as u32, "{name:?}");
        }
    }

    #[test]
    fn long_names_of_one_hash_are_told_apart() {
        let mut names = Names::default();
        names.add(b"the first of two");
        // As if the second had the hash of the first.
        let (word, second) = (word(b"the first of two"), &b"the second of two"[..]);
        assert_eq!(names.find_from(names.home(word), word, second), NO_ROW);
        let mut batch = NameBatch {
            words: vec![word],
            text: second.to_vec(),
            ends: vec![second.len() as u32],
            ..NameBatch::default()
        };
        let mut rows = [0];
        names.find_all(&mut batch, &mut rows);
        assert_eq!(rows, [NO_ROW]);
    }
}
