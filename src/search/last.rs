//! The last training: the model that was found, on all rows that are not kept to test by, which are scored once when it is done.

use std::path::Path;
use std::time::Duration;

use super::session::{Hunted, Run};
use super::space::flags;
use super::summary::{Found, Valid, wilson};
use crate::checkpoint::Existing;
use crate::data::ReadOptions;
use crate::engine::plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
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
        self.train(hunted, &self.request.train.model, topology, existing, Ears { log: &log, ..self.ears })
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
        self.train(hunted, &folder.path().join("control"), topology, Existing::Refuse, ears)
    }

    fn train(
        &self,
        hunted: Hunted,
        model: &Path,
        topology: &Topology,
        existing: Existing,
        ears: Ears<'_>,
    ) -> Result<Found> {
        let request = &self.request.train;
        let Hunted { winner, trials, failed, trials_per_second, last, staleness } = hunted;
        let passes = self.clock.passes(&winner);
        let settings = Settings {
            passes: Some(passes),
            seed: Some(request.settings.seed.unwrap_or(0)),
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
        let request = train::Request {
            read: ReadOptions { hashing, ..request.read.clone() },
            model: model.to_path_buf(),
            existing,
            settings: Settings { early_stop: Some(0), ..settings },
            machine,
            checkpoint_every: request.checkpoint_every,
            tests_once: true,
            ..train::Request::new(request.data.clone(), request.backend)
        };
        let summary = train(&request, topology, self.store, ears)?;
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
