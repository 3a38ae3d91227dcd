//! Means with their 95 % intervals.

/// A mean of independent runs, and half the width of its 95 % interval.
#[derive(Clone, Copy)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    pub(crate) half: f64,
}

/// The mean of some values.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Mean {
    // Welford 1962.
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        n += 1.0;
        let off = value - mean;
        mean += off / n;
        squares += off * (value - mean);
    }
    Mean { mean, half: 1.96 * (squares / (n * (n - 1.0f64).max(1.0))).sqrt() }
}
