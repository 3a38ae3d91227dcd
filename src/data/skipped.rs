//! [`Skipped`]: rows that were left out because something is wrong with them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::parse::Fault;
use crate::error::Error;

/// Bad rows of a file that were left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many, never 0.
    pub rows: u64,
    /// The line (or image) of the first one, from 1.
    line: u64,
    /// What is wrong with it.
    what: String,
}

impl Skipped {
    /// Where the first one stands in the file at `path`, and what is wrong with it.
    pub fn first(&self, path: &Path) -> Error {
        Error::Line { path: path.to_path_buf(), line: self.line, what: self.what.clone() }
    }

    /// Adds the `rows` bad rows of a chunk that `lines` lines come before, the first of which is `first`.
    pub(crate) fn add(all: &mut Option<Self>, rows: usize, first: Option<Fault>, lines: u64) {
        match (all, first) {
            (Some(all), _) => all.rows += rows as u64,
            (all, Some(Fault { line, what })) => *all = Some(Self { rows: rows as u64, line: lines + line + 1, what }),
            (None, None) => {}
        }
    }

    /// Why a file without rows is refused, of which these were skipped.
    pub(crate) fn no_rows(skipped: Option<&Self>, path: &Path) -> Error {
        match skipped {
            Some(skipped) => Error::data(path, format!("holds no good row; the first one is {}", skipped.first(path))),
            None => Error::data(path, "holds no rows"),
        }
    }
}
