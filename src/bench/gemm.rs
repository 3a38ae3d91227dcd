//! How fast are products of small matrices? Those of layers and their gradients against blocks of six rows and nothing else, and against
//! as many products and sums as the processor has in that time; the first layer of sparse rows against the same rows written out.

use hogback_kernels::{Ids, Matrix, MatrixMut, Row, Turned};

use super::contest::{Case, Threads, Unit, Way};
use super::{Bench, Private, Question};
use crate::error::Result;
use crate::generate::Random;

/// A product of m × k by k × n words.
struct Shape {
    what: &'static str,
    m: usize,
    k: usize,
    n: usize,
    /// The left matrix is read transposed: that of a gradient.
    turned: bool,
}

/// Layers forwards, batch x inputs -> outputs, and the gradient of the weights of one.
const SHAPES: [Shape; 9] = [
    Shape { what: "layer", m: 64, k: 64, n: 128, turned: false },
    Shape { what: "layer", m: 64, k: 128, n: 10, turned: false },
    Shape { what: "layer", m: 64, k: 784, n: 256, turned: false },
    Shape { what: "layer", m: 64, k: 256, n: 10, turned: false },
    Shape { what: "layer", m: 1, k: 784, n: 256, turned: false },
    Shape { what: "layer", m: 16, k: 784, n: 256, turned: false },
    Shape { what: "layer", m: 256, k: 784, n: 256, turned: false },
    Shape { what: "gradient", m: 784, k: 64, n: 256, turned: true },
    Shape { what: "gradient", m: 128, k: 64, n: 10, turned: true },
];
/// Rounds of what is compared with the processor's best.
const ROUNDS: usize = 1000;
/// A batch of sparse rows: how many, of how many features, of which one in so many is not 0, for how many outputs.
const SPARSE: [usize; 4] = [64, 784, 5, 128];

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    for shape in SHAPES.iter().take(bench.size(SHAPES.len(), 2)) {
        dense(bench, shape, each)?;
    }
    sparse(bench, each)
}

fn dense(bench: &Bench, shape: &Shape, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let &Shape { what, m, k, n, turned } = shape;
    let (a, b) = (Private::new(m * k, 0.5), Private::new(k * n, 0.25));
    let (mut c, mut other) = (Private::new(m * n, 0.0), Private::new(m * n, 0.0));
    let left = if turned { Matrix::new(a.words(), k, m).transposed() } else { Matrix::new(a.words(), m, k) };
    let right = Matrix::new(b.words(), k, n);
    let work = (2 * m * k * n) as f64;
    let most = bench.backend.multiply_nothing(ROUNDS) as f64;
    each(Case {
        question: Question::Gemm,
        name: format!("{what}, {m} x {k} -> {n}"),
        threads: Threads::One,
        unit: Unit::Operations,
        ways: vec![
            Way::new("product", work, || {
                bench.backend.multiply(MatrixMut::new(c.words_mut(), m, n), left, right, false);
            }),
            Way::new("bare blocks", work, || {
                bench.backend.multiply_plainly(other.words_mut(), a.words(), b.words(), [m, k, n], turned);
            }),
            Way::new("registers alone", most, || {
                bench.backend.multiply_nothing(ROUNDS);
            }),
        ],
        ratios: vec![(0, 1), (0, 2)],
    })
}

/// The first layer of rows that are mostly zeros, forwards and the gradient of its weights.
fn sparse(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let [rows, features, one_in, outputs] = SPARSE;
    let mut random = Random::new(7);
    let mut dense = Private::new(rows * features, 0.0);
    let mut ids: Vec<Vec<u32>> = vec![Vec::new(); rows];
    for (row, ids) in ids.iter_mut().enumerate() {
        for feature in (0..features).filter(|_| random.share() * (one_in as f64) < 1.0) {
            ids.push(feature as u32);
            dense.words_mut()[row * features + feature] = 1.0;
        }
    }
    let nonzeros: usize = ids.iter().map(Vec::len).sum();
    let ones = vec![1.0; features];
    // All ids are below the number of features.
    let checked = ids.iter().map(|ids| Ids::check(ids, features as u32).unwrap_or_default());
    let batch: Vec<Row<'_>> = checked.map(|ids| Row::new(ids, &ones[..ids.as_slice().len()], 0.0)).collect();
    let x = Matrix::new(dense.words(), rows, features);
    let (w, dy) = (Private::new(features * outputs, 0.1), Private::new(rows * outputs, 0.1));
    let (w, dy) = (Matrix::new(w.words(), features, outputs), Matrix::new(dy.words(), rows, outputs));
    let (mut y, mut other) = (Private::new(rows * outputs, 0.0), Private::new(rows * outputs, 0.0));
    let (mut dw, mut another) = (Private::new(features * outputs, 0.0), Private::new(features * outputs, 0.0));
    let mut turned = Turned::default();
    let case = |what: &str, ways| Case {
        question: Question::Gemm,
        name: format!("{what}, {rows} rows, a {one_in}th of {features} -> {outputs}"),
        threads: Threads::One,
        unit: Unit::Nonzeros,
        ways,
        ratios: vec![(0, 1)],
    };
    let work = nonzeros as f64;
    let layer = vec![
        Way::new("sparse", work, || {
            y.words_mut().fill(0.0);
            bench.backend.multiply_rows(MatrixMut::new(y.words_mut(), rows, outputs), &batch, w);
        }),
        Way::new("dense", work, || {
            bench.backend.multiply(MatrixMut::new(other.words_mut(), rows, outputs), x, w, false);
        }),
    ];
    each(case("sparse layer", layer))?;
    let gradient = vec![
        Way::new("sparse, turned", work, || {
            turned.turn(&batch, features);
            bench.backend.multiply_turned(MatrixMut::new(dw.words_mut(), features, outputs), &turned, dy);
        }),
        Way::new("dense", work, || {
            let dw = MatrixMut::new(another.words_mut(), features, outputs);
            bench.backend.multiply(dw, x.transposed(), dy, false);
        }),
    ];
    each(case("sparse gradient", gradient))
}
