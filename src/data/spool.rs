//! [`Spool`]: the rows and the text of what can be read only once.
//!
//! They go into files without names: nobody else can open them, and they are gone with the process, whatever ends it.
//! So they are no persistent writes, and need no store. Where they cannot be written, all stays in memory.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::block::OwnedBlock;
use super::cache::BlockWriter;
use super::cache_read::CacheFile;
use super::cut::CHUNK;
use super::source::{Whole, go_on};
use super::table::Blocks;
use super::unpack::Stream;
use crate::error::{Error, Result, plain};
use crate::sys::map::Map;
use crate::sys::signal::StopRequest;

/// Where what is read once is kept.
pub(crate) struct Keep<'k> {
    name: PathBuf,
    directory: Option<PathBuf>,
    notice: &'k (dyn Fn(&str) + Sync),
    stop: &'k StopRequest,
    /// The user knows that no file could be written.
    told: AtomicBool,
}

/// Blocks that are put away one after the other.
pub(crate) struct Spool<'k> {
    keep: &'k Keep<'k>,
    place: Place,
}

enum Place {
    File(BlockWriter<File>),
    Memory(Vec<OwnedBlock>),
}

impl<'k> Keep<'k> {
    /// For the data that messages call `name`. Temporary files are made in `directory`; without one, all is kept in
    /// memory. What the user should know goes to `notice`; `stop` ends the reading.
    pub(crate) fn new(
        name: PathBuf,
        directory: Option<PathBuf>,
        notice: &'k (dyn Fn(&str) + Sync),
        stop: &'k StopRequest,
    ) -> Self {
        Self { name, directory, notice, stop, told: AtomicBool::new(false) }
    }

    /// What may end the reading.
    pub(crate) fn stop(&self) -> &'k StopRequest {
        self.stop
    }

    /// A new temporary file, if there may be one.
    fn file(&self) -> Option<File> {
        tempfile::tempfile_in(self.directory.as_ref()?).map_err(|error| self.tell(&error)).ok()
    }

    fn tell(&self, error: &io::Error) {
        if let Some(directory) = self.directory.as_ref().filter(|_| !self.told.swap(true, Relaxed)) {
            let (directory, name, why) = (directory.display(), self.name.display(), plain(error));
            let what = format!("cannot hold {name} in a temporary file: {why}; going on in memory");
            (self.notice)(&format!("note: {directory}: {what}"));
        }
    }

    /// The blocks that have been written.
    fn mapped(&self, writer: &BlockWriter<File>, longest_row: usize, limit: u32) -> Result<CacheFile> {
        let map = Map::open(writer.file()).map_err(|error| self.lost(error))?;
        let name = PathBuf::from(format!("temporary file of {}", self.name.display()));
        let file = CacheFile::of_blocks(map, name, writer.index(), longest_row, limit);
        file.ok_or_else(|| self.lost(io::ErrorKind::InvalidData.into()))
    }

    fn lost(&self, error: io::Error) -> Error {
        Error::io(&self.name, "read back from a temporary file", error)
    }

    /// Reads the rest of `stream`.
    ///
    /// # Errors
    /// Where it cannot be read, or the run is to stop.
    pub(crate) fn text(&self, stream: &mut Stream) -> Result<Whole> {
        let mut text = std::mem::take(&mut stream.buffer);
        if let Some(mut file) = self.file() {
            let mut written = 0;
            let failed = loop {
                if let Err(error) = file.write_all(&text) {
                    break Some(error);
                }
                written += text.len();
                if stream.ended {
                    break None;
                }
                go_on(self.stop)?;
                stream.read_up_to(CHUNK, &self.name)?;
                text = std::mem::take(&mut stream.buffer);
            };
            let map = Map::open(&file).map_err(|error| self.lost(error))?;
            let Some(error) = failed else { return Ok(Whole::Map(map)) };
            self.tell(&error);
            text.splice(0..0, map.bytes()[..written].iter().copied());
        }
        stream.buffer = text;
        while !stream.ended {
            go_on(self.stop)?;
            stream.read_up_to(stream.buffer.len() + CHUNK, &self.name)?;
        }
        Ok(Whole::Memory(std::mem::take(&mut stream.buffer)))
    }
}

impl<'k> Spool<'k> {
    /// No blocks yet.
    pub(crate) fn new(keep: &'k Keep<'k>) -> Self {
        let place = keep.file().map_or(Place::Memory(Vec::new()), |file| Place::File(BlockWriter::new(file)));
        Self { keep, place }
    }

    /// Puts a block away. If its file takes no more, all blocks move into memory.
    ///
    /// # Errors
    /// Where blocks that were written do not come back.
    pub(crate) fn put(&mut self, mut block: OwnedBlock) -> Result<()> {
        if let Place::File(writer) = &mut self.place {
            let Err(error) = writer.block(&block) else { return Ok(()) };
            self.keep.tell(&error);
            let file = self.keep.mapped(writer, usize::MAX, u32::MAX)?;
            let back = (0..file.blocks()).map(|b| file.block(b).map(|block| OwnedBlock::copy_of(&block)));
            self.place = Place::Memory(back.collect::<Result<_>>()?);
        }
        if let Place::Memory(blocks) = &mut self.place {
            block.shrink();
            blocks.push(block);
        }
        Ok(())
    }

    /// All blocks: no row has more than `longest_row` ids, and every id is below `limit`.
    ///
    /// # Errors
    /// Where blocks that were written do not come back.
    pub(crate) fn finish(self, longest_row: usize, limit: u32) -> Result<Blocks> {
        match self.place {
            Place::File(writer) => Ok(Blocks::Cache(Box::new(self.keep.mapped(&writer, longest_row, limit)?))),
            Place::Memory(mut blocks) => {
                blocks.iter_mut().for_each(|block| block.limit = limit);
                Ok(Blocks::Memory(blocks))
            }
        }
    }
}
