//! [`Inspection`]: what can be said of a model without data.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::configuration::{Configuration, Kind, Layers};
use super::factors::Units;
use super::most::Most;
use super::network::Network;
use super::predictor::Model;
use crate::data::listed;
use crate::report::format::{bytes, count, number, skips};

/// How many of the longest factor vectors are shown beside weights.
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
    /// How many weights of features are not 0, of all features and outputs; layers not counted.
    pub weights: u64,
    /// The layers, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Dimensions>,
    /// The least and the greatest of what the values of features are multiplied with, where prediction does that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scales: Option<[f32; 2]>,
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

/// The layers of a model.
#[derive(Debug, Serialize)]
pub struct Dimensions {
    /// How many numbers go in, then what comes out of each layer.
    pub sizes: Vec<usize>,
    /// How many numbers they have in all.
    pub parameters: usize,
}

/// An output of a model; before layers, whose outputs share all features, all of them together.
#[derive(Debug, Serialize)]
pub struct Output {
    /// The class it speaks for; of two classes with one output the second; none for numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Its intercept; none where there are layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<f32>,
    /// The features with the largest weights by size, the largest first, none of which is 0; none where features have no weights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub heaviest: Vec<(String, f32)>,
    /// The features with the longest factor vectors, those of all fields together, and their lengths, the longest first; none in a
    /// linear model. Of a perceptron the vector of a feature is its row of the first layer, in the units of learning: the sizes of
    /// columns are no part of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub longest: Vec<(String, f32)>,
}

impl Inspection {
    /// Of the model that was opened from `directory`, with the `top` heaviest weights of each output.
    pub fn new(directory: String, model: &Model, top: usize) -> Self {
        let (outputs, parts) = (model.outputs(), model.parts());
        let most = |most: usize| (0..parts).map(|_| Most::new(most)).collect::<Vec<_>>();
        let beside_weights = model.configuration.has_weights();
        let (mut heaviest, mut longest) = (most(top), most(if beside_weights { top.min(LONGEST) } else { top }));
        let mut weights = 0;
        for row in 0..model.features() {
            for (weight, heaviest) in model.weights(row).zip(&mut heaviest).filter(|(weight, _)| *weight != 0.0) {
                weights += 1;
                heaviest.offer(weight.abs(), row);
            }
            let vectors: Vec<f32> = model.factors(row).chain(model.first_layer(row).iter().copied()).collect();
            for (vectors, longest) in vectors.chunks(vectors.len().div_ceil(parts).max(1)).zip(&mut longest) {
                longest.offer(vectors.iter().map(|v| v * v).sum::<f32>().sqrt(), row);
            }
        }
        let name = |row: usize| model.dictionary().name_of(row as u32);
        let class = |at: usize| match outputs {
            1 => model.classes().last(),
            _ if parts == 1 => None,
            _ => model.classes().get(at),
        };
        let output = |(at, (heaviest, longest)): (usize, (Most, Most))| Output {
            class: class(at).cloned(),
            bias: model.bias().nth(at),
            heaviest: heaviest.best().map(|(row, _)| (name(row), model.weights(row).nth(at).unwrap_or(0.0))).collect(),
            longest: longest.best().map(|(row, length)| (name(row), length)).collect(),
        };
        let dimensions = |network: &Network| Dimensions { sizes: network.sizes(), parameters: network.parameters() };
        let scales = |units: &Units| {
            let least_and_most = |[least, most]: [f32; 2], &scale: &f32| [least.min(scale), most.max(scale)];
            units.scales().iter().fold([f32::MAX, 0.0], least_and_most)
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
            network: model.layers().map(|(network, _)| dimensions(network)),
            scales: model.units().map(scales),
            unit: model.unit(),
            configuration: model.configuration.clone(),
            metrics: manifest.metrics.clone(),
            outputs: heaviest.into_iter().zip(longest).enumerate().map(output).collect(),
        }
    }
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Configuration { kind, rank, loss, optimizer, lr, l1, l2, schedule, seed, hashing, fields, text, .. } =
            &self.configuration;
        let of_rank = match rank {
            0 => String::new(),
            dim if *kind == Kind::Text => format!(" of dim {dim}"),
            rank => format!(" of rank {rank}"),
        };
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
        if let (Some(network), Some(layers)) = (&self.network, &self.configuration.layers) {
            self.layers(network, layers, f)?;
        }
        self.inputs(f)?;
        let features = number(self.features as u64, "feature");
        let weights = match self.configuration.has_weights() {
            true => format!(", {} other than 0", number(self.weights, "weight")),
            false => String::new(),
        };
        let passes = if self.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", count(self.passes)) };
        writeln!(f, "learned   {passes}; {features}{weights}")?;
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
            let bias = output.bias.map(|bias| format!("intercept {bias}; ")).unwrap_or_default();
            let all = count(self.features as u64);
            writeln!(f)?;
            if self.configuration.has_weights() {
                writeln!(f, "{class}{bias}the heaviest {} of {all}:", output.heaviest.len())?;
            }
            for (name, weight) in &output.heaviest {
                writeln!(f, "{weight:>14.6}  {name}")?;
            }
            let longest = output.longest.len();
            match kind {
                _ if longest == 0 => {}
                Kind::Mlp => writeln!(f, "the longest {longest} of {all} rows of the first layer, as learned:")?,
                Kind::Text | Kind::Deep if output.heaviest.is_empty() => {
                    writeln!(f, "the longest {longest} of {all} vectors:")?;
                }
                _ => writeln!(f, "the longest {longest} vectors:")?,
            }
            for (name, length) in &output.longest {
                writeln!(f, "{length:>14.6}  {name}")?;
            }
        }
        Ok(())
    }
}

impl Inspection {
    fn layers(&self, network: &Dimensions, layers: &Layers, f: &mut Formatter<'_>) -> fmt::Result {
        let last = network.sizes.len() - 1;
        let size = |(nth, &size): (usize, &usize)| match nth {
            nth if nth == 0 || nth == last => count(size as u64),
            _ => format!("{} {}", count(size as u64), layers.activation.name()),
        };
        let sizes: Vec<String> = network.sizes.iter().enumerate().map(size).collect();
        let skipped = if layers.skips.is_empty() { String::new() } else { format!(", skips {}", skips(&layers.skips)) };
        let parameters = number(network.parameters as u64, "parameter");
        writeln!(f, "network   {}{skipped}, {parameters}", sizes.join(" → "))?;
        write!(f, "batches   of {}", number(layers.batch as u64, "row"))?;
        if layers.dropout > 0.0 {
            write!(f, ", {} of the hidden units left out", layers.dropout)?;
        }
        if layers.feature_dropout > 0.0 {
            write!(f, ", {} of the features of a row left out", layers.feature_dropout)?;
        }
        let is_wide = self.configuration.has_weights() && !layers.meets;
        writeln!(f, "{}", if is_wide { "; wide: vectors do not meet" } else { "" })
    }

    /// What is done to values before they are learned or scored.
    fn inputs(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Configuration { kind, centres, .. } = &self.configuration;
        let Some(scales) = self.scales else { return Ok(()) };
        let [least, most] = scales.map(f32::log2);
        let centred = match (kind, centres.len()) {
            (Kind::Mlp, _) => " less their means".to_owned(),
            (_, 0) => String::new(),
            (_, centred) => format!(" ({} of them less the mean)", number(centred as u64, "column")),
        };
        match least == most {
            true => writeln!(f, "inputs    values{centred}, times 2^{least}"),
            false => writeln!(f, "inputs    values{centred}, times 2^{least} to 2^{most}"),
        }
    }
}
