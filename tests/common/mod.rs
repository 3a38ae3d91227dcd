//! A folder to run `hogback` in as a user would, and small data for it.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod planted;

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A temporary folder, in which every command of a test runs.
pub(crate) struct Folder(tempfile::TempDir);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with `good.svm` and a model of it, `m`, of one child.
    pub(crate) fn with_model() -> Self {
        let folder = Self::new();
        folder.write("good.svm", svm(200));
        folder.run(&["train", "good.svm", "--model", "m", "--children", "1", "--passes", "3", "--no-cache"]).done();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Whether something has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// `hogback` with these arguments, in this folder, with nothing to read.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hogback"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("HOGBACK_KERNELS").env_remove("RUST_BACKTRACE").env("COLUMNS", "80");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        run(&mut self.command(arguments))
    }

    /// Runs with `input` piped in.
    pub(crate) fn pipe(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = self.spawn(arguments);
        let mut stdin = child.stdin.take().unwrap();
        let input = input.as_ref().to_vec();
        // Beside the reading of the answers, as neither pipe holds much. What is not read is not wanted.
        let writer = std::thread::spawn(move || _ = stdin.write_all(&input));
        let run = Run::of(&child.wait_with_output().unwrap());
        writer.join().unwrap();
        run
    }

    /// Begins a command whose three streams are piped.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What `model` predicts for `data`.
    pub(crate) fn predictions(&self, model: &str, data: &str) -> String {
        self.run(&["predict", model, data]).done().out
    }

    /// The files that a model consists of but for its manifest and its spec, which say when it was made and of what.
    pub(crate) fn model_bytes(&self, model: &str) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.path(model).join("latest")).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let files = entries.filter(|path| !["manifest.json", "spec.toml"].iter().any(|name| path.ends_with(name)));
        let mut files: Vec<_> = files.map(|path| (name(&path), fs::read(path).unwrap())).collect();
        files.sort();
        files
    }
}

pub(crate) fn run(command: &mut Command) -> Run {
    Run::of(&command.output().unwrap())
}

/// Ends `child` when `limit` is over unless what this gives back is dropped before: a test that waits for it fails then, and does
/// not hang.
pub(crate) fn watch(child: &Child, limit: Duration) -> Sender<()> {
    let (watched, over) = channel();
    let process = Pid::from_child(child);
    std::thread::spawn(move || {
        if over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let _ = kill_process(process, Signal::KILL);
        }
    });
    watched
}

impl Run {
    fn of(output: &std::process::Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The same, which must have ended well.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        self
    }

    /// The message of a command that must have failed with `code`: one line and nothing else, without noise.
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        let message = self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("{self:?}"));
        let message = message.strip_suffix('\n').unwrap_or_else(|| panic!("{self:?}"));
        for noise in ["\n", "os error", "panicked", "Error {", "\x1b"] {
            assert!(!message.contains(noise), "{noise:?}: {self:?}");
        }
        assert!(message.chars().count() <= 250, "too long: {message}");
        message
    }

    /// Fails as [`failed`](Self::failed), and says every one of `parts`.
    pub(crate) fn failed_with(&self, code: i32, parts: &[&str]) {
        let message = self.failed(code);
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in {message:?}");
        }
    }

    /// The last line on stdout, which is JSON.
    pub(crate) fn summary(&self) -> serde_json::Value {
        serde_json::from_str(self.out.lines().last().unwrap()).unwrap()
    }
}

/// Holds two lists of predictions to be the same but for the last bits, which the order of a sum changes.
pub(crate) fn assert_close(ones: &str, others: &str) {
    assert_eq!(ones.lines().count(), others.lines().count());
    for (one, other) in ones.lines().zip(others.lines()) {
        assert!((one.parse::<f32>().unwrap() - other.parse::<f32>().unwrap()).abs() < 1e-6, "{one} {other}");
    }
}

/// Holds `act` to leave the model `m` of `folder` as it is, to the last prediction.
pub(crate) fn keeping_the_model(folder: &Folder, act: impl FnOnce() -> Run) -> Run {
    let before = (folder.predictions("m", "good.svm"), folder.model_bytes("m"));
    let run = act();
    assert_eq!((folder.predictions("m", "good.svm"), folder.model_bytes("m")), before);
    run
}

/// `bytes` in gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// `rows` lines of libsvm data of two classes, 1 and -1, which a linear model tells apart but for some noise.
pub(crate) fn svm(rows: usize) -> String {
    let (mut numbers, mut text) = (Numbers(1), String::new());
    for _ in 0..rows {
        let ids: Vec<u64> = (0..6).map(|group| 1 + 5 * group + numbers.below(5)).collect();
        let score: i64 = ids.iter().map(|id| if id % 5 < 2 { 2 } else { -1 }).sum();
        let label = if score + numbers.below(3) as i64 > 1 { 1 } else { -1 };
        write!(text, "{label:+}").unwrap();
        ids.iter().for_each(|id| write!(text, " {id}:{}", [1.0, 0.5][numbers.below(2) as usize]).unwrap());
        text.push('\n');
    }
    text
}

/// libsvm data of [`svm`] as libffm data: five indices a field.
pub(crate) fn as_ffm(svm: &str) -> String {
    let pair = |pair: &str| match pair.split_once(':').map(|(index, _)| index.parse::<u64>()) {
        Some(Ok(index)) => format!("{}:{pair}", (index - 1) / 5),
        _ => pair.to_owned(),
    };
    svm.lines().map(|line| line.split(' ').map(pair).collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// `rows` records of CSV with a header: two numbers, a word, and the label.
pub(crate) fn csv(rows: usize) -> String {
    let (mut numbers, mut text) = (Numbers(2), "size,weight,color,label\n".to_owned());
    for _ in 0..rows {
        let (size, weight) = (numbers.below(100), numbers.below(100));
        let color = ["red", "green", "blue"][numbers.below(3) as usize];
        let label = u64::from(size + numbers.below(30) > weight + if color == "red" { 0 } else { 30 });
        writeln!(text, "{},{},{color},{label}", size as f64 / 100.0, weight as f64 / 100.0).unwrap();
    }
    text
}
