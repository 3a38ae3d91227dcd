//! One chunk of text in, one block of rows out, by whichever thread; keys as `numbering` says.

pub(crate) mod csv;
mod idx;
pub(crate) mod libsvm;
pub(crate) mod number;
pub(crate) mod vw;

use super::block::OwnedBlock;
use super::cut::Cut;
use super::dictionary::Dictionary;
use super::idx::Images;
use super::numbering::ChunkKeys;
use super::source::Chunk;

/// How the text of one input is parsed.
pub(crate) enum Parser {
    Libsvm,
    Csv(csv::Plan),
    Vw(vw::Plan),
    Idx(Images),
}

/// What is known while a chunk is parsed.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) keys: &'a Dictionary,
    /// The classes, where labels are words.
    pub(crate) classes: Option<&'a Dictionary>,
    /// True in training: unknown keys and classes are collected and every row must have a label.
    /// Else they are dropped, and a row may be without.
    pub(crate) learning: bool,
    /// True where a bad row is left out and counted, false where the first one ends the reading.
    pub(crate) skip: bool,
}

/// A chunk, parsed.
pub(crate) struct Parsed {
    pub(crate) block: OwnedBlock,
    pub(crate) new_keys: Option<Dictionary>,
    pub(crate) new_classes: Option<Dictionary>,
    /// Newlines in the chunk; images, if it holds some.
    pub(crate) lines: u64,
    /// Nonzeros whose key is not known.
    pub(crate) unknown_keys: u64,
    /// Labels whose class is not known.
    pub(crate) unknown_labels: u64,
    /// Rows without a label.
    pub(crate) unlabelled: u64,
    /// What is wrong with the first of the rows that were skipped.
    pub(crate) first_bad: Option<Fault>,
    /// The line and text of the first label that was rounded, see [`number::is_rounded`].
    pub(crate) rounded: Option<Fault>,
}

/// What is wrong with a line of a chunk.
#[derive(Debug)]
pub(crate) struct Fault {
    /// The line (or image), from 0 at the beginning of the chunk.
    pub(crate) line: u64,
    /// What stands there and what was expected.
    pub(crate) what: String,
}

impl Parser {
    /// Where text of this kind may be cut.
    pub(crate) fn cut(&self) -> Cut {
        match self {
            Self::Libsvm | Self::Vw(_) => Cut::Lines,
            Self::Csv(plan) => plan.cut(),
            Self::Idx(images) => images.cut(),
        }
    }

    /// No keys yet, of the kind that this text has.
    pub(crate) fn no_keys(&self) -> Dictionary {
        match self {
            Self::Libsvm | Self::Idx(_) => Dictionary::numbers(),
            Self::Csv(_) | Self::Vw(_) => Dictionary::names(),
        }
    }

    /// Parses one chunk.
    ///
    /// # Errors
    /// The first line that is not as it should be, unless such are skipped.
    pub(crate) fn parse(&self, chunk: &Chunk<'_>, context: Context<'_>) -> Result<Parsed, Fault> {
        match self {
            Self::Libsvm => libsvm::parse(&chunk.text, context),
            Self::Csv(plan) => csv::parse(&chunk.text, chunk.first, plan, context),
            Self::Vw(plan) => vw::parse(&chunk.text, plan, context),
            Self::Idx(images) => idx::parse(chunk, images, context),
        }
    }
}

impl Parsed {
    /// Room for a chunk of `bytes` bytes.
    fn with_room(bytes: usize) -> Self {
        Self {
            block: OwnedBlock::with_room(0, bytes / 8),
            new_keys: None,
            new_classes: None,
            lines: 0,
            unknown_keys: 0,
            unknown_labels: 0,
            unlabelled: 0,
            first_bad: None,
            rounded: None,
        }
    }

    /// Leaves out the row that is being filled, as `fault` says what is wrong with it. Whoever collects keys takes back
    /// those of this row.
    ///
    /// # Errors
    /// The fault, where `context` does not want bad rows to be skipped.
    fn skip(&mut self, context: Context<'_>, fault: impl FnOnce() -> Fault) -> Result<(), Fault> {
        if !context.skip {
            return Err(fault());
        }
        self.block.skip_row();
        self.first_bad.get_or_insert_with(fault);
        Ok(())
    }

    /// Takes what `keys` and `classes` collected and dropped.
    fn finish(mut self, keys: ChunkKeys<'_>, classes: Option<ChunkKeys<'_>>) -> Self {
        self.unknown_keys = keys.dropped;
        self.new_keys = keys.into_new();
        if let Some(classes) = classes {
            self.unknown_labels = classes.dropped;
            self.new_classes = classes.into_new();
        }
        self
    }
}
