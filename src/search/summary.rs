//! What a search came to, for people and for scripts.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::metrics::Metrics;
use crate::report::staleness::Staleness;

/// The summary of a search; the last line of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model directory.
    pub model: String,
    /// The log of trials.
    pub log: String,
    /// The name of the space, and how many architectures it has.
    pub space: String,
    /// See there.
    pub size: f64,
    /// How architectures were proposed.
    pub strategy: &'static str,
    /// What was found.
    #[serde(flatten)]
    pub found: Found,
    /// What random search found with the same, if it was asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Found>,
    /// S.
    pub shards: usize,
    /// K.
    pub controllers: usize,
    /// m, all controllers together.
    pub children: usize,
    /// The instruction set.
    pub kernels: &'static str,
    /// Where the time went.
    pub seconds: Seconds,
}

/// What one way of searching found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The best architecture, by name of decision.
    pub best: Map<String, Value>,
    /// The same as flags of `hogback train`.
    pub flags: String,
    /// Its mean R.
    pub reward: f64,
    /// Its mean accuracy, and loss, on the rows that R is of.
    pub valid: Valid,
    /// Of the model that was trained last, on rows that the search has not seen.
    pub test: Option<Metrics>,
    /// Between which accuracies the true one lies in 95 of 100 cases, by the number of these rows (Wilson 1927).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The mean R of the last hundred trials, and between which the true one lies.
    pub last_reward: f64,
    /// See there.
    pub last_interval: [f64; 2],
    /// Trials, those of earlier runs and of the finals included.
    pub trials: usize,
    /// Trials a second of this run, finals aside.
    pub trials_per_second: f64,
    /// Trials that failed.
    pub failed: usize,
    /// Updates of Θ by others between what a proposal was drawn from and what came of it, where there is a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staleness: Option<Staleness>,
}

/// How good a model is on the rows that R is of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Valid {
    /// The share of rows predicted rightly; of numbers the share of what the best constant prediction loses that the model does not.
    pub accuracy: f64,
    /// The loss.
    pub loss: f64,
}

/// Seconds of a search.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seconds {
    /// Reading data.
    pub read: f64,
    /// Trials.
    pub search: f64,
    /// The last training, and scoring.
    pub train: f64,
    /// All.
    pub total: f64,
}

/// 1.96 standard errors on either side hold the true value in 95 of 100 cases.
const Z: f64 = 1.959_964;

/// Between which shares the true one lies in 95 of 100 cases where `share` of `rows` was seen (Wilson 1927).
pub(super) fn wilson(share: f64, rows: f64) -> [f64; 2] {
    if rows <= 0.0 {
        return [0.0, 1.0];
    }
    let z = Z * Z / rows;
    let middle = (share + z / 2.0) / (1.0 + z);
    let half = Z / (1.0 + z) * (share * (1.0 - share) / rows + z / (4.0 * rows)).sqrt();
    [middle - half, middle + half]
}

/// The mean of numbers, and between which the true one lies in 95 of 100 cases, were they independent and enough for a normal distribution;
/// 0 to 1, between which R is, of fewer than two.
pub(super) fn mean(numbers: &[f64]) -> (f64, [f64; 2]) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n.max(1.0);
    if numbers.len() < 2 {
        return (mean, [0.0, 1.0]);
    }
    let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
    let half = Z * (squares / (n - 1.0) / n).sqrt();
    (mean, [mean - half, mean + half])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels: proportion_confint(176, 180, method="wilson") and (5, 5).
    #[test]
    fn intervals_of_shares_are_wilsons() {
        let near =
            |one: [f64; 2], other: [f64; 2]| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-4);
        assert!(near(wilson(176.0 / 180.0, 180.0), [0.944_283, 0.991_321]), "{:?}", wilson(176.0 / 180.0, 180.0));
        assert!(near(wilson(1.0, 5.0), [0.565_518, 1.0]), "{:?}", wilson(1.0, 5.0));
        assert_eq!(wilson(0.5, 0.0), [0.0, 1.0]);
    }

    #[test]
    fn intervals_of_means_follow_the_spread() {
        let (middle, [low, high]) = mean(&[1.0, 2.0, 3.0, 4.0]);
        // The deviation of these is √(5/3), that of their mean half of it.
        let half = Z * (5.0f64 / 3.0).sqrt() / 2.0;
        assert!(middle == 2.5 && (high - 2.5 - half).abs() < 1e-12 && (2.5 - low - half).abs() < 1e-12);
        assert_eq!((mean(&[]), mean(&[0.5])), ((0.0, [0.0, 1.0]), (0.5, [0.0, 1.0])));
    }
}
