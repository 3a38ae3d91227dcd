//! When to stop: after the last pass, or when the held-out loss has not improved for some.

use serde::{Deserialize, Serialize};

/// A loss counts as better when it is lower by more than this part of itself: below it, passes are spent on noise.
const WORTH: f64 = 1e-4;

/// Early stopping on a held-out loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    /// Passes without improvement that end the run; 0 for never.
    patience: u32,
    /// The best loss, and after how many passes.
    best: Option<(f64, u32)>,
    /// Passes since one was worth its time.
    stale: u32,
    /// Passes that were not worth their time, all together.
    idle: u32,
    /// The loss that improvements are measured against.
    mark: f64,
}

/// What a pass was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its loss is the lowest so far.
    pub best: bool,
    /// The run has seen enough.
    pub stop: bool,
}

impl EarlyStop {
    /// Stops after `patience` passes without improvement; 0 never stops.
    pub fn new(patience: u32) -> Self {
        Self { patience, best: None, stale: 0, idle: 0, mark: f64::MAX }
    }

    /// The same judge with another patience.
    pub fn with_patience(self, patience: u32) -> Self {
        Self { patience, ..self }
    }

    /// Judges the model after `pass` passes by its held-out `loss`.
    pub fn judge(&mut self, pass: u32, loss: f64) -> Verdict {
        // Losses that are not finite are never best: nothing could beat them.
        let best = loss.is_finite() && self.best.is_none_or(|(least, _)| loss < least);
        if best {
            self.best = Some((loss, pass));
        }
        if loss < self.mark - WORTH * self.mark.abs() {
            self.mark = loss;
            self.stale = 0;
        } else {
            self.stale += 1;
            self.idle += 1;
        }
        Verdict { best, stop: self.patience > 0 && self.stale >= self.patience }
    }

    /// The lowest loss so far, and after how many passes.
    pub fn best(&self) -> Option<(f64, u32)> {
        self.best
    }

    /// Passes that were not worth their time.
    pub fn idle(&self) -> u32 {
        self.idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops_after(patience: u32, losses: &[f64]) -> (usize, Option<(f64, u32)>) {
        let mut stop = EarlyStop::new(patience);
        let ran = losses.iter().enumerate().position(|(pass, &loss)| stop.judge(pass as u32, loss).stop);
        (ran.map_or(losses.len(), |at| at + 1), stop.best())
    }

    #[test]
    fn stops_when_passes_stop_paying_and_keeps_the_best() {
        assert_eq!(stops_after(2, &[0.5, 0.4, 0.41, 0.42, 0.1]), (4, Some((0.4, 1))));
        assert_eq!(stops_after(0, &[0.5, 0.4, 0.41, 0.42, 0.43]), (5, Some((0.4, 1))));
        assert_eq!(stops_after(1, &[0.5, 0.6, 0.1]), (2, Some((0.5, 0))));
    }

    #[test]
    fn a_hair_better_is_kept_but_does_not_go_on_for_ever() {
        let (ran, best) = stops_after(2, &[0.4, 0.399_999, 0.399_998, 0.399_997]);
        assert_eq!((ran, best), (3, Some((0.399_998, 2))));
    }

    #[test]
    fn nan_is_never_best() {
        let mut stop = EarlyStop::new(2);
        stop.judge(0, 0.5);
        assert!(!stop.judge(1, f64::NAN).best);
    }
}
