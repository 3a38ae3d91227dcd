//! The job: what a child does with a task of `train`.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam::utils::CachePadded;
use hogback_kernels::{Cells, RATINGS_AHEAD, Row, Rule, Step, Table};

use super::arranged::Arranged;
use super::configure::Penalties;
use super::corpus::{BATCH, Copies, Corpus, Place, recycled};
use super::held_out::HeldOut;
use super::saved::out_of_memory;
use crate::data::order::{Holdout, Strips};
use crate::engine::guard::Guard;
use crate::engine::reward::Answer;
use crate::engine::{Job, Seat, Work};
use crate::error::{Error, Result};
use crate::fault::{Faults, Point};
use crate::model::factors::Fresh;
use crate::model::sparse::{Buffers, Sparse};
use crate::model::tally::{Scored, Tally};
use crate::report::metrics::likeliest;
use crate::sys::signal::StopRequest;
use crate::theta::Theta;
use crate::theta::exchange::hogwild::{Head, View};
use crate::theta::exchange::rounds::{RoundView, Rounds, Stopped};
use crate::theta::exchange::{BIAS, WEIGHT};

/// How often a round may panic before the run is given up.
const ATTEMPTS: usize = 3;
/// How often the supervisor looks up.
pub(super) const EVERY: Duration = Duration::from_millis(20);

/// What a controller deals.
pub(super) enum Task {
    /// Learn the rows of these strips that are not held out.
    Learn(Strips),
    /// The same, in rounds together with the other children of the wave.
    Round(Strips, std::sync::Arc<Wave>),
    /// Score this range of the held-out rows.
    Score(Range<usize>),
}

/// Tasks that are learned in rounds together.
pub(super) struct Wave {
    pub(super) rounds: Rounds,
    /// How many rounds it takes until the longest task is done.
    pub(super) length: usize,
}

/// The job of one run.
pub(super) struct Train<'t, 'd> {
    pub(super) theta: &'t Theta,
    pub(super) corpus: Corpus<'d>,
    pub(super) held_out: HeldOut<'d>,
    /// The rows that are not held out, where they are ratings that are learned in place.
    pub(super) arranged: Option<Arranged>,
    /// The rows held out of the corpus.
    pub(super) holdout: Option<Holdout>,
    pub(super) sparse: Sparse,
    pub(super) rule: Rule,
    pub(super) head: Head,
    pub(super) penalties: Penalties,
    /// What rows with factors begin with.
    pub(super) fresh: Option<Fresh>,
    /// The bits of the rates of weights and intercept; written between phases.
    pub(super) rate: AtomicU32,
    pub(super) bias_rate: AtomicU32,
    /// By child, in a cache line of its own: rows learned in the run, for staleness.
    pub(super) learned: Vec<CachePadded<AtomicU64>>,
    /// A task has met a loss that is not finite or runs away.
    pub(super) diverged: AtomicBool,
    /// Panics that rounds have survived.
    pub(super) survived: AtomicU32,
    pub(super) faults: &'t Faults,
    /// What asks the run to stop.
    pub(super) stop: &'t StopRequest,
}

/// What a child keeps from task to task.
pub(super) struct Child<'t> {
    seat: Seat,
    view: ChildView<'t>,
    buffers: Buffers,
    copies: Copies,
    /// The margins of a batch that is scored.
    margins: Vec<f32>,
    /// The allocation of the last batch.
    spare: Vec<Row<'static>>,
}

/// Θ as a child sees it.
enum ChildView<'t> {
    /// Not yet needed.
    None,
    Hogwild(View<'t>),
    Rounds(RoundView<'t>),
}

impl<'t> Job for Train<'t, '_> {
    type Task = Task;
    type Child = Child<'t>;

    fn child(&self, seat: Seat) -> Result<Child<'t>> {
        Ok(Child {
            seat,
            view: ChildView::None,
            buffers: Buffers::default(),
            copies: Copies::default(),
            margins: Vec::new(),
            spare: Vec::new(),
        })
    }

    fn work(&self, child: &mut Child<'t>, work: &Work<'_, Task>) -> Result<Answer> {
        match work.task {
            Task::Learn(strips) => self.learn(child, strips, work.stop),
            Task::Round(strips, wave) => {
                // A task that began again would be rounds behind the others, who would wait for ever.
                let rounds = AssertUnwindSafe(|| self.learn_in_rounds(child, strips, wave, work.stop));
                catch_unwind(rounds).unwrap_or_else(|panic| {
                    work.stop.store(true, Relaxed);
                    Err(Error::Engine(format!("a round has failed: {}", crate::engine::said(panic.as_ref()))))
                })
            }
            Task::Score(range) => self.score(child, range.clone()),
        }
    }
}

impl<'t> Train<'t, '_> {
    /// The present step.
    pub(super) fn step(&self) -> Step<'_> {
        let rate = |bits: &AtomicU32| f32::from_bits(bits.load(Relaxed));
        self.penalties.step(rate(&self.rate), rate(&self.bias_rate))
    }

    fn learn(&self, child: &mut Child<'t>, strips: &Strips, stop: &AtomicBool) -> Result<Answer> {
        let Child { seat, view, buffers, copies, spare, .. } = child;
        let view = match view {
            ChildView::Hogwild(view) => {
                // Between two tasks the others have gone on, or Θ was put back.
                view.pull();
                view
            }
            other => {
                let fresh = View::new(self.theta, self.head, seat.child, self.faults).map_err(out_of_memory)?;
                *other = ChildView::Hogwild(fresh);
                let ChildView::Hogwild(view) = other else { return Err(Error::Engine("no view".to_owned())) };
                view
            }
        };
        let (step, mut tally, mut staleness) = (self.step(), Tally::default(), 0);
        // What the others had learned at the last exchange.
        let (mut pulled, mut exchanged) = (0, true);
        let (mut walk, mut places) = (self.corpus.walk(strips.clone(), self.holdout), [Place::default(); BATCH]);
        // Ratings are walked from the beginning of a block to its end.
        let mut block = strips[0].start as usize..strips[0].end as usize;
        loop {
            let n = match &self.arranged {
                Some(_) => block.len().min(BATCH),
                None => walk.next_places(&mut places)?,
            };
            if n == 0 {
                break;
            }
            let mut rows = recycled(std::mem::take(spare));
            if self.arranged.is_none() {
                self.corpus.fetch(&places[..n], copies, &mut rows)?;
            }
            if exchanged {
                pulled = self.learned_by_others(seat.child);
            }
            let mut pass = |view: &mut View<'_>, from: usize, learn: usize| -> Result<()> {
                let (table, bias) = view.parts();
                let Some(arranged) = &self.arranged else {
                    self.sparse.pass(&table, bias, &rows[from..], learn, &step, buffers, &mut tally);
                    return Ok(());
                };
                let ahead = (block.start + from + learn + RATINGS_AHEAD).min(block.end);
                let ratings = arranged.ratings(block.start + from..ahead)?;
                self.sparse.pass_ratings(&table, bias, ratings, learn, &step, buffers, &mut tally);
                Ok(())
            };
            let mut from = 0;
            while from < n {
                let group = view.interval().min(n - from);
                self.faults.pass(Point::BeforeUpdate);
                let half = if self.faults.armed(Point::InsideUpdate) { group / 2 } else { 0 };
                if half > 0 {
                    pass(view, from, half)?;
                    self.faults.pass(Point::InsideUpdate);
                }
                pass(view, from + half, group - half)?;
                self.spoil_a_gradient(view.parts().1);
                let first = match &self.arranged {
                    Some(arranged) => Some(arranged.first(block.start + from)),
                    None => rows[from].ids().as_slice().first().copied(),
                };
                self.spoil_a_weight(first);
                self.faults.pass(Point::AfterUpdate);
                if from == 0 {
                    // A sample a batch, the last one reported: looking costs a cache line of every other child.
                    staleness = self.learned_by_others(seat.child) - pulled;
                }
                exchanged = view.exchange(false);
                let mine = &self.learned[seat.child];
                mine.store(mine.load(Relaxed) + group as u64, Relaxed);
                from += group;
            }
            block.start += n;
            *spare = recycled(rows);
        }
        view.exchange(true);
        self.look_out(&tally, view.parts().1, stop);
        if self.faults.strikes(Point::TaskDone) {
            self.stop.request();
            stop.store(true, Relaxed);
        }
        Ok(answer(&tally, staleness))
    }

    fn learn_in_rounds(
        &self,
        child: &mut Child<'t>,
        strips: &Strips,
        wave: &Wave,
        stop: &AtomicBool,
    ) -> Result<Answer> {
        let Child { seat, view, buffers, copies, .. } = child;
        let view = match view {
            ChildView::Rounds(view) => view,
            other => {
                let fresh = RoundView::new(self.theta, self.head, seat.child, self.faults).map_err(out_of_memory)?;
                *other = ChildView::Rounds(fresh);
                let ChildView::Rounds(view) = other else { return Err(Error::Engine("no view".to_owned())) };
                view
            }
        };
        let (step, mut tally) = (self.step(), Tally::default());
        let mut walk = self.corpus.walk(strips.clone(), self.holdout);
        let mut places = [Place::default(); BATCH];
        let (mut staleness, mut decays) = (0, Vec::new());
        for _ in 0..wave.length {
            let n = walk.next_places(&mut places[..self.head.interval.min(BATCH)])?;
            let mut rows = Vec::with_capacity(n);
            self.corpus.fetch(&places[..n], copies, &mut rows)?;
            let before = tally;
            let mut attempts = ATTEMPTS;
            self.spoil_a_weight(rows.first().and_then(|row| row.ids().as_slice().first().copied()));
            // Until its push is handed in, a round has changed nothing: after a panic it is learned again.
            loop {
                let learn = || {
                    view.learn(&rows[..n], |touched, table, bias, rows| {
                        // The penalties of the rows of the copy, and one more: a round may touch none.
                        decays.clear();
                        if !step.decay.is_empty() {
                            decays.extend(touched.iter().map(|&row| step.decay[row as usize]).chain([0.0]));
                        }
                        let step = Step { decay: &decays, ..step };
                        self.faults.pass(Point::BeforeUpdate);
                        let half = if self.faults.armed(Point::InsideUpdate) { n / 2 } else { 0 };
                        if half > 0 {
                            self.sparse.pass(table, bias, rows, half, &step, buffers, &mut tally);
                            self.faults.pass(Point::InsideUpdate);
                        }
                        self.sparse.pass(table, bias, &rows[half..], n - half, &step, buffers, &mut tally);
                        self.spoil_a_gradient(bias);
                        self.faults.pass(Point::AfterUpdate);
                    })
                };
                match catch_unwind(AssertUnwindSafe(learn)) {
                    Ok(learned) => break learned.map_err(out_of_memory)?,
                    Err(panic) => {
                        attempts -= 1;
                        if attempts == 0 {
                            stop.store(true, Relaxed);
                            let said = crate::engine::said(panic.as_ref());
                            return Err(Error::Engine(format!(
                                "a round has failed {ATTEMPTS} times; the last time: {said}"
                            )));
                        }
                        self.survived.fetch_add(1, Relaxed);
                        tally = before;
                    }
                }
            }
            let mine = &self.learned[seat.child];
            let pulled = self.learned_by_others(seat.child);
            mine.store(mine.load(Relaxed) + n as u64, Relaxed);
            match view.end_round(&wave.rounds, stop) {
                Ok(panics) => self.survived.fetch_add(panics, Relaxed),
                Err(Stopped) => return Err(Error::Engine("a round was given up".to_owned())),
            };
            staleness = self.learned_by_others(seat.child).saturating_sub(pulled);
        }
        self.look_out(&tally, self.theta.tensors()[BIAS].cells(), stop);
        if self.faults.strikes(Point::TaskDone) {
            self.stop.request();
        }
        Ok(answer(&tally, staleness))
    }

    fn score(&self, child: &mut Child<'t>, range: Range<usize>) -> Result<Answer> {
        let corpus = self.held_out.corpus(&self.corpus);
        let Child { buffers, copies, margins, spare, .. } = child;
        let (table, bias) = (self.theta.tensors()[WEIGHT].cells(), self.theta.tensors()[BIAS].cells());
        let (table, step, stride) = (Table::whole(table, self.head.layout), self.step(), self.sparse.stride());
        let mut tally = Tally::default();
        let mut from = range.start;
        while from < range.end {
            let n = (range.end - from).min(BATCH);
            let mut places = [Place::default(); BATCH];
            corpus.places(&self.held_out.rows[from..from + n], &mut places)?;
            let mut rows = recycled(std::mem::take(spare));
            corpus.fetch(&places[..n], copies, &mut rows)?;
            margins.resize(n * stride, 0.0);
            self.theta.backend().score((self.rule, &step), &table, &rows, bias, margins, &mut buffers.scratch);
            let (mut targets, mut weights) = ([0.0; BATCH], [0.0; BATCH]);
            for ((row, target), weight) in rows.iter().zip(&mut targets).zip(&mut weights) {
                (*target, *weight) = (row.target, row.weight);
            }
            *spare = recycled(rows);
            self.sparse.tally(&mut tally, Scored { margins, targets: &targets[..n], weights: &weights[..n] });
            let outputs = self.head.layout.outputs();
            for (cell, margins) in self.held_out.scores[from..from + n].iter().zip(margins.chunks_exact(stride)) {
                let score = if outputs == 1 { margins[0] } else { likeliest(&margins[..outputs]) as f32 };
                cell.store(score.to_bits(), Relaxed);
            }
            from += n;
        }
        Ok(answer(&tally, 0))
    }

    /// Makes the words of Θ stand under the present step for the weights that they stood for under `before`. Nobody may train
    /// meanwhile.
    pub(super) fn keep_weights(&self, before: &Step<'_>) {
        if self.rule != Rule::Ftrl {
            return;
        }
        let (layout, step) = (self.head.layout, self.step());
        for (index, tensor) in self.theta.tensors().iter().enumerate() {
            let (cells, bias) = (tensor.cells(), index == BIAS);
            for row in (0..cells.len()).step_by(layout.width()) {
                for at in row..row + layout.outputs() {
                    let slot = cells.get(at + layout.stride());
                    let weight = self.rule.weight(before, bias, cells.get(at), slot);
                    if weight != 0.0 {
                        cells.set(at, self.rule.word(&step, bias, weight, slot));
                    }
                }
            }
        }
    }

    /// Ends the phase at once where a task shows that Θ has diverged. The intercept has a part in every row: a gradient that was not
    /// finite has made it so.
    fn look_out(&self, tally: &Tally, bias: Cells<'_>, stop: &AtomicBool) {
        let finite = (0..bias.len()).all(|at| bias.get(at).is_finite());
        if !finite || Guard::diverged(tally.loss, tally.constant, self.sparse.constant().loss.max(1.0)) {
            self.diverged.store(true, Relaxed);
            stop.store(true, Relaxed);
        }
    }

    /// Has a weight of feature `id` be no number, where a test wants it.
    fn spoil_a_weight(&self, id: Option<u32>) {
        if self.faults.armed(Point::Weight)
            && let Some(id) = id
            && self.faults.strikes(Point::Weight)
        {
            let weight = &self.theta.tensors()[WEIGHT];
            weight.cells().set(id as usize * weight.width(), f32::NAN);
        }
    }

    /// Does to the intercept what a gradient that is no number does, where a test wants it.
    fn spoil_a_gradient(&self, bias: Cells<'_>) {
        if self.faults.strikes(Point::Gradient) {
            bias.set(0, f32::NAN);
        }
    }

    /// Rows that all other children have learned.
    fn learned_by_others(&self, child: usize) -> u64 {
        let others = self.learned.iter().enumerate().filter(|&(other, _)| other != child);
        others.map(|(_, rows)| rows.load(Relaxed)).sum()
    }
}

/// What a task has shown, as its answer says it.
pub(super) fn booked(answer: Answer) -> Tally {
    let Answer { rows, weight, loss, score, .. } = answer;
    Tally { rows: rows.into(), weight: weight.into(), loss, score: score.into(), ..Tally::default() }
}

/// The answer that says what a task has shown.
fn answer(tally: &Tally, staleness: u64) -> Answer {
    let staleness = u32::try_from(staleness).unwrap_or(u32::MAX);
    let Tally { rows, weight, loss, score, .. } = *tally;
    Answer { rows: rows as u32, weight: weight as f32, loss, score: score as f32, staleness }
}
