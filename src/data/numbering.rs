//! Keys become row numbers that depend on the text alone, though chunks are parsed by many threads.
//!
//! While chunks with names are parsed nobody changes the dictionary. A name that it holds is translated at once, one that it does
//! not hold goes on the chunk's own list, and its place there, counted on from the dictionary's length, stands in for its row. Then
//! chunk after chunk, in file order, new names are added and the stand-ins replaced. Numbers stay as they are while a chunk is
//! parsed. Then they are looked up, all chunks of a batch side by side, and where one is not known its place is remembered; chunk
//! after chunk, in file order, these are added.

use super::block::OwnedBlock;
use super::dictionary::Dictionary;
use super::names::{NO_ROW, NameBatch};
use super::parse::Parsed;
use crate::error::Result;

/// The keys of one chunk while it is parsed.
pub(crate) struct ChunkKeys<'d> {
    known: &'d Dictionary,
    /// Names that are not known, if they are collected.
    new: Option<Dictionary>,
    /// Numbers are left as they are: the dictionary may be changed meanwhile.
    later: bool,
    /// How often a key was dropped because it is not known.
    pub(crate) dropped: u64,
    /// Where numbers of a row stand that are not known.
    missed: Vec<u32>,
}

/// What a chunk's keys were before a row.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    new: usize,
    dropped: u64,
}

impl<'d> ChunkKeys<'d> {
    /// Unknown keys are collected where `collect` says so, and dropped else.
    pub(crate) fn new(known: &'d Dictionary, collect: bool) -> Self {
        let new = (collect && known.is_names()).then(Dictionary::names);
        Self { known, new, later: collect, dropped: 0, missed: Vec::new() }
    }

    /// Puts rows in the place of the numbers in the row that is being filled, the dropped ones go; where none are dropped,
    /// [`Parsed::look_up`] does it later.
    pub(crate) fn translate_row(&mut self, block: &mut OwnedBlock) {
        if self.later {
            return;
        }
        self.missed.clear();
        let row = block.open_row();
        self.known.find_numbers(row, &mut self.missed);
        if !self.missed.is_empty() {
            self.missed.iter().for_each(|&at| row[at as usize] = NO_ROW);
            self.dropped += self.missed.len() as u64;
            block.retain_in_row(|id, _| id != NO_ROW);
        }
    }

    /// Gives the row that is being filled the rows, or stand-ins, of `names`, which are as many as its ids; the dropped
    /// ones go.
    pub(crate) fn name_row(&mut self, names: &mut NameBatch, block: &mut OwnedBlock) {
        let dropped = self.dropped;
        self.known.find_all(names, block.open_row());
        for (nth, row) in block.open_row().iter_mut().enumerate().filter(|(_, row)| **row == NO_ROW) {
            let unknown = self.unknown(|new| names.with_name(nth, |name| new.add_utf8(name)));
            *row = unknown.unwrap_or(NO_ROW);
        }
        if self.dropped > dropped {
            block.retain_in_row(|id, _| id != NO_ROW);
        }
    }

    /// The row of the name `key`, or its stand-in; `None` where it is dropped.
    pub(crate) fn name(&mut self, key: &str) -> Option<u32> {
        self.known.name(key).or_else(|| self.unknown(|new| new.add_name(key)))
    }

    fn unknown(&mut self, add: impl FnOnce(&mut Dictionary) -> u32) -> Option<u32> {
        let Some(new) = &mut self.new else {
            self.dropped += 1;
            return None;
        };
        Some(self.known.len() as u32 + add(new))
    }

    /// Where it stands before a row.
    pub(crate) fn mark(&self) -> Mark {
        Mark { new: self.new.as_ref().map_or(0, Dictionary::len), dropped: self.dropped }
    }

    /// Forgets what a row has brought since `mark` was made.
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.dropped = mark.dropped;
        if let Some(new) = &mut self.new {
            new.truncate(mark.new);
        }
    }

    /// Whether `id` is the row or stand-in of a key that is known or collected.
    pub(crate) fn has(&self, id: u32) -> bool {
        (id as usize) < self.known.len() + self.new.as_ref().map_or(0, Dictionary::len)
    }

    /// The keys that were collected.
    pub(crate) fn into_new(self) -> Option<Dictionary> {
        self.new
    }
}

/// The dictionaries that grow as a file is read.
pub(crate) struct Numbering {
    /// The keys.
    pub(crate) keys: Dictionary,
    /// The classes, where labels are words.
    pub(crate) classes: Dictionary,
}

/// A parsed chunk and what its stand-ins stand for.
pub(crate) struct Numbered {
    block: OwnedBlock,
    keys: Rows,
    classes: Option<Rows>,
}

/// The rows that stand-ins from `from` on stand for.
struct Rows {
    from: u32,
    rows: Vec<u32>,
}

impl Numbering {
    /// Numbers the next chunk of the file. `known` and `classes` are the lengths of the dictionaries when it was parsed.
    ///
    /// # Errors
    /// Where there are too many keys.
    pub(crate) fn add(&mut self, mut parsed: Parsed, known: usize, classes: usize) -> Result<Numbered> {
        let (first, ids) = (self.keys.is_empty(), &mut parsed.block.ids);
        let mut keys = match &parsed.new_keys {
            Some(new) => self.keys.merge(new)?,
            None => self.keys.add_numbers(ids, &parsed.missed).map(|()| Vec::new())?,
        };
        if first {
            // The most frequent first, equally frequent ones as they appear (the sort is stable).
            let mut counts = vec![0u32; self.keys.len()];
            ids.iter().for_each(|&id| counts[id as usize] += 1);
            let mut order: Vec<u32> = (0..counts.len() as u32).collect();
            order.sort_by_key(|&key| std::cmp::Reverse(counts[key as usize]));
            self.keys.reorder(&order);
            keys = counts;
            (0..).zip(order).for_each(|(row, key)| keys[key as usize] = row);
        }
        let words = parsed.new_classes.map(|new| self.classes.merge(&new)).transpose()?;
        Ok(Numbered {
            block: parsed.block,
            keys: Rows { from: known as u32, rows: keys },
            classes: words.map(|rows| Rows { from: classes as u32, rows }),
        })
    }
}

impl Numbered {
    /// The block with every stand-in replaced.
    pub(crate) fn translate(self) -> OwnedBlock {
        let mut block = self.block;
        if !self.keys.rows.is_empty() {
            block.ids.iter_mut().for_each(|id| *id = self.keys.of(*id));
        }
        if let Some(classes) = self.classes {
            block.labels.iter_mut().for_each(|label| *label = classes.of(*label as u32) as f32);
        }
        block
    }
}

impl Rows {
    fn of(&self, id: u32) -> u32 {
        if id < self.from { id } else { self.rows[(id - self.from) as usize] }
    }
}
