//! Several classes, counts and quantiles, learned to the end against the exact minima that scikit-learn finds
//! (tools/fixtures/objectives.py); what models of them predict, and by hand from what is on disk.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod reference;

use std::path::{Path, PathBuf};

use hogback::Model;
use reference::{fixture, hogback, json_fixture, train};
use serde_json::Value;
use tempfile::TempDir;

/// How many times over the data is learned in a pass: that leaves the minimum where it is, and makes enough tasks for two children.
const COPIES: usize = 4;

/// A model that was trained for as many passes with `flags`, and what it is worth on its own data.
fn learned(folder: &TempDir, passes: &str, flags: &[&str], label: &str) -> (PathBuf, Value) {
    let (data, model) = (fixture("objectives.csv"), folder.path().join("model"));
    let to_the_end = ["--holdout", "0", "--early-stop", "0", "--passes", passes, "--overwrite"];
    let others = ["kind", "count", "number"].into_iter().filter(|name| *name != label).collect::<Vec<_>>().join(",");
    let reading = ["--label", label, "--ignore", &others];
    train(&[&data; COPIES].map(PathBuf::as_path), &model, &[&to_the_end[..], &reading, flags].concat(), &[]);
    let eval = hogback(&["eval", model.to_str().unwrap(), data.to_str().unwrap(), "--json"], &[]);
    (model, serde_json::from_str::<Value>(&eval).unwrap()["eval"].clone())
}

/// Σ w² of a model on disk.
fn squares(model: &Path) -> f64 {
    let model = Model::open(model).unwrap();
    let weights = (0..model.features()).flat_map(|row| model.weights(row).collect::<Vec<_>>());
    weights.map(|weight| f64::from(weight).powi(2)).sum()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn softmax_regression_reaches_its_minimum() {
    let (theirs, folder) = (&json_fixture("objectives.json")["softmax"], TempDir::new().unwrap());
    let linear = ["--schedule", "linear"];
    for (children, rule, within) in
        [("1", &linear[..], 1e-4), ("2", &linear, 1e-4), ("1", &["--optimizer", "ftrl"], 2e-3)]
    {
        let flags = [&["--l2", "0.01", "--children", children], rule].concat();
        let (model, metrics) = learned(&folder, "200", &flags, "kind");
        let objective = number(&metrics["logloss"]) + 0.01 / 2.0 * squares(&model);
        let least = number(&theirs["objective"]);
        println!("{children} children, {rule:?}: objective {objective:.6}, the least is {least:.6}");
        assert!(objective / least - 1.0 < within && objective / least - 1.0 > -1e-6);
        assert!((number(&metrics["accuracy"]) - number(&theirs["accuracy"])).abs() < 5e-3, "{metrics}");
    }
}

#[test]
fn poisson_regression_reaches_its_minimum() {
    let (theirs, folder) = (&json_fixture("objectives.json")["poisson"], TempDir::new().unwrap());
    for children in ["1", "2"] {
        let flags = ["--loss", "poisson", "--l2", "0.01", "--children", children, "--schedule", "linear"];
        let (path, metrics) = learned(&folder, "600", &flags, "count");
        let (objective, least) = (number(&metrics["loss"]) + 0.01 / 2.0 * squares(&path), number(&theirs["objective"]));
        println!("{children} children: objective {objective:.6}, the least is {least:.6}");
        assert!(objective / least - 1.0 < 2e-3 && objective / least - 1.0 > -1e-5);
        let model = Model::open(&path).unwrap();
        for (at, theirs) in theirs["weights"].as_array().unwrap().iter().enumerate() {
            let row = model.dictionary().find(&format!("x{at}")).unwrap();
            let ours = model.weights(row as usize).next().unwrap();
            assert!((f64::from(ours) - number(theirs)).abs() < 2e-2, "x{at}: {ours}, theirs {theirs}");
        }
    }
}

#[test]
fn quantile_regression_reaches_its_minimum() {
    let (theirs, folder) = (&json_fixture("objectives.json")["quantile"], TempDir::new().unwrap());
    for children in ["1", "2"] {
        let flags = ["--loss", "quantile", "--quantile", "0.8", "--children", children, "--schedule", "linear"];
        let (_, metrics) = learned(&folder, "200", &flags, "number");
        let (loss, least) = (number(&metrics["loss"]), number(&theirs["loss"]));
        println!("{children} children: loss {loss:.5}, the least is {least:.5}");
        assert!(loss / least - 1.0 < 1e-3 && loss / least - 1.0 > -1e-6);
    }
}

#[test]
fn probabilities_of_classes_are_those_of_the_weights_on_disk() {
    let folder = TempDir::new().unwrap();
    let (path, _) = learned(&folder, "3", &[], "kind");
    let (model, data) = (Model::open(&path).unwrap(), fixture("objectives.csv"));
    assert_eq!(model.classes(), ["birch", "elm", "oak", "yew"]);
    let row = [("x0", 0.5f32), ("x3", -1.25), ("nobody knows", 7.0)];
    let margin = |class: usize| {
        let term = |&(name, value): &(&str, f32)| {
            let row = model.dictionary().find(name);
            row.map_or(0.0, |row| f64::from(model.weights(row as usize).nth(class).unwrap() * value))
        };
        f64::from(model.bias().nth(class).unwrap()) + row.iter().map(term).sum::<f64>()
    };
    let sum: f64 = (0..4).map(|class| margin(class).exp()).sum();
    for (class, share) in model.predict_row(&row).unwrap().into_iter().enumerate() {
        assert!((f64::from(share) - margin(class).exp() / sum).abs() < 1e-5, "class {class}");
    }
    let predict = |flags: &[&str]| {
        let paths = [&path, &data].map(|path| path.to_str().unwrap());
        hogback(&[&["predict"], &paths[..], flags].concat(), &[])
    };
    let (names, top) = (predict(&[]), predict(&["--top", "4"]));
    for (name, line) in names.lines().zip(top.lines()) {
        let words: Vec<&str> = line.split('\t').collect();
        assert!(words.len() == 8 && words[0] == name, "{name:?} {line:?}");
        let shares: Vec<f64> = words.iter().skip(1).step_by(2).map(|share| share.parse().unwrap()).collect();
        assert!(shares.is_sorted_by(|a, b| a >= b) && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
    }
    assert_eq!(names.lines().count(), 1200);
}

#[test]
fn predictions_of_counts_are_means_and_of_labels_far_from_one_as_well() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("counts.svm");
    let line = |row: usize| format!("{} 1:1 {}:1\n", [900, 1100, 3900, 4100][row % 4], 2 + row % 4 / 2);
    std::fs::write(&data, (0..2000).map(line).collect::<String>()).unwrap();
    let model = folder.path().join("model");
    train(&[&data], &model, &["--loss", "poisson", "--passes", "30"], &[]);
    let model = Model::open(&model).unwrap();
    for (feature, mean) in [("2", 1000.0), ("3", 4000.0)] {
        let predicted = model.predict_row(&[("1", 1.0), (feature, 1.0)]).unwrap()[0];
        assert!((predicted / mean - 1.0).abs() < 0.02, "{predicted}, the mean is {mean}");
    }
}
