//! The loop over passes: learn, have it judged and committed; go back when Θ diverges; stop when a signal says so.
//!
//! What flows in: what was prepared. What flows out: generations of the model, and what the run came to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::commit::{Committer, Dealt};
use super::factored;
use super::job::{EVERY, Learner, Task, Train, Wave, booked};
use super::judge::Judge;
use super::keep::Keeper;
use super::position::Position;
use super::prepare::Prepared;
use super::{Consistency, Ears, Request, spec};
use crate::data::order::{self, Strips};
use crate::engine::guard::Guard;
use crate::engine::plan::Plan;
use crate::engine::{self, Deal, Engine, Running};
use crate::error::{Error, Result};
use crate::model::configuration::Configuration;
use crate::model::tally::Tally;
use crate::report::metrics::Metrics;
use crate::report::progress::{Live, PassLine};
use crate::report::staleness::Staleness;
use crate::theta::exchange::rounds::Rounds;
use crate::theta::exchange::{BIAS, LAYERS, WEIGHT};

/// Nonzeros in a task: about a millisecond of work, so that dealing costs nothing and nobody waits long at the end of a pass.
const TASK_NONZEROS: u64 = 1 << 18;
/// The least nonzeros in a task, where a pass is so short that children could not be busy otherwise.
const TASK_NONZEROS_LEAST: u64 = 1 << 14;

/// The same in batches of a model with layers: a child takes up and hands in all of them, slots too, once a task.
const TASK_BATCHES: u64 = 64;
const TASK_BATCHES_LEAST: u64 = 8;

/// What a run came to.
pub(super) struct End {
    pub(super) configuration: Configuration,
    pub(super) classes: Option<usize>,
    pub(super) passes: u32,
    pub(super) rows_learned: u64,
    pub(super) nonzeros_learned: u64,
    pub(super) learning: Duration,
    pub(super) progressive: Metrics,
    pub(super) valid: Option<Metrics>,
    pub(super) staleness: Staleness,
    pub(super) failed: u32,
    pub(super) generation: u64,
    pub(super) interrupted: bool,
}

/// How a pass ended.
enum Ending {
    Done(Tally),
    Interrupted(Vec<bool>, Tally),
    Diverged,
}

/// How many tasks a pass is dealt in.
pub(super) fn tasks_of_pass(configuration: &Configuration, rows: u64, nonzeros: u64, children: u64) -> u64 {
    match &configuration.layers {
        None => {
            let least = (nonzeros / TASK_NONZEROS_LEAST).min(4 * children);
            (nonzeros / TASK_NONZEROS).max(least)
        }
        Some(layers) => {
            let batches = rows / layers.batch as u64;
            let busy = (batches / TASK_BATCHES_LEAST).max(batches.min(children));
            (batches / TASK_BATCHES).max(busy.min(8 * children))
        }
    }
}

/// A run under way.
struct Passes<'a, 't, 'd> {
    request: &'a Request,
    plan: &'a Plan,
    ears: Ears<'a>,
    job: &'a Train<'t, 'd>,
    configuration: &'a Configuration,
    judge: Judge<'a, 't, 'd>,
    committer: Committer<'a, 't, 'd>,
    guard: Guard,
    position: Position,
    nonzeros: u64,
    staleness: Staleness,
    failed: u32,
    learning: Duration,
    rows_learned: u64,
}

/// Trains what is prepared and commits it.
///
/// # Errors
/// See [`super::train`].
pub(super) fn run(
    request: &Request,
    plan: &Plan,
    prepared: Prepared<'_>,
    keeper: Keeper<'_>,
    ears: Ears<'_>,
) -> Result<End> {
    let classes = prepared.facts.classes;
    set_up(request, plan, prepared, keeper, ears, |passes| {
        let job = passes.job;
        let result = engine::run(plan, job, &request.faults, |engine| passes.all(engine));
        ears.progress.finish();
        let interrupted = result?;
        let generation = passes.conclude(interrupted)?;
        let nonzeros = passes.rows_learned as f64 * passes.nonzeros as f64 / job.corpus.rows().max(1) as f64;
        Ok(End {
            classes,
            passes: passes.position.pass,
            rows_learned: passes.rows_learned,
            nonzeros_learned: nonzeros as u64,
            learning: passes.learning,
            progressive: passes.judge.progressive,
            valid: passes.judge.final_metrics()?,
            staleness: std::mem::take(&mut passes.staleness),
            failed: passes.failed + passes.judge.failed + job.survived.load(Relaxed),
            generation,
            interrupted,
            configuration: passes.configuration.clone(),
        })
    })
}

/// Hands `body` what learns the first pass of a fresh Θ as often as it is told, and says how long the passes took.
///
/// # Errors
/// Those of learning, and what `body` returns.
pub(super) fn measured<R>(
    request: &Request,
    plan: &Plan,
    prepared: Prepared<'_>,
    keeper: Keeper<'_>,
    ears: Ears<'_>,
    body: impl FnOnce(&mut dyn FnMut(u64) -> Result<Duration>) -> Result<R>,
) -> Result<R> {
    set_up(request, plan, prepared, keeper, ears, |passes| {
        let job = passes.job;
        body(&mut |times| {
            engine::run(plan, job, &request.faults, |engine| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    job.theta.clear();
                    passes.position.begin_pass();
                    passes.begin();
                    let begun = Instant::now();
                    if !matches!(passes.learn(engine)?, Ending::Done(_)) {
                        return Err(Error::Diverged("a pass that was to be measured diverged".to_owned()));
                    }
                    took += begun.elapsed();
                }
                Ok(took)
            })
        })
    })
}

/// Hands `go` a run that is about to begin.
fn set_up<R>(
    request: &Request,
    plan: &Plan,
    prepared: Prepared<'_>,
    keeper: Keeper<'_>,
    ears: Ears<'_>,
    go: impl FnOnce(&mut Passes<'_, '_, '_>) -> Result<R>,
) -> Result<R> {
    let Prepared { configuration, dictionary, theta, best, position, nonzeros, resumed, .. } = prepared;
    let mut guard = Guard::default();
    (0..position.rescues).for_each(|_| _ = guard.rescue());
    let job = Train {
        configuration: &configuration,
        theta: &theta,
        corpus: prepared.corpus,
        held_out: prepared.held_out,
        arranged: prepared.arranged,
        holdout: prepared.holdout,
        learner: prepared.learner,
        scorer: prepared.scorer,
        rule: configuration.rule(),
        head: prepared.head,
        penalties: prepared.penalties,
        fresh: prepared.fresh,
        rate: AtomicU32::new(0),
        bias_rate: AtomicU32::new(0),
        factor: AtomicU32::new(0),
        pass: AtomicU32::new(0),
        begun: AtomicU64::new(0),
        learned: (0..plan.children()).map(|_| CachePadded::default()).collect(),
        diverged: AtomicBool::new(false),
        survived: AtomicU32::new(0),
        faults: &request.faults,
        stop: ears.stop,
    };
    // A run that begins with a model has to beat it; what was cut short within a pass was never judged.
    let best = if resumed && position.is_beginning() { best.or_else(|| Some(theta.snapshot())) } else { best };
    let spec = spec::written(request, plan, &configuration, resumed).into_bytes();
    let mut passes = Passes {
        request,
        plan,
        ears,
        job: &job,
        configuration: &configuration,
        judge: Judge::new(&job, &configuration, plan.children(), best),
        committer: Committer {
            job: &job,
            dictionary: &dictionary,
            configuration: &configuration,
            spec,
            keeper,
            progress: ears.progress,
            pending: None,
        },
        guard,
        position,
        nonzeros,
        staleness: Staleness::new(),
        failed: 0,
        learning: Duration::ZERO,
        rows_learned: 0,
    };
    passes.set_rates();
    if !resumed {
        passes.begin();
    }
    go(&mut passes)
}

impl Passes<'_, '_, '_> {
    /// Pass after pass until enough is learned. True when the run was interrupted.
    fn all(&mut self, engine: &Engine<'_, Task>) -> Result<bool> {
        self.judge.judge_what_was_saved(engine, &mut self.position)?;
        while self.position.pass < self.position.until {
            let begun = Instant::now();
            self.set_rates();
            let ending = self.learn(engine)?;
            let seconds = begun.elapsed();
            self.learning += seconds;
            let sums = match ending {
                Ending::Done(sums) => sums,
                Ending::Interrupted(done, sums) => {
                    self.position.done = done;
                    self.position.progress = sums;
                    return Ok(true);
                }
                Ending::Diverged => {
                    self.go_back()?;
                    continue;
                }
            };
            self.position.pass += 1;
            self.position.begin_pass();
            let is_last = self.position.pass >= self.position.until;
            let verdict = if self.request.tests_once && !is_last {
                self.judge.pass_over(&sums)
            } else {
                self.judge.judge(engine, &mut self.position, &sums)?
            };
            self.tell(sums.rows, seconds, verdict.best)?;
            if verdict.stop || is_last {
                break;
            }
            self.committer.between_passes(&self.position, &self.judge)?;
            if self.ears.stop.requested() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn set_rates(&self) {
        let factor = self.position.factor(self.configuration);
        let (rate, bias_rate) = self.configuration.rates(factor);
        self.job.factor.store((factor as f32).to_bits(), Relaxed);
        self.job.pass.store(self.position.pass, Relaxed);
        self.job.rate.store(rate.to_bits(), Relaxed);
        self.job.bias_rate.store(bias_rate.to_bits(), Relaxed);
    }

    /// Has a fresh Θ predict the best constant, and factors and layers begin.
    fn begin(&self) {
        if let Some(fresh) = &self.job.fresh {
            factored::begin(fresh, self.job.head.layout, self.job.theta.tensors()[WEIGHT].cells(), 0);
        }
        let constant = &self.job.scorer.constant.margins;
        match &self.job.learner {
            Learner::Sparse(_) => {
                let (bias, step) = (self.job.theta.tensors()[BIAS].cells(), self.job.step());
                for (output, &margin) in constant.iter().enumerate() {
                    bias.set(output, self.job.rule.word(&step, true, margin, 0.0));
                }
            }
            Learner::Layered(layered) => {
                let words = self.configuration.fresh_layers(layered.network(), constant);
                self.job.theta.backend().copy_in(&words, self.job.theta.tensors()[LAYERS].plane(0));
            }
        }
    }

    /// The tasks of the pass under way, all of them.
    fn strips(&self) -> Vec<Strips> {
        let (seed, pass) = (self.configuration.seed, u64::from(self.position.pass));
        if let Some(arranged) = &self.job.arranged {
            return arranged.tasks(seed, pass);
        }
        let rows = self.job.corpus.rows();
        // Where tasks of this pass are done already, they were as many as that.
        let tasks = match self.position.done.len() as u64 {
            0 => tasks_of_pass(self.configuration, rows, self.nonzeros, self.plan.children() as u64),
            begun => begun,
        };
        order::tasks(rows, tasks, seed, pass)
    }

    fn learn(&mut self, engine: &Engine<'_, Task>) -> Result<Ending> {
        self.job.begun.fetch_add(1, Relaxed);
        let strips = self.strips();
        if self.position.done.len() != strips.len() {
            self.position.done = vec![false; strips.len()];
        }
        let mut sums = self.position.progress;
        match self.request.consistency {
            Consistency::Hogwild => {
                let numbers: Vec<usize> = (0..strips.len()).filter(|&task| !self.position.done[task]).collect();
                let tasks = strips.into_iter().enumerate().filter(|(task, _)| !self.position.done[*task]);
                let tasks = tasks.map(|(_, strips)| Task::Learn(strips)).collect();
                self.phase(engine, tasks, Deal::Free, &numbers, &mut sums)?;
            }
            Consistency::Sync => {
                let children = self.plan.children();
                let tasks: Vec<(usize, Strips)> =
                    strips.into_iter().enumerate().filter(|(task, _)| !self.position.done[*task]).collect();
                for wave in tasks.chunks(children) {
                    let numbers: Vec<usize> = wave.iter().map(|(number, _)| *number).collect();
                    let rows = |strips: &Strips| strips.iter().map(|strip| strip.end - strip.start).sum::<u64>();
                    let longest = wave.iter().map(|(_, strips)| rows(strips)).max().unwrap_or(0);
                    let length = longest.div_ceil(self.job.head.interval as u64) as usize;
                    let rounds = Arc::new(Wave { rounds: Rounds::new(wave.len()), length });
                    let tasks = wave.iter().map(|(_, strips)| Task::Round(strips.clone(), Arc::clone(&rounds)));
                    self.phase(engine, tasks.collect(), Deal::OneEach, &numbers, &mut sums)?;
                    if self.job.diverged.load(Relaxed) || self.ears.stop.requested() {
                        break;
                    }
                }
            }
        }
        let all = self.position.done.iter().all(|&done| done);
        // A weight may have stopped to be a number in the last row that has it.
        if self.job.diverged.swap(false, Relaxed) || all && !self.job.theta.is_finite() {
            return Ok(Ending::Diverged);
        }
        if all {
            return Ok(Ending::Done(sums));
        }
        Ok(Ending::Interrupted(std::mem::take(&mut self.position.done), sums))
    }

    /// Has tasks learned, which are number `numbers` of the pass, reporting, committing and stopping meanwhile.
    fn phase(
        &mut self,
        engine: &Engine<'_, Task>,
        tasks: Vec<Task>,
        deal: Deal,
        numbers: &[usize],
        sums: &mut Tally,
    ) -> Result<()> {
        let begun = Instant::now();
        let mut failure = None;
        let dealt = Dealt { deal, numbers, before: *sums };
        let outcome = engine.phase(tasks, deal, EVERY, |running| {
            if self.ears.stop.requested() && deal == Deal::Free {
                running.stop();
            }
            self.live(running, dealt.before, begun);
            if let Err(error) = self.committer.meanwhile(running, &dealt, &self.position, &self.judge) {
                failure = Some(error);
                running.stop();
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        let outcome = outcome?;
        if outcome.failed > 0 {
            self.failed += outcome.failed;
            let what = format!("warning: a child failed ({}); its task was dealt again", outcome.said);
            self.ears.progress.notice(&what);
        }
        for (answer, &number) in outcome.answers.iter().zip(numbers) {
            if let Some(answer) = answer {
                sums.merge(&booked(*answer));
                self.position.done[number] = true;
                self.rows_learned += u64::from(answer.rows);
                self.staleness.record(u64::from(answer.staleness));
            }
        }
        Ok(())
    }

    fn live(&self, running: &Running<'_, Task>, before: Tally, begun: Instant) {
        let mut sums = before;
        running.answers().flatten().for_each(|answer| sums.merge(&booked(answer)));
        let held_out = if self.job.holdout.is_some() { self.job.held_out.rows.len() as u64 } else { 0 };
        let rows = sums.rows - before.rows;
        let all = self.job.corpus.rows().max(1);
        self.ears.progress.update(&Live {
            pass: self.position.pass as usize + 1,
            passes: self.position.until as usize,
            rows,
            rows_in_pass: Some(self.job.corpus.rows() - held_out),
            nonzeros: (rows as f64 * self.nonzeros as f64 / all as f64) as u64,
            seconds: begun.elapsed().as_secs_f64(),
            progressive: sums.metrics(self.configuration.loss, self.configuration.unit()),
            valid: self.judge.valid,
        });
    }

    fn tell(&self, rows: u64, seconds: Duration, best: bool) -> Result<()> {
        let best = best && self.judge.valid.is_some();
        let line = PassLine {
            pass: self.position.pass as usize,
            rows,
            seconds: seconds.as_secs_f64(),
            progressive: self.judge.progressive,
            valid: self.judge.valid,
            best,
        };
        self.ears.progress.pass(&line);
        self.ears.log.event("pass", &line)
    }

    /// Puts the last good Θ back and halves the rate.
    fn go_back(&mut self) -> Result<()> {
        if !self.guard.rescue() {
            return Err(Error::Diverged(format!(
                "training diverged {} times, each time with half the learning rate: try a much smaller --lr than {}",
                self.guard.rescues(),
                self.configuration.lr
            )));
        }
        let before = self.job.step();
        self.position.rescues = self.guard.rescues();
        self.position.begin_pass();
        self.set_rates();
        match self.judge.best_mut() {
            Some(best) => {
                self.job.theta.restore(best);
                self.job.keep_weights(&before);
                *best = self.job.theta.snapshot();
            }
            None => {
                self.job.theta.clear();
                self.begin();
            }
        }
        self.committer.pending = None;
        self.ears
            .progress
            .notice("warning: training diverged: going back to the last good weights with half the learning rate");
        Ok(())
    }

    /// The last commit: the best pass of a run that is done, the present Θ of one that was interrupted.
    fn conclude(&mut self, interrupted: bool) -> Result<u64> {
        let lost = !self.job.theta.is_finite();
        if (!interrupted || lost)
            && let Some(best) = self.judge.best()
        {
            self.job.theta.restore(best);
        }
        if lost {
            self.position.begin_pass();
        }
        let here = Position { finished: !interrupted, ..self.position.clone() };
        self.committer.last(&here, &self.judge)
    }
}
