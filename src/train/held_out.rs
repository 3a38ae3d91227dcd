//! The rows that held-out metrics are made of: some of the training rows, or all of `--valid`.
//!
//! What flows in: the corpus, or `--valid`. What flows out: [`HeldOut`], which children score; of its scores, the metrics that need all
//! rows at once.

use std::sync::atomic::AtomicU32;

use super::corpus::{BATCH, Corpus, Part, Place, Source};
use super::target::{self, LabelFacts};
use super::{Request, scale};
use crate::data::order::Holdout;
use crate::data::{DataFile, Dictionary, Known, LabelFile, OwnedBlock, ReadOptions, stream};
use crate::error::{Error, Result};
use crate::model::configuration::Configuration;
use crate::model::labels::KnownLabels;
use crate::report::auc::auc;
use crate::report::format::{bad_rows, number};
use crate::report::metrics::{F1Tally, Metrics};
use crate::sys::signal::StopRequest;

/// The rows that held-out metrics are made of.
pub(super) struct HeldOut<'d> {
    /// Where they are, if not among the training rows.
    corpus: Option<Corpus<'d>>,
    /// Their numbers, rising.
    pub(super) rows: Vec<u64>,
    /// The bits of their last margins, or of the number of their likeliest class where there are several outputs; each written by
    /// the child that scored it, read after the phase.
    pub(super) scores: Vec<AtomicU32>,
}

impl<'d> HeldOut<'d> {
    /// Where the rows are, `training` being the corpus of the training rows.
    pub(super) fn corpus<'a>(&'a self, training: &'a Corpus<'d>) -> &'a Corpus<'d> {
        self.corpus.as_ref().unwrap_or(training)
    }

    /// The metrics that need all rows at once, by their [`HeldOut::scores`]: the area under the ROC curve of two classes, the macro F1
    /// of several.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn complete(
        &self,
        metrics: &mut Metrics,
        scores: &[f32],
        training: &Corpus<'d>,
        outputs: usize,
    ) -> Result<()> {
        let corpus = self.corpus(training);
        let (mut positive, mut f1) = (Vec::with_capacity(scores.len()), F1Tally::new(outputs));
        for (rows, scores) in self.rows.chunks(BATCH).zip(scores.chunks(BATCH)) {
            let mut places = [Place::default(); BATCH];
            corpus.places(rows, &mut places)?;
            for (place, &score) in places.iter().zip(scores) {
                let (target, weight) = corpus.target(*place)?;
                positive.push(target > 0.0);
                if outputs > 1 {
                    f1.record(score as usize, target as usize, weight);
                }
            }
        }
        if outputs > 1 {
            metrics.macro_f1 = f1.macro_f1();
        } else {
            metrics.auc = auc(scores, &positive);
        }
        Ok(())
    }
}

/// Reads `--valid` against the keys of the training data, which was read as `reading` says.
///
/// # Errors
/// Bad data.
pub(super) fn read(
    request: &Request,
    files: &[DataFile],
    facts: &LabelFacts,
    dictionary: &Dictionary,
    reading: &ReadOptions,
    notice: &(dyn Fn(&str) + Sync),
    stop: &StopRequest,
) -> Result<Vec<OwnedBlock>> {
    let Some(input) = &request.valid else { return Ok(Vec::new()) };
    let names = target::names(&facts.target);
    let known = Known {
        dictionary,
        columns: files[0].columns(),
        label_names: &names,
        hashing: reading.hashing.as_ref(),
        grams: files[0].documents().map(|_| reading.grams.unwrap_or_default()),
    };
    let labels = KnownLabels::of(&facts.target, facts.loss);
    let (mut blocks, mut good) = (Vec::new(), 0);
    // --labels are those of the training data.
    let read = ReadOptions { labels: LabelFile::Beside, ..request.read.clone() };
    let seen = stream(input, &read, &known, notice, stop, &mut |block| {
        good += block.as_block().labels().iter().filter(|&&label| labels.find(label).is_some()).count() as u64;
        if block.rows() > 0 {
            blocks.push(block);
        }
        Ok(())
    })?;
    if let Some(skipped) = &seen.skipped {
        notice(&bad_rows(&input.to_string(), skipped));
    }
    if good == 0 {
        return Err(Error::data(input.to_string(), "has no row with a label that the training data has"));
    }
    if good < seen.rows {
        let rows = number(seen.rows - good, "row");
        notice(&format!("note: {input}: {rows} without a label that the training data has: left out"));
    }
    if seen.unknown_keys > 0 {
        let values = number(seen.unknown_keys, "value");
        notice(&format!("note: {input}: {values} of features that the training data has not: ignored"));
    }
    Ok(blocks)
}

/// Picks the rows: of `valid` where it was read, else of the corpus as `holdout` says.
pub(super) fn hold_out<'d>(
    corpus: &Corpus<'_>,
    holdout: Option<Holdout>,
    request: &Request,
    valid: &'d [OwnedBlock],
    configuration: &Configuration,
    limit: u32,
    dictionary: &Dictionary,
) -> HeldOut<'d> {
    let (corpus, rows) = if request.valid.is_some() {
        let labels = KnownLabels::of(&configuration.target, configuration.loss);
        let blocks: Vec<_> = valid.iter().map(OwnedBlock::as_block).collect();
        let labelled = blocks.iter().flat_map(|block| {
            let first = block.first_row;
            let rows = block.labels().iter().enumerate();
            rows.filter(|(_, label)| labels.find(**label).is_some()).map(move |(at, _)| first + at as u64)
        });
        let rows: Vec<u64> = labelled.collect();
        let part = Part {
            rows: blocks.iter().map(|block| block.rows() as u64).sum(),
            source: Source::Blocks(blocks),
            ones: false,
            pairs: false,
            map: None,
            labels: target::map_known(&configuration.target, configuration.objective().outputs()),
        };
        let mut corpus = Corpus::new(vec![part], limit);
        corpus.weigh(&configuration.class_weights, 1.0);
        corpus.centre(&configuration.centres);
        if let Some(text) = &configuration.text {
            corpus.weigh_counts(text.weighting, dictionary.idf.clone().unwrap_or_default());
        }
        if let Some(exponents) = &dictionary.scales {
            corpus.scale(exponents.iter().map(|&exponent| scale::power(i32::from(exponent))).collect());
        }
        (Some(corpus), rows)
    } else {
        (None, (0..corpus.rows()).filter(|&row| holdout.is_some_and(|holdout| holdout.has(row))).collect())
    };
    let scores = rows.iter().map(|_| AtomicU32::new(0)).collect();
    HeldOut { corpus, rows, scores }
}
