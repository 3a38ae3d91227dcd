//! What a search says: JSON lines for scripts, a log, and words for people.

use super::{folder, trials};
use serde_json::Value;

/// The fields of an object, sorted.
fn fields(object: &Value) -> Vec<&str> {
    let mut fields: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

/// `interval` holds a share, and is within what shares can be.
fn assert_holds(interval: &Value, share: f64) {
    let [low, high] = [0, 1].map(|end| interval[end].as_f64().unwrap());
    assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{interval} of {share}");
}

const OF_A_SEARCH: [&str; 10] = [
    "best",
    "failed",
    "flags",
    "interval",
    "last_interval",
    "last_reward",
    "reward",
    "test",
    "trials",
    "trials_per_second",
];

#[test]
fn the_summary_has_what_scripts_use() {
    let folder = folder();
    let flags = ["search", "@digits", "--space", "space.toml", "--model", "m", "--budget", "30", "--child-passes", "2"];
    let run = folder.run(&[&flags[..], &["--json", "--children", "2"]].concat()).done();
    let lines: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["event"], "start");
    let start = ["budget", "children", "controllers", "event", "kernels", "passes", "policy", "rows", "rows_learned"];
    let start = [&start[..], &["seed", "shards", "size", "space", "strategy", "time"]].concat();
    assert_eq!(fields(&lines[0]), start);
    assert_eq!((&lines[0]["budget"], &lines[0]["time"], &lines[0]["rows"]), (&30.into(), &Value::Null, &1797.into()));
    assert_eq!((&lines[0]["passes"], &lines[0]["size"]), (&serde_json::json!([2]), &2475.0.into()));
    let summary = lines.last().unwrap();
    assert_eq!(summary["event"], "summary");
    let mut expected: Vec<&str> = OF_A_SEARCH.to_vec();
    expected.extend([
        "children",
        "controllers",
        "event",
        "kernels",
        "log",
        "model",
        "seconds",
        "shards",
        "size",
        "space",
    ]);
    expected.extend(["strategy", "valid"]);
    expected.sort_unstable();
    assert_eq!(fields(summary), expected);
    assert_eq!((&summary["trials"], &summary["failed"], &summary["children"]), (&30.into(), &0.into(), &2.into()));
    assert_eq!((&summary["model"], &summary["log"]), (&"m".into(), &"m.trials.jsonl".into()));
    assert!(summary["trials_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(fields(&summary["seconds"]), ["read", "search", "total", "train"]);
    assert_eq!(fields(&summary["valid"]), ["accuracy", "loss"]);
    assert_eq!(fields(&summary["test"]), ["accuracy", "logloss", "macro_f1"]);
    assert_holds(&summary["interval"], summary["test"]["accuracy"].as_f64().unwrap());
    assert_holds(&summary["last_interval"], summary["last_reward"].as_f64().unwrap());
    // What it found is in the log, and has the R that it had.
    let trials = trials(&folder, "m.trials.jsonl");
    let best = trials.iter().find(|trial| trial["architecture"] == summary["best"]).unwrap();
    let close = |one: &Value, other: &Value| (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6;
    assert!(close(&best["reward"], &summary["reward"]) && close(&best["accuracy"], &summary["valid"]["accuracy"]));
    assert!(trials.iter().all(|trial| trial["reward"].as_f64() <= best["reward"].as_f64()));
    let mean = trials.iter().map(|trial| trial["reward"].as_f64().unwrap()).sum::<f64>() / 30.0;
    assert!((mean - summary["last_reward"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn a_line_of_the_log_tells_all_of_a_trial() {
    let folder = folder();
    let always = ["search", "@digits", "--space", "space.toml", "--model", "m", "--overwrite", "--quiet"];
    let plain =
        ["accuracy", "architecture", "child", "controller", "loss", "passes", "reward", "seconds", "seed", "trial"];
    let strategies = [("thompson", "2"), ("evolution", "3"), ("random", "1"), ("local", "0.5"), ("reinforce", "3")];
    for (strategy, power) in strategies {
        let flags = [
            "--strategy",
            strategy,
            "--reward-power",
            power,
            "--budget",
            "20",
            "--children",
            "2",
            "--child-passes",
            "7",
        ];
        folder.run(&[&always[..], &flags].concat()).done();
        let head = folder.read("m.trials.jsonl");
        let head: Value = serde_json::from_slice(head.split(|&byte| byte == b'\n').next().unwrap()).unwrap();
        assert_eq!((&head["event"], &head["strategy"]), (&"search".into(), &strategy.into()));
        let mut learned = 0;
        for trial in trials(&folder, "m.trials.jsonl") {
            let mut expected = plain.to_vec();
            // There is nothing to edit before the first ones are known.
            let learns = strategy == "reinforce" && !trial["entropy"].is_null();
            learned += u32::from(learns);
            if learns {
                expected.extend(["baseline", "entropy", "staleness"]);
            }
            expected.sort_unstable();
            assert_eq!(fields(&trial), expected, "{trial}");
            let number = |name: &str| trial[name].as_f64().unwrap();
            let reward = number("accuracy").powf(power.parse().unwrap());
            assert!((reward - number("reward")).abs() < 1e-6, "{trial}");
            assert!(number("seconds") > 0.0 && number("loss") > 0.0 && number("child") < 2.0, "{trial}");
            assert_eq!((&trial["passes"], &trial["controller"]), (&7.into(), &0.into()));
            if learns {
                assert!(number("entropy") > 0.0 && number("baseline") >= 0.0, "{trial}");
            }
        }
        assert_eq!(learned >= 5, strategy == "reinforce", "{learned}");
    }
}

#[test]
fn control_by_random_search_is_in_the_summary_and_in_the_log() {
    let folder = folder();
    let flags = ["search", "@digits", "--space", "space.toml", "--model", "m", "--budget", "90", "--child-passes", "1"];
    let run = folder.run(&[&flags[..], &["--control", "random", "--strategy", "reinforce", "--json"]].concat()).done();
    let summary = run.summary();
    let control = &summary["control"];
    let mut expected: Vec<&str> = OF_A_SEARCH.to_vec();
    expected.push("valid");
    expected.sort_unstable();
    assert_eq!(fields(control), expected);
    // The same budget, the same finals.
    assert_eq!((&summary["trials"], &control["trials"]), (&98.into(), &98.into()));
    for found in [&summary, control] {
        assert_holds(&found["interval"], found["test"]["accuracy"].as_f64().unwrap());
        assert_holds(&found["last_interval"], found["last_reward"].as_f64().unwrap());
    }
    // Of a policy there is staleness, of none there is not.
    assert_eq!(fields(&summary["staleness"]), ["p50", "p99"]);
    assert!(control["staleness"].is_null());
    let trials = trials(&folder, "m.trials.jsonl");
    let of_control: Vec<_> = trials.iter().filter(|trial| trial["control"] == true).collect();
    assert_eq!((trials.len(), of_control.len()), (196, 98));
    assert!(of_control.iter().all(|trial| trial["baseline"].is_null()));
    // Its model is not kept, and nothing is told twice as the last line.
    assert_eq!(
        run.out.lines().filter(|line| line.contains("\"event\":\"summary\"") && line.contains("\"control\":")).count(),
        1
    );
    // Gone on with there is nothing to do, and it all comes to the same.
    let again = [&flags[..], &["--control", "random", "--strategy", "reinforce", "--json", "--resume"]].concat();
    let again = folder.run(&again).done().summary();
    for name in ["best", "reward", "trials", "valid", "last_reward"] {
        assert_eq!((&again[name], &again["control"][name]), (&summary[name], &control[name]), "{name}");
    }
    assert_eq!(trials.len(), super::trials(&folder, "m.trials.jsonl").len());
}

#[test]
fn people_are_told_what_is_searched_what_is_best_and_where_it_is() {
    let folder = folder();
    let flags = ["search", "@digits", "--space", "space.toml", "--model", "m", "--budget", "20", "--child-passes", "1"];
    let run = folder.run(&flags).done();
    let said = |part: &str| assert!(run.err.contains(part), "{part:?} is not in {}", run.err);
    said("2,475 architectures");
    said("20 trials");
    said("trials   R now  best R  accuracy  model");
    said("the best of 20 trials, R ");
    said("on rows it has not seen (95 %: ");
    said(": hogback train DATA --kind mlp ");
    said("saved m in ");
    said("; trials in m.trials.jsonl");
    assert!(run.out.is_empty(), "{run:?}");
    let quiet = folder.run(&[&flags[..], &["--quiet", "--overwrite"]].concat()).done();
    assert!(quiet.out.is_empty() && quiet.err.is_empty(), "{quiet:?}");
    // The log is a person's too: with another name it is elsewhere.
    folder.run(&[&flags[..], &["--quiet", "--overwrite", "--log", "here.jsonl"]].concat()).done();
    assert_eq!(trials(&folder, "here.jsonl").len(), 20);
}
