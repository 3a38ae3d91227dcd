//! Θ to and from a model directory.
//!
//! On disk weights are in the units of the data: prediction needs no scales and no centres. The scales of columns and labels are powers
//! of two, so the way there and back changes no bit; where the intercept's rounds, it stands as learned beside the raw one.

use hogback_kernels::{Backend, Layout, Rule, Step};
use serde_json::Value;

use super::position::Position;
use super::scale::power;
use super::{factored, layers};
use crate::checkpoint::{Generation, Loaded, TensorData};
use crate::data::Dictionary;
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, LossKind, Target};
use crate::model::factors::Fresh;
use crate::model::network::Network;
use crate::theta::exchange::{BIAS, WEIGHT};
use crate::theta::{Class, Snapshot, TensorSpec, Theta};

/// What the words of Θ stand for.
pub(super) struct Words<'a> {
    /// What rows with factors begin with.
    pub(super) fresh: Option<&'a Fresh>,
    pub(super) rule: Rule,
    pub(super) layout: Layout,
    /// The layers, where there are any.
    pub(super) network: Option<&'a Network>,
    pub(super) step: Step<'a>,
    pub(super) dictionary: &'a Dictionary,
    pub(super) configuration: &'a Configuration,
}

impl Words<'_> {
    /// The exponent of two between labels and what is learned.
    fn label(&self) -> i32 {
        if self.configuration.is_as_learned() {
            0
        } else if let Target::Number { exponent } = self.configuration.target {
            exponent
        } else {
            0
        }
    }

    /// True where margins are logarithms of what is predicted: a scale of the labels is then a shift of the intercept.
    fn is_log(&self) -> bool {
        self.configuration.loss == LossKind::Poisson
    }

    /// True where the way of the intercept to the units of the data and back rounds.
    fn rounds_bias(&self) -> bool {
        !self.configuration.is_as_learned() && !self.configuration.centres.is_empty()
            || (self.is_log() && self.label() != 0)
    }

    /// Weights from learned units to those of the data (`direction` 1), or back (-1).
    fn scale(&self, weights: &mut [f32], direction: i32) {
        let label = if self.is_log() { 0 } else { self.label() };
        let rows = weights.chunks_exact_mut(self.layout.outputs());
        match &self.dictionary.scales {
            Some(exponents) => {
                for (row, &exponent) in rows.zip(exponents) {
                    let by = power(direction * (label + i32::from(exponent)));
                    row.iter_mut().for_each(|weight| *weight *= by);
                }
            }
            None if label != 0 => weights.iter_mut().for_each(|weight| *weight *= power(direction * label)),
            None => {}
        }
    }

    /// The intercepts for values as they are, by learned ones and the weights in the units of the data.
    fn raw_bias(&self, learned: &[f32], weights: &[f32]) -> Vec<f32> {
        let outputs = self.layout.outputs();
        let raw = |(output, &bias): (usize, &f32)| {
            let centred =
                |&(row, centre): &(u32, f32)| f64::from(weights[row as usize * outputs + output]) * f64::from(centre);
            let centres = if self.configuration.is_as_learned() { &[][..] } else { &self.configuration.centres };
            let off: f64 = centres.iter().map(centred).sum();
            let bias = if self.is_log() {
                f64::from(bias) + f64::from(self.label()) * std::f64::consts::LN_2
            } else {
                f64::from(bias * power(self.label()))
            };
            (bias - off) as f32
        };
        learned.iter().enumerate().map(raw).collect()
    }
}

/// The intercept as it was learned, where the way from it to the one for the data rounds.
const LEARNED: &str = "bias.learned";

/// The tensors of a model of `features` features, `network` being its layers, if it has any.
pub(super) fn specs(configuration: &Configuration, features: usize, network: Option<&Network>) -> Vec<TensorSpec> {
    let layout = configuration.layout();
    let spec = |name, rows, width, class| TensorSpec { name, rows, capacity: rows, width, class };
    let mut specs = vec![
        spec("weight", configuration.table_rows(features), layout.width(), Class::Sparse),
        spec("bias", 1, layout.intercept().width(), Class::Sparse),
    ];
    if let Some(network) = network {
        specs.push(spec("layers", network.words(), 1, Class::Dense { slots: configuration.slots() }));
        specs.push(spec("steps", 1, 1, Class::Dense { slots: 0 }));
    }
    specs
}

/// What a commit writes: the current Θ, and the best one so far where that is another.
pub(super) fn generation(
    current: &Snapshot,
    best: Option<&Snapshot>,
    words: &Words<'_>,
    spec: &[u8],
    metrics: Value,
    position: &Position,
) -> Result<Generation> {
    let (weights, mut state) = tensors(current, words, "");
    if let Some(best) = best {
        let (weights, slots) = tensors(best, words, "best.");
        state.extend(weights);
        state.extend(slots);
    }
    let json = |error: serde_json::Error| Error::Engine(format!("cannot write the manifest: {error}"));
    Ok(Generation {
        weights,
        state,
        dictionary: words.dictionary.to_bytes(),
        spec: spec.to_vec(),
        configuration: serde_json::to_value(words.configuration).map_err(json)?,
        metrics,
        position: serde_json::to_value(position).map_err(json)?,
    })
}

/// A snapshot as tensors of weights and tensors of what else stands in Θ.
fn tensors(snapshot: &Snapshot, words: &Words<'_>, prefix: &str) -> (Vec<TensorData>, Vec<TensorData>) {
    let Words { rule, layout, step, .. } = words;
    let (outputs, stride) = (layout.outputs(), layout.stride());
    let tensor = |name: String, data: Vec<f32>| TensorData {
        name: format!("{prefix}{name}"),
        rows: (data.len() / outputs) as u64,
        width: outputs as u32,
        data,
    };
    let (mut weights, mut state) = (Vec::<TensorData>::new(), Vec::new());
    for plane in factored::planes(*layout, words.configuration.has_weights()) {
        let tensor = plane.tensor(snapshot.plane(WEIGHT, 0), layout.width(), prefix);
        if plane.is_weights { weights.push(tensor) } else { state.push(tensor) }
    }
    if let Some(network) = words.network {
        layers::tensors(network, words.configuration, snapshot, prefix, &mut weights, &mut state);
        return (weights, state);
    }
    let simple = [(WEIGHT, "weight"), (BIAS, "bias")];
    let layout = layout.intercept();
    for (index, name) in simple.into_iter().skip(weights.len().min(1)) {
        let rows = || snapshot.plane(index, 0).chunks_exact(layout.width());
        let plane = |of: &dyn Fn(&[f32], &mut [f32])| {
            let mut plane = vec![0.0; rows().len() * outputs];
            rows().zip(plane.chunks_exact_mut(outputs)).for_each(|(row, out)| of(row, out));
            plane
        };
        let words_from = |first: usize| plane(&|row, out| out.copy_from_slice(&row[first..first + outputs]));
        let mut learned = plane(&|row, out| {
            for (output, weight) in out.iter_mut().enumerate() {
                let slot = row.get(stride + output).copied().unwrap_or(0.0);
                *weight = rule.weight(step, index == BIAS, row[output], slot);
            }
        });
        if index == BIAS {
            let raw = words.raw_bias(&learned, &weights[0].data);
            if words.rounds_bias() {
                state.push(tensor(LEARNED.to_owned(), learned));
            }
            learned = raw;
        } else {
            words.scale(&mut learned, 1);
        }
        weights.push(tensor(name.to_owned(), learned));
        if *rule == Rule::Ftrl {
            state.push(tensor(format!("{name}.z"), words_from(0)));
        }
        if layout.has_slots() {
            state.push(tensor(format!("{name}.squares"), words_from(stride)));
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
    words: &Words<'_>,
) -> Result<Option<Theta>> {
    let find = |name: &str| loaded.weights.iter().chain(&loaded.state).find(|tensor| tensor.name == name);
    let first = if words.network.is_some() { layers::FIRST } else { "weight" };
    if find(&format!("{which}{first}")).is_none() {
        return Ok(None);
    }
    let Words { rule, layout, step, .. } = words;
    let specs = specs(words.configuration, rows, words.network);
    let theta = Theta::reserve(specs, shards, backend).map_err(out_of_memory)?;
    let mut there = 0;
    for plane in factored::planes(*layout, words.configuration.has_weights()) {
        let name = format!("{which}{}", plane.name);
        let tensor = find(&name).ok_or_else(|| Error::model("model", format!("holds no tensor {name}")))?;
        there = tensor.data.len() / tensor.width.max(1) as usize;
        let table = theta.tensors()[WEIGHT].cells();
        plane.restore(tensor, table, layout.width()).map_err(|what| Error::model("model", what))?;
    }
    if let Some(fresh) = words.fresh {
        factored::begin(fresh, *layout, theta.tensors()[WEIGHT].cells(), there);
    }
    if let Some(network) = words.network {
        layers::restore(network, words.configuration, &theta, &|name| find(&format!("{which}{name}")))?;
        return Ok(Some(theta));
    }
    let simple = [(WEIGHT, "weight"), (BIAS, "bias")];
    let layout = layout.intercept();
    let (outputs, stride, width) = (layout.outputs(), layout.stride(), layout.width());
    for (index, name) in simple.into_iter().skip(usize::from(words.configuration.is_as_learned())) {
        let cells = theta.tensors()[index].cells();
        let plane = |name: &str| {
            let tensor = find(name)
                .ok_or_else(|| Error::model("model", format!("holds no tensor {name}: it was not made by train")))?;
            if tensor.width as usize != outputs || tensor.data.len() / outputs * width > cells.len() {
                return Err(Error::model(
                    "model",
                    format!("tensor {name} is not of the size that its settings call for"),
                ));
            }
            Ok(&tensor.data)
        };
        let name = format!("{which}{name}");
        let learned = format!("{which}{LEARNED}");
        let weights = if index == BIAS && words.rounds_bias() {
            plane(&learned)?.clone()
        } else {
            let mut weights = plane(&name)?.clone();
            if index == BIAS {
                weights.iter_mut().for_each(|bias| *bias *= power(-words.label()));
            } else {
                words.scale(&mut weights, -1);
            }
            weights
        };
        let slots = if layout.has_slots() { Some(plane(&format!("{name}.squares"))?) } else { None };
        let sums = if *rule == Rule::Ftrl { Some(plane(&format!("{name}.z"))?) } else { None };
        for (at, &weight) in weights.iter().enumerate() {
            let (row, output) = (at / outputs * width, at % outputs);
            let slot = slots.and_then(|slots| slots.get(at)).copied().unwrap_or(0.0);
            // Under other rates than it was saved with a word would stand for another weight; then it is found anew.
            let saved = sums.and_then(|sums| sums.get(at)).copied();
            let same = saved.filter(|&word| weight == 0.0 || rule.weight(step, index == BIAS, word, slot) == weight);
            cells.set(row + output, same.unwrap_or_else(|| rule.word(step, index == BIAS, weight, slot)));
            if layout.has_slots() {
                cells.set(row + stride + output, slot);
            }
        }
    }
    Ok(Some(theta))
}

/// No room for Θ.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn out_of_memory(error: std::io::Error) -> Error {
    Error::Engine(format!("cannot reserve memory for the parameters: {error}"))
}
