//! What a run is about to do, with every default that was chosen, for people and for scripts.

use std::time::Duration;

use serde::Serialize;

use super::prepare::Prepared;
use super::{Consistency, Ears, Request};
use crate::data::DataFile;
use crate::engine::plan::Plan;
use crate::engine::schedule::Schedule;
use crate::error::Result;
use crate::model::configuration::Optimizer;
use crate::report::format::{duration, number};

/// The first line of `--json`.
#[derive(Debug, Serialize)]
struct Opening {
    model: String,
    kind: &'static str,
    rows: u64,
    nonzeros: u64,
    features: usize,
    held_out: usize,
    loss: &'static str,
    optimizer: Optimizer,
    lr: f32,
    l2: f32,
    schedule: Schedule,
    first_pass: u32,
    last_pass: u32,
    early_stop: u32,
    seed: u64,
    shards: usize,
    controllers: usize,
    children: usize,
    consistency: Consistency,
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
    let opening = Opening {
        model: request.model.display().to_string(),
        kind: "linear",
        rows: files.iter().map(DataFile::rows).sum(),
        nonzeros: prepared.nonzeros,
        features: prepared.dictionary.len(),
        held_out: prepared.held_out.rows.len(),
        loss: configuration.loss.name(),
        optimizer: configuration.optimizer,
        lr: configuration.lr,
        l2: configuration.l2,
        schedule: configuration.schedule,
        first_pass: prepared.position.pass + 1,
        last_pass: prepared.position.until,
        early_stop: configuration.early_stop,
        seed: configuration.seed,
        shards: plan.shards,
        controllers: plan.controllers.len(),
        children: plan.children(),
        consistency: request.consistency,
        kernels: request.backend.name(),
        from_cache: files.iter().all(DataFile::from_cache),
        seconds: reading.as_secs_f64(),
    };
    opening.lines().iter().for_each(|line| ears.progress.notice(line));
    ears.log.event("start", &opening)
}

impl Opening {
    fn lines(&self) -> [String; 4] {
        let data = format!(
            "data      {}, {}, {}, {} in {}",
            number(self.rows, "row"),
            number(self.features as u64, "feature"),
            number(self.nonzeros, "nonzero"),
            if self.from_cache { "from the cache" } else { "read" },
            duration(self.seconds),
        );
        let l2 = if self.l2 > 0.0 { format!(", l2 {}", self.l2) } else { String::new() };
        let model = format!(
            "model     {}, {} loss, {}, rate {} ({}){l2}, seed {}",
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
        [data, model, passes, machine]
    }
}
