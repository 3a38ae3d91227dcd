//! [`Text`]: what a model of text makes of a line; [`Weighting`]: what the counts of its features weigh.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Grams;

/// What a model of text makes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// What its features are.
    #[serde(flatten)]
    pub grams: Grams,
    /// Features that were there less often in training are left out.
    pub min_count: u32,
    /// What their counts weigh.
    pub weighting: Weighting,
}

/// What it makes of it, in words.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weighed by {}", self.grams, self.weighting.name())?;
        match self.min_count {
            0 | 1 => Ok(()),
            least => write!(f, ", there {least} times or more"),
        }
    }
}

/// What is made of how often a row has each of its features, before it is learned or scored. All rows are brought to the norm 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weighting {
    /// (1 + ln n) · idf.
    TfIdf,
    /// ln (1 + n).
    Log,
}

impl Weighting {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TfIdf => "tf-idf",
            Self::Log => "log",
        }
    }

    /// Weighs the `counts` of a row, which are 1 or more; the inverse document frequencies `idf` are by id, and need not be there
    /// for [`Weighting::Log`].
    pub fn weigh(self, ids: &[u32], counts: &mut [f32], idf: &[f32]) {
        match self {
            Self::TfIdf => {
                for (value, &id) in counts.iter_mut().zip(ids) {
                    // Most words stand in a text once.
                    let tf = if *value == 1.0 { 1.0 } else { 1.0 + value.ln() };
                    *value = tf * idf[id as usize];
                }
            }
            Self::Log => counts.iter_mut().for_each(|value| *value = value.ln_1p()),
        }
        let squares: f64 = counts.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        // A row without a feature that is known stays as it is: nothing.
        if squares > 0.0 {
            let unit = (1.0 / squares.sqrt()) as f32;
            counts.iter_mut().for_each(|value| *value *= unit);
        }
    }
}

/// The inverse document frequency of a feature that `having` of `rows` rows have, as scikit-learn has it.
pub fn idf(rows: u64, having: u64) -> f32 {
    (((1 + rows) as f64 / (1 + having) as f64).ln() + 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_weighed_as_scikit_learn_does() {
        // TfidfVectorizer(sublinear_tf=True, token_pattern="[abc]").fit_transform(["a b b", "a c"])
        let idf = [idf(2, 2), idf(2, 1), idf(2, 1)];
        let (mut one, mut other) = ([1.0, 2.0], [1.0, 1.0]);
        Weighting::TfIdf.weigh(&[0, 1], &mut one, &idf);
        Weighting::TfIdf.weigh(&[0, 2], &mut other, &idf);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&one, &[0.387_411_3, 0.921_907]), "{one:?}");
        assert!(near(&other, &[0.579_738_7, 0.814_802_5]), "{other:?}");
        let mut logs = [1.0, 3.0];
        Weighting::Log.weigh(&[7, 9], &mut logs, &[]);
        assert!(near(&logs, &[0.447_213_6, 0.894_427_2]), "{logs:?}");
        Weighting::TfIdf.weigh(&[], &mut [], &idf);
    }
}
