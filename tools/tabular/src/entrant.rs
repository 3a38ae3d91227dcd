//! [`Entrant`]: a strategy by name and settings, to be begun again for each run.

use std::io;

use hogback::error::{Error, Result};
use hogback::search::policy::{Policy, SharedPolicy};
use hogback::search::space::Space;
use hogback::search::strategy::{Edits, Evolution, LocalSearch, RandomSearch, Reinforce, Setting, Strategy, Thompson};
use hogback_kernels::Backend;

/// A strategy with its settings.
pub(crate) enum Entrant {
    Random,
    Evolution { population: usize, tournament: usize },
    Local,
    Thompson,
    Edits,
    Whole(Setting),
}

impl Entrant {
    /// What a name and settings, with colons between, stand for.
    pub(crate) fn named(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let numbers = parts.map(str::parse).collect::<std::result::Result<Vec<f64>, _>>();
        let entrant = match (name, numbers.as_deref()) {
            ("random", Ok([])) => Self::Random,
            ("evolution", Ok([population, tournament])) if *population >= 1.0 && *tournament >= 1.0 => {
                Self::Evolution { population: *population as usize, tournament: *tournament as usize }
            }
            ("local", Ok([])) => Self::Local,
            ("thompson", Ok([])) => Self::Thompson,
            ("reinforce", Ok([])) => Self::Edits,
            ("whole", Ok([rate])) => {
                Self::Whole(Setting { rate: *rate as f32, decay: 0.9, normalise: true, depth: None, ..Setting::PAPER })
            }
            ("paper", Ok([])) => Self::Whole(Setting::PAPER),
            _ => {
                let known = "random, evolution:POPULATION:TOURNAMENT, local, thompson, reinforce, whole:RATE, paper";
                return Err(Error::Usage(format!("there is no strategy {text:?}: strategies are {known}")));
            }
        };
        Ok(entrant)
    }

    /// The policy it learns, if it does.
    pub(crate) fn shared<'s>(&self, space: &'s Space, seed: u64) -> io::Result<Option<SharedPolicy<'s>>> {
        match self {
            Self::Edits | Self::Whole(_) => SharedPolicy::new(Policy::new(space, Backend::best()), 1, seed).map(Some),
            _ => Ok(None),
        }
    }

    /// The strategy, knowing nothing; `shared` is what [`Entrant::shared`] gave.
    pub(crate) fn strategy<'s>(
        &self,
        space: &'s Space,
        shared: Option<&'s SharedPolicy<'s>>,
    ) -> Box<dyn Strategy + 's> {
        match (self, shared) {
            (Self::Evolution { population, tournament }, _) => {
                Box::new(Evolution::new(space, *population, *tournament))
            }
            (Self::Local, _) => Box::new(LocalSearch::new(space)),
            (Self::Thompson, _) => Box::new(Thompson::new(space)),
            (Self::Edits, Some(shared)) => Box::new(Edits::new(shared)),
            (Self::Whole(setting), Some(shared)) => Box::new(Reinforce::new(shared, *setting)),
            _ => Box::new(RandomSearch::new(space)),
        }
    }
}
