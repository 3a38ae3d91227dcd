//! The binary cache of a data file, as it is read: mapped, every byte checked against what was written when it is opened,
//! and each block, when it is first walked, for what it must be to be walked. The layout stands in `cache`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use hogback_kernels::Ids;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::block::Block;
use super::cache::{ALIGNMENT, Footer, HAS_VALUES, HAS_WEIGHTS, MAGIC, Stamp, VERSION, block_hash, sections};
use super::dictionary::Dictionary;
use super::facts::Facts;
use crate::error::{Error, Result, plain};
use crate::sys::map::Map;

/// What a cache brings back.
#[derive(Debug)]
pub(crate) struct Cached {
    pub(crate) file: CacheFile,
    pub(crate) facts: Facts,
    pub(crate) dictionary: Dictionary,
}

/// A mapped cache whose bytes are known to be those that were written.
#[derive(Debug)]
pub(crate) struct CacheFile {
    map: Map,
    path: PathBuf,
    index: Vec<Entry>,
    longest_row: usize,
    /// Every id must be below this.
    limit: u32,
}

/// Where a block lies; known to lie within the file.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first_row: u64,
    rows: usize,
    nonzeros: usize,
    /// Where the sections begin.
    sections: [usize; 5],
    has_values: bool,
    has_weights: bool,
    hash: u64,
}

/// What a block consists of.
struct Sections<'a> {
    offsets: &'a [u32],
    labels: &'a [f32],
    ids: &'a [u32],
    values: &'a [f32],
    weights: &'a [f32],
}

impl Cached {
    /// Opens the cache at `path`. `None` where there is none, or it was made of other data or by another version.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(crate) fn open(path: &Path, stamp: Stamp) -> Result<Option<Self>, String> {
        let map = match File::open(path).and_then(|file| Map::open(&file)) {
            Ok(map) => map,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(plain(&error)),
        };
        let bytes = map.bytes();
        let (body, footer) = bytes.split_last_chunk::<{ Footer::BYTES }>().ok_or("it is cut short")?;
        let footer = Footer::from_bytes(footer).ok_or("its end is not as it was written")?;
        if footer.version != VERSION || footer.stamp != stamp {
            return Ok(None);
        }
        let wrong = "its index is not as it was written";
        let index = footer.index as usize;
        if footer.index % ALIGNMENT != 0 || !body.starts_with(&MAGIC) || index > body.len() {
            return Err(wrong.into());
        }
        let rest = &body[index..];
        let length = u128::from(footer.blocks) * 40 + u128::from(footer.facts) + u128::from(footer.dictionary);
        if length != rest.len() as u128 || xxh3_64(rest) != footer.hash {
            return Err(wrong.into());
        }
        let (entries, rest) = rest.split_at(footer.blocks as usize * 40);
        let (facts, dictionary) = rest.split_at(footer.facts as usize);
        let facts: Facts = serde_json::from_slice(facts).map_err(|error| format!("{wrong}: {error}"))?;
        let dictionary = Dictionary::from_bytes(dictionary)?;
        let entries: &[[u64; 5]] = bytemuck::try_cast_slice(entries).map_err(|_| wrong)?;
        let entries = Entry::check_all(entries, index, &facts).ok_or(wrong)?;
        let (limit, longest_row) = (dictionary.len() as u32, facts.longest_row);
        let file = CacheFile { map, path: path.to_path_buf(), index: entries, longest_row, limit };
        file.check_bytes(index)?;
        Ok(Some(Self { file, facts, dictionary }))
    }
}

impl CacheFile {
    /// The blocks in `map` that `index` tells of; no row of them has more than `longest_row` ids, and every id is below
    /// `limit`. None where they do not lie in it.
    pub(crate) fn of_blocks(
        map: Map,
        path: PathBuf,
        index: &[[u64; 5]],
        longest_row: usize,
        limit: u32,
    ) -> Option<Self> {
        let index = Entry::lay_out(index, map.bytes().len())?;
        Some(Self { map, path, index, longest_row, limit })
    }

    /// How many blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.index.len()
    }

    /// The number of the first row of each block.
    pub(crate) fn first_rows(&self) -> Vec<u64> {
        self.index.iter().map(|entry| entry.first_row).collect()
    }

    /// How many bytes are mapped.
    pub(crate) fn bytes(&self) -> u64 {
        self.map.bytes().len() as u64
    }

    /// True where some block keeps no values.
    pub(crate) fn has_implicit_ones(&self) -> bool {
        self.index.iter().any(|entry| !entry.has_values)
    }

    /// Block `b`.
    ///
    /// # Errors
    /// Where it cannot be walked.
    pub(crate) fn block(&self, b: usize) -> Result<Block<'_>> {
        self.walkable_block(&self.index[b]).ok_or_else(|| {
            Error::data(&self.path, format!("block {b} is not what it must be: delete this file and run again"))
        })
    }

    fn walkable_block(&self, entry: &Entry) -> Option<Block<'_>> {
        let Sections { offsets, labels, ids, values, weights } = self.sections(entry)?;
        let longest = self.longest_row as u64;
        let rising = offsets.windows(2).all(|row| row[0] <= row[1] && u64::from(row[1] - row[0]) <= longest);
        let whole = offsets.first() == Some(&0) && offsets.last().is_some_and(|&end| end as usize == entry.nonzeros);
        if !rising || !whole {
            return None;
        }
        let ids = Ids::check(ids, self.limit).ok()?;
        Some(Block { first_row: entry.first_row, offsets, labels, ids, values, weights, ones: &[] })
    }

    /// Checks the bytes before the index, `end`: the blocks against their hashes, by all threads, and that nothing stands
    /// between them.
    fn check_bytes(&self, end: usize) -> Result<(), String> {
        let is_right = |entry: &Entry| {
            let hash =
                self.sections(entry).map(|s| block_hash(sections(s.offsets, s.labels, s.ids, s.values, s.weights)));
            hash == Some(entry.hash)
        };
        if let Some(b) = self.index.par_iter().position_any(|entry| !is_right(entry)) {
            return Err(format!("block {b} is not as it was written"));
        }
        let lengths = |entry: &Entry| entry.lengths().map(|words| 4 * words);
        let ranges = self.index.iter().flat_map(|entry| entry.sections.into_iter().zip(lengths(entry)));
        let mut at = MAGIC.len();
        for (start, length) in ranges.chain([(end, 0)]) {
            if !self.map.bytes().get(at..start).is_some_and(|gap| gap.iter().all(|&byte| byte == 0)) {
                return Err(format!("something stands at byte {at} where nothing was written"));
            }
            at = start + length;
        }
        Ok(())
    }

    fn sections(&self, entry: &Entry) -> Option<Sections<'_>> {
        let ([offsets, labels, ids, values, weights], words) = (entry.sections, entry.lengths());
        Some(Sections {
            offsets: self.section(offsets, words[0])?,
            labels: self.section(labels, words[1])?,
            ids: self.section(ids, words[2])?,
            values: self.section(values, words[3])?,
            weights: self.section(weights, words[4])?,
        })
    }

    fn section<T: Pod>(&self, start: usize, count: usize) -> Option<&[T]> {
        let end = start.checked_add(count.checked_mul(size_of::<T>())?)?;
        bytemuck::try_cast_slice(self.map.bytes().get(start..end)?).ok()
    }
}

impl Entry {
    /// How many words each section has.
    fn lengths(&self) -> [usize; 5] {
        let kept = |has: bool, words: usize| if has { words } else { 0 };
        let (values, weights) = (kept(self.has_values, self.nonzeros), kept(self.has_weights, self.rows));
        [self.rows + 1, self.rows, self.nonzeros, values, weights]
    }

    /// All entries, if the blocks lie before `end` and are what `facts` say.
    fn check_all(entries: &[[u64; 5]], end: usize, facts: &Facts) -> Option<Vec<Self>> {
        let entries = Self::lay_out(entries, end)?;
        let sum = |of: fn(&Self) -> usize| entries.iter().map(|entry| of(entry) as u64).sum::<u64>();
        let most = entries.iter().map(|entry| entry.nonzeros).max().unwrap_or(0);
        // The longest row bounds an allocation.
        let right = sum(|entry| entry.rows) == facts.rows
            && sum(|entry| entry.nonzeros) == facts.nonzeros
            && facts.longest_row <= most;
        right.then_some(entries)
    }

    /// All entries, if the blocks lie before `end`.
    fn lay_out(entries: &[[u64; 5]], end: usize) -> Option<Vec<Self>> {
        let mut checked = Vec::with_capacity(entries.len());
        let mut rows = 0u64;
        for &[start, of_rows, of_nonzeros, flags, hash] in entries {
            let small = of_rows > 0 && of_rows < u64::from(u32::MAX) && of_nonzeros <= u64::from(u32::MAX);
            if !small || start > end as u64 || flags & !(HAS_VALUES | HAS_WEIGHTS) != 0 {
                return None;
            }
            let (has_values, has_weights) = (flags & HAS_VALUES != 0, flags & HAS_WEIGHTS != 0);
            let mut at = start;
            let mut sections = [0; 5];
            let (values, weights) = (if has_values { of_nonzeros } else { 0 }, if has_weights { of_rows } else { 0 });
            let lengths = [of_rows + 1, of_rows, of_nonzeros, values, weights];
            for (section, length) in sections.iter_mut().zip(lengths) {
                at = at.next_multiple_of(ALIGNMENT);
                *section = at as usize;
                at += 4 * length;
            }
            if at > end as u64 {
                return None;
            }
            let (of_rows, of_nonzeros) = (of_rows as usize, of_nonzeros as usize);
            checked.push(Self {
                first_row: rows,
                rows: of_rows,
                nonzeros: of_nonzeros,
                sections,
                has_values,
                has_weights,
                hash,
            });
            rows += of_rows as u64;
        }
        Some(checked)
    }
}
