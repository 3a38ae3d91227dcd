//! Text becomes numbered blocks: one batch of chunks is parsed while the one before it is put away.

use std::path::Path;

use hogback_kernels::Backend;
use rayon::prelude::*;

use super::block::OwnedBlock;
use super::dictionary::Dictionary;
use super::facts::Sums;
use super::numbering::{Numbered, Numbering};
use super::parse::{Context, Fault, Parser, libsvm};
use super::skipped::Skipped;
use super::source::{Chunk, Source};
use crate::error::{Error, Result};

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
    let mut numbering = Numbering { keys: parser.no_keys(), classes: Dictionary::names() };
    let (mut sums, mut lines, mut skipped, mut rounded) = (Sums::new(), 0, None, None);
    let (mut spaces, mut plain) = (Vec::new(), 0);
    // The first chunk goes alone: after it the most frequent keys are known.
    let mut batch = chunks.batch(1)?;
    let mut numbered = Vec::new();
    while !batch.is_empty() || !numbered.is_empty() {
        let width = 4 * rayon::current_num_threads();
        let classes = words.then_some(&numbering.classes);
        let context = Context { keys: &numbering.keys, classes, learning: true, skip };
        let ((done, next), parsed) = rayon::join(
            || rayon::join(|| put_away(numbered, &mut sums, put), || chunks.batch(width)),
            || batch.par_iter().map(|chunk| parser.parse(chunk, context)).collect::<Vec<_>>(),
        );
        done?;
        numbered = Vec::with_capacity(parsed.len());
        let (known, classes) = (numbering.keys.len(), numbering.classes.len());
        for parsed in parsed {
            let mut parsed = parsed.map_err(|fault| fault.at(&path, lines))?;
            let bad = std::mem::take(&mut parsed.block.skipped).len();
            Skipped::add(&mut skipped, bad, parsed.first_bad.take(), lines);
            rounded = rounded.or(parsed.rounded.take().map(|label| (lines + label.line + 1, label.what)));
            plain += parsed.plain;
            parsed.spaces.retain(|space| !spaces.contains(space));
            spaces.append(&mut parsed.spaces);
            lines += parsed.lines;
            numbered.push(numbering.add(parsed, known, classes)?);
        }
        batch = next?;
    }
    if sums.rows == 0 {
        return Err(Skipped::no_rows(skipped.as_ref(), &path).into());
    }
    let Numbering { keys, classes } = numbering;
    let classes = (0..classes.len() as u32).map(|class| classes.name_of(class)).collect();
    Ok(Ingested { sums, keys, classes, spaces, plain, skipped, rounded })
}

/// Parses `text`, libsvm of these keys, with `backend`, chunk by chunk on all threads, and lets go of what comes out: how fast that alone is.
///
/// # Errors
/// The first line that is wrong.
pub(crate) fn parse_alone(text: &[u8], keys: &Dictionary, backend: Backend) -> Result<()> {
    let parser = Parser::Libsvm(libsvm::Plan { hashing: None, backend });
    let (mut chunks, mut at) = (Vec::new(), 0);
    while let Some(len) = parser.cut().chunk_end(&text[at..], true).filter(|&len| len > 0) {
        chunks.push(Chunk { text: text[at..at + len].into(), first: at == 0, at: at as u64, map: None });
        at += len;
    }
    let context = Context { keys, classes: None, learning: true, skip: false };
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
