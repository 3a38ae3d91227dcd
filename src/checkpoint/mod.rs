//! The model directory: generations of a model, written so that nothing that was saved is ever lost.
//!
//! In: a [`Generation`], the state of a model at one moment. Out: the same, [`load`]ed, whole or not at all.
//!
//! ```text
//! model/
//!   manifest.json                    what is current; replaced by rename, last
//!   latest -> gen-00007              for people and Python
//!   gen-00007/                       immutable once it has this name
//!     weights-00000.safetensors …    one a shard: a contiguous range of the rows of every tensor
//!     state-00000.safetensors …      the same of the optimiser's slots
//!     dictionary.bin                 keys → rows
//!     spec.toml                      how the model was trained
//!     manifest.json                  the manifest as it was when this generation was current
//!   gen-00006/                       the generation before, until the next commit
//! .model.lock                        beside it: one trainer at a time
//! .model.new-PID-N                   beside it: a model directory on its way in or out
//! ```
//!
//! | a file of shard `s` of `S` | |
//! |---|---|
//! | bytes 0 to 7 | length of the header, little-endian; 8 + length is a multiple of 4096 |
//! | header | JSON, padded with spaces: dtype, shape and place of every tensor, PyTorch's sharding keys |
//! | data | rows `rows·s/S` to `rows·(s+1)/S` of every tensor, row-major, `f32`, little-endian |
//!
//! Going back to an earlier generation by hand is one copy: `cp model/gen-00006/manifest.json model/`.

mod commit;
mod files;
mod layout;
mod lock;
mod manifest;
mod restore;
mod safetensors;
mod writer;

use serde_json::Value;

pub use lock::Lock;
pub use manifest::{FileEntry, Kind, Manifest, TensorEntry};
pub use restore::{Loaded, load, load_weights};
pub use writer::{Existing, Writer};

/// A named table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorData {
    /// Its name, unique among the weights or among the states of a generation.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// Numbers in a row.
    pub width: u32,
    /// `rows` × `width` numbers, row after row.
    pub data: Vec<f32>,
}

/// All that a commit writes: the state of a model at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// What predicting needs.
    pub weights: Vec<TensorData>,
    /// What only going on with training needs: the optimiser's slots.
    pub state: Vec<TensorData>,
    /// Keys → rows, in a form that is not looked into here.
    pub dictionary: Vec<u8>,
    /// How the model was trained, for people and for training it again; not looked into here.
    pub spec: Vec<u8>,
    /// The resolved flags and the kind of model.
    pub configuration: Value,
    /// Losses and accuracies so far.
    pub metrics: Value,
    /// Where in the data training stands, with the seeds.
    pub position: Value,
}

#[cfg(test)]
mod fault_tests;

#[cfg(test)]
mod fixture {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    /// A small generation whose numbers all depend on `seed`.
    pub(super) fn generation(seed: u32) -> Generation {
        let tensor = |name: &str, rows: u64, width: u32| TensorData {
            name: name.to_owned(),
            rows,
            width,
            data: (0..rows as u32 * width).map(|at| (1000 * seed + at) as f32 / 7.0).collect(),
        };
        Generation {
            weights: vec![tensor("w", 7, 3), tensor("bias", 1, 1), tensor("none yet", 0, 4)],
            state: vec![tensor("w", 7, 2)],
            dictionary: format!("keys of {seed}").into_bytes(),
            spec: format!("seed = {seed}\n").into_bytes(),
            configuration: json!({ "kind": "linear", "seed": seed }),
            metrics: json!({ "logloss": 0.5 }),
            position: json!({ "pass": seed }),
        }
    }

    /// True where `model` is `generation`, to the last bit.
    pub(super) fn holds(model: &Path, generation: &Generation) -> bool {
        let Loaded { manifest, weights, state, dictionary, spec } = load(model).unwrap();
        let Manifest { configuration, metrics, position, .. } = manifest;
        *generation == Generation { weights, state, dictionary, spec, configuration, metrics, position }
    }

    /// Everything in a directory, sorted.
    pub(super) fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
