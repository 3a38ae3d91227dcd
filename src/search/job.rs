//! The job of the engine: controllers propose architectures as late as a child has time for one, children try them, R comes back.
//!
//! What flows in: a strategy for each controller, the board, the ground. What flows out: outcomes on the board, lines in the log, and what
//! the strategies have made of them. A controller hears of its own trials by the ring, in the order in which they are done, and of those of
//! others by looking at the board before it proposes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hogback_kernels::mix;

use super::archive::Archive;
use super::board::{Board, MOST, Outcome, Proposal};
use super::halving::Ladder;
use super::log::{Trial, TrialLog};
use super::space::{Architecture, Space};
use super::strategy::{Strategy, Update};
use crate::engine::reward::Answer;
use crate::engine::{Job, Seat, Work};
use crate::error::{Error, Result};
use crate::random::Random;
use crate::sys::signal::StopRequest;
use crate::train::alone::Arena;

/// How often a strategy is asked for something new before something new is drawn for it.
const ASKED: usize = 100;
/// How often is drawn before all architectures are gone through.
const DRAWN: usize = 100;

/// Tries a proposal in so many passes, in an arena that is used again, for as long as it is told to go on; none where it was left off.
pub(super) type Child<'s> =
    dyn Fn(&Proposal, u32, &mut Option<Arena>, &dyn Fn() -> bool) -> Option<Outcome> + Sync + 's;

/// What is searched, and how.
pub(super) struct Search<'s> {
    pub(super) space: &'s Space,
    /// What a child does with a proposal, in so many passes.
    pub(super) child: &'s Child<'s>,
    pub(super) board: &'s Board,
    pub(super) log: &'s TrialLog,
    /// Makes the strategy of a controller.
    pub(super) strategy: &'s (dyn Fn(usize) -> Box<dyn Strategy + 's> + Sync),
    pub(super) seed: u64,
    /// How often an architecture may be tried.
    pub(super) seeds: usize,
    /// By rung the passes of a trial; one where nothing is halved. What is proposed begins on rung `begins`.
    pub(super) rungs: Vec<u32>,
    pub(super) begins: usize,
    /// What is proposed is tried in the finals.
    pub(super) finals: bool,
    /// The search is random search to compare with.
    pub(super) control: bool,
    /// The number of the trial that is not begun any more.
    pub(super) budget: usize,
    /// The number of the first trial of the phase under way.
    pub(super) first: AtomicUsize,
    pub(super) begun: Instant,
    /// When no trial is gone on with any more, in nanoseconds from `begun`; the supervisor's to change, and read as it comes.
    pub(super) until: AtomicU64,
    pub(super) stop: &'s StopRequest,
    /// What ends the search, if anything does.
    pub(super) failure: OnceLock<Error>,
}

/// What a controller keeps.
pub(super) struct Desk<'s> {
    number: usize,
    strategy: Box<dyn Strategy + 's>,
    archive: Archive,
    ladder: Ladder,
    random: Random,
    /// Numbers below `next` that have no outcome yet, as far as this controller has seen.
    open: Vec<usize>,
    next: usize,
}

impl<'s> Search<'s> {
    /// Sets when no trial is gone on with any more.
    pub(super) fn set_until(&self, until: Duration) {
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How much time it has left, where that ends it.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let until = self.until.load(Ordering::Relaxed);
        (until < u64::MAX).then(|| Duration::from_nanos(until).saturating_sub(self.begun.elapsed()))
    }

    /// Whether the search has time.
    fn has_time(&self) -> bool {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        now < self.until.load(Ordering::Relaxed) && !self.stop.requested()
    }

    /// A seed of this search; what it is compared with has others.
    fn seed_of(&self, nth: u64) -> u64 {
        mix(self.seed ^ mix(nth ^ u64::from(self.control) << 40))
    }

    /// Hears of trial number `number`, which is done; what the strategy did with it.
    fn learn(&self, desk: &mut Desk<'s>, number: usize, mine: bool) -> Option<Update> {
        let slot = self.board.slot(number);
        let (Some(proposal), Some(outcome)) = (slot.proposal.get(), slot.outcome.get()) else { return None };
        if self.rungs.len() > 1 && !proposal.finals {
            desk.ladder.put(proposal.rung, outcome.reward, number);
        }
        // What was promoted is known from the rung that all are tried on alike, and finals are a search of their own.
        if proposal.rung != self.begins || proposal.finals != self.finals {
            return None;
        }
        desk.archive.put(proposal.architecture.clone(), outcome.reward);
        desk.strategy.learn(&proposal.architecture, outcome.reward, mine)
    }

    /// The same of a trial of its own, which the log is told of.
    fn learn_own(&self, desk: &mut Desk<'s>, number: usize) {
        let update = self.learn(desk, number, true);
        let slot = self.board.slot(number);
        if let Some(update) = update {
            let _ = slot.update.set(update);
        }
        self.tell(number, update);
        // Of what the log has not, nobody is to believe that it was learned.
        if self.failure.get().is_none() {
            slot.learned.store(true, Ordering::Release);
        }
    }

    /// Hears of what others have done since the last time.
    fn catch_up(&self, desk: &mut Desk<'s>) {
        let mut open = std::mem::take(&mut desk.open);
        let dealt = self.board.dealt();
        open.extend(desk.next..dealt);
        desk.next = dealt;
        open.retain(|&number| {
            let slot = self.board.slot(number);
            let Some(proposal) = slot.proposal.get() else { return true };
            // Its own it hears of by the ring.
            let own = proposal.controller == desk.number && !slot.heard.load(Ordering::Relaxed);
            if own || slot.outcome.get().is_none() {
                return true;
            }
            self.learn(desk, number, false);
            false
        });
        desk.open = open;
    }

    /// What to try next, and on which rung; none where everything was tried.
    fn next(&self, desk: &mut Desk<'s>) -> Option<(Architecture, usize)> {
        let promoting = if self.begins == 0 { self.rungs.len() - 1 } else { 0 };
        let claims = |number: usize| {
            let promoted = &self.board.slot(number).promoted;
            !promoted.load(Ordering::Relaxed) && !promoted.swap(true, Ordering::Relaxed)
        };
        if let Some((rung, number)) = desk.ladder.next(promoting, claims)
            && let Some(proposal) = self.board.slot(number).proposal.get()
        {
            return Some((proposal.architecture.clone(), rung + 1));
        }
        let mut hears = true;
        for _ in 0..ASKED {
            let architecture = desk.strategy.propose(&desk.archive, &mut desk.random);
            if self.is_new(desk, &architecture) {
                return Some((architecture, self.begins));
            }
            // What is known already says little: a policy that is all but certain is told once, not as often as it is asked.
            match desk.archive.reward(&architecture) {
                Some(reward) if hears => drop(desk.strategy.learn(&architecture, reward, true)),
                _ => desk.strategy.forget(&architecture),
            }
            hears = false;
        }
        if self.finals {
            return None;
        }
        for _ in 0..DRAWN {
            let drawn = self.space.draw(&mut desk.random);
            if self.is_new(desk, &drawn) {
                return Some((drawn, self.begins));
            }
        }
        self.space.all().find(|architecture| self.is_new(desk, architecture)).map(|new| (new, self.begins))
    }

    /// Whether an architecture may be tried: neither tried often enough, nor in somebody's hands.
    fn is_new(&self, desk: &Desk<'s>, architecture: &Architecture) -> bool {
        let in_hands = |number: &&usize| {
            let proposal = self.board.slot(**number).proposal.get();
            proposal.is_some_and(|proposal| {
                (proposal.rung, proposal.finals) == (self.begins, self.finals) && proposal.architecture == *architecture
            })
        };
        let times = desk.archive.times(architecture);
        times < self.seeds && times + desk.open.iter().filter(in_hands).count() < self.seeds
    }

    /// Writes trial number `number` into the log.
    fn tell(&self, number: usize, update: Option<Update>) {
        let slot = self.board.slot(number);
        if !slot.told.swap(true, Ordering::Relaxed)
            && let (Some(proposal), Some(outcome)) = (slot.proposal.get(), slot.outcome.get())
            && let Err(error) = self.log.line(&self.line(number, proposal, outcome, update))
        {
            let _ = self.failure.set(error);
        }
    }

    fn line(&self, number: usize, proposal: &Proposal, outcome: &Outcome, update: Option<Update>) -> Trial {
        Trial {
            trial: number,
            architecture: self.space.told(&proposal.architecture),
            reward: outcome.reward,
            accuracy: outcome.skill,
            loss: outcome.loss,
            passes: outcome.passes,
            seconds: outcome.seconds,
            seed: proposal.seed,
            rung: proposal.rung,
            finals: proposal.finals,
            controller: proposal.controller,
            child: outcome.child,
            control: self.control,
            staleness: update.map(|update| update.staleness),
            baseline: update.map(|update| update.baseline),
            entropy: update.map(|update| update.entropy),
            failed: outcome.failed.clone(),
        }
    }
}

impl<'s> Job for Search<'s> {
    /// Nothing: the board has it, by its number.
    type Task = ();
    type Child = (usize, Option<Arena>);
    type Controller = Desk<'s>;

    /// A desk that knows all that was done before: in a run that was resumed, or by a controller that died.
    fn controller(&self, number: usize) -> Desk<'s> {
        let mut desk = Desk {
            number,
            strategy: (self.strategy)(number),
            archive: Archive::default(),
            ladder: Ladder::default(),
            random: Random::new(self.seed_of(number as u64 ^ (self.board.dealt() as u64) << 16)),
            open: Vec::new(),
            next: 0,
        };
        for trial in 0..self.board.dealt() {
            let slot = self.board.slot(trial);
            let own = slot.proposal.get().filter(|proposal| proposal.controller == number);
            let own = own.filter(|_| !slot.heard.load(Ordering::Relaxed));
            let is_done = slot.outcome.get().is_some();
            // Of a run that was killed before Θ was saved, or one that this controller had in hands when it died.
            if let Some(proposal) = own {
                desk.strategy.recall(&proposal.architecture);
            }
            match (is_done, own) {
                (false, _) => desk.open.push(trial),
                (true, Some(_)) => {
                    if !slot.heard.swap(true, Ordering::Relaxed) {
                        self.learn_own(&mut desk, trial);
                    }
                }
                (true, None) => drop(self.learn(&mut desk, trial, false)),
            }
        }
        desk.next = self.board.dealt();
        desk
    }

    fn deal(&self, desk: &mut Desk<'s>, number: u32, (): &()) -> bool {
        let number = self.first.load(Ordering::Relaxed) + number as usize;
        // A controller may have died between the proposal and the deal.
        if self.board.slot(number).proposal.get().is_some() {
            return true;
        }
        if number >= self.budget.min(MOST) || !self.has_time() || self.failure.get().is_some() {
            return false;
        }
        self.catch_up(desk);
        let Some((architecture, rung)) = self.next(desk) else { return false };
        let seed = self.seed_of(!(number as u64));
        // It is open from now on, so that it is heard of once.
        let next = desk.next.max(number + 1);
        desk.open.extend(desk.next..next);
        desk.next = next;
        self.board.propose(number, Proposal { architecture, controller: desk.number, seed, rung, finals: self.finals });
        true
    }

    fn hear(&self, desk: &mut Desk<'s>, number: u32, (): &(), _: &Answer) {
        let number = self.first.load(Ordering::Relaxed) + number as usize;
        let slot = self.board.slot(number);
        // It was left off, or heard of already.
        if slot.outcome.get().is_none() || slot.heard.swap(true, Ordering::Relaxed) {
            return;
        }
        desk.open.retain(|&open| open != number);
        self.learn_own(desk, number);
    }

    fn child(&self, seat: Seat) -> Result<(usize, Option<Arena>)> {
        Ok((seat.child, None))
    }

    fn work(&self, (child, arena): &mut (usize, Option<Arena>), work: &Work<'_, ()>) -> Result<Answer> {
        let slot = self.board.slot(self.first.load(Ordering::Relaxed) + work.number as usize);
        let Some(proposal) = slot.proposal.get() else {
            return Err(Error::Engine("a trial was dealt before it was proposed".to_owned()));
        };
        let goes_on = || self.has_time() && self.failure.get().is_none();
        let Some(outcome) = (self.child)(proposal, self.rungs[proposal.rung], arena, &goes_on) else {
            return Ok(Answer::default());
        };
        let answer = Answer { rows: outcome.passes, score: outcome.reward, loss: outcome.loss, ..Answer::default() };
        let _ = slot.outcome.set(Outcome { child: *child, ..outcome });
        Ok(answer)
    }
}
