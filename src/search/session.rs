//! A search under way: trials until the budget or the time is used up, then the finals.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

use super::Request;
use super::board::{Board, MOST, Proposal};
use super::child::Trying;
use super::clock::Clock;
use super::finals::{self, Again, Standing};
use super::hunt::hunt;
use super::job::{Child, Search};
use super::log::TrialLog;
use super::plan::{self, Ways};
use super::policy::{Policy, SharedPolicy};
use super::show::Showing;
use super::space::{Architecture, Space, sentence};
use super::strategy::{Policies, Strategies, Strategy, begin};
use super::summary::mean;
use crate::engine::plan::Plan;
use crate::error::{Error, Result};
use crate::report::staleness::Staleness;
use crate::store::Store;
use crate::train::alone::Arena;
use crate::train::ground::Ground;
use crate::train::{Ears, Settings, out_of_memory};

/// The share of the time that a trial may take where nobody says.
const OF_TIME: u32 = 4;
/// How often it is looked at how much time there is for trials.
const LOOK: Duration = Duration::from_millis(500);

/// A search under way.
pub(super) struct Run<'a, 'd> {
    pub(super) request: &'a Request,
    pub(super) clock: Clock<'a>,
    pub(super) plan: &'a Plan,
    pub(super) space: &'a Space,
    pub(super) ways: &'a Ways,
    pub(super) ground: &'a Ground<'d>,
    pub(super) log: &'a TrialLog,
    /// What tells this search from others.
    pub(super) head: u64,
    pub(super) settings: &'a (dyn Fn(&Architecture) -> Settings + Sync),
    pub(super) rungs: Vec<u32>,
    pub(super) ears: Ears<'a>,
    pub(super) store: &'a dyn Store,
}

/// What a hunt has come to.
pub(super) struct Hunted {
    pub(super) winner: Standing,
    pub(super) trials: usize,
    pub(super) failed: usize,
    pub(super) trials_per_second: f64,
    pub(super) last: (f64, [f64; 2]),
    pub(super) staleness: Option<Staleness>,
}

impl Run<'_, '_> {
    /// Says what is about to be done.
    pub(super) fn tell(&self, rows: u64, learned: u64) -> Result<()> {
        let Self { request, space, plan, ears, .. } = self;
        let children = plan.children();
        let until = match (request.budget, request.time) {
            (Some(budget), Some(time)) => format!("{budget} trials or {:.0} s", time.as_secs_f64()),
            (Some(budget), None) => format!("{budget} trials"),
            (None, Some(time)) => format!("{:.0} s", time.as_secs_f64()),
            (None, None) => "until everything is tried".to_owned(),
        };
        let strategy = request.strategy.name();
        let policy = request.policy.map_or_else(String::new, |policy| format!(" --policy {}", policy.name()));
        ears.progress.notice(&format!(
            "search: {space}, by {strategy}{policy}, {until}; {learned} of {rows} rows learned in {} passes a trial, {children} at a time",
            self.rungs.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        ));
        ears.log.event(
            "start",
            &serde_json::json!({
                "space": space.name(), "size": space.size() as f64, "strategy": strategy,
                "policy": request.policy.map(Policies::name), "budget": request.budget,
                "time": request.time.map(|time| time.as_secs_f64()), "rows": rows, "rows_learned": learned,
                "passes": self.rungs, "shards": plan.shards, "controllers": plan.controllers.len(),
                "children": children, "kernels": request.train.backend.name(), "seed": request.train.settings.seed.unwrap_or(0),
            }),
        )
    }

    /// Search number `part` of the run, from 1, on `board`, its finals included; the second is what the first is compared with.
    pub(super) fn hunt(&self, by: Strategies, board: &Board, part: u32) -> Result<Hunted> {
        let Self { request, space, .. } = self;
        let control = part > 1;
        let seed = request.train.settings.seed.unwrap_or(0);
        let shared = match by {
            Strategies::Reinforce => {
                let policy = Policy::new(space, request.train.backend);
                let shared = SharedPolicy::new(policy, self.plan.shards, seed).map_err(out_of_memory)?;
                Some(shared)
            }
            _ => None,
        };
        let mut keeper = None;
        if let Some(shared) = &shared {
            keeper = Some(self.keep(shared, board)?);
        } else {
            board.mark(|_| true);
        }
        let make = |_: usize| -> Box<dyn Strategy + '_> { begin(by, request.policy, space, shared.as_ref()) };
        let limit = request.child_time.or(request.time.map(|time| time / OF_TIME)).unwrap_or(Duration::MAX);
        let faults = &request.train.faults;
        let trying = Trying { ground: self.ground, power: request.power, limit, faults };
        let child = |proposal: &Proposal, passes: u32, arena: &mut Option<Arena>, goes_on: &dyn Fn() -> bool| {
            let Proposal { architecture, seed, .. } = proposal;
            let settings = (self.settings)(architecture);
            let settings = Settings { passes: Some(passes), seed: Some(*seed), ..settings };
            let reading = self.ways.reading(space, architecture, &request.train.read.ignore);
            trying.outcome(arena, (&settings, reading), goes_on)
        };
        let words = |architecture: &Architecture| self.sentence(architecture);
        let is_of_numbers = self.ground.is_of_numbers();
        let mut showing = Showing::new(
            (self.ears.progress, self.ears.log),
            &words,
            Some(if is_of_numbers { "skill" } else { "accuracy" }),
            board,
        );
        let budget = request.budget.map_or(MOST, |budget| {
            let done = board.done(0).filter(|(_, proposal, _)| !proposal.finals).count();
            (board.dealt() + budget.saturating_sub(done)).min(MOST)
        });
        let mut search = self.search(board, &child, &make, (budget, control));
        let set = |search: &Search<'_>, finals: bool| {
            if self.clock.time.is_some() {
                let best = finals::standings(board).into_iter().next();
                search.set_until(self.clock.until(part, best.as_ref(), finals).unwrap_or(Duration::MAX));
            }
        };
        set(&search, true);
        let (mut looked, mut took) = (Instant::now(), Duration::ZERO);
        let failed_tasks = {
            let search = &search;
            hunt(self.plan, search, faults, &mut showing, &mut || {
                // The best changes seldom, and looking for it takes as long as there are trials.
                if looked.elapsed() > LOOK.max(took * 20) {
                    looked = Instant::now();
                    set(search, true);
                    took = looked.elapsed();
                }
                match (&mut keeper, &shared) {
                    (Some(keeper), Some(shared)) if keeper.is_due() => {
                        // After a power cut, too, the log has what Θ knows.
                        self.log.sync()?;
                        keeper.commit(shared, board).map(drop)
                    }
                    _ => Ok(()),
                }
            })?
        };
        if failed_tasks > 0 {
            self.ears.progress.notice(&format!("warning: {failed_tasks} tasks failed and were dealt again"));
        }
        self.log.sync()?;
        if let (Some(keeper), Some(shared)) = (&mut keeper, &shared) {
            keeper.commit(shared, board)?;
        }
        let trials_per_second = showing.trials_per_second();
        self.go_on(board)?;
        let hunted = board.done(0).filter(|(_, proposal, _)| !proposal.finals);
        let rewards: Vec<f64> = hunted.map(|(.., outcome)| outcome.reward.into()).collect();
        let last = mean(&rewards[rewards.len().saturating_sub(100)..]);

        let standings = finals::standings(board);
        let all = (request.time.is_none() || request.budget.is_some()).then_some(rewards.len());
        let seconds = self.clock.finals(standings.first()).map(|time| time.as_secs_f64());
        let finalists = finals::finalists(&standings, all, seconds, self.plan.children());
        if !finalists.is_empty() {
            self.ears.progress.doing(&format!("finals: {} models, {} times each", finalists.len(), finals::TIMES));
            let again = |_: usize| -> Box<dyn Strategy + '_> { Box::new(Again::new(&finalists)) };
            let budget = board.dealt() + finals::wanted(board, &finalists);
            search = Search {
                strategy: &again,
                seeds: finals::TIMES,
                begins: self.rungs.len() - 1,
                finals: true,
                ..self.search(board, &child, &make, (budget.min(MOST), control))
            };
            board.mark(|_| true);
            set(&search, false);
            let mut quiet = Showing::new((self.ears.progress, self.ears.log), &words, None, board);
            hunt(self.plan, &search, faults, &mut quiet, &mut || Ok(()))?;
            self.go_on(board)?;
        }
        let Some(winner) = finals::winner(board, &finalists) else {
            let what = "no trial was done: give it more --time, or fewer --child-passes";
            return Err(Error::Engine(what.to_owned()));
        };
        let (trials, failed) = board.done(0).fold((0, 0), |(trials, failed), (.., outcome)| {
            (trials + 1, failed + usize::from(outcome.failed.is_some()))
        });
        let staleness = shared.is_some().then(|| board.staleness());
        Ok(Hunted { winner, trials, failed, trials_per_second, last, staleness })
    }

    /// Ends a search that was asked to stop.
    fn go_on(&self, board: &Board) -> Result<()> {
        if !self.ears.stop.requested() {
            return Ok(());
        }
        self.log.sync()?;
        let (trials, log) = (board.done(0).count(), plan::log(self.request));
        let what =
            format!("interrupted after {trials} trials; {} has them, and nothing was trained last", log.display());
        Err(Error::Interrupted { what, saved: true })
    }

    fn search<'s>(
        &'s self,
        board: &'s Board,
        child: &'s Child<'s>,
        strategy: &'s (dyn Fn(usize) -> Box<dyn Strategy + 's> + Sync),
        (budget, control): (usize, bool),
    ) -> Search<'s> {
        let request = self.request;
        Search {
            space: self.space,
            child,
            board,
            log: self.log,
            strategy,
            seed: request.train.settings.seed.unwrap_or(0),
            seeds: request.seeds,
            rungs: self.rungs.clone(),
            begins: 0,
            finals: false,
            control,
            budget,
            first: AtomicUsize::new(0),
            begun: self.clock.begun,
            until: AtomicU64::new(u64::MAX),
            stop: self.ears.stop,
            failure: OnceLock::new(),
        }
    }

    /// An architecture in words.
    pub(super) fn sentence(&self, architecture: &Architecture) -> String {
        let hashing = self.space.reading(architecture, &self.request.train.read.ignore);
        sentence(&(self.settings)(architecture), hashing.as_ref())
    }
}
