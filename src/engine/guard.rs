//! The divergence guard: watches R, and says when Θ has to go back to where it was good.

/// A loss per row this many times that of the best constant prediction is not learning any more.
const WORSE: f64 = 4.0;
/// Rollbacks before the run is given up.
const RESCUES: u32 = 3;

/// Watches R for numbers that are not finite and losses that run away.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The loss per row of the best constant prediction.
    constant: f64,
    rescues: u32,
}

impl Guard {
    /// A guard for data whose best constant prediction has the loss `constant` per row.
    pub fn new(constant: f64) -> Self {
        Self { constant, rescues: 0 }
    }

    /// Whether a loss of `loss` summed over `rows` rows means that Θ has diverged.
    pub fn diverged(&self, loss: f64, rows: u64) -> bool {
        // Small data may do badly by chance, so a few rows' worth of slack is added.
        !loss.is_finite() || loss > (WORSE * self.constant + 1e-3) * (rows as f64 + 8.0)
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
        let guard = Guard::new(0.55);
        assert!(!guard.diverged(0.69 * 1000.0, 1000) && !guard.diverged(6.0, 2));
        assert!(guard.diverged(f64::NAN, 1000) && guard.diverged(f64::INFINITY, 1) && guard.diverged(3e3, 1000));
    }

    #[test]
    fn gives_up_after_three_rescues() {
        let mut guard = Guard::new(0.5);
        assert_eq!([guard.rescue(), guard.rescue(), guard.rescue(), guard.rescue()], [true, true, true, false]);
    }
}
