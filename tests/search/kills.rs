//! Searches that are killed at any moment, and gone on with.

use super::{Random, assert_each_once, count, folder, of_budget, seed, times, trials, words};
use crate::common::{Folder, run};
use hogback::checkpoint::load;
use serde_json::Value;
use std::collections::HashSet;
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

/// The words of a search by a strategy, new or gone on with, and more flags.
fn flags<'a>((strategy, more): (&'a str, &[&'a str]), resumes: bool) -> Vec<&'a str> {
    let flags = ["--strategy", strategy, "--budget", "120", "--child-passes", "1", "--checkpoint-every", "1"];
    let all = words(&[&flags[..], more].concat());
    [&all[..], if resumes { &["--resume"] } else { &[] }].concat()
}

/// Kills searches by a strategy at random moments until they have died so often, and goes on with each until it is done.
fn killed(of: (&str, &[&str]), kills: u64) {
    let folder = folder();
    let begun = Instant::now();
    run(&mut folder.command(&flags(of, false))).done();
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
        let wait = Duration::from_micros(random.below(3 * life / 4));
        let story = format!("{of:?}, seed {seed}, life {lives}, killed after {wait:?}");
        let mut command = folder.command(&flags(of, resumes));
        command.stdout(Stdio::null()).stderr(File::create(folder.path("said")).unwrap());
        let mut process = command.spawn().unwrap();
        sleep(wait);
        process.kill().unwrap();
        let status = process.wait().unwrap();
        let after = if folder.has(LOG) { whole(&folder.read(LOG)).to_vec() } else { Vec::new() };
        // The law: what was whole before is still there, and still first.
        assert!(after.starts_with(&before), "{story}: a line was lost");
        assert!(after.starts_with(b"{\"event\":\"search\",") || after.is_empty(), "{story}");
        assert_apart(&logged(&after), of);
        if status.signal().is_some() {
            killed += 1;
            continue;
        }
        assert_eq!(status.code(), Some(0), "{story}: {}", String::from_utf8_lossy(&folder.read("said")));
        lost += ends_well(&folder, of, &story);
        searches += 1;
        clear();
    }
    if folder.has(LOG) {
        run(&mut folder.command(&flags(of, true))).done();
        lost += ends_well(&folder, of, "at last");
    }
    // Whoever was in flight was lost, and nobody else: the numbers that were dealt and never logged.
    assert!(lost <= killed as usize * CHILDREN, "{lost} trials lost by {killed} kills");
    println!(
        "crash: {of:?} (seed {seed}), {killed} kills, {searches} searches came to their end, {lost} trials in flight were lost"
    );
}

/// The trials of whole lines of a log.
fn logged(log: &[u8]) -> Vec<Value> {
    let lines = log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).skip(1);
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Holds trials to be there once each; of two controllers both may have proposed a model at the same time.
fn assert_apart(trials: &[Value], (_, more): (&str, &[&str])) {
    if more.contains(&"--controllers") {
        let numbers: HashSet<u64> = trials.iter().map(|trial| trial["trial"].as_u64().unwrap()).collect();
        assert_eq!(numbers.len(), trials.len(), "a trial twice");
        assert!(times(&of_budget(trials)).values().all(|&times| times <= 2));
    } else {
        assert_each_once(trials);
    }
}

/// Holds a search that has come to its end to have all of its trials and its model; how many trials were lost on the way.
fn ends_well(folder: &Folder, of: (&str, &[&str]), story: &str) -> usize {
    let all = trials(folder, LOG);
    assert_apart(&all, of);
    let mut lost = 0;
    for control in [false, true].into_iter().filter(|&control| !control || of.1.contains(&"--control")) {
        let here: Vec<&Value> = all.iter().filter(|trial| trial["control"].is_null() != control).collect();
        let finals = here.iter().filter(|trial| trial["finals"] == true).count();
        assert_eq!(here.len() - finals, BUDGET, "{story}: the budget is of all runs together");
        // Three models have four each; two controllers may give one a trial too many before they are killed.
        assert!((12..=14).contains(&finals), "{story}: {finals} trials of finals");
        let most = here.iter().map(|trial| trial["trial"].as_u64().unwrap() as usize).max().unwrap();
        if of.0 == "reinforce" {
            let position = load(&folder.path("m.policy")).unwrap().manifest.position;
            assert!(position["below"].as_u64().unwrap() as usize + finals > most, "{story}: {position}");
        }
        lost += most + 1 - here.len();
    }
    folder.run(&["eval", "m", "@digits"]).done();
    lost
}

#[test]
fn evolution_may_be_killed_at_any_moment() {
    killed(("evolution", &["--children", "2"]), count(8));
}

#[test]
fn random_search_may_be_killed_at_any_moment() {
    killed(("random", &["--children", "2"]), count(8));
}

#[test]
fn reinforce_may_be_killed_at_any_moment() {
    killed(("reinforce", &["--children", "2"]), count(8));
}

#[test]
fn a_search_of_two_controllers_may_be_killed_at_any_moment() {
    killed(("reinforce", &["--nodes", "2", "--controllers", "2", "--children", "1"]), count(4));
}

#[test]
fn a_search_and_what_it_is_compared_with_may_be_killed_at_any_moment() {
    killed(("evolution", &["--children", "2", "--control", "random"]), count(4));
}

/// Θ as it is committed, and which trials it has learned from.
fn policy(folder: &Folder) -> (Vec<f32>, Value) {
    let loaded = load(&folder.path("m.policy")).unwrap();
    (loaded.weights[0].data.clone(), loaded.manifest.position)
}

#[test]
fn a_policy_is_restored_and_learns_what_it_had_not_learned() {
    // Whole architectures from the first trial on, and edits of the best of the first ones.
    for (policy_flags, least, fresh) in [(&["--policy", "paper"][..], 24, 30), (&[], 8, 15)] {
        let folder = folder();
        let search = |budget: &str, more: &[&str]| {
            let flags = ["--strategy", "reinforce", "--children", "1", "--child-passes", "1", "--budget", budget];
            folder.run(&words(&[&flags[..], policy_flags, more].concat())).done()
        };
        let of = |position: &Value, trials: u64, updates: u64| {
            assert_eq!((&position["below"], &position["but"]), (&trials.into(), &Value::Array(vec![])), "{position}");
            assert!(position["updates"].as_u64().unwrap() >= updates, "{position}");
        };
        search("24", &[]);
        let (weights, position) = policy(&folder);
        of(&position, 24, least);
        // Nothing is left to do, and Θ is as it was.
        search("24", &["--resume"]);
        let (same, again) = policy(&folder);
        assert!(weights == same && position == again, "{again}");
        // It goes on from where it was.
        search("30", &["--resume"]);
        let (more, later) = policy(&folder);
        assert!(more != weights);
        of(&later, 30, position["updates"].as_u64().unwrap() + 1);
        // What an older Θ has not learned, or one that is gone, is learned from the log.
        std::fs::remove_dir_all(folder.path("m.policy")).unwrap();
        search("31", &["--resume"]);
        of(&policy(&folder).1, 31, fresh);
    }
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
