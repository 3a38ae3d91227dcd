//! The dense rules: every length and start, many steps, Adam against its paper, no denormals.

use hogback_kernels::{Adam, Backend, Cells, DenseRule};

use crate::ground::{Floats, Rng, Words, close, lengths};

const RATE: f32 = 0.03;
const MOMENTUM: f32 = 0.9;
const FLOOR: f32 = 1e-3;

/// What a step may add to the error of a word, relative to words of its size: eight roundings.
const BOUND: f64 = 4.8e-7;

#[derive(Clone, Copy, Debug)]
enum Case {
    Sgd,
    Momentum,
    Adagrad,
    Adam,
}

const CASES: [Case; 4] = [Case::Sgd, Case::Momentum, Case::Adagrad, Case::Adam];

impl Case {
    fn rule(self, step: u64) -> DenseRule {
        match self {
            Self::Sgd => DenseRule::Sgd { rate: RATE },
            Self::Momentum => DenseRule::Momentum { rate: RATE, momentum: MOMENTUM },
            Self::Adagrad => DenseRule::Adagrad { rate: RATE, floor: FLOOR },
            Self::Adam => DenseRule::Adam(Adam::at(step, RATE)),
        }
    }

    /// One step of the formula on a weight and its slots.
    fn formula(self, step: u64, [w, first, second]: &mut [f64; 3], g: f64) {
        let rate = f64::from(RATE);
        match self {
            Self::Sgd => *w -= rate * g,
            Self::Momentum => {
                *first = f64::from(MOMENTUM) * *first + g;
                *w -= rate * *first;
            }
            Self::Adagrad => {
                *first += g * g;
                *w -= rate * g / (f64::from(FLOOR) + *first).sqrt();
            }
            Self::Adam => {
                let (b1, b2) = (f64::from(0.9f32), f64::from(0.999f32));
                *first = b1 * *first + (1.0 - b1) * g;
                *second = b2 * *second + (1.0 - b2) * g * g;
                *w -= adam_move(step, *first, *second, b1, b2);
            }
        }
    }
}

/// Kingma & Ba 2015, algorithm 1: how far step `step` goes from the averages m and v.
fn adam_move(step: u64, m: f64, v: f64, b1: f64, b2: f64) -> f64 {
    let [m, v] = [(m, b1), (v, b2)].map(|(average, b)| average / (1.0 - b.powf(step as f64)));
    f64::from(RATE) * m / (v.sqrt() + 1e-8)
}

/// Gradients that are not so small that Adam's small constant shows.
fn gradients(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.within(0.05, 2.0) * [-1.0, 1.0][(rng.next() % 2) as usize]).collect()
}

/// Takes `steps` steps on `len` words at `offset` and checks every plane.
fn run(backend: Backend, case: Case, len: usize, offset: usize, steps: u64, rng: &mut Rng) {
    let weights = rng.floats(len, -1.0, 1.0);
    let planes =
        [Words::new(&weights, offset), Words::new(&vec![0.0; len], offset + 1), Words::new(&vec![0.0; len], 3)];
    let mut want: Vec<[f64; 3]> = weights.iter().map(|&w| [w.into(), 0.0, 0.0]).collect();
    let cells = planes.each_ref().map(Words::cells);
    let slots = &cells[1..=case.rule(1).slots()];
    for step in 1..=steps {
        let gradient = gradients(rng, len);
        backend.dense_step(case.rule(step), cells[0], slots, Floats::new(&gradient, offset + 5).slice());
        for (want, &g) in want.iter_mut().zip(&gradient) {
            case.formula(step, want, g.into());
        }
    }
    let planes = planes.map(|plane| plane.values());
    for (i, want) in want.iter().enumerate() {
        let what = || format!("{} {case:?} word {i} of {len} at {offset}, {steps} steps", backend.name());
        let bound = BOUND * steps as f64;
        close(planes[0][i], want[0], bound * (1.0 + want[0].abs()), || format!("{}, weight", what()));
        // Sums and averages of squares are held relatively: nothing cancels in them.
        let size = if matches!(case, Case::Adagrad) { want[1] } else { 1.0 + want[1].abs() };
        close(planes[1][i], want[1], bound * size, || format!("{}, first slot", what()));
        close(planes[2][i], want[2], bound * want[2], || format!("{}, second slot", what()));
    }
}

#[test]
fn a_step_is_the_formula_at_every_length_and_start() {
    let mut rng = Rng(6);
    for (backend, case) in Backend::all().flat_map(|backend| CASES.map(|case| (backend, case))) {
        for (len, offset) in lengths().flat_map(|len| [0, 1, 2, 3, 8].map(|offset| (len, offset))) {
            run(backend, case, len, offset, 1, &mut rng);
        }
    }
}

#[test]
fn many_steps_stay_with_the_formula() {
    let mut rng = Rng(7);
    let steps = if cfg!(miri) { 5 } else { 500 };
    for (backend, case) in Backend::all().flat_map(|backend| CASES.map(|case| (backend, case))) {
        for len in [1, 7, 16, 45, 70] {
            run(backend, case, len, 1, steps, &mut rng);
        }
    }
}

/// The steps of Adam on a weight that begins at 0, in a register and in the remainder, and what the paper makes of them.
fn adam_path(backend: Backend, gradients: impl Iterator<Item = f32>) -> impl Iterator<Item = ([f32; 2], f64)> {
    let planes: [Words; 3] = std::array::from_fn(|_| Words::new(&[0.0; 17], 0));
    let (b1, b2) = (0.9, 0.999);
    let [mut w, mut m, mut v] = [0.0; 3];
    gradients.zip(1..).map(move |(g, step)| {
        let cells = planes.each_ref().map(Words::cells);
        backend.dense_step(DenseRule::Adam(Adam::at(step, RATE)), cells[0], &cells[1..], &[g; 17]);
        let g = f64::from(g);
        m = b1 * m + (1.0 - b1) * g;
        v = b2 * v + (1.0 - b2) * g * g;
        w -= adam_move(step, m, v, b1, b2);
        ([0, 16].map(|at| cells[0].get(at)), w)
    })
}

#[test]
fn adam_takes_the_steps_of_its_paper_with_bias_correction() {
    let mut rng = Rng(8);
    for backend in Backend::all() {
        let mut moved = 0.0;
        let mut before = 0.0;
        for (step, (got, want)) in (1..).zip(adam_path(backend, gradients(&mut rng, 2000).into_iter())) {
            moved += f64::abs(want - before);
            before = want;
            // Of each step two millionths: roundings, and 1e-8 under the root instead of beside it.
            for got in got {
                close(got, want, 2e-6 * moved, || format!("{} after {step} steps", backend.name()));
            }
        }
        assert!(moved > 1.0);
    }
}

#[test]
fn adams_small_constant_under_the_root_never_makes_a_step_longer_by_more_than_root_two() {
    for (backend, exponent) in Backend::all().flat_map(|backend| (-12..=-3).map(move |exponent| (backend, exponent))) {
        for (got, want) in adam_path(backend, std::iter::repeat_n(10f32.powi(exponent), 50)) {
            let longer = got.map(|got| f64::from(got) / want);
            let held = longer.iter().all(|longer| (0.9999..=1.4143).contains(longer));
            assert!(held, "{} g = 1e{exponent}: {longer:?}", backend.name());
        }
    }
}

/// Steps until averages of the smallest gradients that matter would have left the normal numbers.
#[test]
fn averages_never_end_as_denormals_when_gradients_stop() {
    let (len, rests) = if cfg!(miri) { (3, 50) } else { (19, 30_000) };
    let mut rng = Rng(9);
    for (backend, case) in Backend::all().flat_map(|backend| [(backend, Case::Momentum), (backend, Case::Adam)]) {
        let planes: [Words; 3] = std::array::from_fn(|_| Words::new(&vec![0.0; len], 0));
        let cells = planes.each_ref().map(Words::cells);
        let slots = &cells[1..=case.rule(1).slots()];
        let step = |step: u64, gradient: &[f32]| {
            backend.dense_step(case.rule(step), cells[0], slots, gradient);
            let denormal = |slot: &Cells<'_>| (0..len).any(|at| slot.get(at).is_subnormal());
            assert!(!slots.iter().any(denormal), "{} {case:?} step {step}", backend.name());
        };
        (1..=10).for_each(|at| step(at, &rng.floats(len, -1e-12, 1e-12)));
        (11..rests).for_each(|at| step(at, &vec![0.0; len]));
        assert!((0..len).all(|at| cfg!(miri) || slots[0].get(at).abs() < 1e-28), "{} {case:?}", backend.name());
    }
}
