//! Laws of networks: gradients against finite differences, and steps against numbers recorded from PyTorch.

use hogback_kernels::{Adam, Backend, ClassLoss, DenseRule, Ids, Loss, Objective, mix};
use serde_json::Value;

use super::*;
use crate::theta::private::Private;

/// Numbers from -1 to 1, by a seed.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let number = |at: usize| (mix(seed ^ mix(at as u64)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    (0..count).map(number).collect()
}

/// A network with a batch to go through it.
struct Case {
    network: Network,
    weights: Vec<f32>,
    inputs: Vec<f32>,
    means: Vec<f32>,
    objective: Objective,
    targets: Vec<f32>,
    row_weights: Vec<f32>,
    dropout: Option<Dropout>,
}

const ROWS: usize = 7;

impl Case {
    fn new(shape: &Shape, objective: Objective, dropout: Option<Dropout>) -> Self {
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        let network = Network::new(shape);
        let mut weights = vec![0.0; network.words()];
        network.begin(&mut weights, inputs as f64, &numbers(1, outputs), 7);
        for part in network.parts().filter(|part| part.rows == 1) {
            weights[part.words.clone()].copy_from_slice(&numbers(2, part.words.len()));
        }
        let target = |row: usize| match objective {
            Objective::One(Loss::Squared) => row as f32 / 3.0 - 1.0,
            Objective::One(_) => (row % 2) as f32 * 2.0 - 1.0,
            Objective::Classes { classes, .. } => (row % classes) as f32,
        };
        Self {
            network,
            weights,
            // Every third number is 0, which a sparse row leaves out.
            inputs: numbers(3, ROWS * inputs)
                .iter()
                .enumerate()
                .map(|(at, x)| if at % 3 == 0 { 0.0 } else { *x })
                .collect(),
            means: numbers(4, inputs),
            objective,
            targets: (0..ROWS).map(target).collect(),
            row_weights: (0..ROWS).map(|row| 0.5 + row as f32 / 4.0).collect(),
            dropout,
        }
    }

    fn stride(&self) -> usize {
        hogback_kernels::Layout::new(self.network.outputs(), 0).stride()
    }

    /// Dense rows, their means off.
    fn centred(&self) -> Vec<f32> {
        let width = self.network.inputs();
        self.inputs.iter().enumerate().map(|(at, x)| x - self.means[at % width]).collect()
    }

    /// The loss of the batch where these are weights and dense input.
    fn loss(&self, backend: Backend, weights: &[f32], input: &[f32]) -> f64 {
        let (mut buffers, stride) = (Buffers::default(), self.stride());
        let input = Input::Dense(input);
        let pass = Pass { backend, weights, input, rows: ROWS, dropout: self.dropout, stride };
        self.network.forward(pass, &mut buffers);
        let (targets, row_weights) = (&self.targets, &self.row_weights);
        match self.objective {
            Objective::One(loss) => backend.sum_loss(loss, buffers.margins(), targets, row_weights).loss,
            Objective::Classes { loss, classes } => {
                backend.sum_class_loss(loss, classes, buffers.margins(), targets, row_weights).0
            }
        }
    }

    /// The gradient of the weights, and the slopes by the input where rows are `dense`.
    fn gradients(&self, backend: Backend, dense: bool) -> (Vec<f32>, Vec<f32>) {
        let (mut buffers, stride, width) = (Buffers::default(), self.stride(), self.network.inputs());
        let centred = self.centred();
        let mut sparse: Vec<(Vec<u32>, Vec<f32>)> = Vec::new();
        for row in self.inputs.chunks(width) {
            sparse.push((0u32..).zip(row).filter(|(_, x)| **x != 0.0).unzip());
        }
        let rows: Vec<Row<'_>> =
            sparse.iter().map(|(ids, values)| Row::new(Ids::check(ids, width as u32).unwrap(), values, 0.0)).collect();
        let input = if dense { Input::Dense(&centred) } else { Input::Sparse(&rows, &self.means) };
        let (mut gradient, mut inputs) = (vec![9.0; self.network.words()], vec![9.0; ROWS * width]);
        let wanted = dense.then_some(&mut inputs[..]);
        let (network, weights) = (&self.network, &self.weights);
        let pass = Pass { backend, weights, input, rows: ROWS, dropout: self.dropout, stride };
        network.forward(pass, &mut buffers);
        let (margins, slopes) = buffers.margins_and_slopes();
        backend.slopes(self.objective, margins, &self.targets, &self.row_weights, slopes);
        network.backward(pass, &mut buffers, &mut gradient, wanted);
        (gradient, inputs)
    }
}

/// Networks of all activations, losses and depths, with dropout and without, with skips and without.
fn cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    let softmax = Objective::Classes { loss: ClassLoss::Softmax, classes: 5 };
    for activation in [Activation::Relu, Activation::Tanh, Activation::Gelu] {
        for (objective, outputs) in
            [(softmax, 5), (Objective::One(Loss::Logistic), 1), (Objective::One(Loss::Squared), 1)]
        {
            for (hidden, skips) in [
                (&[][..], &[][..]),
                (&[9], &[]),
                (&[17, 6], &[]),
                // Past the one hidden layer; to and from a hidden layer; from one layer to several, and from several to one.
                (&[9], &[(0, 2)]),
                (&[12, 5], &[(0, 2), (1, 3)]),
                (&[8, 5, 7], &[(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)]),
            ] {
                for dropout in [None, Some(Dropout { share: 0.3, seed: 11 })] {
                    let (hidden, skips) = (hidden.to_vec(), skips.to_vec());
                    let shape = Shape { inputs: 13, hidden, activation, outputs, skips };
                    let name = format!("{shape:?} {objective:?} {dropout:?}");
                    cases.push((name, Case::new(&shape, objective, dropout)));
                }
            }
        }
    }
    cases
}

/// The derivative along a direction is what the gradient says; a direction within each part of the words, and one of the input. Sizes are
/// such that none of these crosses a corner of relu.
#[test]
fn gradients_are_those_of_finite_differences() {
    const BY: f32 = 1e-2;
    for backend in Backend::all() {
        for (name, case) in cases() {
            let (gradient, inputs) = case.gradients(backend, true);
            let centred = case.centred();
            let moved = |words: &[f32], at: Range<usize>, along: &[f32], by: f32| {
                let mut moved = words.to_vec();
                moved[at].iter_mut().zip(along).for_each(|(word, along)| *word += by * along);
                moved
            };
            let near = |what: &str, up: f64, down: f64, slopes: &[f32], along: &[f32]| {
                let measured = (up - down) / f64::from(2.0 * BY);
                let said: f64 = slopes.iter().zip(along).map(|(slope, along)| f64::from(slope * along)).sum();
                let size: f64 = slopes.iter().zip(along).map(|(slope, along)| f64::from((slope * along).abs())).sum();
                assert!(
                    (measured - said).abs() <= 5e-3 * (0.1 + size),
                    "{} {name} {what}: {measured} {said}",
                    backend.name()
                );
            };
            for part in case.network.parts() {
                let along = numbers(5, part.words.len());
                let loss = |by| case.loss(backend, &moved(&case.weights, part.words.clone(), &along, by), &centred);
                near(&part.name, loss(BY), loss(-BY), &gradient[part.words.clone()], &along);
            }
            let along = numbers(6, centred.len());
            let loss = |by| case.loss(backend, &case.weights, &moved(&centred, 0..centred.len(), &along, by));
            near("input", loss(BY), loss(-BY), &inputs, &along);
        }
    }
}

#[test]
fn sparse_rows_with_means_are_dense_rows_without() {
    for backend in Backend::all() {
        for (name, case) in cases() {
            let ((dense, _), (sparse, _)) = (case.gradients(backend, true), case.gradients(backend, false));
            for part in case.network.parts() {
                for (a, b) in dense[part.words.clone()].iter().zip(&sparse[part.words.clone()]) {
                    assert!(
                        (a - b).abs() <= 2e-5 * (1.0 + a.abs()),
                        "{} {name} {}: {a} {b}",
                        backend.name(),
                        part.name
                    );
                }
            }
        }
    }
}

#[test]
fn parts_follow_each_other_without_overlap_and_have_their_names() {
    let shape = Shape { inputs: 3, hidden: vec![5, 2], activation: Activation::Relu, outputs: 4, skips: Vec::new() };
    let network = Network::new(&shape);
    let parts: Vec<Part> = network.parts().collect();
    let names: Vec<(&str, usize, usize)> = parts.iter().map(|part| (&*part.name, part.rows, part.width)).collect();
    let weights = [("layer1.weight", 3, 5), ("layer2.weight", 5, 2), ("layer3.weight", 2, 4)];
    let biases = [("layer1.bias", 1, 5), ("layer2.bias", 1, 2), ("layer3.bias", 1, 4)];
    assert_eq!(names, weights.into_iter().zip(biases).flat_map(|(weight, bias)| [weight, bias]).collect::<Vec<_>>());
    assert!(parts.windows(2).all(|two| two[0].words.end <= two[1].words.start));
    assert_eq!(network.parameters(), 15 + 5 + 10 + 2 + 8 + 4);
    assert!(parts.last().is_some_and(|part| part.words.end <= network.words()));

    // What is skipped to a layer adds rows to its weights alone.
    let skipping = Network::new(&Shape { skips: vec![(0, 2), (0, 3), (1, 3)], ..shape });
    let rows: Vec<usize> = skipping.parts().map(|part| part.rows).collect();
    assert_eq!(rows, [3, 1, 5 + 3, 1, 2 + 5 + 3, 1]);
    assert_eq!(skipping.parameters(), network.parameters() + 3 * 2 + (5 + 3) * 4);
    assert_eq!((skipping.sizes(), skipping.between()), (network.sizes(), network.between()));
}

/// A layer sees the one before, and then what is skipped to it, the nearest first.
#[test]
fn a_skip_is_the_outputs_of_an_earlier_layer_behind_those_of_the_one_before() {
    let skips = vec![(0, 2), (0, 3), (1, 3)];
    let shape = Shape { inputs: 4, hidden: vec![5, 2], activation: Activation::Tanh, outputs: 3, skips };
    let case = Case::new(&shape, Objective::Classes { loss: ClassLoss::Softmax, classes: 3 }, None);
    let parts: Vec<Part> = case.network.parts().collect();
    let layer = |nth: usize, x: &[f64]| -> Vec<f64> {
        let (weights, bias) = (&parts[2 * nth - 2], &parts[2 * nth - 1]);
        assert_eq!(weights.rows, x.len());
        let weight = |row: usize, at: usize| f64::from(case.weights[weights.words.start + row * weights.width + at]);
        let z = |at: usize| (0..x.len()).map(|row| x[row] * weight(row, at)).sum::<f64>();
        (0..weights.width).map(|at| z(at) + f64::from(case.weights[bias.words.start + at])).collect()
    };
    let behind = |z: Vec<f64>| -> Vec<f64> { z.into_iter().map(f64::tanh).collect() };
    for backend in Backend::all() {
        let (centred, stride, mut buffers) = (case.centred(), case.stride(), Buffers::default());
        let input = Input::Dense(&centred);
        let pass = Pass { backend, weights: &case.weights, input, rows: ROWS, dropout: None, stride };
        case.network.forward(pass, &mut buffers);
        for (row, margins) in centred.chunks(4).zip(buffers.margins().chunks(stride)) {
            let x: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let first = behind(layer(1, &x));
            let second = behind(layer(2, &[&first[..], &x].concat()));
            let want = layer(3, &[&second[..], &first, &x].concat());
            for (margin, want) in margins.iter().zip(want) {
                assert!((f64::from(*margin) - want).abs() < 1e-5, "{}: {margin} {want}", backend.name());
            }
        }
    }
}

/// So that layers that see much begin no louder than others.
#[test]
fn weights_begin_by_all_that_goes_into_a_layer() {
    let skips = vec![(0, 2), (0, 3), (1, 3)];
    let shape = Shape { inputs: 300, hidden: vec![200, 100], activation: Activation::Relu, outputs: 50, skips };
    let network = Network::new(&shape);
    let mut words = vec![0.0; network.words()];
    // The rows that go in are of a mean squared norm of 60, whatever their width.
    network.begin(&mut words, 60.0, &[0.0; 50], 3);
    let wants = [2.0 / 60.0, 2.0 / (200.0 + 60.0), 0.01 / (100.0 + 200.0 + 60.0)];
    for (weights, want) in network.weights().zip(wants) {
        let weights = &words[weights];
        let square = weights.iter().map(|&word| f64::from(word).powi(2)).sum::<f64>() / weights.len() as f64;
        assert!((square / want - 1.0).abs() < 0.05, "{square} {want}");
    }
}

/// See tools/fixtures/network.py.
#[test]
fn the_first_100_steps_are_those_of_pytorch() {
    let text = include_str!("../../../tests/fixtures/network.json");
    let fixture: Value = serde_json::from_str(text).unwrap();
    let floats = |value: &Value| -> Vec<f32> {
        let all = value.as_array().unwrap();
        all.iter()
            .flat_map(|one| one.as_array().map_or(std::slice::from_ref(one), Vec::as_slice))
            .map(|one| one.as_f64().unwrap() as f32)
            .collect()
    };
    let (inputs, batch) = (floats(&fixture["inputs"]), fixture["batch"].as_u64().unwrap() as usize);
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for (backend, case) in Backend::all().flat_map(|backend| cases.iter().map(move |case| (backend, case))) {
        let sizes: Vec<usize> = floats(&case["sizes"]).iter().map(|&size| size as usize).collect();
        let [width, hidden @ .., outputs] = &sizes[..] else { panic!("sizes") };
        let activation = match case["activation"].as_str().unwrap() {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            _ => Activation::Gelu,
        };
        let (hidden, skips) = (hidden.to_vec(), Vec::new());
        let network = Network::new(&Shape { inputs: *width, hidden, activation, outputs: *outputs, skips });
        let objective = match case["loss"].as_str().unwrap() {
            "softmax" => Objective::Classes { loss: ClassLoss::Softmax, classes: *outputs },
            "logistic" => Objective::One(Loss::Logistic),
            _ => Objective::One(Loss::Squared),
        };
        let rate = case["rate"].as_f64().unwrap() as f32;
        let optimiser = case["optimiser"].as_str().unwrap();
        let rule = |step| match optimiser {
            "sgd" => DenseRule::Sgd { rate },
            "momentum" => DenseRule::Momentum { rate, momentum: 0.9 },
            "adagrad" => DenseRule::Adagrad { rate, floor: 1.0 },
            _ => DenseRule::Adam(Adam::at(step, rate)),
        };
        let mut private = Private::new(backend, network.words(), rule(1).slots());
        let layers = |name: &str| -> Vec<f32> {
            let layers = case[name].as_array().unwrap().iter();
            layers.flat_map(|layer| [floats(&layer["weights"]), floats(&layer["biases"])].concat()).collect()
        };
        let mut initial = &layers("initial")[..];
        for part in network.parts() {
            let (here, rest) = initial.split_at(part.words.len());
            private.weights_mut()[part.words].copy_from_slice(here);
            initial = rest;
        }
        let (targets, losses) = (floats(&case["targets"]), floats(&case["losses"]));
        let stride = hogback_kernels::Layout::new(*outputs, 0).stride();
        let mut buffers = Buffers::default();
        let ones = vec![1.0; batch];
        let mean = vec![1.0 / batch as f32; batch];
        for (step, &want) in losses.iter().enumerate() {
            let first = step * batch % targets.len();
            let input = Input::Dense(&inputs[first * width..(first + batch) * width]);
            let targets = &targets[first..first + batch];
            let (weights, gradient) = private.parts();
            let pass = Pass { backend, weights, input, rows: batch, dropout: None, stride };
            network.forward(pass, &mut buffers);
            let loss = match objective {
                Objective::One(loss) => backend.sum_loss(loss, buffers.margins(), targets, &ones).loss,
                Objective::Classes { loss, classes } => {
                    backend.sum_class_loss(loss, classes, buffers.margins(), targets, &ones).0
                }
            } / batch as f64;
            let (margins, slopes) = buffers.margins_and_slopes();
            backend.slopes(objective, margins, targets, &mean, slopes);
            network.backward(pass, &mut buffers, gradient, None);
            private.step(rule);
            let name = backend.name();
            assert!((loss - f64::from(want)).abs() < 1e-5, "{name} {case:.60?} step {step}: {loss} {want}");
        }
        let got: Vec<f32> = network.parts().flat_map(|part| private.weights()[part.words].to_vec()).collect();
        for (got, want) in got.iter().zip(layers("final")) {
            assert!((got - want).abs() < 2e-5, "{} {optimiser} {activation:?}: {got} {want}", backend.name());
        }
    }
}
