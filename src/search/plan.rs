//! What a search comes to on given data: what is read, what is tried, and for how long, with everything that nobody had said.

use std::path::{Path, PathBuf};

use super::Request;
use super::space::{Architecture, Space};
use crate::data::{DataFile, FieldSource, Hashing, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::Kind;
use crate::random::Random;
use crate::store::Store;
use crate::train::Settings;

/// Rows that the trials of all their passes learn, about.
const ROWS: u64 = 600_000;
/// The most passes of a trial where nobody says.
const PASSES: u32 = 10;
/// Products of the features of any two of more fields are not tried where nobody asks for them.
const FIELDS: usize = 16;
/// How many models are drawn to see whether flags go with any.
const DRAWN: usize = 200;
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

    /// The number of the reading of an architecture.
    pub(super) fn reading(&self, space: &Space, architecture: &Architecture, ignored: &[String]) -> usize {
        let hashing = space.reading(architecture, ignored);
        let Some(nth) = self.readings.iter().position(|reading| *reading == hashing) else {
            unreachable!("an architecture of another space")
        };
        nth
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
    let fields = FieldSource::of_files("ffm", files, files[0].dictionary()).map(|fields| fields.names.len());
    let has_names = files.iter().all(|file| file.columns().is_some() || file.namespaces().is_some());
    let (part, left_out) = match (fields, has_names) {
        (Ok(fields), true) if request.space.is_none() && fields > FIELDS => {
            let part = space.without_products()?;
            if part != space {
                notice(&format!(
                    "note: products of {fields} fields would be many: they are left out, unless --space asks for them"
                ));
            }
            return Ok(part);
        }
        (Ok(_), true) => return Ok(space),
        (Ok(_), false) => (space.without_products()?, "names of fields: products of features are"),
        (Err(_), _) => (space.without_fields()?, "fields: ffm, deep and products of features are"),
    };
    if part != space {
        notice(&format!("note: the data has no {left_out} left out of the space"));
    }
    Ok(part)
}

/// What is said of all models: by flags, and by the space.
///
/// # Errors
/// [`Error::Usage`] where flags go with no model of the space, or say something else than it does.
pub(super) fn said(space: &Space, flags: Settings) -> Result<Settings> {
    let mut random = Random::new(0);
    let mut refused = None;
    for nth in 0..DRAWN {
        let of = space.settings(&space.draw(&mut random), 1);
        if let (Some(by_flag), Some(by_space)) = (flags.loss, of.loss)
            && by_flag != by_space
        {
            let (flag, space) = (by_flag.name(), by_space.name());
            return Err(Error::Usage(format!("--loss {flag}, but the space says loss = {space}: leave one out")));
        }
        let loss = flags.loss.or(of.loss);
        let all = Settings { loss, quantile: flags.quantile, class_weights: flags.class_weights.clone(), ..of };
        match all.check(None) {
            Ok(()) => return Ok(Settings { loss, ..flags }),
            Err(error) if nth + 1 == DRAWN => refused = Some(error),
            Err(_) => {}
        }
    }
    refused.map_or(Ok(flags), Err)
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

/// Keeps the log of an earlier search as `.previous`, if a new one would replace it.
///
/// # Errors
/// [`Error::Io`] where it cannot be renamed.
pub(super) fn keep_log(request: &Request, store: &dyn Store) -> Result<()> {
    let log = log(request);
    if request.resume || !log.exists() {
        return Ok(());
    }
    store
        .rename(&log, &beside(&log, ".previous"))
        .map_err(|error| Error::io(&log, "keep the log of the last search", error))
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
