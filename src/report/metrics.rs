//! How good predictions are: sums that grow row by row, and the metrics they amount to.

use serde::Serialize;

/// The metrics of some rows; those that do not apply are absent, in JSON too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// The mean logistic or softmax loss, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logloss: Option<f64>,
    /// The area under the ROC curve, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// The share of rows whose likeliest class is the true one, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The root of the mean squared error, in units of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// The mean absolute error, in units of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
}

/// Sums over classified rows, of two classes or more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassTally {
    /// How many rows.
    pub rows: u64,
    /// The sum of their losses, in nats.
    pub logloss: f64,
    /// How many were classified correctly.
    pub correct: u64,
}

impl ClassTally {
    /// Adds a row of two classes, by its margin and its target of -1 or 1. A margin of 0 predicts -1.
    pub fn record(&mut self, margin: f32, target: f32) {
        self.rows += 1;
        self.logloss += logloss(margin, target);
        self.correct += u64::from((margin > 0.0) == (target > 0.0));
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.logloss += other.logloss;
        self.correct += other.correct;
    }

    /// Log loss and accuracy; neither of no rows.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            logloss: mean(self.logloss, self.rows),
            accuracy: mean(self.correct as f64, self.rows),
            ..Metrics::default()
        }
    }
}

/// Sums over rows whose target is a number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorTally {
    /// How many rows.
    pub rows: u64,
    /// The sum of the squares of their errors.
    pub squared: f64,
    /// The sum of the sizes of their errors.
    pub absolute: f64,
}

impl ErrorTally {
    /// Adds a row.
    pub fn record(&mut self, prediction: f32, target: f32) {
        let error = f64::from(prediction) - f64::from(target);
        self.rows += 1;
        self.squared += error * error;
        self.absolute += error.abs();
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.squared += other.squared;
        self.absolute += other.absolute;
    }

    /// Root mean squared and mean absolute error; neither of no rows.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            rmse: mean(self.squared, self.rows).map(f64::sqrt),
            mae: mean(self.absolute, self.rows),
            ..Metrics::default()
        }
    }
}

/// The logistic loss of a row in nats: ln(1 + e^(-target·margin)), with a target of -1 or 1.
///
/// Finite for every finite margin; not a number where the margin is not, so that a diverged model shows.
pub fn logloss(margin: f32, target: f32) -> f64 {
    let against = -f64::from(target) * f64::from(margin);
    if against > 0.0 { against + (-against).exp().ln_1p() } else { against.exp().ln_1p() }
}

fn mean(sum: f64, rows: u64) -> Option<f64> {
    (rows > 0).then(|| sum / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logloss_is_its_formula_where_the_formula_can_be_computed() {
        for step in -60..=60 {
            let margin = 0.5 * step as f32;
            for target in [-1.0_f32, 1.0] {
                let formula = (1.0 + (-f64::from(target) * f64::from(margin)).exp()).ln();
                let loss = logloss(margin, target);
                assert!((loss - formula).abs() <= 1e-13 * (1.0 + formula), "{loss} is not {formula} at {margin}");
            }
        }
    }

    #[test]
    fn logloss_stays_finite_and_exact_at_the_ends() {
        assert_eq!(logloss(1e4, -1.0), 1e4);
        assert_eq!(logloss(-1e4, 1.0), 1e4);
        assert_eq!(logloss(1e4, 1.0), 0.0);
        assert_eq!(logloss(f32::MAX, -1.0), f64::from(f32::MAX));
        // Where 1 + e^-40 is 1 in floating point, the loss is still e^-40.
        assert!((logloss(40.0, 1.0) / (-40.0_f64).exp() - 1.0).abs() < 1e-12);
        assert!(logloss(f32::NAN, 1.0).is_nan());
    }

    #[test]
    fn a_tally_gives_the_means_of_its_rows() {
        let mut tally = ClassTally::default();
        for (margin, target) in [(2.0, 1.0), (-1.0, -1.0), (0.5, -1.0), (0.0, 1.0)] {
            tally.record(margin, target);
        }
        let metrics = tally.metrics();
        assert_eq!(metrics.accuracy, Some(0.5));
        let sum = logloss(2.0, 1.0) + logloss(-1.0, -1.0) + logloss(0.5, -1.0) + 2.0_f64.ln();
        assert!((metrics.logloss.unwrap() - sum / 4.0).abs() < 1e-15);

        let mut tally = ErrorTally::default();
        tally.record(1.0, 4.0);
        tally.record(5.0, 1.0);
        let metrics = tally.metrics();
        assert_eq!((metrics.rmse, metrics.mae), (Some(12.5_f64.sqrt()), Some(3.5)));
    }

    #[test]
    fn merging_tallies_is_tallying_all_their_rows() {
        let rows: Vec<(f32, f32)> = (0..40).map(|i| (i as f32 - 17.0, [1.0, -1.0][i % 2])).collect();
        let classes = |rows: &[(f32, f32)]| {
            rows.iter().fold(ClassTally::default(), |mut tally, &(margin, target)| {
                tally.record(margin, target);
                tally
            })
        };
        let errors = |rows: &[(f32, f32)]| {
            rows.iter().fold(ErrorTally::default(), |mut tally, &(prediction, target)| {
                tally.record(prediction, target);
                tally
            })
        };
        let (mut class, mut error) = (classes(&rows[..13]), errors(&rows[..13]));
        class.merge(&classes(&rows[13..]));
        error.merge(&errors(&rows[13..]));
        let all = classes(&rows);
        assert_eq!((class.rows, class.correct), (all.rows, all.correct));
        assert!((class.logloss - all.logloss).abs() < 1e-12);
        // These sums are of whole numbers, exact in any order.
        assert_eq!(error, errors(&rows));
    }

    #[test]
    fn absent_metrics_stay_out_of_json() {
        let metrics = Metrics { logloss: Some(0.5), accuracy: Some(0.75), ..Metrics::default() };
        assert_eq!(serde_json::to_string(&metrics).unwrap(), r#"{"logloss":0.5,"accuracy":0.75}"#);
        assert_eq!(serde_json::to_string(&ClassTally::default().metrics()).unwrap(), "{}");
    }
}
