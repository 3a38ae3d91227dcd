//! What `inspect` shows of a model and `export` writes of it, as a user sees them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;

use common::{Folder, csv, run};
use hogback::Model;
use safetensors::SafeTensors;

/// A folder with models: `two` of two classes and columns, `words` of three classes that are words, `few` of few weights.
fn folder() -> Folder {
    let folder = Folder::with_model();
    folder.write("two.csv", csv(400));
    let kinds = ["red", "green", "blue"];
    let rows = (0..300).map(|row| format!("{},{},{}\n", row % 3, row % 7, kinds[row % 3])).collect::<String>();
    folder.write("words.csv", format!("a,b,label\n{rows}"));
    for (data, model, flags) in [
        ("two.csv", "two", &[][..]),
        ("words.csv", "words", &["--holdout", "0"]),
        ("good.svm", "few", &["--l1", "8", "--holdout", "0"]),
    ] {
        folder.run(&[&["train", data, "--model", model, "--children", "1", "--no-cache"], flags].concat()).done();
    }
    folder
}

#[test]
fn inspect_tells_what_a_model_is_and_names_its_heaviest_weights() {
    let folder = folder();
    let text = folder.run(&["inspect", "two"]).done().out;
    for part in [
        "model     linear, logistic loss, adagrad, rate 1 (invsqrt), seed 0\n",
        "; 5 features, 5 weights other than 0\n",
        "saved     generation 1, 1 shard, ",
        "held-out  logloss 0.",
        "class 1, intercept ",
        "; the heaviest 5 of 5:\n",
        "  size\n",
        "  color=red\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = folder.run(&["inspect", "words", "--json", "--top", "1"]).done().summary();
    assert_eq!((&json["features"], &json["generation"], &json["shards"]), (&2.into(), &1.into(), &1.into()));
    let outputs = json["outputs"].as_array().unwrap();
    let classes: Vec<&str> = outputs.iter().map(|output| output["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["blue", "green", "red"]);
    // Column a is 0 for red and 2 for blue: that tells them.
    assert!(outputs.iter().all(|output| output["heaviest"].as_array().unwrap().len() == 1));
    assert_eq!((&outputs[0]["heaviest"][0][0], &outputs[2]["heaviest"][0][0]), (&"a".into(), &"a".into()));
    let weight = |output: usize| outputs[output]["heaviest"][0][1].as_f64().unwrap();
    assert!(weight(0) > 0.0 && weight(2) < 0.0, "{json}");
}

#[test]
fn what_is_heaviest_is_sorted_by_size_whatever_the_sign() {
    let folder = folder();
    let json = folder.run(&["inspect", "m", "--json", "--top", "1000"]).done().summary();
    let heaviest = json["outputs"][0]["heaviest"].as_array().unwrap();
    let sizes: Vec<f64> = heaviest.iter().map(|pair| pair[1].as_f64().unwrap().abs()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.len() == 30, "{sizes:?}");
    let model = Model::open(folder.path("m")).unwrap();
    for pair in heaviest {
        let row = model.dictionary().find(pair[0].as_str().unwrap()).unwrap();
        assert_eq!(model.weights(row as usize).next(), pair[1].as_f64().map(|weight| weight as f32));
    }
}

#[test]
fn text_has_a_line_for_each_feature_that_has_a_weight() {
    let folder = folder();
    let run = folder.run(&["export", "few", "few.tsv"]).done();
    let text = String::from_utf8(folder.read("few.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((&lines[0][..], lines[1][0]), (&["feature", "weight"][..], "(intercept)"));
    let (model, features) = (Model::open(folder.path("few")).unwrap(), &lines[2..]);
    assert!(!features.is_empty() && features.len() < model.features(), "{} of {}", features.len(), model.features());
    assert_eq!(
        run.err,
        format!("{} features of 30 in few.tsv: those that have a weight other than 0\n", features.len())
    );
    for feature in features {
        let row = model.dictionary().find(feature[0]).unwrap();
        assert_eq!(model.weights(row as usize).next(), feature[1].parse().ok());
        assert_ne!(feature[1], "0");
    }
    folder.run(&["export", "words", "words.tsv"]).done();
    let text = String::from_utf8(folder.read("words.tsv")).unwrap();
    assert!(text.starts_with("feature\tblue\tgreen\tred\n(intercept)\t"), "{text}");
    assert!(text.lines().all(|line| line.split('\t').count() == 4), "{text}");
}

#[test]
fn one_safetensors_file_holds_weights_intercepts_and_names() {
    let folder = folder();
    for (name, outputs) in [("words", 3), ("two", 1)] {
        folder.run(&["export", name, "out.safetensors", "--overwrite"]).done();
        let bytes = folder.read("out.safetensors");
        let (file, model) = (SafeTensors::deserialize(&bytes).unwrap(), Model::open(folder.path(name)).unwrap());
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(names, ["bias", "features", "weight"]);
        let floats = |name: &str| -> Vec<f32> {
            let data = file.tensor(name).unwrap().data();
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        assert_eq!(file.tensor("weight").unwrap().shape(), [model.features(), outputs]);
        assert_eq!(floats("bias"), model.bias().collect::<Vec<_>>());
        let features = String::from_utf8(file.tensor("features").unwrap().data().to_vec()).unwrap();
        for (feature, weights) in features.lines().zip(floats("weight").chunks_exact(outputs)) {
            let row = model.dictionary().find(feature).unwrap();
            assert_eq!(weights, model.weights(row as usize).collect::<Vec<_>>());
        }
        assert_eq!(features.lines().count(), model.features());
    }
}

#[test]
fn nothing_is_exported_over_what_is_there_or_in_part() {
    let folder = folder();
    folder.write("there.tsv", "mine");
    folder.run(&["export", "two", "there.tsv"]).failed_with(2, &["there.tsv exists: --overwrite replaces it"]);
    assert_eq!(folder.read("there.tsv"), b"mine");
    folder.run(&["export", "two", "nowhere/out.tsv"]).failed_with(1, &["nowhere/out.tsv", "no such file or directory"]);
    folder.run(&["export", "none", "out.tsv"]).failed_with(1, &["none: no such model"]);
    let script = "ulimit -f 0; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_hogback");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh", program, "export", "two", "out.tsv"]).current_dir(folder.path(""));
    run(&mut command).failed_with(1, &["out.tsv", "file too large"]);
    let left = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains("out.tsv")).collect();
    assert!(left.is_empty(), "{left:?}");
}
