//! [`Board`]: every trial of a search, where controllers write what is to be tried and children what came of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::space::Architecture;
use super::strategy::Update;
use crate::report::staleness::Staleness;

/// Trials in a piece of the board, which is made when the first of them is dealt; also those of a phase of the engine.
pub(super) const PIECE: usize = 1 << 14;
/// The most trials of a search.
pub(super) const MOST: usize = 1 << 22;

/// What is to be tried.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) architecture: Architecture,
    /// The controller that proposed it.
    pub(super) controller: usize,
    /// What the trial draws by chance.
    pub(super) seed: u64,
    /// How often it was promoted, under successive halving.
    pub(super) rung: usize,
    /// It is of the finals: no trial of the budget.
    pub(super) finals: bool,
}

/// What came of a trial.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// R, 0 where it failed.
    pub(super) reward: f32,
    /// From 0 to 1: the best of the last five passes ([`crate::train::ground::skill`]).
    pub(super) skill: f64,
    /// The loss of the rows it is of, after the last pass.
    pub(super) loss: f64,
    pub(super) passes: u32,
    pub(super) seconds: f64,
    /// The child that tried it.
    pub(super) child: usize,
    /// Why it failed, if it did.
    pub(super) failed: Option<String>,
}

/// A trial.
///
/// **Who writes what.** The controller that has claimed a trial's number sets `proposal` before it deals the number, the child that was
/// dealt it sets `outcome` before it answers: each once, by the cell's Release, and whoever finds one set (Acquire) sees all of it. A child
/// that has left a trial off sets nothing. `update`, `heard`, `learned` and `told` are the proposing controller's: its strategy is about to
/// learn from the trial, has learned from it, the log has it. `promoted` is set by a swap, which one controller wins.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) proposal: OnceLock<Proposal>,
    pub(super) outcome: OnceLock<Outcome>,
    /// What the strategy did with it, where it learns.
    pub(super) update: OnceLock<Update>,
    pub(super) heard: AtomicBool,
    /// Set (Release) when Θ has moved, where there is one: whoever finds it set (Acquire) and copies Θ then has what was learned.
    pub(super) learned: AtomicBool,
    pub(super) told: AtomicBool,
    pub(super) promoted: AtomicBool,
}

/// All trials, by number.
#[derive(Debug)]
pub(super) struct Board {
    pieces: Vec<OnceLock<Box<[Slot]>>>,
    /// One more than the greatest number with a proposal. Raised (Release) after the proposal was set, so that whoever reads it (Acquire)
    /// finds the proposal; below it there may be numbers whose proposals are still to come.
    dealt: AtomicUsize,
}

impl Board {
    /// An empty board.
    pub(super) fn new() -> Self {
        Self { pieces: (0..MOST / PIECE).map(|_| OnceLock::new()).collect(), dealt: AtomicUsize::new(0) }
    }

    /// Trial number `number`.
    pub(super) fn slot(&self, number: usize) -> &Slot {
        let piece = self.pieces[number / PIECE].get_or_init(|| (0..PIECE).map(|_| Slot::default()).collect());
        &piece[number % PIECE]
    }

    /// Puts a proposal up, unless there is one already.
    pub(super) fn propose(&self, number: usize, proposal: Proposal) {
        let _ = self.slot(number).proposal.set(proposal);
        self.dealt.fetch_max(number + 1, Ordering::Release);
    }

    /// One more than the greatest number that has a proposal.
    pub(super) fn dealt(&self) -> usize {
        self.dealt.load(Ordering::Acquire)
    }

    /// The trials of the numbers from `from` on that are done by now, with their numbers.
    pub(super) fn done(&self, from: usize) -> impl Iterator<Item = (usize, &Proposal, &Outcome)> + '_ {
        (from..self.dealt()).filter_map(|number| {
            let slot = self.slot(number);
            Some((number, slot.proposal.get()?, slot.outcome.get()?))
        })
    }

    /// Marks the trials that are done as heard and learned from where a strategy knows them, and the others as not.
    pub(super) fn mark(&self, knows: impl Fn(usize) -> bool) {
        for (number, ..) in self.done(0) {
            let (slot, known) = (self.slot(number), knows(number));
            slot.heard.store(known, Ordering::Relaxed);
            slot.learned.store(known, Ordering::Relaxed);
        }
    }

    /// How stale Θ was at the updates of this run.
    pub(super) fn staleness(&self) -> Staleness {
        let mut staleness = Staleness::new();
        let updates = (0..self.dealt()).filter_map(|number| self.slot(number).update.get());
        updates.for_each(|update| staleness.record(update.staleness));
        staleness
    }
}
