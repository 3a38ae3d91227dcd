//! The log, line by line.

use rustix::io::Errno;
use serde_json::{Map, json};
use tempfile::tempdir;

use super::*;
use crate::search::log::{Trial, TrialLog, Written};
use crate::store::Faulty;

const HEAD: &str = "{\"event\":\"search\",\"seed\":0}\n";

fn head() -> serde_json::Value {
    json!({ "event": "search", "seed": 0 })
}

fn trial(number: usize) -> Trial {
    let mut architecture = Map::new();
    architecture.insert("lr".to_owned(), json!(0.1 + 0.2));
    architecture.insert("kind".to_owned(), json!("fm"));
    Trial {
        trial: number,
        architecture,
        reward: 0.1 + number as f32 / 3.0,
        accuracy: 0.1 + 0.2,
        loss: 1e-300,
        passes: 4,
        seconds: 0.001,
        seed: u64::MAX - 1,
        rung: 0,
        finals: false,
        controller: 1,
        child: 3,
        control: false,
        staleness: None,
        baseline: None,
        entropy: None,
        failed: None,
    }
}

#[test]
fn what_is_written_is_read_to_the_last_bit() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("l.jsonl");
    let full = Trial {
        rung: 2,
        finals: true,
        control: true,
        staleness: Some(7),
        baseline: Some(0.1),
        entropy: Some(1.0 / 3.0),
        failed: Some("it \"failed\"\nand so on".to_owned()),
        ..trial(5)
    };
    let trials = [trial(0), trial(2), full];
    let log = TrialLog::create(&Disk, &path, &head()).unwrap();
    trials.iter().for_each(|trial| log.line(trial).unwrap());
    log.sync().unwrap();
    let written = Written::read(&path).unwrap().unwrap();
    assert_eq!((written.trials, written.head.len()), (trials.to_vec(), 2));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((written.length as usize, text.lines().count()), (text.len(), 4));
    // What is not so is not said.
    for absent in ["rung", "finals", "control", "staleness", "baseline", "entropy", "failed"] {
        assert!(!text.lines().nth(1).unwrap().contains(&format!("\"{absent}\"")), "{absent}");
    }
}

#[test]
fn a_log_is_gone_on_with_behind_its_last_whole_line() {
    let folder = tempdir().unwrap();
    let path = write(folder.path(), "l.jsonl", HEAD);
    for number in 0..3 {
        let before = Written::read(&path).unwrap().unwrap();
        assert_eq!(before.trials.len(), number);
        TrialLog::go_on(&Disk, &path, before.length).unwrap().line(&trial(number)).unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += "{\"trial\":9,\"arch";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(HEAD) && text.matches('\n').count() == 4);
}

/// Whoever writes a line behind half a one would make two trials of none.
#[test]
fn nothing_is_written_behind_a_line_that_was_cut() {
    for (nth, error) in [(1, Errno::NOSPC), (2, Errno::DQUOT), (4, Errno::IO)] {
        let (folder, attic) = (tempdir().unwrap(), tempdir().unwrap());
        let path = folder.path().join("l.jsonl");
        let store = Faulty::new(attic.path());
        let log = TrialLog::create(&store, &path, &head()).unwrap();
        store.fail_once(store.operations() + nth, error);
        let written: Vec<_> =
            (0..6).map(|number| log.line(&trial(number)).map_err(|error| error.to_string())).collect();
        let good = written.iter().take_while(|line| line.is_ok()).count();
        assert!(good < 4, "{written:?}");
        // All say why the first was not written.
        assert!(written[good..].iter().all(|line| *line == written[good]), "{written:?}");
        assert!(written[good].as_ref().unwrap_err().contains("l.jsonl: cannot write the log of the search: "));
        let there = Written::read(&path).unwrap().unwrap();
        assert_eq!(there.trials, (0..good).map(trial).collect::<Vec<_>>());
        TrialLog::go_on(&Disk, &path, there.length).unwrap().line(&trial(9)).unwrap();
        assert_eq!(Written::read(&path).unwrap().unwrap().trials.len(), good + 1);
    }
}

#[test]
fn a_log_that_ends_before_its_first_line_does_is_a_new_one() {
    let folder = tempdir().unwrap();
    let read = |text: &str| {
        Written::read(&write(folder.path(), "l.jsonl", text)).map(|written| written.map(|written| written.trials.len()))
    };
    for text in ["", "{", "{\"event\":\"sea", &HEAD[..HEAD.len() - 1]] {
        assert_eq!(read(text).unwrap(), None, "{text:?}");
    }
    assert_eq!(read(HEAD).unwrap(), Some(0));
    for (text, what) in [
        ("notes", "l.jsonl:1: no log of hogback search begins like this"),
        ("{\"event\":\"start\"", "l.jsonl:1: no log of hogback search begins like this"),
        ("\n", "l.jsonl:1: no log of hogback search begins like this"),
        (&format!("{HEAD}\n"), "l.jsonl:2: no trial"),
        (&format!("{HEAD}{{}}\n"), "l.jsonl:2: no trial"),
        (&format!("{HEAD}{HEAD}"), "l.jsonl:2: no trial"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(what), "{text:?}: {error}");
    }
}
