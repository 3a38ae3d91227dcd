//! Ctrl-C and SIGTERM, as a user sends them: the first saves and says how to go on, the second ends at once.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Child;
use std::time::Duration;

use common::{Folder, watch};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The longest that a run may take to come to where it is interrupted.
const BEGINNING: Duration = Duration::from_secs(60);
/// The longest that an interrupted run may take to end: ten times what it should, with the writing.
const ENDING: Duration = Duration::from_secs(10);

/// Begins to train for ever, interrupts the run by `signal` when its first pass is done, and gives back the passes it had done and
/// what it said last.
fn interrupted(folder: &Folder, flags: &[&str], signal: Signal) -> (u64, String) {
    let train = ["train", "good.svm", "--children", "2", "--early-stop", "0", "--passes", "4000000"];
    let mut child = folder.spawn(&[&train, flags].concat());
    let watched = watch(&child, BEGINNING);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("pass  ") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended by itself");
    }
    stderr.read_line(&mut line).unwrap();
    drop(watched);
    let _watched = watch(&child, ENDING);
    kill_process(Pid::from_child(&child), signal).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    let last = rest.lines().last().unwrap().to_owned();
    let passes = last.strip_prefix("interrupted in pass ").and_then(|last| last.split(';').next()).unwrap();
    (passes.parse::<u64>().unwrap() - 1, last)
}

#[test]
fn an_interrupted_run_is_saved_and_says_how_it_goes_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = Folder::with_model();
        let (passes, said) = interrupted(&folder, &["--model", "m", "--overwrite", "--lr", "0.5"], signal);
        let (cause, again) = said.split_once("; go on with: ").unwrap();
        assert!(passes >= 1 && cause.ends_with(" of m is saved"), "{said}");
        let program = env!("CARGO_BIN_EXE_hogback");
        let flags = "train good.svm --children 2 --early-stop 0 --passes 4000000 --model m --lr 0.5 --resume";
        assert_eq!(again, format!("{program} {flags}"));
        assert_eq!(folder.predictions("m", "good.svm").lines().count(), 200);

        // Going on: the run was to be of that many passes in all, the rest of them comes now.
        let until = (passes + 3).to_string();
        let again: Vec<&str> =
            flags.split(' ').map(|word| if word == "4000000" { until.as_str() } else { word }).collect();
        let run = folder.run(&[&again[..], &["--json"]].concat()).done();
        assert_eq!(run.summary()["passes"], passes + 3);
        let first: Value = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).nth(1).unwrap();
        assert_eq!(first["pass"], passes + 1, "it goes on where it was");

        // A run that is done is gone on with by as many passes more.
        let run = folder.run(&["train", "good.svm", "--model", "m", "--resume", "--passes", "2", "--json"]).done();
        assert_eq!(run.summary()["passes"], passes + 5);
    }
}

#[test]
fn an_interrupted_resume_has_passes_of_its_own() {
    let folder = Folder::with_model();
    let (passes, _) = interrupted(&folder, &["--model", "m", "--resume"], Signal::INT);
    assert!(passes > 3, "the model had 3 passes before: {passes}");
    let more = (passes + 1).to_string();
    let run = folder.run(&["train", "good.svm", "--model", "m", "--resume", "--passes", &more, "--json"]).done();
    assert_eq!(run.summary()["passes"], 3 + passes + 1);
}

#[test]
fn an_interrupted_default_model_goes_on_without_a_name() {
    let folder = Folder::with_model();
    let (_, said) = interrupted(&folder, &[], Signal::INT);
    assert!(said.ends_with("train good.svm --children 2 --early-stop 0 --passes 4000000 --resume"), "{said}");
    folder.run(&["train", "good.svm", "--resume", "--passes", "1"]).done();
}

/// Begins to train from a pipe, `pipe`, and gives back the run when it reads, with the other end.
fn reading(folder: &Folder) -> (Child, File) {
    mknodat(CWD, folder.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let child = folder.spawn(&["train", "pipe", "--format", "libsvm", "--model", "n", "--overwrite"]);
    let _watched = watch(&child, BEGINNING);
    // Opening waits for the other side to open.
    let pipe = File::options().write(true).open(folder.path("pipe")).unwrap();
    (child, pipe)
}

/// What `child` said last, which must have ended with code 130.
fn last_words(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    said
}

#[test]
fn a_run_that_is_interrupted_while_it_reads_ends_before_it_has_read_all() {
    let folder = Folder::with_model();
    let (child, mut pipe) = reading(&folder);
    let _watched = watch(&child, ENDING);
    let process = Pid::from_child(&child);
    let rows = "+1 1:1 2:0.5\n-1 3:1\n".repeat(10_000);
    // More than a chunk, so that it is in the middle of it, and then on and on: it does not end because nothing comes.
    let writer = std::thread::spawn(move || {
        for nth in 0.. {
            if nth == 40 {
                kill_process(process, Signal::INT).unwrap();
            }
            if pipe.write_all(rows.as_bytes()).is_err() {
                break;
            }
        }
    });
    let said = last_words(child);
    writer.join().unwrap();
    let again = "train pipe --format libsvm --model n --overwrite";
    let expected = format!("nothing was trained or saved; run again: {} {again}\n", env!("CARGO_BIN_EXE_hogback"));
    assert!(said.starts_with("interrupted while reading: ") && said.ends_with(&expected), "{said}");
    assert!(!folder.has("n"));
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = Folder::with_model();
    let (child, pipe) = reading(&folder);
    let _watched = watch(&child, ENDING);
    // Nothing comes out of the pipe, so the first is not acted on. Two of a kind might be delivered as one.
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(last_words(child), "");
    drop(pipe);
    assert!(!folder.has("n"));
    folder.run(&["train", "good.svm", "--model", "n"]).done();
    assert!(!folder.has(".n.lock"));
}
