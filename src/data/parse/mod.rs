//! One chunk of text in, one block of rows out, by whichever thread; keys as `numbering` says.

pub(crate) mod csv;
mod idx;
pub(crate) mod libffm;
pub(crate) mod libsvm;
pub(crate) mod number;
pub(crate) mod text;
pub(crate) mod vw;

use super::block::OwnedBlock;
use super::cut::Cut;
use super::dictionary::Dictionary;
use super::hashing::Hashing;
use super::idx::Images;
use super::numbering::ChunkKeys;
use super::repeats::Repeats;
use super::source::Chunk;

/// How the text of one input is parsed.
pub(crate) enum Parser {
    Libsvm(libsvm::Plan),
    Libffm(libffm::Plan),
    Csv(csv::Plan),
    Vw(vw::Plan),
    Text(text::Plan),
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
    /// Names that are not known, if they are collected.
    pub(crate) new_keys: Option<Dictionary>,
    /// Which ids are numbers that are not known, once they have been looked up.
    pub(crate) missed: Vec<u32>,
    pub(crate) new_classes: Option<Dictionary>,
    /// Newlines in the chunk; images, if it holds some.
    pub(crate) lines: u64,
    /// Nonzeros whose key is not known.
    pub(crate) unknown_keys: u64,
    /// Labels whose class is not known.
    pub(crate) unknown_labels: u64,
    /// Rows without a label.
    pub(crate) unlabelled: u64,
    /// Rows of text with several labels.
    pub(crate) several: u64,
    /// Rows of text without a word that is known or collected.
    pub(crate) empty: u64,
    /// What is wrong with the first of the rows that were skipped.
    pub(crate) first_bad: Option<Fault>,
    /// The line and text of the first label that was rounded, see [`number::is_rounded`].
    pub(crate) rounded: Option<Fault>,
    /// Nonzeros before products were added, where keys are hashed.
    pub(crate) plain: u64,
    /// The namespaces that the chunk has, where the format has such.
    pub(crate) spaces: Vec<String>,
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
    /// How keys are hashed, if they are.
    pub(crate) fn hashing(&self) -> Option<&Hashing> {
        match self {
            Self::Libsvm(plan) => plan.hashing.as_ref(),
            Self::Libffm(plan) => plan.hashing.as_ref(),
            Self::Csv(plan) => plan.hashing.as_ref(),
            Self::Vw(plan) => plan.hashing.as_ref(),
            Self::Text(plan) => plan.hashing.as_ref(),
            Self::Idx(images) => images.hashing.as_ref(),
        }
    }

    /// Where text of this kind may be cut.
    pub(crate) fn cut(&self) -> Cut {
        match self {
            Self::Libsvm(_) | Self::Libffm(_) | Self::Vw(_) | Self::Text(_) => Cut::Lines,
            Self::Csv(plan) => plan.cut(),
            Self::Idx(images) => images.cut(),
        }
    }

    /// No keys yet, of the kind that this text has.
    pub(crate) fn no_keys(&self) -> Dictionary {
        match self {
            Self::Libsvm(_) | Self::Idx(_) => Dictionary::numbers(),
            Self::Libffm(_) | Self::Csv(_) | Self::Vw(_) | Self::Text(_) if self.hashing().is_some() => {
                Dictionary::numbers()
            }
            Self::Libffm(_) | Self::Csv(_) | Self::Vw(_) | Self::Text(_) => Dictionary::names(),
        }
    }

    /// Parses one chunk, whose text is not needed afterwards.
    ///
    /// # Errors
    /// The first line that is not as it should be, unless such are skipped.
    pub(crate) fn parse(&self, chunk: &Chunk<'_>, context: Context<'_>) -> Result<Parsed, Fault> {
        let parsed = match self {
            Self::Libsvm(plan) => libsvm::parse(&chunk.text, plan, context),
            Self::Libffm(plan) => libffm::parse(&chunk.text, plan, context),
            Self::Csv(plan) => csv::parse(&chunk.text, chunk.first, plan, context),
            Self::Vw(plan) => vw::parse(&chunk.text, plan, context),
            Self::Text(plan) => text::parse(&chunk.text, plan, context),
            Self::Idx(images) => idx::parse(chunk, images, context),
        };
        chunk.let_go();
        parsed
    }
}

impl Parsed {
    /// Room for a chunk of `bytes` bytes.
    fn with_room(bytes: usize) -> Self {
        Self {
            block: OwnedBlock::with_room(0, bytes / 8),
            new_keys: None,
            missed: Vec::new(),
            new_classes: None,
            lines: 0,
            unknown_keys: 0,
            unknown_labels: 0,
            unlabelled: 0,
            several: 0,
            empty: 0,
            first_bad: None,
            rounded: None,
            plain: 0,
            spaces: Vec::new(),
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

    /// Makes buckets of the numbers in the row that is being filled, if keys are hashed, and gives them their rows.
    ///
    /// # Errors
    /// In words, where the values of one bucket add up to too much.
    fn number_row(
        &mut self,
        hashing: Option<&Hashing>,
        keys: &mut ChunkKeys<'_>,
        repeats: &mut Repeats,
    ) -> Result<(), &'static str> {
        let Some(hashing) = hashing else {
            keys.translate_row(&mut self.block);
            return Ok(());
        };
        let row = self.block.open_row();
        let plain = row.len() as u64;
        row.iter_mut().for_each(|number| *number = hashing.number(*number));
        keys.translate_row(&mut self.block);
        self.block.check_repeated(repeats)?;
        self.plain += plain;
        Ok(())
    }

    /// Puts rows in the place of all numbers that were left as they are, as far as `known` has them.
    ///
    /// Many at a time, because looking a key up is waiting for memory, and so the waits overlap.
    pub(crate) fn look_up(&mut self, known: &Dictionary) {
        if self.new_keys.is_none() {
            known.find_numbers(&mut self.block.ids, &mut self.missed);
        }
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
