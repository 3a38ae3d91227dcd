//! How good predictions are: sums that grow row by row, and the metrics they amount to.

use serde::Serialize;

/// The metrics of some rows; those that do not apply are absent, in JSON too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// The mean logistic or softmax loss, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logloss: Option<f64>,
    /// The mean of what is minimised where that is neither log loss nor squared error: of the hinge and the quantile loss, of counts
    /// half the deviance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The area under the ROC curve, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// The share of rows whose likeliest class is the true one, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The mean over several classes of the harmonic mean of precision and recall, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// The root of the mean squared error, in units of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmse: Option<f64>,
    /// The mean absolute error, in units of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mae: Option<f64>,
}

/// Weighted sums over the rows of several classes, from which their F1 is made.
#[derive(Clone, Debug)]
pub struct F1Tally {
    /// By class: the weights of its rows, of the rows predicted to be of it, and of those that are both.
    classes: Vec<[f64; 3]>,
}

impl F1Tally {
    /// Of no rows of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![[0.0; 3]; classes] }
    }

    /// Adds a row of class `class`.
    pub fn record(&mut self, predicted: usize, class: usize, weight: f32) {
        let weight = f64::from(weight);
        self.classes[class][0] += weight;
        self.classes[predicted][1] += weight;
        if predicted == class {
            self.classes[class][2] += weight;
        }
    }

    /// The mean of 2 · right / (rows + predicted) over the classes that have either; none where no class has.
    pub fn macro_f1(&self) -> Option<f64> {
        let seen = self.classes.iter().filter(|[rows, predicted, _]| rows + predicted > 0.0);
        let scores: Vec<f64> = seen.map(|[rows, predicted, right]| 2.0 * right / (rows + predicted)).collect();
        mean(scores.iter().sum(), scores.len() as f64)
    }
}

/// The class with the largest margin; the first of several.
pub fn likeliest(margins: &[f32]) -> usize {
    let larger = |best: usize, (at, &margin): (usize, &f32)| if margin > margins[best] { at } else { best };
    margins.iter().enumerate().fold(0, larger)
}

fn mean(sum: f64, weight: f64) -> Option<f64> {
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macro_f1_is_the_mean_over_classes_as_scikit_learn_has_it() {
        // sklearn.metrics.f1_score([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 0, 2], average="macro") is 0.6555555555555556.
        let mut tally = F1Tally::new(4);
        for (class, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1), (2, 0), (2, 2)] {
            tally.record(predicted, class, 1.0);
        }
        assert!((tally.macro_f1().unwrap() - 0.655_555_555_555_555_6).abs() < 1e-12);
        assert_eq!(F1Tally::new(3).macro_f1(), None);
    }

    #[test]
    fn the_first_of_the_largest_margins_is_the_likeliest() {
        assert_eq!([likeliest(&[0.0, 2.0, 2.0]), likeliest(&[1.0]), likeliest(&[f32::NAN, 1.0])], [1, 0, 0]);
    }

    #[test]
    fn absent_metrics_stay_out_of_json() {
        let metrics = Metrics { logloss: Some(0.5), accuracy: Some(0.75), ..Metrics::default() };
        assert_eq!(serde_json::to_string(&metrics).unwrap(), r#"{"logloss":0.5,"accuracy":0.75}"#);
        assert_eq!(serde_json::to_string(&Metrics::default()).unwrap(), "{}");
    }
}
