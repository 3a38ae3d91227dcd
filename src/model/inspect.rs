//! [`Inspection`]: what can be said of a model without data.

use std::collections::BinaryHeap;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::configuration::Configuration;
use super::predictor::Model;
use crate::report::format::{bytes, count, number};

/// What a model is, how it was made, and what it has learned most of.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The directory.
    pub model: String,
    /// The generation that is current.
    pub generation: u64,
    /// When it was committed, in seconds since 1970.
    pub created: u64,
    /// The parameter servers it was saved by.
    pub shards: usize,
    /// What its files take together.
    pub bytes: u64,
    /// Passes learned.
    pub passes: u64,
    /// How many features it knows.
    pub features: usize,
    /// How many weights are not 0, of all features and outputs.
    pub weights: u64,
    /// What it is and how it was trained.
    pub configuration: Configuration,
    /// What it was worth when it was saved, by progressive validation and on held-out rows.
    pub metrics: serde_json::Value,
    /// Its outputs, with their heaviest weights.
    pub outputs: Vec<Output>,
}

/// An output of a model.
#[derive(Debug, Serialize)]
pub struct Output {
    /// The class it speaks for; of two classes with one output the second; none for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its intercept.
    pub bias: f32,
    /// The features with the largest weights by size, the largest first, none of which is 0.
    pub heaviest: Vec<(String, f32)>,
}

/// A weight that may be among the heaviest: by size, then by row, so that ties fall the same way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Heavy {
    /// The bits of its size; those of numbers that are not negative order as the numbers do.
    lightness: std::cmp::Reverse<u32>,
    row: u32,
}

impl Inspection {
    /// Of the model that was opened from `directory`, with the `top` heaviest weights of each output.
    pub fn new(directory: String, model: &Model, top: usize) -> Self {
        let outputs = model.outputs();
        let mut heaps: Vec<BinaryHeap<Heavy>> = (0..outputs).map(|_| BinaryHeap::new()).collect();
        let mut weights = 0;
        for row in 0..model.features() {
            for (weight, heap) in model.weights(row).zip(&mut heaps) {
                if weight == 0.0 {
                    continue;
                }
                weights += 1;
                heap.push(Heavy { lightness: std::cmp::Reverse(weight.abs().to_bits()), row: row as u32 });
                if heap.len() > top {
                    heap.pop();
                }
            }
        }
        let output = |(at, (bias, heap)): (usize, (f32, BinaryHeap<Heavy>))| {
            let named = |heavy: Heavy| {
                let weight = model.weights(heavy.row as usize).nth(at).unwrap_or(0.0);
                (model.dictionary().name_of(heavy.row), weight)
            };
            let class = if outputs == 1 { model.classes().last() } else { model.classes().get(at) };
            Output { class: class.cloned(), bias, heaviest: heap.into_sorted_vec().into_iter().map(named).collect() }
        };
        let manifest = &model.manifest;
        Self {
            model: directory,
            generation: manifest.generation,
            created: manifest.created,
            shards: manifest.shards,
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            passes: manifest.metrics["passes"].as_u64().unwrap_or(0),
            features: model.features(),
            weights,
            configuration: model.configuration.clone(),
            metrics: manifest.metrics.clone(),
            outputs: model.bias().zip(heaps).enumerate().map(output).collect(),
        }
    }
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Configuration { kind, loss, optimizer, lr, l1, l2, schedule, seed, hashing, .. } = &self.configuration;
        write!(
            f,
            "model     {}, {} loss, {}, rate {lr} ({})",
            kind.name(),
            loss.name(),
            optimizer.name(),
            schedule.name()
        )?;
        for (name, size) in [("l1", l1), ("l2", l2)] {
            if *size > 0.0 {
                write!(f, ", {name} {size}")?;
            }
        }
        writeln!(f, ", seed {seed}")?;
        let (features, weights) = (number(self.features as u64, "feature"), number(self.weights, "weight"));
        let passes = if self.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", count(self.passes)) };
        writeln!(f, "learned   {passes}; {features}, {weights} other than 0")?;
        let files = number(self.shards as u64, "shard");
        writeln!(f, "saved     generation {}, {files}, {}", self.generation, bytes(self.bytes))?;
        for (name, whose) in [("train", "progressive"), ("held-out", "valid")] {
            let metrics: Vec<String> = self.metrics[whose]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(metric, value)| Some(format!("{metric} {:.5}", value.as_f64()?)))
                .collect();
            if !metrics.is_empty() {
                writeln!(f, "{name:<10}{}", metrics.join(", "))?;
            }
        }
        if let Some(hashing) = hashing {
            writeln!(f, "names     hashed into 2^{} buckets: what follows are their numbers", hashing.bits)?;
        }
        for output in &self.outputs {
            let class = output.class.as_ref().map(|class| format!("class {class}, ")).unwrap_or_default();
            let (shown, all) = (output.heaviest.len(), self.features);
            writeln!(f, "\n{class}intercept {}; the heaviest {shown} of {}:", output.bias, count(all as u64))?;
            for (name, weight) in &output.heaviest {
                writeln!(f, "{weight:>14.6}  {name}")?;
            }
        }
        Ok(())
    }
}
