//! What a model is trained with: what was said, else what the model that is resumed has, else what suits the data.
//!
//! What flows in: the request, facts of labels and values. What flows out: a [`Configuration`], and the [`Penalties`] it comes to.

use hogback_kernels::Step;

use super::corpus::Corpus;
use super::target::LabelFacts;
use super::{Request, scale};
use crate::data::{Column, FieldSource};
use crate::engine::schedule::Schedule;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind, LossKind, Optimizer};

/// Numbers in a factor vector where nobody says.
const RANK: usize = 4;
/// The most passes when there is a held-out loss to stop by, and when there is none.
const PASSES: u32 = 20;
const PASSES_BLIND: u32 = 3;
/// How many rows with a feature a fresh weight of one of several classes should have learned before Adagrad's accumulator weighs as much
/// as what it began at.
const ROWS_TO_SETTLE: f64 = 20.0;

/// The configuration of a run whose data has these columns, centres, mean squared norm of a row, nonzeros and rows.
///
/// # Errors
/// [`Error::Usage`] for settings that do not go together.
pub(super) fn configuration(
    request: &Request,
    old: Option<&Configuration>,
    facts: &LabelFacts,
    columns: Option<Vec<Column>>,
    fields: Option<FieldSource>,
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
    let kind = said.kind.or(old.map(|old| old.kind)).unwrap_or_default();
    if kind != Kind::Linear {
        check_factors(kind, Some(optimizer), facts.loss)?;
    } else if said.rank.is_some() {
        return Err(Error::Usage("--rank is for --kind fm and ffm; this is linear".to_owned()));
    }
    let rank = if kind == Kind::Linear { 0 } else { said.rank.or(old.map(|old| old.rank)).unwrap_or(RANK) };
    let (floor, curvature) = pace(facts, mean_value_square);
    let configuration = Configuration {
        kind,
        rank,
        fields,
        loss: facts.loss,
        target: facts.target.clone(),
        columns,
        text: None,
        hashing: match old {
            Some(old) => old.hashing.clone(),
            None => request.read.hashing.clone(),
        },
        optimizer,
        lr: said.lr.or(old.map(|old| old.lr)).unwrap_or(default_rate(kind, facts)),
        floor: old.map_or(floor, |old| old.floor),
        curvature: old.map_or(curvature, |old| old.curvature),
        l1,
        l2: said.l2.or(old.map(|old| old.l2)).unwrap_or(default_penalty(kind, facts.loss, rows)),
        quantile: said.quantile.or(old.map(|old| old.quantile)).unwrap_or(0.5),
        class_weights: facts.class_weights.clone(),
        schedule,
        passes: said.passes.or(old.map(|old| old.passes)).unwrap_or(if blind { PASSES_BLIND } else { PASSES }),
        early_stop: said.early_stop.or(old.map(|old| old.early_stop)).unwrap_or(2),
        holdout,
        seed: said.seed.or(old.map(|old| old.seed)).unwrap_or(0),
        centres,
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

/// The penalties as the step rule takes them.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn penalties(configuration: &Configuration, corpus: &Corpus<'_>) -> Result<Penalties> {
    let Configuration { floor, l1, l2, .. } = *configuration;
    let decays = if l2 > 0.0 { scale::decays(corpus, l2)? } else { Vec::new() };
    Ok(Penalties { floor, decays, l1, norm: configuration.norm() })
}

/// The rate that suits all data measured, in the units of [`Configuration::rates`]; the squared loss, whose curvature is four times the
/// logistic's, wants half, and hinges of several classes, most of which are wide of the mark at first, a quarter.
fn default_rate(kind: Kind, facts: &LabelFacts) -> f32 {
    let of_linear = match facts.loss {
        LossKind::Squared | LossKind::Poisson => 0.5,
        LossKind::Hinge if facts.outputs() > 1 => 0.25,
        LossKind::Logistic | LossKind::Hinge | LossKind::Quantile | LossKind::Softmax => 1.0,
    };
    // Small vectors have small slopes, and are to be found within a few passes.
    if kind == Kind::Linear { of_linear } else { 2.0 * of_linear }
}

/// The L2 penalty by default: none for weights alone; with factors as much as so many rows of data say, whatever their number, for a
/// vector that few rows have seen fits their noise. Of the squared loss a row says four times as much.
fn default_penalty(kind: Kind, loss: LossKind, rows: u64) -> f32 {
    let worth = match kind {
        Kind::Linear => 0.0,
        Kind::Fm => 20.0,
        Kind::Ffm => 50.0,
    };
    let curvature = if loss == LossKind::Squared { 4.0 } else { 1.0 };
    (worth / curvature / rows.max(1) as f64) as f32
}

/// Refuses what models with factors cannot be learned with.
///
/// # Errors
/// [`Error::Usage`], with what they can.
pub(super) fn check_factors(kind: Kind, optimizer: Option<Optimizer>, loss: LossKind) -> Result<()> {
    let name = kind.name();
    match (optimizer, loss) {
        (Some(other), _) if other != Optimizer::Adagrad => {
            Err(Error::Usage(format!("--kind {name} is learned by adagrad; this is --optimizer {}", other.name())))
        }
        (_, LossKind::Logistic | LossKind::Softmax | LossKind::Squared) => Ok(()),
        (_, other) => {
            let other = other.name();
            Err(Error::Usage(format!("--kind {name} learns by --loss logistic, softmax or squared; this is {other}")))
        }
    }
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
