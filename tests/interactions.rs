//! Products of features and keys by hash: what they can learn, that a model reads other data as its own, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Folder, assert_close, svm};

/// Rows whose label is whether the words of two columns go together, which no sum of weights can tell; as VW text and as CSV.
fn pairs(rows: usize) -> (String, String) {
    let (mut vw, mut csv) = (String::new(), "left,right,noise,label\n".to_owned());
    for nth in 0..rows {
        let (left, right) = (nth * 7 % 5, nth * 11 % 13 % 5);
        let label = u8::from((left + right) % 2 == 0);
        vw += &format!("{label} |left l{left} |right r{right} |noise n{}\n", nth % 3);
        csv += &format!("l{left},r{right},n{},{label}\n", nth % 3);
    }
    (vw, csv)
}

fn accuracy(folder: &Folder, model: &str, data: &str) -> f64 {
    folder.run(&["eval", model, data, "--json"]).done().summary()["eval"]["accuracy"].as_f64().unwrap()
}

#[test]
fn products_tell_what_sums_cannot() {
    let folder = Folder::new();
    let (vw, csv) = pairs(2000);
    folder.write("a.vw", vw);
    folder.write("a.csv", csv);
    for data in ["a.vw", "a.csv"] {
        for (model, flags, learned) in [
            ("plain", &[][..], false),
            ("hashed", &["--bits", "16"], false),
            ("other", &["--interact", "left:noise"], false),
            ("self", &["--interact", "left:left,right:right"], false),
            ("product", &["--interact", "right:left"], true),
            ("all", &["--interact", "::", "--bits", "12"], true),
            ("several", &["--interact", "left:noise", "--interact", "noise:right,left:right"], true),
        ] {
            let run = folder.run(&[&["train", data, "--model", model, "--overwrite"], flags].concat()).done();
            assert_eq!(accuracy(&folder, model, data) > 0.99, learned, "{data} {model}: {run:?}");
            assert_eq!(run.err.contains("buckets"), model != "plain", "{run:?}");
            assert_eq!(run.err.contains("values a row of 3"), flags.contains(&"--interact"), "{run:?}");
        }
    }
}

#[test]
fn a_model_reads_other_data_as_it_read_its_own() {
    let folder = Folder::new();
    let (vw, csv) = pairs(600);
    folder.write("a.vw", &vw);
    folder.write("a.csv", &csv);
    let train = |data: &str, model: &str, flags: &[&str]| {
        let all = [&["train", data, "--model", model, "--interact", "left:right", "--ignore", "noise"], flags].concat();
        folder.run(&all).done()
    };
    train("a.vw", "vw", &[]);
    train("a.vw", "cached", &["--children", "1"]);
    train("a.csv", "csv", &[]);
    // Namespaces and columns may stand in any order; what was left out is.
    let turned: String = vw
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            format!("{} |noise odd |{} |{}\n", parts[0], parts[2], parts[1])
        })
        .collect();
    folder.write("turned.vw", turned);
    let turned: String = csv.lines().map(|line| line.rsplitn(3, ',').collect::<Vec<_>>().join(",") + "\n").collect();
    folder.write("turned.csv", turned);
    for (model, ending) in [("vw", "vw"), ("csv", "csv")] {
        let of = |data: &str| folder.predictions(model, &format!("{data}.{ending}"));
        assert_close(&of("turned"), &of("a"));
    }
    assert!(accuracy(&folder, "vw", "turned.vw") > 0.99 && accuracy(&folder, "csv", "a.csv") > 0.99);

    // Data to stop by is read alike.
    let run = train("a.vw", "valid", &["--valid", "turned.vw", "--json"]);
    assert!(run.summary()["valid"]["accuracy"].as_f64().unwrap() > 0.99, "{run:?}");

    // Going on needs no flags, and takes the same ones.
    let resume = ["train", "a.vw", "--model", "vw", "--resume", "--passes", "2"];
    let run = folder.run(&resume).done();
    assert!(run.err.contains("values a row of 2"), "{run:?}");
    folder.run(&[&resume[..], &["--interact", "left:right", "--ignore", "noise"]].concat()).done();
    assert!(accuracy(&folder, "vw", "turned.vw") > 0.99);
    let other = folder.run(&[&resume[..], &["--interact", "::"]].concat());
    other.failed_with(2, &["the model was trained with other --bits or --interact"]);
}

#[test]
fn an_index_is_the_feature_that_its_digits_are() {
    let folder = Folder::new();
    folder.write("a.svm", svm(300));
    folder.write("a.vw", svm(300).lines().map(|line| line.replacen(' ', " | ", 1) + "\n").collect::<String>());
    for data in ["a.svm", "a.vw"] {
        folder.run(&["train", data, "--model", data.split_at(2).1, "--bits", "20", "--children", "1"]).done();
    }
    let expected = folder.predictions("svm", "a.svm");
    for (model, data) in [("svm", "a.vw"), ("vw", "a.svm"), ("vw", "a.vw")] {
        assert_eq!(folder.predictions(model, data), expected, "{model} {data}");
    }
    folder.run(&["train", "a.svm", "--model", "plain", "--children", "1"]).done();
    assert_close(&folder.predictions("plain", "a.svm"), &expected);
    // In two buckets everything meets.
    folder.run(&["train", "a.svm", "--model", "narrow", "--bits", "1"]).done();
    assert_eq!(folder.run(&["predict", "narrow", "a.vw"]).done().out.lines().count(), 300);
}

#[test]
fn flags_that_do_not_fit_the_data_are_refused() {
    let folder = Folder::new();
    let (vw, csv) = pairs(20);
    folder.write("a.vw", vw);
    folder.write("a.csv", csv);
    folder.write("a.svm", svm(20));
    let refused = |data: &str, flags: &[&str], parts: &[&str]| {
        folder.run(&[&["train", data, "--model", "m"], flags].concat()).failed_with(2, parts);
        assert!(!folder.has("m"));
    };
    refused(
        "a.vw",
        &["--interact", "left:rigth"],
        &["--interact \"rigth\"", "a.vw", "did you mean \"right\"? It has left,"],
    );
    refused("a.vw", &["--interact", ":left"], &["--interact \"\": a.vw has no such namespace"]);
    refused(
        "a.vw",
        &["--ignore", "nosie"],
        &["--ignore \"nosie\": a.vw has no such namespace; did you mean \"noise\""],
    );
    refused("a.csv", &["--interact", "left:rigth"], &["has no such column of features; did you mean \"right\""]);
    refused("a.csv", &["--interact", "left:label"], &["--interact \"label\": a.csv has no such column of features"]);
    refused(
        "a.svm",
        &["--interact", "1:2"],
        &["a.svm is libsvm data, which has no namespaces or columns: leave out --interact"],
    );
    for bad in ["left", "a:b:c", ""] {
        refused("a.vw", &["--interact", bad], &["must be A:B, two namespaces or columns, or :: for any two"]);
    }
    for bad in ["40", "0", "many"] {
        refused("a.vw", &["--bits", bad], &["--bits"]);
    }
}
