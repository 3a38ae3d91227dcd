//! Sparse rows of unit length, the way texts are: features of Zipf's law, counts of them, labels of a logistic model.

use super::random::{Effects, Random, Zipf, entropy, log_loss, sigmoid};
use super::text::{Text, ten_thousandths, whole};
use super::{Planted, Sums};
use crate::error::{Error, Result};

/// Spreads neighbouring ranks over the features. A prime beyond all numbers of features, so that no two ranks meet.
const SPREAD: u64 = 0x9E37_79B1;
/// The most features there may be.
pub(super) const MOST_FEATURES: u64 = 1 << 31;
/// The intercept.
const INTERCEPT: f64 = -0.5;

/// The rows to make.
pub(super) struct Sparse {
    features: u64,
    /// The fewest and the most nonzeros of a row.
    fewest: u64,
    most: u64,
    zipf: Zipf,
    weights: Effects<1>,
}

/// A row whose features are drawn; its values and its label come next.
pub(super) struct Row {
    features: Vec<u64>,
    random: Random,
}

impl Sparse {
    /// Rows of about `nonzeros` features, a third more or fewer.
    ///
    /// # Errors
    /// [`Error::Usage`] where so many different ones would be drawn for ever.
    pub(super) fn new(features: u64, nonzeros: u64, exponent: f64) -> Result<Self> {
        let (zipf, third) = (Zipf::new(features, exponent), nonzeros / 3);
        let most = nonzeros.saturating_add(third);
        // Each draw brings a new feature at least that often.
        if most >= features || zipf.tail(most) < 1.0 / 64.0 {
            return Err(Error::Usage(format!(
                "rows of up to {most} different features: too many of {features} by Zipf's law with exponent {exponent} \
                 (give more --features, fewer --nnz or a smaller --zipf)"
            )));
        }
        let weights = Effects::new([777], features + 1);
        Ok(Self { features, fewest: nonzeros - third, most, zipf, weights })
    }
}

impl Planted for Sparse {
    type Row = Row;
    const TEXTS: &'static [Text] = &[Text::Svm, Text::Vw];

    fn draw(&self, random: &mut Random) -> Row {
        let count = (self.fewest + random.number() % (self.most - self.fewest + 1)) as usize;
        let mut features = Vec::with_capacity(count);
        while features.len() < count {
            for _ in features.len()..count {
                features.push(self.zipf.rank(random) * SPREAD % self.features + 1);
            }
            features.sort_unstable();
            features.dedup();
        }
        let row = Row { features, random: random.clone() };
        random.skip(count as u64 + 1);
        row
    }

    fn write(&self, row: &Row, out: &mut [(Text, Vec<u8>)]) -> Sums {
        let mut random = row.random.clone();
        let value = |_: &u64| {
            let count = 1.0 + (-random.share().max(1e-12).ln()).floor();
            (1.0 + count).ln()
        };
        let values: Vec<f64> = row.features.iter().map(value).collect();
        let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let mut body = Vec::with_capacity(16 * values.len());
        let mut margin = 0.0;
        for (&feature, value) in row.features.iter().zip(values) {
            let rounded = (value / length * 1e4).round();
            let [weight] = self.weights.of(feature);
            margin += 2.0 * weight * (rounded / 1e4);
            body.push(b' ');
            whole(&mut body, feature);
            body.push(b':');
            ten_thousandths(&mut body, rounded as u64);
        }
        body.push(b'\n');
        let p = sigmoid(margin + INTERCEPT);
        let label = random.share() < p;
        for (text, out) in out {
            out.extend_from_slice(if label { b"1" } else { b"-1" });
            if *text == Text::Vw {
                out.extend_from_slice(b" |");
            }
            out.extend_from_slice(&body);
        }
        let positive = f64::from(u8::from(label));
        [entropy(p), log_loss(p, label), positive, row.features.len() as f64, p.min(1.0 - p)]
    }

    fn report(&self, rows: u64, [bayes, loss, positive, nonzeros, error]: Sums) -> String {
        let n = rows as f64;
        format!(
            "d={} rows={rows} nnz={nonzeros} pos={:.4} bayes_logloss(expected)={:.5} \
             logloss_of_true_model_on_labels={:.5} bayes_err={:.5}",
            self.features,
            positive / n,
            bayes / n,
            loss / n,
            error / n,
        )
    }
}
