//! The last training: the model that was found, on all rows that are not kept to test by, which are scored once when it is done.

use std::path::Path;
use std::time::Duration;

use super::session::{Hunted, Run};
use super::space::flags;
use super::summary::{Found, Valid, wilson};
use crate::checkpoint::Existing;
use crate::data::{Hashing, ReadOptions};
use crate::engine::plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Store;
use crate::train::{self, Ears, Settings, train};

/// The last training has one child where that takes no longer.
const ALONE: Duration = Duration::from_secs(10);

impl Run<'_, '_> {
    /// Trains what was found, and scores the rows to test by.
    pub(super) fn conclude(&self, hunted: Hunted, topology: &Topology, existing: Existing) -> Result<Found> {
        self.ears.progress.finish();
        let words = self.sentence(&hunted.winner.architecture);
        self.ears.progress.notice(&format!(
            "the best of {} trials, R {:.4}: {words}; trained on all rows but those to test by:",
            hunted.trials, hunted.winner.reward
        ));
        // Scripts read the lines of one run.
        let log = RunLog::off();
        self.train(hunted, &self.request.train, topology, existing, Ears { log: &log, ..self.ears })
    }

    /// The same for what it is compared with, of which nothing is kept.
    pub(super) fn conclude_control(&self, hunted: Hunted, topology: &Topology) -> Result<Found> {
        let beside = self.request.train.model.parent().filter(|path| !path.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix(".control-").tempdir_in(beside);
        let folder = folder.map_err(|error| Error::io(beside, "make a directory in", error))?;
        let quiet = Progress::new(ProgressMode::Quiet);
        let log = RunLog::off();
        let ears = Ears { progress: &quiet, log: &log, stop: self.ears.stop };
        let request = train::Request { model: folder.path().join("control"), ..like(&self.request.train) };
        self.train(hunted, &request, topology, Existing::Refuse, ears)
    }

    fn train(
        &self,
        hunted: Hunted,
        request: &train::Request,
        topology: &Topology,
        existing: Existing,
        ears: Ears<'_>,
    ) -> Result<Found> {
        let Hunted { winner, trials, failed, trials_per_second, last, staleness } = hunted;
        let passes = self.clock.passes(&winner);
        let settings = Settings {
            passes: Some(passes),
            seed: Some(self.request.train.settings.seed.unwrap_or(0)),
            ..(self.settings)(&winner.architecture)
        };
        // A trial was of one child; so is this, where it has time for it.
        let machine = if self.clock.takes(&winner) <= ALONE {
            plan::Request { controllers: Some(1), children: Some(1), ..plan::Request::default() }
        } else {
            request.machine
        };
        let hashing = self.space.reading(&winner.architecture, &request.read.ignore);
        let told = flags(&settings, hashing.as_ref()).join(" ");
        let summary = again(request, machine, (settings, hashing), existing, (topology, self.store), ears)?;
        let rows = self.ground.test_rows() as f64;
        Ok(Found {
            best: self.space.told(&winner.architecture),
            flags: told,
            reward: winner.reward,
            valid: Valid { accuracy: winner.skill, loss: winner.loss },
            test: summary.valid,
            interval: summary.valid.and_then(|valid| valid.accuracy).map(|share| wilson(share, rows)),
            last_reward: last.0,
            last_interval: last.1,
            trials,
            trials_per_second,
            failed,
            staleness,
        })
    }
}

/// A request on the same data.
fn like(request: &train::Request) -> train::Request {
    train::Request {
        data: request.data.clone(),
        read: request.read.clone(),
        settings: request.settings.clone(),
        machine: request.machine,
        ..train::Request::new(Vec::new(), request.backend)
    }
}

/// Trains the model of `settings` on the data of `request`, and scores the rows to test by; the summary of that training.
///
/// # Errors
/// As [`train`].
fn again(
    request: &train::Request,
    machine: plan::Request,
    (settings, hashing): (Settings, Option<Hashing>),
    existing: Existing,
    (topology, store): (&Topology, &dyn Store),
    ears: Ears<'_>,
) -> Result<train::Summary> {
    let last = train::Request {
        data: request.data.clone(),
        read: ReadOptions { hashing, ..request.read.clone() },
        valid: None,
        model: request.model.clone(),
        existing,
        settings: Settings { early_stop: Some(0), ..settings },
        machine,
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
