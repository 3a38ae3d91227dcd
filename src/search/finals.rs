//! The finals: the models that did best in their one trial are tried again with other seeds, and the one with the best mean is taken. The
//! best of thousands of trials was lucky as well as good.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::archive::Archive;
use super::board::{Board, Outcome, Proposal};
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
    /// The highest rung that it reached, and its trials there.
    pub(super) rung: usize,
    pub(super) trials: usize,
    /// How many of them did not fail.
    pub(super) good: usize,
    /// The mean R and accuracy of all, those that failed being 0; loss and seconds of those that did not fail.
    pub(super) reward: f64,
    pub(super) skill: f64,
    pub(super) loss: f64,
    pub(super) seconds: f64,
    /// Passes of a trial.
    pub(super) passes: u32,
}

impl Standing {
    fn new(proposal: &Proposal) -> Self {
        let (architecture, rung) = (proposal.architecture.clone(), proposal.rung);
        let (reward, skill, loss, seconds) = (0.0, 0.0, 0.0, 0.0);
        Self { architecture, rung, trials: 0, good: 0, reward, skill, loss, seconds, passes: 0 }
    }

    fn add(&mut self, outcome: &Outcome) {
        let to = |mean: &mut f64, value: f64, of: usize| *mean += (value - *mean) / of as f64;
        self.trials += 1;
        to(&mut self.reward, outcome.reward.into(), self.trials);
        to(&mut self.skill, outcome.skill, self.trials);
        if outcome.failed.is_none() {
            self.good += 1;
            to(&mut self.loss, outcome.loss, self.good);
            to(&mut self.seconds, outcome.seconds, self.good);
            self.passes = outcome.passes;
        }
    }

    /// Whether it is better than `other`: on a higher rung, by R, and where that is the same by loss.
    fn compare(&self, other: &Self) -> Ordering {
        let by_reward = self.rung.cmp(&other.rung).then(self.reward.total_cmp(&other.reward));
        let by_loss = other.loss.total_cmp(&self.loss);
        by_reward.then(by_loss).then_with(|| other.architecture.cmp(&self.architecture))
    }
}

/// All architectures that were tried and did not always fail, the best first; what finals have shown is left out.
pub(super) fn standings(board: &Board) -> Vec<Standing> {
    let mut known: FxHashMap<&Architecture, Standing> = FxHashMap::default();
    for (_, proposal, outcome) in board.done(0).filter(|(_, proposal, _)| !proposal.finals) {
        let standing = known.entry(&proposal.architecture).or_insert_with(|| Standing::new(proposal));
        if proposal.rung > standing.rung {
            *standing = Standing::new(proposal);
        }
        if proposal.rung == standing.rung {
            standing.add(outcome);
        }
    }
    let mut all: Vec<Standing> = known.into_values().filter(|standing| standing.good > 0).collect();
    all.sort_by(|one, other| other.compare(one));
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

/// The best of those that were in the finals, by what these have shown alone: what they came in by was luck as well. Rounds count that all
/// of them were in. The best of all where there were none, or they never came so far.
pub(super) fn winner(board: &Board, finalists: &[Architecture]) -> Option<Standing> {
    let of = |finalist: &Architecture| -> Vec<(&Proposal, &Outcome)> {
        let finals = board.done(0).filter(|(_, proposal, _)| proposal.finals && proposal.architecture == *finalist);
        finals.map(|(_, proposal, outcome)| (proposal, outcome)).collect()
    };
    let trials: Vec<_> = finalists.iter().map(of).collect();
    let rounds = trials.iter().map(Vec::len).min().unwrap_or(0);
    let standing = |trials: &Vec<(&Proposal, &Outcome)>| {
        let mut standing = Standing::new(trials.first()?.0);
        trials[..rounds].iter().for_each(|(_, outcome)| standing.add(outcome));
        (standing.good > 0).then_some(standing)
    };
    let best = trials.iter().filter(|_| rounds > 0).filter_map(standing).max_by(Standing::compare);
    best.or_else(|| standings(board).into_iter().next())
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
