//! Going on with a search: the log and the boards that it fills, Θ as it was saved.

use std::sync::atomic::Ordering;

use rustc_hash::FxHashSet;

use super::board::{Board, MOST, Outcome, Proposal};
use super::head::Head;
use super::log::{Trial, TrialLog, Written};
use super::policy::SharedPolicy;
use super::saved::{self, Keeper};
use super::session::Run;
use super::space::Space;
use super::{Request, plan};
use crate::error::{Error, Result};
use crate::store::Store;

/// The log, new or gone on with, and the boards of the search and of what it is compared with, with the trials of the log; those of
/// controllers that are not there any more, beyond the first `controllers`, fall to others.
pub(super) fn open_log(
    request: &Request,
    store: &dyn Store,
    head: &Head,
    space: &Space,
    (controllers, rungs): (usize, usize),
) -> Result<(TrialLog, (Board, Board))> {
    let (path, boards) = (plan::log(request), (Board::new(), Board::new()));
    let Some(written) = request.resume.then(|| Written::read(&path)).transpose()?.flatten() else {
        // Only now: what is refused before leaves the log of an earlier search where it is.
        plan::keep_log(request, store)?;
        return Ok((TrialLog::create(store, &path, head)?, boards));
    };
    head.check(&path, &written.head)?;
    for Trial {
        trial,
        architecture,
        reward,
        accuracy,
        loss,
        passes,
        seconds,
        seed,
        rung,
        finals,
        controller,
        child,
        control,
        failed,
        ..
    } in written.trials
    {
        let Some(architecture) = space.find(&architecture) else {
            return Err(Error::data(&path, format!("trial {trial} is of no architecture of this space")));
        };
        let is_whole = (0.0..=1.0).contains(&reward) && (0.0..=1.0).contains(&accuracy) && loss.is_finite();
        if trial >= MOST || rung >= rungs || !is_whole || !(0.0..1e9).contains(&seconds) {
            let what =
                format!("trial {trial} cannot be: its number, rung, R, accuracy, loss or seconds are out of range");
            return Err(Error::data(&path, what));
        }
        let board = if control { &boards.1 } else { &boards.0 };
        let controller = controller % controllers;
        board.propose(trial, Proposal { architecture, controller, seed, rung, finals });
        let slot = board.slot(trial);
        let outcome = Outcome { reward, skill: accuracy, loss, passes, seconds, child, failed };
        if slot.outcome.set(outcome).is_err() {
            return Err(Error::data(&path, format!("has trial {trial} twice: two logs are in one")));
        }
        slot.told.store(true, Ordering::Relaxed);
    }
    [&boards.0, &boards.1].into_iter().for_each(promote);
    Ok((TrialLog::go_on(store, &path, written.length)?, boards))
}

/// Marks the trials whose architectures were tried on a higher rung.
fn promote(board: &Board) {
    let of = |proposal: &Proposal| (proposal.architecture.clone(), proposal.rung);
    let tried: FxHashSet<_> = board.done(0).map(|(_, proposal, _)| of(proposal)).collect();
    for (number, proposal, _) in board.done(0) {
        if tried.contains(&(proposal.architecture.clone(), proposal.rung + 1)) {
            board.slot(number).promoted.store(true, Ordering::Relaxed);
        }
    }
}

impl Run<'_, '_> {
    /// What commits Θ, which is restored first where the search is gone on with.
    pub(super) fn keep(&self, shared: &SharedPolicy<'_>, board: &Board) -> Result<Keeper<'_>> {
        let directory = plan::policy(self.request);
        let resumes = self.request.resume && directory.exists();
        let known = if resumes { saved::restore(&directory, shared, self.head)? } else { None };
        // Nothing is known to a fresh Θ: what the log has is learned again.
        board.mark(|number| known.as_ref().is_some_and(|known| known.has(number)));
        let every = (self.request.train.checkpoint_every, self.plan.shards);
        let mut keeper = Keeper::new(self.store, &directory, every, known.is_some(), self.head)?;
        if known.is_none() {
            // From now on what is there is of this search.
            keeper.commit(shared, board)?;
        }
        Ok(keeper)
    }
}
