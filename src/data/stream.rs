//! Data read against the keys of a model, block by block in the order it comes.

use std::path::Path;

use rayon::prelude::*;

use super::block::OwnedBlock;
use super::columns::{self, Column, Header};
use super::cut::Cut;
use super::dictionary::Dictionary;
use super::fields::is_libffm;
use super::grams::Grams;
use super::hashing::Hashing;
use super::idx::Images;
use super::input::{Format, Input};
use super::parse::{Context, Parser, csv, libffm, libsvm, text, vw};
use super::skipped::Skipped;
use super::{ReadOptions, open};
use crate::error::{Error, Result};
use crate::sys::signal::StopRequest;

/// What a model knows of its data.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its keys.
    pub dictionary: &'a Dictionary,
    /// Its columns, if it was trained on CSV.
    pub columns: Option<&'a [Column]>,
    /// Its classes, if labels are words.
    pub label_names: &'a [String],
    /// How its keys are hashed, if they are.
    pub hashing: Option<&'a Hashing>,
    /// What its features are, if it was trained on text.
    pub grams: Option<Grams>,
}

/// What a stream held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many rows.
    pub rows: u64,
    /// How many ids in all of them together.
    pub nonzeros: u64,
    /// Nonzeros that were dropped because the model does not know their key.
    pub unknown_keys: u64,
    /// Rows without a label.
    pub unlabelled: u64,
    /// Labels that are none of the model's classes.
    pub unknown_labels: u64,
    /// Rows of text with several labels, of which the first counts.
    pub several_labels: u64,
    /// The bad rows that were skipped.
    pub skipped: Option<Skipped>,
}

/// Reads `input` for a model and hands its rows to `each` in their order. Keys that the model does not know are dropped;
/// the label of a row is NaN where it has none, or none of the model's classes. A block says where bad rows were skipped.
///
/// Files are parsed by all threads; the lines of standard input are handed over as they arrive.
///
/// # Errors
/// Where the input cannot be read, a line is wrong, the data is of another kind than the model, or `each` fails;
/// [`Error::Interrupted`] once `stop` asks for it.
pub fn stream(
    input: &Input,
    options: &ReadOptions,
    known: &Known<'_>,
    notice: &(dyn Fn(&str) + Sync),
    stop: &StopRequest,
    each: &mut dyn FnMut(OwnedBlock) -> Result<()>,
) -> Result<Seen> {
    let live = *input == Input::Stdin;
    let mut options = ReadOptions { hashing: known.hashing.cloned(), grams: known.grams, ..options.clone() };
    if known.grams.is_some() && options.format.is_none() && input.named_format().is_none() {
        // Words without a label look like anything.
        options.format = Some(Format::Text);
    }
    let options = &options;
    let (mut source, format) = match open(input, options, stop)? {
        Some(opened) => opened,
        None if live => return Ok(Seen::default()),
        None => return Err(Error::data(input.to_string(), "holds no rows")),
    };
    let path = source.name().to_path_buf();
    check_kind(&path, format, known)?;
    let ready = match format {
        Format::Libsvm => {
            Some(Parser::Libsvm(libsvm::Plan { hashing: options.hashing.clone(), backend: options.backend() }))
        }
        Format::Libffm => Some(Parser::Libffm(libffm::Plan { hashing: options.hashing.clone() })),
        Format::Vw => {
            let (ignored, hashing) = (options.ignore.clone(), options.hashing.clone());
            Some(Parser::Vw(vw::Plan { ignored, hashing, backend: options.backend() }))
        }
        Format::Text => {
            let (grams, hashing) = (options.grams.unwrap_or_default(), options.hashing.clone());
            Some(Parser::Text(text::Plan { grams, hashing, backend: options.backend() }))
        }
        Format::Idx => Some(Parser::Idx(Images::open(&mut source, options)?)),
        Format::Csv => None,
    };
    let cut = match &ready {
        Some(parser) => parser.cut(),
        None => Cut::Records(columns::delimiter(source.head()?)),
    };
    let mut chunks = source.chunks(cut, live);
    let mut batch = chunks.batch(1)?;
    let parser = match (ready, cut, known.columns, batch.first()) {
        (Some(parser), ..) => parser,
        (None, Cut::Records(delimiter), Some(columns), Some(first)) => {
            let header = Header::read(&first.text, delimiter, columns, &path)?;
            let plan = columns::matched(header, columns, options.label.as_deref(), &path, notice)?;
            Parser::Csv(csv::Plan { hashing: options.hashing.clone(), ..plan })
        }
        _ => return Err(Error::data(path, "holds no rows")),
    };
    let mut classes = Dictionary::names();
    for name in known.label_names {
        classes.add_name(name);
    }
    let classes = (!known.label_names.is_empty()).then_some(&classes);
    let context = Context { keys: known.dictionary, classes, learning: false, skip: options.skip_bad_rows };
    let width = if live { 1 } else { 2 * rayon::current_num_threads() };
    let (mut seen, mut lines) = (Seen::default(), 0);
    while !batch.is_empty() {
        for parsed in batch.par_iter().map(|chunk| parser.parse(chunk, context)).collect::<Vec<_>>() {
            let parsed = parsed.map_err(|fault| fault.at(&path, lines))?;
            let mut block = parsed.block;
            Skipped::add(&mut seen.skipped, block.skipped.len(), parsed.first_bad, lines);
            block.first_row = seen.rows;
            block.limit = known.dictionary.len() as u32;
            block.drop_ones();
            lines += parsed.lines;
            seen.rows += block.rows() as u64;
            seen.nonzeros += block.ids.len() as u64;
            seen.unknown_keys += parsed.unknown_keys;
            seen.unknown_labels += parsed.unknown_labels;
            seen.unlabelled += parsed.unlabelled;
            seen.several_labels += parsed.several;
            if block.rows() > 0 || !block.skipped.is_empty() {
                each(block)?;
            }
        }
        batch = chunks.batch(width)?;
    }
    if seen.rows == 0 && !live {
        return Err(Skipped::no_rows(seen.skipped.as_ref(), &path));
    }
    Ok(seen)
}

/// Checks that the data is of the kind that the model was trained on: columns, named features, or numbered ones.
fn check_kind(path: &Path, format: Format, known: &Known<'_>) -> Result<()> {
    let (fits, trained) = match known.columns {
        Some(_) => (format == Format::Csv, "csv"),
        None if known.grams.is_some() => (format == Format::Text, "text"),
        // The index 7 and the feature called 7 have one hash.
        None if known.hashing.is_some() => (!matches!(format, Format::Csv | Format::Text), "libsvm, libffm, idx or vw"),
        None if is_libffm(known.dictionary) => (format == Format::Libffm, "libffm"),
        None if known.dictionary.is_names() => (format == Format::Vw, "vw"),
        None => (matches!(format, Format::Libsvm | Format::Idx), "libsvm or idx"),
    };
    if fits {
        return Ok(());
    }
    let what = format!("this is {} data, but the model was trained on {trained} data", format.name());
    Err(Error::data(path, format!("{what}: give data of that kind, or say --format if this is such data")))
}
