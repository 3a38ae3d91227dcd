//! [`Manifest`]: what a model directory says about itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{DICTIONARY, MANIFEST, SPEC, generation_path, is_model, previous};
use crate::error::{Error, Result};

/// The format that is written and the only one that is read.
pub(super) const FORMAT: u32 = 1;

/// The element type that every tensor has.
pub(super) const DTYPE: &str = "F32";

/// The contents of `manifest.json`.
///
/// The file is this as JSON, with one more field at its very end: `"manifest_xxh3"`, the xxh3 of all bytes before it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Manifest {
    /// The version of the format of the whole directory.
    pub format: u32,
    /// The number of the generation that is current, from 1.
    pub generation: u64,
    /// When it was committed, in seconds since 1970.
    pub created: u64,
    /// The resolved flags and the kind of model.
    pub configuration: Value,
    /// Losses and accuracies so far.
    pub metrics: Value,
    /// Where in the data training stands, with the seeds.
    pub position: Value,
    /// Every file of the generation, in the order weights, states, dictionary, spec.
    pub files: Vec<FileEntry>,
    /// Every tensor, in the order they are saved.
    pub tensors: Vec<TensorEntry>,
    /// Into how many files the weights are cut, and the states as well.
    pub shards: usize,
}

/// A file of a generation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FileEntry {
    /// Its name in the generation's directory.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The xxh3 of its bytes, as 16 hexadecimal digits in the file.
    #[serde(with = "hexadecimal")]
    pub xxh3: u64,
}

/// A tensor of a generation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TensorEntry {
    /// Its name, unique among the tensors of its kind.
    pub name: String,
    /// How many rows, over all files.
    pub rows: u64,
    /// Numbers in a row.
    pub width: u32,
    /// The type of a number: `F32`.
    pub dtype: String,
    /// Which files hold it.
    pub kind: Kind,
}

/// Which files hold a tensor.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `weights-…`: what predicting needs.
    Weights,
    /// `state-…`: what only going on with training needs.
    State,
}

impl Kind {
    /// The name of the file of `shard`.
    pub(super) fn file(self, shard: usize) -> String {
        match self {
            Self::Weights => format!("weights-{shard:05}.safetensors"),
            Self::State => format!("state-{shard:05}.safetensors"),
        }
    }
}

impl Manifest {
    /// The manifest of the model directory `model`, checked against its own hash.
    ///
    /// # Errors
    /// [`Error::Model`] where there is no model, or where its manifest is damaged or of another format;
    /// [`Error::Io`] where it cannot be read.
    pub fn read(model: &Path) -> Result<Self> {
        let path = model.join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes, model),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(absent(model))
            }
            Err(error) => Err(Error::io(path, "read the manifest of the model", error)),
        }
    }

    /// The directory of the current generation of `model`.
    pub(super) fn directory(&self, model: &Path) -> PathBuf {
        generation_path(model, self.generation)
    }

    /// The tensors of one kind, in order.
    pub(super) fn tensors_of(&self, kind: Kind) -> Vec<&TensorEntry> {
        self.tensors.iter().filter(|tensor| tensor.kind == kind).collect()
    }

    /// The files of one kind, by shard.
    pub(super) fn files_of(&self, kind: Kind) -> &[FileEntry] {
        match kind {
            Kind::Weights => &self.files[..self.shards],
            Kind::State => &self.files[self.shards..2 * self.shards],
        }
    }

    /// The file of the dictionary.
    pub(super) fn dictionary(&self) -> &FileEntry {
        &self.files[2 * self.shards]
    }

    /// The file that says how the model was trained, which models had not from the beginning.
    pub(super) fn spec(&self) -> Option<&FileEntry> {
        self.files.get(2 * self.shards + 1)
    }

    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = format!("{:#}", serde_json::json!(self));
        text.truncate(text.len() - "\n}".len());
        text.push_str(",\n");
        let seal = seal(text.as_bytes());
        text.push_str(&seal);
        text.into_bytes()
    }

    /// The manifest in `bytes`, which are those of the file in `model`.
    fn decode(bytes: &[u8], model: &Path) -> Result<Self> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = |what| Error::model(model.join(MANIFEST), what);
        let length = bytes.len().saturating_sub(seal(&[]).len());
        let (body, end) = bytes.split_at(length);
        if end != seal(body).as_bytes() {
            return Err(damaged("checksum differs: the file is damaged".to_owned()));
        }
        let unreadable = |error| damaged(format!("not a manifest: {error}"));
        let Head { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format != FORMAT {
            let what = format!("the model has format {format}, this hogback reads {FORMAT}; use the one that wrote it");
            return Err(Error::model(model, what));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// Makes sure that the numbers fit each other, so that whoever reads on may count with them.
    fn check(&self) -> Result<(), String> {
        if self.generation == 0 || self.generation > u64::from(u32::MAX) {
            return Err(format!("generation {} stands there, a number from 1 was expected", self.generation));
        }
        let shards = 0..self.shards;
        let names = shards.clone().map(|shard| Kind::Weights.file(shard));
        let names = names.chain(shards.map(|shard| Kind::State.file(shard))).chain([DICTIONARY.to_owned()]);
        let listed = || self.files.iter().map(|file| file.name.clone());
        if self.shards == 0 || !(names.clone().eq(listed()) || names.chain([SPEC.to_owned()]).eq(listed())) {
            return Err(format!("the files listed are not those of a model of {} shards", self.shards));
        }
        let numbers = self.tensors.iter().try_fold(0_u64, |sum, tensor| {
            let size = tensor.rows.checked_mul(u64::from(tensor.width))?;
            sum.checked_add(size)
        });
        if numbers.is_none_or(|numbers| numbers > isize::MAX as u64 / 4) {
            return Err("the tensors listed are larger than any memory".to_owned());
        }
        match self.tensors.iter().find(|tensor| tensor.dtype != DTYPE) {
            Some(tensor) => Err(format!("tensor {} has dtype {}, {DTYPE} was expected", tensor.name, tensor.dtype)),
            None => Ok(()),
        }
    }
}

/// The last line of a manifest, and the brace after it.
fn seal(body: &[u8]) -> String {
    format!("  \"manifest_xxh3\": \"{:016x}\"\n}}\n", xxh3_64(body))
}

/// Says that `model` is not there, or is something else.
fn absent(model: &Path) -> Error {
    let previous = previous(model);
    if model.exists() {
        Error::model(model, format!("not a hogback model: it has no {MANIFEST}"))
    } else if is_model(&previous) {
        let hint = format!("no such model; the one before it is {}, rename that to use it", previous.display());
        Error::model(model, hint)
    } else {
        Error::model(model, "no such model; hogback train --model makes one")
    }
}

/// A 64-bit number as 16 hexadecimal digits, since many readers of JSON take numbers for doubles.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{number:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        u64::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Manifest {
        let file = |name: String| FileEntry { name, bytes: 4096, xxh3: u64::MAX - 3 };
        let tensor =
            |name: &str, kind| TensorEntry { name: name.to_owned(), rows: 3, width: 2, dtype: "F32".to_owned(), kind };
        let names = [Kind::Weights.file(0), Kind::State.file(0), DICTIONARY.to_owned(), SPEC.to_owned()];
        Manifest {
            format: FORMAT,
            generation: 7,
            created: 1_700_000_000,
            configuration: json!({ "kind": "linear", "lr": 0.1 }),
            metrics: json!({ "logloss": 0.3 }),
            position: json!({ "pass": 2, "seed": u64::MAX }),
            files: names.map(file).to_vec(),
            tensors: vec![tensor("w", Kind::Weights), tensor("g²", Kind::State)],
            shards: 1,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        Manifest::decode(bytes, Path::new("m")).map_err(|error| error.to_string())
    }

    #[test]
    fn comes_back_as_it_was_and_is_json() {
        let bytes = manifest().encode();
        assert_eq!(decode(&bytes).unwrap(), manifest());
        let json: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["files"][2]["xxh3"], "fffffffffffffffc");
        assert_eq!(json.as_object().unwrap().keys().next_back().unwrap(), "manifest_xxh3");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let whole = manifest().encode();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes).unwrap_err().contains("checksum differs"), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "cut to {length}");
        }
        assert!(decode(&[&whole[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_even_under_a_good_checksum() {
        let bad = |change: fn(&mut Manifest), what: &str| {
            let mut manifest = manifest();
            change(&mut manifest);
            let error = decode(&manifest.encode()).unwrap_err();
            assert!(error.contains(what), "{error}");
        };
        bad(|m| m.format = 2, "format 2, this hogback reads 1");
        bad(|m| m.generation = 0, "generation 0");
        bad(|m| m.shards = 2, "2 shards");
        bad(|m| m.shards = 0, "0 shards");
        bad(|m| m.shards = usize::MAX, "shards");
        bad(|m| m.files[0].name = "../weights".to_owned(), "files listed");
        bad(|m| m.files[3].name = "../spec.toml".to_owned(), "files listed");
        bad(|m| m.files.truncate(2), "files listed");
        bad(|m| m.tensors[0].rows = u64::MAX, "larger than any memory");
        bad(|m| m.tensors[1].rows = 1 << 61, "larger than any memory");
        bad(|m| m.tensors[1].dtype = "F16".to_owned(), "dtype F16");
    }

    #[test]
    fn what_is_not_a_model_is_told_from_what_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let said = |path: &Path| Manifest::read(path).unwrap_err().to_string();
        assert!(said(folder.path()).contains("not a hogback model"));
        let model = folder.path().join("m");
        assert!(said(&model).contains("no such model; hogback train"));
        fs::create_dir(folder.path().join("m.previous")).unwrap();
        fs::write(folder.path().join("m.previous/manifest.json"), "").unwrap();
        assert!(said(&model).contains("m.previous, rename that"));
    }
}
