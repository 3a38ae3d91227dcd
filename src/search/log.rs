//! The log of a search: one JSON line says what the search is, then one line a trial. What it holds is not tried again.
//!
//! A line is written whole or not at all, but for the last one before a kill or a full disk, which is dropped when the log is gone on with.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::store::{Sink, Store};

/// A trial as the log has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 0.
    pub trial: usize,
    /// What was chosen, by name.
    pub architecture: Map<String, Value>,
    /// R; 0 where it failed.
    pub reward: f32,
    /// The accuracy that it is a power of (of numbers, the share of the variance, or of what else is lost, that the model explains).
    pub accuracy: f64,
    /// The held-out loss after the last pass.
    pub loss: f64,
    /// Passes over the data.
    pub passes: u32,
    /// What it took.
    pub seconds: f64,
    /// Its seed.
    pub seed: u64,
    /// How often it was promoted, under successive halving.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub rung: usize,
    /// Which controller proposed it.
    pub controller: usize,
    /// Which child tried it.
    pub child: usize,
    /// True of trials of the finals, which are none of the budget.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub finals: bool,
    /// True of random search that was run to compare with.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub control: bool,
    /// Updates of Θ by others between what the proposal was drawn from and what came of it, where there is a policy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub staleness: Option<u64>,
    /// What R was compared with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub baseline: Option<f32>,
    /// The entropy of the policy, the mean over its decisions, in nats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entropy: Option<f32>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A log that is being written; by whole lines, so that all controllers may.
pub(super) struct TrialLog {
    path: PathBuf,
    lines: Mutex<Lines>,
}

/// Where the lines go.
struct Lines {
    sink: Box<dyn Sink>,
    /// Why a line was not written whole. Nothing may stand behind it.
    cut: Option<io::Error>,
}

impl TrialLog {
    /// A new log at `path`, in place of what is there, which begins with `head`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn create(store: &dyn Store, path: &Path, head: &impl Serialize) -> Result<Self> {
        let wrong = |error| Error::io(path, "write the log of the search", error);
        let log = Self::new(path, store.create(path).map_err(wrong)?);
        log.line(head)?;
        log.sync()?;
        Ok(log)
    }

    /// Goes on with the log at `path`, of which `length` bytes are whole lines.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn go_on(store: &dyn Store, path: &Path, length: u64) -> Result<Self> {
        let wrong = |error| Error::io(path, "write the log of the search", error);
        let cut = |path: &Path| fs::File::options().write(true).open(path)?.set_len(length);
        cut(path).map_err(wrong)?;
        Ok(Self::new(path, store.append(path).map_err(wrong)?))
    }

    fn new(path: &Path, sink: Box<dyn Sink>) -> Self {
        Self { path: path.to_path_buf(), lines: Mutex::new(Lines { sink, cut: None }) }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn line(&self, line: &impl Serialize) -> Result<()> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let Lines { sink, cut } = &mut *lines;
        let written = match cut {
            Some(error) => Err(same(error)),
            None => serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                sink.write_all(&line)?;
                sink.flush()
            }),
        };
        written.map_err(|error| {
            *cut = Some(same(&error));
            Error::io(&self.path, "write the log of the search", error)
        })
    }

    /// Returns once every line would survive a power cut.
    ///
    /// # Errors
    /// [`Error::Io`] where the system cannot say so.
    pub(super) fn sync(&self) -> Result<()> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.sink.sync().map_err(|error| Error::io(&self.path, "write the log of the search", error))
    }
}

/// The same error once more.
fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// What every log begins with.
const BEGINS: &[u8] = br#"{"event":"search","#;

/// A log that was read.
#[derive(Debug)]
pub(super) struct Written {
    /// Its first line.
    pub(super) head: Map<String, Value>,
    /// Its trials, in the order in which they were done.
    pub(super) trials: Vec<Trial>,
    /// The bytes of its whole lines.
    pub(super) length: u64,
}

impl Written {
    /// Reads the log at `path`; none where its writer ended before the first line was whole.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none, [`Error::Io`] where it cannot be read, [`Error::Line`] for a line that is no trial.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let text = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let what =
                    format!("{} is not there, so nothing can be gone on with: begin without --resume", path.display());
                Error::Usage(what)
            }
            _ => Error::io(path, "read the log of the search", error),
        })?;
        let length = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let wrong = |line: usize, what: String| Error::Line { path: path.to_path_buf(), line: line as u64 + 1, what };
        let mut lines = text[..length].split_inclusive(|&byte| byte == b'\n').enumerate();
        let Some((_, first)) = lines.next() else {
            if text.starts_with(BEGINS) || BEGINS.starts_with(&text) {
                return Ok(None);
            }
            return Err(wrong(0, "no log of hogback search begins like this".to_owned()));
        };
        let head = serde_json::from_slice(first)
            .map_err(|error| wrong(0, format!("no log of hogback search begins like this: {error}")))?;
        let trial =
            |(line, text)| serde_json::from_slice(text).map_err(|error| wrong(line, format!("no trial: {error}")));
        Ok(Some(Self { head, trials: lines.map(trial).collect::<Result<_>>()?, length: length as u64 }))
    }
}
