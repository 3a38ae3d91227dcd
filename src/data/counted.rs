//! [`Counted`]: the names of a row, each once, however often it comes.

use super::block::OwnedBlock;
use super::names::{NameBatch, home, is_long, short, word};

/// Names to be looked up together, each once; filled, looked up and cleared row by row.
///
/// What comes again is found in a table that is no larger than the row wants it, before anything is looked up where all names are.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Each name once.
    pub(crate) names: NameBatch,
    /// Open addressing; a power of two of them, at most half of them of this row.
    slots: Vec<Slot>,
    row: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    word: u128,
    /// The row that the name was seen in.
    row: u32,
    /// As which name of the row it was added.
    nth: u32,
}

impl Counted {
    /// Begins a row.
    pub(crate) fn clear(&mut self) {
        self.names.clear();
        if self.row == u32::MAX {
            self.slots.clear();
            self.row = 0;
        }
        self.row += 1;
    }

    /// Counts the name that stands in `text` from `start` to `end`, in the row that `block` is being filled with: one more id, whose
    /// value is 1, if it is new, else 1 more.
    #[inline(always)]
    pub(crate) fn push(&mut self, text: &[u8], start: usize, end: usize, block: &mut OwnedBlock) {
        let length = self.names.len();
        if 2 * length >= self.slots.len() {
            self.grow(length);
        }
        let short = short(text, start, end);
        let word = short.unwrap_or_else(|| word(&text[start..end]));
        let mask = self.slots.len() - 1;
        let mut at = home(word) & mask;
        loop {
            let slot = self.slots[at];
            if slot.row != self.row {
                self.slots[at] = Slot { word, row: self.row, nth: length as u32 };
                self.names.add(word, &text[start..end]);
                block.push(0, 1.0);
                return;
            }
            let nth = slot.nth as usize;
            if slot.word == word && (!is_long(word) || self.names.long_name(nth) == &text[start..end]) {
                block.add(nth, 1.0);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes room for twice as many names, of which the row has `length`.
    #[cold]
    fn grow(&mut self, length: usize) {
        let mask = (2 * self.slots.len()).max(256) - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, Slot::default());
        self.row = 1;
        for nth in 0..length {
            let word = self.names.word(nth);
            let mut at = home(word) & mask;
            while self.slots[at].row == self.row {
                at = (at + 1) & mask;
            }
            self.slots[at] = Slot { word, row: self.row, nth: nth as u32 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_row_by_row() {
        let mut counted = Counted::default();
        let mut block = OwnedBlock::new(1);
        for row in 0..3 {
            counted.clear();
            let name = |nth: usize| format!("{nth} {}", "x".repeat(nth % 30));
            for nth in (0..2000).chain(0..1000).chain(row..row + 1) {
                let name = name(nth);
                counted.push(name.as_bytes(), 0, name.len(), &mut block);
            }
            assert_eq!(block.open_row().len(), 2000);
            assert!((0..2000).all(|nth| counted.names.with_name(nth, |there| there == name(nth).as_bytes())));
            block.end_row(1.0);
            let values = block.as_block().values(row).to_vec();
            assert!((0..2000).all(|nth| values[nth] == 1.0 + f32::from(u8::from(nth < 1000) + u8::from(nth == row))));
        }
    }
}
