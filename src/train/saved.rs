//! Θ to and from a model directory.
//!
//! On disk weights are in the units of the data: prediction needs no scales and no centres. The scales of columns and labels are powers
//! of two, so the way there and back changes no bit; where there are centres, the intercept as learned stands beside the raw one.

use hogback_kernels::{Backend, Rule};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::target::power;
use crate::checkpoint::{Generation, Loaded, TensorData};
use crate::data::Dictionary;
use crate::engine::stop::EarlyStop;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Target};
use crate::theta::exchange::{BIAS, WEIGHT};
use crate::theta::{Class, Snapshot, TensorSpec, Theta};

/// Where a run stands; goes into the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The pass that the run began with (from 0).
    pub(super) from: u32,
    /// The pass under way, or to come (from 0).
    pub(super) pass: u32,
    /// The pass that is not to be begun any more.
    pub(super) until: u32,
    /// By task of this pass: whether it is done. Empty between passes.
    pub(super) done: Vec<bool>,
    /// What the tasks done so far have shown: rows, loss, score.
    pub(super) progress: (u64, f64, f64),
    /// What the data was, which must be the same for the tasks to be.
    pub(super) data: Fingerprint,
    /// The judge of passes.
    pub(super) stop: EarlyStop,
    /// Halvings of the rate after divergence.
    pub(super) rescues: u32,
    /// The run came to its end.
    pub(super) finished: bool,
}

/// What tells data, and the way it is dealt out, from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) rows: u64,
    pub(super) nonzeros: u64,
    /// Of labels and squared values.
    pub(super) sums: f64,
    pub(super) seed: u64,
    pub(super) holdout: f64,
}

/// The scale of each weight and of the intercept: raw = learned · scale.
pub(super) struct Scales<'a> {
    pub(super) dictionary: &'a Dictionary,
    pub(super) target: &'a Target,
    pub(super) centres: &'a [(u32, f32)],
}

impl Scales<'_> {
    fn label(&self) -> i32 {
        if let Target::Number { exponent } = self.target { *exponent } else { 0 }
    }

    /// From learned units to raw ones (`direction` 1), or back (-1).
    fn apply(&self, weights: &mut [f32], direction: i32) {
        let label = self.label();
        match &self.dictionary.scales {
            Some(exponents) => {
                for (weight, &exponent) in weights.iter_mut().zip(exponents) {
                    *weight *= power(direction * (label + i32::from(exponent)));
                }
            }
            None if label != 0 => weights.iter_mut().for_each(|weight| *weight *= power(direction * label)),
            None => {}
        }
    }

    /// How much lower the intercept is for values as they are than for centred ones, by the raw weights.
    fn centred_off(&self, raw: &[f32]) -> f64 {
        self.centres.iter().map(|&(row, centre)| f64::from(raw[row as usize]) * f64::from(centre)).sum()
    }
}

/// The intercept as it was learned, beside the one for values off centre: the way from one to the other rounds.
const CENTRED: &str = "bias.centred";

/// The tensors of a linear model over `rows` keys.
pub(super) fn specs(rows: usize, rule: Rule) -> [TensorSpec; 2] {
    let spec = |name, rows| TensorSpec { name, rows, capacity: rows, width: rule.width(), class: Class::Sparse };
    [spec("weight", rows), spec("bias", 1)]
}

/// What a commit writes: the current Θ, and the best one so far where that is another.
pub(super) fn generation(
    current: &Snapshot,
    best: Option<&Snapshot>,
    rule: Rule,
    scales: &Scales<'_>,
    configuration: &Configuration,
    metrics: Value,
    position: &Position,
) -> Result<Generation> {
    let (weights, mut state) = tensors(current, rule, scales, "");
    if let Some(best) = best {
        let (weights, squares) = tensors(best, rule, scales, "best.");
        state.extend(weights);
        state.extend(squares);
    }
    let json = |error: serde_json::Error| Error::Engine(format!("cannot write the manifest: {error}"));
    Ok(Generation {
        weights,
        state,
        dictionary: scales.dictionary.to_bytes(),
        configuration: serde_json::to_value(configuration).map_err(json)?,
        metrics,
        position: serde_json::to_value(position).map_err(json)?,
    })
}

/// A snapshot as tensors of weights and tensors of slots.
fn tensors(snapshot: &Snapshot, rule: Rule, scales: &Scales<'_>, prefix: &str) -> (Vec<TensorData>, Vec<TensorData>) {
    let (mut weights, mut state) = (Vec::new(), Vec::new());
    let mut off = 0.0;
    for (index, name) in [(WEIGHT, "weight"), (BIAS, "bias")] {
        let words = snapshot.plane(index, 0);
        let every = |first: usize| words.iter().skip(first).step_by(rule.width()).copied().collect::<Vec<f32>>();
        let tensor = |name: String, data: Vec<f32>| TensorData { name, rows: data.len() as u64, width: 1, data };
        let mut raw = every(0);
        if index == WEIGHT {
            scales.apply(&mut raw, 1);
            off = scales.centred_off(&raw);
        } else {
            raw.iter_mut().for_each(|bias| *bias = (f64::from(*bias * power(scales.label())) - off) as f32);
        }
        weights.push(tensor(format!("{prefix}{name}"), raw));
        if rule == Rule::Adagrad {
            state.push(tensor(format!("{prefix}{name}.squares"), every(1)));
        }
        if index == BIAS && !scales.centres.is_empty() {
            state.push(tensor(format!("{prefix}{CENTRED}"), every(0)));
        }
    }
    (weights, state)
}

/// A Θ that holds a loaded model, `which` being "" for the current weights and "best." for the best ones; none where there
/// are no such tensors. Rows that the model has not are zero.
///
/// # Errors
/// [`Error::Model`] where tensors are missing.
pub(super) fn theta(
    loaded: &Loaded,
    which: &str,
    rows: usize,
    shards: usize,
    backend: Backend,
    rule: Rule,
    scales: &Scales<'_>,
) -> Result<Option<Theta>> {
    let find = |name: &str| loaded.weights.iter().chain(&loaded.state).find(|tensor| tensor.name == name);
    if find(&format!("{which}weight")).is_none() {
        return Ok(None);
    }
    let theta = Theta::reserve(specs(rows, rule), shards, backend).map_err(out_of_memory)?;
    for (index, name) in [(WEIGHT, "weight"), (BIAS, "bias")] {
        let cells = theta.tensors()[index].cells();
        let missing = |name: &str| Error::model("model", format!("holds no tensor {name}: it was not made by train"));
        let name = format!("{which}{name}");
        let mut weights = find(&name).ok_or_else(|| missing(&name))?.data.clone();
        if index == WEIGHT {
            scales.apply(&mut weights, -1);
        } else if let Some(centred) = find(&format!("{which}{CENTRED}")) {
            weights.clone_from(&centred.data);
        } else {
            weights.iter_mut().for_each(|bias| *bias *= power(-scales.label()));
        }
        let mut planes = vec![weights];
        if rule == Rule::Adagrad {
            let name = format!("{name}.squares");
            planes.push(find(&name).ok_or_else(|| missing(&name))?.data.clone());
        }
        for (slot, plane) in planes.iter().enumerate() {
            if plane.len() * rule.width() > cells.len() {
                return Err(Error::model("model", format!("tensor {name} has more rows than the dictionary")));
            }
            plane.iter().enumerate().for_each(|(row, &word)| cells.set(row * rule.width() + slot, word));
        }
    }
    Ok(Some(theta))
}

/// No room for Θ.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn out_of_memory(error: std::io::Error) -> Error {
    Error::Engine(format!("cannot reserve memory for the parameters: {error}"))
}
