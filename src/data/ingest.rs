//! Text becomes numbered blocks: one batch of chunks is parsed while the one before it is put away.

use std::path::Path;

use hogback_kernels::Backend;
use rayon::prelude::*;

use super::block::OwnedBlock;
use super::dictionary::Dictionary;
use super::facts::{Documents, Sums};
use super::numbering::{Numbered, Numbering};
use super::parse::{Context, Fault, Parsed, Parser, libsvm};
use super::skipped::Skipped;
use super::source::{Chunk, Source};
use crate::error::{Error, Result};

/// A batch has no more chunks than this, unless there are more threads: three batches are in memory at a time (read, parsed,
/// put away), and on many threads four chunks for each would be gigabytes.
const MOST_CHUNKS: usize = 64;

/// What a file turned out to hold, beside its blocks.
pub(crate) struct Ingested {
    pub(crate) sums: Sums,
    pub(crate) keys: Dictionary,
    /// The classes in order, where labels are words.
    pub(crate) classes: Vec<String>,
    pub(crate) skipped: Option<Skipped>,
    /// The line and the text of the first label that was rounded.
    pub(crate) rounded: Option<(u64, String)>,
    /// The namespaces, as they appear, where the format has such.
    pub(crate) spaces: Vec<String>,
    /// Nonzeros before products were added, where keys are hashed.
    pub(crate) plain: u64,
    /// What there is to say of text.
    pub(crate) documents: Documents,
}

/// Reads all of `source` and hands its blocks to `put`, in order; `words` says that labels are words, `skip` that bad
/// rows are left out.
///
/// # Errors
/// The first line that is wrong, what keeps the source from being read, or what `put` returns.
pub(crate) fn ingest<E: From<Error> + Send>(
    source: &mut Source,
    parser: &Parser,
    words: bool,
    skip: bool,
    put: &mut (dyn FnMut(OwnedBlock) -> Result<(), E> + Send),
) -> Result<Ingested, E> {
    let path = source.name().to_path_buf();
    let mut chunks = source.chunks(parser.cut(), false);
    let none = parser.no_keys();
    // Names are looked up as they are parsed, so those before must have been added; numbers are added while others are parsed.
    let later = !none.is_names() && !words;
    let mut reading = Reading::of(&path, parser);
    // The first chunk goes alone: after it the most frequent keys are known.
    let mut batch = chunks.batch(1)?;
    let mut parsed = Vec::new();
    while !batch.is_empty() || !parsed.is_empty() {
        let threads = rayon::current_num_threads();
        let width = (4 * threads).min(MOST_CHUNKS).max(threads);
        let parse = |keys, classes| {
            let context = Context { keys, classes, learning: true, skip };
            batch.par_iter().map(|chunk| parser.parse(chunk, context)).collect::<Vec<_>>()
        };
        let more = || chunks.batch(width);
        let ((done, next), new) = if later {
            let number = || put_away(reading.number(parsed)?, &mut reading.sums, put);
            rayon::join(|| rayon::join(number, more), || parse(&none, None))
        } else {
            let numbered = reading.number(parsed)?;
            let Reading { numbering, sums, .. } = &mut reading;
            let classes = words.then_some(&numbering.classes);
            rayon::join(|| rayon::join(|| put_away(numbered, sums, put), more), || parse(&numbering.keys, classes))
        };
        done?;
        batch = match next {
            Ok(batch) => batch,
            Err(error) => {
                // A line that is wrong comes before what keeps the text behind it from being read.
                reading.number(new)?;
                return Err(error.into());
            }
        };
        parsed = new;
    }
    let Reading { numbering: Numbering { keys, classes }, sums, skipped, rounded, spaces, plain, documents, .. } =
        reading;
    if sums.rows == 0 {
        return Err(Skipped::no_rows(skipped.as_ref(), &path).into());
    }
    let classes = (0..classes.len() as u32).map(|class| classes.name_of(class)).collect();
    Ok(Ingested { sums, keys, classes, spaces, plain, documents, skipped, rounded })
}

/// What is known of a file that is being read.
struct Reading<'p> {
    path: &'p Path,
    numbering: Numbering,
    /// Of the blocks that have been put away.
    sums: Sums,
    lines: u64,
    skipped: Option<Skipped>,
    rounded: Option<(u64, String)>,
    spaces: Vec<String>,
    plain: u64,
    documents: Documents,
}

impl<'p> Reading<'p> {
    fn of(path: &'p Path, parser: &Parser) -> Self {
        Self {
            path,
            numbering: Numbering { keys: parser.no_keys(), classes: Dictionary::names() },
            sums: Sums::new(),
            lines: 0,
            skipped: None,
            rounded: None,
            spaces: Vec::new(),
            plain: 0,
            documents: Documents::default(),
        }
    }

    /// Numbers the next chunks; names in them were looked up in the dictionary as it is now.
    ///
    /// # Errors
    /// The first line that is wrong, or too many keys.
    fn number(&mut self, mut parsed: Vec<Result<Parsed, Fault>>) -> Result<Vec<Numbered>> {
        let (known, classes) = (self.numbering.keys.len(), self.numbering.classes.len());
        parsed.par_iter_mut().flatten().for_each(|parsed| parsed.look_up(&self.numbering.keys));
        let mut numbered = Vec::with_capacity(parsed.len());
        for parsed in parsed {
            let mut parsed = parsed.map_err(|fault| fault.at(self.path, self.lines))?;
            let bad = std::mem::take(&mut parsed.block.skipped).len();
            Skipped::add(&mut self.skipped, bad, parsed.first_bad.take(), self.lines);
            if let Some(label) = parsed.rounded.take() {
                self.rounded.get_or_insert((self.lines + label.line + 1, label.what));
            }
            self.plain += parsed.plain;
            self.documents.several_labels += parsed.several;
            self.documents.empty += parsed.empty;
            parsed.spaces.retain(|space| !self.spaces.contains(space));
            self.spaces.append(&mut parsed.spaces);
            self.lines += parsed.lines;
            numbered.push(self.numbering.add(parsed, known, classes)?);
        }
        Ok(numbered)
    }
}

/// Parses `text`, libsvm whose keys are not looked up, with `backend`, chunk by chunk on all threads, and lets go of what comes out: how fast that alone is.
///
/// # Errors
/// The first line that is wrong.
pub(crate) fn parse_alone(text: &[u8], backend: Backend) -> Result<()> {
    let parser = Parser::Libsvm(libsvm::Plan { hashing: None, backend });
    let (mut chunks, mut at) = (Vec::new(), 0);
    while let Some(len) = parser.cut().chunk_end(&text[at..], true).filter(|&len| len > 0) {
        chunks.push(Chunk { text: text[at..at + len].into(), first: at == 0, at: at as u64, map: None });
        at += len;
    }
    let context = Context { keys: &parser.no_keys(), classes: None, learning: true, skip: false };
    let parse = |chunk: &Chunk<'_>| parser.parse(chunk, context).map(drop).map_err(|fault| fault.at(Path::new("-"), 0));
    chunks.par_iter().try_for_each(parse)
}

/// Finishes blocks, side by side, and hands them on, in order.
fn put_away<E>(
    numbered: Vec<Numbered>,
    sums: &mut Sums,
    put: &mut (dyn FnMut(OwnedBlock) -> Result<(), E> + Send),
) -> Result<(), E> {
    let finish = |numbered: Numbered| {
        let mut block = numbered.translate();
        block.drop_ones();
        (Sums::of(&block), block)
    };
    for (of_block, mut block) in numbered.into_par_iter().map(finish).collect::<Vec<_>>() {
        // A chunk of nothing but comments makes no block.
        if block.rows() > 0 {
            block.first_row = sums.rows;
            sums.absorb(&of_block);
            put(block)?;
        }
    }
    Ok(())
}

impl Fault {
    /// The error of a chunk that `before` lines come before.
    pub(crate) fn at(self, path: &Path, before: u64) -> Error {
        Error::Line { path: path.to_path_buf(), line: before + self.line + 1, what: self.what }
    }
}
