//! The finals: the models that did best in their one trial are tried again with other seeds, and the one with the best mean is taken. The
//! best of thousands of trials was lucky as well as good.

use super::archive::Archive;
use super::board::Board;
use super::space::Architecture;
use super::strategy::{Strategy, Update};
use crate::random::Random;

/// How many models are in them at most, and how often each is tried.
const MODELS: usize = 10;
pub(super) const TIMES: usize = 4;
/// The share of trials, or of the time, that they are to take at most.
pub(super) const SHARE: f64 = 0.1;

/// What is known of an architecture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) architecture: Architecture,
    /// Trials on the highest rung that it reached.
    pub(super) rung: usize,
    pub(super) trials: usize,
    /// Their means.
    pub(super) reward: f64,
    pub(super) skill: f64,
    pub(super) loss: f64,
    pub(super) seconds: f64,
    pub(super) passes: u32,
}

/// All architectures that were tried and did not fail, the best first: on the highest rung, by R, and where that is the same by loss.
/// What the finals have shown counts only where `finals` says so.
pub(super) fn standings(board: &Board, finals: bool) -> Vec<Standing> {
    let mut known: rustc_hash::FxHashMap<&Architecture, Standing> = rustc_hash::FxHashMap::default();
    for (_, proposal, outcome) in board.done(0) {
        if outcome.failed.is_some() || proposal.finals && !finals {
            continue;
        }
        let fresh = || Standing {
            architecture: proposal.architecture.clone(),
            rung: proposal.rung,
            trials: 0,
            reward: 0.0,
            skill: 0.0,
            loss: 0.0,
            seconds: 0.0,
            passes: outcome.passes,
        };
        let standing = known.entry(&proposal.architecture).or_insert_with(fresh);
        if proposal.rung < standing.rung {
            continue;
        }
        if proposal.rung > standing.rung {
            *standing = fresh();
        }
        standing.trials += 1;
        let share = 1.0 / standing.trials as f64;
        let to = |mean: &mut f64, value: f64| *mean += (value - *mean) * share;
        to(&mut standing.reward, outcome.reward.into());
        to(&mut standing.skill, outcome.skill);
        to(&mut standing.loss, outcome.loss);
        to(&mut standing.seconds, outcome.seconds);
    }
    let mut all: Vec<Standing> = known.into_values().collect();
    all.sort_by(|one, other| {
        let by_reward = (other.rung, other.reward).partial_cmp(&(one.rung, one.reward));
        let by_reward = by_reward.unwrap_or(std::cmp::Ordering::Equal);
        by_reward.then(one.loss.total_cmp(&other.loss)).then_with(|| one.architecture.cmp(&other.architecture))
    });
    all
}

/// Who is in the finals: the best, as many as may take that share of `trials`, where these ended the search or might have, and of the seconds
/// that it has.
pub(super) fn finalists(
    standings: &[Standing],
    trials: Option<usize>,
    seconds: Option<f64>,
    children: usize,
) -> Vec<Architecture> {
    let best = || standings.iter().take(MODELS);
    let each = best().map(|standing| standing.seconds).sum::<f64>() / best().count().max(1) as f64;
    let by_time = seconds
        .map_or(usize::MAX, |seconds| (SHARE * seconds * children as f64 / (each * TIMES as f64).max(1e-9)) as usize);
    let by_trials = trials.map_or(usize::MAX, |trials| (SHARE * trials as f64) as usize / TIMES);
    let many = by_time.min(by_trials).min(MODELS);
    if many < 2 { Vec::new() } else { best().take(many).map(|standing| standing.architecture.clone()).collect() }
}

/// The best of those that were in the finals; of all where none were.
pub(super) fn winner(standings: &[Standing], finalists: &[Architecture]) -> Option<Standing> {
    let is_in = |standing: &&Standing| finalists.is_empty() || finalists.contains(&standing.architecture);
    standings.iter().find(is_in).cloned()
}

/// How many trials the finals still want, those of an earlier run being on the board already.
pub(super) fn wanted(board: &Board, finalists: &[Architecture]) -> usize {
    let tried = |finalist: &Architecture| {
        board.done(0).filter(|(_, proposal, _)| proposal.finals && proposal.architecture == *finalist).count()
    };
    finalists.iter().map(|finalist| TIMES.saturating_sub(tried(finalist))).sum()
}

/// Proposes each finalist in turn, as long as it wants trials.
pub(super) struct Again {
    finalists: Vec<Architecture>,
    next: usize,
}

impl Again {
    /// Of `finalists`.
    pub(super) fn new(finalists: &[Architecture]) -> Self {
        Self { finalists: finalists.to_vec(), next: 0 }
    }
}

impl Strategy for Again {
    fn propose(&mut self, archive: &Archive, _: &mut Random) -> Architecture {
        let turn = (0..self.finalists.len()).map(|step| (self.next + step) % self.finalists.len());
        let nth = turn.clone().find(|&nth| archive.times(&self.finalists[nth]) < TIMES).unwrap_or(0);
        self.next = nth + 1;
        self.finalists[nth].clone()
    }

    fn learn(&mut self, _: &Architecture, _: f32, _: bool) -> Option<Update> {
        None
    }
}
