//! A task learned row by row, in place: what models without layers do under `hogwild`.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use hogback_kernels::RATINGS_AHEAD;

use super::corpus::{BATCH, Place, recycled};
use super::job::{Child, Train, answer};
use super::saved::out_of_memory;
use crate::data::order::Strips;
use crate::engine::reward::Answer;
use crate::error::{Error, Result};
use crate::fault::Point;
use crate::model::sparse::Sparse;
use crate::model::tally::Tally;
use crate::theta::exchange::hogwild::View;

impl<'t> Train<'t, '_> {
    /// Learns the rows of `strips` that are not held out.
    pub(super) fn learn(
        &self,
        sparse: &Sparse,
        child: &mut Child<'t>,
        strips: &Strips,
        stop: &AtomicBool,
    ) -> Result<Answer> {
        self.pull_view(child)?;
        let Child { seat, view, buffers, copies, spare, .. } = child;
        let Some(view) = view else { return Err(Error::Engine("no view".to_owned())) };
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
                    sparse.pass(&table, bias, &rows[from..], learn, &step, buffers, &mut tally);
                    return Ok(());
                };
                let ahead = (block.start + from + learn + RATINGS_AHEAD).min(block.end);
                let ratings = arranged.ratings(block.start + from..ahead)?;
                sparse.pass_ratings(&table, bias, ratings, learn, &step, buffers, &mut tally);
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
                let bias = view.parts().1;
                self.spoil_a_gradient(|| bias.set(0, f32::NAN));
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

    /// Gives the child its view of the table, as Θ is now.
    ///
    /// # Errors
    /// Too little memory.
    pub(super) fn pull_view(&self, child: &mut Child<'t>) -> Result<()> {
        match &mut child.view {
            // Between two tasks the others have gone on, or Θ was put back.
            Some(view) => view.pull(),
            none => {
                *none = Some(View::new(self.theta, self.head, child.seat.child, self.faults).map_err(out_of_memory)?);
            }
        }
        Ok(())
    }
}
