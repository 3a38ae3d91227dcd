//! `hogback bench`.

use std::time::Instant;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{kernels, print, say};
use crate::bench::{Bench, Cpus, Figure, Question, Spread};
use crate::error::{Error, Result};
use crate::report::format::{duration, number};
use crate::report::log::RunLog;
use crate::sys::signal::StopRequest;

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Flags {
    /// What to measure; everything if nothing is named
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<Question>,
    /// Print a JSON object a line: start, a figure for each ratio, summary; speeds are a second
    #[arg(long)]
    json: bool,
    /// Take sizes so small that it is done at once, to see that everything runs: the figures mean nothing
    #[arg(long)]
    quick: bool,
}

const AFTER: &str = "\
Every figure is the speed of one way of doing something divided by that of another, its limit: run in turns in this \
process, medians with the lowest and the highest. What two threads do together is measured between two looks at how far \
apart their cores are: near (a cache line goes there and back within 200 ns) or far. Samples are dropped where the looks \
differ, or where threads did not have their cores all the time; a figure for which none is left says so: unsettled.

Everything takes up to a minute, 2 GB of memory, and 200 MB in TMPDIR. Let the machine do nothing else.";

/// The share of the cpus that others may have before figures suffer.
const NOISE: f64 = 0.02;

#[derive(Serialize)]
struct Start {
    kernels: &'static str,
    cpus: Option<(usize, usize)>,
    samples: usize,
}

#[derive(Serialize)]
struct Summary {
    figures: u64,
    seconds: f64,
    /// The share of all cpus' time that other processes had.
    others: Option<f64>,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let begun = Instant::now();
    let meanwhile = Cpus::now();
    let stop = StopRequest::install().map_err(|error| Error::Engine(format!("cannot listen to signals: {error}")))?;
    let bench = Bench::new(kernels()?, flags.quick, stop)?;
    let (backend, cpus, samples) = (bench.backend().name(), bench.cpus(), bench.samples());
    let log = if flags.json { RunLog::stdout() } else { RunLog::off() };
    log.event("start", &Start { kernels: backend, cpus, samples })?;
    if cpus.is_none() {
        say("note: one core: what two threads do together is left out");
    }
    if !flags.json {
        let on = cpus.map_or(String::new(), |(one, other)| format!(", cpus {one} and {other}"));
        print(&format!("kernels {backend}{on}; medians of {samples} (lowest to highest)\n"))?;
    }
    let questions = if flags.what.is_empty() { Question::value_variants() } else { &flags.what };
    let mut figures = 0;
    for question in questions {
        if !flags.json {
            print(&format!("\n{:<75}{:<21}{:<15}limit\n", question.name(), "ratio", "speed"))?;
        }
        question.ask(&bench, &mut |case| {
            for figure in case.measure(&bench)? {
                figures += 1;
                log.event("figure", &figure)?;
                if !flags.json {
                    print(&line(&figure, samples))?;
                }
            }
            Ok(())
        })?;
    }
    let (seconds, others) = (begun.elapsed().as_secs_f64(), meanwhile.others());
    if let Some(share) = others.filter(|&share| share > NOISE) {
        let percent = 100.0 * share;
        say(&format!("warning: other processes had {percent:.0}% of the cpus meanwhile: these figures are noisy"));
    }
    if flags.json {
        return log.event("summary", &Summary { figures, seconds, others });
    }
    print(&format!("\n{} in {}\n", number(figures, "figure"), duration(seconds)))
}

/// A figure as a line of the table; `wanted` is how many samples it should be of.
fn line(figure: &Figure, wanted: usize) -> String {
    let Figure { case, way, against, placement, ratio, speed, limit, samples, counted, .. } = figure;
    let place = placement.map(|place| format!(" [{}]", place.name()));
    let few = (*samples < wanted).then(|| format!(" [of {samples}]"));
    let what = format!("{case}: {way} / {against}{}{}", place.unwrap_or_default(), few.unwrap_or_default());
    let Spread { median, low, high } = ratio;
    let places = if *median < 0.1 { 3 } else { 2 };
    let ratio = format!("{median:.places$} ({low:.places$}-{high:.places$})");
    format!("  {what:<72} {ratio:<20} {:<14} {}\n", counted.show(speed.median), counted.show(limit.median))
}
