//! What is refused, or said, of models with layers: sizes that cannot be, flags of other kinds, networks too large, data that does not go
//! with them.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod common;

use common::planted::{circles, topics, words};
use common::{Folder, Run, as_ffm, csv, keeping_the_model, svm};

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
        (
            "good.svm --kind mlp --hidden none,64",
            &["--hidden none is for no hidden layers: leave out the sizes beside it"],
        ),
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
fn skips_that_lead_nowhere_are_refused() {
    let folder = Folder::with_model();
    folder.write("good.txt", topics(40, 1));
    for (flags, what) in [
        ("mlp --hidden 8,8 --skips 2-1", "--skips 2-1: a skip leads from a layer to a later one, such as 0-2"),
        ("mlp --hidden 8,8 --skips 2-2", "--skips 2-2: a skip leads from a layer to a later one, such as 0-2"),
        (
            "mlp --hidden 8,8 --skips 0-2,1-2",
            "--skips 1-2: layer 2 sees what comes out of 1 as it is: leave this one out",
        ),
        (
            "mlp --hidden 8,8 --skips 0-2,0-4",
            "--skips 0-4: there is no layer 4: the last one is 3, the output, behind 2 hidden",
        ),
        ("mlp --skips 0-4", "the last one is 3, the output, behind 2 hidden layers"),
        ("mlp --hidden 8 --skips 1-3", "the last one is 2, the output, behind 1 hidden layer"),
        ("mlp --hidden 8,8 --skips 0-2,1-3,0-2", "--skips 0-2: is said twice: once will do"),
        ("mlp --hidden 8,8 --skips 2", "must be the numbers of two layers with - between, such as 0-2"),
        ("mlp --hidden 8,8 --skips 0-2,", "must be the numbers of two layers with - between, such as 0-2"),
        ("mlp --hidden 8,8 --skips 0-2-3", "must be the numbers of two layers with - between, such as 0-2"),
        ("mlp --hidden 8,8 --skips=-1-2", "must be the numbers of two layers with - between, such as 0-2"),
        ("linear --skips 0-2", "--skips is for --kind mlp, deep and text; this is linear"),
    ] {
        refused(&folder, &format!("good.svm --kind {flags}"), 2, &["--skips", what]);
    }
    let none = "--skips 0-2: there is no hidden layer to skip: make some by --hidden";
    refused(&folder, "good.txt --kind text --skips 0-2", 2, &[none]);
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
        ("@digits --kind mlp", format!("--hidden {large},{large},{large} --skips 0-2,0-3,0-4,1-3,1-4,2-4")),
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
