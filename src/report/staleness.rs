//! How stale the views are that children work on: a histogram of samples.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Numbers below this have a bucket each.
const EXACT: u64 = 16;
/// From there on each power of two has this many buckets, as log2.
const STEPS: u32 = 3;
/// Buckets up to `u64::MAX`.
const BUCKETS: usize = EXACT as usize + ((64 - EXACT.ilog2() as usize) << STEPS);

/// A histogram of staleness, in rows that others finished between a child's read and its push.
///
/// Quantiles below 16 are exact; larger ones are at most one eighth too high, never too low. In JSON it is
/// `{"p50":…,"p99":…}`.
#[derive(Clone, Debug)]
pub struct Staleness {
    counts: Box<[u64; BUCKETS]>,
    samples: u64,
    largest: u64,
}

impl Staleness {
    /// A histogram of no samples.
    pub fn new() -> Self {
        Self { counts: Box::new([0; BUCKETS]), samples: 0, largest: 0 }
    }

    /// Adds a sample, in rows.
    pub fn record(&mut self, rows: u64) {
        self.counts[bucket(rows)] += 1;
        self.samples += 1;
        self.largest = self.largest.max(rows);
    }

    /// Adds the samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
        self.samples += other.samples;
        self.largest = self.largest.max(other.largest);
    }

    /// The staleness that a share `p` of the samples, from 0 to 1, does not exceed, in rows; 0 of no samples.
    pub fn quantile(&self, p: f64) -> u64 {
        let wanted = (p * self.samples as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return last_of(at).min(self.largest);
            }
        }
        self.largest
    }
}

impl Default for Staleness {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Staleness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Staleness", 2)?;
        fields.serialize_field("p50", &self.quantile(0.5))?;
        fields.serialize_field("p99", &self.quantile(0.99))?;
        fields.end()
    }
}

/// The bucket of `rows`: its power of two and the `STEPS` bits after its first.
fn bucket(rows: u64) -> usize {
    if rows < EXACT {
        return rows as usize;
    }
    let power = rows.ilog2();
    let step = (rows >> (power - STEPS)) as usize - (1 << STEPS);
    EXACT as usize + ((power - EXACT.ilog2()) << STEPS) as usize + step
}

/// The largest number in the bucket `at`.
fn last_of(at: usize) -> u64 {
    let at = at as u64;
    if at < EXACT {
        return at;
    }
    let (power, step) = ((at - EXACT) >> STEPS, (at - EXACT) & ((1 << STEPS) - 1));
    let next: u64 = ((1 << STEPS) + step + 1) << (power + u64::from(EXACT.ilog2() - STEPS));
    // The last bucket ends with u64::MAX: its next is 2^64, of which nothing is left.
    next.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: impl IntoIterator<Item = u64>) -> Staleness {
        let mut histogram = Staleness::new();
        samples.into_iter().for_each(|rows| histogram.record(rows));
        histogram
    }

    #[test]
    fn small_quantiles_are_exact() {
        let histogram = of(0..=15);
        for (p, rows) in [(0.0, 0), (0.5, 7), (0.99, 15), (1.0, 15)] {
            assert_eq!(histogram.quantile(p), rows);
        }
        assert_eq!(Staleness::new().quantile(0.99), 0);
    }

    #[test]
    fn large_quantiles_are_never_too_low_and_at_most_an_eighth_too_high() {
        for base in (0..64).map(|power| 1_u64 << power) {
            for rows in [base, base + base / 16, base + base / 8, base + base / 3, base + (base - 1)] {
                // The larger sample keeps the estimate from being cut to the largest seen.
                let estimate = of([rows, u64::MAX]).quantile(0.5);
                assert!(estimate >= rows, "{estimate} for {rows}");
                assert!(estimate - rows <= rows / 8, "{estimate} for {rows}");
                assert_eq!(of([rows]).quantile(0.5), rows);
            }
        }
        assert_eq!(of([u64::MAX]).quantile(1.0), u64::MAX);
    }

    #[test]
    fn merging_is_recording_all_the_samples() {
        let mut merged = of((0..1000).map(|i| i * i));
        merged.merge(&of((0..500).map(|i| i * 7)));
        let all = of((0..1000).map(|i| i * i).chain((0..500).map(|i| i * 7)));
        for percent in 0..=100 {
            let p = f64::from(percent) / 100.0;
            assert_eq!(merged.quantile(p), all.quantile(p));
        }
    }

    #[test]
    fn json_has_the_median_and_the_99th_percentile() {
        let histogram = of((1..=10).flat_map(|rows| [rows; 10]));
        assert_eq!(serde_json::to_string(&histogram).unwrap(), r#"{"p50":5,"p99":10}"#);
    }
}
