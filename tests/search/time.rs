//! What a search does with its time.

use super::{folder, trials};
use crate::common::Folder;
use serde_json::Value;
use std::time::Instant;

/// Seconds that a search of so many takes, all of the process, and its summary. A machine that has other things to do takes longer: it
/// is asked up to four times.
fn taken(folder: &Folder, seconds: f64, flags: &[&str]) -> (f64, Value) {
    let time = seconds.to_string();
    let always = ["search", "@digits", "--model", "m", "--overwrite", "--quiet", "--json", "--time", &time];
    let once = || {
        let begun = Instant::now();
        let run = folder.run(&[&always[..], flags].concat()).done();
        (begun.elapsed().as_secs_f64(), run.summary())
    };
    let in_time = |(took, _): &(f64, Value)| *took < seconds + 1.0;
    (1..4).map(|_| once()).find(in_time).unwrap_or_else(once)
}

#[test]
fn the_time_is_kept_last_training_and_scoring_included() {
    let folder = folder();
    for (seconds, flags) in
        [(2.0, &["--space", "space.toml"][..]), (3.0, &["--control", "random"]), (2.0, &["--halving"])]
    {
        let (took, summary) = taken(&folder, seconds, flags);
        // A child's pass takes some milliseconds.
        assert!(took < seconds + 1.0, "{took} of {seconds} s: {}", summary["seconds"]);
        assert!(summary["seconds"]["total"].as_f64().unwrap() <= took, "{}", summary["seconds"]);
        // And it is used.
        assert!(took > 0.5 * seconds, "{took} of {seconds} s: {}", summary["seconds"]);
        assert!(summary["trials"].as_u64().unwrap() > 4, "{summary}");
    }
}

#[test]
fn whatever_comes_first_ends_a_search_of_a_budget_and_a_time() {
    let folder = folder();
    let (took, summary) = taken(&folder, 60.0, &["--budget", "5", "--space", "space.toml", "--child-passes", "1"]);
    assert!(took < 20.0 && summary["trials"] == 5, "{took}: {summary}");
    let (took, summary) = taken(&folder, 1.0, &["--budget", "1000000"]);
    assert!(took < 2.0 && summary["trials"].as_u64().unwrap() < 1_000_000, "{took}: {summary}");
}

#[test]
fn a_trial_that_takes_too_long_has_failed_and_the_search_goes_on() {
    let folder = folder();
    // Some are too slow, and some are not.
    folder.write("slow.toml", "kind = \"mlp\"\nhidden = [\"4\", \"4096,4096\"]\nlr-factor = [0.25, 0.5, 1, 2]\n");
    let always =
        ["search", "@digits", "--space", "slow.toml", "--model", "m", "--quiet", "--json", "--child-passes", "1"];
    let flags = ["--child-time", "0.25", "--budget", "8", "--children", "2", "--strategy", "random"];
    let summary = folder.run(&[&always[..], &flags].concat()).done().summary();
    let trials = trials(&folder, "m.trials.jsonl");
    let failed: Vec<_> = trials.iter().filter(|trial| !trial["failed"].is_null()).collect();
    assert_eq!((failed.len(), &summary["failed"], &summary["trials"]), (4, &4.into(), &8.into()), "{trials:?}");
    for trial in failed {
        assert_eq!(trial["architecture"]["hidden"], "4096,4096");
        assert!(trial["failed"].as_str().unwrap().starts_with("it took longer than 0.250 s"), "{trial}");
        assert_eq!(trial["reward"], 0.0);
        // The row that it had in hand was finished, or the batch.
        assert!((0.25..3.0).contains(&trial["seconds"].as_f64().unwrap()), "{trial}");
    }
    assert_eq!(summary["best"]["hidden"], "4");
}
