//! `hogback eval`.

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::values::input;
use super::{Labels, ModelPath, Reading, ignored, kernels, print, say};
use crate::data::{Block, CachePolicy, Input, stream};
use crate::error::{Error, Result};
use crate::model::predictor::Model;
use crate::model::tally::{Scored, Tally};
use crate::report::auc::auc;
use crate::report::format::{bad_rows, count, duration, number, percent};
use crate::report::log::RunLog;
use crate::report::metrics::{F1Tally, Metrics, likeliest};
use crate::sys::signal::StopRequest;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// Labelled data: a path, `-` for standard input, or a built-in set
    #[arg(value_parser = input)]
    data: Input,
    /// Print the metrics as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    labels: Labels,
}

#[derive(Serialize)]
struct Summary<'a> {
    model: String,
    kind: &'a str,
    loss: &'a str,
    rows: u64,
    nonzeros: u64,
    unknown_keys: u64,
    unlabelled: u64,
    unknown_labels: u64,
    skipped_rows: u64,
    kernels: &'a str,
    seconds: Seconds,
    eval: Metrics,
}

#[derive(Serialize)]
struct Seconds {
    total: f64,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let begun = Instant::now();
    let model = Model::open_on(&flags.model, kernels()?)?;
    let mut scored = Evaluation::new(&model);
    let options = flags.reading.options(flags.labels.file(), CachePolicy::Off)?;
    let seen = stream(&flags.data, &options, &model.known(), &say, &StopRequest::never(), &mut |block| {
        scored.add(&model, &block.as_block());
        Ok(())
    })?;
    if scored.tally.rows == 0 {
        return Err(Error::data(flags.data.to_string(), "has no row with a label that the model knows"));
    }
    let metrics = scored.metrics(&model);
    let (unlabelled, unknown_labels) = (seen.unlabelled, seen.unknown_labels + scored.strange);
    let left_out =
        [(unknown_labels, "with a label that the model was not trained on"), (unlabelled, "without a label")];
    for (rows, which) in left_out.into_iter().filter(|(rows, _)| *rows > 0) {
        say(&format!("note: {} {which}: left out", number(rows, "row")));
    }
    if seen.several_labels > 0 {
        say(&format!("note: {} of several labels: the first of each counts", number(seen.several_labels, "row")));
    }
    ignored(seen.unknown_keys);
    if let Some(skipped) = &seen.skipped {
        say(&bad_rows(&flags.data.to_string(), skipped));
    }
    let seconds = begun.elapsed().as_secs_f64();
    if flags.json {
        return RunLog::stdout().event(
            "summary",
            &Summary {
                model: flags.model.display().to_string(),
                kind: model.configuration.kind.name(),
                loss: model.configuration.loss.name(),
                rows: seen.rows,
                nonzeros: seen.nonzeros,
                unknown_keys: seen.unknown_keys,
                unlabelled,
                unknown_labels,
                skipped_rows: seen.skipped.as_ref().map_or(0, |skipped| skipped.rows),
                kernels: model.backend().name(),
                seconds: Seconds { total: seconds },
                eval: metrics,
            },
        );
    }
    let all = if scored.tally.rows < seen.rows { format!(" of {}", count(seen.rows)) } else { String::new() };
    let mut text = format!("{:<10}{}{all} in {}\n", "rows", count(scored.tally.rows), duration(seconds));
    let Metrics { loss, logloss, auc, accuracy, macro_f1, rmse, mae } = metrics;
    let lines = [("logloss", logloss), ("loss", loss), ("auc", auc), ("rmse", rmse), ("mae", mae)];
    for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        text += &format!("{name:<10}{value:.5}\n");
    }
    for (name, share) in [("accuracy", accuracy), ("macro f1", macro_f1)] {
        if let Some(share) = share {
            text += &format!("{name:<10}{}\n", percent(share));
        }
    }
    print(&text)
}

/// Rows compared with what the model says of them.
struct Evaluation {
    tally: Tally,
    f1: F1Tally,
    /// Of two classes with one output: margins, and whether the row is of the positive class.
    ranked: (Vec<f32>, Vec<bool>),
    /// Rows whose label the model was not trained on.
    strange: u64,
}

impl Evaluation {
    fn new(model: &Model) -> Self {
        Self {
            tally: Tally::default(),
            f1: F1Tally::new(model.outputs()),
            ranked: (Vec::new(), Vec::new()),
            strange: 0,
        }
    }

    fn add(&mut self, model: &Model, block: &Block<'_>) {
        let (outputs, stride) = (model.outputs(), model.stride());
        let mut margins = model.margins(block);
        let (mut targets, mut weights, mut kept) = (Vec::new(), Vec::new(), 0);
        for (row, &label) in block.labels().iter().enumerate() {
            let Some(target) = model.target(label) else {
                self.strange += u64::from(!label.is_nan());
                continue;
            };
            margins.copy_within(row * stride..(row + 1) * stride, kept * stride);
            let (weight, margins) = (block.weight(row), &margins[kept * stride..][..outputs]);
            if outputs > 1 {
                self.f1.record(likeliest(margins), target as usize, weight);
            } else if !model.classes().is_empty() {
                self.ranked.0.push(margins[0]);
                self.ranked.1.push(target > 0.0);
            }
            targets.push(target);
            weights.push(weight);
            kept += 1;
        }
        margins.truncate(kept * stride);
        let scored = Scored { margins: &margins, targets: &targets, weights: &weights };
        self.tally.add(model.backend(), model.configuration.objective(), None, scored);
    }

    fn metrics(&self, model: &Model) -> Metrics {
        let metrics = self.tally.metrics(model.configuration.loss, 1.0);
        if model.outputs() > 1 {
            return Metrics { macro_f1: self.f1.macro_f1(), ..metrics };
        }
        let (scores, positive) = &self.ranked;
        Metrics { auc: auc(scores, positive), ..metrics }
    }
}
