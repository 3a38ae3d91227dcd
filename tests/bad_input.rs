//! Wrong data and wrong usage: one clear line, the right exit code, and what was saved before is as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Folder, as_ffm, assert_close, csv, gzip, keeping_the_model, run, svm};

/// Training on `bytes` must fail with `parts` in the message, the name of the file among them; the model that was to be replaced
/// stays.
fn refused(name: &str, bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let folder = Folder::with_model();
    folder.write(name, bytes);
    let run = keeping_the_model(&folder, || folder.run(&["train", name, "--model", "m", "--overwrite"]));
    run.failed_with(1, &[&[name], parts].concat());
    assert!(!folder.has(&format!("{name}.hogcache")), "a cache of bad data");
}

/// The same of data whose line 151 is `line`.
fn refused_line(line: &str, part: &str) {
    let good = svm(200);
    let lines: Vec<&str> = good.lines().collect();
    refused("bad.svm", [&lines[..150], &[line], &lines[150..]].concat().join("\n"), &["bad.svm:151: ", part]);
}

// Data.

#[test]
fn a_missing_file() {
    let folder = Folder::with_model();
    let run = keeping_the_model(&folder, || folder.run(&["train", "no.svm", "--model", "m", "--overwrite"]));
    assert_eq!(run.failed(1), "no.svm: cannot open: no such file or directory");
    folder.run(&["predict", "m", "no.svm"]).failed_with(1, &["no.svm: cannot open"]);
    folder.run(&["eval", "m", "no.svm"]).failed_with(1, &["no.svm: cannot open"]);
}

#[test]
fn an_empty_file() {
    refused("empty.svm", "", &["holds no rows"]);
    refused("blank.svm", "\n\n# nothing\n", &["holds no rows"]);
    refused("header.csv", "a,b,label\n", &["holds no rows"]);
}

#[test]
fn a_directory() {
    let folder = Folder::with_model();
    folder.run(&["train", ".", "--model", "n"]).failed_with(1, &["is a directory: a data file is expected"]);
    folder.run(&["predict", "m", "m"]).failed_with(1, &["m: is a directory"]);
}

#[test]
fn binary_garbage() {
    let garbage: Vec<u8> = (0..4096u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    refused("garbage", &garbage, &["is not text"]);
    refused("garbage.svm", &garbage, &["is not text"]);
    refused("garbage.csv", &garbage, &["is not text"]);
}

#[test]
fn text_of_no_known_format() {
    let parts =
        ["neither libsvm", "nor libffm", "nor csv", "It was a dark night", "--format libsvm|libffm|vw|csv|text|idx"];
    refused("novel", "It was a dark night\nand it rained\n", &parts);
}

#[test]
fn cut_and_damaged_archives() {
    let gzip = gzip(svm(500).as_bytes());
    refused("cut.svm.gz", &gzip[..gzip.len() / 2], &["cut short"]);
    let zstd = zstd::encode_all(svm(500).as_bytes(), 3).unwrap();
    refused("cut.svm.zst", &zstd[..zstd.len() / 2], &["cut short"]);
    let mut flipped = gzip.clone();
    flipped[gzip.len() - 6] ^= 1;
    refused("flipped.svm.gz", flipped, &["the gzip data is damaged"]);
}

#[test]
fn a_line_without_a_label() {
    refused_line("3:1 4:1", "no label: the line begins with \"3:1\", a number was expected");
}

#[test]
fn a_value_that_is_no_number() {
    refused_line("1 3:abc", "\"3:abc\" has a value that is not a number");
    refused_line("1 3:1 word", "\"word\" is not index:value");
    refused_line("yes 3:1", "the label \"yes\" is not a number");
}

#[test]
fn indices_that_are_none() {
    for pair in ["-0:1", "-3:1", "4294967296:1", "99999999999999999999:1"] {
        refused_line(&format!("1 {pair}"), &format!("\"{pair}\" has an index that is not within 0 and 4294967295"));
    }
    let folder = Folder::new();
    folder.write("edge.svm", "1 4294967295:1\n-1 0:1\n".repeat(20));
    folder.run(&["train", "edge.svm"]).done();
}

#[test]
fn numbers_that_are_not_finite() {
    for value in ["nan", "inf", "-inf", "1e99"] {
        refused_line(&format!("1 3:{value}"), "has a value that is not finite");
        refused_line(&format!("{value} 3:1"), "is not finite");
    }
}

#[test]
fn a_libffm_line_that_is_none() {
    let good = as_ffm(&svm(200));
    let lines: Vec<&str> = good.lines().collect();
    for (line, part) in [
        ("1 0:1:1 3:17", "\"3:17\" is not field:index:value"),
        ("1 3::1", "\"3::1\" is not field:index:value"),
        ("1 3:17: 4:1:1", "\"3:17:\" is not field:index:value"),
        ("1 user:17:1", "\"user:17:1\" has a field that is not a whole number within 0 and 65535"),
        ("1 65536:17:1", "\"65536:17:1\" has a field that is not a whole number within 0 and 65535"),
        ("1 3:4294967296:1", "\"3:4294967296:1\" has an index that is not a whole number within 0 and 4294967295"),
        ("1 3:-1:1", "\"3:-1:1\" has an index that is not a whole number"),
        ("1 3:17:x", "\"3:17:x\" has a value that is not a number"),
        ("1 3:17:nan", "\"3:17:nan\" has a value that is not finite"),
        ("0:1:1 1:6:1", "no label: the line begins with \"0:1:1\", a number was expected"),
    ] {
        let text = [&lines[..150], &[line], &lines[150..]].concat().join("\n");
        refused("bad.ffm", &text, &[&format!("bad.ffm:151: {part}")]);
    }
    let folder = Folder::new();
    folder.write("edge.ffm", "1 65535:4294967295:1\n0 0:0:1\n".repeat(20));
    folder.run(&["train", "edge.ffm"]).done();
}

#[test]
fn a_csv_row_too_short_or_too_long() {
    refused("short.csv", csv(30) + "0.5,0.5\n", &["short.csv:32: 2 cells, but 4 columns were expected"]);
    refused("long.csv", csv(30) + "1,1,red,1,1\n", &["long.csv:32: 5 cells, but 4 columns were expected"]);
}

#[test]
fn a_csv_cell_that_is_not_finite() {
    let bad = csv(30) + "inf,0.5,red,1\n";
    refused("bad.csv", bad, &["bad.csv:32: ", "column \"size\"", "\"inf\" is not finite"]);
}

#[test]
fn a_label_that_is_no_column() {
    let folder = Folder::new();
    folder.write("a.csv", csv(30));
    let run = folder.run(&["train", "a.csv", "--label", "lable"]);
    run.failed_with(2, &["--label lable", "a.csv", "did you mean \"label\"?", "size, weight, color, label"]);
    folder.write("b.csv", csv(30).replace("label", "outcome"));
    folder
        .run(&["train", "b.csv"])
        .failed_with(2, &["b.csv: which column is the label?", "size, weight, color, outcome"]);
    folder.write("wide.csv", (0..2000).map(|at| format!("column{at}")).collect::<Vec<_>>().join(",") + "\n");
    folder.run(&["train", "wide.csv"]).failed_with(2, &["column10, column11 and 1988 more"]);
}

#[test]
fn labels_that_do_not_go_with_the_loss() {
    let three: String = csv(30).lines().map(|line| line.replace(",0", ",maybe").replace(",1", ",yes") + "\n").collect();
    let folder = Folder::with_model();
    folder.write("three.csv", three.replacen("maybe\n", "no\n", 1));
    folder.write("three.svm", "1 1:1\n2 2:1\n-3 3:1\n");
    for (data, flags, code, parts) in [
        (
            "three.csv",
            "--loss logistic",
            1,
            &["three.csv: has 3 different labels", "--loss softmax learns several"][..],
        ),
        ("three.svm", "--loss logistic", 1, &["has 3 different labels", "--loss squared learns them as numbers"]),
        ("three.csv", "--loss squared", 1, &["three.csv: the labels are words; --loss squared needs numbers"]),
        ("three.csv", "--loss poisson", 1, &["the labels are words; --loss poisson needs numbers"]),
        ("three.svm", "--loss poisson", 1, &["three.svm: has a label of -3; --loss poisson needs counts"]),
        (
            "three.svm",
            "--class-weight 7:2 --loss softmax",
            2,
            &["--class-weight 7: there is no such class", "-3, 1, 2"],
        ),
        ("three.svm", "--class-weight balanced --loss squared", 2, &["--class-weight is for classes"]),
        ("three.svm", "--quantile 0.9 --loss squared", 2, &["--quantile is for --loss quantile"]),
        ("three.svm", "--l1 1 --optimizer adagrad", 2, &["--l1 needs --optimizer ftrl"]),
        ("three.svm", "--schedule linear --optimizer ftrl", 2, &["leave out --schedule"]),
        ("three.svm", "--quantile 1", 2, &["--quantile", "a number between 0 and 1"]),
        ("three.svm", "--class-weight 1:2,1:3", 2, &["--class-weight", "names the class 1 twice"]),
        ("three.svm", "--class-weight 1:0,2:0,-3:0 --loss softmax", 1, &["three.svm: has no row that weighs anything"]),
        ("three.svm", "--optimizer ftrl --loss squared --lr 1e-40", 2, &["--lr 1e-40 is out of range for this data"]),
        ("three.svm", "--class-weight yes", 2, &["--class-weight", "must be `balanced`, or NAME:FACTOR"]),
        ("three.svm", "--l1 -1", 2, &["--l1", "0 or more"]),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let train = [&["train", data, "--model", "m", "--overwrite", "--no-cache"], &flags[..]].concat();
        keeping_the_model(&folder, || folder.run(&train)).failed_with(code, parts);
    }
    // A model of two classes cannot be taught a third.
    let resume = ["train", "three.svm", "--model", "m", "--resume", "--no-cache"];
    keeping_the_model(&folder, || folder.run(&resume)).failed_with(1, &["rows of class -3", "it knows -1 and 1"]);
    // Nor can what is minimised be changed on the way.
    for (flags, part) in [
        (["--class-weight", "balanced"], "what classes weigh is part of the model: leave out --class-weight"),
        (["--l1", "3"], "the model was trained with --l1 0: leave out --l1"),
        (["--loss", "hinge"], "the model was trained with --loss logistic: leave out --loss"),
    ] {
        let resume = [&["train", "good.svm", "--model", "m", "--resume", "--no-cache"], &flags[..]].concat();
        let run = keeping_the_model(&folder, || folder.run(&resume));
        assert!(run.code == Some(2) && run.err.contains(part), "{run:?}");
    }
}

#[test]
fn classes_that_were_not_trained_are_counted_at_evaluation() {
    let folder = Folder::new();
    folder.write("three.svm", "1 1:1\n2 2:1\n3 3:1\n".repeat(20));
    folder.write("more.svm", "1 1:1\n2 2:1\n7 3:1\n8 1:1\n1 3:1\n2:1\n");
    folder.run(&["train", "three.svm", "--model", "m", "--holdout", "0"]).done();
    let run = folder.run(&["eval", "m", "more.svm", "--json"]).done();
    assert!(run.err.contains("note: 2 rows with a label that the model was not trained on: left out"), "{run:?}");
    assert!(run.err.contains("note: 1 row without a label: left out"), "{run:?}");
    let said = run.summary();
    assert_eq!((&said["unknown_labels"], &said["unlabelled"], &said["rows"]), (&2.into(), &1.into(), &6.into()));
    assert!((run.summary()["eval"]["accuracy"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{run:?}");
    folder.run(&["predict", "m", "more.svm", "--top", "0"]).failed_with(2, &["--top", "1 or more"]);
    folder.write("numbers.svm", "1.5 1:1\n2.5 2:1\n3.25 3:1\n".repeat(20));
    folder.run(&["train", "numbers.svm", "--model", "n"]).done();
    folder.run(&["predict", "n", "more.svm", "--top", "2"]).failed_with(2, &["--top is for classes"]);
}

#[test]
fn data_of_two_kinds() {
    let folder = Folder::with_model();
    folder.write("a.csv", csv(30));
    folder.run(&["train", "good.svm", "a.csv", "--model", "n"]).failed_with(2, &["data of one kind"]);
    folder
        .run(&["predict", "m", "a.csv"])
        .failed_with(1, &["a.csv: this is csv data", "trained on libsvm or idx data"]);
    folder.write("a.ffm", as_ffm(&svm(100)));
    folder.run(&["train", "good.svm", "a.ffm", "--model", "n"]).failed_with(2, &["data of one kind"]);
    folder
        .run(&["predict", "m", "a.ffm"])
        .failed_with(1, &["a.ffm: this is libffm data", "trained on libsvm or idx data"]);
    folder.run(&["train", "a.ffm", "--model", "f"]).done();
    folder.write("a.vw", "1 |a x\n");
    for (data, kind) in [("good.svm", "libsvm"), ("a.csv", "csv"), ("a.vw", "vw")] {
        let parts = [&format!("{data}: this is {kind} data"), "trained on libffm data"];
        folder.run(&["predict", "f", data]).failed_with(1, &parts);
    }
    folder.run(&["train", "a.csv", "--model", "c"]).done();
    folder.run(&["predict", "c", "good.svm"]).failed_with(1, &["good.svm: this is libsvm data", "trained on csv data"]);
}

#[test]
fn bad_lines_in_predict_and_eval_are_named_too() {
    let folder = Folder::with_model();
    folder.write("bad.svm", "1 1:1\n-1 2:x\n");
    for command in ["predict", "eval"] {
        folder.run(&[command, "m", "bad.svm"]).failed_with(1, &["bad.svm:2: \"2:x\" has a value that is not a number"]);
    }
    folder.pipe(&["predict", "m", "-"], "1 1:1\n-1 2:x\n").failed_with(1, &["standard input:2: "]);
    folder.write("other.svm", "7 1:1\n");
    folder
        .run(&["eval", "m", "other.svm"])
        .failed_with(1, &["other.svm: has no row with a label that the model knows"]);
}

#[test]
fn one_class_is_learned_with_a_warning() {
    let folder = Folder::new();
    folder.write("one.svm", "1 1:1 2:1\n1 2:1\n".repeat(50));
    let run = folder.run(&["train", "one.svm"]).done();
    assert!(run.err.starts_with("warning: every row has the label 1: there is nothing to tell apart\n"), "{run:?}");
    let predictions = folder.predictions("hogback-model", "one.svm");
    assert!(predictions.lines().all(|line| line.parse::<f32>().unwrap() > 0.5));
}

#[test]
fn one_rating_is_learned_with_a_warning() {
    let folder = Folder::new();
    folder.write("same.svm", "3 1:1 12:1\n3 2:1 11:1\n3 1:1 11:1\n".repeat(40));
    for kind in ["linear", "fm"] {
        let train = ["train", "same.svm", "--kind", kind, "--loss", "squared", "--model", kind, "--no-cache"];
        let run = folder.run(&train).done();
        assert!(run.err.starts_with("warning: every row has the label 3: there is nothing to learn\n"), "{run:?}");
        let predictions = folder.predictions(kind, "same.svm");
        assert!(predictions.lines().all(|line| (line.parse::<f32>().unwrap() - 3.0).abs() < 0.01), "{predictions}");
        // Two classes are what one label is taken for where nobody says otherwise.
        let train = ["train", "same.svm", "--kind", kind, "--model", kind, "--overwrite", "--no-cache"];
        let run = folder.run(&train).done();
        assert!(run.err.starts_with("warning: every row has the label 3: there is nothing to tell apart\n"), "{run:?}");
    }
}

#[test]
fn a_rating_without_an_item_is_warned_of() {
    let folder = Folder::new();
    let ratings: String = (0..300).map(|at| format!("{}.5 {}:1 {}:1\n", at % 5, 1 + at % 17, 20 + at % 7)).collect();
    let lines: Vec<&str> = ratings.lines().collect();
    let with = |odd: &[&str]| [&lines[..150], odd, &lines[150..]].concat().join("\n") + "\n";
    folder.write("whole.svm", with(&[]));
    folder.write("one.svm", with(&["2.5 3:1"]));
    folder.write("three.svm", with(&["2.5 3:1", "1.5 3:1 21:1", "1.5", "0.5 22:1"]));
    folder.write("values.svm", with(&["2.5 3:0.5"]));
    folder.write("many.svm", with(&["2.5 3:1"; 50]));
    folder.write("longer.svm", with(&["2.5 3:1", "2.5 3:1 21:1 22:1"]));
    let warned = |data: &str, kind: &str| {
        let run = folder.run(&["train", data, "--kind", kind, "--model", "m", "--overwrite", "--passes", "1"]).done();
        run.err.lines().find(|line| line.starts_with("warning: ") && line.contains("fewer than")).map(str::to_owned)
    };
    // From the text, and from its cache.
    for _ in 0..2 {
        let one = "warning: one.svm: 1 row has fewer than the two features of all others, the first is row 151";
        assert_eq!(warned("one.svm", "fm").as_deref(), Some(one));
        let three = "warning: three.svm: 3 rows have fewer than the two features of all others, the first is row 151";
        assert_eq!(warned("three.svm", "fm").as_deref(), Some(three));
    }
    for (data, kind) in
        [("one.svm", "linear"), ("whole.svm", "fm"), ("values.svm", "fm"), ("many.svm", "fm"), ("longer.svm", "fm")]
    {
        assert_eq!(warned(data, kind), None, "{data} {kind}");
    }
}

#[test]
fn factors_that_cannot_be() {
    let folder = Folder::with_model();
    folder.write("good.ffm", as_ffm(&svm(200)));
    for (flags, parts) in [
        ("good.svm --kind fm --rank 0", &["--rank", "a whole number, 1 or more"][..]),
        ("good.svm --kind fm --rank 65536", &["--rank", "is too large"]),
        ("good.svm --kind fm --rank many", &["--rank", "a whole number"]),
        ("good.svm --kind fmm", &["--kind", "linear, fm, ffm"]),
        ("good.svm --kind linear --rank 4", &["--rank is for --kind fm, ffm and deep, --dim for text; this is linear"]),
        ("good.svm --rank 4", &["--rank is for --kind fm, ffm and deep, --dim for text; this is linear"]),
        ("good.svm --kind ffm", &["--kind ffm needs fields", "good.svm is libsvm", "--kind fm learns without"]),
        ("good.ffm --kind ffm --interact ::", &["--kind ffm needs fields", "leave out --bits and --interact"]),
        ("good.svm --kind fm --optimizer sgd", &["--kind fm is learned by adagrad; this is --optimizer sgd"]),
        ("good.ffm --kind ffm --optimizer ftrl", &["--kind ffm is learned by adagrad; this is --optimizer ftrl"]),
        ("good.svm --kind fm --l1 1", &["--l1", "this is --kind fm, which --l2 is for"]),
        ("good.svm --kind fm --loss hinge", &["--loss logistic, softmax or squared; this is hinge"]),
        ("good.svm --kind fm --loss poisson", &["--loss logistic, softmax or squared; this is poisson"]),
        ("good.ffm --kind ffm --loss quantile", &["--loss logistic, softmax or squared; this is quantile"]),
        ("good.svm --kind fm --l2 -1", &["--l2", "a number, 0 or more"]),
        ("good.svm --kind fm --lr 1e-40", &["--lr 1e-40 is out of range for this data"]),
    ] {
        let flags: Vec<&str> = flags.split(' ').collect();
        let train = [&["train", "--model", "m", "--overwrite", "--no-cache"], &flags[..]].concat();
        keeping_the_model(&folder, || folder.run(&train)).failed_with(2, parts);
    }
    // What a model is cannot be changed on the way.
    for (model, kind) in [("m", "linear"), ("f", "fm")] {
        if kind == "fm" {
            folder.run(&["train", "good.svm", "--kind", "fm", "--model", "f", "--no-cache"]).done();
        }
        for (flags, part) in [
            (["--kind", "ffm"], format!("the model was trained with --kind {kind}: leave out --kind")),
            (["--rank", "5"], if kind == "fm" { "the model was trained with --rank 4" } else { "--rank" }.to_owned()),
        ] {
            let resume = [&["train", "good.svm", "--model", model, "--resume", "--no-cache"], &flags[..]].concat();
            folder.run(&resume).failed_with(2, &[&part]);
        }
    }
}

#[test]
fn factors_that_memory_has_no_room_for_are_refused_before_any_is_made() {
    let folder = Folder::with_model();
    // A vector of 65,535 numbers for each of 4,000 fields, of 4,000 features: four tebibytes.
    let line = |at: u32| (0..10).map(|nth| format!(" {}:{at}:1", 10 * at + nth)).collect::<String>();
    folder.write("wide.ffm", (0..400).map(|at| format!("{}{}\n", at % 2, line(at))).collect::<String>());
    let train = ["train", "wide.ffm", "--kind", "ffm", "--rank", "65535", "--model", "m", "--overwrite", "--no-cache"];
    let run = keeping_the_model(&folder, || folder.run(&train));
    run.failed_with(
        2,
        &["--rank 65535 needs 7.", "TiB for 4,000 features and 4,000 fields", "are free", "a smaller --rank"],
    );
    let row = |at: u32| format!("{} {at}:0:1 {}:0:1\n", at % 2, at + 1);
    folder.write("fields.ffm", (0..5000).map(row).collect::<String>());
    let train = ["train", "fields.ffm", "--kind", "ffm", "--model", "m", "--overwrite", "--no-cache"];
    let run = keeping_the_model(&folder, || folder.run(&train));
    run.failed_with(1, &["fields.ffm: has 5001 fields: at most 4096 can be learned"]);
}

#[test]
fn a_field_that_the_model_has_not_is_refused_to_be_learned_and_left_out_of_predictions() {
    let folder = Folder::new();
    folder.write("good.ffm", as_ffm(&svm(200)));
    folder.write("new.ffm", as_ffm(&svm(50)) + "1 0:1:1 9:77:1\n");
    folder.run(&["train", "good.ffm", "--kind", "ffm", "--model", "f", "--no-cache"]).done();
    let before = folder.model_bytes("f");
    let resume = folder.run(&["train", "new.ffm", "--model", "f", "--resume", "--no-cache"]);
    resume.failed_with(1, &["new.ffm: has field 9, which the model has not", "train a new one"]);
    assert_eq!(folder.model_bytes("f"), before);
    let run = folder.run(&["predict", "f", "new.ffm"]).done();
    assert!(run.err.contains("note: 1 value of features that the model does not know: ignored"), "{run:?}");
    folder.write("known.ffm", as_ffm(&svm(50)) + "1 0:1:1\n");
    assert_eq!(run.out, folder.predictions("f", "known.ffm"));
}

#[test]
fn unsorted_and_repeated_indices_are_the_row_they_amount_to() {
    let folder = Folder::with_model();
    folder.write("repeated.svm", "9:1 2:1.5 9:0.5 2:-0.5 30:1\n7:1 1:1\n");
    folder.write("merged.svm", "9:1.5 2:1 30:1\n7:1 1:1\n");
    folder.write("sorted.svm", "2:1 9:1.5 30:1\n1:1 7:1\n");
    let repeated = folder.predictions("m", "repeated.svm");
    assert_eq!(repeated, folder.predictions("m", "merged.svm"));
    assert_close(&repeated, &folder.predictions("m", "sorted.svm"));

    let merged = "1 9:1.5 2:1\n-1 7:1 1:1\n".repeat(30);
    folder.write("repeated.svm", "1 9:1 2:1 9:0.5\n-1 7:1 1:1\n".repeat(30));
    folder.write("merged.svm", merged);
    for name in ["repeated", "merged"] {
        folder.run(&["train", &format!("{name}.svm"), "--model", name, "--children", "1"]).done();
    }
    assert_eq!(folder.predictions("repeated", "good.svm"), folder.predictions("merged", "good.svm"));
}

#[test]
fn two_classes_never_become_one() {
    let folder = Folder::new();
    folder.write("close.svm", "5 1:1\n16777216 1:1\n16777217 2:1\n5 2:1\n".repeat(10));
    folder.write("one.svm", "16777216 1:1\n16777217 2:1\n".repeat(10));
    folder.write("close.csv", "x,label\n1,16777216\n\n0,16777219.0\n");
    folder.write("close.vw", "16777216 |a x\n16777217 2 'tag|a y\n");
    let labels = [16_777_216i32, 16_777_217].map(i32::to_be_bytes).concat();
    folder.write("x-images.idx", [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2]);
    folder.write("x-labels.idx", [&[0, 0, 12, 1, 0, 0, 0, 2][..], &labels].concat());
    for (data, at) in [
        ("close.svm", "close.svm:3: the label 16777217 is a class"),
        ("one.svm", "one.svm:2: the label 16777217 is a class"),
        ("close.vw", "close.vw:2: the label 16777217 is a class"),
        ("close.csv", "close.csv:4: the label 16777219.0 is a class"),
        ("x-images.idx", "x-images.idx:2: the label 16777217 is a class"),
    ] {
        // From the cache as well.
        for _ in 0..2 {
            folder.run(&["train", data, "--model", "n"]).failed_with(1, &[at, "within ±16777216", "--loss squared"]);
        }
        assert!(folder.has(&format!("{data}.hogcache")) && !folder.has("n"));
        folder.run(&["train", data, "--loss", "squared", "--model", "n"]).done();
        std::fs::remove_dir_all(folder.path("n")).unwrap();
    }
    // Numbers are rounded, and classes may be as large as they like if they are exact.
    let rows: String = (0..300).map(|row| format!("{} 1:{row}\n", 123_456_789 + row)).collect();
    folder.write("numbers.svm", rows);
    folder.run(&["train", "numbers.svm", "--model", "n"]).done();
    folder.write("exact.svm", "16777216 1:1\n16777218 2:1\n".repeat(10));
    folder.run(&["train", "exact.svm"]).done();
}

// Usage.

#[test]
fn wrong_usage_is_one_line() {
    let folder = Folder::with_model();
    folder.write("a.ffm", as_ffm(&svm(30)));
    folder.write("a.csv", csv(30));
    for (arguments, parts) in [
        ("train", &["<DATA>", "--help"][..]),
        ("trian good.svm", &["'trian'", "'train'"]),
        ("train good.svm --pases 3", &["--pases", "--passes"]),
        ("train good.svm --children 0", &["--children", "whole number, 1 or more"]),
        ("train good.svm --children -2", &["--children", "whole number, 1 or more"]),
        ("train good.svm --children two", &["--children", "whole number, 1 or more"]),
        ("train good.svm --children 1000", &["--children is 1000, must be at most 256"]),
        ("train good.svm --passes 0", &["--passes", "whole number, 1 or more"]),
        ("train good.svm --merge 70000", &["--merge", "too large"]),
        ("train good.svm --lr -1", &["--lr", "'-1'", "a number above 0"]),
        ("train good.svm --l2 nan", &["--l2", "a number, 0 or more"]),
        ("train good.svm --holdout 1", &["--holdout", "a share of the rows"]),
        ("train good.svm --holdout 0.1 --valid good.svm", &["--valid", "--holdout"]),
        ("train good.svm --model m --resume --overwrite", &["--resume", "--overwrite"]),
        ("train good.svm --kind boosted", &["'boosted'", "linear"]),
        ("train good.svm --loss tropical", &["'tropical'", "logistic, hinge, squared"]),
        ("train good.svm --format pdf", &["'pdf'", "auto, libsvm, libffm, csv, vw, text, idx"]),
        ("train @adults", &["@adults", "@adult, @digits", "./@adults"]),
        ("train - -", &["standard input (-) can be read only once"]),
        ("train good.svm --label y --model n", &["good.svm is libsvm data, which has no columns: leave out --label"]),
        ("train a.ffm --label y --model n", &["a.ffm is libffm data, which has no columns: leave out --label"]),
        ("train a.ffm --ignore 3 --model n", &["a.ffm is libffm data, which has no columns: leave out --ignore"]),
        ("train a.ffm --interact 1:2 --model n", &["libffm data", "no namespaces or columns: leave out --interact"]),
        ("train a.csv --ignore colour --model n", &["--ignore colour", "did you mean \"color\"?"]),
        (
            "train a.ffm --categorical 3 --model n",
            &["a.ffm is libffm data, which has no columns: leave out --categorical"],
        ),
        ("train good.svm --categorical 3 --model n", &["which has no columns: leave out --categorical"]),
        (
            "train a.csv --categorical size,colour --model n",
            &["--categorical colour: a.csv has no such column", "size, weight, color, label"],
        ),
        ("train a.csv --categorical label --model n", &["--categorical label: this column is the label"]),
        ("predict m a.csv --categorical size", &["--categorical"]),
        ("train a.csv --ignore label --model n", &["--ignore label: this column is the label"]),
        ("predict m", &["<DATA>"]),
        ("eval m good.svm more.svm", &["'more.svm'"]),
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let run = keeping_the_model(&folder, || folder.run(&arguments));
        run.failed_with(2, parts);
        assert!(run.out.is_empty(), "{run:?}");
    }
}

#[test]
fn an_existing_model_is_refused_without_a_word_on_what_to_do_with_it() {
    let folder = Folder::with_model();
    let run = keeping_the_model(&folder, || folder.run(&["train", "good.svm", "--model", "m"]));
    run.failed_with(2, &["exists: --resume goes on with it, --overwrite replaces it"]);
}

#[test]
fn there_is_nothing_to_resume() {
    let folder = Folder::with_model();
    folder.run(&["train", "good.svm", "--model", "none", "--resume"]).failed_with(1, &["none: no such model"]);
    folder.run(&["train", "good.svm", "--resume"]).failed_with(1, &["hogback-model: no such model"]);
}

#[test]
fn more_children_than_cores_are_warned_of() {
    let folder = Folder::with_model();
    let run = folder.run(&["train", "good.svm", "--model", "n", "--children", "200"]).done();
    assert!(run.err.starts_with("warning: ") && run.err.contains("200 children share "), "{run:?}");
}

#[test]
fn kernels_that_this_machine_has_not() {
    let folder = Folder::with_model();
    for arguments in [&["train", "good.svm", "--model", "n"][..], &["predict", "m", "good.svm"], &["topology"]] {
        let run = run(folder.command(arguments).env("HOGBACK_KERNELS", "nonsense"));
        run.failed_with(2, &["HOGBACK_KERNELS=nonsense: this machine has scalar"]);
    }
}
