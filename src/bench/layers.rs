//! What does a batch cost that goes through layers in private memory, forwards, backwards and a step of Adam? Against its products alone;
//! and what does a network cost that is laid out anew for it?

use hogback_kernels::{Activation, Adam, ClassLoss, DenseRule, Layout, Matrix, MatrixMut, Objective};

use super::contest::{Case, Threads, Unit, Way};
use super::{Bench, Question};
use crate::error::Result;
use crate::model::network::{Buffers, Input, Network, Pass, Shape};
use crate::theta::private::Private;

/// Rows in a batch, and the sizes of what goes in and of what comes out of each layer: digits as `search` will learn them, and mnist.
const CASES: [(usize, [usize; 3]); 2] = [(32, [64, 64, 10]), (64, [784, 128, 10])];

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    CASES.into_iter().try_for_each(|(rows, sizes)| case(bench, rows, sizes, each))
}

fn case(bench: &Bench, rows: usize, sizes: [usize; 3], each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let [inputs, hidden, outputs] = sizes;
    let shape = Shape { inputs, hidden: vec![hidden], activation: Activation::Relu, outputs, skips: Vec::new() };
    let batch = Rows { rows, outputs, x: (0..rows * inputs).map(|at| (at % 7) as f32 / 3.0 - 1.0).collect() };
    let network = Network::new(&shape);
    let mut learner = Learner::new(bench, &network);
    let mut other = Learner::new(bench, &network);
    // As many words as all that the products read and write.
    let (x, w) = (vec![0.5; rows * inputs.max(hidden)], vec![0.25; inputs * hidden]);
    let (mut y, mut dw) = (vec![0.0; rows * hidden.max(inputs)], vec![0.0; inputs * hidden]);
    let mut products = || {
        let multiply = |c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>| {
            let (m, n) = (a.rows(), b.columns());
            bench.backend.multiply(MatrixMut::new(&mut c[..m * n], m, n), a, b, false);
        };
        for (from, to) in [(inputs, hidden), (hidden, outputs)] {
            let (a, b) = (Matrix::new(&x[..rows * from], rows, from), Matrix::new(&w[..from * to], from, to));
            multiply(&mut y, a, b);
            let dz = Matrix::new(&x[..rows * to], rows, to);
            multiply(&mut dw, a.transposed(), dz);
            if from == hidden {
                multiply(&mut y, dz, b.transposed());
            }
        }
    };
    each(Case {
        question: Question::Layers,
        name: format!("{inputs} -> {hidden} -> {outputs}, batch of {rows}"),
        threads: Threads::One,
        unit: Unit::Times,
        ways: vec![
            Way::new("batch", 1.0, || learner.learn(bench, &network, &batch)),
            Way::new("products", 1.0, &mut products),
            Way::new("laid out anew", 1.0, || {
                let network = Network::new(&shape);
                network.begin(other.private.weights_mut(), inputs as f64, &vec![0.0; outputs], 1);
                other.learn(bench, &network, &batch);
            }),
        ],
        ratios: vec![(0, 1), (2, 0)],
    })
}

/// A batch, whose classes take turns.
struct Rows {
    rows: usize,
    outputs: usize,
    x: Vec<f32>,
}

/// A network's parameters in private memory, with what learning needs.
struct Learner {
    private: Private,
    buffers: Buffers,
}

impl Learner {
    fn new(bench: &Bench, network: &Network) -> Self {
        let mut private = Private::new(bench.backend, network.words(), 2);
        network.begin(private.weights_mut(), network.inputs() as f64, &vec![0.0; network.outputs()], 1);
        Self { private, buffers: Buffers::default() }
    }

    fn learn(&mut self, bench: &Bench, network: &Network, batch: &Rows) {
        let (backend, stride) = (bench.backend, Layout::new(batch.outputs, 0).stride());
        let objective = Objective::Classes { loss: ClassLoss::Softmax, classes: batch.outputs };
        let targets: Vec<f32> = (0..batch.rows).map(|row| (row % batch.outputs) as f32).collect();
        let mean = vec![1.0 / batch.rows as f32; batch.rows];
        let (weights, gradient) = self.private.parts();
        let input = Input::Dense(&batch.x);
        let pass = Pass { backend, weights, input, rows: batch.rows, dropout: None, stride };
        network.forward(pass, &mut self.buffers);
        let (margins, slopes) = self.buffers.margins_and_slopes();
        backend.slopes(objective, margins, &targets, &mean, slopes);
        network.backward(pass, &mut self.buffers, gradient, None);
        self.private.step(|step| DenseRule::Adam(Adam::at(step, 1e-3)));
    }
}
