//! What a model is: everything that training decided and prediction needs to know, as it stands in the manifest.

use clap::ValueEnum;
use hogback_kernels::{Adam, ClassLoss, DenseRule, Factors, Layout, Loss, Objective, Rule};
use serde::{Deserialize, Serialize};

use super::network::{Network, Shape};
use super::weighting::{Text, Weighting};
use crate::data::{Column, ColumnKind, FieldSource, Hashing};
use crate::engine::schedule::Schedule;

/// Rows in the batch that rates of layers are for.
pub const RATED_BATCH: usize = 64;
/// What remains of the momentum of layers at each step.
const MOMENTUM: f32 = 0.9;
/// What Adagrad's accumulators of layers begin at: gradients of a batch are means, and small.
const FLOOR: f32 = 1e-4;

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
    /// A multilayer perceptron over the values of a row.
    Mlp,
    /// A factorization machine whose vectors also go, field by field, through layers (DeepFM).
    Deep,
    /// A classifier of texts: layers, mostly one, over the mean of the vectors of words.
    Text,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Fm => "fm",
            Self::Ffm => "ffm",
            Self::Mlp => "mlp",
            Self::Deep => "deep",
            Self::Text => "text",
        }
    }

    /// True where there are layers.
    pub fn has_layers(self) -> bool {
        matches!(self, Self::Mlp | Self::Deep | Self::Text)
    }

    /// The learning rate of the layers where nobody says, for batches of [`RATED_BATCH`] rows.
    pub fn rate_of_layers(self, optimizer: Optimizer) -> f32 {
        match optimizer {
            // One layer over the mean of vectors, that begin at 0 with it.
            Optimizer::Adam if self == Self::Text => 5e-3,
            Optimizer::Adam => 2e-3,
            Optimizer::Adagrad | Optimizer::Momentum => 2e-2,
            Optimizer::Sgd | Optimizer::Ftrl => 0.1,
        }
    }

    /// The learning rate of vectors beside layers that are learned at their default rate.
    fn rate_beside_layers(self) -> f64 {
        if self == Self::Text { 20.0 } else { 2.0 }
    }

    /// True where features have vectors.
    pub fn has_factors(self) -> bool {
        matches!(self, Self::Fm | Self::Ffm | Self::Deep | Self::Text)
    }

    /// What the counts of the features of text weigh.
    pub fn weighting(self) -> Weighting {
        if self == Self::Text { Weighting::Log } else { Weighting::TfIdf }
    }

    /// Features of text that are there less often are left out where nobody says.
    pub fn min_count(self) -> u32 {
        if self == Self::Text { 2 } else { 1 }
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
    /// The same with momentum (Polyak 1964), for layers.
    Momentum,
    /// Kingma & Ba 2015, for layers.
    Adam,
    /// FTRL-proximal, which keeps weights at 0 with --l1.
    Ftrl,
}

impl Optimizer {
    /// The rule of rows that are updated in place; momentum and Adam are for layers.
    pub fn rule(self) -> Rule {
        match self {
            Self::Adagrad | Self::Momentum | Self::Adam => Rule::Adagrad,
            Self::Sgd => Rule::Sgd,
            Self::Ftrl => Rule::Ftrl,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adagrad => "adagrad",
            Self::Sgd => "sgd",
            Self::Momentum => "momentum",
            Self::Adam => "adam",
            Self::Ftrl => "ftrl",
        }
    }
}

/// What stands behind each hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// max(0, z).
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// z times the share of a normal distribution that lies below z (Hendrycks & Gimpel 2016).
    Gelu,
}

impl Activation {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Gelu => "gelu",
        }
    }

    /// As the kernels know it.
    pub fn kernel(self) -> hogback_kernels::Activation {
        match self {
            Self::Relu => hogback_kernels::Activation::Relu,
            Self::Tanh => hogback_kernels::Activation::Tanh,
            Self::Gelu => hogback_kernels::Activation::Gelu,
        }
    }
}

/// The layers of a model that has them, and how they are learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// The outputs of each hidden layer.
    pub hidden: Vec<usize>,
    /// Which layers also see what came out of an earlier one, see [`Shape::skips`].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub skips: Vec<(usize, usize)>,
    /// What stands behind each of them.
    pub activation: Activation,
    /// The share of the units of hidden layers that a batch leaves out in learning.
    pub dropout: f32,
    /// The share of a row's features that are left out in learning.
    pub feature_dropout: f32,
    /// Rows in a batch.
    pub batch: usize,
    /// Vectors meet each other beside going through the layers (DeepFM), else only weights stand beside these (wide & deep).
    pub meets: bool,
    /// By feature of a perceptron, what is taken off its values, in the units that these are learned in.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub means: Vec<f32>,
    /// Values go into the layers written out, zeros and all, for most are not 0.
    pub written_out: bool,
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
    /// The size of the images it was trained on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub images: Option<Vec<u32>>,
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
    /// The layers, where there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layers: Option<Layers>,
    /// How gradients move weights; where there are layers, theirs.
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

    /// Margins of a row of data.
    pub fn outputs(&self) -> usize {
        self.objective().outputs()
    }

    /// How far apart the margins of two rows begin, padding included.
    pub fn stride(&self) -> usize {
        Layout::new(self.outputs(), 0).stride()
    }

    /// How gradients move what is updated in place: under layers always by Adagrad, which merges.
    pub fn rule(&self) -> Rule {
        if self.layers.is_some() { Rule::Adagrad } else { self.optimizer.rule() }
    }

    /// The factor vectors of a feature, if it has any.
    pub fn factors(&self) -> Option<Factors> {
        let fields = match &self.fields {
            Some(fields) if self.kind == Kind::Ffm => fields.names.len(),
            _ => 1,
        };
        self.kind.has_factors().then_some(Factors { rank: self.rank, fields })
    }

    /// What stands in a row of Θ that is updated in place. A model with layers has one part a feature whatever its outputs, and a
    /// perceptron none at all.
    pub fn layout(&self) -> Layout {
        let outputs = if self.layers.is_some() { 1 } else { self.outputs() };
        match self.factors() {
            Some(factors) if self.kind == Kind::Deep => Layout::factored(outputs, factors).with_field(),
            Some(factors) => Layout::factored(outputs, factors),
            None if self.layers.is_some() => Layout::new(1, 0),
            None => self.rule().layout(outputs),
        }
    }

    /// How many rows of Θ are updated in place, of a model of `features` features: a perceptron has none.
    pub fn table_rows(&self, features: usize) -> usize {
        if self.layers.is_some() && !self.kind.has_factors() { 0 } else { features }
    }

    /// True where features have weights of their own. Beside layers these are one number a row, which tells several classes nothing.
    pub fn has_weights(&self) -> bool {
        self.layers.is_none() || self.kind == Kind::Deep && self.outputs() == 1
    }

    /// True where parameters are saved as they were learned, and prediction converts values and margins; those of linear models are
    /// brought into the units of the data.
    pub fn is_as_learned(&self) -> bool {
        self.kind != Kind::Linear
    }

    /// The network of a model of `features` features, if it has layers.
    pub fn network(&self, features: usize) -> Option<Network> {
        let layers = self.layers.as_ref()?;
        let inputs = match self.kind {
            Kind::Deep => self.fields.as_ref().map_or(1, |fields| fields.names.len()) * self.rank,
            Kind::Text => self.rank,
            _ => features,
        };
        let (hidden, skips, activation) = (layers.hidden.clone(), layers.skips.clone(), layers.activation.kernel());
        Some(Network::new(&Shape { inputs, hidden, activation, outputs: self.outputs(), skips }))
    }

    /// The words of fresh layers, which say the best constant prediction, `constant`.
    pub fn fresh_layers(&self, network: &Network, constant: &[f32]) -> Vec<f32> {
        // What vectors come to is some tenths large before long, whatever it begins at.
        let norm = if self.kind == Kind::Mlp { self.mean_square } else { network.inputs() as f64 };
        let mut words = vec![0.0; network.words()];
        network.begin(&mut words, norm, constant, self.seed);
        words
    }

    /// Optimiser slots of a word of the layers.
    pub fn slots(&self) -> usize {
        match self.optimizer {
            Optimizer::Adam => 2,
            Optimizer::Momentum | Optimizer::Adagrad => 1,
            Optimizer::Sgd | Optimizer::Ftrl => 0,
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

    /// The rates of what is updated in place and of the intercept, where the learning rate is multiplied with `factor`: so much that a fresh
    /// weight moves by lr / (curvature · mean squared row norm) times its gradient, whatever its accumulator begins at.
    pub fn rates(&self, factor: f64) -> (f32, f32) {
        let unit = match self.rule() {
            Rule::Sgd => 1.0,
            Rule::Adagrad | Rule::Ftrl => f64::from(self.floor).sqrt() / self.curvature,
        };
        let lr = match self.layers {
            // The rate that is named is that of the layers; vectors follow it.
            Some(_) => self.kind.rate_beside_layers() * f64::from(self.lr / self.kind.rate_of_layers(self.optimizer)),
            None => f64::from(self.lr),
        };
        let rate = lr * factor * unit;
        let mean_square = if self.mean_square > 0.0 { self.mean_square } else { 1.0 };
        // The intercept's feature is 1 in every row, on top of the others.
        ((rate / mean_square) as f32, (rate / (1.0 + mean_square)) as f32)
    }

    /// How a gradient of the layers moves them in step `step` (from 1), where the learning rate is multiplied with `factor`. A rate is for
    /// batches of [`RATED_BATCH`] rows; that of others follows its root where steps are of one size whatever the gradient's (Krizhevsky 2014;
    /// Malladi et al. 2022), else the size itself (Goyal et al. 2017).
    pub fn rule_of_layers(&self, factor: f32, step: u64) -> DenseRule {
        let batches = self.layers.as_ref().map_or(1.0, |layers| layers.batch as f32 / RATED_BATCH as f32);
        let rate = self.lr * factor;
        match self.optimizer {
            Optimizer::Sgd | Optimizer::Ftrl => DenseRule::Sgd { rate: rate * batches },
            Optimizer::Momentum => DenseRule::Momentum { rate: rate * batches, momentum: MOMENTUM },
            Optimizer::Adagrad => DenseRule::Adagrad { rate: rate * batches.sqrt(), floor: FLOOR },
            Optimizer::Adam => DenseRule::Adam(Adam::at(step, rate * batches.sqrt())),
        }
    }
}
