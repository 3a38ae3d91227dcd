//! All sorts of data: numbers as labels, words in columns, texts, fields, several files, classes that weigh differently.

use super::{assert_each_once, trials};
use crate::common::{Folder, as_ffm, csv, svm};
use serde_json::Value;
use std::fmt::Write as _;

/// Searches this file and gives the summary; the model that was found must be of use.
fn searched(folder: &Folder, data: &[&str], flags: &[&str]) -> Value {
    let always = ["--no-cache", "--model", "m", "--overwrite", "--json", "--children", "2"];
    let run = folder.run(&[&["search"], data, &always, flags].concat()).done();
    let summary = run.summary();
    let trials = trials(folder, "m.trials.jsonl");
    assert_each_once(&trials);
    for trial in &trials {
        // The steps of some are too large.
        let failed = trial["failed"].as_str();
        assert!(failed.is_none_or(|failed| failed.starts_with("its loss ran away")), "{trial}");
    }
    folder.run(&[&["eval", "m"], data].concat()).done();
    folder.run(&["predict", "m", data[0]]).done();
    summary
}

/// What the best model has, as a number.
fn number(summary: &Value, of: &str, name: &str) -> f64 {
    summary[of][name].as_f64().unwrap_or_else(|| panic!("{of} {name}: {summary}"))
}

#[test]
fn numbers_as_labels() {
    let folder = Folder::new();
    let mut text = "a,b,c,target\n".to_owned();
    for row in 0..500u32 {
        let [a, b, c] = [7, 11, 13].map(|step| f64::from(row * step % 101) / 10.0 - 5.0);
        writeln!(text, "{a},{b},{c},{}", 3.0 * a - 2.0 * b + f64::from(row % 7) / 10.0 + 100.5).unwrap();
    }
    folder.write("numbers.csv", text);
    folder.write("two.toml", "kind = [\"linear\", \"mlp\"]\nhidden = { choice = [\"8\", \"16\"], when = { kind = \"mlp\" } }\nlr-factor = [0.5, 1, 2]\n");
    for space in ["mlp", "two.toml"] {
        let summary = searched(&folder, &["numbers.csv"], &["--space", space, "--budget", "12", "--child-passes", "6"]);
        // The share of the variance that is explained, and nothing that is of classes.
        assert!(number(&summary, "valid", "accuracy") > 0.8, "{summary}");
        assert!(number(&summary, "test", "rmse") < 10.0 && summary["test"]["accuracy"].is_null(), "{summary}");
        assert!(summary["interval"].is_null(), "{summary}");
    }
}

#[test]
fn words_in_columns() {
    let folder = Folder::new();
    folder.write("words.csv", csv(600));
    let summary = searched(&folder, &["words.csv"], &["--space", "sparse", "--budget", "30", "--child-passes", "4"]);
    assert!(number(&summary, "test", "accuracy") > 0.75, "{summary}");
    // Columns are fields: all kinds are tried.
    let trials = trials(&folder, "m.trials.jsonl");
    for kind in ["linear", "fm", "ffm", "deep"] {
        assert!(trials.iter().any(|trial| trial["architecture"]["kind"] == kind), "{kind}");
    }
    let summary = searched(&folder, &["words.csv"], &["--budget", "6", "--child-passes", "2", "--ignore", "color"]);
    assert_eq!(summary["trials"], 6);
}

#[test]
fn features_without_fields_leave_out_what_needs_some() {
    let folder = Folder::new();
    folder.write("plain.svm", svm(400));
    let summary = searched(&folder, &["plain.svm"], &["--space", "sparse", "--budget", "20", "--child-passes", "3"]);
    assert!(number(&summary, "test", "accuracy") > 0.7, "{summary}");
    let kinds: Vec<String> =
        trials(&folder, "m.trials.jsonl").iter().map(|trial| trial["architecture"]["kind"].to_string()).collect();
    assert!(kinds.iter().all(|kind| kind == "\"linear\"" || kind == "\"fm\""), "{kinds:?}");
    folder.write("fields.ffm", as_ffm(&svm(400)));
    searched(&folder, &["fields.ffm"], &["--space", "sparse", "--budget", "20", "--child-passes", "3"]);
}

#[test]
fn texts_of_topics() {
    let folder = Folder::new();
    let mut text = String::new();
    for row in 0..300 {
        let topic = row * 7 % 3;
        let words = ["goal puck ice", "engine wheel road", "orbit rocket moon"][topic];
        writeln!(text, "__label__{} the {words} and w{row}", ["hockey", "cars", "space"][topic]).unwrap();
    }
    folder.write("topics.txt", text);
    folder.write("text.toml", "kind = \"text\"\ndim = [4, 8]\nlr-factor = [0.5, 1, 2]\n");
    let summary =
        searched(&folder, &["topics.txt"], &["--space", "text.toml", "--budget", "6", "--child-passes", "10"]);
    assert!(number(&summary, "test", "accuracy") > 0.9, "{summary}");
    let flags = ["--space", "text.toml", "--budget", "4", "--child-passes", "5", "--ngrams", "2", "--min-count", "1"];
    searched(&folder, &["topics.txt"], &flags);
    // Without vectors too.
    folder.write(
        "both.toml",
        "kind = [\"text\", \"linear\"]\ndim = { choice = [4, 8], when = { kind = \"text\" } }\nlr-factor = [1, 2]\n",
    );
    let summary =
        searched(&folder, &["topics.txt"], &["--space", "both.toml", "--budget", "10", "--child-passes", "10"]);
    assert!(summary["trials"] == 6 && number(&summary, "test", "accuracy") > 0.9, "{summary}");
}

#[test]
fn hashed_features_and_products_that_some_models_have() {
    let folder = Folder::new();
    folder.write("words.csv", csv(400));
    // How the data is read hangs on what is chosen, and that on something else.
    folder.write(
        "hashed.toml",
        r#"
kind = "linear"
optimizer = ["adagrad", "ftrl"]
bits = { choice = ["none", 1, 2], when = { optimizer = "ftrl" } }
interact = { choice = ["none", "size:color"], when = { optimizer = "adagrad" } }
lr-factor = [1, 2]
"#,
    );
    let summary =
        searched(&folder, &["words.csv"], &["--space", "hashed.toml", "--budget", "100", "--child-passes", "3"]);
    assert_eq!((&summary["size"], &summary["trials"]), (&10.0.into(), &10.into()));
    let trials = trials(&folder, "m.trials.jsonl");
    // Each is learned from rows of its own: two buckets are not four.
    let of = |wanted: &dyn Fn(&Value) -> bool| {
        let found =
            trials.iter().find(|trial| trial["architecture"]["lr-factor"] == 1 && wanted(&trial["architecture"]));
        found.unwrap()["loss"].as_f64().unwrap()
    };
    let losses = [
        of(&|made| made["bits"] == 1),
        of(&|made| made["bits"] == 2),
        of(&|made| made["bits"] == "none"),
        of(&|made| made["interact"] == "none"),
        of(&|made| made["interact"] == "size:color"),
    ];
    assert!((0..5).all(|one| (0..one).all(|other| losses[one] != losses[other])), "{losses:?}");
}

#[test]
fn several_files_and_a_cache() {
    let folder = Folder::new();
    let text = svm(400);
    let half = text.match_indices('\n').nth(199).unwrap().0 + 1;
    folder.write("one.svm", &text[..half]);
    folder.write("other.svm", &text[half..]);
    folder.write("all.svm", &text);
    folder.write("s.toml", "kind = [\"linear\", \"fm\"]\nlr-factor = [1, 2]\n");
    let flags =
        ["--space", "s.toml", "--budget", "4", "--child-passes", "2", "--children", "1", "--json", "--overwrite"];
    let search = |data: &[&str]| {
        let summary = folder.run(&[&["search"], data, &["--model", "m"], &flags].concat()).done().summary();
        (summary["test"].clone(), summary["reward"].clone())
    };
    // The rows are the same, in the same order.
    let all = search(&["all.svm"]);
    assert_eq!(search(&["one.svm", "other.svm"]), all);
    // And from caches.
    assert!(folder.has("all.svm.hogcache"));
    assert_eq!(search(&["all.svm"]), all);
}

#[test]
fn classes_that_weigh_differently_and_another_loss() {
    let folder = Folder::new();
    folder.write("s.toml", "kind = [\"linear\", \"fm\"]\nlr-factor = [1, 2]\n");
    folder.write("plain.svm", svm(400));
    let flags = ["--space", "s.toml", "--budget", "4", "--child-passes", "2"];
    let plain = searched(&folder, &["plain.svm"], &flags);
    let weighed = searched(&folder, &["plain.svm"], &[&flags[..], &["--class-weight", "balanced"]].concat());
    assert_ne!(plain["valid"], weighed["valid"]);
    folder.write("linear.toml", "kind = \"linear\"\nlr-factor = [1, 2]\n");
    let flags = ["--space", "linear.toml", "--budget", "2", "--child-passes", "2", "--loss", "hinge"];
    let hinge = searched(&folder, &["plain.svm"], &flags);
    assert!(hinge["flags"].as_str().unwrap().contains("--loss hinge"), "{hinge}");
    // A kind that has no such loss fails, and the others are searched.
    let both = [
        "search",
        "plain.svm",
        "--loss",
        "hinge",
        "--space",
        "s.toml",
        "--model",
        "n",
        "--json",
        "--child-passes",
        "2",
    ];
    let summary = folder.run(&[&both[..], &["--budget", "9"]].concat()).done().summary();
    assert_eq!(
        (&summary["trials"], &summary["failed"], &summary["best"]["kind"]),
        (&4.into(), &2.into(), &"linear".into())
    );
}
