//! [`Table`]: what every architecture of a space comes to.

use hogback::search::space::{Architecture, Space};
use hogback::search::table::Worth;
use rustc_hash::FxHashMap;

/// How often each architecture was trained.
pub(crate) const SEEDS: usize = 3;

/// What every architecture of a space comes to.
pub(crate) struct Table {
    pub(crate) space: Space,
    /// By architecture, its row.
    rows: FxHashMap<Architecture, u32>,
    /// By row, the accuracy on validation rows by seed.
    accuracy: Vec<[f32; SEEDS]>,
    /// The best mean accuracy.
    best: f64,
}

impl Table {
    /// The table of `space` whose architectures come to the accuracies beside them.
    pub(crate) fn new(space: Space, all: Vec<(Architecture, [Worth; SEEDS])>) -> Self {
        let accuracy: Vec<[f32; SEEDS]> =
            all.iter().map(|(_, worths)| worths.map(|worth| worth.valid as f32)).collect();
        let best = accuracy.iter().map(mean).fold(0.0, f64::max);
        let rows = all.into_iter().enumerate().map(|(row, (architecture, _))| (architecture, row as u32)).collect();
        Self { space, rows, accuracy, best }
    }

    /// How many architectures there are.
    pub(crate) fn len(&self) -> usize {
        self.accuracy.len()
    }

    /// The row of an architecture of the space.
    pub(crate) fn row(&self, architecture: &Architecture) -> usize {
        self.rows[architecture] as usize
    }

    /// What came of a row under a seed.
    pub(crate) fn accuracy(&self, row: usize, seed: usize) -> f32 {
        self.accuracy[row][seed]
    }

    /// What a row is worth: its mean accuracy over the seeds.
    pub(crate) fn mean(&self, row: usize) -> f64 {
        mean(&self.accuracy[row])
    }

    /// What the best row is worth.
    pub(crate) fn best(&self) -> f64 {
        self.best
    }
}

fn mean(accuracy: &[f32; SEEDS]) -> f64 {
    accuracy.iter().map(|&accuracy| f64::from(accuracy)).sum::<f64>() / SEEDS as f64
}
