//! What a search comes to on given data: what is read, what is tried, and for how long, with everything that nobody had said.

use std::path::{Path, PathBuf};

use super::Request;
use super::space::{Architecture, Space};
use crate::data::{DataFile, FieldSource, Hashing, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::Kind;

/// Rows that the trials of all their passes learn, about.
const ROWS: u64 = 600_000;
/// The most passes of a trial where nobody says.
const PASSES: u32 = 10;
/// What stands behind the name of a model, of its log, and of the policy.
const LOG: &str = ".trials.jsonl";
const POLICY: &str = ".policy";

/// The ways in which the models of a space are made of data: kinds, and how the data is read for them.
#[derive(Debug)]
pub(super) struct Ways {
    /// How the data is hashed, by reading.
    pub(super) readings: Vec<Option<Hashing>>,
    /// The kinds, each with the number of its reading.
    pub(super) kinds: Vec<(Kind, usize)>,
}

impl Ways {
    /// Those of `space`.
    pub(super) fn of(space: &Space, ignored: &[String]) -> Self {
        let readings = space.readings(ignored);
        let kinds =
            |(nth, (_, kinds)): (usize, &(_, Vec<Kind>))| kinds.iter().map(|&kind| (kind, nth)).collect::<Vec<_>>();
        let kinds = readings.iter().enumerate().flat_map(kinds).collect();
        Self { readings: readings.into_iter().map(|(hashing, _)| hashing).collect(), kinds }
    }

    /// The kind of an architecture, and the number of its reading.
    pub(super) fn reading(&self, space: &Space, architecture: &Architecture, ignored: &[String]) -> usize {
        let hashing = space.reading(architecture, ignored);
        self.readings.iter().position(|reading| *reading == hashing).unwrap_or(0)
    }
}

/// The space that was asked for, or that suits the data: layers over values where each row has nearly all of them, else the sparse kinds.
///
/// # Errors
/// What is wrong with the space.
pub(super) fn space(request: &Request, files: &[DataFile], notice: &dyn Fn(&str)) -> Result<Space> {
    let space = match &request.space {
        Some(wanted) => Space::open(wanted)?,
        None => {
            let values = files[0].dictionary().len() as u64 * files[0].rows();
            let is_dense = files[0].nonzeros() as f64 >= 0.25 * values as f64;
            Space::named(if is_dense { "mlp" } else { "sparse" })?
        }
    };
    let has_fields = FieldSource::of_files("ffm", files, files[0].dictionary()).is_ok();
    if has_fields {
        return Ok(space);
    }
    let part = space.without_fields()?;
    if part != space {
        notice("note: the data has no fields: ffm, deep and products of features are left out of the space");
    }
    Ok(part)
}

/// Passes of a trial on so many rows where nobody says.
pub(super) fn passes(rows: u64) -> u32 {
    ((ROWS / rows.max(1)) as u32).clamp(2, PASSES)
}

/// How the data is read in each way.
pub(super) fn readings(request: &Request, ways: &Ways) -> Vec<ReadOptions> {
    let reading = |hashing: &Option<Hashing>| ReadOptions { hashing: hashing.clone(), ..request.train.read.clone() };
    ways.readings.iter().map(reading).collect()
}

/// Where the log of a search goes.
pub(super) fn log(request: &Request) -> PathBuf {
    request.log.clone().unwrap_or_else(|| beside(&request.train.model, LOG))
}

/// Where the policy of a search goes.
pub(super) fn policy(request: &Request) -> PathBuf {
    beside(&request.train.model, POLICY)
}

/// `path` with `end` behind its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(end);
    path.with_file_name(name)
}

/// Refuses what is wrong whatever the data is.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn check(request: &Request) -> Result<()> {
    if request.train.valid.is_some() {
        return Err(Error::Usage("a search keeps rows of its data to compare by: leave out --valid".to_owned()));
    }
    let log = log(request);
    if !request.resume && request.log.is_some() && log.exists() {
        let what = format!("{} exists: --resume goes on with it, another --log leaves it", log.display());
        return Err(Error::Usage(what));
    }
    Ok(())
}
