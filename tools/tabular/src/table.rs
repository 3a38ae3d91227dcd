//! [`Table`]: what every architecture of a space comes to.

use hogback::search::space::{Architecture, Space};
use rustc_hash::FxHashMap;

/// How often each architecture was trained.
pub const SEEDS: usize = 3;

/// What every architecture of a space comes to.
pub struct Table {
    pub space: Space,
    /// By architecture, its row.
    rows: FxHashMap<Architecture, u32>,
    /// By row, the accuracy on validation rows by seed.
    accuracy: Vec<[f32; SEEDS]>,
    /// The best mean accuracy.
    best: f64,
}

impl Table {
    /// The table of `space` whose architectures come to the accuracies beside them.
    pub fn new(space: Space, all: Vec<(Architecture, [f32; SEEDS])>) -> Self {
        let best = all.iter().map(|(_, accuracy)| mean(accuracy)).fold(0.0, f64::max);
        let accuracy = all.iter().map(|(_, accuracy)| *accuracy).collect();
        let rows = all.into_iter().enumerate().map(|(row, (architecture, _))| (architecture, row as u32)).collect();
        Self { space, rows, accuracy, best }
    }

    /// The row of an architecture of the space.
    pub fn row(&self, architecture: &Architecture) -> usize {
        self.rows[architecture] as usize
    }

    /// What came of a row under a seed.
    pub fn accuracy(&self, row: usize, seed: usize) -> f32 {
        self.accuracy[row][seed]
    }

    /// What a row is worth: its mean accuracy over the seeds.
    pub fn mean(&self, row: usize) -> f64 {
        mean(&self.accuracy[row])
    }

    /// What the best row is worth.
    pub fn best(&self) -> f64 {
        self.best
    }
}

fn mean(accuracy: &[f32; SEEDS]) -> f64 {
    accuracy.iter().map(|&accuracy| f64::from(accuracy)).sum::<f64>() / SEEDS as f64
}

/// All architectures of a space, in the order of their choices.
pub fn every(space: &Space) -> Vec<Architecture> {
    let mut all = Vec::new();
    extend(space, &mut Vec::new(), &mut all);
    all
}

fn extend(space: &Space, choices: &mut Vec<u8>, all: &mut Vec<Architecture>) {
    let nth = choices.len();
    let Some(decision) = space.decisions().get(nth) else {
        // Nothing is missing, so nothing is drawn.
        all.push(space.settle(choices.clone(), &mut hogback::random::Random::new(0)));
        return;
    };
    let made = if space.is_made(nth, choices) { 0..decision.values.len() as u8 } else { UNMADE..UNMADE };
    let choices_here: Vec<u8> = if made.is_empty() { vec![UNMADE] } else { made.collect() };
    for choice in choices_here {
        choices.push(choice);
        extend(space, choices, all);
        choices.pop();
    }
}

use hogback::search::space::UNMADE;
