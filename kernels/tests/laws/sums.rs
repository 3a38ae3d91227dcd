//! Sums of losses of rows with one output against the naive thing.

use hogback_kernels::{Backend, Loss, Sums};

use crate::ground::Rng;

const LOSSES: [Loss; 5] = [Loss::Logistic, Loss::Squared, Loss::Hinge, Loss::Quantile(0.3), Loss::Poisson];

/// None, fewer and more than are summed at a time, and what is left over.
const LENGTHS: [usize; 6] = [0, 1, 63, 64, 65, 200];

/// Rows: margins, targets, weights.
struct Rows {
    margins: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Rows {
    /// `count` rows whose targets fit `loss`; every fifth weighs nothing, and every seventh margin is 0.
    fn new(rng: &mut Rng, loss: Loss, count: usize) -> Self {
        let mut target = || match loss {
            Loss::Logistic | Loss::Hinge => [-1.0, 1.0][(rng.next() % 2) as usize],
            Loss::Squared | Loss::Quantile(_) => rng.within(-5.0, 5.0),
            Loss::Poisson => (rng.next() % 6) as f32,
        };
        let targets = (0..count).map(|_| target()).collect();
        let (mut margins, mut weights) = (rng.floats(count, -6.0, 6.0), rng.floats(count, 0.1, 3.0));
        margins.iter_mut().skip(2).step_by(7).for_each(|margin| *margin = 0.0);
        weights.iter_mut().skip(1).step_by(5).for_each(|weight| *weight = 0.0);
        Self { margins, targets, weights }
    }

    fn sums(&self, backend: Backend, loss: Loss) -> Sums {
        backend.sum_loss(loss, &self.margins, &self.targets, &self.weights)
    }

    /// The sums, and of all rows together the size of what goes into their terms, which are rounded to 32 bits.
    fn naive(&self, loss: Loss) -> (Sums, f64) {
        let (mut sums, mut sizes) = (Sums::default(), 0.0);
        for ((&m, &y), &weight) in self.margins.iter().zip(&self.targets).zip(&self.weights) {
            let [m, y, weight] = [m, y, weight].map(f64::from);
            let right = f64::from(u8::from((m > 0.0) == (y > 0.0)));
            let (value, score) = match loss {
                Loss::Logistic => ((-y * m).exp().ln_1p(), right),
                Loss::Squared => (0.5 * (m - y).powi(2), (m - y).abs()),
                Loss::Hinge => ((1.0 - y * m).max(0.0), right),
                Loss::Quantile(tau) => {
                    let tau = f64::from(tau);
                    ((tau * (y - m)).max((1.0 - tau) * (m - y)), (m - y).abs())
                }
                Loss::Poisson => (m.exp() - y * m, (m.exp() - y).abs()),
            };
            let size = match loss {
                Loss::Logistic | Loss::Hinge | Loss::Quantile(_) => 1.0 + m.abs() + y.abs(),
                Loss::Squared => 1.0 + (m.abs() + y.abs()).powi(2),
                Loss::Poisson => m.exp() + (y * m).abs() + y,
            };
            sizes += weight * size;
            sums.loss += weight * value;
            sums.score += weight * score;
            sums.positive += if y > 0.0 { weight } else { 0.0 };
            sums.weight += weight;
        }
        (sums, sizes)
    }
}

#[test]
fn losses_of_one_output_add_up_row_by_row() {
    let mut rng = Rng(16);
    for (backend, loss) in Backend::all().flat_map(|backend| LOSSES.map(|loss| (backend, loss))) {
        for count in LENGTHS {
            let rows = Rows::new(&mut rng, loss, count);
            let (got, (want, sizes)) = (rows.sums(backend, loss), rows.naive(loss));
            for (got, want) in [(got.loss, want.loss), (got.score, want.score)] {
                let off = (got - want).abs();
                assert!(off <= 3e-7 * sizes, "{} {loss:?} {count}: {got}, expected {want}", backend.name());
            }
            // 64 bits hold the sums of so few weights as they are.
            assert_eq!([got.positive, got.weight], [want.positive, want.weight], "{} {loss:?} {count}", backend.name());
        }
    }
}

#[test]
fn a_nan_margin_makes_the_sum_of_losses_nan() {
    let mut rng = Rng(17);
    for (backend, loss) in Backend::all().flat_map(|backend| LOSSES.map(|loss| (backend, loss))) {
        for (count, at) in LENGTHS[1..].iter().flat_map(|&count| [(count, 0), (count, count - 1)]) {
            let mut rows = Rows::new(&mut rng, loss, count);
            rows.margins[at] = f32::NAN;
            let sums = rows.sums(backend, loss);
            assert!(sums.loss.is_nan(), "{} {loss:?} {at} of {count}: {}", backend.name(), sums.loss);
            assert_eq!(sums.weight, rows.naive(loss).0.weight, "weights know of no margin");
        }
    }
}
