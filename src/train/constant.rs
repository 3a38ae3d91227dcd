//! The best constant prediction: where the intercepts begin, and what a run must not do much worse than.
//!
//! What flows in: a loss, and shares of classes or moments of numbers. What flows out: a [`Constant`].

use crate::data::Labels;
use crate::model::configuration::LossKind;
use crate::model::tally::Constant;

/// The best constant prediction for classes of these shares.
pub(super) fn of_classes(loss: LossKind, shares: &[f64]) -> Constant {
    let zero_or_more = |of_constant: Vec<f64>, of_zeros: f64| -> Vec<f64> {
        of_constant.into_iter().map(|cost| cost.max(of_zeros)).collect()
    };
    match (loss, shares) {
        (LossKind::Hinge, &[_, share]) => {
            let margin = if share > 0.5 { 1.0 } else { -1.0 };
            let costs = zero_or_more(vec![1.0 + margin, 1.0 - margin], 1.0);
            Constant {
                margins: vec![margin as f32],
                loss: 2.0 * share.min(1.0 - share),
                spread: share.min(1.0 - share),
                costs,
            }
        }
        (LossKind::Hinge, shares) => {
            let margins: Vec<f32> = shares.iter().map(|&share| if share > 0.5 { 1.0 } else { -1.0 }).collect();
            // Of each class 2 where its margin has the wrong sign, else 0.
            let wrong = |class: usize, at: usize| if (margins[at] > 0.0) == (class == at) { 0.0 } else { 2.0 };
            let cost = |class| (0..shares.len()).map(|at| wrong(class, at)).sum::<f64>();
            let costs: Vec<f64> = (0..shares.len()).map(cost).collect();
            let loss = costs.iter().zip(shares).map(|(cost, share)| cost * share).sum();
            let spread = shares.iter().map(|&share| share.min(1.0 - share)).sum::<f64>() / shares.len() as f64;
            Constant { loss, spread, costs: zero_or_more(costs, shares.len() as f64), margins }
        }
        (LossKind::Softmax, shares) => {
            let mean = shares.iter().map(|share| share.ln()).sum::<f64>() / shares.len() as f64;
            let margins = shares.iter().map(|share| (share.ln() - mean) as f32).collect();
            let loss = -shares.iter().map(|share| share * share.ln()).sum::<f64>();
            let costs = zero_or_more(shares.iter().map(|share| -share.ln()).collect(), (shares.len() as f64).ln());
            let spread = shares.iter().map(|share| share * (1.0 - share)).sum::<f64>() / shares.len() as f64;
            Constant { margins, loss, spread, costs }
        }
        (_, shares) => {
            let (negative, positive) = (shares[0], shares[1]);
            let loss = -positive * positive.ln() - negative * negative.ln();
            let costs = zero_or_more(vec![-negative.ln(), -positive.ln()], std::f64::consts::LN_2);
            Constant { margins: vec![(positive / negative).ln() as f32], loss, spread: positive * negative, costs }
        }
    }
}

/// The moments of labels that are numbers, by weight, of all files together.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    /// The weights of all rows.
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Moments {
    /// Those of the labels of all files.
    pub(super) fn of(labels: &[(&Labels, u64)]) -> Self {
        let weight: f64 = labels.iter().map(|(labels, _)| labels.weight).sum();
        let mean =
            labels.iter().map(|(labels, _)| labels.weight * labels.mean).sum::<f64>() / weight.max(f64::MIN_POSITIVE);
        let squares = |labels: &Labels| labels.deviation.powi(2) + (labels.mean - mean).powi(2);
        let variance = labels.iter().map(|(labels, _)| labels.weight * squares(labels)).sum::<f64>()
            / weight.max(f64::MIN_POSITIVE);
        Self { weight, mean, deviation: variance.sqrt() }
    }
}

/// The best constant prediction for numbers that are learned in units of `unit`; `quantile` is what the quantile loss is of.
pub(super) fn of_numbers(
    loss: LossKind,
    quantile: f32,
    labels: &[(&Labels, u64)],
    moments: Moments,
    unit: f64,
) -> Constant {
    let (mean, deviation) = (moments.mean / unit, moments.deviation / unit);
    let (margin, loss_per_row) = match loss {
        LossKind::Poisson => (mean.max(0.5 / moments.weight.max(1.0)).ln(), mean.max(0.1)),
        LossKind::Quantile => (quantile_of(labels, quantile).map_or(mean, |label| f64::from(label) / unit), deviation),
        _ => (mean, 0.5 * deviation.powi(2)),
    };
    let spread = match loss {
        LossKind::Poisson => mean,
        LossKind::Quantile => f64::from(quantile * (1.0 - quantile)),
        _ => deviation.powi(2),
    };
    Constant { margins: vec![margin as f32], loss: loss_per_row, spread, costs: Vec::new() }
}

/// The label below which `share` of the rows are, by weight; none where there are too many different ones.
fn quantile_of(labels: &[(&Labels, u64)], share: f32) -> Option<f32> {
    let mut all = Vec::new();
    for (labels, _) in labels {
        all.extend_from_slice(labels.distinct.as_ref()?);
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = f64::from(share) * all.iter().map(|(.., weight)| weight).sum::<f64>();
    all.iter()
        .find(|(.., weight)| {
            left -= weight;
            left <= 0.0
        })
        .map(|&(label, ..)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1, 2 and 3, which 600, 300 and 100 rows have.
    fn labels() -> Labels {
        Labels {
            names: Vec::new(),
            distinct: Some(vec![(1.0, 600, 600.0), (2.0, 300, 300.0), (3.0, 100, 100.0)]),
            least: 1.0,
            most: 3.0,
            weight: 1000.0,
            mean: 1.5,
            deviation: 0.45f64.sqrt(),
            missing: 0,
            whole: true,
            rounded: None,
        }
    }

    #[test]
    fn constants_of_classes_are_the_best_that_can_be_said_of_all_rows() {
        let shares = [0.6f64, 0.3, 0.1];
        let softmax = of_classes(LossKind::Softmax, &shares);
        let entropy = -shares.iter().map(|share| share * share.ln()).sum::<f64>();
        assert!((softmax.loss - entropy).abs() < 1e-12 && (softmax.margins.iter().sum::<f32>()).abs() < 1e-5);
        assert!((softmax.margins[0] - softmax.margins[2] - 6f32.ln()).abs() < 1e-6);
        let hinge = of_classes(LossKind::Hinge, &shares);
        // The first class is right for itself; the others cost 2 for it and 2 for themselves.
        assert_eq!(hinge.margins, [1.0, -1.0, -1.0]);
        assert_eq!(hinge.costs, [3.0, 4.0, 4.0]);
    }

    #[test]
    fn constants_of_numbers_are_the_best_that_can_be_said_of_all_rows() {
        let labels = labels();
        let files = [(&labels, 1000)];
        let moments = Moments::of(&files);
        let counts = of_numbers(LossKind::Poisson, 0.5, &files, moments, 2.0);
        assert!((counts.margins[0] - (1.5f32 / 2.0).ln()).abs() < 1e-6);
        let quantile = of_numbers(LossKind::Quantile, 0.8, &files, moments, 0.5);
        assert_eq!(quantile.margins, [4.0]);
    }
}
