//! The last training: the model that was found, on all rows that are not kept to test by, which are scored once when it is done.

use std::time::Duration;

use super::finals::Standing;
use crate::checkpoint::Existing;
use crate::engine::topology::Topology;
use crate::error::Result;
use crate::fault::Faults;
use crate::store::Store;
use crate::train::{self, Ears, Settings, train};

/// How many times as many passes as a trial the last training may take, as far as there is time.
const PASSES: u32 = 3;
/// The share of the time that it may take for that.
const SHARE: f64 = 0.15;
/// How much longer than trials say it may take, and what beginning and saving takes.
const SLACK: f64 = 1.3;
const AROUND: Duration = Duration::from_millis(300);

/// How long the last training will take: of so many passes over all rows but those to test by, which are `more` times as many as those
/// of a trial.
pub(super) fn takes(standing: &Standing, passes: u32, more: f64, reading: Duration) -> Duration {
    let pass = standing.seconds / f64::from(standing.passes.max(1));
    Duration::from_secs_f64(SLACK * pass * more * f64::from(passes)) + AROUND + reading
}

/// How many passes it has: more than a trial, where there is time for them.
pub(super) fn passes(standing: &Standing, more: f64, time: Option<Duration>) -> u32 {
    let most = PASSES * standing.passes;
    let Some(time) = time else { return most };
    let pass = takes(standing, 1, more, Duration::ZERO).saturating_sub(AROUND).as_secs_f64();
    let fit = (SHARE * time.as_secs_f64() / pass.max(1e-9)) as u32;
    fit.clamp(standing.passes, most)
}

/// Trains the model of `settings` into the directory that `request` names, and scores the rows to test by; the summary of that training.
///
/// # Errors
/// As [`train`].
pub(super) fn train_last(
    request: &train::Request,
    (settings, hashing): (Settings, Option<crate::data::Hashing>),
    existing: Existing,
    topology: &Topology,
    store: &dyn Store,
    ears: Ears<'_>,
) -> Result<train::Summary> {
    let last = train::Request {
        data: request.data.clone(),
        read: crate::data::ReadOptions { hashing, ..request.read.clone() },
        valid: None,
        model: request.model.clone(),
        existing,
        settings: Settings { early_stop: Some(0), ..settings },
        machine: request.machine,
        consistency: request.consistency,
        head: None,
        merge: None,
        checkpoint_every: request.checkpoint_every,
        tests_once: true,
        backend: request.backend,
        faults: Faults::none(),
    };
    train(&last, topology, store, ears)
}
