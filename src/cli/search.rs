//! `hogback search`.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::train::{MODEL, TextFlags, again, told, topology, typed};
use super::values::{class_weights, count, input, inside, inside_half, seconds, whole};
use super::{Caching, Labels, ModelPath, Places, Reading, kernels, say};
use crate::checkpoint::Existing;
use crate::data::{Input, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::LossKind;
use crate::report::format::{count as counted, duration, percent};
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::search::{Found, Policies, Request, Strategies, Summary, search};
use crate::store::Disk;
use crate::sys::signal::StopRequest;
use crate::train::{self, ClassWeights, Ears, Settings};

/// What a search takes where nobody says, in seconds.
const TIME: u64 = 60;

/// What the search is compared with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Control {
    /// Random search of the same budget.
    Random,
}

#[derive(Debug, Args)]
#[command(mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg }))]
pub(super) struct Flags {
    /// The data: paths, `-` for standard input, or a built-in set (@digits)
    #[arg(required = true, value_parser = input)]
    data: Vec<Input>,
    /// Where the model goes [default: ./hogback-model, the one before kept as ./hogback-model.previous]
    #[arg(long, value_name = "DIR")]
    model: Option<ModelPath>,
    /// Go on with the log of an earlier search: what it has tried is not tried again
    #[arg(long)]
    resume: bool,
    /// Replace the model in --model
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    #[command(flatten)]
    searching: Searching,
    #[command(flatten)]
    learning: Learning,
    #[command(flatten)]
    reading: Reading,
    /// CSV columns whose cells are words whatever they look like, as ids are, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Reading")]
    categorical: Vec<String>,
    #[command(flatten)]
    text: TextFlags,
    #[command(flatten)]
    labels: Labels,
    #[command(flatten)]
    caching: Caching,
    #[command(flatten)]
    machine: Places,
    /// Save the policy of reinforce once that many seconds have gone by
    #[arg(long, value_name = "SECS", value_parser = count::<u64>, default_value_t = 30, help_heading = "Machine")]
    checkpoint_every: u64,
    /// Print the run as JSON lines on stdout; progress goes to stderr as always
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Search")]
struct Searching {
    /// What is chosen among: mlp, layers over values; sparse, linear models, those with factors and deep ones; or a file of decisions
    /// (docs/search.md) [default: mlp where rows have most features, else sparse]
    #[arg(long, value_name = "SPACE")]
    space: Option<PathBuf>,
    /// How models are proposed
    #[arg(long, value_enum, default_value_t)]
    strategy: Strategies,
    /// What the policy of reinforce writes, and how it learns [default: edits of the best model so far, in steps for some hundred trials]
    #[arg(long, value_enum)]
    policy: Option<Policies>,
    /// The most trials [default: as many as there is time for]
    #[arg(long, value_name = "TRIALS", value_parser = count::<usize>)]
    budget: Option<usize>,
    /// What the whole run may take in seconds, the last training and scoring included [default: 60, without end with --budget]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    time: Option<Duration>,
    /// Asynchronous successive halving: all are tried with few passes first, and the best third goes on to three times as many
    #[arg(long)]
    halving: bool,
    /// Passes over the data of a trial [default: 2 to 10 by the rows]
    #[arg(long, value_name = "N", value_parser = count::<u32>)]
    child_passes: Option<u32>,
    /// What a trial may take in seconds before it counts as failed [default: a quarter of --time]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    child_time: Option<Duration>,
    /// R is the accuracy on held-out rows, to this power
    #[arg(long, value_name = "POWER", value_parser = super::values::power, default_value_t = 3.0)]
    reward_power: f64,
    /// How often a model may be tried, each time with another seed
    #[arg(long, value_name = "N", value_parser = count::<usize>, default_value_t = 1)]
    seeds: usize,
    /// Search by random as well, with as much as the search had, to compare with
    #[arg(long, value_enum)]
    control: Option<Control>,
    /// Where the log of trials goes, JSON lines [default: beside the model, NAME.trials.jsonl]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
struct Learning {
    /// What is minimised [default: by the labels]
    #[arg(long, value_enum)]
    loss: Option<LossKind>,
    /// The quantile that --loss quantile predicts [default: 0.5]
    #[arg(long, value_parser = inside, value_name = "Q")]
    quantile: Option<f32>,
    /// What the rows of classes weigh: `balanced`, or factors by name such as yes:10,no:1 [default: 1 each]
    #[arg(long, value_name = "WEIGHTS", value_parser = class_weights)]
    class_weight: Option<ClassWeights>,
    /// The share of the rows that no trial sees, to test the model by; as many again are held out to compare by [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = inside_half)]
    holdout: Option<f64>,
    /// The seed of proposals, held-out rows and trials [default: 0]
    #[arg(long, value_parser = whole::<u64>)]
    seed: Option<u64>,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let stop = StopRequest::install().map_err(|error| Error::io("SIGINT", "listen to signals", error))?;
    let progress = Progress::new(ProgressMode::detect(flags.quiet));
    let log = if flags.json { RunLog::stdout() } else { RunLog::off() };
    let quiet = flags.quiet;
    let request = request(flags)?;
    let ears = Ears { progress: &progress, log: &log, stop: &stop };
    let summary = search(&request, &topology()?, &Disk, ears).map_err(|error| match error {
        Error::Interrupted { what, saved } => {
            let arguments = env::args_os().map(|argument| argument.to_string_lossy().into_owned());
            let (how, again) = if saved { ("go on with", again(arguments)) } else { ("run again", typed(arguments)) };
            Error::Interrupted { what: format!("{what}; {how}: {again}"), saved }
        }
        other => other,
    })?;
    if !quiet {
        conclude(&summary);
    }
    Ok(())
}

fn request(flags: Flags) -> Result<Request> {
    let existing = match (&flags.model, flags.overwrite) {
        (_, true) => Existing::Replace,
        (Some(_), _) => Existing::Refuse,
        (None, _) => Existing::KeepPrevious,
    };
    if flags.data.iter().filter(|&input| *input == Input::Stdin).count() > 0 {
        let what = "a search reads its data more than once: write what comes from standard input (-) into a file";
        return Err(Error::Usage(what.to_owned()));
    }
    let Searching { budget, time, strategy, policy, .. } = flags.searching;
    if policy.is_some() && strategy != Strategies::Reinforce {
        return Err(Error::Usage("--policy is of --strategy reinforce: leave it out, or name that".to_owned()));
    }
    let train = train::Request {
        read: ReadOptions {
            categorical: flags.categorical,
            grams: flags.text.grams(),
            ..flags.reading.options(flags.labels.file(), flags.caching.policy())?
        },
        model: flags.model.unwrap_or_else(|| PathBuf::from(MODEL)),
        existing,
        settings: Settings {
            loss: flags.learning.loss,
            quantile: flags.learning.quantile,
            class_weights: flags.learning.class_weight,
            holdout: flags.learning.holdout,
            seed: flags.learning.seed,
            min_count: flags.text.min_count,
            ..Settings::default()
        },
        machine: flags.machine.request(),
        checkpoint_every: Duration::from_secs(flags.checkpoint_every),
        ..train::Request::new(flags.data, kernels()?)
    };
    Ok(Request {
        train,
        space: flags.searching.space,
        strategy,
        policy,
        budget,
        time: time.or((budget.is_none()).then(|| Duration::from_secs(TIME))),
        halving: flags.searching.halving,
        child_passes: flags.searching.child_passes,
        child_time: flags.searching.child_time,
        power: flags.searching.reward_power,
        seeds: flags.searching.seeds,
        control: flags.searching.control.is_some(),
        log: flags.searching.log,
        resume: flags.resume,
    })
}

/// The last lines a person sees.
fn conclude(summary: &Summary) {
    let found = |name: &str, found: &Found| {
        let trials = counted(found.trials as u64);
        let failed =
            if found.failed > 0 { format!(", {} failed", counted(found.failed as u64)) } else { String::new() };
        let tested = found.test.as_ref().map(told).unwrap_or_default();
        let between = found
            .interval
            .map_or_else(String::new, |[low, high]| format!(" (95 %: {} to {})", percent(low), percent(high)));
        let [low, high] = found.last_interval;
        say(&format!("{name}: {tested} on rows it has not seen{between}"));
        say(&format!(
            "  {trials} trials{failed}, {:.0} a second; mean R of the last hundred {:.4} ({low:.4} to {high:.4})",
            found.trials_per_second, found.last_reward
        ));
    };
    say("");
    found(summary.strategy, &summary.found);
    if let Some(control) = &summary.control {
        found("random", control);
    }
    say(&format!("one like it: hogback train DATA {}", summary.found.flags));
    say(&format!("saved {} in {}; trials in {}", summary.model, duration(summary.seconds.total), summary.log));
}
