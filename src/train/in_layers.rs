//! A task learned batch by batch: what models with layers do under `hogwild`. Vectors and weights of features are updated in place, the
//! layers in the child's replica.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::corpus::{Place, recycled};
use super::job::{Child, Train, answer};
use crate::data::order::Strips;
use crate::engine::reward::Answer;
use crate::error::{Error, Result};
use crate::fault::Point;
use crate::model::layered::{Batch, Layered, LayeredView};
use crate::model::tally::Tally;
use crate::theta::exchange::replica::Replica;

impl<'t> Train<'t, '_> {
    /// Learns the rows of `strips` that are not held out.
    pub(super) fn learn_layers(
        &self,
        layered: &Layered,
        child: &mut Child<'t>,
        strips: &Strips,
        stop: &AtomicBool,
    ) -> Result<Answer> {
        self.pull_view(child)?;
        let Child { seat, view, replica, pulled_at, space, copies, spare, .. } = child;
        let Some(view) = view else { return Err(Error::Engine("no view".to_owned())) };
        let begun = self.begun.load(Relaxed);
        let is_same = std::mem::replace(pulled_at, begun) == begun;
        let replica = match replica {
            Some(replica) if is_same => {
                replica.go_on();
                replica
            }
            Some(replica) => {
                replica.pull();
                replica
            }
            none => none.insert(Replica::new(self.theta, seat.child, self.learned.len(), self.faults)),
        };
        let (step, rule, mut tally, mut staleness) = (self.step(), self.rule_of_layers(), Tally::default(), 0);
        let mut walk = self.corpus.walk(strips.clone(), self.holdout);
        let mut places = vec![Place::default(); self.head.interval];
        for nth in 0u32.. {
            let n = walk.next_places(&mut places)?;
            if n == 0 {
                break;
            }
            let mut rows = recycled(std::mem::take(spare));
            self.corpus.fetch(&places[..n], copies, &mut rows)?;
            let pulled = self.learned_by_others(seat.child);
            let (table, _) = view.parts();
            let (weights, gradient) = replica.parts();
            self.faults.pass(Point::BeforeUpdate);
            let here = LayeredView { weights, table: &table };
            let seed = self.seed_of(strips, nth as usize);
            let batch = Batch { rows: &rows, seed, step: &step, scorer: &self.scorer };
            layered.learn(here, batch, gradient, space, &mut tally);
            self.spoil_a_gradient(|| gradient[0] = f32::NAN);
            self.faults.pass(Point::InsideUpdate);
            replica.step(&rule);
            self.spoil_a_weight(rows[0].ids().as_slice().first().copied());
            self.faults.pass(Point::AfterUpdate);
            staleness = self.learned_by_others(seat.child) - pulled;
            view.exchange(false);
            if (nth + 1) % self.head.every == 0 {
                replica.exchange(false);
            }
            let mine = &self.learned[seat.child];
            mine.store(mine.load(Relaxed) + n as u64, Relaxed);
            *spare = recycled(rows);
        }
        view.exchange(true);
        replica.exchange(true);
        self.look_out(&tally, view.parts().1, stop);
        if self.faults.strikes(Point::TaskDone) {
            self.stop.request();
            stop.store(true, Relaxed);
        }
        Ok(answer(&tally, staleness))
    }
}
