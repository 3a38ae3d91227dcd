//! The command line: flags resolved into one call into the library, for each command.

mod bench;
mod eval;
mod export;
mod generate;
mod inspect;
mod predict;
mod search;
mod spec;
mod topology;
mod train;
mod values;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use hogback_kernels::Backend;
use values::count;

use crate::data::{CachePolicy, Format, LabelFile, ReadOptions};
use crate::engine::plan;
use crate::error::{Error, Result};
use crate::report::format::number;

/// Trains models on every core of one machine, without a lock.
///
/// DATA is a path, several paths, `-` for standard input, or a built-in set such as @adult. Files may be libsvm, libffm, CSV, Vowpal
/// Wabbit's text or IDX images, plain, .gz or .zst.
#[derive(Debug, Parser)]
#[command(name = "hogback", version, max_term_width = 120, after_help = AFTER)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Begin with:  hogback train @adult
Exit codes:  0 done, 1 failed, 2 wrong usage, 3 training diverged, 130 interrupted (what was learned is saved)
HOGBACK_KERNELS=scalar|avx2|avx512|neon forces an instruction set";

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a model from data and writes a model directory
    Train(Box<train::Flags>),
    /// Searches for the model to train, and trains it
    Search(Box<search::Flags>),
    /// Prints one prediction a line, in input order
    Predict(predict::Flags),
    /// Prints the metrics of a model on labelled data
    Eval(eval::Flags),
    /// Shows what a model is and its heaviest weights by name
    Inspect(inspect::Flags),
    /// Writes a model's weights and factor vectors alone, as text or as one safetensors file
    Export(export::Flags),
    /// Shows nodes, cores and caches, and the S, K and m that train would choose here
    Topology(topology::Flags),
    /// Makes data whose best possible loss is known
    Generate(generate::Flags),
    /// Measures each stage beside its limit on this machine, within a minute
    Bench(bench::Flags),
}

/// What the process was asked to do, by its command line and by the spec that this names. Prints help, or the version, and ends the
/// process where that is what it was.
///
/// # Errors
/// [`Error::Usage`], in one line; [`Error::Io`] where the spec cannot be read.
pub fn parse() -> Result<Arguments> {
    let typed: Vec<OsString> = env::args_os().collect();
    let matches = Arguments::command().try_get_matches_from(&typed).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.exit()
        }
        _ => Error::Usage(format!("{} (see --help)", one_line(&error.to_string()))),
    })?;
    let matches = match matches.subcommand() {
        Some(("train", flags)) if let Some(spec) = flags.get_one::<PathBuf>("spec") => with_spec(spec, &typed, flags)?,
        _ => matches,
    };
    Arguments::from_arg_matches(&matches).map_err(wrong)
}

/// The command line `typed` to train, whose flags are `flags`, with the keys of `spec` in it. Says which keys were left out.
fn with_spec(spec: &Path, typed: &[OsString], flags: &ArgMatches) -> Result<ArgMatches> {
    let mut command = Arguments::command();
    command.build();
    let train = command.find_subcommand("train").cloned().unwrap_or_default();
    let topology = train::topology()?;
    let parse = |arguments: &[OsString]| {
        let matches = command.clone().try_get_matches_from(arguments).map_err(wrong)?;
        if let Some((_, flags)) = matches.subcommand() {
            train::check(flags, &topology)?;
        }
        Ok(matches)
    };
    let (matches, notes) = spec::with_spec(spec, typed, flags, &train, parse)?;
    if !flags.get_flag("quiet") {
        notes.iter().for_each(|note| say(note));
    }
    Ok(matches)
}

/// What clap refuses.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn wrong(error: clap::Error) -> Error {
    Error::Usage(one_line(&error.to_string()))
}

/// Clap's message in one line: its paragraphs apart, without those that --help says better.
fn one_line(message: &str) -> String {
    let paragraphs = message.trim_start_matches("error: ").split("\n\n");
    let told = paragraphs.filter(|text| !text.starts_with("Usage: ") && !text.starts_with("For more information"));
    told.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
}

/// Runs a command.
///
/// # Errors
/// Whatever ended it early.
pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Train(flags) => train::run(*flags),
        Command::Search(flags) => search::run(*flags),
        Command::Predict(flags) => predict::run(&flags),
        Command::Eval(flags) => eval::run(&flags),
        Command::Inspect(flags) => inspect::run(&flags),
        Command::Export(flags) => export::run(&flags),
        Command::Topology(flags) => topology::run(&flags),
        Command::Generate(flags) => generate::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
    }
}

/// How data is read, in every command that reads some.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
struct Reading {
    /// The format of the data; recognised by name and first lines if left out
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "libsvm", "libffm", "csv", "vw", "text", "idx"], default_value = "auto", hide_default_value = true)]
    format: String,
    /// The CSV column that is the label [default: one called label, target, class or y]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// CSV columns, or VW namespaces, to leave out, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Leave bad rows out and count them; predict prints nan for each
    #[arg(long)]
    skip_bad_rows: bool,
}

impl Reading {
    fn options(&self, labels: LabelFile, cache: CachePolicy) -> Result<ReadOptions> {
        let format = match self.format.as_str() {
            "libsvm" => Some(Format::Libsvm),
            "libffm" => Some(Format::Libffm),
            "csv" => Some(Format::Csv),
            "idx" => Some(Format::Idx),
            "vw" => Some(Format::Vw),
            "text" => Some(Format::Text),
            _ => None,
        };
        let (label, ignore) = (self.label.clone(), self.ignore.clone());
        let (skip_bad_rows, kernels) = (self.skip_bad_rows, Some(kernels()?));
        Ok(ReadOptions { format, label, ignore, labels, skip_bad_rows, cache, kernels, ..ReadOptions::default() })
    }
}

/// Where the labels of images are, in the commands that want some.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
struct Labels {
    /// The labels of IDX images [default: the file beside them whose name says labels for images]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl Labels {
    fn file(&self) -> LabelFile {
        self.labels.clone().map_or(LabelFile::Beside, LabelFile::At)
    }
}

/// Where caches go, in the commands that read whole files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
struct Caching {
    /// Where the binary caches of the data go [default: beside the data; the temporary one of a pipe into TMPDIR]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Write and read no cache: the rows stay in memory
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

impl Caching {
    fn policy(self) -> CachePolicy {
        match (self.cache, self.no_cache) {
            (Some(directory), _) => CachePolicy::Dir(directory),
            (None, true) => CachePolicy::Off,
            (None, false) => CachePolicy::Beside,
        }
    }
}

/// Who works where, in the commands that run the engine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
struct Places {
    /// S, the parameter servers [default: the number of nodes]
    #[arg(long, value_name = "S", value_parser = count::<usize>)]
    shards: Option<usize>,
    /// K, the controllers [default: as many as it takes to use every core]
    #[arg(long, value_name = "K", value_parser = count::<usize>)]
    controllers: Option<usize>,
    /// m, the children of each controller [default: the cores of a node, up to 8]
    #[arg(long, value_name = "M", value_parser = count::<usize>)]
    children: Option<usize>,
    /// NUMA nodes to use; a machine with fewer is split
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    nodes: Option<usize>,
}

impl Places {
    fn request(&self) -> plan::Request {
        let Self { shards, controllers, children, nodes } = *self;
        plan::Request { shards, controllers, children, nodes }
    }
}

/// The instruction set to use: the best there is, or what HOGBACK_KERNELS says.
fn kernels() -> Result<Backend> {
    let Some(wanted) = std::env::var_os("HOGBACK_KERNELS") else { return Ok(Backend::best()) };
    let wanted = wanted.to_string_lossy();
    Backend::named(&wanted).ok_or_else(|| {
        let names: Vec<_> = Backend::all().map(Backend::name).collect();
        Error::Usage(format!("HOGBACK_KERNELS={wanted}: this machine has {}", names.join(", ")))
    })
}

/// A model directory argument.
type ModelPath = PathBuf;

/// Says something on stderr; where that is gone there is nobody left to tell.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says how many values of the data the model had no use for, if any.
fn ignored(unknown_keys: u64) {
    if unknown_keys > 0 {
        let values = number(unknown_keys, "value");
        say(&format!("note: {values} of features that the model does not know: ignored"));
    }
}

/// Prints the result of a command on stdout. Whoever closes it has seen enough.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("standard output", "write", error)),
        _ => Ok(()),
    }
}
