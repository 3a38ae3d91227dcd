//! Rows of categories, the way clicks are: one of each of 24 columns, labels of a factorization machine of rank 4, so that a
//! linear model finds a part of what there is.

use super::random::{Effects, Random, Zipf, entropy, log_loss, sigmoid};
use super::text::{Text, whole};
use super::{Planted, Sums};

/// How many columns there are.
const COLUMNS: usize = 24;
/// The categories of each column.
const SIZES: [u64; COLUMNS] = [
    4, 7, 10, 24, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10_000, 20_000, 30_000,
    40_000, 50_000, 200_000, 200_000,
];
/// The intercept.
const INTERCEPT: f64 = -1.6;

/// The rows to make.
pub(super) struct Ctr {
    columns: Vec<Column>,
    features: u64,
    /// Of each category its weight and its four factors.
    effects: Effects<5>,
}

/// A column.
struct Column {
    zipf: Zipf,
    size: u64,
    /// How many categories the columns before it have.
    before: u64,
}

impl Ctr {
    /// Categories by Zipf's law with this exponent.
    pub(super) fn new(exponent: f64) -> Self {
        let mut features = 0;
        let column = |size| {
            features += size;
            Column { zipf: Zipf::new(size, exponent), size, before: features - size }
        };
        let columns = SIZES.map(column).into();
        Self { columns, features, effects: Effects::new([11, 1000, 1001, 1002, 1003], features + 1) }
    }
}

impl Planted for Ctr {
    /// Where its random numbers begin.
    type Row = Random;
    const TEXTS: &'static [Text] = &[Text::Svm, Text::Vw, Text::Ffm];

    fn draw(&self, random: &mut Random) -> Random {
        let row = random.clone();
        random.skip(COLUMNS as u64 + 1);
        row
    }

    fn write(&self, row: &Random, out: &mut [(Text, Vec<u8>)]) -> Sums {
        let mut random = row.clone();
        let mut features = [0; COLUMNS];
        let (mut linear, mut sums, mut squares) = (INTERCEPT, [0.0; 4], 0.0);
        for (feature, column) in features.iter_mut().zip(&self.columns) {
            let rank = column.zipf.rank(&mut random);
            *feature = column.before + (rank * 7919 + 13) % column.size + 1;
            let [weight, factors @ ..] = self.effects.of(*feature);
            linear += 0.25 * weight;
            for (sum, factor) in sums.iter_mut().zip(factors) {
                let factor = 0.2 * factor;
                *sum += factor;
                squares += factor * factor;
            }
        }
        // Σ of the products of all pairs of factors (Rendle 2010, lemma 3.1).
        let pairs = 0.5 * (sums.iter().map(|sum| sum * sum).sum::<f64>() - squares);
        let p = sigmoid(linear + pairs);
        let label = random.share() < p;
        for (text, out) in out {
            let (yes, no): (&[u8], &[u8]) = if *text == Text::Ffm { (b"1", b"0") } else { (b"1", b"-1") };
            out.extend_from_slice(if label { yes } else { no });
            for (at, &feature) in features.iter().enumerate() {
                match text {
                    Text::Vw => {
                        out.extend_from_slice(&[b' ', b'|', b'A' + at as u8, b' ']);
                        whole(out, feature);
                        continue;
                    }
                    Text::Ffm => {
                        out.push(b' ');
                        whole(out, at as u64);
                        out.push(b':');
                    }
                    _ => out.push(b' '),
                }
                whole(out, feature);
                out.extend_from_slice(b":1");
            }
            out.push(b'\n');
        }
        let positive = f64::from(u8::from(label));
        [entropy(p), log_loss(p, label), positive, log_loss(sigmoid(linear), label), 0.0]
    }

    fn report(&self, rows: u64, [bayes, loss, positive, linear, _]: Sums) -> String {
        let n = rows as f64;
        format!(
            "d={} rows={rows} nnz={} pos={:.4} bayes_logloss={:.5} true_model_on_labels={:.5} true_linear_part_only={:.5}",
            self.features,
            rows * COLUMNS as u64,
            positive / n,
            bayes / n,
            loss / n,
            linear / n,
        )
    }
}
