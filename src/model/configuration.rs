//! What a model is: everything that training decided and prediction needs to know, as it stands in the manifest.

use clap::ValueEnum;
use hogback_kernels::{ClassLoss, Factors, Layout, Loss, Objective, Rule};
use serde::{Deserialize, Serialize};

use super::weighting::Text;
use crate::data::{Column, ColumnKind, FieldSource, Hashing};
use crate::engine::schedule::Schedule;

/// The family of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One weight a feature and output, and intercepts.
    #[default]
    Linear,
    /// A factorization machine: features have vectors beside their weights, and meet each other by them.
    Fm,
    /// A field-aware factorization machine: a vector for each field that others are of.
    Ffm,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Fm => "fm",
            Self::Ffm => "ffm",
        }
    }

    /// Features of text that are there less often are left out where nobody says.
    pub fn min_count(self) -> u32 {
        match self {
            Self::Linear | Self::Fm | Self::Ffm => 1,
        }
    }
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// ln(1 + exp(-y·m)): two classes, predicts a probability.
    Logistic,
    /// max(0, 1 - y·m): two classes, or one against all others for each of several; predicts margins.
    Hinge,
    /// ½ (m - y)²: predicts a number.
    Squared,
    /// The pinball loss: predicts a quantile of a number.
    Quantile,
    /// exp(m) - y·m: counts, predicts their mean.
    Poisson,
    /// -ln of the class's share in Σ exp(m): several classes, predicts probabilities.
    Softmax,
}

impl LossKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Hinge => "hinge",
            Self::Squared => "squared",
            Self::Quantile => "quantile",
            Self::Poisson => "poisson",
            Self::Softmax => "softmax",
        }
    }

    /// True where labels are numbers to it, not classes.
    pub fn is_of_numbers(self) -> bool {
        matches!(self, Self::Squared | Self::Quantile | Self::Poisson)
    }
}

/// How gradients move weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Each weight's rate falls with the squares of its gradients.
    #[default]
    Adagrad,
    /// Plain stochastic gradient descent.
    Sgd,
    /// FTRL-proximal, which keeps weights at 0 with --l1.
    Ftrl,
}

impl Optimizer {
    /// The rule as the kernels know it.
    pub fn rule(self) -> Rule {
        match self {
            Self::Adagrad => Rule::Adagrad,
            Self::Sgd => Rule::Sgd,
            Self::Ftrl => Rule::Ftrl,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adagrad => "adagrad",
            Self::Sgd => "sgd",
            Self::Ftrl => "ftrl",
        }
    }
}

/// What a row's label means to the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Two classes or more.
    Classes {
        /// Their names in the data ("-1", "yes"), by number or by alphabet; numbers are named as they print. Where there is one
        /// output, the first has target -1 and the second 1.
        names: Vec<String>,
        /// Whether the names are words, not numbers.
        words: bool,
    },
    /// A number; the model learns it times 2^-exponent.
    Number {
        /// The power of two nearest to the labels' standard deviation.
        exponent: i32,
    },
}

/// What a model is and how it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The family.
    pub kind: Kind,
    /// What is minimised.
    pub loss: LossKind,
    /// What labels mean.
    pub target: Target,
    /// The columns of a CSV file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub columns: Option<Vec<Column>>,
    /// What lines of text come to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<Text>,
    /// How keys are hashed, if they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hashing: Option<Hashing>,
    /// Numbers in a factor vector; 0 where there are none.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub rank: usize,
    /// The fields that there are vectors for, where fields matter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fields: Option<FieldSource>,
    /// How gradients move weights.
    pub optimizer: Optimizer,
    /// The learning rate, see [`Configuration::rates`].
    pub lr: f32,
    /// What Adagrad's accumulators begin at; its root is β of FTRL-proximal.
    pub floor: f32,
    /// The curvature of the loss, relative to that of two equally frequent classes.
    pub curvature: f64,
    /// The L1 penalty of FTRL-proximal: what the sum of a weight's gradients has to exceed to move it from 0.
    pub l1: f32,
    /// The L2 penalty: l2/2 · |w|² is added to the mean loss.
    pub l2: f32,
    /// The quantile that the quantile loss is of.
    pub quantile: f32,
    /// By class, what the weights of its rows are multiplied with; empty for 1.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub class_weights: Vec<f32>,
    /// How the rate changes.
    pub schedule: Schedule,
    /// The most passes.
    pub passes: u32,
    /// Passes without improvement that end the run; 0 for never.
    pub early_stop: u32,
    /// The share of the rows that is held out to stop by.
    pub holdout: f64,
    /// The seed of row order and held-out rows.
    pub seed: u64,
    /// Rows of the tensor whose values lie far from 0 compared with their spread, and what is taken off them to learn.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub centres: Vec<(u32, f32)>,
    /// The mean squared norm of the rows as they are learned, which the rate is relative to.
    pub mean_square: f64,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Configuration {
    /// What outputs are compared with.
    pub fn objective(&self) -> Objective {
        let classes = match &self.target {
            Target::Classes { names, .. } => names.len(),
            Target::Number { .. } => 1,
        };
        match self.loss {
            LossKind::Logistic => Objective::One(Loss::Logistic),
            LossKind::Hinge if classes <= 2 => Objective::One(Loss::Hinge),
            LossKind::Hinge => Objective::Classes { loss: ClassLoss::Hinge, classes },
            LossKind::Squared => Objective::One(Loss::Squared),
            LossKind::Quantile => Objective::One(Loss::Quantile(self.quantile)),
            LossKind::Poisson => Objective::One(Loss::Poisson),
            LossKind::Softmax => Objective::Classes { loss: ClassLoss::Softmax, classes: classes.max(2) },
        }
    }

    /// The factor vectors of a feature, if it has any.
    pub fn factors(&self) -> Option<Factors> {
        let fields = self.fields.as_ref().map_or(1, |fields| fields.names.len());
        (self.kind != Kind::Linear).then_some(Factors { rank: self.rank, fields })
    }

    /// What stands in a row of Θ.
    pub fn layout(&self) -> Layout {
        let outputs = self.objective().outputs();
        match self.factors() {
            Some(factors) => Layout::factored(outputs, factors),
            None => self.optimizer.rule().layout(outputs),
        }
    }

    /// The squared norm that rows are brought to where fields matter, so that a long row is no louder than a short one; 0 where
    /// rows are taken as they are: columns of numbers would say by their sizes less than they do.
    pub fn norm(&self) -> f32 {
        let numbers = self.columns.iter().flatten().any(|column| column.kind == ColumnKind::Number);
        if self.kind == Kind::Ffm && !numbers { self.mean_square as f32 } else { 0.0 }
    }

    /// What a target is multiplied with to be a label; 1 for classes.
    pub fn unit(&self) -> f64 {
        match self.target {
            Target::Number { exponent } => 2f64.powi(exponent),
            Target::Classes { .. } => 1.0,
        }
    }

    /// The rates of weights and of the intercept, where the learning rate is multiplied with `factor`: so much that a fresh weight
    /// moves by lr / (curvature · mean squared row norm) times its gradient, whatever its accumulator begins at.
    pub fn rates(&self, factor: f64) -> (f32, f32) {
        let unit = match self.optimizer {
            Optimizer::Sgd => 1.0,
            Optimizer::Adagrad | Optimizer::Ftrl => f64::from(self.floor).sqrt() / self.curvature,
        };
        let rate = f64::from(self.lr) * factor * unit;
        let mean_square = if self.mean_square > 0.0 { self.mean_square } else { 1.0 };
        // The intercept's feature is 1 in every row, on top of the others.
        ((rate / mean_square) as f32, (rate / (1.0 + mean_square)) as f32)
    }
}
