//! Data: a file, a pipe or a built-in set in, rows with numbered keys out.
//!
//! The way of the bytes: `input` names them, `source` opens them (`unpack` where they are packed) and hands them on in
//! chunks (`cut`), `parse` makes rows of each chunk (`columns` says what the cells of CSV are, `idx` what images and their
//! labels), `numbering` gives their keys rows of the `dictionary` (buckets, where `hashing` is asked for), `ingest` drives
//! these and puts the blocks away, `cache` keeps them in a file and `cache_read` maps it (`spool` does so for what comes
//! through a pipe), `table` hands them out. `stream` goes the same way for a model whose keys are given.

mod block;
mod cache;
mod cache_read;
mod columns;
mod counted;
mod cut;
mod dictionary;
mod facts;
mod fields;
mod grams;
mod hashing;
mod idx;
mod ingest;
mod input;
mod labels;
mod names;
mod numbering;
mod numbers;
pub mod order;
mod parse;
mod repeats;
mod skipped;
mod source;
mod spool;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod unpack;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

pub use block::{Block, OwnedBlock};
pub use columns::{Column, ColumnKind};
pub(crate) use columns::{alternatives, listed};
pub use dictionary::{Dictionary, MOST_KEYS};
pub use facts::Documents;
pub(crate) use fields::hashed_have_none;
pub use fields::{FieldKind, FieldSource, Fields, MOST_FIELDS};
pub use grams::{Chars, Grams, MOST_WORDS};
pub use hashing::{BITS, Hashing, Interaction, keys_of};
pub(crate) use idx::size_of_all;
pub(crate) use ingest::parse_alone;
pub use input::{Format, Input};
pub use labels::Labels;
pub(crate) use names::NO_ROW;
pub use skipped::Skipped;
pub use stream::{Known, Seen, stream};
pub use table::Table;

use cache::{CacheWriter, Stamp};
use cache_read::Cached;
use facts::Facts;
use hogback_kernels::Backend;
use idx::Images;
use ingest::ingest;
use parse::{Parser, libffm, libsvm, text, vw};
use source::Source;
use spool::{Keep, Spool};
use table::Blocks;

use crate::error::{Error, Result};
use crate::store::{Store, sweep};
use crate::sys::signal::StopRequest;

/// Where the binary cache of a data file goes. Standard input and other pipes have a temporary one, built-in sets none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CachePolicy {
    /// Beside the data, as `NAME.hogcache`; of a pipe, where temporary files go.
    #[default]
    Beside,
    /// Into this directory.
    Dir(PathBuf),
    /// Nowhere.
    Off,
}

/// Where the labels of IDX images are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelFile {
    /// Beside the images, under their name with `labels` in the place of `images`.
    #[default]
    Beside,
    /// In this file.
    At(PathBuf),
    /// They are not wanted.
    Unwanted,
}

/// How data is to be read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format, if it is not to be recognised.
    pub format: Option<Format>,
    /// The column that is the label (CSV), if it is not called label, target, class or y.
    pub label: Option<String>,
    /// Columns (CSV) or namespaces (VW) that are left out.
    pub ignore: Vec<String>,
    /// Columns (CSV) whose cells are words whatever they look like, as ids are.
    pub categorical: Vec<String>,
    /// What the features of text are besides words, if that was said.
    pub grams: Option<Grams>,
    /// Where the labels are (IDX).
    pub labels: LabelFile,
    /// Rows that are wrong are left out and counted; else the first one ends the reading.
    pub skip_bad_rows: bool,
    /// Whether keys are hashed, and how.
    pub hashing: Option<Hashing>,
    /// Where the cache goes.
    pub cache: CachePolicy,
    /// The instruction set to parse with, if it is not to be the best there is; what comes out is the same.
    pub kernels: Option<Backend>,
}

impl ReadOptions {
    fn backend(&self) -> Backend {
        self.kernels.unwrap_or_else(Backend::best)
    }
}

/// One data file, read: its rows in blocks, its own keys, and what its labels are.
#[derive(Debug)]
pub struct DataFile {
    name: String,
    facts: Facts,
    dictionary: Dictionary,
    blocks: Blocks,
    /// As many ones as the longest row has ids, where some blocks keep no values and others do.
    ones: Vec<f32>,
    from_cache: bool,
}

impl DataFile {
    /// Reads `input`, from its cache where there is a good one, and writes the cache else.
    ///
    /// Which row of the dictionary a key gets depends on the text alone. What the user should know and can do without
    /// goes to `notice`.
    ///
    /// # Errors
    /// Where the data cannot be read, or a line of it is wrong (the first one in the file); [`Error::Interrupted`] once
    /// `stop` asks for it, a chunk later at most.
    pub fn read(
        input: &Input,
        options: &ReadOptions,
        store: &dyn Store,
        notice: &(dyn Fn(&str) + Sync),
        stop: &StopRequest,
    ) -> Result<Self> {
        let keep = |directory| Keep::new(input.to_string().into(), directory, notice, stop);
        let Some((cache, stamp)) = cache_of(input, options)? else {
            let directory = temporary(input, options);
            if let (Some(directory), CachePolicy::Dir(_)) = (&directory, &options.cache) {
                // What is wrong with it is told when a file is to be made there.
                let _ = make_directory(store, directory);
            }
            return read_text(input, options, &keep(directory));
        };
        sweep(store, &cache);
        match Cached::open(&cache, stamp) {
            // Without bad rows it is the same whether they are skipped or not.
            Ok(Some(found)) if options.skip_bad_rows || found.facts.skipped.is_none() => {
                return Ok(Self::of_cache(input, found, true));
            }
            Ok(_) => {}
            Err(what) => {
                notice(&format!("warning: {}: cannot be used ({what}): reading the data again", cache.display()));
            }
        }
        match read_and_write(input, options, store, &cache, stamp, &keep(None)) {
            Err(Failure::Cache(error)) => {
                let error = Error::io(&cache, "write this cache", error);
                notice(&format!("note: {error}; going on without it"));
                read_text(input, options, &keep(None))
            }
            Err(Failure::Data(error)) => Err(error),
            Ok(read) => Ok(read),
        }
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.facts.rows
    }

    /// How many values other than 0.
    pub fn nonzeros(&self) -> u64 {
        self.facts.nonzeros
    }

    /// True where every value is 1; blocks then hand out no values.
    pub fn all_ones(&self) -> bool {
        self.facts.all_ones
    }

    /// The sum of the squares of all values, the same to the bit for any number of threads.
    pub fn sum_squares(&self) -> f64 {
        self.facts.sum_squares
    }

    /// The smallest distance of a value from 0; 0 where there are no values.
    pub fn least_value(&self) -> f32 {
        self.facts.least_value
    }

    /// The largest distance of a value from 0; 0 where there are no values.
    pub fn most_value(&self) -> f32 {
        self.facts.most_value
    }

    /// How many ids the row has that has most.
    pub fn longest_row(&self) -> usize {
        self.facts.longest_row
    }

    /// What the labels are.
    pub fn labels(&self) -> &Labels {
        &self.facts.labels
    }

    /// The keys of this file; the ids in its rows are rows of this dictionary.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The columns in their order, if the file is CSV.
    pub fn columns(&self) -> Option<&[Column]> {
        self.facts.columns.as_deref()
    }

    /// The bad rows that were left out, if there were any.
    pub fn skipped(&self) -> Option<&Skipped> {
        self.facts.skipped.as_ref()
    }

    /// The namespaces, if the format has such; the default one's name is empty.
    pub fn namespaces(&self) -> Option<&[String]> {
        self.facts.namespaces.as_deref()
    }

    /// What is known of its documents, if the file is text.
    pub fn documents(&self) -> Option<Documents> {
        self.facts.documents
    }

    /// How many values there were before products were added, if keys are hashed.
    pub fn plain_nonzeros(&self) -> Option<u64> {
        self.facts.plain_nonzeros
    }

    /// True where the text was not read, but the cache of an earlier run.
    pub fn from_cache(&self) -> bool {
        self.from_cache
    }

    /// The name that messages use.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The bytes of the mapped cache; 0 where the rows are in memory.
    pub fn bytes_mapped(&self) -> u64 {
        match &self.blocks {
            Blocks::Memory(_) => 0,
            Blocks::Cache(cache) => cache.bytes(),
        }
    }

    /// The rows.
    pub fn table(&self) -> Table<'_> {
        Table::new(&self.blocks, &self.ones, self.rows())
    }

    fn of_cache(input: &Input, cached: Cached, from_cache: bool) -> Self {
        let Cached { file, facts, dictionary } = cached;
        Self::new(input, facts, dictionary, Blocks::Cache(Box::new(file)), from_cache)
    }

    fn new(input: &Input, facts: Facts, dictionary: Dictionary, blocks: Blocks, from_cache: bool) -> Self {
        let some_ones = !facts.all_ones
            && match &blocks {
                Blocks::Memory(blocks) => blocks.iter().any(|block| block.values.is_empty()),
                Blocks::Cache(cache) => cache.has_implicit_ones(),
            };
        let ones = vec![1.0; if some_ones { facts.longest_row } else { 0 }];
        Self { name: input.to_string(), facts, dictionary, blocks, ones, from_cache }
    }
}

/// Where the cache of `input` stands and what it must have been made of, if it may have one.
fn cache_of(input: &Input, options: &ReadOptions) -> Result<Option<(PathBuf, Stamp)>> {
    let Input::Path(path) = input else { return Ok(None) };
    // A pipe can be read once, so nothing could tell whether its cache is still good.
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |error| Error::io(path, "read", error);
    let place = cache::place(&options.cache, path).map_err(failed)?;
    place.map(|place| Ok((place, Stamp::of(path, options).map_err(failed)?))).transpose()
}

/// Where the temporary files of `input` go: of what can be read only once, unless all is to be in memory.
fn temporary(input: &Input, options: &ReadOptions) -> Option<PathBuf> {
    let once = match input {
        Input::Stdin => true,
        Input::Path(path) => fs::metadata(path).is_ok_and(|file| !file.is_file() && !file.is_dir()),
        Input::Builtin(_) => false,
    };
    match &options.cache {
        CachePolicy::Beside if once => Some(env::temp_dir()),
        CachePolicy::Dir(directory) if once => Some(directory.clone()),
        _ => None,
    }
}

/// Opens `input` and tells its format; `None` where it is empty.
fn open(input: &Input, options: &ReadOptions, stop: &StopRequest) -> Result<Option<(Source, Format)>> {
    let mut source = Source::open(input, stop)?;
    let head = source.head()?;
    if head.is_empty() {
        return Ok(None);
    }
    let format = Format::recognise(options.format, input, head)?;
    let name = format.name();
    let of_columns = [("--label", options.label.is_some()), ("--categorical", !options.categorical.is_empty())];
    if let Some((flag, _)) = of_columns.iter().find(|(_, said)| *said && format != Format::Csv) {
        return Err(Error::Usage(format!("{input} is {name} data, which has no columns: leave out {flag}")));
    }
    let has_spaces = matches!(format, Format::Csv | Format::Vw);
    if !has_spaces && !options.ignore.is_empty() {
        return Err(Error::Usage(format!("{input} is {name} data, which has no columns: leave out --ignore")));
    }
    if format != Format::Idx && matches!(options.labels, LabelFile::At(_)) {
        return Err(Error::Usage(format!("{input} is {name} data, which holds its labels: leave out --labels")));
    }
    let multiplies = options.hashing.as_ref().is_some_and(|hashing| !hashing.interactions.is_empty());
    if !has_spaces && multiplies {
        return Err(Error::Usage(format!(
            "{input} is {name} data, which has no namespaces or columns: leave out --interact"
        )));
    }
    Ok(Some((source, format)))
}

/// Why a file could not be read through a new cache.
enum Failure {
    /// The data is wrong.
    Data(Error),
    /// The cache cannot be written.
    Cache(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Data(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Cache(error)
    }
}

/// Reads the text into a temporary file or into memory.
fn read_text(input: &Input, options: &ReadOptions, keep: &Keep<'_>) -> Result<DataFile> {
    let mut spool = Spool::new(keep);
    let (facts, dictionary) = read_into::<Error>(input, options, keep, &mut |block| spool.put(block))?;
    let blocks = spool.finish(facts.longest_row, dictionary.len() as u32)?;
    Ok(DataFile::new(input, facts, dictionary, blocks, false))
}

/// Reads the text into a cache and maps that.
fn read_and_write(
    input: &Input,
    options: &ReadOptions,
    store: &dyn Store,
    cache: &Path,
    stamp: Stamp,
    keep: &Keep<'_>,
) -> Result<DataFile, Failure> {
    if let CachePolicy::Dir(directory) = &options.cache {
        make_directory(store, directory)?;
    }
    let mut writer = CacheWriter::create(store, cache)?;
    let (facts, dictionary) = read_into::<Failure>(input, options, keep, &mut |block| Ok(writer.block(&block)?))?;
    Ok(DataFile::of_cache(input, writer.finish(stamp, facts, dictionary)?, false))
}

/// Makes `directory` and what it stands in, as far as they are not there.
fn make_directory(store: &dyn Store, directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make_directory(store, parent)?;
    }
    match store.create_dir(directory) {
        // Another run was faster.
        Err(_) if directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Reads the text of `input`, hands its blocks to `put`, and tells the rest; text that can be read only once but must be
/// read twice is kept as `keep` says.
fn read_into<E: From<Error> + Send>(
    input: &Input,
    options: &ReadOptions,
    keep: &Keep<'_>,
    put: &mut (dyn FnMut(OwnedBlock) -> Result<(), E> + Send),
) -> Result<(Facts, Dictionary), E> {
    let Some((mut source, format)) = open(input, options, keep.stop())? else {
        return Err(Error::data(input.to_string(), "holds no rows").into());
    };
    let (hashing, backend) = (options.hashing.clone(), options.backend());
    let (parser, columns, words) = match format {
        Format::Libsvm => (Parser::Libsvm(libsvm::Plan { hashing, backend }), None, false),
        Format::Libffm => (Parser::Libffm(libffm::Plan { hashing }), None, false),
        Format::Vw => (Parser::Vw(vw::Plan { ignored: options.ignore.clone(), hashing, backend }), None, false),
        Format::Csv => {
            // Gone through twice: for what its columns are, then for its rows.
            source.keep_if_once(keep)?;
            let (mut plan, columns, words) = columns::learn(&mut source, options)?;
            source.rewind()?;
            plan.hashing = hashing;
            (Parser::Csv(plan), Some(columns), words)
        }
        Format::Text => {
            let grams = options.grams.unwrap_or_default();
            (Parser::Text(text::Plan { grams, hashing, backend }), None, true)
        }
        Format::Idx => (Parser::Idx(Images::open(&mut source, options)?), None, false),
    };
    let read = ingest(&mut source, &parser, words, options.skip_bad_rows, put)?;
    let mut facts = read.sums.finish(read.classes, read.rounded, columns);
    facts.namespaces = (format == Format::Vw).then_some(read.spaces);
    facts.plain_nonzeros = options.hashing.as_ref().map(|_| read.plain);
    facts.documents = (format == Format::Text).then_some(read.documents);
    facts.skipped = read.skipped;
    Ok((facts, read.keys))
}
