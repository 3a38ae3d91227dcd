//! The job `train`: Hogwild training of a model from data files into a model directory.
//!
//! What flows in: a [`Request`]. What flows out: a model directory, and a [`Summary`]. The way: `target` learns from
//! the labels what is to be learned, `configure` settles every setting that was left open, `prepare` lays out Θ, `passes` runs the
//! engine over it pass by pass, `job` is what a child does, `judge` keeps the best Θ, `commit` commits generations.

pub(crate) mod alone;
mod arranged;
mod check;
mod classes;
mod commit;
mod configure;
mod constant;
mod corpus;
mod factored;
pub(crate) mod ground;
mod hashing;
mod head;
mod held_out;
mod in_layers;
mod in_place;
mod in_rounds;
mod job;
mod judge;
pub(crate) mod keep;
mod keys;
mod layers;
mod material;
mod opening;
mod pairs;
mod passes;
mod position;
mod prepare;
mod resume;
mod saved;
mod scale;
mod scored;
mod spec;
mod summary;
mod target;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use hogback_kernels::Backend;
use serde::Serialize;

use configure::Penalties;
pub(crate) use saved::out_of_memory;
pub use summary::Summary;

use crate::checkpoint::{Existing, Writer};
use crate::data::{DataFile, Input, ReadOptions, hashed_have_none, size_of_all};
use crate::engine::plan::{self, Plan};
use crate::engine::schedule::Schedule;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::model::configuration::{Activation, Configuration, Kind, LossKind, Optimizer};
use crate::report::format::bad_rows;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::{Disk, Store};
use crate::sys::signal::StopRequest;

/// The longest time between two commits where nobody says.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// How children share Θ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// In place, without waiting for each other.
    #[default]
    Hogwild,
    /// In rounds: the same seed, S, K, m and kernels give the same model, bit for bit.
    Sync,
}

impl Consistency {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hogwild => "hogwild",
            Self::Sync => "sync",
        }
    }
}

/// What the weights of rows are multiplied with.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// All classes count the same in the whole.
    Balanced,
    /// The named classes by these factors.
    Named(Vec<(String, f32)>),
}

/// What the user said about the model; what is left open is chosen by the data, or taken from the model that is resumed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The family.
    pub kind: Option<Kind>,
    /// Numbers in a factor vector.
    pub rank: Option<usize>,
    /// The outputs of each hidden layer.
    pub hidden: Option<Vec<usize>>,
    /// Which layers also see what came out of an earlier one than that before them, from which and to which: 1 is the first hidden one, 0
    /// the input.
    pub skips: Option<Vec<(usize, usize)>>,
    /// What stands behind each of them.
    pub activation: Option<Activation>,
    /// The share of the units of hidden layers that a batch leaves out in learning.
    pub dropout: Option<f32>,
    /// Rows in a batch.
    pub batch: Option<usize>,
    /// Of a deep model: no vectors meet beside the layers.
    pub wide: bool,
    /// What is minimised.
    pub loss: Option<LossKind>,
    /// How gradients move weights.
    pub optimizer: Option<Optimizer>,
    /// The learning rate, in units of 1 / mean squared row norm.
    pub lr: Option<f32>,
    /// The L1 penalty of FTRL-proximal.
    pub l1: Option<f32>,
    /// The L2 penalty.
    pub l2: Option<f32>,
    /// The quantile that the quantile loss is of.
    pub quantile: Option<f32>,
    /// What the rows of classes weigh.
    pub class_weights: Option<ClassWeights>,
    /// How the rate changes from pass to pass.
    pub schedule: Option<Schedule>,
    /// The most passes.
    pub passes: Option<u32>,
    /// Passes without improvement that end the run.
    pub early_stop: Option<u32>,
    /// The share of the rows held out.
    pub holdout: Option<f64>,
    /// The seed.
    pub seed: Option<u64>,
    /// Features of text that are there less often are left out.
    pub min_count: Option<u32>,
}

impl Settings {
    /// Refuses what does not go together whatever the data is; `resumed` is the model that is gone on with, if there is one.
    ///
    /// # Errors
    /// [`Error::Usage`], with what to leave out.
    pub(crate) fn check(&self, resumed: Option<&Configuration>) -> Result<()> {
        let l1 = self.l1.unwrap_or(0.0);
        let kind = self.kind.or(resumed.map(|old| old.kind)).unwrap_or_default();
        let optimizer = self.optimizer.or((l1 > 0.0 && kind == Kind::Linear).then_some(Optimizer::Ftrl));
        let hidden = self.hidden(kind, resumed).len();
        check::check(self, &check::Choice { kind, hidden, optimizer, loss: self.loss, schedule: self.schedule, l1 })
    }

    /// The outputs of each hidden layer: as was said, else as the model that is resumed has them, else as suits the kind.
    fn hidden(&self, kind: Kind, resumed: Option<&Configuration>) -> Vec<usize> {
        let old = resumed.and_then(|old| old.layers.as_ref()).map(|layers| &layers.hidden);
        self.hidden.as_ref().or(old).cloned().unwrap_or_else(|| configure::hidden(kind))
    }

    /// The skips that were said, in the order of [`Layers::skips`](crate::model::configuration::Layers::skips).
    fn skips(&self) -> Option<Vec<(usize, usize)>> {
        let mut skips = self.skips.clone()?;
        skips.sort_unstable();
        Some(skips)
    }

    /// The learning rate of a model with these settings where none is said, of classes unless the loss says otherwise.
    pub(crate) fn default_rate(&self) -> f32 {
        let kind = self.kind.unwrap_or_default();
        let optimizer =
            self.optimizer.unwrap_or_else(|| configure::default_optimizer(kind, self.l1.unwrap_or_default()));
        configure::default_rate(kind, optimizer, self.loss.unwrap_or(LossKind::Logistic), 1)
    }
}

/// What to train.
#[derive(Debug)]
pub struct Request {
    /// The data files.
    pub data: Vec<Input>,
    /// How they are read.
    pub read: ReadOptions,
    /// Data to stop by, instead of held-out rows.
    pub valid: Option<Input>,
    /// Where the model goes.
    pub model: PathBuf,
    /// What becomes of a model that is there; [`Existing::Continue`] resumes it.
    pub existing: Existing,
    /// What the user said about the model.
    pub settings: Settings,
    /// What the user said about S, K, m and nodes.
    pub machine: plan::Request,
    /// How children share Θ.
    pub consistency: Consistency,
    /// Bytes of the private head.
    pub head: Option<usize>,
    /// Rows between two merges.
    pub merge: Option<usize>,
    /// The longest time between two commits; none commits whenever it can, whatever it costs.
    pub checkpoint_every: Duration,
    /// Held-out rows decide nothing: they are scored once, after the last pass.
    pub tests_once: bool,
    /// The instruction set.
    pub backend: Backend,
    /// Faults that a test wants.
    pub faults: Faults,
}

impl Request {
    /// Learning from `data` with every default; [`Request::model`] is still to be said.
    pub fn new(data: Vec<Input>, backend: Backend) -> Self {
        Self {
            data,
            read: ReadOptions::default(),
            valid: None,
            model: PathBuf::new(),
            existing: Existing::Refuse,
            settings: Settings::default(),
            machine: plan::Request::default(),
            consistency: Consistency::default(),
            head: None,
            merge: None,
            checkpoint_every: CHECKPOINT_EVERY,
            tests_once: false,
            backend,
            faults: Faults::none(),
        }
    }
}

/// Where a run reports to and is stopped from.
#[derive(Clone, Copy)]
pub struct Ears<'a> {
    /// For people.
    pub progress: &'a Progress,
    /// For scripts.
    pub log: &'a RunLog,
    /// From people.
    pub stop: &'a StopRequest,
}

/// Trains a model and saves it.
///
/// # Errors
/// Anything from bad data to a full disk; what had been saved before is as it was.
pub fn train(request: &Request, topology: &Topology, store: &dyn Store, ears: Ears<'_>) -> Result<Summary> {
    let begun = Instant::now();
    let notice = |text: &str| ears.progress.notice(text);
    if request.existing != Existing::Continue {
        request.settings.check(None)?;
    }
    if let Some(kind @ (Kind::Ffm | Kind::Deep)) = request.settings.kind
        && request.read.hashing.is_some()
    {
        return Err(hashed_have_none(kind.name()));
    }
    let (plan, warnings) = Plan::choose(topology, &request.machine)?;
    warnings.iter().for_each(|warning| notice(&format!("warning: {warning}")));
    // The lock comes first: no time is spent on a model that cannot be saved.
    let writer = Writer::new(store, &request.model, request.existing)?;
    let resumed = resume::resumed(request)?;
    resume::agree(request, resumed.as_ref())?;
    let reading = resume::reading(request, resumed.as_ref())?;
    let inputs: Vec<&Input> = request.data.iter().chain(&request.valid).collect();
    let trained = resumed.as_ref().and_then(|resumed| resumed.configuration.images.as_deref());
    let images = size_of_all(&inputs, trained, ears.stop)?.or_else(|| trained.map(<[u32]>::to_vec));
    let files = read(&request.data, &reading, store, ears)?;
    if resumed.is_none() {
        hashing::check(&files, &reading)?;
    }
    if let Some(hashing) = &reading.hashing {
        files.iter().for_each(|file| hashing::tell(file, hashing, &notice));
    }
    let old = resumed.as_ref().map(|resumed| &resumed.configuration);
    let text = text::text(&request.settings, (&request.read, &reading), old, &files)?;
    let facts = target::of_files(&request.settings, &files, old)?;
    let mut keys = keys::keys(&files, resumed.as_ref())?;
    if let Some(text) = &text {
        let known = resumed.as_ref().map_or(0, |resumed| resumed.dictionary.len());
        text::weigh(text, &mut keys, known, &files, &notice)?;
    }
    let valid = held_out::read(request, &files, &facts, &keys.dictionary, &reading, &notice, ears.stop)?;
    let read = material::Read { files: &files, keys, text, images, hashing: request.read.hashing.clone() };
    let data = prepare::Data { read, valid: &valid };
    let prepared = prepare::prepare(request, topology, &plan, data, facts, resumed.as_ref(), &notice)?;
    let reading = begun.elapsed();
    if ears.stop.requested() {
        return Err(Error::stopped_reading());
    }
    opening::tell(request, &plan, &files, &prepared, reading, ears)?;
    let keeper = keep::Keeper::new(writer, plan.shards, request.checkpoint_every);
    let end = passes::run(request, &plan, prepared, keeper, ears)?;
    summary::conclude(request, &plan, &files, end, reading, begun, ears)
}

/// Reads the files of `inputs`.
///
/// # Errors
/// What is wrong with the data, or the system's.
pub(crate) fn read(
    inputs: &[Input],
    reading: &ReadOptions,
    store: &dyn Store,
    ears: Ears<'_>,
) -> Result<Vec<DataFile>> {
    let notice = |text: &str| ears.progress.notice(text);
    let read = |input: &Input| {
        ears.progress.doing(&format!("reading {input}"));
        let file = DataFile::read(input, reading, store, &notice, ears.stop)?;
        if let Some(skipped) = file.skipped() {
            notice(&bad_rows(&file.name(), skipped));
        }
        Ok(file)
    };
    inputs.iter().map(read).collect()
}

/// Lays out a run on `files`, which nothing is held out of, and hands `body` what learns the first pass of a fresh Θ as often as it
/// is told, and says how long the passes took. Nothing is saved.
///
/// # Errors
/// As [`train`], and what `body` returns.
pub(crate) fn measured<R>(
    request: &Request,
    topology: &Topology,
    files: &[DataFile],
    body: impl FnOnce(&mut dyn FnMut(u64) -> Result<Duration>) -> Result<R>,
) -> Result<R> {
    let (plan, _) = Plan::choose(topology, &request.machine)?;
    let writer = Writer::new(&Disk, &request.model, request.existing)?;
    let facts = target::of_files(&request.settings, files, None)?;
    let hashing = request.read.hashing.clone();
    let read = material::Read { files, keys: keys::keys(files, None)?, text: None, images: None, hashing };
    let data = prepare::Data { read, valid: &[] };
    let prepared = prepare::prepare(request, topology, &plan, data, facts, None, &|_| ())?;
    let keeper = keep::Keeper::new(writer, plan.shards, Duration::MAX);
    let (progress, log, stop) = (Progress::new(ProgressMode::Quiet), RunLog::off(), StopRequest::never());
    let ears = Ears { progress: &progress, log: &log, stop: &stop };
    passes::measured(request, &plan, prepared, keeper, ears, body)
}
