//! The divergence guard: watches R, and says when Θ has to go back to where it was good.

/// A loss per row this many times that of the best constant prediction is not learning any more.
const WORSE: f64 = 4.0;
/// Rollbacks before the run is given up.
const RESCUES: u32 = 3;

/// Watches R for numbers that are not finite and losses that run away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard {
    rescues: u32,
}

impl Guard {
    /// Whether a loss of `loss` means that Θ has diverged, where predicting the same for every row would have cost `constant` on the
    /// same rows, and `unit` a typical row.
    pub fn diverged(loss: f64, constant: f64, unit: f64) -> bool {
        // A few rows may do badly by chance, so a few rows' worth of slack is added.
        !loss.is_finite() || loss > WORSE * constant + 32.0 * unit
    }

    /// Counts a rescue; false when there have been too many.
    pub fn rescue(&mut self) -> bool {
        self.rescues += 1;
        self.rescues <= RESCUES
    }

    /// Rescues so far: the learning rate is halved by each.
    pub fn rescues(&self) -> u32 {
        self.rescues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_bad_luck_from_divergence() {
        let diverged = |loss: f64, rows: f64| Guard::diverged(loss, 0.55 * rows, 0.55);
        assert!(!diverged(0.69 * 1000.0, 1000.0) && !diverged(16.0, 2.0));
        assert!(diverged(f64::NAN, 1000.0) && diverged(f64::INFINITY, 1.0) && diverged(3e3, 1000.0));
    }

    #[test]
    fn gives_up_after_three_rescues() {
        let mut guard = Guard::default();
        assert_eq!([guard.rescue(), guard.rescue(), guard.rescue(), guard.rescue()], [true, true, true, false]);
    }
}
