//! The row loops of sparse models against the naive thing, for every objective, rule and shape; scores.

use hogback_kernels::{
    Backend, ClassLoss, Ids, Layout, Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch, Step, Table,
};

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
pub(crate) struct Example {
    pub(crate) ids: Vec<u32>,
    pub(crate) values: Vec<f32>,
    pub(crate) target: f32,
    pub(crate) weight: f32,
}

impl Example {
    /// A row with a target that suits `objective`, and a weight.
    pub(crate) fn new(rng: &mut Rng, ids: Vec<u32>, values: Vec<f32>, objective: Objective) -> Self {
        let target = match objective {
            Objective::Classes { classes, .. } => (rng.next() % classes as u64) as f32,
            Objective::One(Loss::Logistic | Loss::Hinge) => [-1.0, 1.0][(rng.next() % 2) as usize],
            Objective::One(Loss::Squared | Loss::Quantile(_)) => rng.within(-2.0, 2.0),
            Objective::One(Loss::Poisson) => (rng.next() % 4) as f32,
        };
        let weight = [1.0, 1.0, 0.5, 2.0, 0.0][(rng.next() % 5) as usize];
        Self { ids, values, target, weight }
    }

    pub(crate) fn row(&self, ones: bool, limit: usize) -> Row<'_> {
        let ids = Ids::check(&self.ids, limit as u32).expect("ids within the table");
        Row::new(ids, if ones { &[] } else { &self.values }, self.target).weighing(self.weight)
    }

    pub(crate) fn value(&self, at: usize, ones: bool) -> f64 {
        if ones { 1.0 } else { self.values[at].into() }
    }
}

/// Rows of every length from 0 to 40 in the head, the tail and both, and a few long ones, in any order.
fn examples(rng: &mut Rng, objective: Objective) -> Vec<Example> {
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
            Example::new(rng, ids, values, objective)
        })
        .collect();
    rng.shuffle(&mut examples);
    examples
}

/// Losses of one output, and of as many as make every number of registers that are worked on at once, in every backend.
fn objectives() -> Vec<Objective> {
    let one = [Loss::Logistic, Loss::Squared, Loss::Hinge, Loss::Quantile(0.75), Loss::Poisson].map(Objective::One);
    let classes = |loss| [2, 9, 20, 30, 100].map(|classes| Objective::Classes { loss, classes });
    let many = [ClassLoss::Softmax, ClassLoss::Hinge].map(classes).concat();
    [&one[..], &many[..if cfg!(miri) { 2 } else { many.len() }]].concat()
}

/// Every combination there is a loop for.
fn specs() -> impl Iterator<Item = LearnerSpec> {
    let rules = [Rule::Sgd, Rule::Adagrad, Rule::Ftrl];
    let pairs = objectives().into_iter().flat_map(move |objective| rules.map(|rule| (objective, rule)));
    pairs.flat_map(|(objective, rule)| {
        // Of the largest tables, which take their time to fill, one of a kind.
        let flags = if objective.outputs() > 50 {
            1
        } else if rule == Rule::Ftrl {
            8
        } else {
            16
        };
        (0..flags).map(move |flags| {
            let [head, ahead, ones, decay] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
            LearnerSpec { objective, rule, head, ahead, ones, decay, factors: None }
        })
    })
}

/// The rates and the penalties of a run.
struct Rates {
    rate: f32,
    bias_rate: f32,
    floor: f32,
    decay: Vec<f32>,
    l1: f32,
}

impl Rates {
    fn of(spec: &LearnerSpec, rng: &mut Rng) -> Self {
        let rate = if spec.rule == Rule::Sgd { 1e-3 } else { 1e-2 };
        let mut decay = rng.floats(if spec.decay { TABLE } else { 0 }, 0.0, 0.5);
        decay.iter_mut().step_by(3).for_each(|factor| *factor = 0.0);
        Self { rate, bias_rate: 0.5 * rate, floor: 0.1, decay, l1: 0.2 }
    }

    fn step(&self) -> Step<'_> {
        let Self { rate, bias_rate, floor, l1, .. } = *self;
        Step { rate, bias_rate, floor, decay: &self.decay, l1, norm: 0.0 }
    }
}

/// The naive thing: rows of a [word, slot] for each output in f64, one row of data after the other.
struct Naive {
    rows: Vec<Vec<[f64; 2]>>,
    bias: Vec<[f64; 2]>,
    /// The largest slope so far, at least 1: words cannot be more exact than what they were moved by.
    steepest: f64,
}

/// The weight that a pair of the intercept (`rate` is its own) or of a row stands for.
fn weight(rule: Rule, rates: &Rates, bias: bool, [word, slot]: [f64; 2]) -> f64 {
    if rule != Rule::Ftrl {
        return word;
    }
    let rate = f64::from(if bias { rates.bias_rate } else { rates.rate });
    let l1 = if bias { 0.0 } else { f64::from(rates.l1) };
    let beta = f64::from(rates.floor).sqrt();
    (word.clamp(-l1, l1) - word) * rate / (beta + slot.sqrt())
}

impl Naive {
    /// Checks the margins that a kernel gave `example`, and learns the example with the slopes at those margins.
    fn learn(&mut self, spec: &LearnerSpec, rates: &Rates, example: &Example, margins: &[f32]) {
        for (output, &margin) in margins.iter().enumerate() {
            let term = |(at, &id): (usize, &u32)| {
                weight(spec.rule, rates, false, self.rows[id as usize][output]) * example.value(at, spec.ones)
            };
            let terms = || example.ids.iter().enumerate().map(term);
            let bias = weight(spec.rule, rates, true, self.bias[output]);
            let size = 1.0 + terms().map(f64::abs).sum::<f64>();
            close(margin, terms().sum::<f64>() + bias, BOUND * size, || {
                format!("a margin of {} ids, output {output}", example.ids.len())
            });
        }
        let slopes = slopes(spec.objective, margins, example);
        self.steepest = slopes.iter().fold(self.steepest, |most, slope| most.max(slope.abs()));
        // The penalty of plain descent is taken at the end of the step, that of the others is part of the gradient.
        let step = |pair: &mut [f64; 2], slope: f64, decay: f64, bias: bool| {
            let rate = f64::from(if bias { rates.bias_rate } else { rates.rate });
            match spec.rule {
                Rule::Sgd => pair[0] = (pair[0] - rate * slope) / (1.0 + rate * decay),
                Rule::Adagrad => {
                    let gradient = slope + decay * pair[0];
                    pair[1] += gradient * gradient;
                    pair[0] -= rate * gradient / (f64::from(rates.floor) + pair[1]).sqrt();
                }
                Rule::Ftrl => {
                    let weight = weight(spec.rule, rates, bias, *pair);
                    let gradient = slope + decay * weight;
                    let sigma = ((pair[1] + gradient * gradient).sqrt() - pair[1].sqrt()) / rate;
                    pair[0] += gradient - sigma * weight;
                    pair[1] += gradient * gradient;
                }
            }
        };
        for (at, &id) in example.ids.iter().enumerate() {
            let decay = f64::from(rates.decay.get(id as usize).copied().unwrap_or(0.0));
            for (pair, slope) in self.rows[id as usize].iter_mut().zip(&slopes) {
                step(pair, slope * example.value(at, spec.ones), decay, false);
            }
        }
        for (pair, &slope) in self.bias.iter_mut().zip(&slopes) {
            step(pair, slope, 0.0, true);
        }
    }
}

/// The slope of each output, the row's weight included.
pub(crate) fn slopes(objective: Objective, margins: &[f32], example: &Example) -> Vec<f64> {
    let (y, w) = (f64::from(example.target), f64::from(example.weight));
    let hinge = |margin: f64, y: f64| if y * margin < 1.0 { -y } else { 0.0 };
    let margins: Vec<f64> = margins.iter().map(|&margin| margin.into()).collect();
    let m = margins[0];
    let slopes: Vec<f64> = match objective {
        Objective::One(Loss::Logistic) => vec![-y / (1.0 + (y * m).exp())],
        Objective::One(Loss::Squared) => vec![m - y],
        Objective::One(Loss::Hinge) => vec![hinge(m, y)],
        Objective::One(Loss::Quantile(tau)) => vec![if m < y { -f64::from(tau) } else { 1.0 - f64::from(tau) }],
        Objective::One(Loss::Poisson) => vec![m.exp() - y],
        Objective::Classes { loss: ClassLoss::Hinge, .. } => {
            margins.iter().enumerate().map(|(at, &m)| hinge(m, if at as f64 == y { 1.0 } else { -1.0 })).collect()
        }
        Objective::Classes { loss: ClassLoss::Softmax, .. } => {
            let sum: f64 = margins.iter().map(|m| m.exp()).sum();
            let share = |(at, m): (usize, &f64)| m.exp() / sum - f64::from(u8::from(at as f64 == y));
            margins.iter().enumerate().map(share).collect()
        }
    };
    slopes.into_iter().map(|slope| w * slope).collect()
}

/// A table's words, those of its head, and the intercept's; table and head with some words more than they need.
struct Parts {
    shared: Words,
    head: Words,
    bias: Words,
    layout: Layout,
}

impl Parts {
    fn new(spec: &LearnerSpec, rng: &mut Rng, offset: usize) -> Self {
        let layout = spec.rule.layout(spec.objective.outputs());
        let (stride, width) = (layout.stride(), layout.width());
        let mut fill = |rows: usize, more: usize| -> Vec<f32> {
            let word = |at: usize| match at % width {
                slot if slot >= stride => rng.within(0.0, 0.5),
                output if output >= layout.outputs() => 0.0,
                // Of FTRL some words are within λ1, and their weights 0.
                _ if spec.rule == Rule::Ftrl => rng.within(-0.6, 0.6),
                _ => rng.within(-0.05, 0.05),
            };
            (0..rows * width + more).map(word).collect()
        };
        let (shared, head) = (fill(TABLE, width - 1), if spec.head { fill(HEAD, width - 1) } else { Vec::new() });
        let bias = fill(1, 0);
        let [shared, head, bias] = [(shared, 0), (head, 1), (bias, 2)].map(|(of, by)| Words::new(&of, offset + by));
        Self { shared, head, bias, layout }
    }

    fn table(&self) -> Table<'_> {
        if self.head.cells().is_empty() {
            Table::whole(self.shared.cells(), self.layout)
        } else {
            Table::with_head(self.shared.cells(), self.head.cells(), self.layout)
        }
    }

    /// The pairs of every output of every row as the child sees them, and those of the intercept; a slot is 0 where there is none.
    fn pairs(&self) -> (Vec<Vec<[f32; 2]>>, Vec<[f32; 2]>) {
        let (stride, outputs) = (self.layout.stride(), self.layout.outputs());
        let pairs = |row: &[f32]| -> Vec<[f32; 2]> {
            (0..outputs).map(|at| [row[at], row.get(stride + at).copied().unwrap_or(0.0)]).collect()
        };
        let rows =
            |words: &[f32]| -> Vec<Vec<[f32; 2]>> { words.chunks_exact(self.layout.width()).map(pairs).collect() };
        let mut all = rows(&self.head.values());
        all.extend_from_slice(&rows(&self.shared.values())[all.len()..]);
        (all, pairs(&self.bias.values()))
    }

    fn bits(&self) -> [Vec<u32>; 3] {
        [bits(&self.shared.values()), bits(&self.head.values()), bits(&self.bias.values())]
    }
}

fn run(backend: Backend, spec: LearnerSpec, offset: usize, rng: &mut Rng) {
    let parts = Parts::new(&spec, rng, offset);
    let rates = Rates::of(&spec, rng);
    let examples = examples(rng, spec.objective);
    // What comes next is only asked for: it may name rows that are not there yet.
    let next: Vec<_> = (0..BEHIND as u32).map(|i| [i, TABLE as u32 + i, u32::MAX - 1 - i]).collect();
    let mut rows: Vec<_> = examples.iter().map(|example| example.row(spec.ones, TABLE)).collect();
    rows.extend(next.iter().map(|ids| Row::new(Ids::check(ids, u32::MAX).expect("below the limit"), &[], 1.0)));

    let ((before, bias), head_before) = (parts.pairs(), parts.shared.values());
    let wide = |pairs: &Vec<[f32; 2]>| pairs.iter().map(|pair| pair.map(f64::from)).collect::<Vec<_>>();
    let mut naive = Naive { rows: before.iter().map(wide).collect(), bias: wide(&bias), steepest: 1.0 };
    let (stride, outputs) = (parts.layout.stride(), parts.layout.outputs());
    let mut margins = vec![f32::NAN; examples.len() * stride];
    let learner = Learner::new(backend, spec);
    let (step, mut scratch) = (rates.step(), Scratch::default());
    learner.learn(&parts.table(), &rows, parts.bias.cells(), &step, &mut margins, &mut scratch);

    for (example, margins) in examples.iter().zip(margins.chunks_exact(stride)) {
        naive.learn(&spec, &rates, example, &margins[..outputs]);
    }
    let near = |got: [f32; 2], want: [f64; 2], what: &dyn Fn() -> String| {
        close(got[0], want[0], BOUND * (naive.steepest + want[0].abs()), || format!("the word of {}", what()));
        close(got[1], want[1], BOUND * (naive.steepest + want[1].abs()), || format!("the slot of {}", what()));
    };
    let (rows, bias) = parts.pairs();
    for (id, (got, want)) in rows.into_iter().zip(&naive.rows).enumerate() {
        for output in 0..outputs {
            if id % 5 == 4 {
                assert_eq!(bits(&got[output]), bits(&before[id][output]), "row {id}, never named");
            }
            near(got[output], want[output], &|| format!("row {id}, output {output}"));
        }
    }
    for (output, (&got, &want)) in bias.iter().zip(&naive.bias).enumerate() {
        near(got, want, &|| format!("the intercept, output {output}"));
    }
    // What stands behind the outputs stays 0, as new rows have it.
    for row in parts.shared.values().chunks_exact(parts.layout.width()) {
        assert!(row[outputs..stride].iter().all(|&word| word == 0.0), "a word behind the outputs was moved");
    }
    if spec.head {
        let words = HEAD * parts.layout.width();
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
        let examples = examples(&mut Rng(11), spec.objective);
        let rows: Vec<_> = examples.iter().map(|example| example.row(spec.ones, TABLE)).collect();
        let learner = Learner::new(backend, spec);
        let stride = learner.layout().stride();
        let learned = |cuts: &[usize]| {
            let (parts, rates) = (Parts::new(&spec, &mut Rng(12), 0), rates(spec));
            let (mut scratch, mut margins) = (Scratch::default(), vec![0.0; rows.len() * stride]);
            for cut in cuts.windows(2) {
                let (rows, margins) = (&rows[cut[0]..], &mut margins[cut[0] * stride..cut[1] * stride]);
                learner.learn(&parts.table(), rows, parts.bias.cells(), &rates.step(), margins, &mut scratch);
            }
            (parts.bits(), bits(&margins))
        };
        assert!(learned(&[0, rows.len()]) == learned(&[0, 1, 5, 5, rows.len()]), "{} {spec:?}", backend.name());
    }
}

#[test]
fn a_nan_in_the_data_is_seen_in_the_margins_and_stops_nothing() {
    for (backend, spec) in Backend::all().flat_map(|backend| specs().map(move |spec| (backend, spec))) {
        let hinge = [Objective::One(Loss::Hinge), Objective::One(Loss::Quantile(0.75))].contains(&spec.objective)
            || matches!(spec.objective, Objective::Classes { loss: ClassLoss::Hinge, .. });
        if spec.ones {
            continue; // No value to spoil.
        }
        let parts = Parts::new(&spec, &mut Rng(13), 0);
        let rates = Rates::of(&spec, &mut Rng(13));
        let mut first = Example { ids: vec![3, 70], values: vec![1.0, 1.0], target: 1.0, weight: 1.0 };
        // The sign of a NaN that arithmetic makes differs from that of the constant.
        first.values[1] = f32::from_bits(0xffc0_0000);
        let second = Example { ids: vec![70], values: vec![1.0], target: 1.0, weight: 1.0 };
        let rows = [first.row(false, TABLE), second.row(false, TABLE)];
        let learner = Learner::new(backend, spec);
        let (stride, mut scratch) = (learner.layout().stride(), Scratch::default());
        let mut margins = vec![0.0; 2 * stride];
        learner.learn(&parts.table(), &rows, parts.bias.cells(), &rates.step(), &mut margins, &mut scratch);
        // Of a loss whose slope at a NaN is a number, the row itself shows it.
        let rows = margins.chunks_exact(stride).take(if hinge { 1 } else { 2 });
        let seen = rows.into_iter().all(|row| row[..parts.layout.outputs()].iter().all(|m| m.is_nan()));
        assert!(seen, "{} {spec:?}: {margins:?}", backend.name());
    }
}

#[test]
fn a_score_is_the_margin_and_changes_nothing() {
    for (number, spec) in specs().filter(|spec| !spec.head && !spec.ahead && !spec.ones && !spec.decay).enumerate() {
        for backend in Backend::all() {
            let mut rng = Rng(number as u64);
            let (parts, rates) = (Parts::new(&spec, &mut rng, 1), Rates::of(&spec, &mut rng));
            let examples = examples(&mut rng, spec.objective);
            let row = |(at, example): (usize, &Example)| (at % 2 == 0, example.clone());
            let examples: Vec<_> = examples.iter().enumerate().map(row).collect();
            let rows: Vec<_> = examples.iter().map(|(ones, example)| example.row(*ones, TABLE)).collect();
            let (stride, outputs) = (parts.layout.stride(), parts.layout.outputs());
            let (before, (table, bias)) = (parts.bits(), parts.pairs());
            let (step, mut scratch) = (rates.step(), Scratch::default());
            let mut margins = vec![f32::NAN; rows.len() * stride];
            let shared = &parts.table();
            backend.score((spec.rule, &step), shared, &rows, parts.bias.cells(), &mut margins, &mut scratch);
            assert_eq!(parts.bits(), before);
            for ((ones, example), margins) in examples.iter().zip(margins.chunks_exact(stride)) {
                for output in 0..outputs {
                    let of = |bias, pair: [f32; 2]| weight(spec.rule, &rates, bias, pair.map(f64::from));
                    let term =
                        |(at, &id): (usize, &u32)| of(false, table[id as usize][output]) * example.value(at, *ones);
                    let terms = || example.ids.iter().enumerate().map(term);
                    let bound = BOUND * (1.0 + terms().map(f64::abs).sum::<f64>());
                    close(margins[output], terms().sum::<f64>() + of(true, bias[output]), bound, || {
                        format!("{} {spec:?} output {output}", backend.name())
                    });
                }
            }
        }
    }
}

#[test]
fn a_word_of_ftrl_stands_for_the_weight_it_was_made_for() {
    let step = Step { rate: 0.3, bias_rate: 0.1, floor: 0.25, decay: &[], l1: 0.7, norm: 0.0 };
    for (weight, slot) in [(0.0f32, 0.0f32), (0.5, 0.0), (-0.5, 3.0), (1e-3, 1e4), (-20.0, 1e-6)] {
        for bias in [false, true] {
            for rule in [Rule::Sgd, Rule::Adagrad, Rule::Ftrl] {
                let back = rule.weight(&step, bias, rule.word(&step, bias, weight, slot), slot);
                close(back, weight.into(), 3e-6 * f64::from(weight.abs()) + 1e-7, || {
                    format!("{rule:?} {weight} {slot}")
                });
            }
        }
    }
    assert_eq!(Rule::Ftrl.weight(&step, false, 0.7, 5.0), 0.0, "within λ1");
    assert!(Rule::Ftrl.weight(&step, true, 0.7, 5.0) < 0.0, "the intercept is not penalised");
}

#[test]
fn losses_of_classes_add_up_row_by_row() {
    let mut rng = Rng(15);
    for (backend, classes) in Backend::all().flat_map(|backend| [2, 5, 20, 33].map(|classes| (backend, classes))) {
        let stride = Layout::new(classes, 0).stride();
        let mut margins = rng.floats(50 * stride, -8.0, 8.0);
        // Two classes that are equally likely: the first of them counts.
        (margins[0], margins[1]) = (9.0, 9.0);
        let targets: Vec<f32> = (0..50).map(|_| (rng.next() % classes as u64) as f32).collect();
        let weights = rng.floats(50, 0.0, 2.0);
        for loss in [ClassLoss::Softmax, ClassLoss::Hinge] {
            let (got, right) = backend.sum_class_loss(loss, classes, &margins, &targets, &weights);
            let (mut want, mut wanted) = (0.0, 0.0);
            for ((margins, &target), &weight) in margins.chunks_exact(stride).zip(&targets).zip(&weights) {
                let margins: Vec<f64> = margins[..classes].iter().map(|&m| m.into()).collect();
                let own = margins[target as usize];
                want += f64::from(weight)
                    * match loss {
                        ClassLoss::Softmax => margins.iter().map(|m| m.exp()).sum::<f64>().ln() - own,
                        ClassLoss::Hinge => {
                            let others = margins.iter().map(|m| (1.0 + m).max(0.0)).sum::<f64>();
                            others - (1.0 + own).max(0.0) + (1.0 - own).max(0.0)
                        }
                    };
                let first = margins.iter().position(|&m| margins.iter().all(|&other| other <= m));
                wanted += if first == Some(target as usize) { f64::from(weight) } else { 0.0 };
            }
            close(got as f32, want, 1e-5 * want, || format!("{} {loss:?} {classes}", backend.name()));
            assert!((right - wanted).abs() < 1e-6, "{} {loss:?} {classes}", backend.name());
        }
    }
}
