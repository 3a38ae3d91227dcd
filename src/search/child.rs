//! What a child does with an architecture: builds it in memory of its own, trains it, and says how good it is on rows that it has not
//! learned.
//!
//! What flows in: the ground and an architecture. What flows out: an [`Outcome`]; what goes wrong with a model is its outcome, R = 0, and
//! nobody else's trouble.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::board::Outcome;
use crate::engine::said;
use crate::error::{Error, Result};
use crate::fault::{Faults, Point};
use crate::train::Settings;
use crate::train::alone::Arena;
use crate::train::ground::{Ground, skill};

/// How many passes at the end a model's best is looked for in.
const LAST: u32 = 5;

/// How models are tried.
pub(super) struct Trying<'g, 'd> {
    pub(super) ground: &'g Ground<'d>,
    /// What R is the so-manieth power of the skill.
    pub(super) power: f64,
    /// What a trial may take.
    pub(super) limit: Duration,
    pub(super) faults: &'g Faults,
}

impl Trying<'_, '_> {
    /// Tries the model of `settings`, read in way number `reading`, for as long as `goes_on` says so; none where it does not.
    pub(super) fn outcome(
        &self,
        arena: &mut Option<Arena>,
        (settings, reading): (&Settings, usize),
        goes_on: &dyn Fn() -> bool,
    ) -> Option<Outcome> {
        let begun = Instant::now();
        let in_time = || begun.elapsed() < self.limit;
        let go_on = || goes_on() && in_time();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let arena = arena.get_or_insert_with(|| self.ground.arena());
            self.faults.pass(Point::BeforeUpdate);
            self.learn(arena, (settings, reading), &go_on)
        }));
        let failed = match tried {
            Ok(Ok(Some(outcome))) => {
                let reward = outcome.skill.powf(self.power) as f32;
                return Some(Outcome { reward, seconds: begun.elapsed().as_secs_f64(), ..outcome });
            }
            Ok(Ok(None)) if in_time() => return None,
            Ok(Ok(None)) => format!(
                "it took longer than {:.3} s: give it more (--child-time, --time), or less to do (--child-passes)",
                self.limit.as_secs_f64()
            ),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => {
                // What the panic has left of it is not known.
                *arena = None;
                format!("panicked: {}", said(panic.as_ref()))
            }
        };
        Some(Outcome { failed: Some(failed), seconds: begun.elapsed().as_secs_f64(), ..Outcome::default() })
    }

    fn learn(
        &self,
        arena: &mut Arena,
        (settings, reading): (&Settings, usize),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Outcome>> {
        let plot = self.ground.plot(settings.kind.unwrap_or_default(), reading);
        let model = self.ground.model(plot, settings)?;
        let passes = model.configuration().passes;
        model.begin(arena);
        let mut outcome = Outcome { passes, ..Outcome::default() };
        for pass in 0..passes {
            if model.pass(arena, (pass, passes), goes_on)?.is_none() {
                return Ok(None);
            }
            if self.faults.strikes(Point::Gradient) {
                return Err(Error::Diverged("an injected fault".to_owned()));
            }
            if pass + LAST >= passes {
                let Some(tally) = model.score(arena, &plot.valid, goes_on)? else { return Ok(None) };
                outcome.skill = outcome.skill.max(skill(model.configuration(), &tally));
                outcome.loss = tally.mean_loss();
            }
        }
        if !outcome.loss.is_finite() {
            return Err(Error::Diverged("its loss on rows that it has not learned is not a number".to_owned()));
        }
        Ok(Some(outcome))
    }
}
