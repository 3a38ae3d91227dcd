//! Data that can be read only once: it lies in a temporary file that nobody sees, and makes the model that it makes from a file.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Folder, csv, gzip, run, svm, watch};
use rustix::process::{Pid, Signal, kill_process};

const ONE: [&str; 4] = ["--children", "1", "--passes", "2"];

/// A few chunks of libsvm text.
fn long() -> String {
    svm(2000).repeat(150)
}

/// A few chunks of CSV text.
fn long_csv() -> String {
    let text = csv(2000);
    let (header, rows) = text.split_once('\n').unwrap();
    format!("{header}\n{}", rows.repeat(300))
}

/// The names in a folder.
fn names(folder: &Folder, name: &str) -> usize {
    fs::read_dir(folder.path(name)).unwrap().count()
}

#[test]
fn a_pipe_makes_the_model_of_the_file_whatever_holds_its_rows() {
    let folder = Folder::new();
    fs::create_dir(folder.path("tmp")).unwrap();
    for (file, text) in [("a.svm", long()), ("a.csv", long_csv())] {
        folder.write(file, &text);
        folder
            .run(&[&["train", file, "--model", file.trim_start_matches("a."), "--no-cache"], &ONE[..]].concat())
            .done();
        let expected = folder.model_bytes(file.trim_start_matches("a."));
        for (flags, packed) in [(&[][..], false), (&["--no-cache"], false), (&["--cache", "made/here"], true)] {
            let arguments = [&["train", "-", "--model", "piped", "--overwrite"], &ONE[..], flags].concat();
            let mut command = folder.command(&arguments);
            let input = if packed { gzip(text.as_bytes()) } else { text.clone().into_bytes() };
            folder.write("input", input);
            let input = fs::File::open(folder.path("input")).unwrap();
            let said = run(command.env("TMPDIR", folder.path("tmp")).stdin(input)).done().err;
            assert!(said.starts_with("data "), "{said}");
            assert_eq!(folder.model_bytes("piped"), expected, "{file} {flags:?}");
        }
        let script = "cat \"$1\" | \"$0\" train /dev/stdin --model piped --overwrite --children 1 --passes 2";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_hogback"), file]).env("TMPDIR", folder.path("tmp"));
        run(shell.current_dir(folder.path(""))).done();
        assert_eq!(folder.model_bytes("piped"), expected, "{file} by its device");
        assert_eq!((names(&folder, "tmp"), names(&folder, "made/here")), (0, 0));
    }
}

#[test]
fn nothing_is_left_of_a_run_that_is_killed() {
    for (flags, text) in [(&["--cache", "c"][..], long()), (&[], long()), (&[], long_csv())] {
        let folder = Folder::new();
        fs::create_dir(folder.path("c")).unwrap();
        let mut command = folder.command(&[&["train", "-"], flags].concat());
        command.env("TMPDIR", folder.path("c")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let watched = watch(&child, Duration::from_secs(60));
        // A pipe holds less than this, so when all of it is written the run is in the middle of its reading.
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        let files = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let files: Vec<String> =
            files.filter_map(|file| Some(fs::read_link(file.ok()?.path()).ok()?.display().to_string())).collect();
        let here = fs::canonicalize(folder.path("c")).unwrap().display().to_string();
        assert!(files.iter().any(|file| file.starts_with(&here) && file.ends_with("(deleted)")), "{files:?}");
        assert_eq!(names(&folder, "c"), 0, "no name while it runs");
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        assert!(!child.wait().unwrap().success());
        drop(watched);
        assert_eq!(names(&folder, "c"), 0, "no name after it was killed");
        assert!(!folder.has("hogback-model"));
    }
}

#[test]
fn where_no_temporary_file_can_be_written_memory_holds_all() {
    let folder = Folder::new();
    for (file, text) in [("svm", long()), ("csv", long_csv())] {
        folder.write(&format!("a.{file}"), &text);
        folder.run(&[&["train", &format!("a.{file}"), "--model", file, "--no-cache"], &ONE[..]].concat()).done();
        let input = || fs::File::open(folder.path(&format!("a.{file}"))).unwrap();
        let train = [&["train", "-", "--model", "piped", "--overwrite"], &ONE[..]].concat();
        for flags in [&["--cache", "/proc/no"][..], &[]] {
            let run = run(folder.command(&[&train, flags].concat()).env("TMPDIR", "/proc/no").stdin(input())).done();
            let note = "note: /proc/no: cannot hold standard input in a temporary file: no such file or directory; going on in memory";
            assert_eq!(run.err.lines().filter(|line| line.starts_with("note: ")).collect::<Vec<_>>(), [note]);
            assert_eq!(folder.model_bytes("piped"), folder.model_bytes(file));
        }
        // A disk that is full after some blocks, in units of 512 bytes: what it has taken is not lost.
        let script = "trap '' XFSZ; ulimit -f 18000; exec \"$0\" \"$@\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_hogback")]).args(&train).current_dir(folder.path(""));
        let run = run(shell.stdin(input())).done();
        let note = "cannot hold standard input in a temporary file: file too large; going on in memory";
        assert_eq!(run.err.lines().filter(|line| line.contains(note)).count(), 1, "{run:?}");
        assert_eq!(folder.model_bytes("piped"), folder.model_bytes(file));
    }
}
