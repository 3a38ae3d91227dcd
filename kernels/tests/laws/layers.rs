//! What stands between the products of layers: activations, dropout, intercepts, slopes of losses.

use hogback_kernels::{Activation, Backend, Cells, ClassLoss, DenseRule, Layout, Loss, Matrix, MatrixMut, Objective};

use crate::ground::{Floats, Rng, bits, close, lengths};

const ALL: [Activation; 3] = [Activation::Relu, Activation::Tanh, Activation::Gelu];

/// erf x by its series near 0 and by a continued fraction beyond.
fn erf(x: f64) -> f64 {
    if x.abs() < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..=60).rev().fold(x.abs(), |below, n| x.abs() + 0.5 * f64::from(n) / below);
    x.signum() * (1.0 - (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt()))
}

fn formula(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
    }
}

#[test]
fn activations_and_their_derivatives_are_as_exact_as_they_say() {
    let step = if cfg!(miri) { 997 } else { 1 };
    let points: Vec<f32> =
        (-20_000..=20_000).step_by(step).map(|i| i as f32 / 1e3 + 1.7e-4).chain([-1e30, 1e30]).collect();
    for (backend, activation) in Backend::all().flat_map(|backend| ALL.map(|one| (backend, one))) {
        let (mut y, mut kept) = (points.clone(), vec![0.0; if activation.keeps() { points.len() } else { 0 }]);
        backend.activate(activation, &mut y, &mut kept);
        let mut alone = points.clone();
        backend.activate(activation, &mut alone, &mut []);
        assert_eq!(bits(&alone), bits(&y));
        let mut slopes = vec![2.0; points.len()];
        backend.activate_back(activation, if activation.keeps() { &kept } else { &y }, &mut slopes);
        for ((&x, y), slope) in points.iter().zip(y).zip(slopes) {
            let (d, h) = (f64::from(x), 1e-5);
            let what = || format!("{} {activation:?} of {x}", backend.name());
            let bound = match activation {
                Activation::Relu => 0.0,
                Activation::Tanh => 2e-7,
                Activation::Gelu => 5e-7 * d.abs().max(1.0),
            };
            close(y, formula(activation, d), bound, what);
            if d.abs() < 1e3 {
                let numeric = (formula(activation, d + h) - formula(activation, d - h)) / (2.0 * h);
                close(slope, 2.0 * numeric, 2e-6, || format!("{}, slope", what()));
            }
        }
    }
}

#[test]
fn an_activation_hides_no_nan_and_touches_nothing_but_its_words() {
    for (backend, activation) in Backend::all().flat_map(|backend| ALL.map(|one| (backend, one))) {
        for len in lengths() {
            let mut words = Floats::new(&vec![f32::NAN; len], len % 16);
            backend.activate(activation, words.slice(), &mut []);
            assert!(words.values().iter().all(|y| y.is_nan()), "{} {activation:?} {len}", backend.name());
        }
    }
}

#[test]
fn dropout_is_a_function_of_seed_and_number_on_every_backend_however_it_is_cut() {
    let count = if cfg!(miri) { 100 } else { 10_000 };
    // Across a multiple of 2^32, where numbers outgrow 32 bits.
    for first in [0, 5, (1u64 << 32) - 50, u64::MAX - 20_000] {
        let dropped = |backend: Backend, cuts: usize| {
            let mut words = vec![1.0; count];
            for (nth, words) in words.chunks_mut(cuts).enumerate() {
                backend.dropout(words, 0.3, 77, first + (nth * cuts) as u64);
            }
            words
        };
        let whole = dropped(Backend::best(), count);
        for (backend, cuts) in Backend::all().flat_map(|backend| [count, 1, 7, 33].map(|cuts| (backend, cuts))) {
            assert_eq!(dropped(backend, cuts), whole, "{} in pieces of {cuts}", backend.name());
        }
    }
}

#[test]
fn dropout_keeps_the_mean_and_draws_each_word_for_itself() {
    let count = if cfg!(miri) { 2_000 } else { 200_000 };
    let kept = |rate: f32, seed: u64, first: u64| {
        let mut words = vec![1.0; count];
        Backend::best().dropout(&mut words, rate, seed, first);
        words.iter().map(|&word| f64::from(u8::from(word != 0.0))).collect::<Vec<f64>>()
    };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let together = |x: &[f64], y: &[f64]| mean(&x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<_>>());
    // Five deviations of a mean of so many.
    let sigma = 5.0 * (0.25 / count as f64).sqrt();
    for rate in [0.1, 0.5, 0.9] {
        let share = f64::from(1.0 - rate);
        let one = kept(rate, 1, 0);
        assert!((mean(&one) - share).abs() < sigma, "{rate}: {}", mean(&one));
        for (what, other) in [("seed", kept(rate, 2, 0)), ("next", kept(rate, 1, 1)), ("row", kept(rate, 1, 128))] {
            let both = together(&one, &other);
            assert!((both - share * share).abs() < 2.0 * sigma, "{rate} {what}: {both}");
        }
    }
    let mut words = [3.0, f32::NAN];
    Backend::best().dropout(&mut words, 0.0, 1, 0);
    assert!(words[0] == 3.0 && words[1].is_nan());
    let mut words = [3.0; 64];
    Backend::best().dropout(&mut words, 0.25, 1, 0);
    assert!(words.iter().all(|&word| word == 0.0 || word == 4.0), "{words:?}");
}

#[test]
fn rows_are_filled_and_added_up_and_nothing_between_them_is_touched() {
    let mut rng = Rng(41);
    for backend in Backend::all() {
        for (rows, columns, stride) in [(0, 3, 3), (3, 0, 0), (1, 1, 1), (5, 7, 9), (6, 40, 40), (17, 10, 16)] {
            let row = rng.floats(columns, -1.0, 1.0);
            let len = if rows == 0 { 0 } else { (rows - 1) * stride + columns };
            let mut words = Floats::new(&vec![9.0; len], 3);
            backend.fill_rows(MatrixMut::with_stride(words.slice(), rows, columns, stride), &row);
            for (at, &word) in words.values().iter().enumerate() {
                assert_eq!(word, row.get(at % stride).copied().unwrap_or(9.0));
            }
            let x = rng.floats(len, -1.0, 1.0);
            let before = rng.floats(columns, -1.0, 1.0);
            let mut sums = Floats::new(&before, 1);
            backend.add_rows(sums.slice(), Matrix::with_stride(&x, rows, columns, stride));
            for (at, (&got, &before)) in sums.values().iter().zip(&before).enumerate() {
                let want: f64 = (0..rows).map(|row| f64::from(x[row * stride + at])).sum();
                close(got, want + f64::from(before), 1e-6 * (1 + rows) as f64, || format!("{} {at}", backend.name()));
            }
        }
        let (x, mut y) = ([1.0, 2.0, 4.0], [0.5, 0.0, 1.0]);
        backend.add_scaled(0.5, &x, &mut y);
        assert_eq!(y, [1.0, 1.0, 3.0]);
    }
}

/// Objectives with a target that fits each.
fn objectives() -> Vec<(Objective, [f32; 2])> {
    let one = |loss, targets| (Objective::One(loss), targets);
    let mut all = vec![
        one(Loss::Logistic, [-1.0, 1.0]),
        one(Loss::Hinge, [-1.0, 1.0]),
        one(Loss::Squared, [-0.7, 2.5]),
        one(Loss::Quantile(0.3), [-0.7, 2.5]),
        one(Loss::Poisson, [0.0, 3.0]),
    ];
    for (loss, classes) in
        [(ClassLoss::Softmax, 2), (ClassLoss::Softmax, 10), (ClassLoss::Hinge, 3), (ClassLoss::Hinge, 8)]
    {
        all.push((Objective::Classes { loss, classes }, [0.0, (classes - 1) as f32]));
    }
    all
}

#[test]
fn slopes_are_the_derivatives_of_what_a_batch_costs() {
    let mut rng = Rng(42);
    for (backend, (objective, targets)) in
        Backend::all().flat_map(|backend| objectives().into_iter().map(move |o| (backend, o)))
    {
        let (outputs, stride) = (objective.outputs(), Layout::new(objective.outputs(), 0).stride());
        for rows in [0, 1, 9, 33] {
            let margins = rng.floats(rows * stride, -3.0, 3.0);
            let targets: Vec<f32> = (0..rows).map(|row| targets[row % 2]).collect();
            let weights: Vec<f32> = (0..rows).map(|row| [1.0, 0.0, 2.5][row % 3]).collect();
            let mut slopes = Floats::new(&vec![f32::NAN; rows * stride], 5);
            backend.slopes(objective, &margins, &targets, &weights, slopes.slice());
            for (at, &slope) in slopes.values().iter().enumerate() {
                let (row, output) = (at / stride, at % stride);
                if output >= outputs {
                    assert_eq!(slope, 0.0, "padding");
                    continue;
                }
                let value = |by: f32| {
                    let mut margins = margins[row * stride..row * stride + outputs].to_vec();
                    margins[output] += by;
                    match objective {
                        Objective::One(loss) => loss.value(margins[0], targets[row]),
                        Objective::Classes { loss, .. } => loss.value(&margins, targets[row] as usize),
                    }
                };
                let h = 1.0 / 256.0;
                // At a kink the slope is that of one side.
                let (left, right) = ((value(0.0) - value(-h)) / h, (value(h) - value(0.0)) / h);
                let (least, most) = (left.min(right), left.max(right));
                let (got, slack) = (slope / weights[row].max(1e-9), 2e-2 * (1.0 + most.abs()));
                let held = if weights[row] == 0.0 { slope == 0.0 } else { least - slack <= got && got <= most + slack };
                assert!(held, "{} {objective:?} row {row} output {output}: {slope}, {left} {right}", backend.name());
            }
        }
    }
}

#[test]
fn private_floats_can_be_stepped_like_shared_words() {
    for backend in Backend::all() {
        let mut words = Floats::new(&[1.0; 19], 2);
        backend.dense_step(DenseRule::Sgd { rate: 0.5 }, Cells::from_mut(words.slice()), &[], &[1.0; 19]);
        assert_eq!(words.values(), [0.5; 19]);
    }
}
