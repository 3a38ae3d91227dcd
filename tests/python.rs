//! Models as Python sees them, by safetensors and numpy, without hogback: a model directory (tools/fixtures/open_model.py), and what the
//! code in docs/models.md predicts (tools/fixtures/models.py).

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod reference;

use std::cell::Cell;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use reference::{Linear, hogback};
use serde_json::Value;
use tempfile::TempDir;

/// A Python with safetensors and numpy: an environment that is made once and kept. Nothing, with the reason printed, where it
/// cannot be made.
fn python() -> Option<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match MADE.get_or_init(environment) {
        Ok(python) => Some(python.clone()),
        Err(reason) => {
            println!("skipped: no Python with numpy and safetensors ({reason})");
            None
        }
    }
}

fn environment() -> Result<PathBuf, String> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = environment.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| -> Result<Output, String> {
        let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(output) } else { Err(said) }
    };
    let ready = || run(&python, &["-c", "import numpy, safetensors"]);
    let make = || {
        run(Path::new("python3"), &["-m", "venv", environment.to_str().unwrap()])?;
        run(
            &python,
            &["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10", "numpy", "safetensors"],
        )?;
        ready()
    };
    ready().or_else(|_| make())?;
    Ok(python)
}

#[test]
fn python_opens_every_file_and_predicts_the_same() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let packed = fs::read("src/data/builtin/adult.svm.zst").unwrap();
    fs::write(path("adult.svm"), zstd::decode_all(&packed[..]).unwrap()).unwrap();
    for shards in ["1", "3"] {
        let model = path(&format!("model-{shards}"));
        reference::train(&[&path("adult.svm")], &model, &["--shards", shards, "--passes", "2"], &[]);
        let predictions = hogback(&["predict", model.to_str().unwrap(), "@adult"], &[]);
        fs::write(path("predictions"), predictions).unwrap();
        fs::write(path("keys.json"), serde_json::to_string(&Linear::read(&model).keys).unwrap()).unwrap();

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fixtures/open_model.py");
        let mut command = Command::new(&python);
        command.arg(script).arg(&model).args(["keys.json", "adult.svm", "predictions"].map(path));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{shards} shards: {found}");
        assert_eq!((&found["shards"], &found["rows"]), (&shards.parse::<u32>().unwrap().into(), &32_561.into()));
    }
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Columns far from 0, of very different scales, sparse ones, and words; labels are words of three, and numbers far from 0.
fn columns(rows: usize, seed: u64) -> String {
    let (mut numbers, mut text) = (Numbers(seed), "year,kelvin,share,people,mostly0,city,kind,number\n".to_owned());
    for _ in 0..rows {
        let (year, kelvin) = (1950 + numbers.below(70), 250 + numbers.below(60));
        let (share, people, rare) = (numbers.below(1000), 1000 * numbers.below(5000), numbers.below(9) / 8 * 3);
        let city = ["Oslo", "Rome", "Lima", "Nara"][numbers.below(4) as usize];
        let warm = (kelvin > 280) as u64 + u64::from(city == "Lima") + u64::from(year > 1990);
        let kind = ["elm", "fir", "oak"][((warm + numbers.below(2)) / 2) as usize % 3];
        let number = 4000 + 300 * warm + people / 10_000 + numbers.below(100);
        writeln!(text, "{year},{kelvin},{}e-7,{people},{rare},{city},{kind},{number}", share).unwrap();
    }
    text
}

/// Documents of a topic or another, some words of which come again, and some of which no other has; one is empty.
fn documents(rows: usize, seed: u64) -> String {
    let (mut numbers, mut text) = (Numbers(seed), String::new());
    for row in 0..rows {
        let topic = numbers.below(3);
        let mut word = || match numbers.below(8) {
            0 => format!("na\u{ef}ve{}", numbers.below(2)),
            1 => format!("rare{}", numbers.below(5000)),
            2..5 => format!("{}{}", ["sea", "sky", "soil"][topic as usize], numbers.below(4)),
            _ => format!("the{}", numbers.below(6)),
        };
        let words: Vec<String> = (0..if row == 7 { 0 } else { 3 + row % 30 }).map(|_| word()).collect();
        writeln!(text, "__label__{} {}", ["fish", "bird", "worm"][topic as usize], words.join(" ")).unwrap();
    }
    text
}

/// Rows of several words and values in a namespace, one of which has no name.
fn words(rows: usize, seed: u64) -> String {
    let (mut numbers, mut text) = (Numbers(seed), String::new());
    for _ in 0..rows {
        let mut some = |name: &str, many: u64, all: u64, valued: bool| {
            let mut ids: Vec<u64> = (0..=numbers.below(many)).map(|_| numbers.below(all)).collect();
            ids.sort_unstable();
            ids.dedup();
            let value = if valued { ":0.25" } else { "" };
            let words: String = ids.iter().map(|id| format!(" w{id}{value}")).collect();
            (format!("|{name}{words} "), ids.iter().sum::<u64>())
        };
        let ((user, one), (text_of, two), (plain, _)) =
            (some("user", 3, 9, false), some("text", 6, 30, true), some("", 2, 7, false));
        let label = if one * two % 4 < 2 { "1" } else { "-1" };
        writeln!(text, "{label} {user}{text_of}{plain}").unwrap();
    }
    text
}

#[test]
fn the_python_of_the_documents_predicts_the_same() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let rows = ["--rows", "2000", "--test-rows", "150"];
    hogback(
        &[&["generate", &path("texts"), "--features", "300", "--nnz", "10", "--format", "svm"], &rows[..]].concat(),
        &[],
    );
    hogback(&[&["generate", &path("clicks"), "--kind", "ctr", "--format", "ffm"], &rows[..]].concat(), &[]);
    hogback(
        &[&["generate", &path("stars"), "--kind", "ratings", "--features", "120", "--format", "svm"], &rows[..]]
            .concat(),
        &[],
    );
    for (name, rows, seed) in [("train", 1500, 1), ("test", 150, 2)] {
        fs::write(path(&format!("columns.{name}.csv")), columns(rows, seed)).unwrap();
        fs::write(path(&format!("words.{name}.vw")), words(rows, seed)).unwrap();
        fs::write(path(&format!("documents.{name}.txt")), documents(rows, seed)).unwrap();
    }
    let kind = ["--label", "kind", "--ignore", "number"];
    let number = ["--label", "number", "--ignore", "kind"];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fixtures/models.py");
    let worst = Cell::new(0.0f64);
    let ask = |(set, end): (&str, &str), flags: &[&str], reading: &[&str], printing: &[&str]| {
        let [train, test] = ["train", "test"].map(|part| path(&format!("{set}.{part}.{end}")));
        let (model, out) = (path("model"), path("model.safetensors"));
        let always = ["--model", &model, "--overwrite", "--no-cache", "--quiet", "--passes", "4", "--children", "1"];
        hogback(&[&["train", &train], &always[..], flags, reading].concat(), &[]);
        hogback(&["export", &model, &out, "--overwrite"], &[]);
        fs::write(path("said"), hogback(&[&["predict", &model, &test], reading, printing].concat(), &[])).unwrap();
        let output = Command::new(&python).arg(&script).args([&out, &test, &path("said")]).output().unwrap();
        assert!(output.status.success(), "{set}, {flags:?}: {}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{set}, {flags:?}: {}", found["worst"]);
        assert_eq!(found["rows"], 150);
        worst.set(worst.get().max(found["worst"].as_f64().unwrap()));
        found
    };
    let plain = |set, flags: &[&str]| ask(set, flags, &[], &[]);
    let (texts, stars, columns) = (("texts", "svm"), ("stars", "svm"), ("columns", "csv"));
    plain(texts, &["--loss", "logistic"]);
    plain(stars, &["--loss", "squared"]);
    plain(texts, &["--kind", "fm", "--rank", "4", "--loss", "logistic"]);
    plain(stars, &["--kind", "fm", "--rank", "8", "--loss", "squared"]);
    assert_eq!(plain(("clicks", "ffm"), &["--kind", "ffm"])["shapes"]["factors"][1], 24);
    let found = plain(("words", "vw"), &["--kind", "ffm", "--rank", "3"]);
    assert_eq!((&found["about"]["field_names"], &found["shapes"]["factors"][2]), (&"user\ntext\n".into(), &3.into()));
    let top = |flags: &[&str]| ask(("documents", "txt"), flags, &[], &["--top", "3"]);
    let found = top(&[]);
    assert_eq!(found["about"]["weighting"], "tf-idf");
    assert_eq!(found["shapes"]["idf"][0], found["shapes"]["weight"][0]);
    top(&["--ngrams", "3", "--min-count", "2"]);
    top(&["--chars", "2-4", "--min-count", "3", "--kind", "fm"]);
    for family in ["linear", "fm", "ffm"] {
        let found = ask(columns, &["--kind", family], &kind, &["--top", "3"]);
        assert_eq!((&found["about"]["loss"], found["shapes"]["weight"][1].as_u64()), (&"softmax".into(), Some(3)));
        assert_eq!(
            found["shapes"].get("scale").is_some() && found["shapes"].get("centre").is_some(),
            family != "linear"
        );
        let found = ask(columns, &["--kind", family], &number, &[]);
        let unit = found["about"].get("unit").map(|unit| unit.as_str().unwrap().parse::<f64>().unwrap());
        assert!(unit.is_none_or(|unit| unit > 1.0) && unit.is_none() == (family == "linear"), "{found}");
    }

    // Perceptrons: of dense rows, of rows that are mostly zeros, of texts; by every activation and loss.
    for activation in ["relu", "tanh", "gelu"] {
        let layers = ["--kind", "mlp", "--hidden", "16,8", "--activation", activation, "--dropout", "0.1"];
        let found = ask(columns, &layers, &kind, &["--top", "3"]);
        assert_eq!(
            (&found["about"]["activation"], &found["shapes"]["layer2.weight"][0]),
            (&activation.into(), &16.into())
        );
        assert!(found["about"]["loss"] == "softmax" && found["shapes"].get("weight").is_none(), "{found}");
        let found = ask(columns, &[&layers[..], &["--loss", "squared"]].concat(), &number, &[]);
        assert_ne!(found["about"]["unit"], "1");
        assert!(found["shapes"].get("centre").is_some() && found["shapes"].get("scale").is_some(), "{found}");
        plain(texts, &[&layers[..], &["--loss", "logistic"]].concat());
    }
    top(&["--kind", "mlp", "--hidden", "8"]);
    // Layers that see several: of dense rows, of rows that are mostly zeros, of vectors.
    let skips = ["--hidden", "9,7", "--skips", "1-3,0-3,0-2"];
    let found = ask(columns, &[&["--kind", "mlp"], &skips[..]].concat(), &kind, &["--top", "3"]);
    assert_eq!(found["about"]["skips"], "0-2,0-3,1-3");
    let inputs = found["shapes"]["layer1.weight"][0].as_u64().unwrap();
    assert_eq!(found["shapes"]["layer3.weight"], serde_json::json!([7 + 9 + inputs, 3]));
    for (kind, set) in [("mlp", texts), ("deep", ("words", "vw"))] {
        plain(set, &[&["--kind", kind, "--loss", "logistic"], &skips[..]].concat());
    }
    top(&[&["--kind", "text", "--dim", "6"], &skips[..]].concat());
    // Vectors by field, with what stands beside the layers and without.
    for flags in [&[][..], &["--wide"]] {
        let deep = [&["--kind", "deep", "--hidden", "16,8"], flags].concat();
        let found = plain(("words", "vw"), &deep);
        assert_eq!(found["shapes"]["layer1.weight"], serde_json::json!([3 * 4, 16]));
        assert_eq!(
            (&found["about"]["loss"], found["about"]["meets"] == "true"),
            (&"logistic".into(), flags.is_empty())
        );
        ask(columns, &deep, &number, &[]);
        let found = ask(columns, &deep, &kind, &["--top", "3"]);
        assert!(found["about"]["loss"] == "softmax" && found["shapes"].get("weight").is_none(), "{found}");
    }
    plain(("clicks", "ffm"), &["--kind", "deep", "--activation", "gelu"]);
    // The mean of the vectors of words, through one layer or several.
    for hidden in [&[][..], &["--hidden", "8,6", "--activation", "tanh"]] {
        let found = top(&[&["--kind", "text", "--dim", "10", "--ngrams", "2"], hidden].concat());
        assert_eq!((&found["about"]["weighting"], found["about"]["hidden"] == ""), (&"log".into(), hidden.is_empty()));
        top(&[&["--kind", "text", "--dim", "7", "--chars", "3-4", "--min-count", "1"], hidden].concat());
    }
    println!("the worst: {}", worst.get());
}
