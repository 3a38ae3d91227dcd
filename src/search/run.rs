//! A search from its beginning to its end: read, hunt, finals, the last training, the summary.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::board::{Board, MOST, Outcome, Proposal};
use super::child::Trying;
use super::finals::{self, Again, Standing};
use super::head::Head;
use super::hunt::hunt;
use super::job::{Child, Search};
use super::log::{Trial, TrialLog, Written};
use super::plan::{self, Ways};
use super::policy::{Policy, SharedPolicy};
use super::saved::{self, Keeper, Known};
use super::show::Showing;
use super::space::{Architecture, Space, flags, sentence};
use super::strategy::{Policies, Strategies, Strategy, begin};
use super::summary::{Found, Seconds, Summary, Valid, mean, wilson};
use super::{Request, halving, last};
use crate::checkpoint::{Existing, Writer};
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::report::staleness::Staleness;
use crate::store::Store;
use crate::train::alone::Arena;
use crate::train::ground::{Ground, Shares};
use crate::train::{self, Ears, Settings, out_of_memory};

/// The share of the rows that is kept to test by, and again to compare by.
const HOLDOUT: f64 = 0.2;
/// The share of the time that a trial may take where nobody says.
const OF_TIME: u32 = 10;

/// Searches for a model, trains it and saves it.
///
/// # Errors
/// Anything from a space that is wrong to a full disk; what had been saved before is as it was.
pub fn search(request: &Request, topology: &Topology, store: &dyn Store, ears: Ears<'_>) -> Result<Summary> {
    let begun = Instant::now();
    plan::check(request)?;
    let notice = |text: &str| ears.progress.notice(text);
    let (plan, warnings) = Plan::choose(topology, &request.train.machine)?;
    warnings.iter().for_each(|warning| notice(&format!("warning: {warning}")));
    // What cannot be saved is found out before any time is spent on it.
    let existing = if request.resume { Existing::Replace } else { request.train.existing };
    drop(Writer::new(store, &request.train.model, existing)?);

    let base = &request.train.settings;
    let plain = train::read(&request.train.data, &request.train.read, store, ears)?;
    let space = plan::space(request, &plain, &notice)?;
    let ignored = &request.train.read.ignore;
    let ways = Ways::of(&space, ignored);
    let readings = plan::readings(request, &ways);
    let mut files = Vec::new();
    let mut plain = Some(plain);
    for reading in &readings {
        files.push(match plain.take_if(|_| reading.hashing.is_none()) {
            Some(files) => files,
            None => train::read(&request.train.data, reading, store, ears)?,
        });
    }
    let holdout = base.holdout.unwrap_or(HOLDOUT);
    let shares = Shares { test: holdout, valid: holdout, seed: base.seed.unwrap_or(0) };
    let settings = Settings { holdout: Some(holdout), ..base.clone() };
    let children = (request.train.backend, plan.children());
    let ground = Ground::new(&settings, (&files, &readings), &ways.kinds, shares, children, &notice)?;
    let reading = begun.elapsed();
    if ears.stop.requested() {
        return Err(Error::stopped_reading());
    }

    let rows = files[0].iter().map(crate::data::DataFile::rows).sum::<u64>();
    let learned = ground.rows();
    let passes = request.child_passes.unwrap_or_else(|| plan::passes(learned));
    let rungs = if request.halving { halving::rungs(passes) } else { vec![passes] };
    let head = Head::new(request, &space, &files[0], holdout, &rungs);
    let (log, boards) = open_log(request, store, &head, &space, plan.controllers.len())?;
    let of =
        |architecture: &Architecture| Settings { seed: None, ..merged(space.settings(architecture, rows), &settings) };
    let run = Run {
        request,
        begun,
        reading,
        plan: &plan,
        space: &space,
        ways: &ways,
        ground: &ground,
        log: &log,
        settings: &of,
        rungs,
        more: (1.0 - holdout) * rows as f64 / learned.max(1) as f64,
        ears,
        store,
    };
    run.tell(rows, learned)?;

    let searched = Instant::now();
    let parts = if request.control { 2 } else { 1 };
    let (main, control) = boards;
    let hunted = run.hunt(request.strategy, &main, (1, parts))?;
    let compared = if request.control { Some(run.hunt(Strategies::Random, &control, (2, parts))?) } else { None };
    let seconds = searched.elapsed();
    log.sync()?;

    let trained = Instant::now();
    let interrupted = |error| match error {
        Error::Interrupted { .. } => {
            let what = format!("interrupted in the last training; {} has all trials", plan::log(request).display());
            Error::Interrupted { what, saved: true }
        }
        other => other,
    };
    let found = run.conclude(hunted, topology, existing).map_err(interrupted)?;
    let compared = compared.map(|hunted| run.conclude_control(hunted, topology)).transpose().map_err(interrupted)?;
    let summary = Summary {
        model: request.train.model.display().to_string(),
        log: plan::log(request).display().to_string(),
        space: space.name().to_owned(),
        size: space.size() as f64,
        strategy: request.strategy.name(),
        found,
        control: compared,
        shards: plan.shards,
        controllers: plan.controllers.len(),
        children: plan.children(),
        kernels: request.train.backend.name(),
        seconds: Seconds {
            read: reading.as_secs_f64(),
            search: seconds.as_secs_f64(),
            train: trained.elapsed().as_secs_f64(),
            total: begun.elapsed().as_secs_f64(),
        },
    };
    ears.log.event("summary", &summary)?;
    Ok(summary)
}

/// What is said of every model, where an architecture does not say it.
fn merged(of: Settings, base: &Settings) -> Settings {
    Settings {
        loss: of.loss.or(base.loss),
        quantile: of.quantile.or(base.quantile),
        class_weights: of.class_weights.clone().or_else(|| base.class_weights.clone()),
        holdout: base.holdout,
        min_count: of.min_count.or(base.min_count),
        ..of
    }
}

/// The log, new or gone on with, and the boards of the search and of what it is compared with, with the trials of the log; those of
/// controllers that are not there any more, beyond the first `controllers`, fall to others.
fn open_log(
    request: &Request,
    store: &dyn Store,
    head: &Head,
    space: &Space,
    controllers: usize,
) -> Result<(TrialLog, (Board, Board))> {
    let (path, boards) = (plan::log(request), (Board::new(), Board::new()));
    let Some(written) = request.resume.then(|| Written::read(&path)).transpose()?.flatten() else {
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
        if trial >= MOST {
            return Err(Error::data(&path, format!("there is no trial {trial}: a search has {MOST} at most")));
        }
        let board = if control { &boards.1 } else { &boards.0 };
        let controller = controller % controllers;
        board.propose(trial, Proposal { architecture, controller, seed, rung, finals });
        let slot = board.slot(trial);
        let _ = slot.outcome.set(Outcome { reward, skill: accuracy, loss, passes, seconds, child, failed });
        slot.told.store(true, Ordering::Relaxed);
    }
    Ok((TrialLog::go_on(store, &path, written.length)?, boards))
}

/// A search under way.
struct Run<'a, 'd> {
    request: &'a Request,
    begun: Instant,
    reading: Duration,
    plan: &'a Plan,
    space: &'a Space,
    ways: &'a Ways,
    ground: &'a Ground<'d>,
    log: &'a TrialLog,
    settings: &'a (dyn Fn(&Architecture) -> Settings + Sync),
    rungs: Vec<u32>,
    /// How many times as many rows as a trial the last training has.
    more: f64,
    ears: Ears<'a>,
    store: &'a dyn Store,
}

/// What a hunt has come to.
struct Hunted {
    winner: Standing,
    trials: usize,
    failed: usize,
    trials_per_second: f64,
    last: (f64, [f64; 2]),
    staleness: Option<Staleness>,
    /// How many hunts there are.
    parts: u32,
}

impl Run<'_, '_> {
    /// Says what is about to be done.
    fn tell(&self, rows: u64, learned: u64) -> Result<()> {
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

    /// Hunts number `part` of `parts` on `board`, its finals included.
    fn hunt(&self, by: Strategies, board: &Board, (part, parts): (u32, u32)) -> Result<Hunted> {
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
            mark(board, None);
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
        let mut showing =
            Showing::new(self.ears.progress, &words, Some(if is_of_numbers { "skill" } else { "accuracy" }), board);
        let budget = request.budget.map_or(MOST, |budget| {
            let done = board.done(0).filter(|(_, proposal, _)| !proposal.finals).count();
            (board.dealt() + budget.saturating_sub(done)).min(MOST)
        });
        let mut search = self.search(board, &child, &make, (budget, control));
        // What may go by until the hunts so far are over, the last trainings aside.
        let end = |reserved: Duration| {
            let time = request.time?;
            let left = time.saturating_sub(reserved);
            let begun = self.reading.min(left);
            Some(begun + (left - begun) * part / parts)
        };
        let reserve = |finals: bool| {
            let Some(best) = finals::standings(board, true).into_iter().next() else { return Duration::ZERO };
            let passes = last::passes(&best, self.more, request.time);
            let last = last::takes(&best, passes, self.more, self.reading);
            let finals = if finals { request.time.unwrap_or_default() / 10 } else { Duration::ZERO };
            last * parts + finals
        };
        let set = |search: &Search<'_>, finals: bool| {
            search.set_until(end(reserve(finals)).unwrap_or(Duration::MAX));
        };
        set(&search, true);
        let mut looked = Instant::now();
        let failed_tasks = {
            let search = &search;
            hunt(self.plan, search, faults, &mut showing, &mut || {
                // The best changes seldom, and looking for it takes as long as there are trials.
                if looked.elapsed() > Duration::from_millis(500) {
                    set(search, true);
                    looked = Instant::now();
                }
                match (&mut keeper, &shared) {
                    (Some(keeper), Some(shared)) if keeper.is_due() => keeper.commit(shared, board).map(drop),
                    _ => Ok(()),
                }
            })?
        };
        if failed_tasks > 0 {
            self.ears.progress.notice(&format!("warning: {failed_tasks} tasks failed and were dealt again"));
        }
        if let (Some(keeper), Some(shared)) = (&mut keeper, &shared) {
            keeper.commit(shared, board)?;
        }
        let trials_per_second = showing.trials_per_second();
        self.go_on(board)?;
        let hunted = board.done(0).filter(|(_, proposal, _)| !proposal.finals);
        let rewards: Vec<f64> = hunted.map(|(.., outcome)| outcome.reward.into()).collect();
        let last = mean(&rewards[rewards.len().saturating_sub(100)..]);

        let standings = finals::standings(board, false);
        let all = (request.time.is_none() || request.budget.is_some()).then_some(rewards.len());
        let seconds = request.time.map(|time| time.as_secs_f64());
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
            mark(board, None);
            set(&search, false);
            let mut quiet = Showing::new(self.ears.progress, &words, None, board);
            hunt(self.plan, &search, faults, &mut quiet, &mut || Ok(()))?;
            self.go_on(board)?;
        }
        let Some(winner) = finals::winner(&finals::standings(board, true), &finalists) else {
            let what = "no trial was done: give it more --time, or fewer --child-passes";
            return Err(Error::Engine(what.to_owned()));
        };
        let (trials, failed) = board.done(0).fold((0, 0), |(trials, failed), (.., outcome)| {
            (trials + 1, failed + usize::from(outcome.failed.is_some()))
        });
        let staleness = shared.is_some().then(|| board.staleness());
        Ok(Hunted { winner, trials, failed, trials_per_second, last, staleness, parts })
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
            begun: self.begun,
            until: AtomicU64::new(u64::MAX),
            stop: self.ears.stop,
            failure: OnceLock::new(),
        }
    }

    /// What commits Θ, which is restored first where the search is gone on with.
    fn keep(&self, shared: &SharedPolicy<'_>, board: &Board) -> Result<Keeper<'_>> {
        let directory = plan::policy(self.request);
        let resumes = self.request.resume && directory.exists();
        let known = if resumes { Some(saved::restore(&directory, shared)?) } else { None };
        // Nothing is known to a fresh Θ: what the log has is learned again.
        mark(board, Some(&known.unwrap_or_default()));
        let every = (self.request.train.checkpoint_every, self.plan.shards);
        Keeper::new(self.store, &directory, every, resumes, self.space.name())
    }

    fn sentence(&self, architecture: &Architecture) -> String {
        let hashing = self.space.reading(architecture, &self.request.train.read.ignore);
        sentence(&(self.settings)(architecture), hashing.as_ref())
    }

    /// Trains what was found, and scores the rows to test by.
    fn conclude(&self, hunted: Hunted, topology: &Topology, existing: Existing) -> Result<Found> {
        self.ears.progress.finish();
        let words = self.sentence(&hunted.winner.architecture);
        self.ears.progress.notice(&format!(
            "the best of {} trials, R {:.4}: {words}; trained on all rows but those to test by:",
            hunted.trials, hunted.winner.reward
        ));
        self.train(hunted, &self.request.train, topology, existing, self.ears)
    }

    /// The same for what it is compared with, of which nothing is kept.
    fn conclude_control(&self, hunted: Hunted, topology: &Topology) -> Result<Found> {
        let folder = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "make a directory", error))?;
        let quiet = crate::report::progress::Progress::new(crate::report::progress::ProgressMode::Quiet);
        let log = crate::report::log::RunLog::off();
        let ears = Ears { progress: &quiet, log: &log, stop: self.ears.stop };
        let request = train::Request { model: folder.path().join("control"), ..like(&self.request.train) };
        self.train(hunted, &request, topology, Existing::Refuse, ears)
    }

    fn train(
        &self,
        hunted: Hunted,
        request: &train::Request,
        topology: &Topology,
        existing: Existing,
        ears: Ears<'_>,
    ) -> Result<Found> {
        let Hunted { winner, trials, failed, trials_per_second, last, staleness, parts } = hunted;
        let passes = last::passes(&winner, self.more, self.request.time.map(|time| time / parts));
        let settings = Settings {
            passes: Some(passes),
            seed: Some(self.request.train.settings.seed.unwrap_or(0)),
            ..(self.settings)(&winner.architecture)
        };
        let hashing = self.space.reading(&winner.architecture, &request.read.ignore);
        let told = flags(&settings, hashing.as_ref()).join(" ");
        let summary = last::train_last(request, (settings, hashing), existing, topology, self.store, ears)?;
        let rows = self.ground.test_rows() as f64;
        Ok(Found {
            best: self.space.told(&winner.architecture),
            flags: told,
            reward: winner.reward,
            valid: Valid { accuracy: winner.skill, loss: winner.loss },
            test: summary.valid,
            interval: summary.valid.and_then(|valid| valid.accuracy).map(|share| wilson(share, rows)),
            last_reward: last.0,
            last_interval: last.1,
            trials,
            trials_per_second,
            failed,
            staleness,
        })
    }
}

/// A request on the same data.
fn like(request: &train::Request) -> train::Request {
    train::Request {
        data: request.data.clone(),
        read: request.read.clone(),
        settings: request.settings.clone(),
        machine: request.machine,
        ..train::Request::new(Vec::new(), request.backend)
    }
}

/// Marks the trials that are on the board already as heard: all where there is no policy, else those that it knows.
fn mark(board: &Board, known: Option<&Known>) {
    for (number, ..) in board.done(0) {
        let (slot, known) = (board.slot(number), known.is_none_or(|known| known.has(number)));
        slot.heard.store(known, Ordering::Relaxed);
        slot.learned.store(known, Ordering::Relaxed);
    }
}
