//! Data in every format and on every way in: the same data makes the same model, and predictions come in the order of their rows.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};

use common::{Folder, as_ffm, assert_close, csv, gzip, svm, watch};

/// Trains on `data` with one child into the model `model`.
fn train(folder: &Folder, model: &str, data: &[&str], flags: &[&str]) -> String {
    folder.run(&[&["train", "--model", model, "--children", "1"], data, flags].concat()).done().err
}

#[test]
fn the_same_data_by_any_way_is_the_same_model() {
    let folder = Folder::new();
    // Both halves have the same rows but for their order, so that the keys of the first half fall in frequency as those of all do.
    let half = svm(300);
    let turned: Vec<&str> = half.lines().rev().collect();
    let all = half.clone() + &turned.join("\n") + "\n";
    folder.write("all.svm", &all);
    folder.write("first.svm", &half);
    folder.write("second.libsvm", turned.join("\n"));
    folder.write("all.svm.gz", gzip(all.as_bytes()));
    folder.write("all.svm.zst", zstd::encode_all(all.as_bytes(), 3).unwrap());
    folder.write("named otherwise", &all);
    folder.write("windows.svm", all.replace('\n', "\r\n"));

    train(&folder, "plain", &["all.svm"], &["--no-cache"]);
    let plain = folder.model_bytes("plain");
    assert!(!folder.has("all.svm.hogcache"));
    for (model, data) in [
        ("gzip", &["all.svm.gz"][..]),
        ("zstd", &["all.svm.zst"]),
        ("text", &["all.svm"]),
        ("cache", &["all.svm"]),
        ("sniffed", &["named otherwise"]),
        ("windows", &["windows.svm"]),
        ("two", &["first.svm", "second.libsvm"]),
    ] {
        let said = train(&folder, model, data, &[]);
        assert_eq!(folder.model_bytes(model), plain, "{model}");
        assert_eq!(said.contains("from the cache"), model == "cache", "{said}");
    }
    for (model, input) in [("piped", all.as_bytes().to_vec()), ("piped gzip", gzip(all.as_bytes()))] {
        folder.pipe(&["train", "-", "--model", model, "--children", "1"], input).done();
        assert_eq!(folder.model_bytes(model), plain, "{model}");
    }
    for data in ["all.svm.gz", "all.svm.zst", "windows.svm"] {
        assert_eq!(folder.predictions("plain", data), folder.predictions("plain", "all.svm"), "{data}");
    }
}

#[test]
fn indices_count_from_0_as_well_as_from_1() {
    let folder = Folder::new();
    let from_1 = svm(300);
    let pair = |pair: &str| match pair.split_once(':') {
        Some((index, value)) => format!("{}:{value}", index.parse::<u32>().unwrap() - 1),
        None => pair.to_owned(),
    };
    let from_0: String =
        from_1.lines().map(|line| line.split(' ').map(pair).collect::<Vec<_>>().join(" ") + "\n").collect();
    folder.write("one.svm", &from_1);
    folder.write("zero.svm", &from_0);
    for model in ["one", "zero"] {
        train(&folder, model, &[&format!("{model}.svm")], &[]);
    }
    assert_eq!(folder.predictions("zero", "zero.svm"), folder.predictions("one", "one.svm"));
    let said = train(&folder, "cached", &["zero.svm"], &[]);
    assert!(said.contains("from the cache"), "{said}");
    folder.pipe(&["train", "-", "--model", "piped", "--children", "1"], &from_0).done();
    for model in ["cached", "piped"] {
        assert_eq!(folder.model_bytes(model), folder.model_bytes("zero"), "{model}");
    }
    let names = folder.run(&["inspect", "zero", "--top", "40"]).done().out;
    assert!(names.split_whitespace().any(|word| word == "0"), "{names}");

    // However it is written, and wherever it stands.
    folder.write("odd.svm", "0:1 7:1\n1 7:1 0:1\n1 00:0.25 7:1e0 0:0.75\n+1 0:1 7:1 9999:0\n");
    let odd = folder.predictions("zero", "odd.svm");
    assert_close(&odd, &odd.lines().next().map(|line| format!("{line}\n").repeat(4)).unwrap());
    // Hashed, it is the feature that vw calls 0.
    let vw: String = from_0.lines().map(|line| line.replacen(' ', " | ", 1) + "\n").collect();
    folder.write("zero.vw", vw);
    for (model, data) in [("numbers", "zero.svm"), ("names", "zero.vw")] {
        train(&folder, model, &[data], &["--bits", "12"]);
    }
    assert_eq!(folder.model_bytes("numbers"), folder.model_bytes("names"));
}

#[test]
fn a_model_of_libffm_is_that_of_the_same_data_as_libsvm() {
    let folder = Folder::new();
    folder.write("a.svm", svm(300));
    let ffm = as_ffm(&svm(300));
    folder.write("a.ffm", &ffm);
    folder.write("b.libffm.gz", gzip(ffm.as_bytes()));
    folder.write("windows", format!("# no name tells it\n\n{}", ffm.replace('\n', " # 1:2:3\r\n")));
    let said = train(&folder, "svm", &["a.svm"], &["--kind", "linear"]);
    let lines =
        |said: &str| said.lines().filter(|line| line.contains("logloss")).map(str::to_owned).collect::<Vec<_>>();
    let expected = folder.predictions("svm", "a.svm");
    for (model, data) in [("text", "a.ffm"), ("cache", "a.ffm"), ("packed", "b.libffm.gz"), ("sniffed", "windows")] {
        let said_here = train(&folder, model, &[data], &["--kind", "linear"]);
        assert_eq!(said_here.contains("from the cache"), model == "cache", "{said_here}");
        assert_eq!(lines(&said_here).last(), lines(&said).last(), "{model}");
        assert_eq!(folder.predictions(model, data), expected, "{model}");
    }
    folder.pipe(&["train", "-", "--model", "piped", "--children", "1"], &ffm).done();
    assert_eq!(folder.model_bytes("piped"), folder.model_bytes("text"));
    let eval = |model: &str, data: &str| folder.run(&["eval", model, data, "--json"]).done().summary()["eval"].clone();
    assert_eq!(eval("text", "a.ffm"), eval("svm", "a.svm"));
    let inspected = folder.run(&["inspect", "text"]).done().out;
    assert!(inspected.contains("5:26"), "{inspected}");
    // Without labels, numbers written otherwise, repeated keys, and one that is new: its index is known under another field.
    let odd = "0:1:0.5 0:1:0.5 1:8:1\n00:001:1 1:8:1\n+1 1:8:0.25 0:1:1e0 1:8:0.75 0:8:1\n1 0:1:1 1:8:1\n";
    let run = folder.pipe(&["predict", "text", "-", "--format", "libffm"], odd).done();
    assert_eq!(run.err, "note: 1 value of features that the model does not know: ignored\n");
    assert_close(&run.out, &run.out.lines().next().map(|line| format!("{line}\n").repeat(4)).unwrap());
}

#[test]
fn hashed_libffm_is_hashed_vw_whose_namespaces_are_its_fields() {
    let folder = Folder::new();
    let ffm = as_ffm(&svm(200));
    let feature =
        |word: &str| word.split_once(':').map_or(word.to_owned(), |(field, feature)| format!("|{field} {feature}"));
    let vw: String =
        ffm.lines().map(|line| line.split(' ').map(feature).collect::<Vec<_>>().join(" ") + "\n").collect();
    folder.write("a.ffm", &ffm);
    folder.write("a.vw", vw);
    for (model, data) in [("ffm", "a.ffm"), ("vw", "a.vw")] {
        train(&folder, model, &[data], &["--bits", "12"]);
    }
    assert_eq!(folder.model_bytes("ffm"), folder.model_bytes("vw"));
    assert_eq!(folder.predictions("vw", "a.ffm"), folder.predictions("ffm", "a.vw"));
}

#[test]
fn caches_stand_where_they_are_wanted() {
    let folder = Folder::new();
    folder.write("a.svm", svm(50));
    train(&folder, "one", &["a.svm"], &["--cache", "made/caches"]);
    assert!(!folder.has("a.svm.hogcache") && folder.has("made/caches"));
    folder.write("b.svm", svm(50));
    assert!(
        train(&folder, "other", &["b.svm"], &["--cache", "made/caches"]).starts_with("data "),
        "it is made without a word"
    );
    assert!(train(&folder, "two", &["a.svm", "b.svm"], &["--cache", "made/caches"]).contains("from the cache"));
    assert!(train(&folder, "three", &["a.svm"], &[]).contains("read in"));
    // Changed data makes a new one.
    folder.write("a.svm", svm(51));
    assert!(
        train(&folder, "four", &["a.svm"], &[]).starts_with("data      51 rows, 30 features, 306 nonzeros, read in")
    );
}

#[test]
fn csv_is_read_whatever_stands_between_its_cells() {
    let folder = Folder::new();
    let comma = csv(200);
    folder.write("comma.csv", &comma);
    train(&folder, "comma", &["comma.csv"], &[]);
    let predictions = folder.predictions("comma", "comma.csv");
    for (name, delimiter) in [("tabs.tsv", "\t"), ("semicolons.csv", ";"), ("bars.txt", "|")] {
        folder.write(name, comma.replace(',', delimiter));
        train(&folder, name.split('.').next().unwrap(), &[name], &[]);
        assert_eq!(folder.model_bytes(name.split('.').next().unwrap()), folder.model_bytes("comma"), "{name}");
        assert_eq!(folder.predictions("comma", name), predictions, "{name}");
    }
    let quoted = comma.replace("red", "\"red\"").replace("size", "\"size\"").replace('\n', "\r\n");
    folder.write("quoted.csv", quoted);
    assert_eq!(folder.predictions("comma", "quoted.csv"), predictions);
}

#[test]
fn a_csv_label_is_found_by_name() {
    let folder = Folder::new();
    folder.write("label.csv", csv(200));
    folder.write("outcome.csv", csv(200).replace("label", "outcome"));
    train(&folder, "label", &["label.csv"], &[]);
    train(&folder, "outcome", &["outcome.csv"], &["--label", "outcome"]);
    assert_eq!(folder.model_bytes("outcome"), folder.model_bytes("label"));
    let eval = |model: &str, data: &str| folder.run(&["eval", model, data, "--json"]).done().summary()["eval"].clone();
    assert_eq!(eval("outcome", "outcome.csv"), eval("label", "label.csv"));
    assert!(eval("label", "label.csv")["auc"].as_f64().unwrap() > 0.9);
    // A model of other columns can be held against data whose label is called otherwise.
    let run = folder.run(&["eval", "label", "outcome.csv", "--label", "outcome", "--json"]).done();
    assert_eq!(run.summary()["eval"], eval("label", "label.csv"));
}

#[test]
fn a_number_can_be_the_label() {
    let folder = Folder::new();
    folder.write("a.csv", csv(200));
    let said = train(&folder, "m", &["a.csv"], &["--label", "size", "--ignore", "label"]);
    assert!(said.contains("squared loss") && said.contains("held-out rmse "), "{said}");
    let run = folder.run(&["eval", "m", "a.csv", "--json"]).done();
    assert!(run.summary()["eval"]["rmse"].as_f64().unwrap() < 0.35, "{run:?}");
}

#[test]
fn words_can_be_the_label() {
    let folder = Folder::new();
    let words = csv(200).replace(",1\n", ",yes\n").replace(",0\n", ",no\n");
    folder.write("words.csv", words);
    folder.write("numbers.csv", csv(200));
    train(&folder, "words", &["words.csv"], &[]);
    train(&folder, "numbers", &["numbers.csv"], &[]);
    assert_eq!(folder.predictions("words", "words.csv"), folder.predictions("numbers", "numbers.csv"));
    let eval = |name: &str| {
        let run = folder.run(&["eval", name, &format!("{name}.csv"), "--json"]).done();
        run.summary()["eval"].clone()
    };
    assert_eq!(eval("words"), eval("numbers"));
}

/// Ratings by users of movies, whose ids are numbers, or words that begin as `marks` say.
fn ratings([user, movie]: [&str; 2]) -> String {
    let row = |at: usize| {
        let (id, other) = (at * 7 % 23, at * 11 % 37);
        let rating = (id * 13 % 5 + other * 17 % 7 + at % 2) as f64 / 2.0;
        format!("{user}{id},{movie}{other},{rating},{}\n", 800_000_000 + at)
    };
    "userId,movieId,rating,timestamp\n".to_owned() + &(0..600).map(row).collect::<String>()
}

#[test]
fn ids_are_words_where_it_is_said() {
    let folder = Folder::new();
    folder.write("ids.csv", ratings(["", ""]));
    folder.write("words.csv", ratings(["u", "m"]));
    let reading = ["--label", "rating", "--ignore", "timestamp"];
    let ids = [&reading[..], &["--categorical", "userId,movieId"]].concat();
    let numbers = train(&folder, "numbers", &["ids.csv"], &reading);
    let said = train(&folder, "ids", &["ids.csv"], &ids);
    train(&folder, "words", &["words.csv"], &reading);
    assert!(numbers.contains("2 features") && said.contains("60 features"), "{numbers}{said}");
    // The cache of another reading is not taken for this one's, and this one's is.
    assert!(said.contains("read in") && train(&folder, "again", &["ids.csv"], &ids).contains("from the cache"));
    let piped = [&["train", "-", "--model", "piped", "--children", "1"], &ids[..]].concat();
    folder.pipe(&piped, ratings(["", ""])).done();
    for model in ["again", "piped"] {
        assert_eq!(folder.model_bytes(model), folder.model_bytes("ids"), "{model}");
    }

    // The model knows what it was: what it is held against needs no flag.
    let predictions = folder.predictions("ids", "ids.csv");
    assert_eq!(predictions, folder.predictions("words", "words.csv"));
    let eval = |model: &str, data: &str| folder.run(&["eval", model, data, "--json"]).done().summary()["eval"].clone();
    let (rmse, of_numbers) = (eval("ids", "ids.csv")["rmse"].as_f64(), eval("numbers", "ids.csv")["rmse"].as_f64());
    assert!(rmse < of_numbers.map(|rmse| rmse / 2.0), "{rmse:?} {of_numbers:?}");
    let names = folder.run(&["inspect", "ids", "--top", "99"]).done().out;
    assert!(names.contains("userId=17") && names.contains("movieId=5"), "{names}");
    // One that was never seen, and none at all.
    folder.write("new.csv", "movieId,userId\n5,17\n5,99\n5,\n");
    let run = folder.run(&["predict", "ids", "new.csv"]).done();
    assert_eq!(run.err, "note: 1 value of features that the model does not know: ignored\n");
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0] != lines[1] && lines[1] == lines[2], "{lines:?}");

    // Hashed, and by place where there is no header.
    let bits =
        |model: &str, data: &str, flags: &[&str]| train(&folder, model, &[data], &[flags, &["--bits", "14"]].concat());
    bits("hashed", "ids.csv", &ids);
    assert_eq!(eval("hashed", "ids.csv")["rmse"].as_f64().map(|rmse| rmse < 1.0), Some(true));
    folder.write("bare.csv", ratings(["", ""]).split_once('\n').unwrap().1);
    train(&folder, "bare", &["bare.csv"], &["--label", "3", "--ignore", "4", "--categorical", "1,2"]);
    assert_eq!(folder.predictions("bare", "bare.csv"), predictions);

    // A model that is gone on with is read as it was said, which is said again.
    let resume = [&["train", "ids.csv", "--model", "ids", "--resume", "--passes", "2"], &ids[..]].concat();
    folder.run(&resume).done();
    let run = folder.run(&[&["train", "ids.csv", "--model", "ids", "--resume"], &reading[..]].concat());
    run.failed_with(1, &["ids.csv: has other columns than the model", "column userId", "--categorical userId makes"]);
    let two = [&["train", "words.csv", "ids.csv", "--loss", "squared", "--model", "two"], &reading[..]].concat();
    folder.run(&two).failed_with(1, &["ids.csv: has other columns than words.csv", "--categorical userId makes"]);
    folder.run(&[&two[..], &["--categorical", "userId,movieId"]].concat()).done();
}

#[test]
fn missing_cells_are_features_that_are_not_there() {
    let folder = Folder::new();
    let mut text = csv(200);
    text += "?,0.5,red,1\n0.5,NA,green,0\n0.5,0.5,,1\n";
    folder.write("a.csv", &text);
    train(&folder, "m", &["a.csv"], &[]);
    // What is missing counts as nothing, as 0 does in a column of numbers.
    folder.write("gaps.csv", "size,weight,color\n,0.5,red\n?,0.5,red\nNA,0.5,red\nnull,0.5,red\n0,0.5,red\n");
    let predictions = folder.predictions("m", "gaps.csv");
    let first = predictions.lines().next().unwrap();
    assert!(predictions.lines().all(|line| line == first), "{predictions}");
    assert_eq!(predictions.lines().count(), 5);
}

#[test]
fn csv_without_a_header_is_read_by_place() {
    let folder = Folder::new();
    let rows: String =
        csv(200).lines().skip(1).map(|line| line.replace("red", "1").replace("green", "2") + "\n").collect();
    let rows = rows.replace("blue", "3");
    folder.write("bare.csv", &rows);
    folder.write("named.csv", format!("1,2,3,4\n{rows}"));
    let run = folder.run(&["train", "bare.csv", "--model", "m"]);
    run.failed_with(2, &["bare.csv: which column is the label?", "one of 1, 2, 3, 4"]);
    train(&folder, "m", &["bare.csv"], &["--label", "4"]);
    let predictions = folder.predictions("m", "bare.csv");
    assert_eq!(predictions.lines().count(), 200);
    let without_label: String = rows.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    folder.write("unlabelled.csv", without_label);
    assert_eq!(folder.predictions("m", "unlabelled.csv"), predictions);
    // The label may stand first, and the model's columns have names.
    let turned: String = rows.lines().map(|line| line.rsplitn(2, ',').collect::<Vec<_>>().join(",") + "\n").collect();
    folder.write("first.csv", format!("label,size,weight,color\n{turned}"));
    train(&folder, "first", &["first.csv"], &[]);
    assert_eq!(folder.predictions("first", "unlabelled.csv"), folder.predictions("first", "first.csv"));
    folder.write("narrow.csv", "1,2\n");
    folder.run(&["predict", "m", "narrow.csv"]).failed_with(1, &["narrow.csv: 2 columns and no header"]);
}

#[test]
fn columns_are_known_by_their_names_not_their_places() {
    let folder = Folder::new();
    folder.write("a.csv", csv(200));
    train(&folder, "m", &["a.csv"], &[]);
    let predictions = folder.predictions("m", "a.csv");

    let text = csv(200);
    let cells = |line: &str, order: &[usize]| {
        let cells: Vec<&str> = line.split(',').collect();
        order.iter().map(|&at| cells[at]).collect::<Vec<_>>().join(",") + "\n"
    };
    let ordered = |order: &[usize]| text.lines().map(|line| cells(line, order)).collect::<String>();
    folder.write("reordered.csv", ordered(&[2, 3, 1, 0]));
    folder.write("unlabelled.csv", ordered(&[1, 2, 0]));
    folder.write("fewer.csv", ordered(&[0, 1]));
    folder.write("more.csv", text.lines().map(|line| format!("{line},extra\n")).collect::<String>());
    for name in ["reordered.csv", "unlabelled.csv"] {
        let run = folder.run(&["predict", "m", name]).done();
        assert_eq!(run.err, "", "{name}");
        assert_close(&run.out, &predictions);
    }
    let run = folder.run(&["predict", "m", "more.csv"]).done();
    assert_eq!(
        (run.out, run.err.as_str()),
        (predictions, "note: more.csv: the model does not know column extra: ignored\n")
    );
    let run = folder.run(&["predict", "m", "fewer.csv"]).done();
    assert_eq!(run.err, "warning: fewer.csv: no column color: its cells count as missing\n");
    folder.write("foreign.csv", "a,b\n1,2\n");
    let run = folder.run(&["predict", "m", "foreign.csv"]);
    run.failed_with(1, &["foreign.csv: no column that the model knows", "size, weight, color", "a, b"]);
}

#[test]
fn keys_never_seen_are_ignored_and_counted() {
    let folder = Folder::with_model();
    folder.write("known.svm", "1 1:1 7:1\n-1 2:1\n1 3:1\n");
    folder.write("new.svm", "1 1:1 7:1 99:1 4000000000:2\n-1 2:1\n1 3:1 77:1\n");
    let run = folder.run(&["predict", "m", "new.svm"]).done();
    assert_eq!(run.out, folder.predictions("m", "known.svm"));
    assert_eq!(run.err, "note: 3 values of features that the model does not know: ignored\n");
    folder.write("new.svm", "1 1:1 99:1\n");
    let run = folder.run(&["eval", "m", "new.svm", "--json"]).done();
    assert_eq!(run.err, "note: 1 value of features that the model does not know: ignored\n");
    assert_eq!(run.summary()["unknown_keys"], 1);
}

#[test]
fn predictions_come_in_the_order_of_the_rows_one_a_line() {
    let folder = Folder::with_model();
    // More than a chunk is parsed by several threads.
    let rows = 60_000;
    folder.write("many.svm", svm(rows));
    let all = folder.predictions("m", "many.svm");
    assert_eq!(all.lines().count(), rows);
    for at in [0, 1, 31_234, rows - 1] {
        folder.write("row.svm", svm(rows).lines().nth(at).unwrap());
        assert_eq!(folder.predictions("m", "row.svm").trim_end(), all.lines().nth(at).unwrap(), "row {at}");
    }
    assert_eq!(folder.pipe(&["predict", "m", "-"], svm(rows)).done().out, all);
    // A label, a wrong one and none make no difference.
    folder.write("labels.svm", "+1 1:1\n-5 1:1\n1:1\n");
    let predictions = folder.predictions("m", "labels.svm");
    let first = predictions.lines().next().unwrap();
    assert!(predictions.lines().all(|line| line == first) && first.parse::<f32>().is_ok(), "{predictions}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = Folder::with_model();
    folder.write("many.svm", svm(60_000));
    for arguments in
        [&["predict", "m", "many.svm"][..], &["topology"], &["train", "many.svm", "--json", "--passes", "2"]]
    {
        let mut child = folder.spawn(arguments);
        let mut first = String::new();
        BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.ends_with('\n'));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("error") && !said.contains("panicked"), "{said}");
    }
    // Nobody reads what is said either.
    let mut child = folder.spawn(&["train", "many.svm", "--passes", "2", "--model", "unheard"]);
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(folder.predictions("unheard", "good.svm").lines().count(), 200);
}

#[test]
fn predict_answers_each_line_before_the_next_is_written() {
    let folder = Folder::with_model();
    folder.write("a.csv", csv(200));
    train(&folder, "c", &["a.csv"], &[]);
    folder.write("a.ffm", as_ffm(&svm(200)));
    train(&folder, "f", &["a.ffm"], &[]);
    for (model, data) in [("m", "good.svm"), ("c", "a.csv"), ("f", "a.ffm")] {
        let expected = folder.predictions(model, data);
        let text = String::from_utf8(folder.read(data)).unwrap();
        let (header, lines) = if model == "c" { text.split_once('\n').unwrap() } else { ("", text.as_str()) };

        let mut child = folder.spawn(&["predict", model, "-"]);
        let _watched = watch(&child, std::time::Duration::from_secs(60));
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        if !header.is_empty() {
            writeln!(stdin, "{header}").unwrap();
        }
        for (line, expected) in lines.lines().zip(expected.lines()).take(20) {
            writeln!(stdin, "{line}").unwrap();
            let mut answer = String::new();
            stdout.read_line(&mut answer).unwrap();
            assert_eq!(answer.trim_end(), expected);
        }
        drop(stdin);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("", Some(0)));
    }
}

#[test]
fn built_in_sets_need_no_file() {
    let folder = Folder::new();
    let run = folder.run(&["train", "@adult", "--passes", "2"]).done();
    assert!(run.err.starts_with("data      32,561 rows, 123 features, 451,592 nonzeros, read in "), "{run:?}");
    let run = folder.run(&["eval", "hogback-model", "@adult", "--json"]).done();
    assert!(run.summary()["eval"]["auc"].as_f64().unwrap() > 0.89, "{run:?}");
}
