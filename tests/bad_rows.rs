//! `--skip-bad-rows`: what is left of a file is what it would be without its bad rows, and how many there were is always said.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Folder, Run, csv, gzip, svm};

fn train(folder: &Folder, data: &str, model: &str, flags: &[&str]) -> Run {
    folder.run(&[&["train", data, "--model", model, "--children", "1", "--passes", "3"], flags].concat())
}

/// `text` with each of `bad` as its line of that number, from 1.
fn with(text: &str, bad: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    bad.iter().for_each(|&(number, line)| lines.insert(number - 1, line));
    lines.join("\n") + "\n"
}

const BAD_SVM: [(usize, &str); 4] =
    [(17, "1 3:1 4000000000:1 11:x"), (18, "no 3:1"), (90, "3:1 4:1"), (204, "1 5:1 5:inf")];

#[test]
fn the_model_is_that_of_the_rows_that_are_left() {
    let folder = Folder::with_model();
    let bad = with(&svm(200), &BAD_SVM);
    folder.write("bad.svm", &bad);
    train(&folder, "bad.svm", "n", &[]).failed_with(1, &["bad.svm:17: \"11:x\" has a value that is not a number"]);
    let warning =
        "warning: bad.svm: 4 bad rows skipped, the first at bad.svm:17: \"11:x\" has a value that is not a number\n";
    for flags in [&["--no-cache"][..], &[]] {
        let run =
            train(&folder, "bad.svm", "n", &[&["--skip-bad-rows", "--overwrite", "--json"], flags].concat()).done();
        assert!(run.err.starts_with(warning), "{run:?}");
        assert_eq!((run.summary()["rows"].as_u64(), run.summary()["skipped_rows"].as_u64()), (Some(200), Some(4)));
        assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
    }
    // And from the cache, which does not serve who wants no row skipped.
    let cached = train(&folder, "bad.svm", "n", &["--skip-bad-rows", "--overwrite"]).done();
    assert!(cached.err.starts_with(warning) && cached.err.contains("from the cache"), "{cached:?}");
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
    train(&folder, "bad.svm", "n", &["--overwrite"]).failed_with(1, &["bad.svm:17: "]);
    folder.write("bad.svm.gz", gzip(bad.as_bytes()));
    let piped = folder.pipe(
        &["train", "-", "--model", "n", "--overwrite", "--skip-bad-rows", "--children", "1", "--passes", "3"],
        folder.read("bad.svm.gz"),
    );
    assert!(
        piped.done().err.starts_with("warning: standard input: 4 bad rows skipped, the first at standard input:17: ")
    );
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
}

#[test]
fn a_cache_without_bad_rows_serves_both() {
    let folder = Folder::with_model();
    for (first, then) in [(&["--skip-bad-rows"][..], &[][..]), (&[], &["--skip-bad-rows"])] {
        let run = train(&folder, "good.svm", "n", &[&["--overwrite", "--cache", "c"], first].concat()).done();
        assert!(!run.err.contains("bad row"), "{run:?}");
        let again = train(&folder, "good.svm", "n", &[&["--overwrite", "--cache", "c"], then].concat()).done();
        assert!(again.err.contains("from the cache") && !again.err.contains("bad row"), "{again:?}");
        std::fs::remove_dir_all(folder.path("c")).unwrap();
    }
}

#[test]
fn every_row_has_its_line_of_predictions() {
    let folder = Folder::with_model();
    let rows = 60_000;
    let text = svm(rows);
    // More than a chunk is parsed by several threads; the first and the last row are bad as well.
    let places: Vec<usize> = (1..=rows).step_by(7919).chain([2, rows]).collect();
    let bad: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, line)| line.to_owned() + if places.contains(&(at + 1)) { " 1:x\n" } else { "\n" })
        .collect();
    let bad = bad.concat() + "# no row\n\n1 -1:1\n";
    folder.write("all.svm", &text);
    folder.write("bad.svm", &bad);
    let clean = folder.predictions("m", "all.svm");
    let run = folder.run(&["predict", "m", "bad.svm", "--skip-bad-rows"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!((lines.len(), lines[rows]), (rows + 1, "nan"));
    for (at, (line, good)) in lines.iter().zip(clean.lines()).enumerate() {
        assert_eq!(*line, if places.contains(&(at + 1)) { "nan" } else { good }, "row {}", at + 1);
    }
    let what = "\"1:x\" has a value that is not a number";
    assert_eq!(run.err, format!("warning: bad.svm: 11 bad rows skipped, the first at bad.svm:1: {what}\n"));
    let piped = folder.pipe(&["predict", "m", "-", "--skip-bad-rows"], &bad).done();
    assert_eq!(piped.out, run.out);

    let left: String = bad
        .lines()
        .filter(|line| !line.ends_with(":x") && !line.ends_with(" -1:1"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    folder.write("left.svm", left);
    let eval = |data: &str| folder.run(&["eval", "m", data, "--json", "--skip-bad-rows"]).done();
    assert_eq!(eval("bad.svm").summary()["eval"], eval("left.svm").summary()["eval"]);
    assert_eq!(eval("bad.svm").summary()["skipped_rows"], 11);
    assert_eq!(eval("bad.svm").err, run.err);
    assert_eq!(eval("left.svm").err, "");
    folder.run(&["predict", "m", "bad.svm"]).failed_with(1, &["bad.svm:1: "]);
}

#[test]
fn bad_rows_of_csv_leave_no_keys_and_no_classes() {
    let folder = Folder::new();
    let text = csv(200).replace(",1\n", ",yes\n").replace(",0\n", ",no\n");
    folder.write("good.csv", &text);
    train(&folder, "good.csv", "m", &[]).done();
    let bad = with(
        &text,
        &[
            (9, "0.5,0.5,purple"),
            (40, "0.5,inf,purple,no"),
            (41, "0.5,0.5,purple,"),
            (60, "0.5,0.5,\"purple,yes"),
            (61, "0.5,0.5,red,maybe,yes"),
        ],
    );
    folder.write("bad.csv", &bad);
    let run = train(&folder, "bad.csv", "n", &["--skip-bad-rows"]).done();
    assert!(
        run.err.starts_with("warning: bad.csv: 5 bad rows skipped, the first at bad.csv:9: 3 cells, but 4"),
        "{run:?}"
    );
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
    // To a model, words in a column of numbers are bad too.
    folder.write("new.csv", "size,weight,color\n0.1,0.2,red\nbig,0.2,red\n0.1,0.2,\"red\n0.1,0.2,red\n");
    let run = folder.run(&["predict", "m", "new.csv", "--skip-bad-rows"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines.len() == 4 && lines[1] == "nan" && lines[2] == "nan" && lines[0] == lines[3], "{run:?}");
    assert!(
        run.err.contains("2 bad rows skipped, the first at new.csv:3: column \"size\": \"big\" is not a number"),
        "{run:?}"
    );
}

#[test]
fn bad_lines_of_vowpal_wabbit_leave_no_names() {
    let folder = Folder::new();
    let text: String = svm(200).lines().map(|line| line.replacen(' ', " |n ", 1) + " |w x:2\n").collect();
    folder.write("good.vw", &text);
    train(&folder, "good.vw", "m", &[]).done();
    let bad =
        with(&text, &[(3, "1 |n 3:1 new |w x:1y"), (4, "1 |n new 3:3e38 3:3e38"), (90, "yes |n new"), (91, "new")]);
    folder.write("bad.vw", [bad.as_bytes(), b"1 |n new \xff\n"].concat());
    let run = train(&folder, "bad.vw", "n", &["--skip-bad-rows"]).done();
    assert!(run.err.starts_with("warning: bad.vw: 5 bad rows skipped, the first at bad.vw:3: "), "{run:?}");
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
    let run = folder.run(&["predict", "m", "bad.vw", "--skip-bad-rows"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert_eq!(lines.iter().filter(|&&line| line == "nan").count(), 5);
    assert!(lines.len() == 205 && lines[2] == "nan" && lines[204] == "nan", "{run:?}");
}

#[test]
fn images_that_are_bad_take_their_labels_with_them() {
    let folder = Folder::new();
    let images = |pixels: &[f32]| {
        let header = [0, 0, 0x0D, 2, 0, 0, 0, (pixels.len() / 2) as u8, 0, 0, 0, 2];
        [&header[..], &pixels.iter().flat_map(|pixel| pixel.to_be_bytes()).collect::<Vec<u8>>()].concat()
    };
    let labels = |labels: &[u8]| [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8][..], labels].concat();
    folder.write("good-images.idx", images(&[1.0, 2.0, 3.0, 0.5, 2.0, 2.0]));
    folder.write("good-labels.idx", labels(&[0, 1, 0]));
    folder.write("bad-images.idx", images(&[1.0, 2.0, 3.0, f32::NAN, 3.0, 0.5, 2.0, 2.0]));
    folder.write("bad-labels.idx", labels(&[0, 1, 1, 0]));
    train(&folder, "good-images.idx", "m", &["--holdout", "0"]).done();
    let run = train(&folder, "bad-images.idx", "n", &["--holdout", "0", "--skip-bad-rows"]).done();
    assert!(
        run.err.starts_with("warning: bad-images.idx: 1 bad row skipped, at bad-images.idx:2: pixel 2 of"),
        "{run:?}"
    );
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
    let run = folder.run(&["predict", "m", "bad-images.idx", "--skip-bad-rows"]).done();
    assert_eq!(run.out.lines().nth(1), Some("nan"));
}

#[test]
fn a_file_of_nothing_but_bad_rows_is_an_error() {
    let folder = Folder::with_model();
    folder.write("none.svm", "1 x\n\n2 -1:1\n");
    for arguments in ["train none.svm --model n", "eval m none.svm", "train good.svm --valid none.svm --model n"] {
        let arguments: Vec<&str> = arguments.split(' ').chain(["--skip-bad-rows"]).collect();
        folder.run(&arguments).failed_with(1, &["none.svm: holds no good row; the first one is none.svm:1: \"x\""]);
    }
    let run = folder.run(&["predict", "m", "none.svm", "--skip-bad-rows"]);
    run.failed_with(1, &["none.svm: holds no good row"]);
    assert_eq!(run.out, "nan\nnan\n");
    assert!(!folder.has("none.svm.hogcache") && !folder.has("n"));
    // What ends a file too early is no bad row.
    folder.write("cut.svm.gz", &gzip(svm(100).as_bytes())[..200]);
    train(&folder, "cut.svm.gz", "n", &["--skip-bad-rows"]).failed_with(1, &["cut short"]);
}
