//! `replay`: strategies on tables, many runs of each.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use hogback::error::{Error, Result};
use rayon::prelude::*;

use crate::contest::{self, LOOKS, Look};
use crate::entrant::Entrant;
use crate::statistics::{Mean, mean};
use crate::table::Table;
use crate::{file, synthetic};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Tables, as `make` writes them
    tables: Vec<PathBuf>,
    /// Replay on so many landscapes by a formula as well
    #[arg(long, value_name = "N", default_value_t = 0)]
    synthetic: u64,
    /// Strategies, each with its settings if it has any: random, evolution:POPULATION:TOURNAMENT, local, thompson, reinforce,
    /// whole:RATE (REINFORCE that writes whole architectures), paper. All others are compared with the first
    #[arg(long, value_delimiter = ',', default_value = "thompson,reinforce,local,evolution:25:8,random")]
    strategies: Vec<String>,
    /// Runs of each
    #[arg(long, default_value_t = 1000)]
    runs: u64,
    /// Evaluations of a run, 50 or more
    #[arg(long, default_value_t = 2000)]
    until: usize,
    /// Evaluations at a time
    #[arg(long, default_value_t = 2)]
    in_flight: usize,
}

/// What is told of a look.
type Of = fn(&Look) -> f64;

/// What is told, in words.
const TOLD: [(&str, Of); 4] = [
    ("the best", |look| look.best),
    ("the best of the ten best, tried with all seeds", |look| look.tried),
    ("the mean of the 15 best", |look| look.top),
    ("the mean of the last 100", |look| look.last),
];

/// A strategy, what its runs have come to by look, in points below the best of the table, and the microseconds of a trial.
type Played = (String, Vec<Vec<Look>>, f64);

/// Replays strategies.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let entrants = arguments.strategies.iter().map(|name| Entrant::named(name)).collect::<Result<Vec<_>>>()?;
    if arguments.synthetic > 0 {
        let tables: Vec<Table> = (0..arguments.synthetic).into_par_iter().map(synthetic::landscape).collect();
        println!("## {} landscapes of {} architectures\n", tables.len(), tables[0].len());
        show(&play(&tables, arguments, &entrants)?);
    }
    for path in &arguments.tables {
        let table = file::read(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        println!("## {name}: {} architectures, the best {:.2} %\n", table.len(), 100.0 * table.best());
        show(&play(&[table], arguments, &entrants)?);
    }
    Ok(())
}

fn play(tables: &[Table], arguments: &Arguments, entrants: &[Entrant]) -> Result<Vec<Played>> {
    let looks: Vec<usize> = LOOKS.into_iter().filter(|look| *look <= arguments.until).collect();
    let trials = looks.last().copied().unwrap_or(1) as f64 * arguments.runs as f64;
    let mut played = Vec::new();
    for (entrant, name) in entrants.iter().zip(&arguments.strategies) {
        let begun = Instant::now();
        let run = |number: u64| {
            let table = &tables[number as usize % tables.len()];
            let shared = entrant.shared(&table.space, number)?;
            let mut strategy = entrant.strategy(&table.space, shared.as_ref());
            Ok(contest::run(table, &mut *strategy, number, arguments.in_flight, &looks))
        };
        let runs = (0..arguments.runs).into_par_iter().map(run).collect::<std::io::Result<Vec<_>>>();
        let runs = runs.map_err(|error| Error::io(Path::new(name), "reserve memory for the policy", error))?;
        let micros = begun.elapsed().as_secs_f64() * 1e6 * rayon::current_num_threads() as f64 / trials;
        played.push((name.clone(), runs, micros));
    }
    Ok(played)
}

fn show(played: &[Played]) {
    let Some((first, reference, _)) = played.first() else { return };
    let looks = &LOOKS[..reference[0].len()];
    let head = |what: &str, more: &str| {
        println!("| {what} | {}{more}", looks.iter().map(|look| format!("{look} | ")).collect::<String>());
        println!("|---|{}", "---|".repeat(looks.len() + usize::from(!more.is_empty())));
    };
    for (what, of) in TOLD {
        println!("Points below the best of all, of {what}:\n");
        head("evaluations", "µs a trial |");
        for (name, runs, micros) in played {
            let cells = (0..looks.len()).map(|nth| {
                let Mean { mean, half } = mean(runs.iter().map(|run| of(&run[nth])));
                format!("{mean:.2} ± {half:.2} | ")
            });
            println!("| {name} | {}{micros:.1} |", cells.collect::<String>());
        }
        println!();
    }
    for (what, of) in TOLD {
        println!("By how many points {first} is ahead in {what}, run by run:\n");
        head("evaluations", "");
        for (name, runs, _) in &played[1..] {
            let cells = (0..looks.len()).map(|nth| {
                let Mean { mean, half } =
                    mean(runs.iter().zip(reference).map(|(run, first)| of(&run[nth]) - of(&first[nth])));
                let bold = if mean.abs() > half { "**" } else { "" };
                format!("{bold}{mean:+.3}{bold} ± {half:.3} | ")
            });
            println!("| {name} | {}", cells.collect::<String>());
        }
        println!();
    }
}
