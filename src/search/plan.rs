//! What a search comes to on given data: what is read, what is tried, and for how long, with everything that nobody had said.

use std::path::{Path, PathBuf};

use super::Request;
use super::space::{Architecture, Decision, Space, UNMADE, When};
use crate::data::{DataFile, FieldSource, Hashing, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::Kind;
use crate::random::Random;

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
        let mut ways = Self { readings: Vec::new(), kinds: Vec::new() };
        // Only these decide, and what they hang on; whatever the others are.
        let mut decides: Vec<bool> = space.decisions().iter().map(is_of_data).collect();
        for (nth, decision) in space.decisions().iter().enumerate().rev() {
            if let Some(When { decision: earlier, .. }) = &decision.when {
                decides[*earlier] |= decides[nth];
            }
        }
        let deciding: Vec<usize> = (0..decides.len()).filter(|&nth| decides[nth]).collect();
        let mut choices = vec![UNMADE; space.decisions().len()];
        ways.add(space, ignored, &deciding, &mut choices);
        ways
    }

    fn add(&mut self, space: &Space, ignored: &[String], deciding: &[usize], choices: &mut Vec<u8>) {
        let Some((&first, others)) = deciding.split_first() else {
            let architecture = space.settle(choices.clone(), &mut Random::new(0));
            let hashing = space.reading(&architecture, ignored);
            let kind = space.settings(&architecture, 1).kind.unwrap_or_default();
            let nth = self.readings.iter().position(|reading| *reading == hashing).unwrap_or_else(|| {
                self.readings.push(hashing);
                self.readings.len() - 1
            });
            if !self.kinds.contains(&(kind, nth)) {
                self.kinds.push((kind, nth));
            }
            return;
        };
        for choice in 0..space.decisions()[first].values.len() {
            choices[first] = choice as u8;
            self.add(space, ignored, others, choices);
        }
        choices[first] = UNMADE;
    }

    /// The kind of an architecture, and the number of its reading.
    pub(super) fn reading(&self, space: &Space, architecture: &Architecture, ignored: &[String]) -> usize {
        let hashing = space.reading(architecture, ignored);
        self.readings.iter().position(|reading| *reading == hashing).unwrap_or(0)
    }
}

/// Whether what a decision says changes how data is read, or what it is to a model.
fn is_of_data(decision: &Decision) -> bool {
    ["kind", "bits", "interact"].contains(&decision.name.as_str())
}

/// The space that was asked for, or that suits the data: layers over values where each row has nearly all of them, else the sparse kinds.
///
/// # Errors
/// What is wrong with the space.
pub(super) fn space(request: &Request, files: &[DataFile]) -> Result<Space> {
    let space = match &request.space {
        Some(wanted) => Space::open(wanted)?,
        None => {
            let values = files[0].dictionary().len() as u64 * files[0].rows();
            let is_dense = files[0].nonzeros() as f64 >= 0.25 * values as f64;
            Space::named(if is_dense { "mlp" } else { "sparse" })?
        }
    };
    let has_fields = FieldSource::of_files("ffm", files, files[0].dictionary()).is_ok();
    if has_fields { Ok(space) } else { space.without_fields() }
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
