//! What a run is about to do, with every default that was chosen, for people and for scripts.

use std::time::Duration;

use serde::Serialize;

use super::prepare::Prepared;
use super::{Consistency, Ears, Request};
use crate::data::DataFile;
use crate::engine::plan::Plan;
use crate::engine::schedule::Schedule;
use crate::error::Result;
use crate::model::configuration::{Kind, Optimizer};
use crate::model::network::Network;
use crate::model::weighting::Text;
use crate::report::format::{duration, number, skips};

/// The first line of `--json`.
#[derive(Debug, Serialize)]
struct Opening {
    model: String,
    kind: &'static str,
    /// Numbers in a factor vector, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    /// Fields that there are vectors for, where they matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<usize>,
    /// What lines of text come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    /// The sizes of what goes into the layers, of what comes out of the hidden ones, and of what comes out, where there are layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<usize>>,
    /// Which of them also see what came out of an earlier one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skips: Vec<(usize, usize)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    rows: u64,
    nonzeros: u64,
    features: usize,
    held_out: usize,
    loss: &'static str,
    #[serde(skip)]
    of_numbers: bool,
    optimizer: Optimizer,
    lr: f32,
    l1: f32,
    l2: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<usize>,
    schedule: Schedule,
    first_pass: u32,
    last_pass: u32,
    early_stop: u32,
    seed: u64,
    shards: usize,
    controllers: usize,
    children: usize,
    consistency: Consistency,
    /// Nanoseconds that a cache line takes between the cores and back, where that was looked at.
    round_trip_ns: Option<f64>,
    /// Features whose weights are private to each child, and rows between two merges of them.
    private_features: usize,
    merge_rows: usize,
    kernels: &'static str,
    from_cache: bool,
    seconds: f64,
}

/// Tells what was `prepared`, which took `reading`.
///
/// # Errors
/// The run log's.
pub(super) fn tell(
    request: &Request,
    plan: &Plan,
    files: &[DataFile],
    prepared: &Prepared<'_>,
    reading: Duration,
    ears: Ears<'_>,
) -> Result<()> {
    let configuration = &prepared.configuration;
    let layers = configuration.layers.as_ref();
    let opening = Opening {
        model: request.model.display().to_string(),
        kind: configuration.kind.name(),
        rank: configuration.factors().map(|factors| factors.rank),
        fields: configuration.fields.as_ref().map(|fields| fields.names.len()),
        text: configuration.text,
        layers: prepared.learner.network().map(Network::sizes),
        skips: layers.map_or(Vec::new(), |layers| layers.skips.clone()),
        activation: layers.filter(|layers| !layers.hidden.is_empty()).map(|layers| layers.activation.name()),
        dropout: layers.filter(|layers| !layers.hidden.is_empty() && layers.dropout > 0.0).map(|layers| layers.dropout),
        batch: layers.map(|layers| layers.batch),
        rows: files.iter().map(DataFile::rows).sum(),
        nonzeros: prepared.nonzeros,
        features: prepared.dictionary.len(),
        held_out: prepared.held_out.rows.len(),
        loss: configuration.loss.name(),
        of_numbers: configuration.loss.is_of_numbers(),
        optimizer: configuration.optimizer,
        lr: configuration.lr,
        l1: configuration.l1,
        l2: configuration.l2,
        classes: prepared.facts.classes,
        schedule: configuration.schedule,
        first_pass: prepared.position.pass + 1,
        last_pass: prepared.position.until,
        early_stop: configuration.early_stop,
        seed: configuration.seed,
        shards: plan.shards,
        controllers: plan.controllers.len(),
        children: plan.children(),
        consistency: request.consistency,
        round_trip_ns: prepared.distance.map(|seconds| (seconds * 1e9).round()),
        private_features: prepared.head.rows,
        merge_rows: prepared.head.interval * prepared.head.every as usize,
        kernels: request.backend.name(),
        from_cache: files.iter().all(DataFile::from_cache),
        seconds: reading.as_secs_f64(),
    };
    opening.lines().iter().for_each(|line| ears.progress.notice(line));
    ears.log.event("start", &opening)
}

impl Opening {
    fn lines(&self) -> Vec<String> {
        let data = format!(
            "data      {}, {}, {}, {} in {}",
            number(self.rows, "row"),
            number(self.features as u64, "feature"),
            number(self.nonzeros, "nonzero"),
            if self.from_cache { "from the cache" } else { "read" },
            duration(self.seconds),
        );
        let penalty = |name: &str, size: f32| if size > 0.0 { format!(", {name} {size}") } else { String::new() };
        let penalties = penalty("l1", self.l1) + &penalty("l2", self.l2);
        let classes = match self.classes {
            Some(classes) if classes > 2 && !self.of_numbers => format!(" of {classes} classes"),
            _ => String::new(),
        };
        let what = if self.kind == Kind::Text.name() { "dim" } else { "rank" };
        let rank = self.rank.map_or(String::new(), |rank| format!(" of {what} {rank}"));
        let fields = self.fields.map_or(String::new(), |fields| format!(" for {}", number(fields as u64, "field")));
        let layers = self.layers.as_ref().map_or(String::new(), |sizes| {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            let activation = self.activation.map_or(String::new(), |name| format!(" ({name})"));
            let skipped = if self.skips.is_empty() { String::new() } else { format!(", skips {}", skips(&self.skips)) };
            format!(", layers {}{activation}{skipped}", sizes.join(" → "))
        });
        let dropout = self.dropout.map_or(String::new(), |share| format!(", dropout {share}"));
        let batch = self.batch.map_or(String::new(), |rows| format!(", batches of {rows}"));
        let model = format!(
            "model     {}{rank}{fields}{layers}, {} loss{classes}, {}, rate {} ({}){batch}{dropout}{penalties}, seed {}",
            self.kind,
            self.loss,
            self.optimizer.name(),
            self.lr,
            self.schedule.name(),
            self.seed
        );
        let stop = match (self.held_out, self.early_stop) {
            (0, _) => String::new(),
            (rows, 0) => format!(", {} held out", number(rows as u64, "row")),
            (rows, 1) => format!(", until one does not improve {}", number(rows as u64, "held-out row")),
            (rows, patience) => {
                format!(", until {patience} do not improve {}", number(rows as u64, "held-out row"))
            }
        };
        let passes = format!("passes    {} to {} at most{stop}", self.first_pass, self.last_pass);
        let machine = format!(
            "machine   S = {}, K = {}, {}, {}, {}",
            self.shards,
            self.controllers,
            if self.children == 1 { "1 child".to_owned() } else { format!("{} children", self.children) },
            self.consistency.name(),
            self.kernels
        );
        let text = self.text.map(|text| format!("text      {text}"));
        [data].into_iter().chain(text).chain([model, passes, machine]).collect()
    }
}
