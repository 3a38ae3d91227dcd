//! [`Worth`]: what choices are worth, R being their sum: a Bayesian linear regression that is brought up to date trial by trial (recursive
//! least squares; Plackett, "Some theorems in least squares", Biometrika 1950).
//!
//! What flows in: architectures and R. What flows out: the R that is expected of one, and by how much one is expected to do better than
//! another, each with how sure that is.

use crate::search::space::{Architecture, Space, UNMADE};

/// By how many times the variance of trials exceeds that of what choices are worth, before anything is known.
const RIDGE: f64 = 0.1;
/// How much more that of the mean of all is: next to nothing is known of it.
const MEAN: f64 = 100.0;
/// Of values with an order, how far apart two are until they say e times less of each other.
const ALIKE: f64 = 2.0;

/// What choices are worth.
#[derive(Debug)]
pub(super) struct Worth {
    /// By decision, where its values stand; before the first stands the mean.
    first: Vec<usize>,
    /// What each is worth, as expected.
    weights: Vec<f64>,
    /// Their covariance, a row each, in units of the variance of trials.
    covariance: Vec<f64>,
    /// Σ of squares of what trials were off by, in the units that were expected, and how many there were.
    squares: f64,
    trials: f64,
    /// Where the values of an architecture stand, and their covariance with all.
    active: Vec<usize>,
    gain: Vec<f64>,
    /// Where the values stand that only one of two architectures has, with -1 for those of the first and 1 for those of the second.
    apart: Vec<(usize, f64)>,
}

impl Worth {
    /// Nothing is known but which values of `space` are alike.
    pub(super) fn new(space: &Space) -> Self {
        let mut first = Vec::new();
        let mut count = 1;
        for decision in space.decisions() {
            first.push(count);
            count += decision.values.len();
        }
        let mut covariance = vec![0.0; count * count];
        covariance[0] = MEAN;
        for (decision, &from) in space.decisions().iter().zip(&first) {
            for (one, other) in (0..decision.values.len()).flat_map(|one| (0..=one).map(move |other| (one, other))) {
                let alike = match one - other {
                    0 => 1.0,
                    apart if decision.is_ordered => (-(apart as f64) / ALIKE).exp(),
                    _ => 0.0,
                };
                covariance[(from + one) * count + from + other] = alike / RIDGE;
                covariance[(from + other) * count + from + one] = alike / RIDGE;
            }
        }
        let (weights, gain) = (vec![0.0; count], vec![0.0; count]);
        Self { first, weights, covariance, squares: 0.0, trials: 0.0, active: Vec::new(), gain, apart: Vec::new() }
    }

    /// The R that is expected of an architecture.
    pub(super) fn of(&self, architecture: &Architecture) -> f64 {
        let made = architecture.choices().iter().zip(&self.first).filter(|(choice, _)| **choice != UNMADE);
        self.weights[0] + made.map(|(choice, first)| self.weights[first + usize::from(*choice)]).sum::<f64>()
    }

    /// By how much R of `to` is expected to exceed that of `from`, and the standard deviation of that.
    pub(super) fn difference(&mut self, from: &Architecture, to: &Architecture) -> (f64, f64) {
        // What both have cancels out, and little is left.
        self.apart.clear();
        for ((&one, &other), first) in from.choices().iter().zip(to.choices()).zip(&self.first) {
            if one != other {
                let sides = [(one, -1.0), (other, 1.0)].into_iter().filter(|(choice, _)| *choice != UNMADE);
                self.apart.extend(sides.map(|(choice, sign)| (first + usize::from(choice), sign)));
            }
        }
        let (mut more, mut variance) = (0.0, 0.0);
        for &(row, sign) in &self.apart {
            more += sign * self.weights[row];
            let with = &self.covariance[row * self.weights.len()..];
            variance += self.apart.iter().map(|&(column, other)| sign * other * with[column]).sum::<f64>();
        }
        let of_trials = self.squares / self.trials.max(1.0);
        (more, (variance.max(0.0) * of_trials).sqrt())
    }

    /// Hears what came of a trial.
    pub(super) fn learn(&mut self, architecture: &Architecture, reward: f32) {
        let off = f64::from(reward) - self.of(architecture);
        let made = architecture.choices().iter().zip(&self.first).filter(|(choice, _)| **choice != UNMADE);
        self.active.clear();
        self.active.push(0);
        self.active.extend(made.map(|(choice, first)| first + usize::from(*choice)));
        let count = self.weights.len();
        self.gain.fill(0.0);
        for row in &self.active {
            let row = &self.covariance[row * count..][..count];
            self.gain.iter_mut().zip(row).for_each(|(gain, word)| *gain += word);
        }
        let spread = 1.0 + self.active.iter().map(|&at| self.gain[at]).sum::<f64>();
        self.squares += off * off / spread;
        self.trials += 1.0;
        for ((row, weight), gain) in self.covariance.chunks_exact_mut(count).zip(&mut self.weights).zip(&self.gain) {
            let share = gain / spread;
            *weight += share * off;
            row.iter_mut().zip(&self.gain).for_each(|(word, gain)| *word -= share * gain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::search::space::{Decision, Value, When};

    /// Three decisions, the last made only after one choice of the first.
    fn space() -> Space {
        let decision = |name: &str, count: usize, is_ordered, when| Decision {
            name: name.to_owned(),
            values: (0..count).map(|value| Value::Number(value as f64)).collect(),
            is_ordered,
            when,
            skip: None,
        };
        let when = Some(When { decision: 0, choices: vec![1] });
        let decisions = vec![decision("a", 2, true, None), decision("b", 3, false, None), decision("c", 4, true, when)];
        Space::new("worth".to_owned(), decisions)
    }

    fn row(worth: &Worth, architecture: &Architecture) -> Vec<f64> {
        let mut row = vec![0.0; worth.weights.len()];
        row[0] = 1.0;
        let made = architecture.choices().iter().zip(&worth.first).filter(|(choice, _)| **choice != UNMADE);
        made.for_each(|(choice, first)| row[first + usize::from(*choice)] = 1.0);
        row
    }

    fn dot(one: &[f64], other: &[f64]) -> f64 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    }

    /// The weights minimise Σ (R - x·w)² + w·K⁻¹·w, K being the covariance before anything was known: there K times half its slope, that is
    /// w - K·Σ (R - x·w)·x, is 0.
    #[test]
    fn what_is_expected_is_the_ridge_regression_of_all_trials() {
        let (space, mut random) = (space(), Random::new(1));
        let mut worth = Worth::new(&space);
        let first = worth.covariance.clone();
        let trials: Vec<_> = (0..40).map(|_| (space.draw(&mut random), random.share() as f32)).collect();
        trials.iter().for_each(|(architecture, reward)| worth.learn(architecture, *reward));
        let mut pulls = vec![0.0; worth.weights.len()];
        for (architecture, reward) in &trials {
            let row = row(&worth, architecture);
            let off = f64::from(*reward) - dot(&row, &worth.weights);
            pulls.iter_mut().zip(&row).for_each(|(pull, x)| *pull += off * x);
            assert!((worth.of(architecture) - dot(&row, &worth.weights)).abs() < 1e-12);
        }
        for (weight, row) in worth.weights.iter().zip(first.chunks_exact(pulls.len())) {
            assert!((weight - dot(row, &pulls)).abs() < 1e-9, "{weight}");
        }
    }

    #[test]
    fn a_difference_has_the_variance_of_its_weights_and_grows_surer() {
        let (space, mut random) = (space(), Random::new(2));
        let mut worth = Worth::new(&space);
        let mut before = f64::INFINITY;
        for _ in 0..5 {
            for _ in 0..50 {
                worth.learn(&space.draw(&mut random), random.share() as f32);
            }
            let (one, other) = (space.settle(vec![0, 1], &mut random), space.settle(vec![1, 2, 3], &mut random));
            let (more, deviation) = worth.difference(&one, &other);
            assert!((more - (worth.of(&other) - worth.of(&one))).abs() < 1e-12);
            let apart: Vec<f64> =
                row(&worth, &other).iter().zip(row(&worth, &one)).map(|(to, from)| to - from).collect();
            let rows = worth.covariance.chunks_exact(apart.len()).map(|row| dot(row, &apart));
            let variance = dot(&rows.collect::<Vec<_>>(), &apart) * worth.squares / worth.trials;
            assert!((deviation * deviation - variance).abs() < 1e-9 * variance, "{deviation} {variance}");
            assert!(deviation < before);
            before = deviation;
        }
        assert_eq!(
            worth.difference(&space.settle(vec![0, 1], &mut random), &space.settle(vec![0, 1], &mut random)),
            (0.0, 0.0)
        );
    }
}
