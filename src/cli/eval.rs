//! `hogback eval`.

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::values::input;
use super::{Labels, ModelPath, Reading, ignored, kernels, print, say};
use crate::data::{CachePolicy, Input, stream};
use crate::error::{Error, Result};
use crate::model::configuration::{LossKind, Target};
use crate::model::predictor::Model;
use crate::report::auc::auc;
use crate::report::format::{bad_rows, count, duration, number, percent};
use crate::report::log::RunLog;
use crate::report::metrics::{ClassTally, ErrorTally, Metrics};

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
    let kernels = kernels()?;
    let model = Model::open(&flags.model, kernels)?;
    let classes = matches!(model.configuration.target, Target::Classes { .. });
    let (mut class, mut regression) = (ClassTally::default(), ErrorTally::default());
    let (mut scores, mut positive, mut strange) = (Vec::new(), Vec::new(), 0u64);
    let options = flags.reading.options(flags.labels.file(), CachePolicy::Off);
    let seen = stream(&flags.data, &options, &model.known(), &say, &mut |block| {
        let block = block.as_block();
        for (margin, &label) in model.margins(&block).into_iter().zip(block.labels()) {
            let Some(target) = model.target(label) else {
                strange += u64::from(!label.is_nan());
                continue;
            };
            if classes {
                class.record(margin, target);
                scores.push(margin);
                positive.push(target > 0.0);
            } else {
                regression.record(margin, target);
            }
        }
        Ok(())
    })?;
    let metrics = match model.configuration.loss {
        LossKind::Squared => regression.metrics(),
        LossKind::Logistic => Metrics { auc: auc(&scores, &positive), ..class.metrics() },
        LossKind::Hinge => Metrics { auc: auc(&scores, &positive), logloss: None, ..class.metrics() },
    };
    if class.rows + regression.rows == 0 {
        return Err(Error::data(flags.data.to_string(), "has no row with a label that the model knows"));
    }
    let unlabelled = seen.unlabelled + seen.unknown_labels + strange;
    if unlabelled > 0 {
        say(&format!("note: {} without a label that the model knows: left out", number(unlabelled, "row")));
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
                kind: "linear",
                loss: model.configuration.loss.name(),
                rows: seen.rows,
                nonzeros: seen.nonzeros,
                unknown_keys: seen.unknown_keys,
                unlabelled,
                skipped_rows: seen.skipped.as_ref().map_or(0, |skipped| skipped.rows),
                kernels: kernels.name(),
                seconds: Seconds { total: seconds },
                eval: metrics,
            },
        );
    }
    let mut text = format!("{:<10}{} in {}\n", "rows", count(seen.rows), duration(seconds));
    let lines = [("logloss", metrics.logloss), ("auc", metrics.auc), ("rmse", metrics.rmse), ("mae", metrics.mae)];
    for (name, value) in lines.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        text += &format!("{name:<10}{value:.5}\n");
    }
    if let Some(accuracy) = metrics.accuracy {
        text += &format!("{:<10}{}\n", "accuracy", percent(accuracy));
    }
    print(&text)
}
