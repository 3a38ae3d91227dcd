//! What does a search cost beside its children? Trials that take no time, by strategy, against empty tasks of the engine; of a policy, the
//! decisions it makes.

use std::time::Duration;

use super::contest::{Case, Threads, Unit, Way};
use super::reward_queue::{TASKS, phases};
use super::{Bench, Question};
use crate::engine::plan::{self, Plan};
use crate::error::{Error, Result};
use crate::search::Strategies;
use crate::search::idle::idle;
use crate::search::space::Space;

/// Trials at a time.
const TRIALS: usize = 2000;

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let space = Space::named("mlp")?;
    let one = plan::Request { controllers: Some(1), children: Some(1), ..plan::Request::default() };
    let (plan, _) = Plan::choose(&bench.topology, &one)?;
    let folder = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "make a directory in", error))?;
    let trials = bench.size(TRIALS, 50);
    let all =
        [Strategies::Thompson, Strategies::Reinforce, Strategies::Evolution, Strategies::Local, Strategies::Random];
    for by in all {
        let log = folder.path().join(by.name());
        let run = || idle(&space, by, (&plan, bench.backend), trials, &log);
        // How many decisions that is follows from the seed.
        let (what, each_of) = if by == Strategies::Reinforce { ("decision", run()?.1) } else { ("trial", trials) };
        let search = |times: u64| (0..times).map(|_| run().map(|(took, _)| took)).sum::<Result<Duration>>();
        each(Case {
            question: Question::Search,
            name: format!("{}, each {what}", by.name()),
            threads: Threads::Own,
            unit: Unit::Times,
            ways: vec![
                Way::fallible("search", each_of as f64, search),
                Way::fallible("empty tasks", TASKS as f64, |times| phases(&plan, times)),
            ],
            ratios: vec![(0, 1)],
        })?;
    }
    Ok(())
}
