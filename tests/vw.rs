//! Vowpal Wabbit's text: what vw itself reads in it (tools/fixtures/vw.py), what is refused, and training and predicting on it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{Folder, assert_close, svm};
use hogback::data::{Block, CachePolicy, DataFile, Dictionary, Format, Input, Known, OwnedBlock, ReadOptions, stream};
use hogback::store::Disk;
use hogback::sys::signal::StopRequest;

/// A row: its label, if it has one, its weight, its values by name.
#[derive(Debug, PartialEq)]
struct Row {
    label: Option<f32>,
    weight: f32,
    values: BTreeMap<String, f32>,
}

fn rows(block: &Block<'_>, dictionary: &Dictionary) -> Vec<Row> {
    let row = |at: usize| {
        let ids = block.ids(at).as_slice();
        let value = |nth: usize| block.values(at).get(nth).copied().unwrap_or(1.0);
        let values: BTreeMap<_, _> =
            ids.iter().enumerate().map(|(nth, &id)| (dictionary.name_of(id), value(nth))).collect();
        assert_eq!(values.len(), ids.len(), "an id stands twice");
        let label = Some(block.label(at)).filter(|label| !label.is_nan());
        Row { label, weight: block.weight(at), values }
    };
    (0..block.rows()).map(row).collect()
}

fn options(cache: CachePolicy) -> ReadOptions {
    ReadOptions { format: Some(Format::Vw), cache, ..ReadOptions::default() }
}

fn read(folder: &Folder, text: &str, cache: CachePolicy) -> hogback::error::Result<(DataFile, Vec<Row>)> {
    folder.write("a.vw", text);
    let file =
        DataFile::read(&Input::Path(folder.path("a.vw")), &options(cache), &Disk, &|_| {}, &StopRequest::never())?;
    let table = file.table();
    let all = (0..table.blocks()).flat_map(|b| rows(table.block(b).unwrap(), file.dictionary())).collect();
    drop(table);
    Ok((file, all))
}

/// Holds rows to be what vw made of them: audit prints six digits, and vw's own numbers are not rounded exactly.
fn assert_same(ours: &[Row], theirs: &[Row]) {
    assert_eq!(ours.len(), theirs.len());
    for (nth, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!((ours.label, ours.weight), (theirs.label, theirs.weight), "row {nth}");
        let names = ours.values.keys().chain(theirs.values.keys());
        for name in names {
            let of = |row: &Row| row.values.get(name).copied().unwrap_or(0.0);
            let (one, other) = (of(ours), of(theirs));
            assert!((one - other).abs() <= 3e-6 * one.abs(), "row {nth}, {name}: {one}, but {other} in vw");
        }
    }
}

#[test]
fn lines_mean_what_they_mean_to_vowpal_wabbit() {
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(fixture("vw.json")).unwrap()).unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
    let row = |line: &serde_json::Value| Row {
        label: line["label"].as_f64().map(|label| label as f32),
        weight: number(&line["importance"]),
        values: line["features"].as_object().unwrap().iter().map(|(name, sum)| (name.clone(), number(sum))).collect(),
    };
    let theirs = || json["lines"].as_array().unwrap().iter().map(row);
    let text = fs::read_to_string(fixture("vw.txt")).unwrap();
    let lines: Vec<&str> = text.split('\n').filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), theirs().count());

    // Training wants labels.
    let labelled: String = lines
        .iter()
        .zip(theirs())
        .filter(|(_, row)| row.label.is_some())
        .map(|(line, _)| format!("{line}\n"))
        .collect();
    let folder = Folder::new();
    let (file, ours) = read(&folder, &labelled, CachePolicy::Off).unwrap();
    assert!(ours.len() > 300 && ours.len() < lines.len());
    assert_eq!(file.labels().weight, ours.iter().map(|row| f64::from(row.weight)).sum::<f64>());
    assert_same(&ours, &theirs().filter(|row| row.label.is_some()).collect::<Vec<_>>());

    // Prediction does not, and knows what training has seen.
    let mut theirs: Vec<Row> = theirs().collect();
    theirs.iter_mut().for_each(|row| row.values.retain(|name, _| file.dictionary().name(name).is_some()));
    let known = Known { dictionary: file.dictionary(), columns: None, label_names: &[], hashing: None, grams: None };
    let mut ours = Vec::new();
    folder.write("all.vw", &text);
    let mut each = |block: OwnedBlock| {
        ours.extend(rows(&block.as_block(), file.dictionary()));
        Ok(())
    };
    let seen = stream(
        &Input::Path(folder.path("all.vw")),
        &options(CachePolicy::Off),
        &known,
        &|_| {},
        &StopRequest::never(),
        &mut each,
    )
    .unwrap();
    assert_same(&ours, &theirs);
    assert_eq!(seen.unlabelled, theirs.iter().filter(|row| row.label.is_none()).count() as u64);
}

#[test]
fn a_cache_brings_weights_back() {
    let folder = Folder::new();
    let text = "1 2 |a x:0.5\n0 | y\n1 0 | y:3 y:-3\n-1 0.25 |a:2 x z\n";
    let (_, plain) = read(&folder, text, CachePolicy::Off).unwrap();
    assert_eq!(plain.iter().map(|row| row.weight).collect::<Vec<_>>(), [2.0, 1.0, 0.0, 0.25]);
    let input = Input::Path(folder.path("a.vw"));
    for from_cache in [false, true] {
        let file =
            DataFile::read(&input, &options(CachePolicy::Beside), &Disk, &|_| {}, &StopRequest::never()).unwrap();
        assert_eq!((file.from_cache(), file.labels().weight), (from_cache, 3.25));
        assert_eq!(rows(file.table().block(0).unwrap(), file.dictionary()), plain);
    }
}

#[test]
fn bad_lines_are_told_with_what_is_wrong() {
    let folder = Folder::new();
    for (line, what) in [
        ("1 a:2 b", "no bar: label | features was expected, the line begins with \"1 a:2 b\""),
        ("# comment", "no bar"),
        ("| a", "no label"),
        ("'tag| a", "no label"),
        ("1| a", "no label: \"1\" touches the bar, which makes it a tag; put a blank between"),
        ("1\t| a", "no label: before the bar, what comes before a tab is passed over"),
        ("yes | a", "the label \"yes\" is not a number"),
        ("nan | a", "the label \"nan\" is not finite"),
        ("1:0.5 2:1 | a", "the label \"1:0.5\" is not a number: costs, actions and several labels are not supported"),
        ("1,2 | a", "the label \"1,2\" is not a number: costs"),
        ("1 -1 | a", "the importance -1 is below 0"),
        ("1 much | a", "the importance \"much\" is not a number"),
        ("1 1 0.5 | a", "the base 0.5: predictions to begin from are not supported"),
        ("1 2 3 4 | a", "4 words before the bar"),
        ("1 |:2 a", "a namespace without a name"),
        ("1 |a: b", "the scale of the namespace \"a\" is not a number"),
        ("1 |a:x b", "the scale of the namespace \"a\" is not a number"),
        ("1 |a:inf b", "the scale of the namespace \"a\" is not finite"),
        ("1 | a:1x b", "\"a:1x\" has a value that begins as a number and does not go on as one"),
        ("1 | a:0x1f b", "\"a:0x1f\" has a value that begins as a number"),
        ("1 | a:nan", "\"a:nan\" has a value that is not finite"),
        ("1 | a:-inf b", "\"a:-inf\" has a value that is not finite"),
        ("1 | a:1e39", "\"a:1e39\" has a value that is not finite"),
        ("1 |a:1e30 b:1e30", "\"b:1e30\" has a value that is not finite, times the scale"),
        ("1 | a:3e38 a:3e38", "values of one feature add up to more than a float holds"),
        ("1 | a:1:2 b", "a blank or a bar was expected before \":2 b\""),
        ("1 |a:1:2 b", "a blank or a bar was expected before \":2 b\""),
        ("1 | a\rb c", "there is a carriage return within the line"),
    ] {
        let text = format!("1 | a\n\n{line}\n1 | b\n");
        let error = read(&folder, &text, CachePolicy::Off).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(&format!("a.vw:3: {what}")), "{line:?}: {error:?}");
    }
    folder.write("a.vw", b"1 | a\n1 | \xff\n");
    let error = DataFile::read(
        &Input::Path(folder.path("a.vw")),
        &options(CachePolicy::Off),
        &Disk,
        &|_| {},
        &StopRequest::never(),
    );
    assert!(error.unwrap_err().to_string().contains("a.vw:2: this is not UTF-8 text"));
}

/// libsvm data as vw data.
fn as_vw(svm: &str) -> String {
    svm.lines().map(|line| line.replacen(' ', " |ns ", 1) + "\n").collect()
}

#[test]
fn a_model_is_that_of_the_same_data_as_libsvm() {
    let folder = Folder::new();
    folder.write("a.svm", svm(300));
    folder.write("a.vw", as_vw(&svm(300)));
    folder.write("no ending", as_vw(&svm(300)));
    for (data, model) in [("a.svm", "svm"), ("a.vw", "vw"), ("a.vw", "cached"), ("no ending", "sniffed")] {
        folder.run(&["train", data, "--model", model, "--children", "1"]).done();
    }
    let expected = folder.predictions("svm", "a.svm");
    for (model, data) in [("vw", "a.vw"), ("cached", "no ending"), ("sniffed", "a.vw")] {
        assert_eq!(folder.predictions(model, data), expected, "{model} {data}");
    }
    let eval = |model: &str, data: &str| folder.run(&["eval", model, data, "--json"]).done().summary()["eval"].clone();
    assert_eq!(eval("vw", "a.vw"), eval("svm", "a.svm"));
    // Without labels, with tags, namespaces in two parts, over a pipe.
    let bare: String = svm(300)
        .lines()
        .map(|line| {
            let (_, pairs) = line.split_once(' ').unwrap();
            let (first, rest) = pairs.split_once(' ').unwrap();
            format!("'id |ns {first}  |ns {rest}\n")
        })
        .collect();
    assert_close(&folder.pipe(&["predict", "vw", "-"], bare).done().out, &expected);
}

#[test]
fn data_of_other_kinds_is_refused() {
    let folder = Folder::with_model();
    folder.write("a.vw", as_vw(&svm(100)));
    folder.run(&["train", "a.vw", "--model", "vw"]).done();
    folder.write("a.csv", common::csv(50));
    for command in ["predict", "eval"] {
        folder
            .run(&[command, "m", "a.vw"])
            .failed_with(1, &["a.vw: this is vw data, but the model was trained on libsvm or idx data"]);
        folder
            .run(&[command, "vw", "good.svm"])
            .failed_with(1, &["good.svm: this is libsvm data, but the model was trained on vw data"]);
        folder
            .run(&[command, "vw", "a.csv"])
            .failed_with(1, &["a.csv: this is csv data, but the model was trained on vw data"]);
    }
    folder.run(&["train", "a.vw", "good.svm", "--model", "n"]).failed_with(2, &["give data of one kind"]);
    folder
        .run(&["train", "a.vw", "a.csv", "--label", "label", "--model", "n"])
        .failed_with(2, &["a.vw is vw data, which has no columns: leave out --label"]);
}

#[test]
fn namespaces_can_be_left_out() {
    let folder = Folder::new();
    let row = |nth: usize| format!("{} |a x:{nth} |b y |a_long_one z |b w\n", [1, -1][nth % 2]);
    folder.write("a.vw", (0..100).map(row).collect::<String>());
    let said = folder.run(&["train", "a.vw", "--ignore", "b,a_long_one", "--model", "m"]).done().err;
    assert!(said.starts_with("data      100 rows, 1 feature, "), "{said}");
}

#[test]
fn rows_without_importance_teach_nothing_and_those_with_more_teach_more() {
    let folder = Folder::new();
    let rows = |weights: [&str; 3]| -> String {
        let row = |nth: usize| {
            // Two of three rows say that x is good, the third that it is bad.
            let label = [1, 1, -1][nth % 3];
            format!("{label} {} | x\n{} | y\n", weights[nth % 3], -label)
        };
        (0..300).map(row).collect()
    };
    let of_x = |weights: [&str; 3]| -> f64 {
        folder.write("a.vw", rows(weights));
        folder.run(&["train", "a.vw", "--model", "m", "--overwrite", "--children", "1", "--no-cache"]).done();
        folder.pipe(&["predict", "m", "-"], "| x\n").done().out.trim().parse().unwrap()
    };
    let (plain, only_good, mostly_bad) = (of_x(["1", "1", "1"]), of_x(["1", "1", "0"]), of_x(["1", "1", "20"]));
    assert!((plain - 2.0 / 3.0).abs() < 0.05, "{plain}");
    assert!(only_good > 0.9 && mostly_bad < 0.2, "{only_good} {mostly_bad}");
}
