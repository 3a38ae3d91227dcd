//! What every command prints, keeps and ends with.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Folder, run, svm};
use serde_json::Value;

/// The flags of each command.
const FLAGS: [(&str, &str); 8] = [
    (
        "train",
        "--spec --model --resume --overwrite --kind --rank --dim --hidden --skips --activation --dropout --batch --wide --loss --quantile --optimizer --lr --l1 --l2 --class-weight --seed --passes --valid --holdout --early-stop --schedule \
         --format --label --ignore --categorical --ngrams --chars --min-count --interact --bits --skip-bad-rows --labels --cache --no-cache --shards --controllers --children --nodes --consistency --head --merge \
         --checkpoint-every --json --quiet --help",
    ),
    ("predict", "--top --format --label --ignore --skip-bad-rows --help"),
    ("eval", "--format --label --ignore --skip-bad-rows --labels --json --help"),
    ("inspect", "--near --top --json --help"),
    ("export", "--overwrite --help"),
    ("topology", "--json --help"),
    ("bench", "--json --quick --help"),
    ("generate", "--preset --kind --rows --test-rows --features --nnz --zipf --seed --format --overwrite --help"),
];

#[test]
fn every_command_has_a_help_text_with_every_flag() {
    let folder = Folder::new();
    let general = folder.run(&["--help"]).done().out;
    assert!(general.contains("hogback train @adult") && general.contains("Exit codes:"), "{general}");
    for (command, flags) in FLAGS {
        assert!(general.contains(&format!("  {command} ")), "{general}");
        for help in ["--help", "-h"] {
            let run = folder.run(&[command, help]).done();
            assert_eq!(run.err, "");
            for flag in flags.split_whitespace() {
                assert!(run.out.contains(flag), "{command} {help} does not tell of {flag}");
            }
            // Whatever is told of is a flag that is known here, or something would be promised that is not there.
            let told = run.out.split(|at: char| !(at.is_ascii_alphanumeric() || at == '-'));
            let told = told.filter(|word| word.len() > 2 && word.starts_with("--"));
            told.for_each(|flag| assert!(flags.contains(flag), "{command} {help} tells of {flag}"));
        }
    }
    let nothing = folder.run(&[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(2), ""));
    assert!(nothing.err.contains("Usage: hogback <COMMAND>"), "{nothing:?}");
}

#[test]
fn the_version_is_that_of_the_package() {
    let run = Folder::new().run(&["--version"]).done();
    assert_eq!(run.out, concat!("hogback ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Two children at least are looked at where nothing was asked for; on one core there is nothing to see, nor where others have it.
#[test]
fn how_far_apart_the_cores_are_is_told() {
    let folder = Folder::with_model();
    let start = |flags: &[&str]| {
        let run = folder.run(&[&["train", "good.svm", "--model", "n", "--overwrite", "--json"], flags].concat()).done();
        let start: Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
        (start["children"].as_u64().unwrap(), start["round_trip_ns"].clone())
    };
    let (children, trip) = start(&[]);
    assert!(trip.is_null() || children > 1 && trip.as_f64() > Some(0.0), "{children} children, {trip}");
    for flags in [&["--children", "2"][..], &["--head", "8192"], &["--merge", "64"], &["--consistency", "sync"]] {
        assert!(start(flags).1.is_null(), "{flags:?}");
    }
}

#[test]
fn json_is_a_line_an_event_and_ends_with_a_summary() {
    let folder = Folder::with_model();
    let train =
        ["train", "good.svm", "--model", "n", "--json", "--passes", "4", "--early-stop", "0", "--children", "2"];
    let run = folder.run(&train).done();
    let events: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "pass", "pass", "pass", "pass", "summary"]);
    let start = &events[0];
    // Children that were asked for are taken as they are, however far apart their cores are.
    assert!(start["round_trip_ns"].is_null() && start["private_features"].as_u64() > Some(0), "{start}");
    assert!(start["merge_rows"].as_u64() > Some(0), "{start}");
    let summary = &events[5];
    for (field, value) in [
        ("model", Value::from("n")),
        ("kind", "linear".into()),
        ("loss", "logistic".into()),
        ("rows", 200.into()),
        ("nonzeros", 1200.into()),
        ("passes", 4.into()),
        ("classes", 2.into()),
        ("shards", 1.into()),
        ("controllers", 1.into()),
        ("children", 2.into()),
        ("consistency", "hogwild".into()),
        ("failed_tasks", 0.into()),
    ] {
        assert_eq!(summary[field], value, "{field}");
    }
    assert!(["scalar", "avx2", "avx512", "neon"].contains(&summary["kernels"].as_str().unwrap()), "{summary}");
    for field in [
        "/seconds/read",
        "/seconds/train",
        "/seconds/total",
        "/examples_per_second",
        "/nonzeros_per_second",
        "/peak_rss_bytes",
        "/progressive/logloss",
        "/progressive/accuracy",
        "/valid/logloss",
        "/valid/auc",
        "/valid/accuracy",
    ] {
        assert!(
            summary.pointer(field).and_then(Value::as_f64).is_some_and(|number| number > 0.0),
            "{field}: {summary}"
        );
    }
    for field in ["/staleness/p50", "/staleness/p99"] {
        assert!(summary.pointer(field).is_some_and(Value::is_number), "{field}: {summary}");
    }
    let best = events[1..5].iter().map(|pass| pass["valid"]["logloss"].as_f64().unwrap()).fold(f64::MAX, f64::min);
    assert_eq!(summary["valid"]["logloss"], best, "the best pass is kept");
}

#[test]
fn eval_measures_what_training_measured() {
    let folder = Folder::with_model();
    folder.write("rest.svm", svm(400).lines().skip(200).collect::<Vec<_>>().join("\n"));
    let train = ["train", "good.svm", "--model", "n", "--valid", "rest.svm", "--json"];
    let trained = folder.run(&train).done().summary();
    let evaluated = folder.run(&["eval", "n", "rest.svm", "--json"]).done();
    let summary = evaluated.summary();
    for metric in ["logloss", "auc", "accuracy"] {
        let (one, other) = (&summary["eval"][metric], &trained["valid"][metric]);
        assert!((one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6, "{metric}: {one} {other}");
    }
    assert_eq!((summary["event"].as_str(), summary["rows"].as_u64()), (Some("summary"), Some(200)));
    assert!(summary["seconds"]["total"].is_number() && evaluated.out.lines().count() == 1);

    let text = folder.run(&["eval", "n", "rest.svm"]).done().out;
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["rows", "logloss", "auc", "accuracy"], "{text}");
}

#[test]
fn what_is_piped_is_plain_and_fits_a_terminal() {
    let folder = Folder::with_model();
    let run = folder.run(&["train", "good.svm", "--model", "n", "--passes", "3"]).done();
    assert_eq!(run.out, "");
    assert!(!run.err.contains(['\x1b', '\r']), "{run:?}");
    assert!(run.err.lines().all(|line| line.chars().count() <= 80), "{}", run.err);
    let starts = [
        "data  ",
        "model  ",
        "passes  ",
        "machine  ",
        "pass  ",
        "   1  ",
        "   2  ",
        "   3  ",
        "",
        "held-out ",
        "saved n in",
    ];
    let lines: Vec<&str> = run.err.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{}", run.err);
    lines.iter().zip(starts).for_each(|(line, start)| assert!(line.starts_with(start), "{line:?} {start:?}"));
}

#[test]
fn quiet_says_nothing_unless_something_fails() {
    let folder = Folder::with_model();
    let run = folder.run(&["train", "good.svm", "--model", "n", "--quiet", "--children", "200"]).done();
    assert_eq!((run.out.as_str(), run.err.as_str()), ("", ""));
    folder.run(&["train", "good.svm", "--model", "n", "--quiet"]).failed_with(2, &["exists"]);
    let run = folder.run(&["train", "good.svm", "--model", "n", "--quiet", "--json", "--overwrite"]).done();
    assert_eq!((run.summary()["event"].as_str(), run.err.as_str()), (Some("summary"), ""));
}

#[test]
fn the_default_model_keeps_the_one_before() {
    let folder = Folder::with_model();
    let train = |passes: &str| folder.run(&["train", "good.svm", "--passes", passes, "--children", "1"]).done();
    let mut before = None;
    for passes in ["1", "2", "3"] {
        assert!(train(passes).err.contains("saved hogback-model in "));
        let model = folder.model_bytes("hogback-model");
        assert_eq!(folder.has("hogback-model.previous"), before.is_some());
        if let Some(before) = before.replace(model.clone()) {
            assert_eq!(folder.model_bytes("hogback-model.previous"), before);
            assert_ne!(model, before);
        }
    }
    // And so what failed leaves both.
    folder.write("bad.svm", "1 x\n");
    folder.run(&["train", "bad.svm"]).failed_with(1, &["bad.svm:1: "]);
    assert_eq!(Some(folder.model_bytes("hogback-model")), before);
}

#[test]
fn overwrite_replaces_and_keeps_nothing() {
    let folder = Folder::with_model();
    let before = folder.model_bytes("m");
    let train = ["train", "good.svm", "--model", "m", "--overwrite", "--passes", "1", "--children", "1", "--no-cache"];
    folder.run(&train).done();
    assert_ne!(folder.model_bytes("m"), before);
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["good.svm", "m"]);
}

#[test]
fn passes_and_early_stop_are_what_was_asked_for() {
    let folder = Folder::with_model();
    // At this rate the first pass is the best of a noisy set.
    let train = |flags: &[&str]| {
        let common = ["train", "good.svm", "--json", "--children", "1", "--schedule", "constant", "--lr", "30"];
        let run = folder.run(&[&common, flags].concat()).done();
        run.summary()["passes"].as_u64().unwrap()
    };
    assert_eq!(train(&["--early-stop", "0", "--passes", "33"]), 33);
    assert_eq!(train(&["--early-stop", "0", "--passes", "1"]), 1);
    let stopped = train(&["--early-stop", "1", "--passes", "33"]);
    assert!(stopped < 33, "{stopped}");
    assert_eq!(train(&["--holdout", "0"]), 3);
}

#[test]
fn sync_is_repeatable_with_any_children() {
    let folder = Folder::with_model();
    let train = ["train", "good.svm", "--overwrite", "--consistency", "sync", "--children", "2", "--shards", "3"];
    let models = ["a", "b"].map(|model| {
        folder.run(&[&train[..], &["--model", model]].concat()).done();
        folder.model_bytes(model)
    });
    assert_eq!(models[0].iter().filter(|(name, _)| name.starts_with("weights")).count(), 3);
    assert_eq!(models[0], models[1]);
}

#[test]
fn topology_shows_the_machine_and_the_choice() {
    let folder = Folder::new();
    let text = folder.run(&["topology"]).done().out;
    for part in ["node 0", "caches", "kernels", "train would choose", "S = ", "K = ", "m = "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = folder.run(&["topology", "--json"]).done();
    let (machine, lines) = (json.summary(), json.out.lines().count());
    assert_eq!(lines, 1);
    assert!(machine["plan"]["shards"].as_u64().unwrap() >= 1);
    let children: usize = machine["plan"]["controllers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|controller| controller["children"].as_array().unwrap().len())
        .sum();
    folder.write("good.svm", svm(100));
    let run = folder.run(&["train", "good.svm", "--json", "--passes", "1"]).done();
    assert_eq!(run.summary()["children"], children, "train does what topology says");
    assert_eq!(run.summary()["kernels"], machine["kernels"]);
}

#[test]
fn forced_kernels_reach_the_same_metrics() {
    let folder = Folder::with_model();
    let metrics = |kernels: &str| {
        let train = [
            "train",
            "good.svm",
            "--model",
            kernels,
            "--json",
            "--children",
            "1",
            "--passes",
            "5",
            "--early-stop",
            "0",
        ];
        let run = run(folder.command(&train).env("HOGBACK_KERNELS", kernels)).done();
        assert_eq!(run.summary()["kernels"], kernels);
        run.summary()["valid"]["logloss"].as_f64().unwrap()
    };
    let list = run(folder.command(&["topology"]).env("HOGBACK_KERNELS", "?"));
    let scalar = metrics("scalar");
    for kernels in ["avx2", "avx512", "neon"] {
        if list.failed(2).contains(kernels) {
            assert!((metrics(kernels) - scalar).abs() < 1e-4, "{kernels}");
        } else {
            println!("skipped: this machine has no {kernels}");
        }
    }
}
