//! The pass loop: learn, score, judge, keep; go back when Θ diverges; save when time or a signal says so.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::job::{Task, Train, Wave};
use super::keep::Keeper;
use super::position::Position;
use super::prepare::Prepared;
use super::saved::{self, Words};
use super::{Consistency, Ears, Request};
use crate::checkpoint::Generation;
use crate::data::Dictionary;
use crate::data::order::{self, Strips};
use crate::engine::guard::Guard;
use crate::engine::plan::Plan;
use crate::engine::reward::Answer;
use crate::engine::{self, Deal, Engine, Running};
use crate::error::{Error, Result};
use crate::model::configuration::Configuration;
use crate::model::tally::Tally;
use crate::report::metrics::Metrics;
use crate::report::progress::{Live, PassLine};
use crate::report::staleness::Staleness;
use crate::theta::exchange::BIAS;
use crate::theta::exchange::rounds::Rounds;
use crate::theta::{Snapshot, all_finite};

/// Nonzeros in a task: about a millisecond of work, so that dealing costs nothing and nobody waits long at the end of a pass.
const TASK_NONZEROS: u64 = 1 << 18;
/// The least nonzeros in a task, where a pass is so short that children could not be busy otherwise.
const TASK_NONZEROS_LEAST: u64 = 1 << 14;
/// How often the supervisor looks up.
const EVERY: Duration = Duration::from_millis(20);

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

/// A run under way.
struct Passes<'a, 't, 'd> {
    request: &'a Request,
    plan: &'a Plan,
    ears: Ears<'a>,
    job: &'a Train<'t, 'd>,
    dictionary: &'a Dictionary,
    configuration: &'a Configuration,
    keeper: Keeper<'a>,
    guard: Guard,
    position: Position,
    /// The Θ of the best pass so far; what the run goes back to and ends with.
    best: Option<Snapshot>,
    best_scores: Vec<f32>,
    nonzeros: u64,
    valid: Option<Metrics>,
    best_valid: Option<Metrics>,
    progressive: Metrics,
    staleness: Staleness,
    failed: u32,
    learning: Duration,
    rows_learned: u64,
    /// A snapshot from between passes that is to be committed while the next one runs.
    pending: Option<Generation>,
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
    let Prepared { configuration, dictionary, facts, theta, best, position, nonzeros, resumed, .. } = prepared;
    let mut guard = Guard::default();
    (0..position.rescues).for_each(|_| _ = guard.rescue());
    let job = Train {
        theta: &theta,
        corpus: prepared.corpus,
        held_out: prepared.held_out,
        holdout: prepared.holdout,
        linear: prepared.linear,
        rule: configuration.optimizer.rule(),
        head: prepared.head,
        penalties: prepared.penalties,
        rate: AtomicU32::new(0),
        bias_rate: AtomicU32::new(0),
        learned: (0..plan.children()).map(|_| CachePadded::default()).collect(),
        diverged: AtomicBool::new(false),
        survived: AtomicU32::new(0),
        faults: &request.faults,
        stop: ears.stop,
    };
    let mut passes = Passes {
        request,
        plan,
        ears,
        job: &job,
        dictionary: &dictionary,
        configuration: &configuration,
        keeper,
        guard,
        best: if resumed && best.is_none() { Some(theta.snapshot()) } else { best },
        best_scores: Vec::new(),
        nonzeros,
        position,
        valid: None,
        best_valid: None,
        progressive: Metrics::default(),
        staleness: Staleness::new(),
        failed: 0,
        learning: Duration::ZERO,
        rows_learned: 0,
        pending: None,
    };
    passes.set_rates();
    if !resumed {
        passes.begin();
    }
    let result = engine::run(plan, &job, &request.faults, |engine| passes.all(engine));
    ears.progress.finish();
    let interrupted = result?;
    let generation = passes.conclude(interrupted)?;
    Ok(End {
        classes: facts.classes,
        passes: passes.position.pass,
        rows_learned: passes.rows_learned,
        nonzeros_learned: (passes.rows_learned as f64 * nonzeros as f64 / job.corpus.rows().max(1) as f64) as u64,
        learning: passes.learning,
        progressive: passes.progressive,
        valid: passes.final_metrics()?,
        staleness: passes.staleness,
        failed: passes.failed + job.survived.load(Relaxed),
        generation,
        interrupted,
        configuration,
    })
}

impl Passes<'_, '_, '_> {
    /// Pass after pass until enough is learned. True when the run was interrupted.
    fn all(&mut self, engine: &Engine<'_, Task>) -> Result<bool> {
        if self.best.is_some() {
            self.judge_what_was_saved(engine)?;
        }
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
            self.begin_pass();
            self.progressive = sums.metrics(self.configuration.loss, self.configuration.unit());
            let (best, stop) = self.judge(engine)?;
            self.tell(sums.rows, seconds, best)?;
            if stop || self.position.pass >= self.position.until {
                break;
            }
            if self.keeper.is_due_between_passes() {
                self.pending = Some(self.generation(&self.job.theta.snapshot(), false)?);
            }
            if self.ears.stop.requested() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Nothing of the pass to come is done.
    fn begin_pass(&mut self) {
        self.position.done.clear();
        self.position.progress = Tally::default();
    }

    fn set_rates(&self) {
        let (rate, bias_rate) = self.configuration.rates(self.position.factor(self.configuration));
        self.job.rate.store(rate.to_bits(), Relaxed);
        self.job.bias_rate.store(bias_rate.to_bits(), Relaxed);
    }

    /// Sets the intercept of a fresh Θ to the best constant prediction.
    fn begin(&self) {
        let (bias, step) = (self.job.theta.tensors()[BIAS].cells(), self.job.step());
        for (output, &margin) in self.job.linear.constant().margins.iter().enumerate() {
            bias.set(output, self.job.rule.word(&step, true, margin, 0.0));
        }
    }

    /// The tasks of the pass under way, all of them.
    fn strips(&self) -> Vec<Strips> {
        let rows = self.job.corpus.rows();
        let busy = 4 * self.plan.children() as u64;
        let least = (self.nonzeros / TASK_NONZEROS_LEAST).min(busy);
        // Where tasks of this pass are done already, they were as many as that.
        let tasks = match self.position.done.len() as u64 {
            0 => (self.nonzeros / TASK_NONZEROS).max(least),
            begun => begun,
        };
        order::tasks(rows, tasks, self.configuration.seed, u64::from(self.position.pass))
    }

    fn learn(&mut self, engine: &Engine<'_, Task>) -> Result<Ending> {
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
        let before = *sums;
        let outcome = engine.phase(tasks, deal, EVERY, |running| {
            if self.ears.stop.requested() && deal == Deal::Free {
                running.stop();
            }
            self.live(running, before, begun);
            if let Err(error) = self.commit_meanwhile(running, deal, numbers, before) {
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
            valid: self.valid,
        });
    }

    /// Commits on the supervisor's thread while the children go on, if a commit is due.
    fn commit_meanwhile(
        &mut self,
        running: &Running<'_, Task>,
        deal: Deal,
        numbers: &[usize],
        before: Tally,
    ) -> Result<()> {
        let generation = match self.pending.take() {
            Some(generation) => generation,
            // Between two waves Θ is whole; within one it is not what any resume could go on from.
            None if deal == Deal::Free && self.keeper.is_due() => {
                // Tasks done now are in the snapshot that comes after; those in hand will be learned again by a resume.
                let (mut done, mut sums) = (self.position.done.clone(), before);
                for (&number, answer) in numbers.iter().zip(running.answers()) {
                    if let Some(answer) = answer {
                        done[number] = true;
                        sums.merge(&booked(answer));
                    }
                }
                let here = Position { done, progress: sums, ..self.position.clone() };
                let current = self.job.theta.snapshot();
                if !current.is_finite() {
                    // The task that did it will say so, and the guard go back.
                    return Ok(());
                }
                self.generation_at(&current, &here, true)?
            }
            None => return Ok(()),
        };
        self.commit_or_warn(&generation);
        Ok(())
    }

    /// A failing disk is no reason to stop learning.
    fn commit_or_warn(&mut self, generation: &Generation) {
        if let Err(error) = self.keeper.commit(generation) {
            self.ears.progress.notice(&format!("warning: {error}; training goes on"));
        }
    }

    /// Scores the best model of the run that is resumed, which has to be beaten.
    fn judge_what_was_saved(&mut self, engine: &Engine<'_, Task>) -> Result<()> {
        let Some(saved) = self.best.take() else { return Ok(()) };
        if self.job.held_out.rows.is_empty() {
            self.best = Some(saved);
            return Ok(());
        }
        let current = self.job.theta.snapshot();
        self.job.theta.restore(&saved);
        let (loss, valid) = self.score(engine)?;
        if self.position.stop.best().is_none() {
            self.position.stop.judge(self.position.pass, loss);
        }
        self.keep_as_best(saved, valid);
        self.job.theta.restore(&current);
        Ok(())
    }

    /// Scores the held-out rows, keeps Θ if it is the best, and says whether to stop. Without held-out rows the last Θ is the best.
    fn judge(&mut self, engine: &Engine<'_, Task>) -> Result<(bool, bool)> {
        if self.job.held_out.rows.is_empty() {
            self.best = Some(self.job.theta.snapshot());
            return Ok((true, false));
        }
        let (loss, valid) = self.score(engine)?;
        self.valid = Some(valid);
        let verdict = self.position.stop.judge(self.position.pass, loss);
        if verdict.best {
            self.keep_as_best(self.job.theta.snapshot(), valid);
        }
        Ok((verdict.best, verdict.stop))
    }

    fn keep_as_best(&mut self, snapshot: Snapshot, valid: Metrics) {
        self.best = Some(snapshot);
        self.best_valid = Some(valid);
        let scores = &self.job.held_out.scores;
        self.best_scores = scores.iter().map(|cell| f32::from_bits(cell.load(Relaxed))).collect();
    }

    /// The loss per held-out row of the present Θ, and its metrics.
    fn score(&mut self, engine: &Engine<'_, Task>) -> Result<(f64, Metrics)> {
        let held_out = &self.job.held_out;
        let children = self.plan.children();
        let size = held_out.rows.len().div_ceil(4 * children).max(256);
        let ranges = (0..held_out.rows.len()).step_by(size).map(|from| from..(from + size).min(held_out.rows.len()));
        let tasks = ranges.map(|range: Range<usize>| Task::Score(range)).collect();
        let outcome = engine.phase(tasks, Deal::Free, EVERY, |_| {})?;
        let mut sums = Tally::default();
        outcome.answers.iter().flatten().for_each(|&answer| sums.merge(&booked(answer)));
        self.failed += outcome.failed;
        Ok((sums.mean_loss(), sums.metrics(self.configuration.loss, self.configuration.unit())))
    }

    fn tell(&self, rows: u64, seconds: Duration, best: bool) -> Result<()> {
        let best = best && self.valid.is_some();
        let line = PassLine {
            pass: self.position.pass as usize,
            rows,
            seconds: seconds.as_secs_f64(),
            progressive: self.progressive,
            valid: self.valid,
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
        self.begin_pass();
        self.set_rates();
        match &self.best {
            Some(best) => {
                self.job.theta.restore(best);
                self.job.keep_weights(&before);
                self.best = Some(self.job.theta.snapshot());
            }
            None => {
                self.job.theta.clear();
                self.begin();
            }
        }
        self.pending = None;
        self.ears
            .progress
            .notice("warning: training diverged: going back to the last good weights with half the learning rate");
        Ok(())
    }

    fn generation(&self, current: &Snapshot, finished: bool) -> Result<Generation> {
        let here = Position { finished, ..self.position.clone() };
        self.generation_at(current, &here, !finished)
    }

    fn generation_at(&self, current: &Snapshot, position: &Position, with_best: bool) -> Result<Generation> {
        let words = Words {
            rule: self.job.rule,
            layout: self.job.head.layout,
            step: self.job.step(),
            dictionary: self.dictionary,
            configuration: self.configuration,
        };
        let metrics = serde_json::json!({
            "progressive": self.progressive,
            "valid": if position.finished { self.best_valid } else { self.valid },
            "passes": position.pass,
        });
        let best = self.best.as_ref().filter(|_| with_best);
        let generation = saved::generation(current, best, &words, metrics, position)?;
        let tensors = generation.weights.iter().chain(&generation.state);
        if !tensors.into_iter().all(|tensor| all_finite(&tensor.data)) {
            return Err(Error::Diverged("a weight is not a finite number: nothing is saved".to_owned()));
        }
        Ok(generation)
    }

    /// The last commit: the best pass of a run that is done, the present Θ of one that was interrupted.
    fn conclude(&mut self, interrupted: bool) -> Result<u64> {
        let lost = !self.job.theta.is_finite();
        if (!interrupted || lost)
            && let Some(best) = &self.best
        {
            self.job.theta.restore(best);
        }
        if lost {
            self.begin_pass();
        }
        let generation = self.generation(&self.job.theta.snapshot(), !interrupted)?;
        self.keeper.commit(&generation)
    }

    /// The held-out metrics of the best pass, those that need all rows at once included.
    fn final_metrics(&self) -> Result<Option<Metrics>> {
        let Some(mut metrics) = self.best_valid.or(self.valid) else { return Ok(None) };
        if !self.configuration.loss.is_of_numbers() && !self.best_scores.is_empty() {
            self.job.complete(&mut metrics, &self.best_scores)?;
        }
        Ok(Some(metrics))
    }
}

/// What a task has shown, as its answer says it.
fn booked(answer: Answer) -> Tally {
    let Answer { rows, weight, loss, score, .. } = answer;
    Tally { rows: rows.into(), weight: weight.into(), loss, score: score.into(), ..Tally::default() }
}
