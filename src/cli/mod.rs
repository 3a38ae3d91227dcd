//! The command line: flags resolved into one call into the library, for each command.

mod eval;
mod predict;
mod topology;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hogback_kernels::Backend;

use crate::data::{CachePolicy, Format, Input, ReadOptions};
use crate::error::{Error, Result};

/// Trains models on every core of one machine, without a lock.
///
/// DATA is a path, several paths, `-` for standard input, or a built-in set such as @adult. Files may be libsvm or CSV, plain, .gz or
/// .zst.
#[derive(Debug, Parser)]
#[command(name = "hogback", version, max_term_width = 120, after_help = AFTER)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Begin with:  hogback train @adult
Exit codes:  0 done, 1 failed, 2 wrong usage, 3 training diverged, 130 interrupted (what was learned is saved)
HOGBACK_KERNELS=scalar|avx2|avx512 forces an instruction set";

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a model from data and writes a model directory
    Train(Box<train::Flags>),
    /// Prints one prediction a line, in input order
    Predict(predict::Flags),
    /// Prints the metrics of a model on labelled data
    Eval(eval::Flags),
    /// Shows nodes, cores and caches, and the S, K and m that train would choose here
    Topology(topology::Flags),
}

/// Runs a command.
///
/// # Errors
/// Whatever ended it early.
pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Train(flags) => train::run(*flags),
        Command::Predict(flags) => predict::run(&flags),
        Command::Eval(flags) => eval::run(&flags),
        Command::Topology(flags) => topology::run(flags),
    }
}

/// How data is read, in every command that reads some.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
struct Reading {
    /// The format of the data; recognised by name and first lines if left out
    #[arg(long, value_name = "FORMAT", value_parser = ["auto", "libsvm", "csv"], default_value = "auto", hide_default_value = true)]
    format: String,
    /// The CSV column that is the label [default: one called label, target, class or y]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// CSV columns to leave out, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<String>,
}

impl Reading {
    fn options(&self, cache: CachePolicy) -> ReadOptions {
        let format = match self.format.as_str() {
            "libsvm" => Some(Format::Libsvm),
            "csv" => Some(Format::Csv),
            _ => None,
        };
        ReadOptions { format, label: self.label.clone(), ignore: self.ignore.clone(), cache }
    }
}

/// Parses a DATA argument.
fn input(text: &str) -> Result<Input, String> {
    Input::parse(text).map_err(|error| error.to_string())
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

/// Prints a notice of a command that has no progress display.
fn notice(text: &str) {
    eprintln!("{text}");
}
