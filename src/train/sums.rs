//! [`Sums`]: what the tasks of a phase have shown together.

use crate::engine::reward::Answer;
use crate::model::configuration::{Configuration, LossKind, Target};
use crate::report::metrics::Metrics;

/// Sums over the answers of tasks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) rows: u64,
    pub(super) loss: f64,
    pub(super) score: f64,
}

impl Sums {
    /// Adds a task.
    pub(super) fn add(&mut self, answer: Answer) {
        self.rows += u64::from(answer.rows);
        self.loss += answer.loss;
        self.score += answer.score;
    }

    /// What they amount to, in the units of the data; nothing for no rows.
    pub(super) fn metrics(&self, configuration: &Configuration) -> Metrics {
        if self.rows == 0 {
            return Metrics::default();
        }
        let (loss, score) = (self.loss / self.rows as f64, self.score / self.rows as f64);
        match (configuration.loss, &configuration.target) {
            (LossKind::Logistic, _) => Metrics { logloss: Some(loss), accuracy: Some(score), ..Metrics::default() },
            (LossKind::Hinge, _) => Metrics { accuracy: Some(score), ..Metrics::default() },
            (LossKind::Squared, target) => {
                let unit = if let Target::Number { exponent } = target { 2f64.powi(*exponent) } else { 1.0 };
                Metrics { rmse: Some((2.0 * loss).sqrt() * unit), mae: Some(score * unit), ..Metrics::default() }
            }
        }
    }
}
