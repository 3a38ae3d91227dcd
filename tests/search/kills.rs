//! Searches that are killed at any moment, and gone on with.

use super::{Random, assert_each_once, count, folder, of_budget, seed, trials, words};
use crate::common::{Folder, run};
use hogback::checkpoint::load;
use serde_json::Value;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

const BUDGET: usize = 120;
const CHILDREN: usize = 2;
const LOG: &str = "m.trials.jsonl";

/// The whole lines of a log.
fn whole(log: &[u8]) -> &[u8] {
    &log[..log.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)]
}

/// The flags of a search by a strategy, new or gone on with.
fn flags(strategy: &str, resumes: bool) -> Vec<&str> {
    let (budget, children) = ("120", "2");
    let flags = ["--strategy", strategy, "--budget", budget, "--children", children, "--child-passes", "1"];
    let all = words(&[&flags[..], &["--checkpoint-every", "1"]].concat());
    [&all[..], if resumes { &["--resume"] } else { &[] }].concat()
}

/// Kills searches by a strategy at random moments until they have died so often, and goes on with each until it is done.
fn killed(strategy: &str, kills: u64) {
    let folder = folder();
    let begun = Instant::now();
    run(&mut folder.command(&flags(strategy, false))).done();
    let life = begun.elapsed().as_micros() as u64;
    let clear = || {
        for name in ["m", "m.policy"] {
            let _ = std::fs::remove_dir_all(folder.path(name));
        }
        std::fs::remove_file(folder.path(LOG)).unwrap();
    };
    clear();
    let (seed, mut random) = (seed(), Random(seed()));
    let (mut killed, mut lives, mut searches, mut lost) = (0, 0, 0, 0);
    while killed < kills {
        let resumes = folder.has(LOG);
        let before = if resumes { whole(&folder.read(LOG)).to_vec() } else { Vec::new() };
        lives += 1;
        let wait = Duration::from_micros(random.below(life / 2));
        let story = format!("{strategy}, seed {seed}, life {lives}, killed after {wait:?}");
        let mut command = folder.command(&flags(strategy, resumes));
        command.stdout(Stdio::null()).stderr(File::create(folder.path("said")).unwrap());
        let mut process = command.spawn().unwrap();
        sleep(wait);
        process.kill().unwrap();
        let status = process.wait().unwrap();
        let after = if folder.has(LOG) { whole(&folder.read(LOG)).to_vec() } else { Vec::new() };
        // The law: what was whole before is still there, and still first.
        assert!(after.starts_with(&before), "{story}: a line was lost");
        assert!(after.starts_with(b"{\"event\":\"search\",") || after.is_empty(), "{story}");
        assert_each_once(&logged(&after));
        if status.signal().is_some() {
            killed += 1;
            continue;
        }
        assert_eq!(status.code(), Some(0), "{story}: {}", String::from_utf8_lossy(&folder.read("said")));
        lost += ends_well(&folder, &story);
        searches += 1;
        clear();
    }
    if folder.has(LOG) {
        run(&mut folder.command(&flags(strategy, true))).done();
        lost += ends_well(&folder, strategy);
    }
    // Whoever was in flight was lost, and nobody else: the numbers that were dealt and never logged.
    assert!(lost <= killed as usize * CHILDREN, "{lost} trials lost by {killed} kills");
    println!(
        "crash: {strategy} (seed {seed}), {killed} kills, {searches} searches came to their end, {lost} trials in flight were lost"
    );
}

/// The trials of whole lines of a log.
fn logged(log: &[u8]) -> Vec<Value> {
    let lines = log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).skip(1);
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Holds a search that has come to its end to have all of its trials and its model; how many trials were lost on the way.
fn ends_well(folder: &Folder, story: &str) -> usize {
    let trials = trials(folder, LOG);
    assert_each_once(&trials);
    let budget = of_budget(&trials);
    assert_eq!(budget.len(), BUDGET, "{story}: the budget is of all runs together");
    let finals = trials.len() - budget.len();
    assert_eq!(finals, 12, "{story}: three models have four trials each");
    folder.run(&["eval", "m", "@digits"]).done();
    let most = trials.iter().map(|trial| trial["trial"].as_u64().unwrap() as usize).max().unwrap();
    if folder.has("m.policy") {
        let position = load(&folder.path("m.policy")).unwrap().manifest.position;
        assert!(position["below"].as_u64().unwrap() as usize + finals > most, "{story}: {position}");
    }
    most + 1 - trials.len()
}

#[test]
fn evolution_may_be_killed_at_any_moment() {
    killed("evolution", count(8));
}

#[test]
fn random_search_may_be_killed_at_any_moment() {
    killed("random", count(8));
}

#[test]
fn reinforce_may_be_killed_at_any_moment() {
    killed("reinforce", count(8));
}

/// Θ as it is committed, and which trials it has learned from.
fn policy(folder: &Folder) -> (Vec<f32>, Value) {
    let loaded = load(&folder.path("m.policy")).unwrap();
    (loaded.weights[0].data.clone(), loaded.manifest.position)
}

#[test]
fn a_policy_is_restored_and_learns_what_it_had_not_learned() {
    let folder = folder();
    let search = |budget: &str, more: &[&str]| {
        let flags = ["--strategy", "reinforce", "--children", "1", "--child-passes", "1", "--budget", budget];
        folder.run(&words(&[&flags[..], more].concat())).done()
    };
    search("12", &[]);
    let (weights, position) = policy(&folder);
    // Each trial has moved Θ, and so has what was proposed again and is known.
    let of = |position: &Value, trials: u64| {
        assert_eq!((&position["below"], &position["but"]), (&trials.into(), &Value::Array(vec![])), "{position}");
        assert!(position["updates"].as_u64().unwrap() >= trials, "{position}");
    };
    of(&position, 12);
    // Nothing is left to do, and Θ is as it was.
    search("12", &["--resume"]);
    let (same, again) = policy(&folder);
    assert!(weights == same && position == again, "{again}");
    // It goes on from where it was.
    search("16", &["--resume"]);
    let (more, later) = policy(&folder);
    assert!(more != weights);
    of(&later, 16);
    // What an older Θ has not learned, or one that is gone, is learned from the log.
    std::fs::remove_dir_all(folder.path("m.policy")).unwrap();
    search("17", &["--resume"]);
    let (_, anew) = policy(&folder);
    of(&anew, 17);
}

#[test]
fn a_log_whose_last_line_was_cut_is_gone_on_with() {
    let folder = folder();
    let search = |budget: &str, more: &[&str]| {
        let flags = ["--strategy", "random", "--children", "1", "--child-passes", "1", "--budget", budget];
        folder.run(&words(&[&flags[..], more].concat()))
    };
    search("6", &[]).done();
    let log = folder.read(LOG);
    let kept = whole(&log[..log.len() - 1]).len();
    for cut in [1, 2, (log.len() - kept) / 2, log.len() - kept - 1] {
        folder.write(LOG, &log[..log.len() - cut]);
        search("6", &["--resume"]).done();
        let now = folder.read(LOG);
        assert!(now.starts_with(&log[..kept]));
        let trials = trials(&folder, LOG);
        assert_each_once(&trials);
        assert_eq!(trials.len(), 6, "cut {cut}");
    }
    // Of the first line as well: nothing was tried by then.
    for begun in [0, 1, 10, 200] {
        folder.write(LOG, &log[..begun]);
        search("6", &["--resume"]).done();
        assert_eq!(folder.read(LOG).iter().filter(|&&byte| byte == b'\n').count(), 7, "{begun} bytes");
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_named() {
    let folder = folder();
    let search = |more: &[&str]| {
        let flags = ["--strategy", "random", "--children", "1", "--child-passes", "1", "--budget", "6"];
        folder.run(&words(&[&flags[..], more].concat()))
    };
    search(&[]).done();
    let log = String::from_utf8(folder.read(LOG)).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let with = |line: &str| {
        let damaged = [&lines[..3], &[line], &lines[4..]].concat();
        folder.write(LOG, damaged.join("\n") + "\n");
        search(&["--resume"])
    };
    with("{").failed_with(1, &["m.trials.jsonl:4: no trial: "]);
    with(&lines[3][..lines[3].len() / 2]).failed_with(1, &["m.trials.jsonl:4: no trial: "]);
    with(&lines[3].replace("\"reward\":", "\"reward\":no")).failed_with(1, &["m.trials.jsonl:4: no trial: "]);
    with(&lines[3].replace("\"reward\"", "\"price\"")).failed_with(1, &["m.trials.jsonl:4: no trial: ", "reward"]);
    with(&lines[3].replace("\"batch\":", "\"batch\":-"))
        .failed_with(1, &["m.trials.jsonl", "is of no architecture of this space"]);
    folder.write(LOG, [&lines[..], &[lines[2]]].concat().join("\n") + "\n");
    search(&["--resume"]).failed_with(1, &["m.trials.jsonl: has trial 1 twice"]);
    folder.write(LOG, "1 2 3\n4 5\n");
    search(&["--resume"]).failed_with(1, &["m.trials.jsonl:1: no log of hogback search begins like this"]);
    folder.write(LOG, "something else");
    search(&["--resume"]).failed_with(1, &["m.trials.jsonl:1: no log of hogback search begins like this"]);
    assert_eq!(folder.read(LOG), b"something else");
}
