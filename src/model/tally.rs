//! [`Tally`]: what scoring rows has shown, and the metrics it amounts to.

use hogback_kernels::{Backend, Loss, Objective, Sums};
use serde::{Deserialize, Serialize};

use super::configuration::LossKind;
use crate::report::metrics::Metrics;

/// The best constant prediction of the training rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constant {
    /// Its margins, one for each output, which is where the intercept begins.
    pub margins: Vec<f32>,
    /// Its loss per row.
    pub loss: f64,
    /// The mean over rows and outputs of its squared slope.
    pub spread: f64,
    /// Of classes: what a row of each costs at most, by this prediction or by a model of zeros: a rare class is dear to whoever has
    /// hardly seen it. Empty for numbers.
    pub costs: Vec<f64>,
}

/// Margins of rows with what they are to be: a stride of margins, a target and a weight for each.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The margins.
    pub margins: &'a [f32],
    /// The targets.
    pub targets: &'a [f32],
    /// The weights.
    pub weights: &'a [f32],
}

/// What predictions are compared with: with what rows are to be, and with the best constant one.
#[derive(Clone, Debug)]
pub struct Scorer {
    /// The instruction set.
    pub backend: Backend,
    /// How margins are compared with targets.
    pub objective: Objective,
    /// The best constant prediction.
    pub constant: Constant,
}

impl Scorer {
    /// Adds what predicting these margins shows.
    pub fn tally(&self, tally: &mut Tally, scored: Scored<'_>) {
        tally.add(self.backend, self.objective, Some(&self.constant), scored);
    }
}

/// Sums over scored rows; all but the first are weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// How many rows.
    pub rows: u64,
    /// Their weights.
    pub weight: f64,
    /// Their losses; of counts half the deviance, which is the loss above the least that any prediction could have.
    pub loss: f64,
    /// What the best constant prediction would have lost on them.
    pub constant: f64,
    /// Of classes: rows whose likeliest class is theirs. Of numbers: the absolute errors.
    pub score: f64,
}

impl Tally {
    /// Adds rows whose margins are compared with targets as `objective` says, and with `constant` where it is known.
    ///
    /// # Panics
    /// Where targets are no classes of the objective.
    pub fn add(&mut self, backend: Backend, objective: Objective, constant: Option<&Constant>, scored: Scored<'_>) {
        let Scored { margins, targets, weights } = scored;
        self.rows += targets.len() as u64;
        match objective {
            Objective::Classes { loss, classes } => {
                let (loss, right) = backend.sum_class_loss(loss, classes, margins, targets, weights);
                self.loss += loss;
                self.score += right;
                for (&class, &weight) in targets.iter().zip(weights) {
                    self.weight += f64::from(weight);
                    self.constant += constant.map_or(0.0, |known| f64::from(weight) * known.costs[class as usize]);
                }
            }
            Objective::One(loss) => {
                let sums = backend.sum_loss(loss, margins, targets, weights);
                let least = if loss == Loss::Poisson { least_of_counts(targets, weights) } else { 0.0 };
                self.loss += sums.loss - least;
                self.score += sums.score;
                self.weight += sums.weight;
                if let Some(constant) = constant {
                    self.constant += constant_on(loss, constant, &sums, targets, weights) - least;
                }
            }
        }
    }

    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.loss += other.loss;
        self.constant += other.constant;
        self.score += other.score;
    }

    /// The mean loss; 0 where no row weighs anything.
    pub fn mean_loss(&self) -> f64 {
        if self.weight > 0.0 { self.loss / self.weight } else { 0.0 }
    }

    /// The metrics of a model that minimises `loss`, where targets are multiples of `unit`; none where no row weighs anything.
    pub fn metrics(&self, loss: LossKind, unit: f64) -> Metrics {
        if self.weight == 0.0 {
            return Metrics::default();
        }
        let (mean, score) = (self.mean_loss(), self.score / self.weight);
        let none = Metrics::default();
        match loss {
            LossKind::Logistic | LossKind::Softmax => Metrics { logloss: Some(mean), accuracy: Some(score), ..none },
            LossKind::Hinge => Metrics { loss: Some(mean), accuracy: Some(score), ..none },
            LossKind::Squared => Metrics { rmse: Some((2.0 * mean).sqrt() * unit), mae: Some(score * unit), ..none },
            LossKind::Quantile | LossKind::Poisson => {
                Metrics { loss: Some(mean * unit), mae: Some(score * unit), ..none }
            }
        }
    }
}

/// What the best constant prediction loses on rows of these targets, which come to `sums`.
fn constant_on(loss: Loss, constant: &Constant, sums: &Sums, targets: &[f32], weights: &[f32]) -> f64 {
    match loss {
        Loss::Logistic | Loss::Hinge => {
            constant.costs[1] * sums.positive + constant.costs[0] * (sums.weight - sums.positive)
        }
        // Numbers may have outliers, which cost any prediction dear.
        _ => {
            let mut lanes = [0.0; 8];
            for (targets, weights) in targets.chunks(lanes.len()).zip(weights.chunks(lanes.len())) {
                for ((lane, &y), &weight) in lanes.iter_mut().zip(targets).zip(weights) {
                    *lane += f64::from(weight * loss.value(constant.margins[0], y));
                }
            }
            lanes.iter().sum()
        }
    }
}

/// The least that any prediction could lose on counts: y - y ln y each.
fn least_of_counts(targets: &[f32], weights: &[f32]) -> f64 {
    let least = |y: f64| if y > 0.0 { y - y * y.ln() } else { 0.0 };
    targets.iter().zip(weights).map(|(&y, &weight)| f64::from(weight) * least(f64::from(y))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_deviance_of_counts_is_0_where_they_are_predicted_exactly() {
        let targets = [0.0f32, 1.0, 4.0, 2.5];
        let margins: Vec<f32> = targets.iter().map(|y| if *y > 0.0 { y.ln() } else { -87.0 }).collect();
        let mut tally = Tally::default();
        let scored = Scored { margins: &margins, targets: &targets, weights: &[1.0; 4] };
        tally.add(Backend::best(), Objective::One(Loss::Poisson), None, scored);
        assert!(tally.loss.abs() < 1e-5 && tally.score < 1e-5, "{tally:?}");
        // scikit-learn: mean_poisson_deviance([0, 1, 4, 2.5], [1, 1, 1, 1]) is 2.919...; ours is half of it.
        let mut flat = Tally::default();
        let scored = Scored { margins: &[0.0; 4], ..scored };
        flat.add(Backend::best(), Objective::One(Loss::Poisson), None, scored);
        let half = |y: f64| if y > 0.0 { y * y.ln() - y + 1.0 } else { 1.0 };
        let want: f64 = targets.iter().map(|&y| half(f64::from(y))).sum();
        assert!((flat.loss - want).abs() < 1e-5, "{} {want}", flat.loss);
    }

    #[test]
    fn a_row_counts_by_its_weight() {
        let mut tally = Tally::default();
        let scored = Scored { margins: &[2.0, -1.0, 0.5], targets: &[1.0, -1.0, -1.0], weights: &[1.0, 0.0, 3.0] };
        let constant = Constant { margins: vec![0.0], loss: 0.7, spread: 1.0, costs: vec![0.5, 0.25] };
        tally.add(Backend::best(), Objective::One(Loss::Hinge), Some(&constant), scored);
        assert_eq!((tally.rows, tally.weight, tally.score, tally.loss, tally.constant), (3, 4.0, 1.0, 4.5, 1.75));
    }
}
