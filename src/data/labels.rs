//! [`Labels`]: what the labels of a file are, by which a loss is chosen.

use serde::{Deserialize, Serialize};

/// More different labels than this are not listed.
const MOST_DISTINCT: usize = 1024;

/// What the labels of a file are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The classes, where labels are words, in order of first appearance; a row's label is then the place of its word
    /// here. Empty where labels are numbers.
    pub names: Vec<String>,
    /// Each label, the number of rows that have it and their weights together, rising; `None` where there are more
    /// than 1024.
    pub distinct: Option<Vec<(f32, u64, f64)>>,
    /// The smallest label.
    pub least: f32,
    /// The largest label.
    pub most: f32,
    /// The weights of the rows that have a label, together.
    pub weight: f64,
    /// The mean of the labels, each counting by its row's weight; 0 where none weighs anything.
    pub mean: f64,
    /// Their standard deviation, weighted likewise (of these rows, not an estimate for others).
    pub deviation: f64,
    /// Rows without a label.
    pub missing: u64,
    /// Every label is a whole number.
    pub whole: bool,
    /// The line (from 1) and text of the first label beyond 2²⁴ that is not what an `f32` holds of it, if there is one.
    pub rounded: Option<(u64, String)>,
}

/// Sums over labels, from which [`Labels`] are made; those of several blocks can be put together.
#[derive(Clone, Debug)]
pub(crate) struct LabelSums {
    count: u64,
    missing: u64,
    weight: f64,
    mean: f64,
    /// The weighted sum of the squared distances from the mean.
    squares: f64,
    least: f32,
    most: f32,
    whole: bool,
    distinct: Option<Vec<(f32, u64, f64)>>,
}

impl LabelSums {
    /// Of no labels.
    pub(crate) fn new() -> Self {
        let (least, most) = (f32::INFINITY, f32::NEG_INFINITY);
        let distinct = Some(Vec::new());
        Self { count: 0, missing: 0, weight: 0.0, mean: 0.0, squares: 0.0, least, most, whole: true, distinct }
    }

    /// Of `labels`, of which NaN is a missing one, of rows of these weights (none where each weighs 1).
    pub(crate) fn of(labels: &[f32], weights: &[f32]) -> Self {
        let mut sums = Self::new();
        for (row, &label) in labels.iter().enumerate().filter(|(_, label)| !label.is_nan()) {
            let weight = weights.get(row).map_or(1.0, |&weight| f64::from(weight));
            sums.count += 1;
            if weight > 0.0 {
                // Welford's update, weighted as West has it.
                sums.weight += weight;
                let distance = f64::from(label) - sums.mean;
                sums.mean += distance * weight / sums.weight;
                sums.squares += weight * distance * (f64::from(label) - sums.mean);
            }
            sums.least = sums.least.min(label);
            sums.most = sums.most.max(label);
            sums.whole &= label.fract() == 0.0;
            sums.count_distinct((label, 1, weight));
        }
        sums.missing = labels.len() as u64 - sums.count;
        sums
    }

    /// Adds the labels that `next` was made of.
    pub(crate) fn absorb(&mut self, next: &Self) {
        self.missing += next.missing;
        self.count += next.count;
        self.least = self.least.min(next.least);
        self.most = self.most.max(next.most);
        self.whole &= next.whole;
        if next.weight > 0.0 {
            // Chan's way to put two means together.
            let (mine, theirs) = (self.weight, next.weight);
            let distance = next.mean - self.mean;
            self.mean += distance * theirs / (mine + theirs);
            self.squares += next.squares + distance * distance * mine * theirs / (mine + theirs);
            self.weight += next.weight;
        }
        match &next.distinct {
            Some(distinct) => distinct.iter().for_each(|&label| self.count_distinct(label)),
            None => self.distinct = None,
        }
    }

    fn count_distinct(&mut self, (label, count, weight): (f32, u64, f64)) {
        let Some(distinct) = &mut self.distinct else { return };
        match distinct.binary_search_by(|(seen, ..)| seen.total_cmp(&(label + 0.0))) {
            Ok(at) => {
                distinct[at].1 += count;
                distinct[at].2 += weight;
            }
            Err(_) if distinct.len() == MOST_DISTINCT => self.distinct = None,
            // Adding 0 makes -0 and 0 the same label.
            Err(at) => distinct.insert(at, (label + 0.0, count, weight)),
        }
    }

    /// The labels, of classes called `names`, the first one that was rounded among them.
    pub(crate) fn finish(self, names: Vec<String>, rounded: Option<(u64, String)>) -> Labels {
        let (least, most) = if self.count > 0 { (self.least, self.most) } else { (0.0, 0.0) };
        let deviation = if self.weight > 0.0 { (self.squares / self.weight).sqrt() } else { 0.0 };
        let Self { missing, weight, mean, whole, distinct, .. } = self;
        Labels { names, distinct, least, most, weight, mean, deviation, missing, whole, rounded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_parts_are_the_sums_of_all() {
        let labels: Vec<f32> = (0..1000).map(|i| ((i * 37) % 11) as f32 - 3.0).collect();
        let mut parts = LabelSums::new();
        labels.chunks(77).for_each(|part| parts.absorb(&LabelSums::of(part, &[])));
        let (parts, whole) = (parts.finish(Vec::new(), None), LabelSums::of(&labels, &[]).finish(Vec::new(), None));
        assert_eq!((parts.least, parts.most), (-3.0, 7.0));
        assert_eq!(parts.distinct, whole.distinct);
        let mean = labels.iter().map(|&label| f64::from(label)).sum::<f64>() / 1000.0;
        let square = labels.iter().map(|&label| (f64::from(label) - mean).powi(2)).sum::<f64>() / 1000.0;
        assert!((parts.mean - mean).abs() < 1e-12 && (parts.deviation - square.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_row_of_weight_3_is_three_rows() {
        let (labels, weights) = ([2.0, f32::NAN, -1.0, 7.0, -1.0], [3.0, 5.0, 1.0, 0.0, 2.0]);
        let mut weighted = LabelSums::of(&labels[..3], &weights[..3]);
        weighted.absorb(&LabelSums::of(&labels[3..], &weights[3..]));
        let (weighted, repeated) =
            (weighted.finish(Vec::new(), None), LabelSums::of(&[2.0, 2.0, 2.0, -1.0, -1.0, -1.0], &[]));
        let repeated = repeated.finish(Vec::new(), None);
        assert_eq!(weighted.distinct, Some(vec![(-1.0, 2, 3.0), (2.0, 1, 3.0), (7.0, 1, 0.0)]));
        assert_eq!((weighted.weight, weighted.missing, weighted.mean), (6.0, 1, repeated.mean));
        assert!((weighted.deviation - repeated.deviation).abs() < 1e-12);
        let nothing = LabelSums::of(&[4.0], &[0.0]).finish(Vec::new(), None);
        assert_eq!((nothing.weight, nothing.mean, nothing.deviation, nothing.most), (0.0, 0.0, 0.0, 4.0));
    }

    #[test]
    fn distinct_labels_are_counted_up_to_1024() {
        let few = LabelSums::of(&[1.0, -0.0, 0.0, f32::NAN, 1.0, -1.0], &[]).finish(Vec::new(), None);
        assert_eq!(few.distinct, Some(vec![(-1.0, 1, 1.0), (0.0, 2, 2.0), (1.0, 2, 2.0)]));
        assert_eq!(few.missing, 1);
        assert!(few.whole && !LabelSums::of(&[1.0, 0.5], &[]).finish(Vec::new(), None).whole);
        let most: Vec<f32> = (0..1024).map(|i| i as f32).collect();
        let mut sums = LabelSums::of(&most, &[]);
        assert_eq!(sums.distinct.as_ref().map(Vec::len), Some(1024));
        sums.absorb(&LabelSums::of(&[1024.0], &[]));
        assert_eq!(sums.distinct, None);
    }
}
