//! [`Table`]: the rows of a file, block by block, each block checked once.

use std::sync::OnceLock;

use super::block::{Block, OwnedBlock};
use super::cache_read::CacheFile;
use crate::error::Result;

/// Where the blocks of a file lie.
#[derive(Debug)]
pub(crate) enum Blocks {
    /// In memory.
    Memory(Vec<OwnedBlock>),
    /// In a mapped cache.
    Cache(Box<CacheFile>),
}

/// The rows of a file, walked by any number of threads.
///
/// A block is checked when it is first walked, by whichever thread comes first (that its row offsets rise and its ids are
/// below the limit), and trusted from then on.
#[derive(Debug)]
pub struct Table<'a> {
    blocks: &'a Blocks,
    /// What blocks without values hand out, see [`Block::values`].
    ones: &'a [f32],
    rows: u64,
    first_rows: Vec<u64>,
    checked: Vec<OnceLock<Block<'a>>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(blocks: &'a Blocks, ones: &'a [f32], rows: u64) -> Self {
        let first_rows = match blocks {
            Blocks::Memory(blocks) => blocks.iter().map(|block| block.first_row).collect(),
            Blocks::Cache(cache) => cache.first_rows(),
        };
        let checked = first_rows.iter().map(|_| OnceLock::new()).collect();
        Self { blocks, ones, rows, first_rows, checked }
    }

    /// How many blocks.
    pub fn blocks(&self) -> usize {
        self.checked.len()
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The block that `row` of the file is in, and which row of that block it is.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn block_of(&self, row: u64) -> (usize, usize) {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let block = self.first_rows.partition_point(|&first| first <= row) - 1;
        (block, (row - self.first_rows[block]) as usize)
    }

    /// Block `b`.
    ///
    /// # Errors
    /// Where the cache is damaged there.
    ///
    /// # Panics
    /// Where there is no such block.
    pub fn block(&self, b: usize) -> Result<&Block<'a>> {
        if let Some(block) = self.checked[b].get() {
            return Ok(block);
        }
        let block = match self.blocks {
            Blocks::Memory(blocks) => blocks[b].as_block(),
            Blocks::Cache(cache) => cache.block(b)?,
        };
        Ok(self.checked[b].get_or_init(|| Block { ones: self.ones, ..block }))
    }
}
