//! Penalised losses learned to the end against the exact minima that scikit-learn finds (tools/fixtures/convergence.py), and
//! columns of very different scale (tools/fixtures/columns.py).

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod reference;

use std::fs;

use reference::{Linear, Sample, fixture, hogback, json_fixture, logistic_loss, logloss, predict, sigmoid, train};
use serde_json::Value;
use tempfile::TempDir;

/// How many times over the data is learned in a pass: that leaves the minimum where it is, and makes enough tasks for two children.
const COPIES: usize = 6;

/// Flags of a run that goes all the way.
const TO_THE_END: [&str; 10] =
    ["--l2", "0.01", "--holdout", "0", "--early-stop", "0", "--passes", "200", "--schedule", "linear"];

fn dense(label: &str) -> Vec<Sample> {
    let other = if label == "class" { "number" } else { "class" };
    reference::csv(&fs::read_to_string(fixture("dense.csv")).unwrap(), label, &[other])
}

fn sparse() -> Vec<Sample> {
    reference::libsvm(&fs::read_to_string(fixture("sparse.svm")).unwrap())
}

/// Mean loss + l2/2 · |w|², the intercept not penalised.
fn objective(model: &Linear, rows: &[Sample], loss: impl Fn(f64, f64) -> f64) -> f64 {
    let losses: f64 = rows.iter().map(|row| loss(model.margin(row), row.label)).sum();
    let squares: f64 = model.weights.values().map(|weight| weight * weight).sum();
    losses / rows.len() as f64 + 0.01 / 2.0 * squares
}

/// The model that scikit-learn found; `key` is the key of its weight number so and so.
fn minimum(theirs: &Value, key: impl Fn(usize) -> String) -> Linear {
    let numbers = theirs["weights"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap());
    let keys: Vec<String> = (0..numbers.len()).map(key).collect();
    Linear { weights: keys.iter().cloned().zip(numbers).collect(), keys, bias: theirs["bias"].as_f64().unwrap() }
}

/// How near a run has to come: its objective above the least one, relative, and its weights, in units of the largest.
struct Within {
    objective: f64,
    weights: f64,
}

/// Trains on the fixture `data` with `flags` and holds the model to the minimum.
fn reaches(data: &str, flags: &[&str], rows: &[Sample], theirs: &Linear, loss: fn(f64, f64) -> f64, within: &Within) {
    let file = fixture(data);
    for children in ["1", "2"] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("model");
        let summary = train(
            &[&file; COPIES].map(|file| &**file),
            &path,
            &[&TO_THE_END, flags, &["--children", children]].concat(),
            &[],
        );
        let ours = Linear::read(&path);
        let (here, there) = (objective(&ours, rows, loss), objective(theirs, rows, loss));
        let excess = here / there - 1.0;
        let largest = theirs.weights.values().fold(0.0f64, |most, weight| most.max(weight.abs()));
        let off = theirs.weights.iter().map(|(key, weight)| (ours.weights[key] - weight).abs());
        let off = off.fold((ours.bias - theirs.bias).abs(), f64::max) / largest;
        let what = format!("{data}, {} loss, {children} children", summary["loss"]);
        println!("{what}: objective {here:.6}, {excess:.1e} above {there:.6}; weights within {off:.1e}");
        assert!(excess < within.objective, "{what}: objective {here}, the least is {there}");
        assert!(off < within.weights, "{what}: weights off by {off} of the largest");
    }
}

fn logistic(margin: f64, label: f64) -> f64 {
    logistic_loss(margin, label > 0.0)
}

fn squared(margin: f64, label: f64) -> f64 {
    0.5 * (margin - label).powi(2)
}

fn hinge(margin: f64, label: f64) -> f64 {
    (1.0 - if label > 0.0 { margin } else { -margin }).max(0.0)
}

#[test]
fn the_objective_of_this_test_is_that_of_the_reference() {
    let fixture = json_fixture("convergence.json");
    let dense_key = |at: usize| format!("x{at}");
    let sparse_key = |at: usize| (at + 1).to_string();
    let least = |set: &str, loss: &str| fixture[set][loss]["objective"].as_f64().unwrap();
    let cases = [
        (
            objective(&minimum(&fixture["dense"]["logistic"], dense_key), &dense("class"), logistic),
            least("dense", "logistic"),
        ),
        (
            objective(&minimum(&fixture["dense"]["squared"], dense_key), &dense("number"), squared),
            least("dense", "squared"),
        ),
        (
            objective(&minimum(&fixture["sparse"]["logistic"], sparse_key), &sparse(), logistic),
            least("sparse", "logistic"),
        ),
        (objective(&minimum(&fixture["sparse"]["hinge"], sparse_key), &sparse(), hinge), least("sparse", "hinge")),
    ];
    for (here, there) in cases {
        assert!((here / there - 1.0).abs() < 1e-9, "{here} here, {there} there");
    }
}

#[test]
fn logistic_regression_reaches_its_minimum() {
    let (reference, near) = (json_fixture("convergence.json"), Within { objective: 1e-5, weights: 3e-3 });
    let theirs = minimum(&reference["dense"]["logistic"], |at| format!("x{at}"));
    reaches("dense.csv", &["--label", "class", "--ignore", "number"], &dense("class"), &theirs, logistic, &near);
    let theirs = minimum(&reference["sparse"]["logistic"], |at| (at + 1).to_string());
    reaches("sparse.svm", &[], &sparse(), &theirs, logistic, &near);
}

#[test]
fn ridge_regression_reaches_its_minimum() {
    let theirs = minimum(&json_fixture("convergence.json")["dense"]["squared"], |at| format!("x{at}"));
    let flags = ["--label", "number", "--ignore", "class", "--loss", "squared"];
    let near = Within { objective: 1e-5, weights: 3e-3 };
    reaches("dense.csv", &flags, &dense("number"), &theirs, squared, &near);
}

#[test]
fn a_support_vector_machine_reaches_its_minimum() {
    // The loss has corners: steps across them die down slowly.
    let (reference, near) = (json_fixture("convergence.json"), Within { objective: 1e-4, weights: 2e-2 });
    let theirs = minimum(&reference["dense"]["hinge"], |at| format!("x{at}"));
    let flags = ["--label", "class", "--ignore", "number", "--loss", "hinge"];
    reaches("dense.csv", &flags, &dense("class"), &theirs, hinge, &near);
    let theirs = minimum(&reference["sparse"]["hinge"], |at| (at + 1).to_string());
    reaches("sparse.svm", &["--loss", "hinge"], &sparse(), &theirs, hinge, &near);
}

#[test]
fn columns_of_very_different_scale_need_no_tuning() {
    columns("scales", &["--label", "class", "--ignore", "year"], &["year"]);
}

#[test]
fn a_column_far_from_zero_with_little_spread_needs_no_tuning() {
    columns("with_year", &["--label", "class"], &[]);
}

/// Trains on the columns but `without` some, and holds the model to scikit-learn's on standardised columns.
fn columns(key: &str, reading: &[&str], without: &[&str]) {
    let theirs = json_fixture("columns.json")[key]["logloss"].as_f64().unwrap();
    let rows = reference::csv(&fs::read_to_string(fixture("columns.test.csv")).unwrap(), "class", without);
    let positive: Vec<bool> = rows.iter().map(|row| row.label > 0.0).collect();
    for children in ["1", "2"] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("model");
        train(&[&fixture("columns.train.csv")], &path, &[reading, &["--children", children]].concat(), &[]);
        let predictions = predict(&path, &fixture("columns.test.csv"), reading);

        let ours = logloss(&predictions, &positive);
        println!("{key}, {children} children: held-out logloss {ours:.5}, scikit-learn's {theirs:.5}");
        assert!(ours < 1.01 * theirs, "{children} children: held-out logloss {ours}, scikit-learn's {theirs}");

        // What is on disk is in the units of the data: neither scales nor centres are needed to use it.
        let model = Linear::read(&path);
        for (row, predicted) in rows.iter().zip(&predictions) {
            let by_hand = sigmoid(model.margin(row));
            assert!((by_hand - predicted).abs() < 1e-5, "{by_hand} by hand, {predicted} by predict");
        }
    }
}

#[test]
fn a_column_far_from_zero_is_scored_and_resumed_as_it_is_predicted() {
    let directory = TempDir::new().unwrap();
    let [model, held_out] = ["model", "held-out.csv"].map(|name| directory.path().join(name));
    // In some rows the year is missing, which is 0.
    let text = fs::read_to_string(fixture("columns.test.csv")).unwrap();
    let lines = text.lines().enumerate().map(|(at, line)| match line.rsplitn(3, ',').collect::<Vec<_>>()[..] {
        [class, _, rest] if at % 200 == 1 => format!("{rest},,{class}"),
        _ => line.to_owned(),
    });
    fs::write(&held_out, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let [model_name, held_out_name] = [&model, &held_out].map(|path| path.to_str().unwrap());
    let flags = ["--label", "class", "--valid", held_out_name, "--passes", "2", "--early-stop", "0"];
    for resume in [&[][..], &["--resume"]] {
        let summary = train(&[&fixture("columns.train.csv")], &model, &[&flags[..], resume].concat(), &[]);
        let eval = hogback(&["eval", model_name, held_out_name, "--label", "class", "--json"], &[]);
        let eval: Value = serde_json::from_str(&eval).unwrap();
        let [scored, predicted] =
            [&summary["valid"], &eval["eval"]].map(|metrics| metrics["logloss"].as_f64().unwrap());
        assert!((scored / predicted - 1.0).abs() < 1e-4, "logloss {scored} while training, {predicted} by eval");
        let progressive = summary["progressive"]["logloss"].as_f64().unwrap();
        println!("{resume:?} scored {scored:.5}, predicted {predicted:.5}, progressive {progressive:.5}");
        assert!(progressive < 0.5, "logloss {progressive} in the last pass");
    }
}

/// More children than cores, so that they are held up at any moment, on few rows: what many of them lose shows early.
#[test]
fn many_children_learn_as_well_as_one() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let out = path("plain");
    let size = ["--rows", "40000", "--test-rows", "10000", "--features", "4096", "--nnz", "30"];
    hogback(&[&["generate", out.to_str().unwrap(), "--kind", "sparse", "--format", "svm"], &size[..]].concat(), &[]);
    // With a feature of value 1 in every row, whose changes all go the same way.
    for part in ["train", "test"] {
        let text = fs::read_to_string(path(&format!("plain.{part}.svm"))).unwrap();
        let text = text.lines().map(|line| format!("{line} 4097:1\n")).collect::<String>();
        fs::write(path(&format!("constant.{part}.svm")), text).unwrap();
    }
    for (set, optimizer) in ["plain", "constant"].into_iter().flat_map(|set| ["adagrad", "sgd"].map(|rule| (set, rule)))
    {
        let valid = path(&format!("{set}.test.svm"));
        let logloss = |children: &str| {
            let flags = ["--optimizer", optimizer, "--children", children, "--controllers", "1", "--overwrite"];
            // A rate that falls to a small one, or the loss of SGD hangs on the last rows learned.
            let passes =
                ["--passes", "6", "--schedule", "linear", "--early-stop", "0", "--valid", valid.to_str().unwrap()];
            let data = path(&format!("{set}.train.svm"));
            train(&[&data], &path("model"), &[&flags[..], &passes].concat(), &[])["valid"]["logloss"].as_f64().unwrap()
        };
        let one = logloss("1");
        for children in ["2", "4", "8", "16", "32"] {
            // The last rows of SGD move the loss by half a percent, by one with the constant feature; averaged steps lose 12 there.
            let most = if optimizer == "sgd" { 0.03 } else { 0.005 };
            // Where other programs keep some of many children from their cores for long, these come back with old views: the best of
            // three.
            let excess = (0..3).map(|_| logloss(children) / one - 1.0);
            let excess: Vec<f64> = excess.take_while(|excess| *excess >= most).collect();
            println!("{set}, {optimizer}, {children} children: beyond {most} of one child's {one:.5}: {excess:.4?}");
            assert!(excess.len() < 3, "{set}, {optimizer}: {children} children {excess:?}, one child {one}");
        }
    }
}
