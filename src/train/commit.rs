//! [`Committer`]: makes generations of a run under way, and has them committed.
//!
//! What flows in: Θ, where the run stands, what the judge has found. What flows out: generations. Between passes Θ is copied at
//! once and committed while the next pass runs; within a pass it is copied as the children go on, so that it holds all of the tasks
//! that the position calls done, and parts of others, which a resumed run learns again.

use super::job::{Task, Train, booked};
use super::judge::Judge;
use super::keep::Keeper;
use super::position::Position;
use super::saved::{self, Words};
use crate::checkpoint::Generation;
use crate::data::Dictionary;
use crate::engine::{Deal, Running};
use crate::error::{Error, Result};
use crate::model::configuration::Configuration;
use crate::model::tally::Tally;
use crate::report::progress::Progress;
use crate::theta::{Snapshot, all_finite};

/// Commits a run under way.
pub(super) struct Committer<'a, 't, 'd> {
    pub(super) job: &'a Train<'t, 'd>,
    pub(super) dictionary: &'a Dictionary,
    pub(super) configuration: &'a Configuration,
    /// How the model is trained.
    pub(super) spec: Vec<u8>,
    pub(super) keeper: Keeper<'a>,
    /// Where a failed commit is told.
    pub(super) progress: &'a Progress,
    /// A snapshot from between passes that is to be committed while the next one runs.
    pub(super) pending: Option<Generation>,
}

/// The tasks of a phase that learns.
pub(super) struct Dealt<'a> {
    pub(super) deal: Deal,
    /// By task of the phase: its number in the pass.
    pub(super) numbers: &'a [usize],
    /// What the pass has shown before the phase.
    pub(super) before: Tally,
}

impl Committer<'_, '_, '_> {
    /// Copies Θ between two passes, if a commit is due.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a weight is not finite.
    pub(super) fn between_passes(&mut self, position: &Position, judge: &Judge<'_, '_, '_>) -> Result<()> {
        if self.keeper.is_due_between_passes() {
            self.pending = Some(self.generation(&self.job.theta.snapshot(), position, judge)?);
        }
        Ok(())
    }

    /// Commits on the supervisor's thread while the children go on, if a commit is due. A failing disk is no reason to stop
    /// learning.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a weight is not finite in the units of the data.
    pub(super) fn meanwhile(
        &mut self,
        running: &Running<'_, Task>,
        dealt: &Dealt<'_>,
        position: &Position,
        judge: &Judge<'_, '_, '_>,
    ) -> Result<()> {
        let generation = match self.pending.take() {
            Some(generation) => generation,
            // Between two waves Θ is whole; within one it is not what any resume could go on from.
            None if dealt.deal == Deal::Free && self.keeper.is_due() => {
                // Tasks done now are in the snapshot that comes after; those in hand will be learned again by a resume.
                let (mut done, mut progress) = (position.done.clone(), dealt.before);
                for (&number, answer) in dealt.numbers.iter().zip(running.answers()) {
                    if let Some(answer) = answer {
                        done[number] = true;
                        progress.merge(&booked(answer));
                    }
                }
                let here = Position { done, progress, ..position.clone() };
                let current = self.job.theta.snapshot();
                if !current.is_finite() {
                    // The task that did it will say so, and the guard go back.
                    return Ok(());
                }
                self.generation(&current, &here, judge)?
            }
            None => return Ok(()),
        };
        if let Err(error) = self.keeper.commit(&generation) {
            self.progress.notice(&format!("warning: {error}; training goes on"));
        }
        Ok(())
    }

    /// Commits Θ as it is now, at the end of the run; what generation it is.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a weight is not finite, and the system's; what was saved before is as it was.
    pub(super) fn last(&mut self, position: &Position, judge: &Judge<'_, '_, '_>) -> Result<u64> {
        let generation = self.generation(&self.job.theta.snapshot(), position, judge)?;
        self.keeper.commit(&generation)
    }

    /// `current` at `position`, and the best Θ beside it unless the run has finished with it.
    fn generation(&self, current: &Snapshot, position: &Position, judge: &Judge<'_, '_, '_>) -> Result<Generation> {
        let words = Words {
            fresh: self.job.fresh.as_ref(),
            rule: self.job.rule,
            layout: self.job.head.layout,
            network: self.job.learner.network(),
            step: self.job.step(),
            dictionary: self.dictionary,
            configuration: self.configuration,
        };
        let best = judge.best().filter(|_| !position.finished);
        let generation = saved::generation(current, best, &words, &self.spec, judge.metrics(position), position)?;
        let tensors = generation.weights.iter().chain(&generation.state);
        if !tensors.into_iter().all(|tensor| all_finite(&tensor.data)) {
            return Err(Error::Diverged("a weight is not a finite number: nothing is saved".to_owned()));
        }
        Ok(generation)
    }
}
