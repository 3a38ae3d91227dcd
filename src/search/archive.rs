//! [`Archive`]: what was tried, and what came of it, as one controller knows it.

use rustc_hash::FxHashMap;

use super::space::Architecture;

/// What was tried.
#[derive(Debug, Default)]
pub struct Archive {
    /// By architecture: how often it was tried, and its mean R.
    known: FxHashMap<Architecture, (u32, f32)>,
}

impl Archive {
    /// Puts a trial down: its architecture, and R, 0 where it failed.
    pub fn put(&mut self, architecture: Architecture, reward: f32) {
        let known = self.known.entry(architecture).or_default();
        known.0 += 1;
        known.1 += (reward - known.1) / known.0 as f32;
    }

    /// Its mean R, if it was tried.
    pub fn reward(&self, architecture: &Architecture) -> Option<f32> {
        self.known.get(architecture).map(|(_, reward)| *reward)
    }

    /// How often it was tried.
    pub fn times(&self, architecture: &Architecture) -> usize {
        self.known.get(architecture).map_or(0, |(times, _)| *times as usize)
    }

    /// How many different architectures were tried.
    pub fn different(&self) -> usize {
        self.known.len()
    }
}
