//! [`Inspection`]: what can be said of a model without data.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::configuration::Configuration;
use super::most::Most;
use super::predictor::Model;
use crate::data::listed;
use crate::report::format::{bytes, count, number};

/// How many of the longest factor vectors are shown.
const LONGEST: usize = 5;

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
    /// What intercepts, weights and vectors together come to is to be multiplied with this to be in the units of labels: 1 but for
    /// numbers that factors are learned from.
    pub unit: f64,
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
    /// The features with the longest factor vectors, those of all fields together, and their lengths, the longest first; none in a
    /// linear model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub longest: Vec<(String, f32)>,
}

impl Inspection {
    /// Of the model that was opened from `directory`, with the `top` heaviest weights of each output.
    pub fn new(directory: String, model: &Model, top: usize) -> Self {
        let outputs = model.outputs();
        let most = |most: usize| (0..outputs).map(|_| Most::new(most)).collect::<Vec<_>>();
        let (mut heaviest, mut longest) = (most(top), most(top.min(LONGEST)));
        let mut weights = 0;
        for row in 0..model.features() {
            for (weight, heaviest) in model.weights(row).zip(&mut heaviest).filter(|(weight, _)| *weight != 0.0) {
                weights += 1;
                heaviest.offer(weight.abs(), row);
            }
            let vectors: Vec<f32> = model.factors(row).collect();
            for (vectors, longest) in vectors.chunks(vectors.len().div_ceil(outputs).max(1)).zip(&mut longest) {
                longest.offer(vectors.iter().map(|v| v * v).sum::<f32>().sqrt(), row);
            }
        }
        let name = |row: usize| model.dictionary().name_of(row as u32);
        let output = |(at, (bias, (heaviest, longest))): (usize, (f32, (Most, Most)))| Output {
            class: if outputs == 1 { model.classes().last() } else { model.classes().get(at) }.cloned(),
            bias,
            heaviest: heaviest.best().map(|(row, _)| (name(row), model.weights(row).nth(at).unwrap_or(0.0))).collect(),
            longest: longest.best().map(|(row, length)| (name(row), length)).collect(),
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
            unit: model.unit(),
            configuration: model.configuration.clone(),
            metrics: manifest.metrics.clone(),
            outputs: model.bias().zip(heaviest.into_iter().zip(longest)).enumerate().map(output).collect(),
        }
    }
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Configuration { kind, rank, loss, optimizer, lr, l1, l2, schedule, seed, hashing, fields, text, .. } =
            &self.configuration;
        let of_rank = if *rank > 0 { format!(" of rank {rank}") } else { String::new() };
        write!(
            f,
            "model     {}{of_rank}, {} loss, {}, rate {lr} ({})",
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
        if let Some(text) = text {
            writeln!(f, "text      {text}")?;
        }
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
        if let Some(fields) = fields {
            let names: Vec<&str> =
                fields.names.iter().map(|name| if name.is_empty() { "(no name)" } else { name }).collect();
            writeln!(f, "fields    {}: {}", count(names.len() as u64), listed(&names))?;
        }
        if self.unit != 1.0 {
            writeln!(f, "units     numbers are learned in units of {}, and what follows is in these", self.unit)?;
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
            if !output.longest.is_empty() {
                writeln!(f, "the longest {} vectors:", output.longest.len())?;
            }
            for (name, length) in &output.longest {
                writeln!(f, "{length:>14.6}  {name}")?;
            }
        }
        Ok(())
    }
}
