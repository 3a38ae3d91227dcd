//! What a run came to, for people and for scripts.

use std::fs;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::passes::End;
use super::{Consistency, Ears, Request};
use crate::data::DataFile;
use crate::engine::plan::Plan;
use crate::error::{Error, Result};
use crate::report::metrics::Metrics;
use crate::report::staleness::Staleness;

/// The summary of a run; the last line of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model directory.
    pub model: String,
    /// The family.
    pub kind: &'static str,
    /// What was minimised.
    pub loss: &'static str,
    /// Rows of data.
    pub rows: u64,
    /// Nonzeros of data.
    pub nonzeros: u64,
    /// Bad rows that were skipped.
    pub skipped_rows: u64,
    /// Passes in the life of the model.
    pub passes: u32,
    /// Different labels, if the labels are classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// S.
    pub shards: usize,
    /// K.
    pub controllers: usize,
    /// m, all controllers together.
    pub children: usize,
    /// How children shared Θ.
    pub consistency: Consistency,
    /// The instruction set.
    pub kernels: &'static str,
    /// Where the time went.
    pub seconds: Seconds,
    /// Rows learned a second, of the passes alone.
    pub examples_per_second: f64,
    /// Nonzeros learned a second, of the passes alone.
    pub nonzeros_per_second: f64,
    /// The most memory the process had.
    pub peak_rss_bytes: u64,
    /// Metrics of the last pass, each row scored before it was learned.
    pub progressive: Metrics,
    /// Metrics of the model on held-out rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<Metrics>,
    /// Rows of work that others finished between a child's pull and its push.
    pub staleness: Staleness,
    /// Tasks that failed and were dealt again.
    pub failed_tasks: u32,
    /// The generation committed last.
    pub generation: u64,
}

/// Seconds of a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seconds {
    /// Reading data.
    pub read: f64,
    /// The passes.
    pub train: f64,
    /// All.
    pub total: f64,
}

/// Ends a run: its summary, or how it goes on after an interruption.
pub(super) fn conclude(
    request: &Request,
    plan: &Plan,
    files: &[DataFile],
    end: End,
    reading: Duration,
    begun: Instant,
    ears: Ears<'_>,
) -> Result<Summary> {
    let model = request.model.display().to_string();
    if end.interrupted {
        let (pass, generation) = (end.passes + 1, end.generation);
        let what = format!("interrupted in pass {pass}; generation {generation} of {model} is saved");
        return Err(Error::Interrupted { what, saved: true });
    }
    let train = end.learning.as_secs_f64();
    let per_second = |count: u64| if train > 0.0 { count as f64 / train } else { 0.0 };
    let summary = Summary {
        model,
        kind: end.configuration.kind.name(),
        loss: end.configuration.loss.name(),
        rows: files.iter().map(DataFile::rows).sum(),
        nonzeros: files.iter().map(DataFile::nonzeros).sum(),
        skipped_rows: files.iter().filter_map(DataFile::skipped).map(|skipped| skipped.rows).sum(),
        passes: end.passes,
        classes: end.classes,
        shards: plan.shards,
        controllers: plan.controllers.len(),
        children: plan.children(),
        consistency: request.consistency,
        kernels: request.backend.name(),
        seconds: Seconds { read: reading.as_secs_f64(), train, total: begun.elapsed().as_secs_f64() },
        examples_per_second: per_second(end.rows_learned),
        nonzeros_per_second: per_second(end.nonzeros_learned),
        peak_rss_bytes: peak_rss(),
        progressive: end.progressive,
        valid: end.valid,
        staleness: end.staleness,
        failed_tasks: end.failed,
        generation: end.generation,
    };
    ears.log.event("summary", &summary)?;
    Ok(summary)
}

/// The most memory this process has had, in bytes; 0 where the system does not say.
fn peak_rss() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
