//! Adult, learned with no flag, against LogisticRegression(C=1) of scikit-learn on the same split (tools/fixtures/adult.py).

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod reference;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use reference::{accuracy, auc, hogback, json_fixture, logloss, predict, train};
use serde_json::Value;
use tempfile::TempDir;

/// The split, written to files, and what scikit-learn predicts for the held-out rows.
struct Split {
    directory: TempDir,
    training: Vec<String>,
    positive: Vec<bool>,
    theirs: Vec<f64>,
}

impl Split {
    fn held_out(&self) -> PathBuf {
        self.directory.path().join("held-out.svm")
    }
}

static SPLIT: LazyLock<Split> = LazyLock::new(|| {
    let packed = fs::read("src/data/builtin/adult.svm.zst").unwrap();
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let frozen = fs::read_to_string(reference::fixture("adult.heldout.txt")).unwrap();
    let theirs: HashMap<usize, f64> = frozen
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(row, p)| (row.parse().unwrap(), p.parse().unwrap()))
        .collect();
    let rows = || text.lines().enumerate();
    let held_out: Vec<(usize, &str)> = rows().filter(|(row, _)| theirs.contains_key(row)).collect();
    let lines: Vec<&str> = held_out.iter().map(|(_, line)| *line).collect();
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("held-out.svm"), lines.join("\n")).unwrap();
    Split {
        directory,
        training: rows().filter(|(row, _)| !theirs.contains_key(row)).map(|(_, line)| line.to_owned()).collect(),
        positive: lines.iter().map(|line| line.starts_with('+') || line.starts_with('1')).collect(),
        theirs: held_out.iter().map(|(row, _)| theirs[row]).collect(),
    }
});

/// Trains on `lines`; the model directory, the summary and the held-out predictions.
fn learn(name: &str, lines: &[String], flags: &[&str], environment: &[(&str, &str)]) -> (PathBuf, Value, Vec<f64>) {
    let data = SPLIT.directory.path().join(format!("{name}.svm"));
    fs::write(&data, lines.join("\n")).unwrap();
    let model = SPLIT.directory.path().join(name);
    let summary = train(&[&data], &model, flags, environment);
    let predictions = predict(&model, &SPLIT.held_out(), &[]);
    (model, summary, predictions)
}

fn is_as_good_as_scikit_learn(name: &str, flags: &[&str], environment: &[(&str, &str)]) -> Value {
    let (_, summary, ours) = learn(name, &SPLIT.training, flags, environment);
    let (ours, theirs) = (logloss(&ours, &SPLIT.positive), logloss(&SPLIT.theirs, &SPLIT.positive));
    println!("{name}: held-out logloss {ours:.5}, scikit-learn's {theirs:.5}");
    assert!(ours <= 1.01 * theirs, "{name}: held-out logloss {ours}, scikit-learn's {theirs}");
    summary
}

#[test]
fn the_metrics_of_this_test_are_those_of_scikit_learn() {
    let fixture = json_fixture("adult.json");
    let (p, truth) = (&SPLIT.theirs, &SPLIT.positive);
    assert_eq!(p.len() as u64, fixture["held_out"].as_u64().unwrap());
    for (name, here) in [("logloss", logloss(p, truth)), ("auc", auc(p, truth)), ("accuracy", accuracy(p, truth))] {
        let there = fixture[name].as_f64().unwrap();
        assert!((here - there).abs() < 1e-9, "{name}: {here} here, {there} there");
    }
}

#[test]
fn with_no_flag_it_is_as_good_as_scikit_learn() {
    is_as_good_as_scikit_learn("default", &[], &[]);
}

#[test]
fn with_one_child_or_two_or_four_shards_as_well() {
    for (name, flags, field) in [
        ("one-child", ["--children", "1"], ("children", 1)),
        ("two-children", ["--children", "2"], ("children", 2)),
        ("four-shards", ["--shards", "4"], ("shards", 4)),
    ] {
        let summary = is_as_good_as_scikit_learn(name, &flags, &[]);
        assert_eq!(summary[field.0], field.1, "{name}");
    }
}

#[test]
fn with_every_instruction_set_as_well() {
    for kernels in hogback_kernels::Backend::all().map(hogback_kernels::Backend::name) {
        let summary = is_as_good_as_scikit_learn(kernels, &[], &[("HOGBACK_KERNELS", kernels)]);
        assert_eq!(summary["kernels"], kernels);
    }
}

#[test]
fn sorted_by_label_it_learns_as_shuffled() {
    let mut shuffled = SPLIT.training.clone();
    // Fisher and Yates, with a generator of Knuth's.
    let mut state = 1u64;
    for last in (1..shuffled.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(last, (state >> 33) as usize % (last + 1));
    }
    let mut sorted = shuffled.clone();
    sorted.sort_by_key(|line| line.starts_with('-'));
    assert!(!sorted[0].starts_with('-') && sorted[sorted.len() - 1].starts_with('-'));
    let loss = |name, lines: &[String]| logloss(&learn(name, lines, &[], &[]).2, &SPLIT.positive);
    let (sorted, shuffled) = (loss("sorted", &sorted), loss("shuffled", &shuffled));
    println!("held-out logloss sorted {sorted:.5}, shuffled {shuffled:.5}");
    assert!((sorted / shuffled - 1.0).abs() < 0.01, "held-out logloss sorted {sorted}, shuffled {shuffled}");
}

#[test]
fn eval_says_what_the_predictions_say() {
    let (model, _, ours) = learn("eval", &SPLIT.training, &[], &[]);
    let [model, data] = [model, SPLIT.held_out()].map(|path| path.to_str().unwrap().to_owned());
    let said: Value = serde_json::from_str(&hogback(&["eval", &model, &data, "--json"], &[])).unwrap();
    assert_eq!(said["rows"], SPLIT.positive.len());
    let truth = &SPLIT.positive;
    for (name, here) in
        [("logloss", logloss(&ours, truth)), ("auc", auc(&ours, truth)), ("accuracy", accuracy(&ours, truth))]
    {
        let said = said["eval"][name].as_f64().unwrap();
        assert!((said - here).abs() < 1e-5, "{name}: {said} by eval, {here} from predictions");
    }
}
