//! Factorization machines, with fields and without, against the naive thing: every pair of features met, in f64.

use std::collections::BTreeSet;

use hogback_kernels::{
    Backend, ClassLoss, Factors, Ids, Layout, Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch, Step, Table,
};

use crate::ground::{Rng, Words, bits, close};
use crate::loops::{Example, slopes};

/// Rows of the table that rows of data name; one in five is never named.
pub(crate) const NAMED: usize = if cfg!(miri) { 30 } else { 120 };
const HEAD: usize = 20;

/// Relative to the sum of the sizes that go in: a margin's, a word's, after a group of rows.
pub(crate) const BOUND: f64 = 4e-6;

const RATE: f32 = 0.05;
const BIAS_RATE: f32 = 0.02;
const FLOOR: f32 = 0.1;
/// What the rate of what vectors have in common is multiplied with.
const SHARED: f64 = 0.5;

/// What stands where nothing is meant: so large that whatever is computed from it shows.
const NOTHING: f32 = 1e7;

/// A model and the rows it learns from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) factors: Factors,
    pub(crate) objective: Objective,
    pub(crate) ones: bool,
    pub(crate) head: bool,
    pub(crate) ahead: bool,
    pub(crate) norm: f32,
}

impl Case {
    pub(crate) fn spec(&self) -> LearnerSpec {
        let Self { factors, objective, ones, head, ahead, .. } = *self;
        LearnerSpec { objective, rule: Rule::Adagrad, head, ahead, ones, decay: false, factors: Some(factors) }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::factored(self.objective.outputs(), self.factors)
    }

    pub(crate) fn step(&self) -> Step<'static> {
        Step { rate: RATE, bias_rate: BIAS_RATE, floor: FLOOR, decay: &[], l1: 0.0, norm: self.norm }
    }

    /// The field of a row of the table.
    fn field(&self, id: usize) -> usize {
        (id + id / self.factors.fields) % self.factors.fields
    }
}

/// Vectors of every number of registers, alone and for fields that fill blocks of every backend, or not.
pub(crate) fn shapes() -> Vec<Factors> {
    let ranks: &[usize] = if cfg!(miri) { &[3, 8] } else { &[1, 3, 4, 5, 8, 12, 16, 20, 32, 33, 100] };
    let alone = ranks.iter().map(|&rank| Factors { rank, fields: 1 });
    let all: &[usize] = if cfg!(miri) { &[3] } else { &[2, 3, 4, 7, 9, 24] };
    let by_field = all.iter().flat_map(|&fields| [1, 4, 5, 8, 12, 16].map(|rank| Factors { rank, fields }));
    alone.chain(by_field).collect()
}

/// Each shape with one output and with several, and in turn with values, a head and a norm, or without.
fn cases() -> impl Iterator<Item = Case> {
    let classes = |classes| Objective::Classes { loss: ClassLoss::Softmax, classes };
    let objectives = [Objective::One(Loss::Squared), Objective::One(Loss::Logistic), classes(3), classes(10)];
    shapes().into_iter().flat_map(move |factors| {
        (0..8).map(move |nth: usize| {
            let [ones, head, norm] = [1, 2, 4].map(|flag| nth & flag != 0);
            // Each flag meets each objective.
            let objective = objectives[(nth + nth / 4) % 4];
            Case { factors, objective, ones, head, ahead: nth.is_multiple_of(3), norm: if norm { 2.5 } else { 0.0 } }
        })
    })
}

/// Rows of every sort: empty, of one feature, of several of one field, of all fields or of some, each once or more often.
fn examples(case: &Case, rng: &mut Rng) -> Vec<Example> {
    let fields = case.factors.fields;
    let mut all: Vec<u32> = (0..NAMED as u32).filter(|id| id % 5 != 4).collect();
    let mut examples = Vec::new();
    for nth in 0..if cfg!(miri) { 9 } else { 36 } {
        rng.shuffle(&mut all);
        let mut met = BTreeSet::new();
        let once: Vec<u32> = all.iter().copied().filter(|&id| met.insert(case.field(id as usize))).collect();
        let of_one = all.iter().copied().filter(|&id| case.field(id as usize) == case.field(all[0] as usize));
        let ids = match nth % 9 {
            0 => vec![],
            1 => all[..1].to_vec(),
            2 => of_one.take(3).collect(),
            3 => once,
            4 => once[..fields.div_ceil(2)].to_vec(),
            5 => once[..fields - 1].to_vec(),
            6 => all[..fields + 9].to_vec(),
            7 => all[..2].to_vec(),
            _ => all[..3 + (rng.next() % 8) as usize].to_vec(),
        };
        let mut values = rng.floats(ids.len(), -1.0, 1.0);
        values.iter_mut().skip(3).step_by(7).for_each(|value| *value = 0.0);
        if nth == 7 {
            values.fill(0.0);
        }
        examples.push(Example::new(rng, ids, values, case.objective));
    }
    examples
}

/// A table's words, those of its head, and the intercept's.
pub(crate) struct Parts {
    shared: Words,
    head: Words,
    pub(crate) bias: Words,
    layout: Layout,
}

impl Parts {
    pub(crate) fn new(case: &Case, rng: &mut Rng, offset: usize) -> Self {
        let layout = case.layout();
        let factors = case.factors;
        let mut shared = vec![NOTHING; NAMED * layout.width() + layout.width() - 1];
        for (id, row) in shared.chunks_exact_mut(layout.width()).enumerate() {
            for part in row.chunks_exact_mut(layout.part()) {
                for vector in part[..factors.fields * factors.stride()].chunks_exact_mut(factors.stride()) {
                    let size = 0.8 / (factors.rank as f32).sqrt();
                    vector.fill(0.0);
                    vector[..factors.rank].iter_mut().for_each(|word| *word = rng.within(-size, size));
                }
                let tail = &mut part[layout.tail()..];
                tail[Layout::WEIGHT] = rng.within(-0.2, 0.2);
                tail[Layout::WEIGHT_SQUARES] = rng.within(0.0, 0.5);
                tail[Layout::FACTOR_SQUARES] = rng.within(0.0, 0.5);
                // Of the largest no more than half is taken off.
                tail[Layout::DECAY] = [0.0, 0.3, 1.5, 1e3][id % 4] * rng.within(0.5, 1.0);
                if factors.fields > 1 {
                    tail[Layout::OWN_SQUARES] = rng.within(0.0, 0.5);
                    tail[Layout::FIELD] = case.field(id) as f32;
                }
            }
        }
        // Under the head nothing is meant either; a few words more are no row.
        let mut head = Vec::new();
        if case.head {
            let words = HEAD * layout.width();
            head = shared[..words + 3].to_vec();
            shared[..words].fill(NOTHING);
        }
        let (stride, outputs) = (layout.stride(), layout.outputs());
        let word = |at: usize| {
            if at >= stride {
                0.3
            } else if at < outputs {
                0.1 * at as f32
            } else {
                0.0
            }
        };
        let bias: Vec<f32> = (0..layout.intercept().width()).map(word).collect();
        let [shared, head, bias] = [(shared, 0), (head, 1), (bias, 2)].map(|(of, by)| Words::new(&of, offset + by));
        Self { shared, head, bias, layout }
    }

    pub(crate) fn table(&self) -> Table<'_> {
        if self.head.cells().is_empty() {
            Table::whole(self.shared.cells(), self.layout)
        } else {
            Table::with_head(self.shared.cells(), self.head.cells(), self.layout)
        }
    }

    /// The words of all rows as the child sees them.
    pub(crate) fn words(&self) -> Vec<f32> {
        let (mut shared, head) = (self.shared.values(), self.head.values());
        let whole = head.len() - head.len() % self.layout.width();
        shared[..whole].copy_from_slice(&head[..whole]);
        shared
    }

    fn bits(&self) -> [Vec<u32>; 3] {
        [bits(&self.shared.values()), bits(&self.head.values()), bits(&self.bias.values())]
    }
}

/// The naive thing: all words in f64, one row of data after the other, every feature with every other.
struct Naive {
    case: Case,
    words: Vec<f64>,
    bias: Vec<f64>,
}

impl Naive {
    fn new(case: &Case, parts: &Parts) -> Self {
        let wide = |words: Vec<f32>| words.into_iter().map(f64::from).collect();
        Self { case: *case, words: wide(parts.words()), bias: wide(parts.bias.values()) }
    }

    /// The values of a row as the model takes them.
    fn values(&self, example: &Example) -> Vec<f64> {
        let values: Vec<f64> = (0..example.ids.len()).map(|at| example.value(at, self.case.ones)).collect();
        let squares: f64 = values.iter().map(|x| x * x).sum();
        let scale =
            if self.case.norm > 0.0 && squares > 0.0 { (f64::from(self.case.norm) / squares).sqrt() } else { 1.0 };
        values.into_iter().map(|x| x * scale).collect()
    }

    /// Where the part of `output` of row `id` begins.
    fn part(&self, id: u32, output: usize) -> usize {
        let layout = self.case.layout();
        id as usize * layout.width() + output * layout.part()
    }

    /// The vector of row `id` that meets features like `other`.
    fn vector(&self, output: usize, id: u32, other: u32) -> &[f64] {
        let Factors { rank, fields } = self.case.factors;
        let field = if fields > 1 { self.case.field(other as usize) } else { 0 };
        let from = self.part(id, output) + field * self.case.factors.stride();
        &self.words[from..from + rank]
    }

    fn weight(&self, output: usize, id: u32) -> f64 {
        self.words[self.part(id, output) + self.case.layout().tail() + Layout::WEIGHT]
    }

    /// The margin of an output, and the sum of the sizes that go into it.
    fn margin(&self, example: &Example, output: usize) -> (f64, f64) {
        let (ids, x) = (&example.ids, self.values(example));
        let mut margin = self.bias[output];
        let mut size = 1.0 + margin.abs();
        for (i, &id) in ids.iter().enumerate() {
            let weight = self.weight(output, id) * x[i];
            (margin, size) = (margin + weight, size + weight.abs());
            for (j, &other) in ids.iter().enumerate() {
                let pairs = self.vector(output, id, other).iter().zip(self.vector(output, other, id));
                for (one, other) in pairs {
                    let term = one * other * x[i] * x[j];
                    // What a feature has to do with itself is taken off again by the kernels.
                    size += term.abs();
                    margin += if i < j { term } else { 0.0 };
                }
            }
        }
        (margin, size)
    }

    /// The slopes of an output's margin by the vectors of the feature at `i`, one vector after the other.
    fn slopes(&self, example: &Example, output: usize, i: usize) -> Vec<Vec<f64>> {
        let Factors { rank, fields } = self.case.factors;
        let (ids, x) = (&example.ids, self.values(example));
        let mut slopes = vec![vec![0.0; rank]; fields];
        for (j, &other) in ids.iter().enumerate().filter(|&(j, _)| j != i) {
            let field = if fields > 1 { self.case.field(other as usize) } else { 0 };
            for (slope, word) in slopes[field].iter_mut().zip(self.vector(output, other, ids[i])) {
                *slope += x[i] * x[j] * word;
            }
        }
        slopes
    }

    /// Checks the margins that a kernel gave `example`, and learns the example with the slopes at those margins.
    fn learn(&mut self, example: &Example, margins: &[f32]) {
        let layout = self.case.layout();
        let Factors { rank, fields } = self.case.factors;
        for (output, &margin) in margins.iter().enumerate() {
            let (want, size) = self.margin(example, output);
            close(margin, want, BOUND * size, || format!("a margin of {:?}, output {output}", example.ids));
        }
        let of_outputs = slopes(self.case.objective, margins, example);
        let x = self.values(example);
        for (output, slope) in of_outputs.iter().enumerate() {
            // All slopes are those of Θ before the row.
            let all: Vec<_> = (0..example.ids.len()).map(|i| self.slopes(example, output, i)).collect();
            for (i, mut vectors) in all.into_iter().enumerate() {
                vectors.iter_mut().flatten().for_each(|of_margin| *of_margin *= slope);
                let squares = |vector: &[f64]| vector.iter().map(|g| g * g).sum::<f64>() / rank as f64;
                let together: Vec<f64> = (0..rank).map(|k| vectors.iter().map(|vector| vector[k]).sum()).collect();
                let from = self.part(example.ids[i], output);
                let tail = from + layout.tail();
                let decay = self.words[tail + Layout::DECAY];
                let left = |rate: f64| 1.0 - (rate * decay).min(0.5);
                let mut rate = |slot: usize, square: f64| {
                    let sum = &mut self.words[tail + slot];
                    *sum += square;
                    f64::from(RATE) / (f64::from(FLOOR) + *sum).sqrt()
                };
                let gradient = slope * x[i];
                let of_weight = rate(Layout::WEIGHT_SQUARES, gradient * gradient);
                let common = rate(Layout::FACTOR_SQUARES, squares(&together));
                let (own, common) = if fields > 1 {
                    let mean = vectors.iter().map(|vector| squares(vector)).sum::<f64>() / fields as f64;
                    let own = rate(Layout::OWN_SQUARES, mean);
                    (own, SHARED * common - own / fields as f64)
                } else {
                    (common, 0.0)
                };
                let weight = &mut self.words[tail + Layout::WEIGHT];
                *weight = (*weight - of_weight * gradient) * left(of_weight);
                for (field, vector) in vectors.iter().enumerate() {
                    for k in 0..rank {
                        let word = &mut self.words[from + field * self.case.factors.stride() + k];
                        *word = (*word - own * vector[k] - common * together[k]) * left(own);
                    }
                }
            }
            let (word, slot) = (output, layout.stride() + output);
            self.bias[slot] += slope * slope;
            self.bias[word] -= f64::from(BIAS_RATE) * slope / (f64::from(FLOOR) + self.bias[slot]).sqrt();
        }
    }
}

/// By word of a row, whether it means nothing: those behind the vectors, and behind the tail.
pub(crate) fn mean_nothing(case: &Case) -> Vec<bool> {
    let layout = case.layout();
    let vectors = case.factors.fields * case.factors.stride();
    let tail = layout.tail() + if case.factors.fields > 1 { Layout::FIELD + 1 } else { Layout::DECAY + 1 };
    let nothing = |at: usize| (vectors..layout.tail()).contains(&at) || at >= tail;
    (0..layout.width()).map(|at| nothing(at % layout.part())).collect()
}

fn run(backend: Backend, case: &Case, offset: usize) {
    let mut rng = Rng(offset as u64);
    let (parts, examples) = (Parts::new(case, &mut rng, offset), examples(case, &mut rng));
    // What comes next is only asked for: it may name rows that are not there yet.
    let next = [3, NAMED as u32, u32::MAX - 1];
    let mut rows: Vec<_> = examples.iter().map(|example| example.row(case.ones, NAMED)).collect();
    rows.extend([Row::new(Ids::check(&next, u32::MAX).expect("below the limit"), &[], 1.0); 6]);

    let (layout, mut naive, before) = (case.layout(), Naive::new(case, &parts), parts.words());
    let under_head = parts.shared.values();
    let (stride, outputs) = (layout.stride(), layout.outputs());
    let mut margins = vec![f32::NAN; examples.len() * stride];
    let learner = Learner::new(backend, case.spec());
    assert_eq!(learner.layout(), layout);
    learner.learn(&parts.table(), &rows, parts.bias.cells(), &case.step(), &mut margins, &mut Scratch::default());

    for (example, margins) in examples.iter().zip(margins.chunks_exact(stride)) {
        naive.learn(example, &margins[..outputs]);
    }
    let (words, nothing) = (parts.words(), mean_nothing(case));
    let (rows, wants) = (words.chunks_exact(layout.width()), naive.words.chunks_exact(layout.width()));
    for (id, (row, want)) in rows.zip(wants).enumerate() {
        let begun = &before[id * layout.width()..(id + 1) * layout.width()];
        if id % 5 == 4 {
            assert_eq!(bits(row), bits(begun), "row {id}, never named");
        }
        for at in (0..row.len()).filter(|&at| !nothing[at]) {
            close(row[at], want[at], BOUND * (1.0 + want[at].abs()), || format!("row {id}, word {at}"));
            let in_part = at % layout.part();
            let fixed = match in_part.checked_sub(layout.tail()) {
                Some(in_tail) => in_tail == Layout::DECAY || in_tail == Layout::FIELD,
                None => in_part % case.factors.stride() >= case.factors.rank,
            };
            assert!(!fixed || row[at].to_bits() == begun[at].to_bits(), "row {id}, word {at} is never to change");
        }
    }
    for (at, (&got, &want)) in parts.bias.values().iter().zip(&naive.bias).enumerate() {
        if at % stride < outputs {
            close(got, want, BOUND * (1.0 + want.abs()), || format!("the intercept, word {at}"));
        } else if at < stride {
            assert_eq!(got, 0.0, "a word behind the outputs was moved");
        }
    }
    if case.head {
        let words = HEAD * layout.width();
        assert_eq!(bits(&parts.shared.values()[..words]), bits(&under_head[..words]), "the head's shared words");
    }
}

#[test]
fn factors_are_learned_as_the_naive_thing_learns_them() {
    for backend in Backend::all() {
        for (number, case) in cases().enumerate() {
            println!("{} {case:?}", backend.name());
            run(backend, &case, number);
        }
    }
}

#[test]
fn naive_slopes_are_those_of_the_naive_margin() {
    for case in cases().filter(|case| case.factors.rank < 6).step_by(5) {
        let mut rng = Rng(20);
        let (parts, examples) = (Parts::new(&case, &mut rng, 0), examples(&case, &mut rng));
        let mut naive = Naive::new(&case, &parts);
        let last = case.objective.outputs() - 1;
        for example in examples.iter().filter(|example| (1..12).contains(&example.ids.len())) {
            for i in 0..example.ids.len() {
                let from = naive.part(example.ids[i], last);
                for (field, slopes) in naive.slopes(example, last, i).iter().enumerate() {
                    for (k, slope) in slopes.iter().enumerate() {
                        let at = from + field * case.factors.stride() + k;
                        let word = naive.words[at];
                        // A margin is linear in each word, so that any difference will do.
                        let [above, below] = [0.5, -0.5].map(|by| {
                            naive.words[at] = word + by;
                            naive.margin(example, last).0
                        });
                        naive.words[at] = word;
                        assert!((above - below - slope).abs() < 1e-9, "{case:?}: {slope} at {at}");
                    }
                }
            }
        }
    }
}

/// What is left of the model of `case`, with margins, when its rows are learned in the parts that `cuts` make of them.
fn learned(backend: Backend, case: &Case, spoil: &dyn Fn(&Parts), cuts: &[usize]) -> (Vec<f32>, Vec<f32>, Parts) {
    let mut rng = Rng(21);
    let (parts, examples) = (Parts::new(case, &mut rng, 1), examples(case, &mut rng));
    spoil(&parts);
    let rows: Vec<_> = examples.iter().map(|example| example.row(case.ones, NAMED)).collect();
    let (learner, stride) = (Learner::new(backend, case.spec()), case.layout().stride());
    let (mut scratch, mut margins) = (Scratch::default(), vec![0.0; rows.len() * stride]);
    for cut in cuts.windows(2).map(|cut| [cut[0], cut[1].min(rows.len())]) {
        let margins = &mut margins[cut[0] * stride..cut[1] * stride];
        learner.learn(&parts.table(), &rows[cut[0]..], parts.bias.cells(), &case.step(), margins, &mut scratch);
    }
    // What stands behind the outputs means nothing.
    let margins = margins.chunks_exact(stride).flat_map(|row| row[..case.objective.outputs()].to_vec()).collect();
    (parts.words(), margins, parts)
}

#[test]
fn a_group_in_parts_a_head_and_what_means_nothing_make_no_difference() {
    for (backend, case) in Backend::all().flat_map(|backend| cases().step_by(3).map(move |case| (backend, case))) {
        let whole = learned(backend, &case, &|_| (), &[0, 99]);
        let in_parts = learned(backend, &case, &|_| (), &[0, 1, 5, 5, 99]);
        assert!(whole.2.bits() == in_parts.2.bits(), "{} {case:?} in parts", backend.name());
        let (layout, nothing) = (case.layout(), mean_nothing(&case));
        let meant = |words: &[f32]| -> Vec<u32> {
            let rows = words.chunks_exact(layout.width());
            rows.flat_map(|row| (0..row.len()).filter(|&at| !nothing[at]).map(|at| row[at].to_bits())).collect()
        };
        let other = Case { head: !case.head, ..case };
        let zeros = |parts: &Parts| {
            for cells in [parts.shared.cells(), parts.head.cells()] {
                for row in 0..cells.len() / layout.width() {
                    let nothing = (0..layout.width()).filter(|&at| nothing[at]);
                    nothing.for_each(|at| cells.set(row * layout.width() + at, 0.0));
                }
            }
        };
        for (what, (words, margins, _)) in [
            ("a head", learned(backend, &other, &|_| (), &[0, 99])),
            ("zeros where nothing is meant", learned(backend, &case, &zeros, &[0, 99])),
        ] {
            assert_eq!(bits(&margins), bits(&whole.1), "{} {case:?}: {what}", backend.name());
            assert!(meant(&words) == meant(&whole.0), "{} {case:?}: {what}", backend.name());
        }
    }
}

#[test]
fn a_score_of_factors_is_the_margin_and_changes_nothing() {
    for (backend, case) in Backend::all().flat_map(|backend| cases().step_by(3).map(move |case| (backend, case))) {
        let case = Case { head: false, ..case };
        let mut rng = Rng(22);
        let (parts, examples) = (Parts::new(&case, &mut rng, 3), examples(&case, &mut rng));
        let (naive, before, stride) = (Naive::new(&case, &parts), parts.bits(), case.layout().stride());
        let rows: Vec<_> = examples.iter().map(|example| example.row(case.ones, NAMED)).collect();
        let mut margins = vec![f32::NAN; rows.len() * stride];
        let (rule, mut scratch) = ((Rule::Adagrad, &case.step()), Scratch::default());
        backend.score(rule, &parts.table(), &rows, parts.bias.cells(), &mut margins, &mut scratch);
        assert!(parts.bits() == before, "{} {case:?}", backend.name());
        for (example, margins) in examples.iter().zip(margins.chunks_exact(stride)) {
            for (output, &margin) in margins.iter().enumerate().take(case.objective.outputs()) {
                let (want, size) = naive.margin(example, output);
                close(margin, want, BOUND * size, || format!("{} {case:?} {:?}", backend.name(), example.ids));
            }
        }
    }
}

#[test]
fn a_field_that_is_none_is_taken_for_one_that_is_and_a_nan_shows() {
    let shapes = shapes().into_iter().filter(|factors| factors.fields > 1);
    for (backend, factors) in Backend::all().flat_map(|backend| shapes.clone().map(move |shape| (backend, shape))) {
        let objective = Objective::One(Loss::Squared);
        let case = Case { factors, objective, ones: true, head: true, ahead: false, norm: 0.0 };
        let (layout, odd) = (case.layout(), [f32::NAN, 1e9, -3.0, f32::INFINITY, f32::NEG_INFINITY, 65_536.0]);
        let spoil = |parts: &Parts| {
            for cells in [parts.shared.cells(), parts.head.cells()] {
                for row in (0..cells.len() / layout.width()).filter(|row| row % 3 == 0) {
                    cells.set(row * layout.width() + layout.tail() + Layout::FIELD, odd[row / 3 % 6]);
                }
            }
        };
        // The guards around all words are looked at as they are read.
        let (.., margins, parts) = learned(backend, &case, &spoil, &[0, 99]);
        parts.bits();
        assert!(margins.iter().all(|margin| margin.is_finite()), "{} {case:?}", backend.name());
        let spoil = |parts: &Parts| {
            for cells in [parts.shared.cells(), parts.head.cells()] {
                (0..cells.len() / layout.width()).for_each(|row| cells.set(row * layout.width(), f32::NAN));
            }
        };
        let (words, margins, _) = learned(backend, &case, &spoil, &[0, 99]);
        assert!(margins.iter().any(|margin| margin.is_nan()) && words.iter().any(|word| word.is_nan()));
    }
}
