//! What can go wrong, in words that say what happened, where, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// The result of anything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("{}: cannot {doing}: {}", path.display(), plain(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done, as it stands after "cannot".
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A line of data is not what it should be.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The data file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What stands there and what was expected.
        what: String,
    },
    /// A data file as a whole is not what it should be.
    #[error("{}: {what}", path.display())]
    Data {
        /// The data file.
        path: PathBuf,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A model directory that cannot be used.
    #[error("{}: {what}", path.display())]
    Model {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// The flags do not fit together or do not fit the data.
    #[error("{0}")]
    Usage(String),
    /// Training diverged and could not be rescued.
    #[error("{0}")]
    Diverged(String),
    /// A signal asked the run to stop.
    #[error("{what}")]
    Interrupted {
        /// What was going on, and what is saved.
        what: String,
        /// A generation was committed, from which a resumed run goes on.
        saved: bool,
    },
    /// The machine or a thread failed the run.
    #[error("{0}")]
    Engine(String),
}

impl Error {
    /// An [`Error::Io`] at `path`; `doing` stands after "cannot".
    pub fn io(path: impl AsRef<Path>, doing: &'static str, source: io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), doing, source }
    }

    /// An [`Error::Data`] at `path`.
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::Data { path: path.as_ref().to_path_buf(), what: what.into() }
    }

    /// An [`Error::Model`] at `path`.
    pub fn model(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Self::Model { path: path.as_ref().to_path_buf(), what: what.into() }
    }

    /// What ends a command that was asked to stop while it read data.
    pub(crate) fn stopped_reading() -> Self {
        Self::Interrupted { what: "interrupted while reading: nothing was trained or saved".to_owned(), saved: false }
    }

    /// The exit code of a command that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Diverged(_) => 3,
            Self::Interrupted { .. } => 130,
            _ => 1,
        }
    }
}

/// The system's reason in words, without Rust's "(os error N)".
pub(crate) fn plain(source: &io::Error) -> String {
    let text = source.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
