//! `replay`: strategies on tables, many runs of each.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use hogback::Error;
use hogback::search::space::Space;
use hogback::search::policy::{Policy, SharedPolicy};
use hogback::search::strategy::{Evolution, LocalSearch, RandomSearch, Reinforce, Strategy};
use hogback_kernels::Backend;
use rayon::prelude::*;

use crate::file;
use crate::contest::{self, LOOKS, Look};
use crate::statistics::mean;
use crate::synthetic;
use crate::table::Table;

#[derive(Args)]
pub struct Arguments {
    /// Tables
    tables: Vec<PathBuf>,
    /// Replay on so many landscapes by a formula
    #[arg(long, value_name = "N", default_value_t = 0)]
    synthetic: u64,
    /// Which strategies, with their settings: random, evolution:100:25, local:10
    #[arg(long, value_delimiter = ',', default_value = "random,evolution:100:25,local:10")]
    strategies: Vec<String>,
    /// Runs of each
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// Evaluations of a run
    #[arg(long, default_value_t = 2000)]
    until: usize,
    /// Evaluations at a time
    #[arg(long, default_value_t = 2)]
    in_flight: usize,
}

/// A strategy by its name and settings.
fn named<'s>(name: &str, space: &'s Space) -> Option<Box<dyn Strategy + 's>> {
    let mut parts = name.split(':');
    let kind = parts.next()?;
    let numbers: Vec<f64> = parts.filter_map(|part| part.parse().ok()).collect();
    let number = |nth: usize, otherwise: f64| numbers.get(nth).copied().unwrap_or(otherwise);
    Some(match kind {
        "random" => Box::new(RandomSearch::new(space)),
        "evolution" => Box::new(Evolution::new(space, number(0, 100.0) as usize, number(1, 25.0) as usize)),
        "local" => Box::new(LocalSearch::new(space, number(0, 10.0) as usize)),
        _ => return crate::trial::named(name, space),
    })
}

pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut tables: Vec<Table> = (0..arguments.synthetic).into_par_iter().map(synthetic::landscape).collect();
    for path in &arguments.tables {
        tables.push(file::read(path)?);
    }
    let count = LOOKS.iter().filter(|look| **look <= arguments.until).count();
    let mut first: Option<Vec<[Look; LOOKS.len()]>> = None;
    println!("strategy|what|{}|µs", LOOKS.map(|look| look.to_string()).join("|"));
    for name in &arguments.strategies {
        let begun = Instant::now();
        let play = |number: u64| {
            let table = &tables[number as usize % tables.len()];
            let shared;
            let mut strategy: Box<dyn Strategy> = if name.starts_with("reinforce") {
                let policy = Policy::new(&table.space, Backend::best());
                shared = SharedPolicy::new(policy, 1, number).unwrap_or_else(|error| panic!("{error}"));
                Box::new(Reinforce::new(&shared, crate::trial::setting(name)))
            } else {
                named(name, &table.space).unwrap_or_else(|| panic!("there is no strategy {name}"))
            };
            let looks = contest::run(table, &mut *strategy, number, arguments.in_flight, arguments.until);
            looks.map(|look| Look {
                best: 100.0 * (table.best() - look.best),
                tried: 100.0 * (table.best() - look.tried),
                top: 100.0 * (table.best() - look.top),
                last: 100.0 * (table.best() - look.last),
                test: 100.0 * look.test,
            })
        };
        let runs: Vec<[Look; LOOKS.len()]> = (0..arguments.runs).into_par_iter().map(play).collect();
        let seconds = begun.elapsed().as_secs_f64();
        let micros = seconds * 1e6 * 2.0 / (arguments.runs as f64 * arguments.until as f64);
        let line = |what: &str, of: &dyn Fn(&Look) -> f64| {
            let cells = (0..count).map(|nth| {
                let mean = mean(runs.iter().map(|run| of(&run[nth])));
                format!("{:6.3}±{:.3}", mean.mean, mean.half)
            });
            println!("{name:24}|{what}|{}|{micros:.2}", cells.collect::<Vec<_>>().join("|"));
        };
        line("best", &|look| look.best);
        line("tried", &|look| look.tried);
        line("top ", &|look| look.top);
        line("last", &|look| look.last);
        if !arguments.tables.is_empty() {
            line("test", &|look| look.test);
        }
        if let Some(first) = &first {
            let cells = (0..count).map(|nth| {
                let mean = mean(runs.iter().zip(first).map(|(run, first)| run[nth].best - first[nth].best));
                let sign = if mean.mean - mean.half > 0.0 {
                    "-"
                } else if mean.mean + mean.half < 0.0 {
                    "+"
                } else {
                    " "
                };
                format!("{:6.3}±{:.3}{sign}", mean.mean, mean.half)
            });
            println!("{name:24}|diff|{}|", cells.collect::<Vec<_>>().join("|"));
        } else {
            first = Some(runs);
        }
    }
    Ok(())
}
