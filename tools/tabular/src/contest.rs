//! One run of a strategy on a table.

use hogback::random::Random;
use hogback::search::archive::Archive;
use hogback::search::space::Architecture;
use hogback::search::strategy::Strategy;

use crate::table::{SEEDS, Table};

/// After how many evaluations a run is looked at.
pub const LOOKS: [usize; 6] = [50, 150, 300, 500, 1000, 2000];

/// What a run has come to by then, as true accuracies.
#[derive(Clone, Copy, Default)]
pub struct Look {
    /// Of the one with the best R.
    pub best: f64,
    /// The mean of the 15 with the best R.
    pub top: f64,
    /// The mean of the last 100.
    pub last: f64,
}

/// Architectures that are known or under way are not evaluated again, unless nothing else comes this many times in a row.
const PATIENCE: usize = 1000;

/// A run: `in_flight` evaluations at a time, told in the order in which they began. Which of the seeds an evaluation shows is settled by
/// the run and the architecture alone, so that all strategies meet the same noise.
pub fn run<'t>(
    table: &'t Table,
    strategy: &mut (dyn Strategy + 't),
    number: u64,
    in_flight: usize,
) -> [Look; LOOKS.len()] {
    let mut random = Random::new(number);
    let mut archive = Archive::default();
    let mut under_way: std::collections::VecDeque<Architecture> = Default::default();
    let mut evaluated: Vec<(f32, f64)> = Vec::new();
    let mut looks = [Look::default(); LOOKS.len()];
    let mut due = 0;
    while due < LOOKS.len() {
        let mut repeats = 0;
        let next = loop {
            let next = strategy.propose(&archive, &mut random);
            repeats += 1;
            if repeats > PATIENCE {
                break next;
            }
            match archive.reward(&next) {
                Some(reward) => drop(strategy.learn(&next, reward, true)),
                None if under_way.contains(&next) => {}
                None => break next,
            }
        };
        under_way.push_back(next);
        if under_way.len() < in_flight {
            continue;
        }
        let Some(done) = under_way.pop_front() else { continue };
        let row = table.row(&done);
        let seed = Random::new(number << 32 | row as u64).below(SEEDS);
        let reward = table.accuracy(row, seed).powi(3);
        evaluated.push((reward, table.mean(row)));
        strategy.learn(&done, reward, true);
        archive.put(done, reward);
        if evaluated.len() == LOOKS[due] {
            looks[due] = look(&evaluated);
            due += 1;
        }
    }
    looks
}

fn look(evaluated: &[(f32, f64)]) -> Look {
    let mean = |of: &[(f32, f64)]| of.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / of.len() as f64;
    let last = mean(&evaluated[evaluated.len().saturating_sub(100)..]);
    let mut sorted = evaluated.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    Look { best: sorted[0].1, top: mean(&sorted[..15.min(sorted.len())]), last }
}
