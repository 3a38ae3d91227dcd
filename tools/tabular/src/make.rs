//! `make`: every model of a space trained on some data, and a table of what each came to.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use hogback::data::Input;
use hogback::error::Error;
use hogback::model::configuration::Kind;
use hogback::search::space::Space;
use hogback::search::table::{Tabulated, Worth, tabulate};

use crate::file::{self, Head};
use crate::table::SEEDS;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The data: a path, or a built-in set (@digits)
    data: String,
    /// The space, a file of decisions of which `kind` is mlp
    #[arg(long)]
    space: PathBuf,
    /// Where the table goes
    #[arg(long)]
    out: PathBuf,
    /// Passes over the data of a model
    #[arg(long, default_value_t = 3)]
    passes: u32,
    /// The share of rows that R is of
    #[arg(long, default_value_t = 0.4)]
    valid: f64,
    /// The share of rows that neither R is of nor models learn
    #[arg(long, default_value_t = 0.1)]
    test: f64,
    /// Threads that train
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Makes a table.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let text = std::fs::read_to_string(&arguments.space)
        .map_err(|error| Error::io(&arguments.space, "read the space", error))?;
    let space = Space::parse(&text, &arguments.space)?;
    let all = space.all().count();
    let wanted = Tabulated {
        data: vec![Input::parse(&arguments.data)?],
        space: &space,
        settings: &|architecture| space.settings(architecture, 1),
        kind: Kind::Mlp,
        passes: arguments.passes,
        shares: (arguments.valid, arguments.test),
        seeds: SEEDS as u64,
        threads: arguments.threads,
    };
    let worths = Mutex::new(vec![[Worth::default(); SEEDS]; all]);
    let (done, begun) = (AtomicUsize::new(0), Instant::now());
    tabulate(&wanted, &|row, seed, worth| {
        if let Ok(mut worths) = worths.lock() {
            worths[row][seed as usize] = worth;
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(1000) {
            eprintln!("{done} of {} models, {:.0} s", all * SEEDS, begun.elapsed().as_secs_f64());
        }
    })?;
    let worths = worths.into_inner().unwrap_or_default();
    let head = Head {
        space: text,
        data: arguments.data.clone(),
        passes: arguments.passes,
        valid: arguments.valid,
        test: arguments.test,
    };
    file::write(&arguments.out, &head, &worths)
}
