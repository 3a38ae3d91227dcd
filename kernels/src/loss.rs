//! The losses of linear models: value beside slope, so that one can be tested as the derivative of the other.

use crate::elementary::{exp, logarithm, sigmoid, softplus};
use crate::lane::Lane;
use crate::scalar::Scalar;

/// Sums that are added up side by side, so that none waits for the one before.
const LANES: usize = 8;
/// Rows that are summed at a time.
const ROWS: usize = 64;

/// What a margin (the model's raw score) costs against a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// ln(1 + exp(-y·m)), y = -1 or 1.
    Logistic,
    /// ½ (m - y)².
    Squared,
    /// max(0, 1 - y·m), y = -1 or 1.
    Hinge,
    /// The pinball loss of this quantile τ, 0 < τ < 1: τ (y - m) where m is below y, (1 - τ) (m - y) above.
    Quantile(f32),
    /// exp(m) - y·m, y ≥ 0: the negative log-likelihood of counts whose mean is exp(m), without what does not depend on m.
    Poisson,
}

impl Loss {
    /// The loss of margin `m` against target `y`.
    pub fn value(self, m: f32, y: f32) -> f32 {
        // SAFETY: the scalar instruction set is always there.
        unsafe { self.value_on::<Scalar>(m, y) }
    }

    /// The derivative of [`Loss::value`] by the margin.
    pub fn slope(self, m: f32, y: f32) -> f32 {
        // SAFETY: the scalar instruction set is always there.
        unsafe { self.slope_on::<Scalar>(m, y) }
    }

    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn value_on<V: Lane>(self, m: f32, y: f32) -> f32 {
        match self {
            // SAFETY: the caller's promise.
            Self::Logistic => unsafe { softplus::<V>(-y * m) },
            Self::Squared => 0.5 * (m - y) * (m - y),
            Self::Hinge => {
                // Not max(): it would hide a NaN.
                let short = 1.0 - y * m;
                if short < 0.0 { 0.0 } else { short }
            }
            Self::Quantile(tau) => (m - y) * if m < y { -tau } else { 1.0 - tau },
            // SAFETY: the caller's promise.
            Self::Poisson => unsafe { exp::<V>(m) - y * m },
        }
    }

    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    pub(crate) unsafe fn slope_on<V: Lane>(self, m: f32, y: f32) -> f32 {
        // The loss is the same for all rows of a loop, so the branch costs next to nothing, and a loop for each of them would
        // be five times the code.
        match self {
            // SAFETY: the caller's promise.
            Self::Logistic => -y * unsafe { sigmoid::<V>(-y * m) },
            Self::Squared => m - y,
            Self::Hinge if y * m < 1.0 => -y,
            Self::Hinge => 0.0,
            Self::Quantile(tau) if m < y => -tau,
            Self::Quantile(tau) => 1.0 - tau,
            // SAFETY: the caller's promise.
            Self::Poisson => unsafe { exp::<V>(m) - y },
        }
    }

    /// What rows cost, each times its weight; all slices are equally long.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    pub(crate) unsafe fn sum<V: Lane>(self, margins: &[f32], targets: &[f32], weights: &[f32]) -> Sums {
        let mut totals = [[0.0; LANES]; 4];
        for ((margins, targets), weights) in margins.chunks(ROWS).zip(targets.chunks(ROWS)).zip(weights.chunks(ROWS)) {
            let mut terms = [[0.0f32; ROWS]; 4];
            let [losses, scores, positives, all] = &mut terms;
            // SAFETY: the caller's promise.
            unsafe { self.values::<V>(margins, targets, weights, losses) };
            all[..weights.len()].copy_from_slice(weights);
            for ((positive, &y), &weight) in positives.iter_mut().zip(targets).zip(weights) {
                *positive = if y > 0.0 { weight } else { 0.0 };
            }
            let rows = scores.iter_mut().zip(margins).zip(targets).zip(weights);
            match self {
                // A margin of 0 predicts the negative class.
                Self::Logistic | Self::Hinge => {
                    rows.for_each(|(((score, &m), &y), &weight)| {
                        *score = if (m > 0.0) == (y > 0.0) { weight } else { 0.0 };
                    });
                }
                Self::Squared | Self::Quantile(_) => {
                    rows.for_each(|(((score, &m), &y), &weight)| *score = weight * (m - y).abs());
                }
                Self::Poisson => {
                    for (((score, &m), &y), &weight) in rows {
                        // SAFETY: the caller's promise.
                        *score = weight * (unsafe { exp::<V>(m) } - y).abs();
                    }
                }
            }
            for (totals, terms) in totals.iter_mut().zip(&terms) {
                for terms in terms.chunks_exact(LANES) {
                    totals.iter_mut().zip(terms).for_each(|(total, &term)| *total += f64::from(term));
                }
            }
        }
        let [loss, score, positive, weight] = totals.map(|lanes| lanes.iter().sum());
        Sums { loss, score, positive, weight }
    }

    /// [`Loss::value`] of rows, each times its weight.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn values<V: Lane>(self, margins: &[f32], targets: &[f32], weights: &[f32], values: &mut [f32]) {
        let rows = values.iter_mut().zip(margins).zip(targets).zip(weights);
        // The losses that most rows have get loops of their own, which become vectors.
        match self {
            Self::Logistic => {
                for (((value, &m), &y), &weight) in rows {
                    // SAFETY: the caller's promise.
                    *value = weight * unsafe { softplus::<V>(-y * m) };
                }
            }
            Self::Squared => {
                rows.for_each(|(((value, &m), &y), &weight)| *value = weight * 0.5 * (m - y) * (m - y));
            }
            _ => {
                for (((value, &m), &y), &weight) in rows {
                    // SAFETY: the caller's promise.
                    *value = weight * unsafe { self.value_on::<V>(m, y) };
                }
            }
        }
    }
}

impl Loss {
    /// [`Loss::slope`] of rows, each times its weight.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    pub(crate) unsafe fn slopes<V: Lane>(self, margins: &[f32], targets: &[f32], weights: &[f32], slopes: &mut [f32]) {
        let rows = slopes.iter_mut().zip(margins).zip(targets).zip(weights);
        if self == Self::Logistic {
            // The loss that most rows have gets a loop of its own, which becomes vectors.
            for (((slope, &m), &y), &weight) in rows {
                // SAFETY: the caller's promise.
                *slope = weight * unsafe { Self::Logistic.slope_on::<V>(m, y) };
            }
        } else {
            for (((slope, &m), &y), &weight) in rows {
                // SAFETY: the caller's promise.
                *slope = weight * unsafe { self.slope_on::<V>(m, y) };
            }
        }
    }
}

/// What rows with one output cost; each counts by its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The sum of [`Loss::value`].
    pub loss: f64,
    /// Of two classes: the rows whose margin is on the side of their class. Of numbers: the absolute errors.
    pub score: f64,
    /// The rows with targets above 0.
    pub positive: f64,
    /// All rows.
    pub weight: f64,
}

/// What the margins of several classes cost against the class of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassLoss {
    /// -ln of the class's share: ln Σ exp(m) - m of the class.
    Softmax,
    /// One-against-all: the sum of the hinge losses of all classes, with target 1 for the row's and -1 for the others.
    Hinge,
}

/// A class this much below the likeliest, in nats, is not moved by a row: its share is too small to tell, and products with it
/// would be denormals.
const FAR: f32 = 30.0;

impl ClassLoss {
    /// The loss of a row of class `class` whose margins are these, one a class.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn value(self, margins: &[f32], class: usize) -> f32 {
        // SAFETY: the scalar instruction set is always there.
        unsafe { self.value_on::<Scalar>(margins, class) }
    }

    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn value_on<V: Lane>(self, margins: &[f32], class: usize) -> f32 {
        let own = margins[class];
        match self {
            Self::Softmax => {
                let most = most(margins);
                let mut sum = 0.0;
                for margins in margins.chunks(16) {
                    let mut shares = [0.0f32; 16];
                    for (share, &m) in shares.iter_mut().zip(margins) {
                        // SAFETY: the caller's promise.
                        *share = unsafe { exp::<V>(m - most) };
                    }
                    sum += shares[..margins.len()].iter().sum::<f32>();
                }
                most - own + logarithm(sum)
            }
            Self::Hinge => {
                let mut sum = 0.0;
                for (at, &m) in margins.iter().enumerate() {
                    let short = 1.0 - if at == class { m } else { -m };
                    sum += if short < 0.0 { 0.0 } else { short };
                }
                sum
            }
        }
    }

    /// Over rows of `margins`, which begin `stride` apart: the sum of [`ClassLoss::value`], and of the rows whose likeliest class
    /// is theirs (the first of several), each row times its weight.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    pub(crate) unsafe fn sum<V: Lane>(
        self,
        (margins, stride, classes): (&[f32], usize, usize),
        targets: &[f32],
        weights: &[f32],
    ) -> (f64, f64) {
        let (mut loss, mut right) = (0.0, 0.0);
        for ((margins, &target), &weight) in margins.chunks_exact(stride).zip(targets).zip(weights) {
            let (margins, class) = (&margins[..classes], target as usize);
            // SAFETY: the caller's promise.
            loss += f64::from(weight * unsafe { self.value_on::<V>(margins, class) });
            let most = most(margins);
            let first = margins.iter().position(|&m| m >= most);
            right += if first == Some(class) { f64::from(weight) } else { 0.0 };
        }
        (loss, right)
    }

    /// The derivatives of [`ClassLoss::value`] by the margins, times `weight`, into the first places of `slopes`; 0 into the
    /// others. False where all are 0.
    ///
    /// # Safety
    /// The instruction set of `V`, and at least as many slopes as margins.
    #[inline(always)]
    pub(crate) unsafe fn slopes<V: Lane>(self, margins: &[f32], class: usize, weight: f32, slopes: &mut [f32]) -> bool {
        let (these, pad) = slopes.split_at_mut(margins.len());
        pad.fill(0.0);
        match self {
            Self::Softmax => {
                let most = most(margins);
                for (slope, &m) in these.iter_mut().zip(margins) {
                    // SAFETY: the caller's promise.
                    let share = unsafe { exp::<V>(m - most) };
                    // Of a NaN the comparison is false.
                    *slope = if m - most < -FAR { 0.0 } else { share };
                }
                let by = weight / these.iter().sum::<f32>();
                for slope in these.iter_mut() {
                    *slope *= by;
                }
                if let Some(own) = these.get_mut(class) {
                    *own -= weight;
                }
                weight != 0.0
            }
            Self::Hinge => {
                let mut moves = false;
                for (at, (slope, &m)) in these.iter_mut().zip(margins).enumerate() {
                    let y = if at == class { 1.0 } else { -1.0 };
                    *slope = if y * m < 1.0 { -y * weight } else { 0.0 };
                    moves |= *slope != 0.0;
                }
                moves
            }
        }
    }
}

/// The largest of `margins`, NaNs left out.
#[inline(always)]
fn most(margins: &[f32]) -> f32 {
    let mut most = f32::MIN;
    for &m in margins {
        most = if m > most { m } else { most };
    }
    most
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn slopes_are_the_derivatives_of_the_values() {
        for loss in [Loss::Logistic, Loss::Squared, Loss::Hinge, Loss::Quantile(0.8), Loss::Poisson] {
            for y in [-1.0, 1.0] {
                for m in [-9.7f32, -2.5, -1.2, -0.3, 0.0, 0.2, 0.9, 1.1, 3.3, 8.1] {
                    let h = 1.0 / 128.0;
                    let numeric = (loss.value(m + h, y) - loss.value(m - h, y)) / (2.0 * h);
                    let slope = loss.slope(m, y);
                    assert!((numeric - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{loss:?} m={m} y={y}");
                }
            }
        }
    }

    #[test]
    fn slopes_of_classes_are_the_derivatives_of_the_values() {
        let margins = [0.3f32, -1.7, 2.2, 0.0, 9.5];
        for loss in [ClassLoss::Softmax, ClassLoss::Hinge] {
            for class in 0..5 {
                let mut slopes = [f32::NAN; 8];
                // SAFETY: the scalar instruction set is always there, and there are more slopes than margins.
                assert!(unsafe { loss.slopes::<Scalar>(&margins, class, 2.0, &mut slopes) });
                assert_eq!(slopes[5..], [0.0; 3]);
                for at in 0..5 {
                    let h = 1.0 / 128.0;
                    let value = |by: f32| {
                        let mut margins = margins;
                        margins[at] += by;
                        loss.value(&margins, class)
                    };
                    let numeric = 2.0 * (value(h) - value(-h)) / (2.0 * h);
                    assert!((numeric - slopes[at]).abs() < 2e-3, "{loss:?} {class} {at}: {numeric} {}", slopes[at]);
                }
            }
        }
    }

    #[test]
    fn the_softmax_of_two_classes_is_the_logistic_loss() {
        for m in [-20.0f32, -3.0, -0.1, 0.0, 1.0, 8.0, 25.0] {
            let (two, one) = (ClassLoss::Softmax.value(&[0.25, m + 0.25], 1), Loss::Logistic.value(m, 1.0));
            assert!((two - one).abs() < 2e-6 * (1.0 + one), "at {m}: {two} {one}");
        }
        assert_eq!(ClassLoss::Softmax.value(&[1e30, 0.0], 1), 1e30);
    }

    #[test]
    fn a_nan_margin_is_never_hidden() {
        for loss in [Loss::Logistic, Loss::Squared, Loss::Hinge, Loss::Quantile(0.5), Loss::Poisson] {
            assert!(loss.value(f32::NAN, 1.0).is_nan(), "{loss:?}");
        }
        for (loss, at) in [ClassLoss::Softmax, ClassLoss::Hinge].into_iter().flat_map(|loss| [(loss, 0), (loss, 2)]) {
            let mut margins = [0.5, -0.5, 1.0];
            margins[at] = f32::NAN;
            assert!(loss.value(&margins, 2).is_nan(), "{loss:?} {at}");
        }
        assert!(Loss::Logistic.value(f32::INFINITY, -1.0).is_infinite());
    }
}
