//! Models with layers, as a user meets them: what they learn that linear models cannot, by every optimizer, loss and format, with
//! batches of any size and two children as well as one. What is refused of them is in `bad_layers.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod common;

use std::fs;
use std::path::Path;

use common::Folder;
use common::planted::{Numbers, circles, clicks, clicks_csv, clicks_vw, product, topics, words, xor};

/// Trains on `data` and says how good the model is on `test`.
fn trained(folder: &Folder, data: &str, test: &str, flags: &[&str]) -> serde_json::Value {
    let always = ["train", data, "--model", "m", "--overwrite", "--no-cache", "--quiet"];
    folder.run(&[&always[..], flags].concat()).done();
    folder.run(&["eval", "m", test, "--json"]).done().summary()["eval"].clone()
}

fn number(metrics: &serde_json::Value, name: &str) -> f64 {
    metrics[name].as_f64().unwrap_or_else(|| panic!("{name} is not in {metrics}"))
}

// What is learned.

#[test]
fn layers_learn_what_linear_models_cannot() {
    let folder = Folder::new();
    for (name, rows) in [("xor", xor as fn(usize, u64) -> String), ("circles", circles)] {
        let (data, test) = (format!("{name}.csv"), format!("{name}.test.csv"));
        folder.write(&data, rows(2000, 1));
        folder.write(&test, rows(1000, 2));
        let linear = number(&trained(&folder, &data, &test, &["--children", "1"]), "accuracy");
        assert!(linear < 0.62, "{name}: {linear}");
        let all = [
            "",
            "--hidden 32,16",
            "--hidden 32 --dropout 0.1",
            "--activation tanh",
            "--activation gelu",
            "--hidden 16,16 --activation tanh --dropout 0.05",
            "--hidden 16,16 --activation gelu --dropout 0.05",
            "--optimizer momentum",
            "--optimizer sgd",
            "--optimizer adagrad",
            "--hidden 16,16,16 --skips 0-2,0-3,0-4,1-3,1-4,2-4",
            "--consistency sync --children 2",
        ];
        for flags in &all[..if name == "xor" { all.len() } else { 5 }] {
            let flags = [&["--kind", "mlp", "--seed", "1"], &words(flags)[..]].concat();
            let accuracy = number(&trained(&folder, &data, &test, &flags), "accuracy");
            println!("{name} {flags:?}: {accuracy}");
            assert!(accuracy > 0.8, "{name} {flags:?}: {accuracy}");
        }
    }
    // The softmax of two classes is the logistic loss of one.
    let softmax = trained(&folder, "xor.csv", "xor.test.csv", &["--kind", "mlp", "--loss", "softmax"]);
    assert!(number(&softmax, "accuracy") > 0.95, "{softmax}");
}

#[test]
fn numbers_are_learned_in_their_own_units() {
    let folder = Folder::new();
    folder.write("product.csv", product(2000, 1));
    folder.write("test.csv", product(1000, 2));
    let rmse = |flags: &[&str]| number(&trained(&folder, "product.csv", "test.csv", flags), "rmse");
    // 20·x·y has a deviation of 20/3.
    let linear = rmse(&[]);
    assert!((6.0..7.5).contains(&linear), "{linear}");
    for flags in
        ["", "--activation tanh", "--optimizer momentum --children 1", "--optimizer adagrad", "--consistency sync"]
    {
        let layers = rmse(&[&["--kind", "mlp"], &words(flags)[..]].concat());
        println!("{flags:?}: rmse {layers}, of a linear model {linear}");
        assert!(layers < 2.0, "{flags:?}: {layers}");
    }
}

#[test]
fn deep_models_learn_who_likes_what_from_namespaces_columns_and_fields() {
    let folder = Folder::new();
    let (train, test) = (clicks(8000, 1), clicks(4000, 2));
    folder.write("c.vw", clicks_vw(&train));
    folder.write("t.vw", clicks_vw(&test));
    folder.write("c.csv", clicks_csv(&train));
    folder.write("t.csv", clicks_csv(&test));
    let linear = number(&trained(&folder, "c.vw", "t.vw", &["--children", "1"]), "logloss");
    assert!(linear > 0.55, "{linear}");
    for (format, flags) in [
        ("vw", ""),
        ("csv", ""),
        ("vw", "--wide"),
        ("csv", "--rank 8 --hidden 16"),
        ("vw", "--dropout 0.1 --activation tanh --l2 0.00125"),
        ("vw", "--optimizer momentum"),
        ("vw", "--loss softmax"),
        ("csv", "--consistency sync --children 2"),
    ] {
        // The first passes show little, by chance more or less of it.
        let flags = [&["--kind", "deep", "--early-stop", "8"], &words(flags)[..]].concat();
        let learned = trained(&folder, &format!("c.{format}"), &format!("t.{format}"), &flags);
        println!("{format} {flags:?}: {learned}, linear {linear}");
        // The best possible is some .39.
        assert!(number(&learned, "logloss") < 0.5, "{format} {flags:?}: {learned}");
    }
}

#[test]
fn texts_are_learned_with_and_without_hidden_layers() {
    let folder = Folder::new();
    folder.write("t.txt", topics(3000, 1));
    folder.write("test.txt", topics(1000, 2));
    for flags in ["", "--hidden 16", "--dim 10", "--optimizer adagrad", "--consistency sync --children 2", "--bits 18"]
    {
        let flags = [&["--kind", "text"], &words(flags)[..]].concat();
        let accuracy = number(&trained(&folder, "t.txt", "test.txt", &flags), "accuracy");
        println!("{flags:?}: {accuracy}");
        assert!(accuracy > 0.7, "{flags:?}: {accuracy}");
    }
}

#[test]
fn perceptrons_read_every_format_of_numbers() {
    let folder = Folder::new();
    let rows: Vec<Vec<String>> =
        xor(1500, 1).lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let label = |row: &[String]| if row[2] == "same" { 1 } else { -1 };
    let lines = |line: &dyn Fn(&[String]) -> String| rows.iter().map(|row| line(row)).collect::<String>();
    folder.write("x.svm", lines(&|row| format!("{} 1:{} 2:{}\n", label(row), row[0], row[1])));
    folder.write("x.ffm", lines(&|row| format!("{} 0:1:{} 1:2:{}\n", label(row), row[0], row[1])));
    folder.write("x.vw", lines(&|row| format!("{} | x:{} y:{}\n", label(row), row[0], row[1])));
    let pixel = |text: &String| (127.0 * (1.0 + text.parse::<f64>().unwrap())) as u8;
    let count = (rows.len() as u32).to_be_bytes();
    let pixels: Vec<u8> = rows.iter().flat_map(|row| [pixel(&row[0]), pixel(&row[1])]).collect();
    let header = [&[0, 0, 8, 3][..], &count, &1u32.to_be_bytes(), &2u32.to_be_bytes()].concat();
    folder.write("x-images.idx", [&header[..], &pixels].concat());
    let labels: Vec<u8> = rows.iter().map(|row| u8::from(label(row) == 1)).collect();
    folder.write("x-labels.idx", [&[0, 0, 8, 1][..], &count, &labels].concat());
    for data in ["x.svm", "x.ffm", "x.vw", "x-images.idx"] {
        let accuracy = number(&trained(&folder, data, data, &["--kind", "mlp", "--children", "1"]), "accuracy");
        assert!(accuracy > 0.95, "{data}: {accuracy}");
    }
}

/// `cargo test --release --test layers ten_splits -- --nocapture` prints what docs/performance.md says of digits.
#[test]
fn ten_splits_of_digits_are_learned_as_well_as_by_others() {
    let folder = Folder::new();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/builtin/digits.csv.zst");
    let text = String::from_utf8(zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    for children in ["1", "2"] {
        let accuracy = |split: u64| {
            let mut rows: Vec<&str> = rows.lines().collect();
            let mut numbers = Numbers(split);
            (1..rows.len()).rev().for_each(|at| rows.swap(at, numbers.below(at + 1)));
            let (test, train) = rows.split_at(rows.len() / 5);
            for (name, rows) in [("train.csv", train), ("test.csv", test)] {
                folder.write(name, format!("{head}\n{}\n", rows.join("\n")));
            }
            let seed = split.to_string();
            let flags = ["--kind", "mlp", "--children", children, "--seed", &seed];
            number(&trained(&folder, "train.csv", "test.csv", &flags), "accuracy")
        };
        let (mean, deviation) = spread(&(0..10).map(accuracy).collect::<Vec<_>>());
        println!("{children} children: {mean} ± {deviation}");
        // scikit-learn's networks have some .975.
        assert!(mean >= 0.972, "{mean}");
    }
}

/// The mean and the deviation of the accuracy on held-out digits over five seeds, which draw other rows each.
fn digits(flags: &[&str]) -> (f64, f64) {
    let folder = Folder::new();
    let accuracy = |seed: u64| {
        let always = ["train", "@digits", "--kind", "mlp", "--holdout", "0.2", "--model", "m", "--overwrite", "--json"];
        let seed = seed.to_string();
        let run = folder.run(&[&always[..], &["--seed", &seed, "--no-cache"], flags].concat()).done();
        number(&run.summary()["valid"], "accuracy")
    };
    spread(&(0..5).map(accuracy).collect::<Vec<_>>())
}

fn spread(numbers: &[f64]) -> (f64, f64) {
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let squares = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    (mean, (squares / (numbers.len() - 1) as f64).sqrt())
}

#[test]
fn the_size_of_a_batch_and_the_number_of_children_change_no_quality() {
    let one = digits(&["--children", "1"]);
    println!("one child: {one:?}");
    assert!(one.0 > 0.97, "{one:?}");
    for flags in [
        "--children 2",
        "--children 2 --consistency sync",
        "--children 1 --batch 32",
        "--children 1 --batch 256",
        "--children 2 --batch 256",
    ] {
        let other = digits(&words(flags));
        println!("{flags}: {other:?}");
        assert!(other.0 > one.0 - 0.008, "{flags}: {other:?}, one child with batches of 64: {one:?}");
    }
}

#[test]
fn two_children_learn_deep_models_and_texts_as_well_as_one() {
    let folder = Folder::new();
    folder.write("c.vw", clicks_vw(&clicks(8000, 1)));
    folder.write("t.vw", clicks_vw(&clicks(4000, 2)));
    folder.write("c.txt", topics(3000, 1));
    folder.write("t.txt", topics(1000, 2));
    for (kind, data, test) in [("deep", "c.vw", "t.vw"), ("text", "c.txt", "t.txt")] {
        let loss = |flags: &str| {
            let of_seed = |seed: u64| {
                let seed = seed.to_string();
                let flags = [&["--kind", kind, "--seed", &seed], &words(flags)[..]].concat();
                number(&trained(&folder, data, test, &flags), "logloss")
            };
            spread(&(0..5).map(of_seed).collect::<Vec<_>>())
        };
        let (one, deviation) = loss("--children 1");
        for flags in ["--children 2", "--children 1 --batch 32", "--children 1 --batch 256"] {
            let (other, also) = loss(flags);
            println!("{kind}: {one:.4} ± {deviation:.4} with one child, {other:.4} ± {also:.4} with {flags}");
            assert!(other < one + 0.02 * one, "{kind} {flags}: {other}, one child {one} ± {deviation}");
        }
    }
}

#[test]
fn what_rows_and_classes_weigh_moves_layers() {
    let folder = Folder::new();
    // The same rows with both labels: what is predicted is what they weigh.
    let rows = |yes: u32, no: u32| format!("1 {yes} | a b:0.5\n-1 {no} | a b:0.5\n1 | c\n-1 | d\n").repeat(100);
    folder.write("even.vw", rows(1, 1));
    folder.write("heavy.vw", rows(8, 2));
    folder.write("ask.vw", "| a b:0.5\n");
    let ask = |data: &str, kind: &str, flags: &[&str]| {
        let always = ["train", data, "--model", "m", "--overwrite", "--kind", kind, "--children", "1", "--no-cache"];
        folder.run(&[&always[..], &["--passes", "15", "--holdout", "0"], flags].concat()).done();
        folder.predictions("m", "ask.vw").trim().parse::<f64>().unwrap()
    };
    for kind in ["mlp", "deep"] {
        let even = ask("even.vw", kind, &[]);
        let heavy = ask("heavy.vw", kind, &[]);
        let class = ask("even.vw", kind, &["--class-weight", "1:4,-1:1"]);
        println!("{kind}: {even} even, {heavy} where it weighs 8 to 2, {class} where its class weighs 4 to 1");
        assert!((even - 0.5).abs() < 0.1 && (heavy - 0.8).abs() < 0.1 && (class - 0.8).abs() < 0.1, "{kind}");
    }
    folder.write("t.txt", "__label__a x\n__label__b x\n".repeat(200));
    folder.write("ask.txt", "x\n");
    let always =
        ["train", "t.txt", "--model", "t", "--kind", "text", "--children", "1", "--no-cache", "--holdout", "0"];
    folder.run(&[&always[..], &["--class-weight", "a:4,b:1"]].concat()).done();
    let top = folder.run(&["predict", "t", "ask.txt", "--top", "1"]).done().out;
    let share = top.trim().split('\t').nth(1).unwrap().parse::<f64>().unwrap();
    assert!(top.starts_with("a\t") && (share - 0.8).abs() < 0.1, "{top}");
}

#[test]
fn a_penalty_of_layers_is_for_weights_whatever_the_optimizer() {
    let folder = Folder::new();
    // Far from 0, with little to tell: a penalty on biases would pull the predictions down.
    let rows = (0..200).map(|at| format!("{}\t{}\n", 50.0 + f64::from(at % 3), at % 2));
    folder.write("far.csv", ["y\tx\n".to_owned()].into_iter().chain(rows).collect::<String>());
    for optimizer in ["adam", "momentum", "sgd", "adagrad"] {
        let weights = |l2: &str| {
            let flags = format!(
                "train far.csv --label y --kind mlp --loss squared --hidden 4 --optimizer {optimizer} --l2 {l2} --passes 10 \
                 --children 1 --holdout 0 --model {optimizer}{l2} --json --quiet"
            );
            let run = folder.run(&flags.split_whitespace().collect::<Vec<_>>()).done();
            (folder.model_bytes(&format!("{optimizer}{l2}")), run.summary()["progressive"]["rmse"].as_f64().unwrap())
        };
        let ((free, least), (held, rmse)) = (weights("0"), weights("1"));
        assert!(free != held, "{optimizer}: the penalty changes nothing");
        assert!(rmse < 1.1 * least.max(0.82), "{optimizer}: {rmse} with a penalty, {least} without");
    }
}
