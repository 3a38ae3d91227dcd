//! One search: strategies on the engine until trials or time are used up.
//!
//! What flows in: a [`Search`]. What flows out: the board, full of trials. The supervisor's thread looks on: it shows how far the search
//! is, has Θ committed, and ends it when time is up, when nothing works, or when somebody asks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::board::PIECE;
use super::job::Search;
use super::show::Showing;
use crate::engine::plan::Plan;
use crate::engine::{self, Deal, Engine};
use crate::error::{Error, Result};
use crate::fault::Faults;

/// How often the supervisor looks.
const EVERY: Duration = Duration::from_millis(100);
/// When so many trials have failed and none has not, the search is given up.
const HOPELESS: usize = 20;

/// Runs `search`, and has `watch` look on now and then.
///
/// # Errors
/// What a child or the log could not go on after; the first cause where every trial has failed.
pub(super) fn hunt(
    plan: &Plan,
    search: &Search<'_>,
    faults: &Faults,
    showing: &mut Showing<'_>,
    watch: &mut dyn FnMut() -> Result<()>,
) -> Result<u32> {
    let mut failed_tasks = 0;
    engine::run(plan, search, faults, |engine: &Engine<'_, ()>| {
        let mut failure = None;
        loop {
            let first = search.board.dealt();
            let left = search.budget.saturating_sub(first).min(PIECE);
            if left == 0 {
                break;
            }
            search.first.store(first, Ordering::Relaxed);
            let outcome = engine.phase(vec![(); left], Deal::Late, EVERY, |running| {
                showing.show(search, false);
                let tally = showing.tally();
                let hopeless = tally.done >= HOPELESS && tally.failed == tally.done;
                if failure.is_none() {
                    failure = watch().err();
                }
                if hopeless || failure.is_some() {
                    // Trials under way are left off as well.
                    search.set_until(Duration::ZERO);
                    running.stop();
                }
            })?;
            failed_tasks += outcome.failed;
            // A phase that did not deal all of its trials was ended.
            if failure.is_some() || search.board.dealt() < first + left {
                break;
            }
        }
        failure.map_or(Ok(()), Err)
    })?;
    showing.show(search, true);
    if let Some(error) = search.failure.get() {
        return Err(Error::Engine(error.to_string()));
    }
    let tally = showing.tally();
    match &tally.cause {
        Some(cause) if tally.failed == tally.done => {
            let what = format!("every model that was tried has failed, the first because {cause}");
            Err(Error::Engine(what))
        }
        _ => Ok(failed_tasks),
    }
}
