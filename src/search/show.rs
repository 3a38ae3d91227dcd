//! What a person sees of a search: a line for each new best model, and how far the search is.

use std::time::Instant;

use super::board::Board;
use super::job::Search;
use super::space::Architecture;
use crate::report::format::{count, duration, percent};
use crate::report::log::RunLog;
use crate::report::progress::Progress;

/// What remains of R now at each trial: it is of the last fifty or so.
const DECAY: f64 = 0.98;

/// What was seen of a board so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) done: usize,
    pub(super) failed: usize,
    /// Why the first that failed did.
    pub(super) cause: Option<String>,
    /// The mean R of the last trials, and the weight that it is of.
    now: (f64, f64),
    /// Rung, R, loss, accuracy and architecture of the best trial.
    best: Option<(usize, f32, f64, f64, Architecture)>,
    /// Numbers that had no outcome yet, and the first that was not looked at.
    open: Vec<usize>,
    next: usize,
}

impl Seen {
    /// Looks at what has come since; true where there is a new best trial.
    fn look(&mut self, board: &Board) -> bool {
        let mut numbers = std::mem::take(&mut self.open);
        let dealt = board.dealt();
        numbers.extend(self.next..dealt);
        self.next = dealt;
        let mut is_better = false;
        for number in numbers {
            let slot = board.slot(number);
            let (Some(proposal), Some(outcome)) = (slot.proposal.get(), slot.outcome.get()) else {
                self.open.push(number);
                continue;
            };
            self.done += 1;
            self.now = (DECAY * self.now.0 + f64::from(outcome.reward), DECAY * self.now.1 + 1.0);
            if let Some(cause) = &outcome.failed {
                self.failed += 1;
                self.cause.get_or_insert_with(|| cause.clone());
                continue;
            }
            let here = (proposal.rung, outcome.reward, outcome.loss);
            let beats = |&(rung, reward, loss, ..): &(usize, f32, f64, f64, Architecture)| {
                here.0 > rung || here.0 == rung && (here.1 > reward || here.1 == reward && here.2 < loss)
            };
            if self.best.as_ref().is_none_or(beats) {
                // The same R with a smaller loss is better, but no news.
                is_better |= self.best.as_ref().is_none_or(|best| here.1 > best.1 || here.0 > best.0);
                self.best = Some((here.0, here.1, here.2, outcome.skill, proposal.architecture.clone()));
            }
        }
        is_better
    }
}

/// Shows a search.
pub(super) struct Showing<'a> {
    progress: &'a Progress,
    log: &'a RunLog,
    /// An architecture in words.
    words: &'a dyn Fn(&Architecture) -> String,
    /// What the skill of a model is called; none where new best models are not told.
    skill: Option<&'static str>,
    begun: Instant,
    seen: Seen,
    has_header: bool,
    /// Trials that were done before this run.
    before: usize,
}

impl<'a> Showing<'a> {
    /// Shows what becomes of `board`, on which there may be trials of an earlier run; each new best model by a line, in `words`, if what its
    /// skill is called is said.
    pub(super) fn new(
        (progress, log): (&'a Progress, &'a RunLog),
        words: &'a dyn Fn(&Architecture) -> String,
        skill: Option<&'static str>,
        board: &Board,
    ) -> Self {
        let mut seen = Seen::default();
        seen.look(board);
        let before = seen.done;
        Self { progress, log, words, skill, begun: Instant::now(), seen, has_header: false, before }
    }

    /// What was seen so far.
    pub(super) fn tally(&self) -> &Seen {
        &self.seen
    }

    /// Trials of this run a second.
    pub(super) fn trials_per_second(&self) -> f64 {
        (self.seen.done - self.before) as f64 / self.begun.elapsed().as_secs_f64().max(1e-9)
    }

    /// Shows how far the search is; `ends` says that it has come to its end.
    pub(super) fn show(&mut self, search: &Search<'_>, ends: bool) {
        let is_better = self.seen.look(search.board);
        let Some((_, reward, _, skill, architecture)) = &self.seen.best else { return };
        let now = self.seen.now.0 / self.seen.now.1.max(1e-9);
        if let Some(named) = self.skill
            && (is_better || ends && !self.has_header)
        {
            if !self.has_header {
                self.has_header = true;
                self.progress.notice(&format!("trials   R now  best R  {named:>8}  model"));
            }
            let (done, skill, words) = (count(self.seen.done as u64), percent(*skill), (self.words)(architecture));
            self.progress.notice(&format!("{done:>6}  {now:>6.4}  {reward:>6.4}  {skill:>8}  {words}"));
            let line = serde_json::json!({
                "trials": self.seen.done, "failed": self.seen.failed, "reward_now": now, "reward": reward,
                "accuracy": self.seen.best.as_ref().map(|best| best.3), "architecture": search.space.told(architecture),
            });
            // Whoever does not want to hear it any more does not end the search.
            let _ = self.log.event("best", &line);
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let text = || {
            let mut text = format!("{} trials  R now {now:.4}  best {reward:.4}", count(self.seen.done as u64));
            text += &format!("  {:.0} trials/s", self.trials_per_second());
            if let Some(left) = search.time_left() {
                text += &format!("  {} left", duration(left.as_secs_f64()));
            }
            if self.seen.failed > 0 {
                text += &format!("  {} failed", count(self.seen.failed as u64));
            }
            text
        };
        if !ends {
            self.progress.moving(search.first.load(std::sync::atomic::Ordering::Relaxed), seconds, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::search::board::{Outcome, Proposal};
    use crate::search::space::Space;

    /// A board on which trials are put one after the other.
    struct Filled {
        space: Space,
        board: Board,
        seen: Seen,
    }

    impl Filled {
        fn new() -> Self {
            Self { space: Space::named("mlp").unwrap(), board: Board::new(), seen: Seen::default() }
        }

        fn propose(&self, number: usize, rung: usize) {
            let architecture = self.space.draw(&mut Random::new(number as u64));
            self.board.propose(number, Proposal { architecture, controller: 0, seed: 0, rung, finals: false });
        }

        /// Trial `number` is done; whether there is a new best one.
        fn done(&mut self, number: usize, reward: f32, loss: f64, failed: Option<&str>) -> bool {
            let failed = failed.map(str::to_owned);
            self.board.slot(number).outcome.set(Outcome { reward, loss, failed, ..Outcome::default() }).unwrap();
            self.seen.look(&self.board)
        }
    }

    #[test]
    fn a_new_best_trial_is_news_by_rung_and_r_and_loss_decides_where_they_are_the_same() {
        let mut filled = Filled::new();
        for (number, (rung, reward, loss, news)) in [
            (0, 0.5, 1.0, true),
            (0, 0.4, 0.1, false),
            (0, 0.6, 3.0, true),
            // Better, and no news.
            (0, 0.6, 2.0, false),
            (0, 0.6, 2.5, false),
            // On a higher rung whatever it came to.
            (1, 0.1, 9.0, true),
            (0, 0.9, 0.1, false),
            (1, 0.2, 9.0, true),
        ]
        .into_iter()
        .enumerate()
        {
            filled.propose(number, rung);
            assert_eq!(filled.done(number, reward, loss, None), news, "{number}");
            let best = filled.seen.best.clone().unwrap();
            let expected = [0, 0, 2, 3, 3, 5, 5, 7][number];
            assert_eq!(best.4, filled.board.slot(expected).proposal.get().unwrap().architecture, "{number}");
        }
    }

    #[test]
    fn what_is_done_late_is_seen_late_and_once() {
        let mut filled = Filled::new();
        (0..4).for_each(|number| filled.propose(number, 0));
        assert!(!filled.seen.look(&filled.board));
        assert!(filled.done(2, 0.5, 1.0, None));
        assert!(!filled.done(0, 0.2, 1.0, None));
        assert!(!filled.seen.look(&filled.board));
        assert_eq!((filled.seen.done, filled.seen.failed), (2, 0));
        filled.propose(5, 0);
        assert!(filled.done(5, 0.7, 1.0, None) && filled.done(3, 0.8, 1.0, None));
        assert_eq!(filled.seen.done, 4);
    }

    #[test]
    fn r_now_follows_the_last_trials_and_failures_count_with_their_first_cause() {
        let mut filled = Filled::new();
        for number in 0..400 {
            filled.propose(number, 0);
            let failed = [(200, "first"), (300, "second")].into_iter().find(|&(at, _)| at == number);
            filled.done(number, if number < 200 { 0.2 } else { 0.8 }, 1.0, failed.map(|(_, cause)| cause));
            let (sum, weight) = filled.seen.now;
            let now = sum / weight;
            assert!(number >= 200 || (now - 0.2).abs() < 1e-6);
            assert!(number < 399 || (0.78..0.8).contains(&now), "{now}");
        }
        assert_eq!((filled.seen.failed, filled.seen.cause.as_deref()), (2, Some("first")));
    }
}
