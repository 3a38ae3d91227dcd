//! How the learning rate changes from pass to pass.

use serde::{Deserialize, Serialize};

/// How the learning rate changes from pass to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// Falls in a straight line, to 1 / passes in the last pass.
    Linear,
    /// 1 / √(1 + passes done).
    #[default]
    Invsqrt,
    /// Halved by each pass that does not improve the held-out loss.
    Plateau,
}

impl Schedule {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Invsqrt => "invsqrt",
            Self::Plateau => "plateau",
        }
    }

    /// The factor of the learning rate in pass `pass` (from 0) of the model's life, where a run of `passes` has done `of_run`, and `idle`
    /// passes did not improve the held-out loss.
    pub fn factor(self, pass: u32, (of_run, passes): (u32, u32), idle: u32) -> f32 {
        let (done, of_run) = (pass as f32, of_run as f32);
        match self {
            Self::Constant => 1.0,
            Self::Linear => (1.0 - of_run / passes.max(1) as f32).max(1.0 / passes.max(1) as f32),
            Self::Invsqrt => 1.0 / (1.0 + done).sqrt(),
            Self::Plateau => 0.5f32.powi(idle.min(60) as i32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_begin_at_one_and_never_rise() {
        for schedule in [Schedule::Constant, Schedule::Linear, Schedule::Invsqrt, Schedule::Plateau] {
            assert_eq!(schedule.factor(0, (0, 10), 0), 1.0, "{schedule:?}");
            let factors: Vec<_> = (0..12).map(|pass| schedule.factor(pass, (pass, 10), pass)).collect();
            assert!(factors.windows(2).all(|pair| pair[1] <= pair[0] && pair[1] > 0.0), "{schedule:?} {factors:?}");
        }
        assert_eq!(Schedule::Invsqrt.factor(3, (3, 10), 0), 0.5);
        assert_eq!(Schedule::Linear.factor(5, (5, 10), 0), 0.5);
    }
}
