//! A task learned in rounds, together with the other children of its wave: what every model does under `sync`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use hogback_kernels::Step;

use super::corpus::Place;
use super::job::{Child, Learner, Train, Wave, answer};
use super::saved::out_of_memory;
use crate::data::order::Strips;
use crate::engine::reward::Answer;
use crate::error::{Error, Result};
use crate::fault::Point;
use crate::model::layered::{Batch, LayeredView, Workspace};
use crate::model::sparse::Buffers;
use crate::model::tally::Tally;
use crate::theta::exchange::BIAS;
use crate::theta::exchange::rounds::{Round, RoundView, Stopped};

/// How often a round may panic before the run is given up.
const ATTEMPTS: usize = 3;

impl<'t> Train<'t, '_> {
    /// Learns the rows of `strips` that are not held out, as many in each round of `wave` as lie between two merges.
    pub(super) fn learn_in_rounds(
        &self,
        child: &mut Child<'t>,
        strips: &Strips,
        wave: &Wave,
        stop: &AtomicBool,
    ) -> Result<Answer> {
        let Child { seat, rounds, buffers, space, copies, .. } = child;
        let view = match rounds {
            Some(view) => view,
            none => {
                let fresh = RoundView::new(self.theta, self.head, seat.child, self.faults).map_err(out_of_memory)?;
                none.insert(fresh)
            }
        };
        let rule = self.rule_of_layers();
        let (step, mut tally) = (self.step(), Tally::default());
        let mut walk = self.corpus.walk(strips.clone(), self.holdout);
        let mut places = vec![Place::default(); self.head.interval];
        let (mut staleness, mut decays) = (0, Vec::new());
        for nth in 0..wave.length {
            let seed = self.seed_of(strips, nth);
            let n = walk.next_places(&mut places[..self.head.interval])?;
            let mut rows = Vec::with_capacity(n);
            self.corpus.fetch(&places[..n], copies, &mut rows)?;
            let before = tally;
            let mut attempts = ATTEMPTS;
            self.spoil_a_weight(rows.first().and_then(|row| row.ids().as_slice().first().copied()));
            // Until its push is handed in, a round has changed nothing: after a panic it is learned again.
            loop {
                let learn = || {
                    view.learn(&rows[..n], |round| {
                        // The penalties of the rows of the copy, and one more: a round may touch none.
                        decays.clear();
                        if !step.decay.is_empty() {
                            decays.extend(round.touched.iter().map(|&row| step.decay[row as usize]).chain([0.0]));
                        }
                        let step = Step { decay: &decays, ..step };
                        self.faults.pass(Point::BeforeUpdate);
                        self.learn_round(round, seed, &step, (buffers, space), &mut tally);
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
            match view.end_round(&wave.rounds, &rule, stop) {
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

    /// Learns the rows of a round.
    fn learn_round(
        &self,
        round: Round<'_>,
        seed: u64,
        step: &Step<'_>,
        (buffers, space): (&mut Buffers, &mut Workspace),
        tally: &mut Tally,
    ) {
        let Round { table, bias, rows, layers, gradient, .. } = round;
        match &self.learner {
            Learner::Sparse(sparse) => {
                let half = if self.faults.armed(Point::InsideUpdate) { rows.len() / 2 } else { 0 };
                if half > 0 {
                    sparse.pass(table, bias, rows, half, step, buffers, tally);
                    self.faults.pass(Point::InsideUpdate);
                }
                sparse.pass(table, bias, &rows[half..], rows.len() - half, step, buffers, tally);
                self.spoil_a_gradient(|| bias.set(0, f32::NAN));
            }
            // A round of fewer rows than others may have none.
            Learner::Layered(layered) if !rows.is_empty() => {
                let batch = Batch { rows, seed, step, scorer: &self.scorer };
                layered.learn(LayeredView { weights: layers, table }, batch, gradient, space, tally);
                self.faults.pass(Point::InsideUpdate);
                self.spoil_a_gradient(|| gradient[0] = f32::NAN);
            }
            Learner::Layered(_) => {}
        }
    }
}
