//! Text as fastText has it, as a user meets it: labels, n-grams, rare words, tf-idf, and what is wrong with lines.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod common;
mod reference;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::{Folder, Run, gzip, keeping_the_model};
use reference::json_fixture;

/// Documents of three topics, some words of which are of all.
fn topics(rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let topic = row % 3;
        let words = ["goal puck ice", "engine wheel road", "orbit rocket moon"][topic];
        writeln!(text, "__label__{} the {words} and {words} w{row}", ["hockey", "cars", "space"][topic]).unwrap();
    }
    text
}

fn trained(data: &str, flags: &[&str]) -> (Folder, Run) {
    let folder = Folder::new();
    folder.write("t.txt", data);
    let always = ["train", "t.txt", "--model", "m", "--children", "1", "--holdout", "0"];
    let run = folder.run(&[&always[..], flags].concat());
    (folder, run)
}

/// The features of a model, in their order.
fn features(folder: &Folder) -> Vec<String> {
    folder.run(&["export", "m", "m.tsv", "--overwrite"]).done();
    let text = String::from_utf8(folder.read("m.tsv")).unwrap();
    text.lines().skip(2).map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn lines_with_labels_are_text_whatever_the_way_they_come() {
    let data = topics(90);
    let (folder, run) = trained(&data, &[]);
    assert!(run.done().err.contains("text      words, weighed by tf-idf"));
    folder.write("t.gz", gzip(data.as_bytes()));
    folder.write("t.zst", zstd::encode_all(data.as_bytes(), 3).unwrap());
    folder.write("windows", data.replace('\n', "\r\n"));
    folder.write("tabs", data.replace(' ', "\t"));
    let (first, second) = data.split_at(data.find("__label__hockey the goal puck ice and goal puck ice w60").unwrap());
    folder.write("first", first);
    folder.write("second", second);
    let always = ["--children", "1", "--holdout", "0", "--model", "other", "--overwrite"];
    for files in [&["t.txt"][..], &["t.gz"], &["t.zst"], &["windows"], &["tabs"], &["first", "second"]] {
        folder.run(&[&["train"], files, &always[..]].concat()).done();
        assert!(folder.model_bytes("other") == folder.model_bytes("m"), "{files:?}");
    }
    folder.pipe(&[&["train", "-"], &always[..]].concat(), &data).done();
    assert!(folder.model_bytes("other") == folder.model_bytes("m"), "piped");
}

#[test]
fn predictions_need_no_labels_and_have_a_line_for_each() {
    let (folder, run) = trained(&topics(90), &[]);
    run.done();
    folder.write("new.txt", "the puck and ice\n\nrocket, 12:30 3:1\n__label__cars wheel wheel road\nnobody knows\n");
    let run = folder.run(&["predict", "m", "new.txt"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.len(), 5, "{run:?}");
    assert_eq!((lines[0], lines[3]), ("hockey", "cars"));
    let top = folder.run(&["predict", "m", "new.txt", "--top", "2"]).done().out;
    let first: Vec<&str> = top.lines().next().unwrap().split('\t').collect();
    assert!(first.len() == 4 && first[0] == "hockey" && first[1].parse::<f32>().unwrap() > 0.5, "{top}");
    // Without a word that the model knows the intercept alone speaks.
    let lines: Vec<&str> = top.lines().collect();
    assert_eq!(lines[1], lines[4]);
    let piped = folder.pipe(&["predict", "m", "-"], "the puck and ice\n").done();
    assert_eq!(piped.out, "hockey\n");
}

#[test]
fn the_first_label_of_a_line_counts_wherever_it_stands() {
    let data = "puck ice __label__hockey\n__label__cars __label__hockey wheel\n__label__hockey puck\nwheel __label__cars road\n";
    let (folder, run) = trained(&data.repeat(20), &["--passes", "30"]);
    let run = run.done();
    assert!(run.err.contains("note: t.txt: 20 rows of several labels: the first of each counts"), "{run:?}");
    assert_eq!(folder.predictions("m", "t.txt").parse::<f32>().ok(), None);
    let eval = folder.run(&["eval", "m", "t.txt", "--json"]).done();
    assert_eq!(eval.summary()["eval"]["accuracy"], 1.0);
    assert!(eval.err.contains("20 rows of several labels"), "{eval:?}");
    // From the cache it is said as well.
    let again = folder.run(&["train", "t.txt", "--model", "m", "--overwrite", "--children", "1"]).done();
    assert!(again.err.contains("from the cache") && again.err.contains("20 rows of several labels"), "{again:?}");
}

#[test]
fn n_grams_are_called_by_their_words_and_pieces_stand_behind_a_blank() {
    let data = "__label__a it is  it\n__label__b is\tit so\n";
    let (folder, run) = trained(data, &["--ngrams", "2", "--chars", "3-3"]);
    run.done();
    let mut found = features(&folder);
    found.sort();
    assert_eq!(found, [" <is", " <it", " <so", " is>", " it>", " so>", "is", "is it", "it", "it is", "it so", "so"]);
    let said = folder.run(&["inspect", "m"]).done().out;
    assert!(said.contains("text      words, pairs of words, 3-3 characters in a row, weighed by tf-idf"), "{said}");
}

#[test]
fn other_pieces_than_those_of_the_cache_are_read_anew() {
    let (folder, run) = trained(&topics(60), &[]);
    run.done();
    let always = ["train", "t.txt", "--model", "m", "--overwrite", "--holdout", "0"];
    for (flags, from_cache) in [
        (&["--ngrams", "1"][..], true),
        (&["--ngrams", "2"], false),
        (&["--ngrams", "2", "--min-count", "3"], true),
        (&["--ngrams", "2", "--chars", "2-3"], false),
        (&["--bits", "10"], false),
    ] {
        let said = folder.run(&[&always[..], flags].concat()).done().err;
        assert_eq!(said.contains("from the cache"), from_cache, "{flags:?}: {said}");
    }
}

#[test]
fn rare_words_are_left_out_and_leave_no_trace() {
    let data = topics(60);
    let (folder, run) = trained(&data, &["--min-count", "2"]);
    let run = run.done();
    assert!(run.err.contains("note: 60 features left out that are there less than 2 times (--min-count)"), "{run:?}");
    assert!(run.err.contains("weighed by tf-idf, there 2 times or more"), "{run:?}");
    // As if the words had not been there.
    let without: String = data.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned() + "\n").collect();
    let (other, run) = trained(&without, &[]);
    run.done();
    assert!(folder.model_bytes("m") == other.model_bytes("m"));
    assert_eq!(folder.predictions("m", "t.txt"), other.predictions("m", "t.txt"));
    // Twice in one line is twice.
    let (folder, run) = trained("__label__a twice twice once\n__label__b other other\n", &["--min-count", "2"]);
    run.done();
    assert_eq!(features(&folder), ["twice", "other"]);
}

#[test]
fn hashed_words_predict_like_named_ones_where_no_two_share_a_bucket() {
    let data = topics(60);
    let (folder, run) = trained(&data, &["--ngrams", "2"]);
    run.done();
    let (other, run) = trained(&data, &["--ngrams", "2", "--bits", "30"]);
    run.done();
    let top = |folder: &Folder| folder.run(&["predict", "m", "t.txt", "--top", "1"]).done().out;
    assert_eq!(top(&folder), top(&other));
}

#[test]
fn a_model_of_text_is_gone_on_with_by_more_text() {
    let data = topics(60);
    let (folder, run) = trained(&data, &["--ngrams", "2", "--min-count", "2"]);
    run.done();
    let before = features(&folder);
    folder.write("more.txt", "__label__space a comet a comet moon\n__label__cars a van a van road\n".repeat(5));
    let resume = ["train", "more.txt", "--model", "m", "--resume", "--children", "1", "--holdout", "0"];
    folder.run(&resume).done();
    let after = features(&folder);
    assert_eq!(after[..before.len()], before);
    assert!(after.contains(&"comet a".to_owned()) && after.contains(&"van".to_owned()), "{after:?}");
    folder.write("ask.txt", "comet\nvan\npuck\n");
    assert_eq!(folder.predictions("m", "ask.txt"), "space\ncars\nhockey\n");
    for (flags, part) in [
        (&["--ngrams", "3"][..], "other --ngrams or --chars"),
        (&["--chars", "3-4"], "other --ngrams or --chars"),
        (&["--min-count", "5"], "was trained with --min-count 2"),
    ] {
        folder.run(&[&resume[..], flags].concat()).failed_with(2, &[part]);
    }
    folder.write("rows.svm", "1 1:1\n2 2:1\n");
    let run = folder.run(&["train", "rows.svm", "--model", "m", "--resume"]);
    run.failed_with(1, &["rows.svm: this is not text, which the model was trained on"]);
    folder.run(&["predict", "m", "rows.svm"]).failed_with(1, &["libsvm data, but the model was trained on text data"]);
}

#[test]
fn the_spec_of_a_model_of_text_trains_it_again() {
    let (folder, run) = trained(&topics(60), &["--ngrams", "2", "--chars", "2-3", "--min-count", "2"]);
    run.done();
    let spec = String::from_utf8(folder.read("m/latest/spec.toml")).unwrap();
    assert!(spec.contains("ngrams = 2\nchars = \"2-3\"\nmin-count = 2\n"), "{spec}");
    folder.run(&["train", "--spec", "m/latest/spec.toml", "t.txt", "--model", "again"]).done();
    assert!(folder.model_bytes("again") == folder.model_bytes("m"));
}

#[test]
fn rows_to_stop_by_may_have_labels_and_words_that_training_has_not() {
    let folder = Folder::new();
    folder.write("t.txt", topics(90));
    folder.write("v.txt", topics(30) + "__label__food bread\nthe puck\n");
    let run = folder.run(&["train", "t.txt", "--valid", "v.txt", "--model", "m", "--children", "1"]).done();
    assert!(run.err.contains("note: v.txt: 2 rows without a label that the training data has: left out"), "{run:?}");
    let eval = folder.run(&["eval", "m", "v.txt", "--json"]).done();
    let said = eval.summary();
    assert_eq!((&said["unknown_labels"], &said["unlabelled"], &said["rows"]), (&1.into(), &1.into(), &32.into()));
}

// What is wrong.

/// Training on `data` must fail with `parts` in the message; the model that was to be replaced stays.
fn refused(data: &str, flags: &[&str], code: i32, parts: &[&str]) {
    let folder = Folder::with_model();
    folder.write("t.txt", data);
    let always = ["train", "t.txt", "--model", "m", "--overwrite"];
    keeping_the_model(&folder, || folder.run(&[&always[..], flags].concat())).failed_with(code, parts);
}

#[test]
fn lines_without_a_label_or_a_name_of_it_are_refused() {
    let good = topics(30);
    refused(&(good.clone() + "\nthe puck\n"), &[], 1, &["t.txt:32: no label", "__label__NAME", "\"the puck\""]);
    refused(&(good.clone() + "the __label__ puck\n"), &[], 1, &["t.txt:31: a label without a name"]);
    let folder = Folder::new();
    folder.write("t.txt", good + "the puck\n__label__ x\n__label__cars wheel\n");
    let run = folder.run(&["train", "t.txt", "--model", "m", "--skip-bad-rows"]).done();
    assert!(run.err.contains("warning: t.txt: 2 bad rows skipped, the first at t.txt:31: no label"), "{run:?}");
    folder.run(&["predict", "m", "t.txt"]).failed_with(1, &["t.txt:32: a label without a name"]);
    let predicted = folder.run(&["predict", "m", "t.txt", "--skip-bad-rows"]).done().out;
    assert_eq!((predicted.lines().count(), predicted.lines().nth(31)), (33, Some("nan")));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let folder = Folder::new();
    folder.write("t.txt", [topics(30).as_bytes(), b"__label__cars caf\xE9\n"].concat());
    folder.run(&["train", "t.txt", "--model", "m"]).failed_with(1, &["t.txt:31: this is not UTF-8 text"]);
}

#[test]
fn documents_without_words_are_counted() {
    let (folder, run) = trained(&(topics(30) + "__label__cars\n\n__label__cars  \n"), &[]);
    let run = run.done();
    assert!(run.err.contains("note: t.txt: 2 rows without a word"), "{run:?}");
    assert!(run.err.contains("data      32 rows"), "{run:?}");
    assert_eq!(folder.predictions("m", "t.txt").lines().count(), 33);
    let (folder, run) = trained("__label__a\n__label__b\n__label__a\n", &[]);
    run.done();
    assert_eq!(folder.predictions("m", "t.txt").lines().count(), 3);
}

#[test]
fn one_label_alone_is_said_to_teach_nothing() {
    let (_, run) = trained("__label__a x y\n__label__a z\n", &[]);
    let run = run.done();
    assert!(run.err.contains("warning: every row has the label a: there is nothing to tell apart"), "{run:?}");
}

#[test]
fn flags_that_cannot_be_are_refused() {
    let good = topics(30);
    refused(&good, &["--ngrams", "0"], 2, &["--ngrams", "1..=10"]);
    refused(&good, &["--chars", "5-3"], 2, &["--chars", "MIN not above MAX"]);
    refused(&good, &["--min-count", "0"], 2, &["--min-count", "1 or more"]);
    refused(&good, &["--min-count", "100"], 2, &["--min-count 100 leaves no feature", "there 30 times"]);
    refused(&good, &["--kind", "ffm"], 2, &["text has none"]);
    refused(&good, &["--label", "x"], 2, &["text data, which has no columns"]);
    let folder = Folder::with_model();
    for flag in [&["--ngrams", "2"], &["--chars", "3-6"], &["--min-count", "2"]] {
        folder.run(&[&["train", "good.svm", "--model", "n"], &flag[..]].concat()).failed_with(2, &["for text"]);
    }
    folder.write("t.txt", &good);
    folder.run(&["train", "t.txt", "good.svm", "--model", "n"]).failed_with(2, &["give data of one kind"]);
    folder.run(&["predict", "m", "t.txt"]).failed_with(1, &["text data, but the model was trained on libsvm"]);
}

// Beside scikit-learn.

/// The text of 20 newsgroups, if it is there.
fn newsgroups(part: &str) -> Option<String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("HOGBACK_SHARED").map_or_else(beside, PathBuf::from);
    let path = shared.join(format!("data/news20/news20.{part}.txt.zst"));
    match std::fs::read(&path) {
        Ok(packed) => Some(String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap()),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

#[test]
fn words_of_newsgroups_are_learned_to_the_minimum_of_scikit_learn() {
    let (Some(train), Some(test)) = (newsgroups("train"), newsgroups("test")) else { return };
    let theirs = json_fixture("text.json");
    let first = |text: &str, rows: &str| {
        let lines = text.lines().take(theirs[rows].as_u64().unwrap() as usize);
        lines.map(|line| line.to_owned() + "\n").collect::<String>()
    };
    let folder = Folder::new();
    folder.write("train.txt", first(&train, "train_rows"));
    folder.write("test.txt", first(&test, "test_rows"));
    for (name, flags) in [("words", &[][..]), ("pairs", &["--ngrams", "2", "--min-count", "3"])] {
        let theirs = &theirs[name];
        let number = |name: &str| theirs[name].as_f64().unwrap();
        let l2 = theirs["l2"].to_string();
        let to_the_end = ["--l2", &l2, "--holdout", "0", "--early-stop", "0", "--passes", "80", "--schedule", "linear"];
        let always = ["train", "train.txt", "--model", "m", "--overwrite", "--children", "1"];
        folder.run(&[&always[..], &to_the_end, flags].concat()).done();
        assert_eq!(features(&folder).len() as f64, number("features"), "{name}");
        let loss = |data| {
            let eval = folder.run(&["eval", "m", data, "--json"]).done().summary()["eval"].clone();
            ["logloss", "accuracy"].map(|metric| eval[metric].as_f64().unwrap())
        };
        let ([learned, _], [tested, accuracy]) = (loss("train.txt"), loss("test.txt"));
        println!("{name}: {learned} {tested} {accuracy}, theirs {theirs}");
        let model = hogback::Model::open(folder.path("m")).unwrap();
        let weights = (0..model.features()).flat_map(|row| model.weights(row).collect::<Vec<_>>());
        let squares: f64 = weights.map(|weight| f64::from(weight).powi(2)).sum();
        let objective = learned + number("l2") / 2.0 * squares;
        let above = objective / number("objective") - 1.0;
        assert!(above < 1e-3 && above > -1e-6, "{objective}");
        assert!((tested / number("test_logloss") - 1.0).abs() < 5e-3, "{tested}");
        assert!((accuracy - number("test_accuracy")).abs() < 5e-3, "{accuracy}");
    }
}
