//! [`Model`]: a trained model, opened to predict.

use std::path::Path;

use hogback_kernels::{Backend, Ids, Row, Table};

use super::configuration::{Configuration, LossKind, Target};
use crate::checkpoint::{Loaded, Manifest, load_weights};
use crate::data::{Block, Dictionary, Known};
use crate::error::{Error, Result};
use crate::sys::map::Region;

/// A trained model.
#[derive(Debug)]
pub struct Model {
    /// What it is.
    pub configuration: Configuration,
    /// What its directory says about itself.
    pub manifest: Manifest,
    dictionary: Dictionary,
    /// The two classes where labels are words, the negative one first.
    names: Vec<String>,
    weights: Region,
    bias: f32,
    backend: Backend,
}

impl Model {
    /// Opens the current generation of a model directory; every file that is read is checked.
    ///
    /// # Errors
    /// [`Error::Model`] where it is absent, damaged or of a kind this version does not know.
    pub fn open(path: &Path, backend: Backend) -> Result<Self> {
        let loaded = load_weights(path)?;
        Self::from_loaded(loaded, backend).map_err(|what| Error::model(path, what))
    }

    fn from_loaded(loaded: Loaded, backend: Backend) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_value(loaded.manifest.configuration.clone())
            .map_err(|error| format!("was made by another version of hogback: {error}"))?;
        let dictionary = Dictionary::from_bytes(&loaded.dictionary)?;
        let tensor = |name: &str, rows: usize| {
            let found = loaded.weights.iter().find(|tensor| tensor.name == name);
            found.filter(|tensor| tensor.data.len() == rows).ok_or(format!("has no tensor {name} of {rows} numbers"))
        };
        let weight = &tensor("weight", dictionary.len())?.data;
        let bias = tensor("bias", 1)?.data[0];
        let weights = Region::reserve(weight.len()).map_err(|error| format!("does not fit into memory: {error}"))?;
        backend.copy_in(weight, weights.cells());
        let names = match &configuration.target {
            Target::Classes { negative, positive, words: true } => vec![negative.clone(), positive.clone()],
            _ => Vec::new(),
        };
        Ok(Self { configuration, manifest: loaded.manifest, dictionary, names, weights, bias, backend })
    }

    /// What reading data for this model needs.
    pub fn known(&self) -> Known<'_> {
        Known {
            dictionary: &self.dictionary,
            columns: self.configuration.columns.as_deref(),
            label_names: &self.names,
            hashing: self.configuration.hashing.as_ref(),
        }
    }

    /// How many features it knows.
    pub fn features(&self) -> usize {
        self.dictionary.len()
    }

    /// The margins of a block's rows, read with [`Model::known`].
    pub fn margins(&self, block: &Block<'_>) -> Vec<f32> {
        let empty = Ids::check(&[], 0);
        let row = |at: usize| match empty {
            Ok(empty) if block.ids(at).as_slice().is_empty() => Row::new(empty, &[], 0.0),
            _ => Row::new(block.ids(at), block.values(at), 0.0),
        };
        let rows: Vec<Row<'_>> = (0..block.rows()).map(row).collect();
        let mut margins = vec![0.0; rows.len()];
        self.backend.score(&Table::whole(self.weights.cells(), 1), &rows, self.bias, &mut margins);
        margins
    }

    /// What the model predicts for a margin: the probability of the positive class (logistic), the margin (hinge), a number
    /// (squared).
    pub fn prediction(&self, margin: f32) -> f32 {
        match self.configuration.loss {
            LossKind::Logistic => (1.0 / (1.0 + (-f64::from(margin)).exp())) as f32,
            LossKind::Hinge | LossKind::Squared => margin,
        }
    }

    /// The target of a label as [`crate::data::stream`] gave it: -1 or 1, or the number itself; none for a label that is missing or
    /// that the model was not trained on.
    pub fn target(&self, label: f32) -> Option<f32> {
        let class = |name: &str| name.parse::<f32>().ok();
        match &self.configuration.target {
            _ if label.is_nan() => None,
            Target::Number { .. } => Some(label),
            Target::Classes { words: true, .. } => Some(if label > 0.0 { 1.0 } else { -1.0 }),
            Target::Classes { positive, .. } if class(positive) == Some(label) => Some(1.0),
            Target::Classes { negative, .. } if class(negative) == Some(label) => Some(-1.0),
            Target::Classes { .. } => None,
        }
    }
}
