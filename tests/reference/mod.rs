//! What tests of the command share: runs of it, models read from their directories, and metrics by their definitions.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its part, and fails where a step fails")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hogback::checkpoint::load_weights;
use hogback::data::Dictionary;
use serde_json::Value;

/// The path of a committed fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A committed fixture that is JSON.
pub(crate) fn json_fixture(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// What `hogback` prints on stdout.
///
/// # Panics
/// With its stderr, where it fails.
pub(crate) fn hogback(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hogback"));
    let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "hogback {}: {said}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Trains on `data` into `model`, with `flags` besides; the summary.
pub(crate) fn train(data: &[&Path], model: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Value {
    let data: Vec<&str> = data.iter().map(|path| path.to_str().unwrap()).collect();
    let always = ["--model", model.to_str().unwrap(), "--no-cache", "--quiet", "--json"];
    let stdout = hogback(&[&["train"], &data[..], &always, flags].concat(), environment);
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

/// The predictions of `model` for `data`.
pub(crate) fn predict(model: &Path, data: &Path, flags: &[&str]) -> Vec<f64> {
    let paths = [model, data].map(|path| path.to_str().unwrap());
    let stdout = hogback(&[&["predict", paths[0], paths[1]], flags].concat(), &[]);
    stdout.lines().map(|line| line.parse().unwrap()).collect()
}

/// A linear model as it stands on disk.
pub(crate) struct Linear {
    pub(crate) keys: Vec<String>,
    pub(crate) weights: HashMap<String, f64>,
    pub(crate) bias: f64,
}

impl Linear {
    /// Reads the weights of a model directory.
    pub(crate) fn read(model: &Path) -> Self {
        let loaded = load_weights(model).unwrap();
        let dictionary = Dictionary::from_bytes(&loaded.dictionary).unwrap();
        let tensor = |name: &str| loaded.weights.iter().find(|tensor| tensor.name == name).unwrap().data.clone();
        let keys: Vec<String> = (0..dictionary.len() as u32).map(|row| dictionary.name_of(row)).collect();
        let weights = keys.iter().cloned().zip(tensor("weight").into_iter().map(f64::from)).collect();
        Self { keys, weights, bias: f64::from(tensor("bias")[0]) }
    }

    /// Intercept + Σ w·x.
    pub(crate) fn margin(&self, row: &Sample) -> f64 {
        let products = row.features.iter().map(|(key, value)| self.weights.get(key).unwrap_or(&0.0) * value);
        self.bias + products.sum::<f64>()
    }
}

/// A row of data, read here and not by the program under test.
pub(crate) struct Sample {
    pub(crate) label: f64,
    pub(crate) features: Vec<(String, f64)>,
}

/// The rows of a libsvm text.
pub(crate) fn libsvm(text: &str) -> Vec<Sample> {
    let feature = |word: &str| {
        let (key, value) = word.split_once(':').unwrap();
        (key.to_owned(), value.parse().unwrap())
    };
    let row = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let label = words.next().unwrap().parse().unwrap();
        Sample { label, features: words.map(feature).collect() }
    };
    text.lines().map(row).collect()
}

/// The rows of a CSV text of numbers, with the column `label` as label and without those in `ignore`.
pub(crate) fn csv(text: &str, label: &str, ignore: &[&str]) -> Vec<Sample> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = header.iter().zip(line.split(',').map(|cell| cell.parse::<f64>().unwrap()));
        let (labels, features): (Vec<_>, Vec<_>) =
            cells.filter(|(name, _)| !ignore.contains(name)).partition(|(name, _)| **name == label);
        let features = features.into_iter().map(|(name, value)| ((*name).to_owned(), value)).collect();
        Sample { label: labels[0].1, features }
    };
    lines.map(row).collect()
}

/// ln(1 + e^(-y·m)), y being 1 where `positive` and else -1.
pub(crate) fn logistic_loss(margin: f64, positive: bool) -> f64 {
    let against = if positive { -margin } else { margin };
    against.max(0.0) + (-against.abs()).exp().ln_1p()
}

/// 1 / (1 + e^-x).
pub(crate) fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

/// The mean of -ln of the probability given to what was true.
pub(crate) fn logloss(probabilities: &[f64], positive: &[bool]) -> f64 {
    let losses = probabilities.iter().zip(positive).map(|(&p, &yes)| -(if yes { p } else { 1.0 - p }).max(1e-15).ln());
    losses.sum::<f64>() / positive.len() as f64
}

/// The share of rows whose probability is on the right side of a half.
pub(crate) fn accuracy(probabilities: &[f64], positive: &[bool]) -> f64 {
    let right = probabilities.iter().zip(positive).filter(|&(&p, &yes)| (p > 0.5) == yes).count();
    right as f64 / positive.len() as f64
}

/// The share of pairs of a positive and a negative row in which the positive one scores higher, ties counting half.
pub(crate) fn auc(scores: &[f64], positive: &[bool]) -> f64 {
    let of = |class| scores.iter().zip(positive).filter(move |(_, yes)| **yes == class).map(|(score, _)| *score);
    let negatives: Vec<f64> = of(false).collect();
    let (mut won, mut pairs) = (0.0, 0.0);
    for p in of(true) {
        for &n in &negatives {
            won += if p > n { 1.0 } else { f64::from(u8::from(p == n)) / 2.0 };
        }
        pairs += negatives.len() as f64;
    }
    won / pairs
}
