//! The job: what a child does with a task of `train`. How it learns one is told by `in_place`, `in_layers` and `in_rounds`, how it
//! scores one by `scored`.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam::utils::CachePadded;
use hogback_kernels::{Cells, DenseRule, Row, Rule, Step, mix};

use super::arranged::Arranged;
use super::configure::Penalties;
use super::corpus::{Copies, Corpus};
use super::held_out::HeldOut;
use crate::data::order::{Holdout, Strips};
use crate::engine::guard::Guard;
use crate::engine::reward::Answer;
use crate::engine::{Job, Seat, Work};
use crate::error::{Error, Result};
use crate::fault::{Faults, Point};
use crate::model::configuration::Configuration;
use crate::model::factors::Fresh;
use crate::model::layered::{Layered, Workspace};
use crate::model::network::Network;
use crate::model::sparse::{Buffers, Sparse};
use crate::model::tally::{Scorer, Tally};
use crate::sys::signal::StopRequest;
use crate::theta::Theta;
use crate::theta::exchange::hogwild::{Head, View};
use crate::theta::exchange::replica::Replica;
use crate::theta::exchange::rounds::{RoundView, Rounds};
use crate::theta::exchange::{BIAS, WEIGHT};
use crate::theta::private::Aligned;

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
    pub(super) configuration: &'t Configuration,
    pub(super) theta: &'t Theta,
    pub(super) corpus: Corpus<'d>,
    pub(super) held_out: HeldOut<'d>,
    /// The rows that are not held out, where they are ratings that are learned in place.
    pub(super) arranged: Option<Arranged>,
    /// The rows held out of the corpus.
    pub(super) holdout: Option<Holdout>,
    pub(super) learner: Learner,
    pub(super) scorer: Scorer,
    pub(super) rule: Rule,
    pub(super) head: Head,
    pub(super) penalties: Penalties,
    /// What rows with factors begin with.
    pub(super) fresh: Option<Fresh>,
    /// The bits of the rates of weights and intercept, and of what the rate of layers is multiplied with; written between phases.
    pub(super) rate: AtomicU32,
    pub(super) bias_rate: AtomicU32,
    pub(super) factor: AtomicU32,
    /// The pass under way, for what is drawn by chance in it.
    pub(super) pass: AtomicU32,
    /// Passes begun by this process: between two of them Θ may have been put back.
    pub(super) begun: AtomicU64,
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

/// How the model learns.
pub(super) enum Learner {
    /// Row by row, in place.
    Sparse(Sparse),
    /// Batch by batch.
    Layered(Box<Layered>),
}

impl Learner {
    /// The layers, where there are any.
    pub(super) fn network(&self) -> Option<&Network> {
        match self {
            Self::Sparse(_) => None,
            Self::Layered(layered) => Some(layered.network()),
        }
    }
}

/// What a child keeps from task to task.
pub(super) struct Child<'t> {
    pub(super) seat: Seat,
    /// Θ as the child sees it, once it was needed: under `hogwild` the table and the layers, under `sync` both in rounds.
    pub(super) view: Option<View<'t>>,
    pub(super) replica: Option<Replica<'t>>,
    /// How many passes had begun when the replica was last pulled whole.
    pub(super) pulled_at: u64,
    pub(super) rounds: Option<RoundView<'t>>,
    pub(super) buffers: Buffers,
    pub(super) space: Workspace,
    pub(super) copies: Copies,
    /// The margins of a batch that is scored.
    pub(super) margins: Vec<f32>,
    /// The layers while held-out rows are scored.
    pub(super) layers: Aligned,
    /// The allocation of the last batch.
    pub(super) spare: Vec<Row<'static>>,
}

impl<'t> Job for Train<'t, '_> {
    type Task = Task;
    type Child = Child<'t>;
    type Controller = ();

    fn controller(&self, _: usize) {}

    fn child(&self, seat: Seat) -> Result<Child<'t>> {
        Ok(Child {
            seat,
            view: None,
            replica: None,
            pulled_at: 0,
            rounds: None,
            buffers: Buffers::default(),
            space: Workspace::default(),
            copies: Copies::default(),
            margins: Vec::new(),
            layers: Aligned::default(),
            spare: Vec::new(),
        })
    }

    fn work(&self, child: &mut Child<'t>, work: &Work<'_, Task>) -> Result<Answer> {
        match work.task {
            Task::Learn(strips) => match &self.learner {
                Learner::Sparse(sparse) => self.learn(sparse, child, strips, work.stop),
                Learner::Layered(layered) => self.learn_layers(layered, child, strips, work.stop),
            },
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

impl Train<'_, '_> {
    /// The present step.
    pub(super) fn step(&self) -> Step<'_> {
        let rate = |bits: &AtomicU32| f32::from_bits(bits.load(Relaxed));
        self.penalties.step(rate(&self.rate), rate(&self.bias_rate))
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
    pub(super) fn look_out(&self, tally: &Tally, bias: Cells<'_>, stop: &AtomicBool) {
        let finite = (0..bias.len()).all(|at| bias.get(at).is_finite());
        if !finite || Guard::diverged(tally.loss, tally.constant, self.scorer.constant.loss.max(1.0)) {
            self.diverged.store(true, Relaxed);
            stop.store(true, Relaxed);
        }
    }

    /// Has a weight of feature `id` be no number, where a test wants it.
    pub(super) fn spoil_a_weight(&self, id: Option<u32>) {
        if self.faults.armed(Point::Weight)
            && let Some(id) = id.filter(|_| self.theta.tensors()[WEIGHT].rows() > 0)
            && self.faults.strikes(Point::Weight)
        {
            let weight = &self.theta.tensors()[WEIGHT];
            weight.cells().set(id as usize * weight.width(), f32::NAN);
        }
    }

    /// Has `spoil` do what a gradient that is no number does, where a test wants it.
    pub(super) fn spoil_a_gradient(&self, spoil: impl FnOnce()) {
        if self.faults.strikes(Point::Gradient) {
            spoil();
        }
    }

    /// How a gradient moves the layers at present, by the number of the step.
    pub(super) fn rule_of_layers(&self) -> impl Fn(u64) -> DenseRule + '_ {
        let factor = f32::from_bits(self.factor.load(Relaxed));
        move |step| self.configuration.rule_of_layers(factor, step)
    }

    /// See [`seed_of`].
    pub(super) fn seed_of(&self, strips: &Strips, nth: usize) -> u64 {
        seed_of((self.configuration.seed, self.pass.load(Relaxed)), strips, nth)
    }

    /// Rows that all other children have learned.
    pub(super) fn learned_by_others(&self, child: usize) -> u64 {
        let others = self.learned.iter().enumerate().filter(|&(other, _)| other != child);
        others.map(|(_, rows)| rows.load(Relaxed)).sum()
    }
}

/// What is drawn by chance in batch `nth` of a task of a pass, where the run has this seed: the same whoever learns it, and again after an
/// interruption.
pub(super) fn seed_of((seed, pass): (u64, u32), strips: &Strips, nth: usize) -> u64 {
    let pass = mix(seed ^ mix(pass.into()));
    let task = strips.first().map_or(0, |strip| mix(strip.start));
    mix(pass ^ task).wrapping_add(nth as u64)
}

/// What a task has shown, as its answer says it.
pub(super) fn booked(answer: Answer) -> Tally {
    let Answer { rows, weight, loss, score, .. } = answer;
    Tally { rows: rows.into(), weight: weight.into(), loss, score: score.into(), ..Tally::default() }
}

/// The answer that says what a task has shown.
pub(super) fn answer(tally: &Tally, staleness: u64) -> Answer {
    let staleness = u32::try_from(staleness).unwrap_or(u32::MAX);
    let Tally { rows, weight, loss, score, .. } = *tally;
    Answer { rows: rows as u32, weight: weight as f32, loss, score: score as f32, staleness }
}
