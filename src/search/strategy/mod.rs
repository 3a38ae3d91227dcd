//! Strategies: what to try next, by what came of what was tried.
//!
//! A strategy belongs to one controller and hears of its own trials and of those of all others. It knows no child and no data: the tables
//! of docs/search.md are made with the same code.

mod edits;
mod evolution;
mod frontier;
mod local;
mod random;
mod reinforce;
mod thompson;
mod worth;

pub use edits::Edits;
pub use evolution::Evolution;
pub use local::LocalSearch;
pub use random::RandomSearch;
pub use reinforce::{Depth, Reinforce, Setting};
pub use thompson::Thompson;

use clap::ValueEnum;

use super::archive::Archive;
use super::policy::SharedPolicy;
use super::space::{Architecture, Space};
use crate::random::Random;

/// How architectures are proposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Strategies {
    /// Neighbours of the best, by a draw from what is known of choices (Thompson sampling).
    #[default]
    Thompson,
    /// A policy that learns (REINFORCE).
    Reinforce,
    /// Regularised evolution.
    Evolution,
    /// Neighbours of the best, in random order.
    Local,
    /// Each decision drawn evenly.
    Random,
}

impl Strategies {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thompson => "thompson",
            Self::Reinforce => "reinforce",
            Self::Evolution => "evolution",
            Self::Local => "local",
            Self::Random => "random",
        }
    }
}

/// How the policy of `reinforce` learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policies {
    /// Whole models, as Zoph & Le 2017 have it.
    Paper,
}

impl Policies {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
        }
    }
}

/// How many live at once in evolution, and of how many a parent is the best.
const POPULATION: usize = 25;
const TOURNAMENT: usize = 8;
/// How many random ones a search begins with that goes from the best to its neighbours.
const STARTS: usize = 10;

/// The strategy of a controller that searches `space`; of those that learn by a policy, `shared` is that.
///
/// # Panics
/// Where a policy is wanted and none is there.
pub fn begin<'s>(
    by: Strategies,
    policy: Option<Policies>,
    space: &'s Space,
    shared: Option<&'s SharedPolicy<'s>>,
) -> Box<dyn Strategy + 's> {
    match (by, shared) {
        (Strategies::Thompson, _) => Box::new(Thompson::new(space)),
        (Strategies::Reinforce, Some(shared)) => match policy {
            None => Box::new(Edits::new(shared)),
            Some(Policies::Paper) => Box::new(Reinforce::new(shared, Setting::PAPER)),
        },
        (Strategies::Reinforce, None) => unreachable!("reinforce without a policy"),
        (Strategies::Evolution, _) => Box::new(Evolution::new(space, POPULATION, TOURNAMENT)),
        (Strategies::Local, _) => Box::new(LocalSearch::new(space)),
        (Strategies::Random, _) => Box::new(RandomSearch::new(space)),
    }
}

/// A way of searching.
pub trait Strategy: Send {
    /// What to try next. It may have been tried before: then it is not trained again, [`Strategy::learn`] hears what came of it, and
    /// `propose` is asked again.
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture;

    /// Hears that `architecture`, which it has not proposed as far as it knows, is its own: it was in an earlier life, of a run that was
    /// killed or a controller that died, and nobody has learned from what came of it. That is still to be heard.
    fn recall(&mut self, _architecture: &Architecture) {}

    /// Hears that what it has just proposed is not tried, as it is known or in somebody's hands, and that nothing more will be heard of it.
    fn forget(&mut self, _architecture: &Architecture) {}

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
