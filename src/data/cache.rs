//! The binary cache of a data file, as it is written. `cache_read` reads it.
//!
//! All numbers are little-endian. The file is appended to and nothing else, so what describes it stands at its end:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 64 | `HOGCACHE`, the rest zero |
//! | 64 | | the blocks, one for each parsed chunk |
//! | index | 40 a block | of each block: where it begins, rows, nonzeros, flags (bit 0: values, bit 1: weights), xxh3 |
//! | | f | [`Facts`] in JSON |
//! | | d | the dictionary, as `dictionary` describes it |
//! | end − 128 | 128 | the footer: sixteen 64-bit words, see [`Footer`] |
//!
//! A block is up to five sections, each beginning at a multiple of 64: row offsets (u32, one more than rows), labels
//! (f32), ids (u32), values (f32; left out where all are 1), and weights of rows (f32; left out where all are 1). Its
//! xxh3 covers the sections without the gaps.
//!
//! The cache is written under a hidden name, `.NAME.hogcache.PID-N`, and renamed when it is whole. It is not synced: what a
//! power cut has taken is noticed when it is opened, and it is written again.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::block::OwnedBlock;
use super::cache_read::{CacheFile, Cached};
use super::dictionary::Dictionary;
use super::facts::Facts;
use super::idx;
use super::{CachePolicy, ReadOptions};
use crate::store::{Hidden, Store};
use crate::sys::map::Map;

const _: () = assert!(cfg!(target_endian = "little"), "the cache maps little-endian words");

pub(crate) const MAGIC: [u8; 8] = *b"HOGCACHE";
pub(crate) const VERSION: u64 = 2;
/// Every section begins at a multiple of this.
pub(crate) const ALIGNMENT: u64 = 64;
/// The flag of a block that has values.
pub(crate) const HAS_VALUES: u64 = 1;
/// The flag of a block that has weights of rows.
pub(crate) const HAS_WEIGHTS: u64 = 2;

/// What a cache was made of: it is good for no other data and no other settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The data file's size in bytes.
    pub(crate) size: u64,
    /// When it was last changed, in nanoseconds.
    pub(crate) modified: i64,
    /// The hash of the settings that parsing depends on, and of the state of the labels' file, if there is one.
    pub(crate) settings: u64,
}

impl Stamp {
    /// The stamp of the file at `path`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn of(path: &Path, options: &ReadOptions) -> io::Result<Self> {
        let (size, modified) = state(path)?;
        // What cannot be read now is said when it is needed.
        let labels = idx::labels_of(path, options).map(|labels| (state(&labels).ok(), labels));
        let ReadOptions { format, label, ignore, categorical, grams, hashing, .. } = options;
        let grams = grams.unwrap_or_default();
        let settings = format!("{:?}", (format, label, ignore, categorical, grams, hashing, labels));
        Ok(Self { size, modified, settings: xxh3_64(settings.as_bytes()) })
    }
}

/// The size of a file in bytes, and when it was last changed, in nanoseconds.
fn state(path: &Path) -> io::Result<(u64, i64)> {
    let file = fs::metadata(path)?;
    Ok((file.len(), file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec())))
}

/// The last 128 bytes of a cache, word by word in this order; the words that are left are zero but for the last, which
/// is the xxh3 of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    /// The version; the magic word stands before it.
    pub(crate) version: u64,
    /// Size, time and settings.
    pub(crate) stamp: Stamp,
    /// Where the index begins.
    pub(crate) index: u64,
    /// How many blocks there are.
    pub(crate) blocks: u64,
    /// The length of the facts.
    pub(crate) facts: u64,
    /// The length of the dictionary.
    pub(crate) dictionary: u64,
    /// The xxh3 of index, facts and dictionary together.
    pub(crate) hash: u64,
}

impl Footer {
    pub(crate) const BYTES: usize = 128;

    /// The bytes as they stand in the file.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let Stamp { size, modified, settings } = self.stamp;
        let magic = u64::from_le_bytes(MAGIC);
        let fields = [
            magic,
            self.version,
            size,
            modified as u64,
            settings,
            self.index,
            self.blocks,
            self.facts,
            self.dictionary,
            self.hash,
        ];
        let mut words = [0u64; Self::BYTES / 8];
        words[..fields.len()].copy_from_slice(&fields);
        words[15] = xxh3_64(bytemuck::cast_slice(&words[..15]));
        bytemuck::cast(words)
    }

    /// The footer that these bytes are, if they are one.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let words: [u64; 16] = bytemuck::pod_read_unaligned(bytes);
        let [magic, version, size, modified, settings, index, blocks, facts, dictionary, hash, ..] = words;
        let stamp = Stamp { size, modified: modified as i64, settings };
        let footer = Self { version, stamp, index, blocks, facts, dictionary, hash };
        let right = magic == u64::from_le_bytes(MAGIC) && words[15] == xxh3_64(bytemuck::cast_slice(&words[..15]));
        right.then_some(footer)
    }
}

/// Where the cache of the data file at `path` stands, if it is to have one.
///
/// # Errors
/// The system's, where the path cannot be made absolute.
pub(crate) fn place(policy: &CachePolicy, path: &Path) -> io::Result<Option<PathBuf>> {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else { return Ok(None) };
    Ok(match policy {
        CachePolicy::Off => None,
        CachePolicy::Beside => {
            let mut beside = path.as_os_str().to_os_string();
            beside.push(".hogcache");
            Some(beside.into())
        }
        CachePolicy::Dir(directory) => {
            // Files of one name from several directories share the directory of caches.
            let whole = fs::canonicalize(path)?;
            Some(directory.join(format!("{name}-{:016x}.hogcache", xxh3_64(whole.as_os_str().as_encoded_bytes()))))
        }
    })
}

/// The hash of a block's sections.
pub(crate) fn block_hash(sections: [&[u8]; 5]) -> u64 {
    let mut hasher = Xxh3::new();
    sections.iter().for_each(|section| hasher.update(section));
    hasher.digest()
}

/// The sections of a block, in their order in the file.
pub(crate) fn sections<'a>(
    offsets: &'a [u32],
    labels: &'a [f32],
    ids: &'a [u32],
    values: &'a [f32],
    weights: &'a [f32],
) -> [&'a [u8]; 5] {
    [
        bytemuck::cast_slice(offsets),
        bytemuck::cast_slice(labels),
        bytemuck::cast_slice(ids),
        bytemuck::cast_slice(values),
        bytemuck::cast_slice(weights),
    ]
}

/// A cache being written; dropped before it is finished, it leaves nothing behind.
pub(crate) struct CacheWriter<'s> {
    blocks: BlockWriter<BufWriter<Hidden<'s>>>,
}

/// Blocks being written one behind the other.
pub(crate) struct BlockWriter<W> {
    file: W,
    written: u64,
    index: Vec<[u64; 5]>,
}

impl<'s> CacheWriter<'s> {
    /// Begins the cache that will stand at `target`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn create(store: &'s dyn Store, target: &Path) -> io::Result<Self> {
        let mut blocks = BlockWriter::new(BufWriter::with_capacity(1 << 20, Hidden::create(store, target)?));
        blocks.write(&MAGIC)?;
        Ok(Self { blocks })
    }

    /// Adds a block.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn block(&mut self, block: &OwnedBlock) -> io::Result<()> {
        self.blocks.block(block)
    }

    /// Writes the rest, maps the file and gives it its name. What was just written is not compared with its hashes: they are
    /// for whoever opens the file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn finish(mut self, stamp: Stamp, facts: Facts, dictionary: Dictionary) -> io::Result<Cached> {
        let Self { blocks: file } = &mut self;
        file.align()?;
        let index = std::mem::take(&mut file.index);
        let (of_facts, of_dictionary) = (serde_json::to_vec(&facts)?, dictionary.to_bytes());
        let mut hasher = Xxh3::new();
        let at = file.written;
        for part in [bytemuck::cast_slice(&index), &of_facts, &of_dictionary] {
            hasher.update(part);
            file.write(part)?;
        }
        let footer = Footer {
            version: VERSION,
            stamp,
            index: at,
            blocks: index.len() as u64,
            facts: of_facts.len() as u64,
            dictionary: of_dictionary.len() as u64,
            hash: hasher.digest(),
        };
        file.write(&footer.to_bytes())?;
        file.file.flush()?;
        let hidden = file.file.get_mut();
        // Mapped under the hidden name: whoever replaces the file meanwhile replaces the name alone.
        let map = Map::open(&File::open(hidden.path())?)?;
        let (longest_row, limit) = (facts.longest_row, dictionary.len() as u32);
        let mapped = CacheFile::of_blocks(map, hidden.target().to_path_buf(), &index, longest_row, limit);
        hidden.publish()?;
        let file = mapped.ok_or_else(|| io::Error::other("it does not read back"))?;
        Ok(Cached { file, facts, dictionary })
    }
}

impl<W: Write> BlockWriter<W> {
    /// Nothing is written yet.
    pub(crate) fn new(file: W) -> Self {
        Self { file, written: 0, index: Vec::new() }
    }

    /// What is written to.
    pub(crate) fn file(&self) -> &W {
        &self.file
    }

    /// Of each block that has been written whole, what the index says.
    pub(crate) fn index(&self) -> &[[u64; 5]] {
        &self.index
    }

    /// Adds a block.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn block(&mut self, block: &OwnedBlock) -> io::Result<()> {
        self.align()?;
        let start = self.written;
        let sections = sections(&block.offsets, &block.labels, &block.ids, &block.values, &block.weights);
        let flag = |section: &[f32], flag| if section.is_empty() { 0 } else { flag };
        let flags = flag(&block.values, HAS_VALUES) | flag(&block.weights, HAS_WEIGHTS);
        let (rows, nonzeros) = (block.rows() as u64, block.ids.len() as u64);
        for section in sections {
            self.align()?;
            self.write(section)?;
        }
        self.index.push([start, rows, nonzeros, flags, block_hash(sections)]);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn align(&mut self) -> io::Result<()> {
        let gap = self.written.next_multiple_of(ALIGNMENT) - self.written;
        self.write(&[0; ALIGNMENT as usize][..gap as usize])
    }
}
