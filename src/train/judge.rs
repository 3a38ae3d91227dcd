//! [`Judge`]: how good Θ is. Has the held-out rows scored after a pass, keeps the best Θ and says when to stop.
//!
//! What flows in: what a pass has shown, and Θ as it left it. What flows out: metrics, a verdict, the best Θ so far.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use super::job::{EVERY, Task, Train, booked};
use super::position::Position;
use crate::engine::stop::Verdict;
use crate::engine::{Deal, Engine};
use crate::error::Result;
use crate::model::configuration::Configuration;
use crate::model::tally::Tally;
use crate::report::metrics::Metrics;
use crate::theta::Snapshot;

/// The judge of a run's passes.
pub(super) struct Judge<'a, 't, 'd> {
    job: &'a Train<'t, 'd>,
    configuration: &'a Configuration,
    /// How many children score.
    children: usize,
    /// Of the last whole pass.
    pub(super) progressive: Metrics,
    /// Of the held-out rows after the last whole pass.
    pub(super) valid: Option<Metrics>,
    best: Option<Best>,
    /// Tasks of scoring that failed and were dealt again.
    pub(super) failed: u32,
}

/// The Θ of the best pass so far; what the run goes back to and ends with.
struct Best {
    theta: Snapshot,
    valid: Option<Metrics>,
    /// See [`super::held_out::HeldOut::scores`].
    scores: Vec<f32>,
}

impl<'a, 't, 'd> Judge<'a, 't, 'd> {
    /// The judge of a run that begins, or goes on with the best Θ so far.
    pub(super) fn new(
        job: &'a Train<'t, 'd>,
        configuration: &'a Configuration,
        children: usize,
        best: Option<Snapshot>,
    ) -> Self {
        let best = best.map(|theta| Best { theta, valid: None, scores: Vec::new() });
        Self { job, configuration, children, progressive: Metrics::default(), valid: None, best, failed: 0 }
    }

    /// The best Θ so far.
    pub(super) fn best(&self) -> Option<&Snapshot> {
        self.best.as_ref().map(|best| &best.theta)
    }

    /// The same, for words that are to stand for its weights in another way.
    pub(super) fn best_mut(&mut self) -> Option<&mut Snapshot> {
        self.best.as_mut().map(|best| &mut best.theta)
    }

    /// Judges the pass that has ended, which has shown `sums`. Without held-out rows the last Θ is the best.
    ///
    /// # Errors
    /// The engine's.
    pub(super) fn judge(
        &mut self,
        engine: &Engine<'_, Task>,
        position: &mut Position,
        sums: &Tally,
    ) -> Result<Verdict> {
        self.progressive = sums.metrics(self.configuration.loss, self.configuration.unit());
        if self.job.held_out.rows.is_empty() {
            self.best = Some(Best { theta: self.job.theta.snapshot(), valid: None, scores: Vec::new() });
            return Ok(Verdict { best: true, stop: false });
        }
        let (loss, valid) = self.score(engine)?;
        self.valid = Some(valid);
        let verdict = position.stop.judge(position.pass, loss);
        if verdict.best {
            self.keep(self.job.theta.snapshot(), valid);
        }
        Ok(verdict)
    }

    /// Takes note of a pass that has shown `sums`, without a look at held-out rows.
    pub(super) fn pass_over(&mut self, sums: &Tally) -> Verdict {
        self.progressive = sums.metrics(self.configuration.loss, self.configuration.unit());
        // Where the run goes back to if the next pass diverges.
        self.best = Some(Best { theta: self.job.theta.snapshot(), valid: None, scores: Vec::new() });
        Verdict { best: false, stop: false }
    }

    /// Scores the best model of the run that is resumed, if there is one: it has to be beaten.
    ///
    /// # Errors
    /// The engine's.
    pub(super) fn judge_what_was_saved(&mut self, engine: &Engine<'_, Task>, position: &mut Position) -> Result<()> {
        if self.job.held_out.rows.is_empty() {
            return Ok(());
        }
        let Some(Best { theta: saved, .. }) = self.best.take() else { return Ok(()) };
        let current = self.job.theta.snapshot();
        self.job.theta.restore(&saved);
        let (loss, valid) = self.score(engine)?;
        if position.stop.best().is_none() {
            position.stop.judge(position.pass, loss);
        }
        self.keep(saved, valid);
        self.job.theta.restore(&current);
        Ok(())
    }

    /// What a manifest says of the model: of the best pass of a run that has finished, else of the last one.
    pub(super) fn metrics(&self, position: &Position) -> serde_json::Value {
        let of_best = self.best.as_ref().and_then(|best| best.valid);
        serde_json::json!({
            "progressive": self.progressive,
            "valid": if position.finished { of_best } else { self.valid },
            "passes": position.pass,
        })
    }

    /// The held-out metrics of the best pass, those that need all rows at once included.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn final_metrics(&self) -> Result<Option<Metrics>> {
        let best = self.best.as_ref();
        let Some(mut metrics) = best.and_then(|best| best.valid).or(self.valid) else { return Ok(None) };
        let scores = best.map_or(&[][..], |best| &best.scores);
        if !self.configuration.loss.is_of_numbers() && !scores.is_empty() {
            let (corpus, outputs) = (&self.job.corpus, self.configuration.outputs());
            self.job.held_out.complete(&mut metrics, scores, corpus, outputs)?;
        }
        Ok(Some(metrics))
    }

    /// Keeps as the best what has just been scored.
    fn keep(&mut self, theta: Snapshot, valid: Metrics) {
        let scores = self.job.held_out.scores.iter().map(|cell| f32::from_bits(cell.load(Relaxed))).collect();
        self.best = Some(Best { theta, valid: Some(valid), scores });
    }

    /// The loss per held-out row of the present Θ, and its metrics.
    fn score(&mut self, engine: &Engine<'_, Task>) -> Result<(f64, Metrics)> {
        let rows = self.job.held_out.rows.len();
        let size = rows.div_ceil(4 * self.children).max(256);
        let ranges = (0..rows).step_by(size).map(|from| from..(from + size).min(rows));
        let tasks = ranges.map(|range: Range<usize>| Task::Score(range)).collect();
        let outcome = engine.phase(tasks, Deal::Free, EVERY, |_| {})?;
        let mut sums = Tally::default();
        outcome.answers.iter().flatten().for_each(|&answer| sums.merge(&booked(answer)));
        self.failed += outcome.failed;
        Ok((sums.mean_loss(), sums.metrics(self.configuration.loss, self.configuration.unit())))
    }
}
