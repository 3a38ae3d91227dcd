//! From data files to a run that is ready to begin: one dictionary, targets, scales, Θ, held-out rows.

use std::path::Path;
use std::sync::atomic::AtomicU32;

use hogback_kernels::{Layout, LearnerSpec, MergeRule, Rule};

use super::corpus::{BATCH, Corpus, Part, Source};
use super::job::{HeldOut, Penalties};
use super::saved::{self, Fingerprint, Position, Words};
use super::target::{self, LabelFacts};
use super::{Consistency, Request, Settings, scale};
use crate::checkpoint::{Existing, Loaded, load};
use crate::data::order::held_out;
use crate::data::{Column, DataFile, Dictionary, Hashing, Known, LabelFile, OwnedBlock, ReadOptions, stream};
use crate::engine::plan::Plan;
use crate::engine::schedule::Schedule;
use crate::engine::stop::EarlyStop;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind, LossKind, Optimizer, Target};
use crate::model::linear::Linear;
use crate::model::tally::Tally;
use crate::report::format::{bad_rows, number};
use crate::sys::signal::StopRequest;
use crate::theta::exchange::hogwild::{Head, View};
use crate::theta::{Snapshot, Theta};

/// Bytes of the head where `--head` does not say: a quarter of a first-level cache, the best size measured.
const HEAD_BYTES: usize = 8 << 10;
/// The same where a row has several outputs.
const WIDE_HEAD_BYTES: usize = 16 << 10;
/// The most children whose deltas may simply be summed.
const SUMMED: usize = 8;
/// Rows in flight, all children together, that Adagrad bears with less than half a percent of loss.
const IN_FLIGHT: usize = 512;
/// The most passes when there is a held-out loss to stop by, and when there is none.
const PASSES: u32 = 20;
const PASSES_BLIND: u32 = 3;

/// The keys of all files: one dictionary, and what each file's ids are in it.
struct Keys {
    dictionary: Dictionary,
    maps: Vec<Option<Vec<u32>>>,
}

/// Everything a run needs.
pub(super) struct Prepared<'d> {
    pub(super) configuration: Configuration,
    pub(super) dictionary: Dictionary,
    pub(super) facts: LabelFacts,
    pub(super) corpus: Corpus<'d>,
    pub(super) held_out: HeldOut<'d>,
    pub(super) holdout: Option<(f64, u64)>,
    pub(super) theta: Theta,
    pub(super) best: Option<Snapshot>,
    pub(super) penalties: Penalties,
    pub(super) head: Head,
    pub(super) linear: Linear,
    pub(super) position: Position,
    pub(super) nonzeros: u64,
    /// Θ came from a model.
    pub(super) resumed: bool,
}

/// A model that is resumed.
pub(super) struct Resumed {
    loaded: Loaded,
    configuration: Configuration,
    position: Position,
    dictionary: Dictionary,
}

/// Loads the model that the request goes on with, if it does.
///
/// # Errors
/// [`Error::Model`] where it is damaged or of another kind.
pub(super) fn resumed(request: &Request) -> Result<Option<Resumed>> {
    if request.existing != Existing::Continue {
        return Ok(None);
    }
    let path: &Path = &request.model;
    let loaded = load(path)?;
    let wrong = |what: String| Error::model(path, what);
    let configuration = serde_json::from_value(loaded.manifest.configuration.clone())
        .map_err(|error| wrong(format!("cannot be resumed: {error}")))?;
    let position = serde_json::from_value(loaded.manifest.position.clone())
        .map_err(|error| wrong(format!("cannot be resumed: {error}")))?;
    let dictionary = Dictionary::from_bytes(&loaded.dictionary).map_err(wrong)?;
    Ok(Some(Resumed { loaded, configuration, position, dictionary }))
}

/// How data is read: as was said, and hashed as it was for the model that is resumed.
///
/// # Errors
/// [`Error::Usage`] where something else was said.
pub(super) fn reading(request: &Request, resumed: Option<&Resumed>) -> Result<ReadOptions> {
    let Some(Resumed { configuration, .. }) = resumed else { return Ok(request.read.clone()) };
    let hashing = configuration.hashing.clone();
    if request.read.hashing.is_some() && request.read.hashing != hashing {
        let what = "the model was trained with other --bits or --interact, or none: leave them out";
        return Err(Error::Usage(what.to_owned()));
    }
    Ok(ReadOptions { hashing, ..request.read.clone() })
}

/// Reads `--valid` against the keys of the training data, which are hashed as `hashing` says.
///
/// # Errors
/// Bad data.
pub(super) fn read_valid(
    request: &Request,
    files: &[DataFile],
    facts: &LabelFacts,
    resumed: Option<&Resumed>,
    hashing: Option<&Hashing>,
    notice: &(dyn Fn(&str) + Sync),
    stop: &StopRequest,
) -> Result<Vec<OwnedBlock>> {
    let Some(input) = &request.valid else { return Ok(Vec::new()) };
    let keys = keys(files, resumed)?;
    let names = target::names(&facts.target);
    let known = Known { dictionary: &keys.dictionary, columns: files[0].columns(), label_names: &names, hashing };
    let (mut blocks, mut good) = (Vec::new(), 0);
    // --labels are those of the training data.
    let read = ReadOptions { labels: LabelFile::Beside, ..request.read.clone() };
    let seen = stream(input, &read, &known, notice, stop, &mut |block| {
        good +=
            block.as_block().labels().iter().filter(|&&label| target::is_known(&facts.target, label)).count() as u64;
        if block.rows() > 0 {
            blocks.push(block);
        }
        Ok(())
    })?;
    if let Some(skipped) = &seen.skipped {
        notice(&bad_rows(&input.to_string(), skipped));
    }
    if good == 0 {
        return Err(Error::data(input.to_string(), "has no row with a label that the training data has"));
    }
    if good < seen.rows {
        let rows = number(seen.rows - good, "row");
        notice(&format!("note: {input}: {rows} without a label that the training data has: left out"));
    }
    if seen.unknown_keys > 0 {
        let values = number(seen.unknown_keys, "value");
        notice(&format!("note: {input}: {values} of features that the training data has not: ignored"));
    }
    Ok(blocks)
}

/// One dictionary for the model and all files. A file whose keys are the dictionary's first needs no map.
fn keys(files: &[DataFile], resumed: Option<&Resumed>) -> Result<Keys> {
    let mut dictionary = match resumed {
        Some(resumed) => resumed.dictionary.clone(),
        None => files[0].dictionary().clone(),
    };
    let mut maps = Vec::new();
    for (nth, file) in files.iter().enumerate() {
        if nth == 0 && resumed.is_none() {
            maps.push(None);
            continue;
        }
        let map = dictionary.merge(file.dictionary())?;
        let same = map.iter().enumerate().all(|(id, &row)| id as u32 == row);
        maps.push((!same).then_some(map));
    }
    Ok(Keys { dictionary, maps })
}

/// Lays out a run.
///
/// # Errors
/// Data and settings that do not go together, or too little memory.
#[expect(clippy::too_many_arguments, reason = "all that a run is made of comes together here")]
pub(super) fn prepare<'d>(
    request: &Request,
    topology: &Topology,
    plan: &Plan,
    files: &'d [DataFile],
    valid: &'d [OwnedBlock],
    facts: LabelFacts,
    resumed: Option<&Resumed>,
    notice: &dyn Fn(&str),
) -> Result<Prepared<'d>> {
    let Keys { mut dictionary, maps } = keys(files, resumed)?;
    facts.notices.iter().for_each(|text| notice(text));
    let old = resumed.map(|resumed| &resumed.configuration);
    let columns = columns(files, old)?;

    let limit = u32::try_from(dictionary.len()).map_err(|_| Error::Engine("more than 2^32 keys".to_owned()))?;
    let parts = files.iter().zip(maps).map(|(file, map)| Part {
        source: Source::Table(file.table()),
        rows: file.rows(),
        ones: file.all_ones(),
        map,
        labels: target::map(file.labels(), &facts.target, outputs(&facts)),
    });
    let mut corpus = Corpus::new(parts.collect(), limit);
    corpus.weigh_classes(&facts.class_weights);
    let centres = match old {
        Some(old) => old.centres.clone(),
        None => scale::centres(&corpus)?,
    };
    corpus.centre(&centres);
    scale_columns(&mut corpus, &mut dictionary, files, resumed.is_some(), notice)?;
    let factors = dictionary.scales.clone();
    if let Some(exponents) = &factors {
        corpus.scale(exponents.iter().map(|&exponent| target::power(i32::from(exponent))).collect());
    }
    let mean_square = match old {
        Some(old) => old.mean_square,
        None if factors.is_some() || !centres.is_empty() => scale::mean_square(&corpus)?,
        None => files.iter().map(DataFile::sum_squares).sum::<f64>() / corpus.rows().max(1) as f64,
    };
    let nonzeros = files.iter().map(DataFile::nonzeros).sum();
    let configuration = configuration(request, old, &facts, columns, centres, (mean_square, nonzeros, corpus.rows()))?;

    let holdout =
        (request.valid.is_none() && configuration.holdout > 0.0).then_some((configuration.holdout, configuration.seed));
    let held_out = hold_out(&corpus, holdout, request, valid, &configuration, limit, factors.as_deref());
    let penalties = penalties(&configuration, &corpus)?;
    let (rule, objective) = (configuration.optimizer.rule(), configuration.objective());
    let layout = rule.layout(objective.outputs());
    let (rows, backend) = (dictionary.len(), request.backend);
    let data = Fingerprint {
        rows: corpus.rows(),
        nonzeros,
        // Sums of labels and values tell files of equal shape apart.
        sums: files.iter().map(|file| file.labels().mean + file.sum_squares()).sum(),
        seed: configuration.seed,
        holdout: holdout.map_or(0.0, |(share, _)| share),
    };
    let (theta, best, position) = match resumed {
        None => {
            let theta =
                Theta::reserve(saved::specs(rows, layout), plan.shards, backend).map_err(saved::out_of_memory)?;
            (theta, None, Position::beginning(data, 0, &configuration))
        }
        Some(resumed) => {
            let position = resumed.position.go_on(data, &request.settings, &configuration);
            let (rate, bias_rate) = configuration.rates(position.factor(&configuration));
            let step = penalties.step(rate, bias_rate);
            let words = Words { rule, layout, step, dictionary: &dictionary, configuration: &configuration };
            let load = |which| saved::theta(&resumed.loaded, which, rows, plan.shards, backend, &words);
            let theta = load("")?.ok_or_else(|| Error::model(&request.model, "holds no weights"))?;
            let best = load("best.")?.map(|theta| theta.snapshot());
            (theta, best, position)
        }
    };
    let head = head(request, plan, topology, &theta, (rule, layout), configuration.floor);
    let spec = LearnerSpec {
        objective,
        rule,
        head: request.consistency == Consistency::Hogwild && View::has_head(&theta, head),
        ahead: exceeds_cache(&theta, topology),
        ones: corpus.ones(),
        decay: !penalties.decays.is_empty(),
    };
    let linear = Linear::new(backend, spec, facts.constant.clone());
    let resumed = resumed.is_some();
    Ok(Prepared {
        configuration,
        dictionary,
        facts,
        corpus,
        held_out,
        holdout,
        theta,
        best,
        penalties,
        head,
        linear,
        position,
        nonzeros,
        resumed,
    })
}

/// The columns of all files, which must be the same, and those of the model that is resumed.
fn columns(files: &[DataFile], old: Option<&Configuration>) -> Result<Option<Vec<Column>>> {
    let first = files[0].columns();
    if let Some(other) = files.iter().find(|file| file.columns() != first) {
        let what = format!("has other columns than {}, or other kinds of them", files[0].name());
        return Err(Error::data(other.name(), what));
    }
    if let Some(old) = old
        && old.columns.as_deref() != first
    {
        let (then, now) = (old.columns.as_deref().unwrap_or_default(), first.unwrap_or_default());
        let odd = then.iter().find(|column| !now.contains(column)).or(now.iter().find(|column| !then.contains(column)));
        let which = odd.map_or("their order".to_owned(), |column| format!("column {}", column.name));
        let what = format!("has other columns than the model was trained on, or other kinds of them: look at {which}");
        return Err(Error::data(files[0].name(), what));
    }
    Ok(first.map(<[Column]>::to_vec))
}

/// What the labels mean: by themselves, or to the model that is resumed.
///
/// # Errors
/// Labels and loss that do not go together.
pub(super) fn label_facts(request: &Request, files: &[DataFile], resumed: Option<&Resumed>) -> Result<LabelFacts> {
    let labels: Vec<_> = files.iter().map(|file| (file.labels(), file.rows())).collect();
    let old = resumed.map(|resumed| &resumed.configuration);
    if let (Some(loss), Some(old)) = (request.settings.loss, old)
        && loss != old.loss
    {
        return Err(Error::Usage(format!("the model was trained with --loss {}: leave out --loss", old.loss.name())));
    }
    if let (Some(optimizer), Some(old)) = (request.settings.optimizer, old)
        && optimizer != old.optimizer
    {
        let name = old.optimizer.name();
        return Err(Error::Usage(format!("the model was trained with --optimizer {name}: leave out --optimizer")));
    }
    let facts = target::learn(&labels, &request.settings, old, &files[0].name())?;
    // As numbers they may be rounded, but two classes must not become one.
    let rounded = files.iter().find_map(|file| Some((file, file.labels().rounded.as_ref()?)));
    match (&facts.target, rounded) {
        (Target::Classes { .. }, Some((file, (line, label)))) => {
            let what = format!(
                "the label {label} is a class, but not exact in 32 bits: number the classes within ±16777216, or learn \
                 numbers (--loss squared)"
            );
            Err(Error::Line { path: file.name().into(), line: *line, what })
        }
        _ => Ok(facts),
    }
}

/// Gives the dictionary column scales, if the data needs them and the model has no say yet.
fn scale_columns(
    corpus: &mut Corpus<'_>,
    dictionary: &mut Dictionary,
    files: &[DataFile],
    resumed: bool,
    notice: &dyn Fn(&str),
) -> Result<()> {
    if resumed {
        // New columns of a model with scales are taken as they are.
        let rows = dictionary.len();
        if let Some(scales) = &mut dictionary.scales {
            scales.resize(rows, 0);
        }
        return Ok(());
    }
    let least = files.iter().map(DataFile::least_value).filter(|&least| least > 0.0).fold(f32::MAX, f32::min);
    let most = files.iter().map(DataFile::most_value).fold(0.0, f32::max);
    // What is far from 0 may be near it, once centred.
    if corpus.is_centred() || scale::may_need_scales(least, most) {
        dictionary.scales = scale::exponents(corpus)?;
        if dictionary.scales.is_some() {
            notice("note: columns differ widely in scale: each is learned in units of its own size");
        }
    }
    Ok(())
}

/// How many outputs a model of these labels has.
fn outputs(facts: &LabelFacts) -> usize {
    facts.constant.margins.len()
}

fn configuration(
    request: &Request,
    old: Option<&Configuration>,
    facts: &LabelFacts,
    columns: Option<Vec<Column>>,
    centres: Vec<(u32, f32)>,
    (mean_square, nonzeros, rows): (f64, u64, u64),
) -> Result<Configuration> {
    let mean_value_square = mean_square * rows as f64 / nonzeros.max(1) as f64;
    let said = &request.settings;
    let holdout = said.holdout.or(old.map(|old| old.holdout)).unwrap_or(0.1);
    let blind = request.valid.is_none() && holdout == 0.0;
    let l1 = said.l1.or(old.map(|old| old.l1)).unwrap_or(0.0);
    let by_default = if l1 > 0.0 { Optimizer::Ftrl } else { Optimizer::default() };
    let optimizer = said.optimizer.or(old.map(|old| old.optimizer)).unwrap_or(by_default);
    if l1 > 0.0 && optimizer != Optimizer::Ftrl {
        let name = optimizer.name();
        return Err(Error::Usage(format!("--l1 needs --optimizer ftrl, which can keep weights at 0; this is {name}")));
    }
    let schedule = said.schedule.or(old.map(|old| old.schedule));
    if optimizer == Optimizer::Ftrl && schedule.is_some_and(|schedule| schedule != Schedule::Constant) {
        return Err(Error::Usage(
            "--optimizer ftrl has a rate of its own for each weight: leave out --schedule".into(),
        ));
    }
    let schedule =
        schedule.unwrap_or(if optimizer == Optimizer::Ftrl { Schedule::Constant } else { Schedule::default() });
    if said.quantile.is_some() && facts.loss != LossKind::Quantile {
        return Err(Error::Usage(format!("--quantile is for --loss quantile; this is {}", facts.loss.name())));
    }
    let (floor, curvature) = pace(facts, mean_value_square);
    Ok(Configuration {
        kind: Kind::Linear,
        loss: facts.loss,
        target: facts.target.clone(),
        columns,
        hashing: match old {
            Some(old) => old.hashing.clone(),
            None => request.read.hashing.clone(),
        },
        optimizer,
        lr: said.lr.or(old.map(|old| old.lr)).unwrap_or(default_rate(facts)),
        floor: old.map_or(floor, |old| old.floor),
        curvature: old.map_or(curvature, |old| old.curvature),
        l1,
        l2: said.l2.or(old.map(|old| old.l2)).unwrap_or(0.0),
        quantile: said.quantile.or(old.map(|old| old.quantile)).unwrap_or(0.5),
        class_weights: facts.class_weights.clone(),
        schedule,
        passes: said.passes.or(old.map(|old| old.passes)).unwrap_or(if blind { PASSES_BLIND } else { PASSES }),
        early_stop: said.early_stop.or(old.map(|old| old.early_stop)).unwrap_or(2),
        holdout,
        seed: said.seed.or(old.map(|old| old.seed)).unwrap_or(0),
        centres,
        mean_square,
    })
}

/// The rate that suits all data measured, in the units of [`Configuration::rates`]; the squared loss, whose curvature is four times the
/// logistic's, wants half, and hinges of several classes, most of which are wide of the mark at first, a quarter.
fn default_rate(facts: &LabelFacts) -> f32 {
    match facts.loss {
        LossKind::Squared | LossKind::Poisson => 0.5,
        LossKind::Hinge if outputs(facts) > 1 => 0.25,
        LossKind::Logistic | LossKind::Hinge | LossKind::Quantile | LossKind::Softmax => 1.0,
    }
}

/// How many rows with a feature a fresh weight of one of several classes should have learned before Adagrad's accumulator weighs as much
/// as what it began at.
const ROWS_TO_SETTLE: f64 = 20.0;

/// What Adagrad's accumulators begin at, and the curvature of the loss relative to that of two equally frequent classes. With one output
/// both are 1, the best measured. With several the slopes are smaller, the more so the more classes there are, and values may be
/// of any size: the beginning is counted in rows.
fn pace(facts: &LabelFacts, mean_value_square: f64) -> (f32, f64) {
    if outputs(facts) == 1 {
        return (1.0, 1.0);
    }
    let spread = facts.constant.spread.max(1e-6);
    ((ROWS_TO_SETTLE * spread * mean_value_square).clamp(1e-12, 1e12) as f32, 4.0 * spread)
}

/// The penalties as the step rule takes them: as factors of each weight, or of FTRL-proximal against the sum of all rows.
fn penalties(configuration: &Configuration, corpus: &Corpus<'_>) -> Result<Penalties> {
    let Configuration { floor, l1, l2, .. } = *configuration;
    if configuration.optimizer == Optimizer::Ftrl {
        return Ok(Penalties { floor, decays: Vec::new(), l1, l2: (f64::from(l2) * corpus.rows() as f64) as f32 });
    }
    let decays = if l2 > 0.0 { scale::decays(corpus, l2)? } else { Vec::new() };
    Ok(Penalties { floor, decays, l1: 0.0, l2: 0.0 })
}

fn hold_out<'d>(
    corpus: &Corpus<'_>,
    holdout: Option<(f64, u64)>,
    request: &Request,
    valid: &'d [OwnedBlock],
    configuration: &Configuration,
    limit: u32,
    factors: Option<&[i8]>,
) -> HeldOut<'d> {
    let (corpus, rows) = if request.valid.is_some() {
        let blocks: Vec<_> = valid.iter().map(OwnedBlock::as_block).collect();
        let labelled = blocks.iter().flat_map(|block| {
            let first = block.first_row;
            let rows = block.labels().iter().enumerate();
            rows.filter(|(_, label)| target::is_known(&configuration.target, **label))
                .map(move |(at, _)| first + at as u64)
        });
        let rows: Vec<u64> = labelled.collect();
        let part = Part {
            rows: blocks.iter().map(|block| block.rows() as u64).sum(),
            source: Source::Blocks(blocks),
            ones: false,
            map: None,
            labels: target::map_known(&configuration.target, configuration.objective().outputs()),
        };
        let mut corpus = Corpus::new(vec![part], limit);
        corpus.weigh_classes(&configuration.class_weights);
        corpus.centre(&configuration.centres);
        if let Some(exponents) = factors {
            corpus.scale(exponents.iter().map(|&exponent| target::power(i32::from(exponent))).collect());
        }
        (Some(corpus), rows)
    } else {
        let share = holdout.map_or(0.0, |(share, _)| share);
        let seed = holdout.map_or(0, |(_, seed)| seed);
        (None, (0..corpus.rows()).filter(|&row| share > 0.0 && held_out(row, share, seed)).collect())
    };
    let scores = rows.iter().map(|_| AtomicU32::new(0)).collect();
    HeldOut { corpus, rows, scores }
}

/// What is private to each child, how often it is merged and how.
fn head(
    request: &Request,
    plan: &Plan,
    topology: &Topology,
    theta: &Theta,
    (rule, layout): (Rule, Layout),
    floor: f32,
) -> Head {
    let children = plan.children();
    let row_bytes = layout.width() * 4;
    let table = theta.tensors()[0].rows() * row_bytes;
    // A table that fits a fraction of the second-level cache is replicated whole: then nothing is shared between merges.
    let cache = topology.caches.l2.map_or(256 << 10, |l2| l2.bytes as usize);
    let of_rows = if layout.outputs() == 1 { HEAD_BYTES } else { WIDE_HEAD_BYTES };
    let bytes = request.head.unwrap_or(if table <= cache / 8 { table } else { of_rows });
    let rows = if children == 1 { 0 } else { (bytes / row_bytes).min(theta.tensors()[0].rows()) };
    let interval = match rule {
        Rule::Adagrad | Rule::Ftrl => (IN_FLIGHT / children).clamp(8, 64),
        // Constant rates bear few rows in flight.
        Rule::Sgd => (64 / (children * children)).clamp(1, 32),
    };
    let scaled = match rule {
        Rule::Adagrad => MergeRule::Scaled { floor, stride: layout.stride() },
        // Sums of gradients and of their squares are sums, whoever has added to them.
        Rule::Sgd | Rule::Ftrl => MergeRule::Sum,
    };
    Head {
        layout,
        rows,
        interval: request.merge.unwrap_or(interval).min(BATCH),
        rule: if children > SUMMED { scaled } else { MergeRule::Sum },
        // A feature that every row has: its deltas are the first to overshoot.
        bias_rule: if children > 1 { scaled } else { MergeRule::Sum },
    }
}

/// Whether the table is larger than the cache that a core has to itself.
fn exceeds_cache(theta: &Theta, topology: &Topology) -> bool {
    let bytes = theta.tensors()[0].cells().len() * 4;
    bytes > topology.caches.l2.map_or(1 << 20, |l2| l2.bytes as usize)
}

impl Position {
    /// Before pass `pass`, with those of `configuration` to come.
    fn beginning(data: Fingerprint, pass: u32, configuration: &Configuration) -> Self {
        Self {
            from: pass,
            pass,
            until: pass + configuration.passes,
            done: Vec::new(),
            progress: Tally::default(),
            data,
            stop: EarlyStop::new(configuration.early_stop),
            rescues: 0,
            finished: false,
        }
    }

    /// What the learning rate is multiplied with in the pass under way.
    pub(super) fn factor(&self, configuration: &Configuration) -> f64 {
        let run = (self.pass - self.from, self.until - self.from);
        let scheduled = configuration.schedule.factor(self.pass, run, self.stop.idle());
        f64::from(scheduled) * 0.5f64.powi(self.rescues as i32)
    }

    /// Where a run goes on from here: exactly here if it was cut short on the same data, else with as many passes more.
    fn go_on(&self, data: Fingerprint, settings: &Settings, configuration: &Configuration) -> Self {
        let until = settings.passes.map_or(self.until, |passes| self.from + passes);
        if self.data == data && !self.finished && self.pass < until {
            return Self { until, stop: self.stop.with_patience(configuration.early_stop), ..self.clone() };
        }
        Self { rescues: self.rescues, ..Self::beginning(data, self.pass, configuration) }
    }
}
