//! The job `search`: controllers that learn which model to train (Zoph & Le, "Neural Architecture Search with Reinforcement Learning",
//! ICLR 2017).
//!
//! What flows in: a [`Request`]. What flows out: the best model, trained on all rows but those that are kept to test by, a log of trials,
//! and a [`Summary`]. The way: `space` says what may be chosen; a `strategy` proposes, the `policy` among them; `job` has controllers deal
//! proposals and hear of R, `child` is what a child does with one, `board` where both write; `session` leads through a search, `finals` picks
//! the model, `last` trains it, `clock` sees that there is time; `log` and `saved` keep what `resume` goes on from.

pub mod archive;
mod board;
mod child;
mod clock;
mod finals;
mod halving;
mod head;
mod hunt;
pub(crate) mod idle;
mod job;
mod last;
pub mod log;
mod plan;
pub mod policy;
mod resume;
mod run;
mod saved;
mod session;
mod show;
pub mod space;
pub mod strategy;
mod summary;
pub mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use run::search;
pub use strategy::{Policies, Strategies};
pub use summary::{Found, Summary};

use crate::train;

/// What to search, by what, and for how long.
#[derive(Debug)]
pub struct Request {
    /// The data, how it is read, where the model goes, what is said of every model, the machine.
    pub train: train::Request,
    /// A preset's name, or a file.
    pub space: Option<PathBuf>,
    /// How architectures are proposed.
    pub strategy: Strategies,
    /// How the policy of `reinforce` learns; none for what suits small budgets.
    pub policy: Option<Policies>,
    /// The most trials; none for no end but that of the time.
    pub budget: Option<usize>,
    /// What the whole run may take, the last training included; none for no end but that of the budget.
    pub time: Option<Duration>,
    /// Most models are tried with few passes only.
    pub halving: bool,
    /// Passes of a trial; none for what suits the rows.
    pub child_passes: Option<u32>,
    /// What a trial may take; none for a tenth of the time.
    pub child_time: Option<Duration>,
    /// R is this power of the accuracy.
    pub power: f64,
    /// How often an architecture may be tried, with other seeds.
    pub seeds: usize,
    /// Random search is run as well, to compare with.
    pub control: bool,
    /// Where the log goes; none for beside the model.
    pub log: Option<PathBuf>,
    /// The log is gone on with.
    pub resume: bool,
}
