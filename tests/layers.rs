//! Models with layers, as a user meets them: what they learn that linear models cannot, by every optimizer, loss and format, with
//! batches of any size and two children as well as one; and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod common;

use std::fmt::Write as _;

use common::{Folder, Run, as_ffm, csv, keeping_the_model, svm};

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }
}

/// Two numbers, each of which says nothing of the label: whether their signs are the same.
fn xor(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        writeln!(text, "{x:.3},{y:.3},{}", if x * y > 0.0 { "same" } else { "other" }).unwrap();
    }
    text
}

/// Three classes by the distance from a point far from 0, in columns of very different size.
fn circles(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        let ring = ["inner", "middle", "outer"][((x * x + y * y) * 2.0).min(2.9) as usize];
        writeln!(text, "{:.3},{:.6},{ring}", 5000.0 + 100.0 * x, 0.01 * y).unwrap();
    }
    text
}

/// A number that is a product: to a linear model all noise.
fn product(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        writeln!(text, "{x:.3},{y:.3},{:.4}", 30.0 + 20.0 * x * y).unwrap();
    }
    text
}

/// Who clicks what: a user and an item of the same of four sorts, mostly; where it is shown matters a little.
fn clicks(rows: usize, seed: u64) -> Vec<(u8, [usize; 3])> {
    let mut numbers = Numbers(seed);
    let mut row = || {
        let (user, item, place) = (numbers.below(40), numbers.below(60), numbers.below(3));
        let probability = (if user % 4 == item % 4 { 0.85 } else { 0.1 }) + 0.05 * place as f64;
        (u8::from(numbers.unit() < probability), [user, item, place])
    };
    (0..rows).map(|_| row()).collect()
}

fn clicks_vw(rows: &[(u8, [usize; 3])]) -> String {
    let line = |(label, [user, item, place]): &(u8, [usize; 3])| {
        format!("{} |u u{user} |i i{item} |p p{place}\n", if *label == 1 { 1 } else { -1 })
    };
    rows.iter().map(line).collect()
}

fn clicks_csv(rows: &[(u8, [usize; 3])]) -> String {
    let line = |(label, [user, item, place]): &(u8, [usize; 3])| format!("u{user},i{item},p{place},{label}\n");
    "user,item,place,label\n".to_owned() + &rows.iter().map(line).collect::<String>()
}

/// Lines of four topics, some words of which are of all.
fn topics(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = String::new();
    for row in 0..rows {
        let topic = row % 4;
        write!(text, "__label__t{topic}").unwrap();
        for _ in 0..8 {
            let of = if numbers.unit() < 0.4 { topic } else { numbers.below(4) };
            write!(text, " w{}", 30 * of + numbers.below(30)).unwrap();
        }
        text.push('\n');
    }
    text
}

/// Trains on `data` and says how good the model is on `test`.
fn trained(folder: &Folder, data: &str, test: &str, flags: &[&str]) -> serde_json::Value {
    let always = ["train", data, "--model", "m", "--overwrite", "--no-cache", "--quiet"];
    folder.run(&[&always[..], flags].concat()).done();
    folder.run(&["eval", "m", test, "--json"]).done().summary()["eval"].clone()
}

fn number(metrics: &serde_json::Value, name: &str) -> f64 {
    metrics[name].as_f64().unwrap_or_else(|| panic!("{name} is not in {metrics}"))
}

/// As many flags as words.
fn words(flags: &str) -> Vec<&str> {
    flags.split_whitespace().collect()
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

// What is wrong.

/// Training must fail with `parts` in the message; the model that was to be replaced stays.
fn refused(folder: &Folder, flags: &str, code: i32, parts: &[&str]) {
    let train = [&["train", "--model", "m", "--overwrite", "--no-cache", "--quiet"], &words(flags)[..]].concat();
    let run = keeping_the_model(folder, || folder.run(&train));
    run.failed_with(code, parts);
}

#[test]
fn sizes_and_shares_that_cannot_be_are_refused() {
    let folder = Folder::with_model();
    folder.write("good.ffm", as_ffm(&svm(200)));
    folder.write("good.txt", topics(40, 1));
    for (flags, parts) in [
        ("good.svm --kind mlp --hidden 0", &["--hidden", "whole number, 1 or more"][..]),
        ("good.svm --kind mlp --hidden 128,0", &["--hidden", "'0'", "whole number, 1 or more"]),
        ("good.svm --kind mlp --hidden 128,,64", &["--hidden", "whole number, 1 or more"]),
        ("good.svm --kind mlp --hidden -3", &["--hidden", "whole number, 1 or more"]),
        ("good.svm --kind mlp --hidden 9999999999999", &["--hidden", "is too large"]),
        ("good.svm --kind mlp --batch 0", &["--batch", "whole number, 1 or more"]),
        ("good.svm --kind mlp --batch 65536", &["--batch", "is too large"]),
        ("good.svm --kind mlp --dropout 1", &["--dropout", "0 or more, below 1"]),
        ("good.svm --kind mlp --dropout -0.1", &["--dropout", "0 or more, below 1"]),
        ("good.svm --kind mlp --dropout nan", &["--dropout", "0 or more, below 1"]),
        ("good.svm --kind mlp --activation sigmoid", &["--activation", "relu, tanh, gelu"]),
        ("good.txt --kind text --dim 0", &["--dim", "whole number, 1 or more"]),
        ("good.ffm --kind deep --rank 0", &["--rank", "whole number, 1 or more"]),
        ("good.svm --kind mlp --lr 0", &["--lr", "a number above 0"]),
    ] {
        refused(&folder, flags, 2, parts);
    }
}

#[test]
fn flags_of_other_kinds_are_refused() {
    let folder = Folder::with_model();
    folder.write("good.ffm", as_ffm(&svm(200)));
    folder.write("good.csv", csv(100));
    folder.write("good.txt", topics(40, 1));
    for (flags, parts) in [
        ("good.svm --hidden 8", &["--hidden is for --kind mlp, deep and text; this is linear"][..]),
        ("good.svm --kind fm --activation tanh", &["--activation is for --kind mlp, deep and text; this is fm"]),
        ("good.ffm --kind ffm --dropout 0.5", &["--dropout is for --kind mlp, deep and text; this is ffm"]),
        ("good.svm --kind linear --batch 32", &["--batch is for --kind mlp, deep and text; this is linear"]),
        ("good.svm --kind mlp --rank 4", &["--rank is for --kind fm, ffm and deep, --dim for text; this is mlp"]),
        ("good.svm --kind mlp --dim 4", &["--rank is for --kind fm, ffm and deep, --dim for text; this is mlp"]),
        ("good.svm --kind mlp --wide", &["--wide is for --kind deep; this is mlp"]),
        ("good.txt --kind text --wide", &["--wide is for --kind deep; this is text"]),
        ("good.svm --kind mlp --optimizer ftrl", &["--optimizer ftrl is for linear models", "--kind mlp", "adam"]),
        ("good.ffm --kind deep --optimizer ftrl", &["--optimizer ftrl is for linear models", "--kind deep"]),
        ("good.svm --optimizer adam", &["--optimizer adam is for layers; --kind linear is learned by adagrad"]),
        ("good.svm --kind fm --optimizer adam", &["--kind fm is learned by adagrad; this is --optimizer adam"]),
        ("good.svm --kind mlp --l1 1", &["--l1", "this is --kind mlp, which --l2 is for"]),
        ("good.svm --kind mlp --loss hinge", &["--kind mlp learns by --loss logistic, softmax or squared"]),
        ("good.ffm --kind deep --loss poisson", &["--kind deep learns by --loss logistic, softmax or squared"]),
        ("good.csv --kind mlp --loss quantile", &["--kind mlp learns by --loss logistic, softmax or squared"]),
        ("good.svm --kind deep", &["--kind deep needs fields", "good.svm is libsvm"]),
        ("good.txt --kind deep", &["--kind deep needs fields", "text has none"]),
        ("good.csv --kind deep --bits 10", &["--kind deep needs fields", "leave out --bits and --interact"]),
    ] {
        refused(&folder, flags, 2, parts);
    }
}

#[test]
fn networks_that_memory_has_no_room_for_are_refused_with_what_they_need() {
    let folder = Folder::with_model();
    folder.write("good.ffm", as_ffm(&svm(200)));
    folder.write("good.txt", topics(40, 1));
    let large = u32::MAX.to_string();
    for (data, flags) in [
        ("@digits --kind mlp", "--hidden 4000000,4000000".to_owned()),
        ("good.ffm --kind deep", "--hidden 4000000,4000000".to_owned()),
        ("good.txt --kind text", "--hidden 4000000,4000000".to_owned()),
        // Products and sums that a word of 64 bits has no room for.
        ("@digits --kind mlp", format!("--hidden {large},{large},{large}")),
        ("@digits --kind mlp", format!("--hidden {large},{large},{large},{large},{large} --optimizer sgd")),
        ("good.svm --kind mlp --consistency sync", format!("--hidden 1,{large},{large}")),
    ] {
        refused(
            &folder,
            &format!("{data} {flags}"),
            2,
            &["a network of", "weights needs", "iB", "are free", "--hidden"],
        );
    }
    // A network that is small itself, with batches that are not.
    refused(
        &folder,
        &format!("good.svm --kind mlp --hidden {} --batch 65535", 60_000_000),
        2,
        &["needs", "TiB", "are free", "--batch"],
    );
}

fn warned(run: Run, warning: &str) {
    let run = run.done();
    assert!(run.err.contains(warning), "{run:?}");
}

#[test]
fn one_label_alone_is_said_to_teach_nothing() {
    let folder = Folder::new();
    folder.write("one.svm", "1 1:1 2:0.5\n1 3:1\n".repeat(30));
    folder.write("one.ffm", "1 0:1:1 1:2:0.5\n1 0:3:1\n".repeat(30));
    folder.write("one.txt", "__label__a x y\n__label__a z\n".repeat(30));
    for (data, kind, label) in [("one.svm", "mlp", "1"), ("one.ffm", "deep", "1"), ("one.txt", "text", "a")] {
        let run = folder.run(&["train", data, "--kind", kind, "--model", kind, "--children", "1", "--no-cache"]);
        warned(run, &format!("warning: every row has the label {label}: there is nothing to tell apart"));
        assert_eq!(folder.predictions(kind, data).lines().count(), 60);
    }
    let predictions = folder.predictions("mlp", "one.svm");
    assert!(predictions.lines().all(|line| line.parse::<f32>().unwrap() > 0.5), "{predictions}");
    let same: String = (0..60).map(|x| format!("{x},2.5\n")).collect();
    folder.write("same.csv", "x,label\n".to_owned() + &same);
    let train = ["train", "same.csv", "--kind", "mlp", "--loss", "squared", "--model", "same", "--children", "1"];
    warned(folder.run(&train), "warning: every row has the label 2.5: there is nothing to learn");
    let predictions = folder.predictions("same", "same.csv");
    assert!(predictions.lines().all(|line| (line.parse::<f32>().unwrap() - 2.5).abs() < 0.1), "{predictions}");
}

#[test]
fn text_without_a_label_is_refused_to_be_learned_and_predicted_for() {
    let folder = Folder::with_model();
    let good = topics(40, 1);
    folder.write("t.txt", good.clone() + "w1 w2\n");
    refused(&folder, "t.txt --kind text", 1, &["t.txt:41: no label", "__label__NAME", "\"w1 w2\""]);
    folder.write("good.txt", good);
    folder.run(&["train", "good.txt", "--kind", "text", "--model", "t", "--children", "1"]).done();
    folder.write("none.txt", "w1 w2\n\nnever seen\n");
    assert_eq!(folder.predictions("t", "none.txt").lines().count(), 3);
}

#[test]
fn more_classes_than_were_trained_are_counted_and_left_out() {
    let folder = Folder::new();
    folder.write("c.csv", circles(300, 1));
    folder.write("more.csv", circles(100, 2) + "5000,0.001,unheard\n5001,0.002,of\n");
    folder.write("t.txt", topics(200, 1));
    folder.write("more.txt", topics(100, 2) + "__label__unheard w1\n__label__of w2\n");
    for (data, more, kind) in [("c.csv", "more.csv", "mlp"), ("t.txt", "more.txt", "text")] {
        let train = ["train", data, "--kind", kind, "--model", kind, "--children", "1", "--passes", "3"];
        folder.run(&train).done();
        let run = folder.run(&["eval", kind, more, "--json"]).done();
        assert!(run.err.contains("note: 2 rows with a label that the model was not trained on: left out"), "{run:?}");
        assert_eq!((&run.summary()["unknown_labels"], &run.summary()["rows"]), (&2.into(), &102.into()));
        assert_eq!(folder.predictions(kind, more).lines().count(), 102);
        let resume = folder.run(&["train", more, "--model", kind, "--resume", "--no-cache"]);
        resume.failed_with(1, &["which the model was not trained on"]);
    }
}

#[test]
fn images_of_another_size_are_refused() {
    let folder = Folder::with_model();
    let idx = |code: u8, dimensions: &[u32], numbers: Vec<u8>| {
        let dimensions: Vec<u8> = dimensions.iter().flat_map(|size| size.to_be_bytes()).collect();
        [&[0, 0, code, dimensions.len() as u8 / 4][..], &dimensions, &numbers].concat()
    };
    let pixels = |count: u32| (0..count).map(|at| (at.wrapping_mul(2_654_435_769) >> 24) as u8).collect::<Vec<_>>();
    for (name, width) in [("a", 3), ("b", 4)] {
        folder.write(&format!("{name}-images.idx"), idx(8, &[60, 2, width], pixels(120 * width)));
        folder.write(&format!("{name}-labels.idx"), idx(8, &[60], (0..60).map(|at| at % 2).collect()));
    }
    refused(&folder, "a-images.idx b-images.idx --kind mlp", 1, &["b-images.idx", "2 × 4", "2 × 3"]);
    refused(&folder, "a-images.idx --valid b-images.idx --kind mlp", 1, &["b-images.idx", "2 × 4", "2 × 3"]);
    refused(&folder, "a-images.idx b-images.idx", 1, &["b-images.idx", "2 × 4", "2 × 3"]);
    let both = ["train", "a-images.idx", "a-images.idx", "--kind", "mlp", "--model", "i", "--children", "1"];
    folder.run(&both).done();
    let other = ["b-images.idx", "2 × 4", "trained on images of 2 × 3"];
    folder.run(&["train", "b-images.idx", "--model", "i", "--resume"]).failed_with(1, &other);
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
