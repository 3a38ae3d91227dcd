//! What a model is: everything that training decided and prediction needs to know, as it stands in the manifest.

use clap::ValueEnum;
use hogback_kernels::{Loss, Rule};
use serde::{Deserialize, Serialize};

use crate::data::{Column, Hashing};
use crate::engine::schedule::Schedule;

/// The family of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One weight a feature, and an intercept.
    Linear,
}

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// ln(1 + exp(-y·m)): two classes, predicts a probability.
    Logistic,
    /// max(0, 1 - y·m): two classes, predicts a margin.
    Hinge,
    /// ½ (m - y)²: predicts a number.
    Squared,
}

impl LossKind {
    /// The loss as the kernels know it.
    pub fn loss(self) -> Loss {
        match self {
            Self::Logistic => Loss::Logistic,
            Self::Hinge => Loss::Hinge,
            Self::Squared => Loss::Squared,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "logistic",
            Self::Hinge => "hinge",
            Self::Squared => "squared",
        }
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
}

impl Optimizer {
    /// The rule as the kernels know it.
    pub fn rule(self) -> Rule {
        match self {
            Self::Adagrad => Rule::Adagrad,
            Self::Sgd => Rule::Sgd,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adagrad => "adagrad",
            Self::Sgd => "sgd",
        }
    }
}

/// What a row's label means to the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Two classes, by the names they have in the data ("-1", "yes"); numbers are named as they print.
    Classes {
        /// The class with target -1.
        negative: String,
        /// The class with target 1.
        positive: String,
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
    /// How keys are hashed, if they are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hashing: Option<Hashing>,
    /// How gradients move weights.
    pub optimizer: Optimizer,
    /// The learning rate, in units of 1 / mean squared row norm.
    pub lr: f32,
    /// The L2 penalty: l2/2 · |w|² is added to the mean loss.
    pub l2: f32,
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
