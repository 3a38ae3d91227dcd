//! `hogback train`.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches};

use super::values::{class_weights, count, input, inside, not_negative, positive, share, share_of_units, skip, whole};
use super::{Caching, Labels, ModelPath, Places, Reading, kernels, say, wrong};
use crate::checkpoint::Existing;
use crate::data::{BITS, Chars, Grams, Hashing, Input, Interaction, MOST_WORDS, ReadOptions};
use crate::engine::plan::Plan;
use crate::engine::schedule::Schedule;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::model::configuration::{Activation, Kind, LossKind, Optimizer};
use crate::report::format::{duration, percent};
use crate::report::log::RunLog;
use crate::report::metrics::Metrics;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Disk;
use crate::sys::pin::allowed_cpus;
use crate::sys::signal::StopRequest;
use crate::train::{CHECKPOINT_EVERY, ClassWeights, Consistency, Ears, Request, Settings, Summary, train};

/// Where the model goes when nobody says.
pub(super) const MODEL: &str = "hogback-model";
/// Said instead of the sizes of hidden layers.
const NO_LAYERS: &str = "none";

// Numbers below 0 are refused by the flag that has them, not taken for flags.
#[derive(Debug, Args)]
#[command(mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg }))]
pub(super) struct Flags {
    /// The data: paths, `-` for standard input, or a built-in set (@adult)
    #[arg(required_unless_present = "spec", value_parser = input)]
    data: Vec<Input>,
    /// A file of flags: `passes = 5` in it is --passes 5, `data = ["a.svm"]` the data; what is typed comes first
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Where the model goes [default: ./hogback-model, the one before kept as ./hogback-model.previous]
    #[arg(long, value_name = "DIR")]
    model: Option<ModelPath>,
    /// Go on with the model in --model: its settings, more data or more passes
    #[arg(long)]
    resume: bool,
    /// Replace the model in --model
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    #[command(flatten)]
    learning: Learning,
    #[command(flatten)]
    stopping: Stopping,
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
    hashing: HashingFlags,
    #[command(flatten)]
    caching: Caching,
    #[command(flatten)]
    machine: Machine,
    /// Print the run as JSON lines on stdout; progress goes to stderr as always
    #[arg(long)]
    json: bool,
    /// Print nothing but errors
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
struct Learning {
    /// The family of the model: linear; fm, a factorization machine, where features meet each other by vectors; ffm, field-aware, with
    /// vectors for each field (libffm, VW namespaces, CSV columns); mlp, layers over the values; deep, fm with layers over the vectors of
    /// fields; text, layers over the mean of the vectors of words [default: linear]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Numbers in a vector of fm, ffm and deep [default: 4]
    #[arg(long, value_name = "K", value_parser = count::<u16>)]
    rank: Option<u16>,
    /// Numbers in the vector of a word of text [default: 50]
    #[arg(long, value_name = "D", value_parser = count::<u16>, conflicts_with = "rank")]
    dim: Option<u16>,
    /// The outputs of each hidden layer of mlp, deep and text, separated by commas; none is a single layer [default: 256,128 for mlp, 64,32 for deep, none for text]
    #[arg(long, value_name = "SIZES", value_parser = size, value_delimiter = ',')]
    hidden: Option<Vec<u32>>,
    /// Layers that also see what came out of an earlier one, beside that of the layer before, separated by commas: 0-2 lets the second hidden
    /// layer see what goes in, 1-3 the third what came out of the first; the layer behind the last hidden one is the output [default: none]
    #[arg(long, value_name = "FROM-TO", value_parser = skip, value_delimiter = ',')]
    skips: Option<Vec<(usize, usize)>>,
    /// What stands behind each hidden layer [default: relu]
    #[arg(long, value_enum)]
    activation: Option<Activation>,
    /// The share of the units of hidden layers that are left out in learning [default: 0.1 for mlp of classes, 0.2 for deep, else 0]
    #[arg(long, value_name = "SHARE", value_parser = share_of_units)]
    dropout: Option<f32>,
    /// Rows in a batch of mlp, deep and text; rates are for 64 and follow the size [default: 64; for mlp by the rows, 16 to 256]
    #[arg(long, value_name = "ROWS", value_parser = count::<u16>)]
    batch: Option<u16>,
    /// deep: only weights beside the layers, no vectors that meet (wide & deep)
    #[arg(long)]
    wide: bool,
    /// What is minimised; hinge learns several classes one against all others [default: by the labels: logistic for two, softmax for
    /// words or a few whole numbers, else squared]
    #[arg(long, value_enum)]
    loss: Option<LossKind>,
    /// The quantile that --loss quantile predicts [default: 0.5]
    #[arg(long, value_parser = inside, value_name = "Q")]
    quantile: Option<f32>,
    /// How gradients move weights, of mlp, deep and text the layers' [default: adagrad; ftrl with --l1; adam for layers]
    #[arg(long, value_enum)]
    optimizer: Option<Optimizer>,
    /// The learning rate, relative to the size of the rows [default: 1; for squared and poisson 0.5, for hinge of several classes 0.25; with fm and ffm twice as much]; with layers theirs, a step's [default: 0.002, for text 0.005]
    #[arg(long, value_parser = positive, value_name = "RATE")]
    lr: Option<f32>,
    /// L1 penalty of FTRL-proximal: a weight is 0 as long as its gradients, over all passes, do not add up to more than this [default: 0]
    #[arg(long, value_parser = not_negative)]
    l1: Option<f32>,
    /// L2 penalty: L2/2 times the sum of squared weights, without intercepts and biases, is added to the mean loss; of deep and text it is for vectors [default: 0; with fm what 20 rows are worth, with deep 30 and with --wide 2, with ffm 50, of squared a quarter]
    #[arg(long, value_parser = not_negative)]
    l2: Option<f32>,
    /// What the rows of classes weigh: `balanced`, or factors by name such as yes:10,no:1 [default: 1 each]
    #[arg(long, value_name = "WEIGHTS", value_parser = class_weights)]
    class_weight: Option<ClassWeights>,
    /// The seed of row order and held-out rows [default: 0]
    #[arg(long, value_parser = whole::<u64>)]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Passes")]
struct Stopping {
    /// The most passes over the data; to a run that had come to its end --resume adds as many [default: 20, 3 without held-out rows; with layers 10 to 30]
    #[arg(long, value_parser = count::<u32>)]
    passes: Option<u32>,
    /// Data to stop by, instead of held-out rows
    #[arg(long, value_name = "FILE", value_parser = input, conflicts_with = "holdout")]
    valid: Option<Input>,
    /// The share of the rows that is held out to stop by [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    holdout: Option<f64>,
    /// Stop after that many passes without a better held-out loss, and keep the best pass; 0 never stops [default: 2; for mlp and text half of the passes]
    #[arg(long, value_name = "PASSES", value_parser = whole::<u32>)]
    early_stop: Option<u32>,
    /// How the learning rate changes from pass to pass [default: invsqrt; with layers linear, to 1 / passes]
    #[arg(long, value_enum)]
    schedule: Option<Schedule>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct TextFlags {
    /// Up to N words in a row are a feature of text, beside the words themselves [default: 1, words alone]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_WORDS)))]
    ngrams: Option<u8>,
    /// Pieces of words, of so many characters, are features of text as well; < and > are where a word begins and ends [default: none]
    #[arg(long, value_name = "MIN-MAX")]
    chars: Option<Chars>,
    /// Leave out features of text that the training data has less often than N times [default: 1, none; for --kind text 2]
    #[arg(long, value_name = "N", value_parser = count::<u32>)]
    pub(super) min_count: Option<u32>,
}

impl TextFlags {
    /// What the features of text are, if that was said.
    pub(super) fn grams(&self) -> Option<Grams> {
        let said = self.ngrams.is_some() || self.chars.is_some();
        said.then(|| Grams { words: self.ngrams.unwrap_or(1), chars: self.chars })
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
struct HashingFlags {
    /// Multiply features of two namespaces or columns, each with each; :: is any two of them [default: none]
    #[arg(long, value_name = "A:B", value_delimiter = ',')]
    interact: Vec<Interaction>,
    /// Hash keys into 2^BITS buckets [default: as many rows as there are keys; 24 with --interact]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=31))]
    bits: Option<u8>,
}

impl HashingFlags {
    /// How keys are hashed, if they are; `ignored` namespaces are left out.
    fn resolve(self, ignored: &[String]) -> Option<Hashing> {
        let wanted = self.bits.is_some() || !self.interact.is_empty();
        let bits = self.bits.unwrap_or(BITS);
        wanted.then(|| Hashing { bits, interactions: self.interact, ignored: ignored.to_vec() })
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
struct Machine {
    #[command(flatten)]
    places: Places,
    /// How children share the parameters: hogwild in place, sync in rounds, bit for bit repeatable
    #[arg(long, value_enum, default_value = "hogwild")]
    consistency: Consistency,
    /// Bytes of the hottest rows that each child keeps private [default: 8192, or all of a small table, larger where cores are far apart]
    #[arg(long, value_name = "BYTES", value_parser = whole::<usize>)]
    head: Option<usize>,
    /// Rows between two merges of the private rows [default: by optimizer and m]
    #[arg(long, value_name = "ROWS", value_parser = count::<u16>)]
    merge: Option<u16>,
    /// Save the model within a pass once that many seconds have gone by; with sync only between passes
    #[arg(long, value_name = "SECS", value_parser = count::<u64>, default_value_t = CHECKPOINT_EVERY.as_secs())]
    checkpoint_every: u64,
}

pub(super) fn run(flags: Flags) -> Result<()> {
    let stop = StopRequest::install().map_err(|error| Error::io("SIGINT", "listen to signals", error))?;
    let progress = Progress::new(ProgressMode::detect(flags.quiet));
    let log = if flags.json { RunLog::stdout() } else { RunLog::off() };
    let quiet = flags.quiet;
    let request = request(flags)?;
    let topology = topology()?;
    let summary =
        train(&request, &topology, &Disk, Ears { progress: &progress, log: &log, stop: &stop }).map_err(|error| {
            match error {
                Error::Interrupted { what, saved } => {
                    let arguments = env::args_os().map(|argument| argument.to_string_lossy().into_owned());
                    let (how, again) =
                        if saved { ("go on with", again(arguments)) } else { ("run again", typed(arguments)) };
                    Error::Interrupted { what: format!("{what}; {how}: {again}"), saved }
                }
                other => other,
            }
        })?;
    if !quiet {
        conclude(&summary);
    }
    Ok(())
}

/// The machine that is trained on.
pub(super) fn topology() -> Result<Topology> {
    Topology::read(Path::new("/"), &allowed_cpus())
}

/// Refuses flags that [`run`] would refuse whatever the data is.
pub(super) fn check(flags: &ArgMatches, topology: &Topology) -> Result<()> {
    let request = request(Flags::from_arg_matches(flags).map_err(wrong)?)?;
    if request.existing != Existing::Continue {
        request.settings.check(None)?;
    }
    Plan::choose(topology, &request.machine).map(drop)
}

fn request(flags: Flags) -> Result<Request> {
    let existing = match (&flags.model, flags.resume, flags.overwrite) {
        (_, true, _) => Existing::Continue,
        (_, _, true) => Existing::Replace,
        (Some(_), ..) => Existing::Refuse,
        (None, ..) => Existing::KeepPrevious,
    };
    if flags.data.iter().filter(|&input| *input == Input::Stdin).count() > 1 {
        return Err(Error::Usage("standard input (-) can be read only once".to_owned()));
    }
    if flags.labels.labels.is_some() && flags.data.len() > 1 {
        return Err(Error::Usage(
            "--labels is the file of one file of images: leave it out, or give one DATA".to_owned(),
        ));
    }
    Ok(Request {
        read: ReadOptions {
            hashing: flags.hashing.resolve(&flags.reading.ignore),
            categorical: flags.categorical,
            grams: flags.text.grams(),
            ..flags.reading.options(flags.labels.file(), flags.caching.policy())?
        },
        data: flags.data,
        valid: flags.stopping.valid,
        model: flags.model.unwrap_or_else(|| PathBuf::from(MODEL)),
        existing,
        settings: Settings {
            kind: flags.learning.kind,
            rank: flags.learning.rank.or(flags.learning.dim).map(usize::from),
            hidden: flags.learning.hidden.map(hidden).transpose()?,
            skips: flags.learning.skips,
            activation: flags.learning.activation,
            dropout: flags.learning.dropout,
            batch: flags.learning.batch.map(usize::from),
            wide: flags.learning.wide,
            loss: flags.learning.loss,
            optimizer: flags.learning.optimizer,
            lr: flags.learning.lr,
            l1: flags.learning.l1,
            l2: flags.learning.l2,
            quantile: flags.learning.quantile,
            class_weights: flags.learning.class_weight,
            schedule: flags.stopping.schedule,
            passes: flags.stopping.passes,
            early_stop: flags.stopping.early_stop,
            holdout: flags.stopping.holdout,
            seed: flags.learning.seed,
            min_count: flags.text.min_count,
        },
        machine: flags.machine.places.request(),
        consistency: flags.machine.consistency,
        head: flags.machine.head,
        merge: flags.machine.merge.map(usize::from),
        checkpoint_every: Duration::from_secs(flags.machine.checkpoint_every),
        tests_once: false,
        backend: kernels()?,
        faults: Faults::none(),
    })
}

/// The outputs of a hidden layer, 0 for `none`.
fn size(text: &str) -> Result<u32, String> {
    if text == NO_LAYERS { Ok(0) } else { count(text) }
}

/// The hidden layers of these sizes.
fn hidden(sizes: Vec<u32>) -> Result<Vec<usize>> {
    if sizes.contains(&0) && sizes.len() > 1 {
        return Err(Error::Usage(format!(
            "--hidden {NO_LAYERS} is for no hidden layers: leave out the sizes beside it"
        )));
    }
    Ok(sizes.into_iter().filter(|&size| size > 0).map(|size| size as usize).collect())
}

/// The last lines a person sees.
fn conclude(summary: &Summary) {
    let metrics = told(&summary.valid.unwrap_or(summary.progressive));
    let whose = if summary.valid.is_some() { "held-out" } else { "progressive" };
    say(&format!("\n{whose} {metrics}"));
    say(&format!("saved {} in {}", summary.model, duration(summary.seconds.total)));
}

/// Metrics in words.
pub(super) fn told(metrics: &Metrics) -> String {
    let Metrics { logloss, loss, auc, accuracy, macro_f1, rmse, mae } = *metrics;
    let number = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.4}"));
    let metrics = [
        number("logloss", logloss),
        number("loss", loss),
        number("auc", auc),
        accuracy.map(|accuracy| format!("accuracy {}", percent(accuracy))),
        macro_f1.map(|f1| format!("macro f1 {}", percent(f1))),
        number("rmse", rmse),
        number("mae", mae),
    ];
    metrics.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The command that goes on with a run that was begun by `arguments`, as it may be typed into a shell.
pub(super) fn again(arguments: impl Iterator<Item = String>) -> String {
    let kept = arguments.filter(|argument| argument != "--overwrite" && argument != "--resume");
    typed(kept.chain(["--resume".to_owned()]))
}

/// A command as it may be typed into a shell.
pub(super) fn typed(arguments: impl Iterator<Item = String>) -> String {
    arguments.map(|argument| quoted(&argument)).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=,:@%+".contains(&byte) || !byte.is_ascii();
    if !argument.is_empty() && argument.bytes().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_can_be_typed() {
        let again = |words: &[&str]| again(words.iter().map(|&word| word.to_owned()));
        assert_eq!(
            again(&["hogback", "train", "a.svm", "--overwrite", "--model", "m", "--lr=1e-2"]),
            "hogback train a.svm --model m --lr=1e-2 --resume"
        );
        assert_eq!(
            again(&["hogback", "train", "it's data.csv", "--resume", "--label", ""]),
            r"hogback train 'it'\''s data.csv' --label '' --resume"
        );
    }
}
