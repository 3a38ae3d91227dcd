//! `hogback bench` runs, prints every figure, and JSON that scripts can read. How fast anything is, no test says.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::Folder;
use serde_json::Value;

/// What is done, how, and against what; beginnings of names where they go on with sizes.
type Figures = &'static [(&'static str, &'static str, &'static str)];

/// Every question with the figures that it has to have; those that need two cores apart.
const ROWS: [(&str, Figures, Figures); 8] = [
    (
        "update_throughput",
        &[
            ("dense sgd", "step", "y += s*x"),
            ("dense momentum", "step", "y += s*x"),
            ("dense adagrad", "step", "y += s*x"),
            ("dense adam", "step", "y += s*x"),
            ("sparse sgd", "row loop", "adding"),
            ("sparse adagrad", "row loop", "adding"),
            ("sparse ftrl", "row loop", "adding"),
        ],
        &[],
    ),
    ("snapshot", &[("64 KiB, idle", "copy_out", "memcpy")], &[("64 KiB, under a writer", "copy_out", "memcpy")]),
    (
        "reward_queue",
        &[],
        &[
            ("records of 32 bytes", "queue", "bare ring"),
            ("task and reward, spinning", "two queues", "a cache line"),
            ("task and reward, parked", "two queues", "park and unpark"),
            ("empty tasks of a phase, each", "engine", "a cache line"),
        ],
    ),
    (
        "ingest",
        &[
            ("libsvm, parser alone, 1 thread", "parser", "counting lines"),
            ("libsvm, reading, 1 thread", "parsed, numbered, cached", "counting lines"),
            ("opening the cache", "checked, mapped", "looking at every byte"),
        ],
        &[
            ("libsvm, parser alone, 2 threads", "parser", "counting lines"),
            ("libsvm, reading, 2 threads", "parsed, numbered, cached", "counting lines"),
        ],
    ),
    (
        "train_loop",
        &[
            ("sgd", "one child", "bare row loop"),
            ("adagrad", "one child", "bare row loop"),
            ("ftrl", "one child", "bare row loop"),
        ],
        &[
            ("adagrad", "two children", "two bare loops apart"),
            ("adagrad", "two children", "one child"),
            ("adagrad", "two children", "two sharing all"),
        ],
    ),
    (
        "factors",
        &[
            ("fm, rank 4", "row loop", "adding"),
            ("fm, rank 10", "row loop", "adding"),
            ("ffm, 24 fields, rank 4", "row loop", "adding"),
            ("ratings, rank 8", "row loop", "adding"),
        ],
        &[],
    ),
    (
        "gemm",
        &[
            ("layer, 64 x 64 -> 128", "product", "bare blocks"),
            ("layer, 64 x 128 -> 10", "product", "registers alone"),
            ("sparse layer", "sparse", "dense"),
            ("sparse gradient", "sparse, turned", "dense"),
        ],
        &[],
    ),
    (
        "layers",
        &[
            ("64 -> 64 -> 10, batch of 32", "batch", "products"),
            ("784 -> 128 -> 10, batch of 64", "laid out anew", "batch"),
        ],
        &[],
    ),
];

fn text<'a>(figure: &'a Value, field: &str) -> &'a str {
    figure[field].as_str().unwrap_or_else(|| panic!("no {field}: {figure}"))
}

#[test]
fn every_figure_is_there_and_its_numbers_are_finite() {
    let folder = Folder::new();
    let run = folder.run(&["bench", "--quick", "--json"]).done();
    let events: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (start, rest) = events.split_first().unwrap();
    let (summary, figures) = rest.split_last().unwrap();
    assert_eq!((text(start, "event"), text(summary, "event")), ("start", "summary"));
    assert_eq!(summary["figures"], figures.len());
    for figure in figures {
        assert_eq!(text(figure, "event"), "figure");
        for speed in ["ratio", "speed", "limit"] {
            let [low, median, high] = ["low", "median", "high"].map(|which| figure[speed][which].as_f64().unwrap());
            assert!(0.0 < low && low <= median && median <= high && high.is_finite(), "{figure}");
        }
        assert!(figure["samples"].as_u64().unwrap() > 0, "{figure}");
    }
    let two = !start["cpus"].is_null();
    if !two {
        eprintln!("skipped: what two threads do together, as there is one core");
    }
    for (question, one_core, two_cores) in ROWS {
        for (case, way, against) in one_core.iter().chain(two_cores.iter().filter(|_| two)) {
            let found = figures.iter().any(|figure| {
                text(figure, "question") == question
                    && text(figure, "case").starts_with(case)
                    && text(figure, "way") == *way
                    && text(figure, "against").starts_with(against)
            });
            assert!(found, "{question}: no {case}: {way} / {against}");
        }
    }
    // Places are told of what two threads do together, and of nothing else.
    let together = |figure: &Value| {
        let case = text(figure, "case");
        case.contains("writer") || text(figure, "question") == "reward_queue" || text(figure, "way").contains("two")
    };
    for figure in figures {
        let place = figure["placement"].as_str();
        assert!(!together(figure) || place.is_some(), "{figure}");
        assert!(place.is_none_or(|place| ["near", "far", "unsettled"].contains(&place)), "{figure}");
    }
}

#[test]
fn one_question_can_be_asked_and_is_answered_as_a_table() {
    let folder = Folder::new();
    let run = folder.run(&["bench", "snapshot", "--quick"]).done();
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("kernels ") && lines[2].starts_with("snapshot  "), "{}", run.out);
    assert!(lines[3].starts_with("  64 KiB, idle: copy_out / memcpy ") && lines[3].ends_with("B/s"), "{}", run.out);
    assert!(lines.last().unwrap().contains(" figure"), "{}", run.out);
    assert!(!run.out.contains("ingest") && !run.out.contains("train_loop"));
}

#[test]
fn an_unknown_question_is_refused_and_the_known_are_named() {
    let run = Folder::new().run(&["bench", "everything"]);
    assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
    assert!(run.err.contains("update_throughput") && run.err.lines().count() == 1, "{}", run.err);
}

#[test]
fn nothing_is_left_behind() {
    let folder = Folder::new();
    let mut command = folder.command(&["bench", "ingest", "train_loop", "--quick"]);
    std::fs::create_dir(folder.path("temporary")).unwrap();
    common::run(command.env("TMPDIR", folder.path("temporary"))).done();
    assert_eq!(std::fs::read_dir(folder.path("temporary")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(folder.path(".")).unwrap().count(), 1);
}
