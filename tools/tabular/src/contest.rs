//! One run of a strategy on a table.

use std::collections::VecDeque;

use hogback::random::Random;
use hogback::search::archive::Archive;
use hogback::search::space::Architecture;
use hogback::search::strategy::Strategy;

use crate::table::{SEEDS, Table};

/// After how many evaluations a run is looked at.
pub(crate) const LOOKS: [usize; 6] = [50, 150, 300, 500, 1000, 2000];

/// How often a strategy is asked for something new before something new is drawn for it, and how often is
/// drawn: as in a search.
const ASKED: usize = 100;

/// What a run has come to by then: means over the seeds, in points below the best of the table.
#[derive(Clone, Copy, Default)]
pub(crate) struct Look {
    /// Of the one with the best R.
    pub(crate) best: f64,
    /// Of the best of the ten with the best R: what is found where these are tried under the other seeds as well.
    pub(crate) tried: f64,
    /// The mean of the 15 with the best R.
    pub(crate) top: f64,
    /// The mean of the last 100.
    pub(crate) last: f64,
}

/// A run, looked at after so many evaluations: `in_flight` evaluations at a time, told in the order in which they began. Which of the seeds an evaluation shows is settled by
/// the run and the architecture alone, so that all strategies meet the same noise.
pub(crate) fn run<'t>(
    table: &'t Table,
    strategy: &mut (dyn Strategy + 't),
    number: u64,
    in_flight: usize,
    looks: &[usize],
) -> Vec<Look> {
    let mut random = Random::new(number);
    let mut archive = Archive::default();
    let mut under_way: VecDeque<Architecture> = VecDeque::new();
    let mut evaluated: Vec<(f32, usize)> = Vec::new();
    let mut seen = Vec::with_capacity(looks.len());
    while seen.len() < looks.len() {
        let next = propose(table, strategy, &archive, &under_way, &mut random);
        under_way.push_back(next);
        if under_way.len() < in_flight {
            continue;
        }
        let Some(done) = under_way.pop_front() else { continue };
        let row = table.row(&done);
        let seed = Random::new(number << 32 | row as u64).below(SEEDS);
        let reward = table.accuracy(row, seed).powi(3);
        evaluated.push((reward, row));
        strategy.learn(&done, reward, true);
        archive.put(done, reward);
        if looks[seen.len()] == evaluated.len() {
            seen.push(look(table, &evaluated));
        }
    }
    seen
}

fn propose<'t>(
    table: &'t Table,
    strategy: &mut (dyn Strategy + 't),
    archive: &Archive,
    under_way: &VecDeque<Architecture>,
    random: &mut Random,
) -> Architecture {
    let is_new = |next: &Architecture| archive.reward(next).is_none() && !under_way.contains(next);
    for _ in 0..ASKED {
        let next = strategy.propose(archive, random);
        if is_new(&next) {
            return next;
        }
        if let Some(reward) = archive.reward(&next) {
            strategy.learn(&next, reward, true);
        }
    }
    let drawn = (0..ASKED).map(|_| table.space.draw(random)).find(is_new);
    drawn.or_else(|| table.space.all().find(is_new)).unwrap_or_else(|| table.space.draw(random))
}

fn look(table: &Table, evaluated: &[(f32, usize)]) -> Look {
    let below = |(_, row): &(f32, usize)| 100.0 * (table.best() - table.mean(*row));
    let mean = |of: &[(f32, usize)]| of.iter().map(below).sum::<f64>() / of.len() as f64;
    let last = mean(&evaluated[evaluated.len().saturating_sub(100)..]);
    let mut sorted = evaluated.to_vec();
    sorted.sort_by(|one, other| other.0.total_cmp(&one.0));
    let tried = sorted.iter().take(10).map(below).fold(f64::INFINITY, f64::min);
    Look { best: below(&sorted[0]), tried, top: mean(&sorted[..15.min(sorted.len())]), last }
}
