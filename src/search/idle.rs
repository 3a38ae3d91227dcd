//! A search whose children do nothing: what proposing, dealing, hearing and logging cost, for `hogback bench`.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use hogback_kernels::{Backend, mix};

use super::Strategies;
use super::board::{Board, Outcome, Proposal};
use super::hunt::hunt;
use super::job::Search;
use super::log::TrialLog;
use super::policy::{Policy, SharedPolicy};
use super::show::Showing;
use super::space::{Space, UNMADE};
use super::strategy::{Strategy, begin};
use crate::engine::plan::Plan;
use crate::error::Result;
use crate::fault::Faults;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Disk;
use crate::sys::signal::StopRequest;
use crate::train::alone::Arena;
use crate::train::out_of_memory;

/// Lets `plan` search `space` by a strategy for `trials` trials that take no time, which are logged to `log`; how long that took, and how
/// many decisions were made.
///
/// # Errors
/// The system's.
pub(crate) fn idle(
    space: &Space,
    by: Strategies,
    (plan, backend): (&Plan, Backend),
    trials: usize,
    log: &Path,
) -> Result<(Duration, usize)> {
    let (board, faults, stop) = (Board::new(), Faults::none(), StopRequest::never());
    let log = TrialLog::create(&Disk, log, &serde_json::json!({ "event": "search" }))?;
    let shared = match by {
        Strategies::Reinforce => {
            Some(SharedPolicy::new(Policy::new(space, backend), plan.shards, 0).map_err(out_of_memory)?)
        }
        _ => None,
    };
    let strategy = |_: usize| -> Box<dyn Strategy + '_> { begin(by, None, space, shared.as_ref()) };
    // Some are better than others, or a strategy would have nothing to learn.
    let child = |proposal: &Proposal, _: u32, _: &mut Option<Arena>, _: &dyn Fn() -> bool| {
        let choices = proposal.architecture.choices();
        let reward = choices.iter().zip(0..).map(|(&choice, nth)| mix(u64::from(choice) << 8 | nth) >> 56).sum::<u64>();
        let reward = reward as f32 / (255 * choices.len()) as f32;
        Some(Outcome { reward, skill: reward.into(), passes: 1, ..Outcome::default() })
    };
    let search = Search {
        space,
        child: &child,
        board: &board,
        log: &log,
        strategy: &strategy,
        seed: 0,
        seeds: 1,
        rungs: vec![1],
        begins: 0,
        finals: false,
        control: false,
        budget: trials,
        first: AtomicUsize::new(0),
        begun: Instant::now(),
        until: AtomicU64::new(u64::MAX),
        stop: &stop,
        failure: OnceLock::new(),
    };
    let (progress, lines) = (Progress::new(ProgressMode::Quiet), RunLog::off());
    let words = |_: &_| String::new();
    let mut showing = Showing::new((&progress, &lines), &words, None, &board);
    let begun = Instant::now();
    hunt(plan, &search, &faults, &mut showing, &mut || Ok(()))?;
    let took = begun.elapsed();
    let made = |choices: &[u8]| choices.iter().filter(|&&choice| choice != UNMADE).count();
    Ok((took, board.done(0).map(|(_, proposal, _)| made(proposal.architecture.choices())).sum()))
}
