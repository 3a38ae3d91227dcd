//! What a search has time for.
//!
//! What flows in: `--time`, what reading took, what trials take. What flows out: until when trials are gone on with, and how many passes the
//! last training has: finals, last training, and both of what the search is compared with, are to fit as well.

use std::time::{Duration, Instant};

use super::finals::{self, Standing};
use super::space::Architecture;

/// How many times as many passes as a trial the last training of layers has, whose rate falls over all of them, as far as there is time.
const PASSES: u32 = 3;
/// The share of the time that it may take for that.
const SHARE: f64 = 0.15;
/// How much longer than trials say it may take, and what beginning and saving takes.
const SLACK: f64 = 1.3;
const AROUND: Duration = Duration::from_millis(300);

/// The time of a run.
#[derive(Clone, Copy)]
pub(super) struct Clock<'a> {
    pub(super) begun: Instant,
    /// What all of it may take, if that ends it.
    pub(super) time: Option<Duration>,
    /// What reading the data took; the last training reads it again.
    pub(super) reading: Duration,
    /// How many searches there are: one, or two with what it is compared with.
    pub(super) parts: u32,
    /// How many times as many rows as a trial the last training has.
    pub(super) more: f64,
    /// Whether a model has layers.
    pub(super) is_layered: &'a dyn Fn(&Architecture) -> bool,
}

impl Clock<'_> {
    /// What each search may take.
    pub(super) fn each(&self) -> Option<Duration> {
        self.time.map(|time| time / self.parts)
    }

    /// How many passes the last training of a model has: more than a trial, where there is time for them.
    pub(super) fn passes(&self, standing: &Standing) -> u32 {
        let most = standing.passes.saturating_mul(if (self.is_layered)(&standing.architecture) { PASSES } else { 1 });
        let Some(time) = self.each() else { return most };
        let fit = SHARE * time.as_secs_f64() / self.pass(standing).max(1e-9);
        (fit as u32).clamp(standing.passes, most)
    }

    /// How long it will take, by what trials took.
    pub(super) fn takes(&self, standing: &Standing) -> Duration {
        Duration::from_secs_f64(self.pass(standing) * f64::from(self.passes(standing))) + AROUND + self.reading
    }

    /// When search number `part` is to be over, since the run began; its finals as well, or, where `finals` are to come, before them. `best`
    /// is the best model so far.
    pub(super) fn until(&self, part: u32, best: Option<&Standing>, finals: bool) -> Option<Duration> {
        let time = self.time?;
        let share = self.share(time, best);
        let end = self.reading + share * part;
        Some(if finals { end.saturating_sub(share.mul_f64(finals::SHARE)) } else { end })
    }

    /// What the finals of a search may take.
    pub(super) fn finals(&self, best: Option<&Standing>) -> Option<Duration> {
        Some(self.share(self.time?, best).mul_f64(finals::SHARE))
    }

    /// What each search may take of `time`, its finals included: what the last trainings leave. As long as nothing is known of these they
    /// have the share that they may take at most.
    fn share(&self, time: Duration, best: Option<&Standing>) -> Duration {
        let last = match best {
            Some(best) => self.takes(best),
            None => time.mul_f64(SHARE) / self.parts,
        };
        time.saturating_sub(self.reading + last * self.parts) / self.parts
    }

    /// What a pass of the last training takes, in seconds.
    fn pass(&self, standing: &Standing) -> f64 {
        SLACK * self.more * standing.seconds / f64::from(standing.passes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::search::space::Space;

    #[test]
    fn there_is_time_for_finals_and_last_trainings() {
        let space = Space::named("mlp").unwrap();
        let architecture = space.draw(&mut Random::new(0));
        let best = Standing {
            architecture,
            rung: 0,
            trials: 1,
            good: 1,
            reward: 0.9,
            skill: 0.9,
            loss: 0.1,
            seconds: 1.0,
            passes: 10,
        };
        let second = Duration::from_secs(1);
        for parts in [1, 2] {
            let clock = Clock {
                begun: Instant::now(),
                time: Some(60 * second),
                reading: second,
                parts,
                more: 1.5,
                is_layered: &|_| true,
            };
            let last = clock.pass(&best) * f64::from(clock.passes(&best)) + AROUND.as_secs_f64() + 1.0;
            assert!((10..=30).contains(&clock.passes(&best)));
            let end = clock.until(parts, Some(&best), false).unwrap().as_secs_f64();
            assert!((end + last * f64::from(parts) - 60.0).abs() < 1e-6, "{end} {last}");
            let before = clock.until(parts, Some(&best), true).unwrap().as_secs_f64();
            assert!(before < end && before > 0.85 * end / f64::from(parts), "{before} {end}");
            assert!(clock.until(1, None, false).unwrap() <= 60 * second);
        }
        let endless =
            Clock { begun: Instant::now(), time: None, reading: second, parts: 1, more: 1.5, is_layered: &|_| true };
        assert_eq!((endless.until(1, Some(&best), true), endless.passes(&best)), (None, 30));
        let flat = Clock { is_layered: &|_| false, ..endless };
        assert_eq!(flat.passes(&best), 10);
        let short = Clock { time: Some(second / 10), ..endless };
        assert_eq!((short.until(1, Some(&best), true), short.passes(&best)), (Some(second.min(short.reading)), 10));
    }
}
