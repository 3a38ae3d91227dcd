//! Searches that are asked to end.

use super::{Random, assert_each_once, folder, of_budget, seed, trials};
use crate::common::{Folder, watch};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOG: &str = "m.trials.jsonl";
const WORDS: [&str; 13] = [
    "search",
    "@digits",
    "--space",
    "space.toml",
    "--budget",
    "150",
    "--children",
    "2",
    "--child-passes",
    "2",
    "--model",
    "m",
    "--quiet",
];

/// Begins a search, sends it a signal after so long, and waits for it: its exit code, and what it said.
fn interrupted(folder: &Folder, words: &[&str], signal: Signal, wait: Duration) -> (Option<i32>, String) {
    let mut command = folder.command(words);
    let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _watched = watch(&process, Duration::from_secs(20));
    sleep(wait);
    kill_process(Pid::from_child(&process), signal).unwrap();
    let output = process.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The words of the command that a message says to go on with.
fn told(said: &str) -> Vec<&str> {
    let (_, command) = said.trim_end().rsplit_once("; go on with: ").unwrap_or_else(|| panic!("{said}"));
    command.split(' ').skip(1).collect()
}

#[test]
fn a_search_may_be_interrupted_at_any_moment_and_gone_on_with_as_it_says() {
    let folder = folder();
    let begun = Instant::now();
    folder.run(&WORDS).done();
    let life = begun.elapsed().as_micros() as u64;
    let (seed, mut random) = (seed(), Random(seed()));
    let clear = || {
        std::fs::remove_dir_all(folder.path("m")).unwrap();
        std::fs::remove_file(folder.path(LOG)).unwrap();
    };
    clear();
    // How many had not begun to listen, were reading, were under way, were done.
    let mut moments = [0; 4];
    let mut words: Vec<String> = WORDS.map(str::to_owned).to_vec();
    for run in 0..12 {
        let wait = Duration::from_micros(random.below(life));
        let signal = [Signal::INT, Signal::TERM][random.below(2) as usize];
        let story = format!("seed {seed}, run {run}, {signal:?} after {wait:?}");
        let before = if folder.has(LOG) { folder.read(LOG) } else { Vec::new() };
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, said) = interrupted(&folder, &arguments, signal, wait);
        match code {
            None => moments[0] += 1,
            Some(130) if said.contains("; run again: ") => {
                assert!(said.contains("interrupted while reading"), "{story}: {said}");
                moments[1] += 1;
            }
            Some(130) => {
                assert!(
                    said.lines().count() == 1 && said.contains(LOG) && said.contains("interrupted"),
                    "{story}: {said}"
                );
                assert!(folder.read(LOG).starts_with(&before), "{story}");
                assert_each_once(&trials(&folder, LOG));
                words = told(&said).into_iter().map(str::to_owned).collect();
                assert_eq!(words.last().unwrap(), "--resume");
                moments[2] += 1;
            }
            code => {
                assert_eq!(code, Some(0), "{story}: {said}");
                moments[3] += 1;
                clear();
                words = WORDS.map(str::to_owned).to_vec();
            }
        }
    }
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    folder.run(&arguments).done();
    let trials = trials(&folder, LOG);
    assert_each_once(&trials);
    assert_eq!((of_budget(&trials).len(), trials.len()), (150, 162), "three finalists, four times each");
    folder.run(&["eval", "m", "@digits"]).done();
    let [deaf, reading, searching, done] = moments;
    println!(
        "signals (seed {seed}): {reading} interrupted while reading, {searching} later, {deaf} before they listened, {done} were done"
    );
}

#[test]
fn an_interrupt_says_how_many_trials_there_are_and_how_to_go_on() {
    let folder = folder();
    let words = [
        "search",
        "@digits",
        "--time",
        "30",
        "--model",
        "m",
        "--log",
        "a log.jsonl",
        "--quiet",
        "--space",
        "space.toml",
    ];
    let (code, said) = interrupted(&folder, &words, Signal::INT, Duration::from_secs(1));
    assert_eq!(code, Some(130), "{said}");
    let trials = trials(&folder, "a log.jsonl").len();
    assert!(trials > 0);
    assert!(said.starts_with(&format!("interrupted after {trials} trials; a log.jsonl has them")), "{said}");
    assert!(said.contains("--log 'a log.jsonl'") && said.trim_end().ends_with(" --resume"), "{said}");
    assert!(!folder.has("m"));
    // A time is for each run.
    let more = ["--resume", "--time", "1"];
    let without_time: Vec<&str> = words[..2].iter().chain(&words[4..]).copied().collect();
    folder.run(&[&without_time[..], &more].concat()).done();
    assert!(super::trials(&folder, "a log.jsonl").len() > trials && folder.has("m"));
}
