//! `hogback generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::print;
use super::values::{count, exponent, whole};
use crate::error::{Error, Result};
use crate::generate::{Data, Kind, Preset, Request, Text, generate};
use crate::store::Disk;
use crate::sys::signal::StopRequest;

#[derive(Debug, Args)]
#[command(mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg }))]
pub(super) struct Flags {
    /// What the names of the files begin with: OUT.train.svm, OUT.test.svm and so on
    out: PathBuf,
    /// A set with a name; the flags below change what they name
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "kind")]
    preset: Option<Preset>,
    /// What rows are like
    #[arg(long, value_enum, value_name = "KIND", default_value = "sparse")]
    kind: Name,
    /// Rows to learn from [default: 100000]
    #[arg(long, value_parser = count::<u64>, value_name = "N")]
    rows: Option<u64>,
    /// Rows to measure with; 0 for none [default: 10000]
    #[arg(long, value_parser = whole::<u64>, value_name = "N")]
    test_rows: Option<u64>,
    /// How many features there are (sparse), or users and items, five to one (ratings) [default: 65536, ratings 120000]
    #[arg(long, value_parser = count::<u64>, value_name = "N")]
    features: Option<u64>,
    /// Features of a row on average (sparse) [default: 60]
    #[arg(long, value_parser = count::<u64>, value_name = "N")]
    nnz: Option<u64>,
    /// The exponent of Zipf's law, by which features are frequent (sparse, ctr) [default: 1.1]
    #[arg(long, value_parser = exponent, value_name = "S")]
    zipf: Option<f64>,
    /// Other seeds give other rows of the same truth [default: 1]
    #[arg(long, value_parser = whole::<u64>, value_name = "N")]
    seed: Option<u64>,
    /// The only format to write [default: all that the kind of data has]
    #[arg(long, value_enum)]
    format: Option<Text>,
    /// Replace files of these names
    #[arg(long)]
    overwrite: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Texts: features of Zipf's law, a logistic model
    Sparse,
    /// Clicks: 24 columns of categories, a factorization machine
    Ctr,
    /// Half stars from users for items, eight factors and noise
    Ratings,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let stop = StopRequest::install().map_err(|error| Error::Engine(format!("cannot listen to signals: {error}")))?;
    let request =
        Request { data: data(flags)?, format: flags.format, out: flags.out.clone(), overwrite: flags.overwrite };
    print(&generate(&request, &Disk, &stop)?)
}

/// The rows that the flags ask for.
fn data(flags: &Flags) -> Result<Data> {
    let mut data = flags.preset.map_or_else(|| usual(flags.kind), Preset::data);
    data.rows = flags.rows.unwrap_or(data.rows);
    data.test_rows = flags.test_rows.unwrap_or(data.test_rows);
    data.seed = flags.seed.unwrap_or(data.seed);
    let (mut features, mut nnz, mut zipf) = (flags.features, flags.nnz, flags.zipf);
    match &mut data.kind {
        Kind::Sparse { features: all, nonzeros, zipf: exponent } => {
            *all = features.take().unwrap_or(*all);
            *nonzeros = nnz.take().unwrap_or(*nonzeros);
            *exponent = zipf.take().unwrap_or(*exponent);
        }
        Kind::Ctr { zipf: exponent } => *exponent = zipf.take().unwrap_or(*exponent),
        Kind::Ratings { users, items } => {
            if let Some(all) = features.take() {
                *items = all.div_ceil(6);
                *users = all - *items;
            }
        }
    }
    // What nothing took means nothing here.
    let left = [("--features", features.is_some()), ("--nnz", nnz.is_some()), ("--zipf", zipf.is_some())];
    match left.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::Usage(format!("{flag} has no meaning for this kind of data (see --help)"))),
        None => Ok(data),
    }
}

/// What is made where no set is named.
fn usual(kind: Name) -> Data {
    let preset = match kind {
        Name::Sparse => Preset::P16,
        Name::Ctr => Preset::Pctr,
        Name::Ratings => Preset::Prat,
    };
    Data { rows: 100_000, test_rows: 10_000, seed: 1, ..preset.data() }
}
