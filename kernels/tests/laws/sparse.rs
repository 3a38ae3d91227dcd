//! The row loops of sparse models against the naive thing, for every loss, rule and shape; scores.

use hogback_kernels::{Backend, Ids, Learner, LearnerSpec, Loss, Row, Rule, Scratch, Slot, Step, Table};

use crate::ground::{Rng, Words, bits, close};

/// Rows of the table; ids that leave 4 when divided by 5 are never named.
const TABLE: usize = if cfg!(miri) { 400 } else { 1500 };
const HEAD: usize = 64;
/// How many of the rows are learned; the others stand behind, for asking ahead.
const BEHIND: usize = 6;

/// Relative to the sum of the sizes that go in: a margin's, a word's, after a group of rows.
const BOUND: f64 = 4e-6;

/// A row of data that owns what it says.
#[derive(Clone, Debug)]
struct Example {
    ids: Vec<u32>,
    values: Vec<f32>,
    target: f32,
}

impl Example {
    fn row(&self, ones: bool, limit: usize) -> Row<'_> {
        let ids = Ids::check(&self.ids, limit as u32).expect("ids within the table");
        Row::new(ids, if ones { &[] } else { &self.values }, self.target)
    }

    fn value(&self, at: usize, ones: bool) -> f64 {
        if ones { 1.0 } else { self.values[at].into() }
    }
}

/// Rows of every length from 0 to 40 in the head, the tail and both, and a few long ones, in any order.
fn examples(rng: &mut Rng, binary: bool) -> Vec<Example> {
    let lengths: Vec<usize> = if cfg!(miri) { (0..12).collect() } else { (0..=40).chain([1000, 1001, 1007]).collect() };
    let mut examples: Vec<_> = lengths
        .into_iter()
        .map(|len| {
            let named = |id: &u32| id % 5 != 4;
            let (head, tail) = (0..HEAD as u32, HEAD as u32..TABLE as u32);
            let mut ids: Vec<u32> = match rng.next() % 3 {
                0 if len <= 40 => head.filter(named).collect(),
                1 => tail.filter(named).collect(),
                _ => head.chain(tail).filter(named).collect(),
            };
            rng.shuffle(&mut ids);
            ids.truncate(len);
            assert_eq!(ids.len(), len);
            let mut values = rng.floats(len, -1.0, 1.0);
            values.iter_mut().skip(3).step_by(7).for_each(|value| *value = 0.0);
            let target = if binary { [-1.0, 1.0][(rng.next() % 2) as usize] } else { rng.within(-2.0, 2.0) };
            Example { ids, values, target }
        })
        .collect();
    rng.shuffle(&mut examples);
    examples
}

/// Every combination there is a loop for.
fn specs() -> impl Iterator<Item = LearnerSpec> {
    let losses = [Loss::Logistic, Loss::Squared, Loss::Hinge];
    losses.into_iter().flat_map(|loss| [Rule::Sgd, Rule::Adagrad].map(|rule| (loss, rule))).flat_map(|(loss, rule)| {
        (0..16).map(move |flags| {
            let [head, ahead, ones, decay] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
            LearnerSpec { loss, rule, head, ahead, ones, decay }
        })
    })
}

/// The rates and the L2 factors of a run.
struct Rates {
    rate: f32,
    bias_rate: f32,
    floor: f32,
    decay: Vec<f32>,
}

impl Rates {
    fn of(spec: &LearnerSpec, rng: &mut Rng) -> Self {
        let rate = if spec.rule == Rule::Sgd { 1e-3 } else { 1e-2 };
        let mut decay = rng.floats(if spec.decay { TABLE } else { 0 }, 0.0, 0.5);
        decay.iter_mut().step_by(3).for_each(|factor| *factor = 0.0);
        Self { rate, bias_rate: 0.5 * rate, floor: 0.1, decay }
    }

    fn step(&self) -> Step<'_> {
        Step { rate: self.rate, bias_rate: self.bias_rate, floor: self.floor, decay: &self.decay }
    }
}

/// The naive thing: one table of [w, n] in f64, one row after the other.
struct Naive {
    pairs: Vec<[f64; 2]>,
    bias: [f64; 2],
}

impl Naive {
    /// Checks the margin that a kernel gave `example`, and learns the example with the slope at that margin.
    fn learn(&mut self, spec: &LearnerSpec, rates: &Rates, example: &Example, margin: f32) {
        let terms = || {
            example.ids.iter().enumerate().map(|(at, &id)| self.pairs[id as usize][0] * example.value(at, spec.ones))
        };
        let size = 1.0 + terms().map(f64::abs).sum::<f64>();
        close(margin, terms().sum::<f64>() + self.bias[0], BOUND * size, || {
            format!("a margin of {} ids", example.ids.len())
        });

        let (margin, y) = (f64::from(margin), f64::from(example.target));
        let slope = match spec.loss {
            Loss::Logistic => -y / (1.0 + (y * margin).exp()),
            Loss::Squared => margin - y,
            Loss::Hinge => {
                if y * margin < 1.0 {
                    -y
                } else {
                    0.0
                }
            }
        };
        // The penalty of plain descent is taken at the end of the step, that of Adagrad is part of the gradient.
        let step = |pair: &mut [f64; 2], slope: f64, decay: f64, rate: f32| match spec.rule {
            Rule::Sgd => pair[0] = (pair[0] - f64::from(rate) * slope) / (1.0 + f64::from(rate) * decay),
            Rule::Adagrad => {
                let gradient = slope + decay * pair[0];
                pair[1] += gradient * gradient;
                pair[0] -= f64::from(rate) * gradient / (f64::from(rates.floor) + pair[1]).sqrt();
            }
        };
        for (at, &id) in example.ids.iter().enumerate() {
            let decay = rates.decay.get(id as usize).copied().unwrap_or(0.0);
            let pair = &mut self.pairs[id as usize];
            step(pair, slope * example.value(at, spec.ones), f64::from(decay), rates.rate);
        }
        step(&mut self.bias, slope, 0.0, rates.bias_rate);
    }
}

/// A table's words, and those of its head; both with half a row more than they need where a row has two words.
struct Parts {
    shared: Words,
    head: Words,
    width: usize,
}

impl Parts {
    fn new(rule: Rule, head: bool, rng: &mut Rng, offset: usize) -> Self {
        let width = rule.width();
        let mut fill = |rows: usize| -> Vec<f32> {
            let word = |at| if at % width == 1 { rng.within(0.0, 0.5) } else { rng.within(-0.05, 0.05) };
            (0..rows * width + width - 1).map(word).collect()
        };
        let (shared, head) = (fill(TABLE), if head { fill(HEAD) } else { Vec::new() });
        Self { shared: Words::new(&shared, offset), head: Words::new(&head, offset + 1), width }
    }

    fn table(&self) -> Table<'_> {
        if self.head.cells().is_empty() {
            Table::whole(self.shared.cells(), self.width)
        } else {
            Table::with_head(self.shared.cells(), self.head.cells(), self.width)
        }
    }

    /// The [w, n] of every row as the child sees it; n is 0 where there is none.
    fn pairs(&self) -> Vec<[f32; 2]> {
        let (shared, head) = (self.shared.values(), self.head.values());
        let rows = |words: &[f32]| -> Vec<[f32; 2]> {
            words.chunks_exact(self.width).map(|row| [row[0], row.get(1).copied().unwrap_or(0.0)]).collect()
        };
        let mut pairs = rows(&head);
        pairs.extend(&rows(&shared)[pairs.len()..]);
        pairs
    }

    fn bits(&self) -> [Vec<u32>; 2] {
        [bits(&self.shared.values()), bits(&self.head.values())]
    }
}

fn run(backend: Backend, spec: LearnerSpec, offset: usize, rng: &mut Rng) {
    let parts = Parts::new(spec.rule, spec.head, rng, offset);
    let rates = Rates::of(&spec, rng);
    let examples = examples(rng, spec.loss != Loss::Squared);
    // What comes next is only asked for: it may name rows that are not there yet.
    let next: Vec<_> = (0..BEHIND as u32).map(|i| [i, TABLE as u32 + i, u32::MAX - 1 - i]).collect();
    let mut rows: Vec<_> = examples.iter().map(|example| example.row(spec.ones, TABLE)).collect();
    rows.extend(next.iter().map(|ids| Row::new(Ids::check(ids, u32::MAX).expect("below the limit"), &[], 1.0)));

    let (before, head_before) = (parts.pairs(), parts.shared.values());
    let mut bias = Slot { weight: 0.01, squares: 0.2 };
    let mut naive =
        Naive { pairs: before.iter().map(|pair| pair.map(f64::from)).collect(), bias: [0.01, 0.2f32].map(f64::from) };
    let mut margins = vec![f32::NAN; examples.len()];
    Learner::new(backend, spec).learn(
        &parts.table(),
        &rows,
        &mut bias,
        &rates.step(),
        &mut margins,
        &mut Scratch::default(),
    );

    for (example, &margin) in examples.iter().zip(&margins) {
        naive.learn(&spec, &rates, example, margin);
    }
    let near = |got: f32, want: f64, what: &dyn Fn() -> String| close(got, want, BOUND * (1.0 + want.abs()), what);
    for (id, (got, want)) in parts.pairs().into_iter().zip(&naive.pairs).enumerate() {
        if id % 5 == 4 {
            assert_eq!(bits(&got), bits(&before[id]), "row {id}, never named");
        }
        near(got[0], want[0], &|| format!("weight {id}"));
        near(got[1], want[1], &|| format!("slot {id}"));
    }
    near(bias.weight, naive.bias[0], &|| "intercept".into());
    near(bias.squares, naive.bias[1], &|| "the intercept's slot".into());
    if spec.head {
        let words = HEAD * parts.width;
        assert_eq!(bits(&parts.shared.values()[..words]), bits(&head_before[..words]), "the head's shared words");
    }
}

#[test]
fn a_group_of_rows_is_learned_as_the_naive_thing_learns_it() {
    for backend in Backend::all() {
        for (number, spec) in specs().enumerate() {
            println!("{} {spec:?}", backend.name());
            run(backend, spec, number, &mut Rng(number as u64));
        }
    }
}

#[test]
fn a_group_learned_in_parts_is_the_group_learned_at_once() {
    let rates = |spec| Rates::of(&spec, &mut Rng(10));
    for (backend, spec) in Backend::all().flat_map(|backend| specs().map(move |spec| (backend, spec))) {
        let examples = examples(&mut Rng(11), true);
        let rows: Vec<_> = examples.iter().map(|example| example.row(spec.ones, TABLE)).collect();
        let learner = Learner::new(backend, spec);
        let learned = |cuts: &[usize]| {
            let (parts, rates) = (Parts::new(spec.rule, spec.head, &mut Rng(12), 0), rates(spec));
            let (mut bias, mut scratch, mut margins) = (Slot::default(), Scratch::default(), vec![0.0; rows.len()]);
            for cut in cuts.windows(2) {
                let (rows, margins) = (&rows[cut[0]..], &mut margins[cut[0]..cut[1]]);
                learner.learn(&parts.table(), rows, &mut bias, &rates.step(), margins, &mut scratch);
            }
            (parts.bits(), bits(&[bias.weight, bias.squares]), bits(&margins))
        };
        assert!(learned(&[0, rows.len()]) == learned(&[0, 1, 5, 5, rows.len()]), "{} {spec:?}", backend.name());
    }
}

#[test]
fn a_nan_in_the_data_is_seen_in_the_margins_and_stops_nothing() {
    for (backend, spec) in Backend::all().flat_map(|backend| specs().map(move |spec| (backend, spec))) {
        if spec.ones || spec.loss == Loss::Hinge {
            continue; // No value to spoil; a loss whose slope at a NaN is 0, so that the row is left alone.
        }
        let parts = Parts::new(spec.rule, spec.head, &mut Rng(13), 0);
        let rates = Rates::of(&spec, &mut Rng(13));
        let mut first = Example { ids: vec![1, 2, 3], values: vec![1.0, f32::NAN, 1.0], target: 1.0 };
        // The sign of a NaN that arithmetic makes differs from that of the constant.
        first.values[1] = f32::from_bits(0xffc0_0000);
        let second = Example { ids: vec![70], values: vec![1.0], target: 1.0 };
        let rows = [first.row(false, TABLE), second.row(false, TABLE)];
        let mut margins = [0.0; 2];
        Learner::new(backend, spec).learn(
            &parts.table(),
            &rows,
            &mut Slot::default(),
            &rates.step(),
            &mut margins,
            &mut Scratch::default(),
        );
        assert!(margins[0].is_nan() && margins[1].is_nan(), "{} {spec:?}: {margins:?}", backend.name());
    }
}

#[test]
fn a_score_is_the_margin_and_changes_nothing() {
    let mut rng = Rng(14);
    for (backend, rule) in Backend::all().flat_map(|backend| [Rule::Sgd, Rule::Adagrad].map(|rule| (backend, rule))) {
        let parts = Parts::new(rule, false, &mut rng, 1);
        let examples = examples(&mut rng, true);
        let rows: Vec<_> = examples.iter().enumerate().map(|(at, example)| example.row(at % 2 == 0, TABLE)).collect();
        let (before, pairs) = (parts.bits(), parts.pairs());
        let mut margins = vec![f32::NAN; rows.len()];
        backend.score(&parts.table(), &rows, 0.25, &mut margins);
        assert_eq!(parts.bits(), before);
        for (number, (example, &margin)) in examples.iter().zip(&margins).enumerate() {
            let term = |(at, &id): (usize, &u32)| f64::from(pairs[id as usize][0]) * example.value(at, number % 2 == 0);
            let terms = || example.ids.iter().enumerate().map(term);
            let bound = BOUND * (1.0 + terms().map(f64::abs).sum::<f64>());
            close(margin, terms().sum::<f64>() + 0.25, bound, || format!("{} {rule:?} row {number}", backend.name()));
        }
    }
}
