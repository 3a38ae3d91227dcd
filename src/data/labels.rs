//! [`Labels`]: what the labels of a file are, by which a loss is chosen.

use serde::{Deserialize, Serialize};

/// More different labels than this are not listed.
const MOST_DISTINCT: usize = 256;

/// What the labels of a file are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The classes, where labels are words, in order of first appearance; a row's label is then the place of its word
    /// here. Empty where labels are numbers.
    pub names: Vec<String>,
    /// Each label and the number of rows that have it, rising; `None` where there are more than 256.
    pub distinct: Option<Vec<(f32, u64)>>,
    /// The smallest label.
    pub least: f32,
    /// The largest label.
    pub most: f32,
    /// The mean of the labels.
    pub mean: f64,
    /// Their standard deviation (of these rows, not an estimate for others).
    pub deviation: f64,
    /// Rows without a label.
    pub missing: u64,
}

/// Sums over labels, from which [`Labels`] are made; those of several blocks can be put together.
#[derive(Clone, Debug)]
pub(crate) struct LabelSums {
    count: u64,
    missing: u64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
    least: f32,
    most: f32,
    distinct: Option<Vec<(f32, u64)>>,
}

impl LabelSums {
    /// Of no labels.
    pub(crate) fn new() -> Self {
        let (least, most) = (f32::INFINITY, f32::NEG_INFINITY);
        Self { count: 0, missing: 0, mean: 0.0, squares: 0.0, least, most, distinct: Some(Vec::new()) }
    }

    /// Of `labels`; NaN is a missing one.
    pub(crate) fn of(labels: &[f32]) -> Self {
        let mut sums = Self::new();
        for &label in labels.iter().filter(|label| !label.is_nan()) {
            sums.count += 1;
            // Welford's update.
            let distance = f64::from(label) - sums.mean;
            sums.mean += distance / sums.count as f64;
            sums.squares += distance * (f64::from(label) - sums.mean);
            sums.least = sums.least.min(label);
            sums.most = sums.most.max(label);
            sums.count_distinct(label, 1);
        }
        sums.missing = labels.len() as u64 - sums.count;
        sums
    }

    /// Adds the labels that `next` was made of.
    pub(crate) fn absorb(&mut self, next: &Self) {
        self.missing += next.missing;
        if next.count > 0 {
            // Chan's way to put two means together.
            let (mine, theirs) = (self.count as f64, next.count as f64);
            let distance = next.mean - self.mean;
            self.mean += distance * theirs / (mine + theirs);
            self.squares += next.squares + distance * distance * mine * theirs / (mine + theirs);
            self.count += next.count;
            self.least = self.least.min(next.least);
            self.most = self.most.max(next.most);
        }
        match &next.distinct {
            Some(distinct) => distinct.iter().for_each(|&(label, count)| self.count_distinct(label, count)),
            None => self.distinct = None,
        }
    }

    fn count_distinct(&mut self, label: f32, count: u64) {
        let Some(distinct) = &mut self.distinct else { return };
        match distinct.binary_search_by(|(seen, _)| seen.total_cmp(&(label + 0.0))) {
            Ok(at) => distinct[at].1 += count,
            Err(_) if distinct.len() == MOST_DISTINCT => self.distinct = None,
            // Adding 0 makes -0 and 0 the same label.
            Err(at) => distinct.insert(at, (label + 0.0, count)),
        }
    }

    /// The labels, of classes called `names`.
    pub(crate) fn finish(self, names: Vec<String>) -> Labels {
        let (least, most) = if self.count > 0 { (self.least, self.most) } else { (0.0, 0.0) };
        let deviation = (self.squares / self.count.max(1) as f64).sqrt();
        Labels { names, distinct: self.distinct, least, most, mean: self.mean, deviation, missing: self.missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_parts_are_the_sums_of_all() {
        let labels: Vec<f32> = (0..1000).map(|i| ((i * 37) % 11) as f32 - 3.0).collect();
        let mut parts = LabelSums::new();
        labels.chunks(77).for_each(|part| parts.absorb(&LabelSums::of(part)));
        let (parts, whole) = (parts.finish(Vec::new()), LabelSums::of(&labels).finish(Vec::new()));
        assert_eq!((parts.least, parts.most), (-3.0, 7.0));
        assert_eq!(parts.distinct, whole.distinct);
        let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / 1000.0;
        let square = labels.iter().map(|&label| (f64::from(label) - mean).powi(2)).sum::<f64>() / 1000.0;
        assert!((parts.mean - mean).abs() < 1e-12 && (parts.deviation - square.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn distinct_labels_are_counted_up_to_256() {
        let few = LabelSums::of(&[1.0, -0.0, 0.0, f32::NAN, 1.0, -1.0]).finish(Vec::new());
        assert_eq!(few.distinct, Some(vec![(-1.0, 1), (0.0, 2), (1.0, 2)]));
        assert_eq!(few.missing, 1);
        let most: Vec<f32> = (0..256).map(|i| i as f32).collect();
        let mut sums = LabelSums::of(&most);
        assert_eq!(sums.distinct.as_ref().map(Vec::len), Some(256));
        sums.absorb(&LabelSums::of(&[256.0]));
        assert_eq!(sums.distinct, None);
    }
}
