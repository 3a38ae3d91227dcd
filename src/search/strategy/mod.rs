//! Strategies: what to try next, by what came of what was tried.
//!
//! A strategy belongs to one controller and hears of its own trials and of those of all others. It knows no child and no data: the tables
//! of docs/search.md are made with the same code.

mod evolution;
mod local;
mod random;
mod reinforce;

pub use evolution::Evolution;
pub use local::LocalSearch;
pub use random::RandomSearch;
pub use reinforce::{Depth, Reinforce, Setting};

use super::archive::Archive;
use super::space::Architecture;
use crate::random::Random;

/// How many live at once in evolution, and of how many a parent is the best.
pub(super) const POPULATION: usize = 25;
pub(super) const TOURNAMENT: usize = 8;
/// How many random ones a local search begins with.
pub(super) const STARTS: usize = 10;

/// A way of searching.
pub trait Strategy: Send {
    /// What to try next. It may have been tried before: then it is not trained again, [`Strategy::learn`] hears what came of it, and
    /// `propose` is asked again.
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture;

    /// Hears what came of a trial, R being 0 where it failed; `mine` where this strategy proposed it. What it did with that, where it learns.
    fn learn(&mut self, architecture: &Architecture, reward: f32, mine: bool) -> Option<Update>;
}

/// What a strategy that learns did with a trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Updates of Θ by others between its reading and its change.
    pub staleness: u64,
    /// What R was compared with.
    pub baseline: f32,
    /// The entropy of the policy where it decided, the mean over the decisions, in nats.
    pub entropy: f32,
}
