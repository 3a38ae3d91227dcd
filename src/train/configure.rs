//! What a model is trained with: what was said, else what the model that is resumed has, else what suits the data.
//!
//! What flows in: the request, facts of labels and values. What flows out: a [`Configuration`], and the [`Penalties`] it comes to.

use hogback_kernels::Step;

use super::check::{Choice, check};
use super::scale::Standard;
use super::target::LabelFacts;
use super::{Settings, scale};
use crate::data::{Column, FieldSource, Hashing};
use crate::engine::schedule::Schedule;
use crate::error::{Error, Result};
use crate::model::configuration::{Activation, Configuration, Kind, Layers, LossKind, Optimizer, RATED_BATCH};
use crate::model::weighting::Text;

/// Numbers in a factor vector where nobody says.
const RANK: usize = 4;
/// The same of the vector of a word.
const DIM: usize = 50;
/// The most passes when there is a held-out loss to stop by, and when there is none.
const PASSES: u32 = 20;
const PASSES_BLIND: u32 = 3;
/// What the accumulators of words begin at: almost nothing, for most words are rare, and all texts together move them little.
const TEXT_FLOOR: f32 = 1e-6;
/// Values go into layers written out, zeros and all, where at least this share of them is not zero.
const DENSE: f64 = 0.4;
/// How many rows with a feature a fresh weight of one of several classes should have learned before Adagrad's accumulator weighs as much
/// as what it began at.
const ROWS_TO_SETTLE: f64 = 20.0;

/// What data is, as far as a model has to know it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// The columns of CSV.
    pub(super) columns: Option<Vec<Column>>,
    /// The fields, where they matter.
    pub(super) fields: Option<FieldSource>,
    /// What is made of text.
    pub(super) text: Option<Text>,
    /// The size of images.
    pub(super) images: Option<Vec<u32>>,
    /// How its keys were hashed, if they were.
    pub(super) hashing: Option<Hashing>,
    /// What is taken off columns far from 0.
    pub(super) centres: Vec<(u32, f32)>,
    /// What is done to the columns of a perceptron.
    pub(super) standard: Option<Standard>,
    /// The mean squared norm of a row as it is learned.
    pub(super) mean_square: f64,
    /// Values that are not left out.
    pub(super) nonzeros: u64,
    /// Rows, those that are held out included.
    pub(super) rows: u64,
}

/// The configuration of a run on this content; `has_valid` says that it stops by data of its own.
///
/// # Errors
/// [`Error::Usage`] for settings that do not go together.
pub(super) fn configuration(
    said: &Settings,
    has_valid: bool,
    old: Option<&Configuration>,
    facts: &LabelFacts,
    content: &Content,
) -> Result<Configuration> {
    let Content { mean_square, nonzeros, rows, .. } = *content;
    let mean_value_square = mean_square * rows as f64 / nonzeros.max(1) as f64;
    let holdout = said.holdout.or(old.map(|old| old.holdout)).unwrap_or(0.1);
    let blind = !has_valid && holdout == 0.0;
    let l1 = said.l1.or(old.map(|old| old.l1)).unwrap_or(0.0);
    let kind = said.kind.or(old.map(|old| old.kind)).unwrap_or_default();
    let optimizer = said.optimizer.or(old.map(|old| old.optimizer)).unwrap_or(default_optimizer(kind, l1));
    let schedule = said.schedule.or(old.map(|old| old.schedule));
    let hidden = said.hidden(kind, old);
    let choice =
        Choice { kind, hidden: hidden.len(), optimizer: Some(optimizer), loss: Some(facts.loss), schedule, l1 };
    check(said, &choice)?;
    let schedule = schedule.unwrap_or(match optimizer {
        _ if kind.has_layers() => Schedule::Linear,
        Optimizer::Ftrl => Schedule::Constant,
        _ => Schedule::default(),
    });
    let layers = kind.has_layers().then(|| {
        layers(said, kind, hidden, old.and_then(|old| old.layers.clone()), (facts, rows), content.standard.as_ref())
    });
    let meets = facts.outputs() == 1 && layers.as_ref().is_none_or(|layers| layers.meets);
    let passes = said.passes.or(old.map(|old| old.passes)).unwrap_or(match kind.has_layers() {
        true => passes_of_layers(kind, rows),
        false if blind => PASSES_BLIND,
        false => PASSES,
    });
    let rank = if kind.has_factors() { said.rank.or(old.map(|old| old.rank)).unwrap_or(rank(kind)) } else { 0 };
    let (floor, curvature) = match kind {
        Kind::Text => (TEXT_FLOOR, 1.0),
        _ if kind.has_layers() => (1.0, 1.0),
        _ => pace(facts, mean_value_square),
    };
    let configuration = Configuration {
        kind,
        rank,
        fields: content.fields.clone(),
        loss: facts.loss,
        target: facts.target.clone(),
        columns: content.columns.clone(),
        layers,
        text: content.text,
        images: content.images.clone(),
        hashing: match old {
            Some(old) => old.hashing.clone(),
            None => content.hashing.clone(),
        },
        optimizer,
        lr: said.lr.or(old.map(|old| old.lr)).unwrap_or(default_rate(kind, optimizer, facts.loss, facts.outputs())),
        floor: old.map_or(floor, |old| old.floor),
        curvature: old.map_or(curvature, |old| old.curvature),
        l1,
        l2: said.l2.or(old.map(|old| old.l2)).unwrap_or(default_penalty(kind, meets, facts.loss, rows)),
        quantile: said.quantile.or(old.map(|old| old.quantile)).unwrap_or(0.5),
        class_weights: facts.class_weights.clone(),
        schedule,
        passes,
        early_stop: said.early_stop.or(old.map(|old| old.early_stop)).unwrap_or(patience(kind, passes)),
        holdout,
        seed: said.seed.or(old.map(|old| old.seed)).unwrap_or(0),
        centres: content.centres.clone(),
        mean_square,
    };
    let (rate, bias_rate) = configuration.rates(1.0);
    if !(rate.is_normal() && bias_rate.is_normal()) {
        let (lr, size) = (configuration.lr, configuration.mean_square);
        return Err(Error::Usage(format!(
            "--lr {lr:e} is out of range for this data, whose rows have a mean squared norm of {size:e}"
        )));
    }
    Ok(configuration)
}

/// The most passes of a model with layers, whose rate falls to nothing by then: what comes to some 8000 batches of the default size, within
/// bounds.
fn passes_of_layers(kind: Kind, rows: u64) -> u32 {
    if kind == Kind::Text {
        return 20;
    }
    (8000 * batch(kind, rows) as u64 / rows.max(1)).clamp(10, 30) as u32
}

/// Rows in a batch where nobody says: of a perceptron the power of two nearest to a quarter of the root of all rows, within bounds.
fn batch(kind: Kind, rows: u64) -> usize {
    if kind != Kind::Mlp {
        return RATED_BATCH;
    }
    let exponent = (0.25 * (rows.max(1) as f64).sqrt()).log2().round() as i32;
    1 << exponent.clamp(4, 8)
}

/// Passes without improvement that end a run of `passes` where nobody says. Layers whose rate falls in a straight line improve most
/// towards the end.
fn patience(kind: Kind, passes: u32) -> u32 {
    match kind {
        Kind::Linear | Kind::Fm | Kind::Ffm => 2,
        Kind::Deep => (passes / 5).max(2),
        Kind::Mlp | Kind::Text => passes.div_ceil(2).max(2),
    }
}

/// Numbers in a vector where nobody says.
fn rank(kind: Kind) -> usize {
    if kind == Kind::Text { DIM } else { RANK }
}

/// The outputs of hidden layers where nobody says.
pub(super) fn hidden(kind: Kind) -> Vec<usize> {
    match kind {
        Kind::Mlp => vec![256, 128],
        Kind::Deep => vec![64, 32],
        Kind::Linear | Kind::Fm | Kind::Ffm | Kind::Text => Vec::new(),
    }
}

/// The layers, with these hidden ones: as was said, else as the model that is resumed has them, else as suits the kind.
fn layers(
    said: &Settings,
    kind: Kind,
    hidden: Vec<usize>,
    old: Option<Layers>,
    (facts, rows): (&LabelFacts, u64),
    standard: Option<&Standard>,
) -> Layers {
    let means = || standard.map_or_else(Vec::new, |standard| standard.means.clone());
    let old = old.unwrap_or_else(|| Layers {
        hidden: Vec::new(),
        skips: Vec::new(),
        activation: Activation::default(),
        dropout: match kind {
            Kind::Mlp if !facts.loss.is_of_numbers() => 0.1,
            Kind::Deep => 0.2,
            _ => 0.0,
        },
        feature_dropout: if kind == Kind::Text { 0.3 } else { 0.0 },
        batch: batch(kind, rows),
        meets: kind == Kind::Deep && !said.wide,
        written_out: standard.is_some_and(|standard| standard.density >= DENSE),
        means: means(),
    });
    Layers {
        hidden,
        skips: said.skips().unwrap_or(old.skips),
        activation: said.activation.unwrap_or(old.activation),
        dropout: said.dropout.unwrap_or(old.dropout),
        batch: said.batch.unwrap_or(old.batch),
        ..old
    }
}

/// What the step rule is told beside the rates.
#[derive(Debug)]
pub(super) struct Penalties {
    /// See [`Step::floor`].
    pub(super) floor: f32,
    /// See [`Step::decay`].
    pub(super) decays: Vec<f32>,
    /// See [`Step::l1`].
    pub(super) l1: f32,
    /// See [`Step::norm`].
    pub(super) norm: f32,
}

impl Penalties {
    /// The step at these rates.
    pub(super) fn step(&self, rate: f32, bias_rate: f32) -> Step<'_> {
        let Self { floor, decays, l1, norm } = self;
        Step { rate, bias_rate, floor: *floor, decay: decays, l1: *l1, norm: *norm }
    }
}

/// The penalties as the step rule takes them, `uses` being how many of `rows` rows have each feature, where the model has a penalty for what
/// is updated in place.
pub(super) fn penalties(configuration: &Configuration, uses: &[u32], rows: u64) -> Penalties {
    let Configuration { floor, l1, .. } = *configuration;
    let decays = if decays(configuration) { scale::decays(uses, rows, configuration.l2) } else { Vec::new() };
    Penalties { floor, decays, l1, norm: configuration.norm() }
}

/// Whether rows that are updated in place are pulled towards 0.
pub(super) fn decays(configuration: &Configuration) -> bool {
    configuration.l2 > 0.0 && configuration.kind != Kind::Mlp
}

/// How weights are moved where nobody says.
pub(super) fn default_optimizer(kind: Kind, l1: f32) -> Optimizer {
    match kind {
        _ if kind.has_layers() => Optimizer::Adam,
        _ if l1 > 0.0 => Optimizer::Ftrl,
        _ => Optimizer::default(),
    }
}

/// The rate that suits all data measured, of layers theirs, else in the units of [`Configuration::rates`]; the squared loss, whose curvature is four times the
/// logistic's, wants half, and hinges of several classes, most of which are wide of the mark at first, a quarter.
pub(super) fn default_rate(kind: Kind, optimizer: Optimizer, loss: LossKind, outputs: usize) -> f32 {
    if kind.has_layers() {
        return kind.rate_of_layers(optimizer);
    }
    let of_linear = match loss {
        LossKind::Squared | LossKind::Poisson => 0.5,
        LossKind::Hinge if outputs > 1 => 0.25,
        LossKind::Logistic | LossKind::Hinge | LossKind::Quantile | LossKind::Softmax => 1.0,
    };
    // Small vectors have small slopes, and are to be found within a few passes.
    if kind == Kind::Linear { of_linear } else { 2.0 * of_linear }
}

/// The L2 penalty by default: none for weights alone; with factors as much as so many rows of data say, whatever their number, for a
/// vector that few rows have seen fits their noise. Of the squared loss a row says four times as much. Vectors of deep models that do not
/// meet (`meets`) learn by what comes back through the layers alone, which is little at first: so much would hold them at 0 for ever.
fn default_penalty(kind: Kind, meets: bool, loss: LossKind, rows: u64) -> f32 {
    let worth = match kind {
        Kind::Linear => 0.0,
        Kind::Deep if !meets => 2.0,
        Kind::Fm => 20.0,
        Kind::Deep => 30.0,
        Kind::Ffm => 50.0,
        Kind::Mlp | Kind::Text => 0.0,
    };
    let curvature = if loss == LossKind::Squared { 4.0 } else { 1.0 };
    (worth / curvature / rows.max(1) as f64) as f32
}

/// What Adagrad's accumulators begin at, and the curvature of the loss relative to that of two equally frequent classes. With one output
/// both are 1, the best measured. With several the slopes are smaller, the more so the more classes there are, and values may be
/// of any size: the beginning is counted in rows.
fn pace(facts: &LabelFacts, mean_value_square: f64) -> (f32, f64) {
    if facts.outputs() == 1 {
        return (1.0, 1.0);
    }
    let spread = facts.constant.spread.max(1e-6);
    ((ROWS_TO_SETTLE * spread * mean_value_square).clamp(1e-12, 1e12) as f32, 4.0 * spread)
}
