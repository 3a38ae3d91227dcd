//! [`Position`]: where a run stands between passes and within one, and where a resumed one goes on.
//!
//! What flows in: the data's [`Fingerprint`], the configuration, a saved position. What flows out: the position to begin from.

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::engine::stop::EarlyStop;
use crate::model::configuration::Configuration;
use crate::model::tally::Tally;

/// Where a run stands; goes into the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The pass that the run began with (from 0).
    pub(super) from: u32,
    /// The pass under way, or to come (from 0).
    pub(super) pass: u32,
    /// The pass that is not to be begun any more.
    pub(super) until: u32,
    /// By task of this pass: whether it is done. Empty between passes.
    pub(super) done: Vec<bool>,
    /// What the tasks done so far have shown.
    pub(super) progress: Tally,
    /// What the data was, which must be the same for the tasks to be.
    pub(super) data: Fingerprint,
    /// The judge of passes.
    pub(super) stop: EarlyStop,
    /// Halvings of the rate after divergence.
    pub(super) rescues: u32,
    /// The run came to its end.
    pub(super) finished: bool,
}

/// What tells data, and the way it is dealt out, from others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub(super) rows: u64,
    pub(super) nonzeros: u64,
    /// Of labels and squared values.
    pub(super) sums: f64,
    pub(super) seed: u64,
    pub(super) holdout: f64,
    /// How many rows losses are compared on.
    pub(super) held_out: u64,
}

impl Position {
    /// Before pass `pass`, with those of `configuration` to come.
    pub(super) fn beginning(data: Fingerprint, pass: u32, configuration: &Configuration) -> Self {
        Self {
            from: pass,
            pass,
            until: pass + configuration.passes,
            done: Vec::new(),
            progress: Tally::default(),
            data,
            stop: EarlyStop::new(configuration.early_stop),
            rescues: 0,
            finished: false,
        }
    }

    /// Nothing of the pass to come is done.
    pub(super) fn begin_pass(&mut self) {
        self.done.clear();
        self.progress = Tally::default();
    }

    /// What the learning rate is multiplied with in the pass under way.
    pub(super) fn factor(&self, configuration: &Configuration) -> f64 {
        let run = (self.pass - self.from, self.until - self.from);
        let scheduled = configuration.schedule.factor(self.pass, run, self.stop.idle());
        f64::from(scheduled) * 0.5f64.powi(self.rescues as i32)
    }

    /// True before the first pass of a run.
    pub(super) fn is_beginning(&self) -> bool {
        self.pass == self.from && self.done.is_empty()
    }

    /// Where a run goes on from here: exactly here if it was cut short on the same data, else with as many passes more.
    pub(super) fn go_on(&self, data: Fingerprint, settings: &Settings, configuration: &Configuration) -> Self {
        let until = settings.passes.map_or(self.until, |passes| self.from + passes);
        // A rate that was too bold still is, unless it was named anew.
        let rescues = if settings.lr.is_some() { 0 } else { self.rescues };
        if self.data == data && !self.finished && self.pass < until {
            return Self { until, rescues, stop: self.stop.with_patience(configuration.early_stop), ..self.clone() };
        }
        Self { rescues, ..Self::beginning(data, self.pass, configuration) }
    }
}
