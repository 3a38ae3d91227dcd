//! Embeddings against the naive thing, in f64: sums by field, what is beside them, and the update by the slopes of both.

use hogback_kernels::{
    Backend, Embedded, Embedding, Factors, Ids, Layout, Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch,
    Step, Table,
};

use crate::factors::BOUND;
use crate::ground::{Floats, Rng, Words, bits, close};

/// Rows of the table that rows of data name; one in five is never named.
const NAMED: usize = if cfg!(miri) { 30 } else { 90 };
const HEAD: usize = 20;
/// Features of a row that are moved together.
const CHUNK: usize = 16;

const RATE: f32 = 0.05;
const FLOOR: f32 = 0.1;

/// What stands where nothing is meant: so large that whatever is computed from it shows.
const NOTHING: f32 = 1e7;

#[derive(Clone, Copy, Debug)]
struct Case {
    rank: usize,
    embedding: Embedding,
    ones: bool,
    head: bool,
}

impl Case {
    fn layout(&self) -> Layout {
        let layout = Layout::factored(1, Factors { rank: self.rank, fields: 1 });
        if self.embedding.fields > 1 { layout.with_field() } else { layout }
    }

    fn step(&self) -> Step<'static> {
        Step { rate: RATE, bias_rate: 0.02, floor: FLOOR, decay: &[], l1: 0.0, norm: 0.0 }
    }

    /// The field of a row of the table.
    fn field(&self, id: u32) -> usize {
        (id as usize * 7 + id as usize / 11) % self.embedding.fields
    }

    /// Numbers of a dense row.
    fn dense(&self) -> usize {
        self.embedding.fields * self.rank
    }
}

/// Every number of registers of every backend, alone and by field, with and without what stands beside the dense row.
fn cases() -> impl Iterator<Item = Case> + Clone {
    let ranks: &[usize] = if cfg!(miri) {
        &[1, 3, 8]
    } else {
        &[1, 2, 3, 4, 5, 7, 8, 10, 12, 13, 16, 17, 20, 27, 31, 32, 33, 36, 40, 50, 63, 64, 100, 101, 128, 300, 512]
    };
    let all: &[usize] = if cfg!(miri) { &[1, 3] } else { &[1, 2, 5, 24] };
    ranks.iter().flat_map(move |&rank| {
        all.iter().filter(move |&&fields| fields < 24 || rank < 64).flat_map(move |&fields| {
            (0..8).map(move |nth: usize| {
                let [meets, weighs, ones] = [1, 2, 4].map(|flag| nth & flag != 0);
                let embedding = Embedding { fields, meets, weighs };
                Case { rank, embedding, ones, head: (nth + rank + fields).is_multiple_of(3) }
            })
        })
    })
}

/// A row of data.
#[derive(Clone, Debug)]
struct Example {
    ids: Vec<u32>,
    values: Vec<f32>,
}

/// Rows of every sort: empty, of one feature, of one field, of some features once or more often, of values that are 0.
fn examples(case: &Case, rng: &mut Rng) -> Vec<Example> {
    let mut all: Vec<u32> = (0..NAMED as u32).filter(|id| id % 5 != 4).collect();
    (0..if cfg!(miri) { 9 } else { 16 })
        .map(|nth| {
            rng.shuffle(&mut all);
            let of_one = all.iter().copied().filter(|&id| case.field(id) == case.field(all[0]));
            let ids = match nth % 8 {
                0 => vec![],
                1 => all[..1].to_vec(),
                2 => of_one.take(3).collect(),
                3 => [&all[..3], &all[..2], &all[1..4]].concat(),
                4 => vec![all[0]; 3],
                5 => all[..23].to_vec(),
                _ => all[..2 + (rng.next() % 9) as usize].to_vec(),
            };
            let mut values = rng.floats(ids.len(), -1.0, 1.0);
            values.iter_mut().skip(1).step_by(4).for_each(|value| *value = 0.0);
            if nth == 6 {
                values.fill(0.0);
            }
            if case.ones {
                values.fill(1.0);
            }
            Example { ids, values }
        })
        .collect()
}

fn rows<'a>(case: &Case, examples: &'a [Example]) -> Vec<Row<'a>> {
    let row = |example: &'a Example| {
        let ids = Ids::check(&example.ids, NAMED as u32).expect("ids within the table");
        Row::new(ids, if case.ones { &[] } else { &example.values }, 0.0)
    };
    examples.iter().map(row).collect()
}

/// A table's words, and those of its head.
struct Parts {
    shared: Words,
    head: Words,
    layout: Layout,
}

impl Parts {
    fn new(case: &Case, rng: &mut Rng, offset: usize) -> Self {
        let layout = case.layout();
        let mut shared = vec![NOTHING; NAMED * layout.width() + layout.width() - 1];
        for (id, row) in shared.chunks_exact_mut(layout.width()).enumerate() {
            let size = 0.8 / (case.rank as f32).sqrt();
            row[..layout.tail()].fill(0.0);
            row[..case.rank].iter_mut().for_each(|word| *word = rng.within(-size, size));
            let tail = &mut row[layout.tail()..];
            tail[Layout::WEIGHT] = rng.within(-0.2, 0.2);
            tail[Layout::WEIGHT_SQUARES] = rng.within(0.0, 0.5);
            tail[Layout::FACTOR_SQUARES] = rng.within(0.0, 0.5);
            // Of the largest no more than half is taken off.
            tail[Layout::DECAY] = [0.0, 0.3, 1.5, 1e3][id % 4] * rng.within(0.5, 1.0);
            if layout.has_field() {
                tail[Layout::FIELD] = case.field(id as u32) as f32;
            }
        }
        // Under the head nothing is meant either; a few words more are no row.
        let mut head = Vec::new();
        if case.head {
            let words = HEAD * layout.width();
            head = shared[..words + 3].to_vec();
            shared[..words].fill(NOTHING);
        }
        let [shared, head] = [(shared, 0), (head, 1)].map(|(of, by)| Words::new(&of, offset + by));
        Self { shared, head, layout }
    }

    fn table(&self) -> Table<'_> {
        if self.head.cells().is_empty() {
            Table::whole(self.shared.cells(), self.layout)
        } else {
            Table::with_head(self.shared.cells(), self.head.cells(), self.layout)
        }
    }

    /// The words of all rows as the child sees them.
    fn words(&self) -> Vec<f32> {
        let (mut shared, head) = (self.shared.values(), self.head.values());
        let whole = head.len() - head.len() % self.layout.width();
        shared[..whole].copy_from_slice(&head[..whole]);
        shared
    }

    /// Sets word `at` of the rows that `which` says to what it says.
    fn set(&self, at: usize, which: impl Fn(usize) -> Option<f32>) {
        for cells in [self.shared.cells(), self.head.cells()] {
            for row in 0..cells.len() / self.layout.width() {
                if let Some(value) = which(row) {
                    cells.set(row * self.layout.width() + at, value);
                }
            }
        }
    }
}

/// The naive thing: all words in f64.
struct Naive {
    case: Case,
    words: Vec<f64>,
}

impl Naive {
    fn new(case: &Case, words: Vec<f32>) -> Self {
        Self { case: *case, words: words.into_iter().map(f64::from).collect() }
    }

    fn start(&self, id: u32) -> usize {
        id as usize * self.case.layout().width()
    }

    fn vector(&self, id: u32) -> &[f64] {
        &self.words[self.start(id)..][..self.case.rank]
    }

    /// The dense row of an example, its margin, and the sum of the sizes that go into each.
    fn embed(&self, example: &Example) -> (Vec<f64>, f64, f64) {
        let Case { rank, embedding, .. } = self.case;
        let (mut inputs, mut margin, mut size) = (vec![0.0; self.case.dense()], 0.0, 1.0);
        let (mut all, mut squares) = (vec![0.0; rank], 0.0);
        for (&id, &x) in example.ids.iter().zip(&example.values) {
            let x = f64::from(x);
            let field = self.case.field(id);
            for (k, v) in self.vector(id).iter().enumerate() {
                inputs[field * rank + k] += x * v;
                all[k] += x * v;
                squares += x * x * v * v;
                size += (x * v).abs();
            }
            if embedding.weighs {
                let weight = self.words[self.start(id) + self.case.layout().tail() + Layout::WEIGHT];
                margin += x * weight;
                size += (x * weight).abs();
            }
        }
        if embedding.meets {
            let square: f64 = all.iter().map(|s| s * s).sum();
            margin += 0.5 * (square - squares);
            size += square + squares;
        }
        (inputs, margin, size)
    }

    /// What the loss of an example is, but for a constant, by these slopes: what finite differences are taken of.
    fn loss(&self, example: &Example, slope: f64, gradients: &[f64]) -> f64 {
        let (inputs, margin, _) = self.embed(example);
        slope * margin + inputs.iter().zip(gradients).map(|(input, gradient)| input * gradient).sum::<f64>()
    }

    /// The slopes of a feature's vector and of its weight, where the sum over all vectors is `all`.
    fn slopes(&self, (id, x): (u32, f64), slope: f64, gradients: &[f64], all: &[f64]) -> (Vec<f64>, f64) {
        let Case { rank, embedding, .. } = self.case;
        let field = self.case.field(id);
        let met = |k: usize, v: f64| if embedding.meets { slope * (all[k] - x * v) } else { 0.0 };
        let of_vector = self.vector(id).iter().enumerate();
        let of_vector = of_vector.map(|(k, &v)| x * (gradients[field * rank + k] + met(k, v))).collect();
        (of_vector, if embedding.weighs { slope * x } else { 0.0 })
    }

    /// Σ over all fields of a dense row.
    fn all(&self, inputs: &[f64]) -> Vec<f64> {
        let rank = self.case.rank;
        (0..rank).map(|k| inputs.iter().skip(k).step_by(rank).sum()).collect()
    }

    /// Learns an example whose dense row is `inputs`. Features are moved side by side, [`CHUNK`] at a time: of one that stands twice among
    /// them the second sees the first's vector and weight, and in its rate no more than the accumulators before both.
    fn learn(&mut self, example: &Example, inputs: &[f64], slope: f64, gradients: &[f64]) {
        let Case { rank, embedding, .. } = self.case;
        let (all, tail) = (self.all(inputs), self.case.layout().tail());
        let features: Vec<_> = example.ids.iter().zip(&example.values).map(|(&id, &x)| (id, f64::from(x))).collect();
        for chunk in features.chunks(CHUNK) {
            let before = self.words.clone();
            let squares = |of_vector: &[f64]| of_vector.iter().map(|g| g * g).sum::<f64>() / rank as f64;
            let of_all: Vec<_> =
                chunk.iter().map(|&(id, x)| squares(&self.slopes((id, x), slope, gradients, &all).0)).collect();
            for (&(id, x), square) in chunk.iter().zip(of_all).filter(|&(&(_, x), _)| x != 0.0) {
                let (of_vector, of_weight) = self.slopes((id, x), slope, gradients, &all);
                let start = self.start(id);
                let decay = before[start + tail + Layout::DECAY];
                let mut rate = |slot: usize, square: f64| {
                    self.words[start + tail + slot] += square;
                    let squares = before[start + tail + slot] + square;
                    let rate = f64::from(RATE) / (f64::from(FLOOR) + squares).sqrt();
                    (rate, 1.0 - (rate * decay).min(0.5))
                };
                let (rate_of_vector, left_of_vector) = rate(Layout::FACTOR_SQUARES, square);
                if embedding.weighs {
                    let (rate, left) = rate(Layout::WEIGHT_SQUARES, of_weight * of_weight);
                    let weight = &mut self.words[start + tail + Layout::WEIGHT];
                    *weight = (*weight - rate * of_weight) * left;
                }
                for (word, g) in self.words[start..start + rank].iter_mut().zip(of_vector) {
                    *word = (*word - rate_of_vector * g) * left_of_vector;
                }
            }
        }
    }
}

fn wide(of: &[f32]) -> Vec<f64> {
    of.iter().map(|&x| x.into()).collect()
}

/// The dense rows and margins of `rows`, between guards.
fn embedded(backend: Backend, case: &Case, table: &Table<'_>, rows: &[Row<'_>]) -> (Vec<f32>, Vec<f32>) {
    let mut inputs = Floats::new(&vec![f32::NAN; rows.len() * case.dense()], 5);
    let mut margins = Floats::new(&vec![f32::NAN; rows.len()], 3);
    let mut scratch = Scratch::default();
    backend.embed(table, rows, case.embedding, inputs.slice(), margins.slice(), &mut scratch);
    (inputs.values().to_vec(), margins.values().to_vec())
}

fn run(backend: Backend, case: &Case, offset: usize) {
    let mut rng = Rng(offset as u64);
    let (parts, examples) = (Parts::new(case, &mut rng, offset), examples(case, &mut rng));
    let rows = rows(case, &examples);
    let (before, under_head) = (parts.words(), parts.shared.values());
    let mut naive = Naive::new(case, before.clone());

    let (inputs, margins) = embedded(backend, case, &parts.table(), &rows);
    assert_eq!(bits(&parts.words()), bits(&before), "what is embedded stays as it is");
    for ((example, inputs), &margin) in examples.iter().zip(inputs.chunks_exact(case.dense())).zip(&margins) {
        let (wants, want, size) = naive.embed(example);
        for (at, (&input, want)) in inputs.iter().zip(wants).enumerate() {
            close(input, want, BOUND * size, || format!("a dense row of {:?}, number {at}", example.ids));
        }
        close(margin, want, BOUND * size, || format!("the margin of {:?}", example.ids));
    }

    let slopes = Floats::new(&rng.floats(rows.len(), -1.0, 1.0), 1);
    let gradients = Floats::new(&rng.floats(rows.len() * case.dense(), -0.5, 0.5), 7);
    let (slopes, gradients) = (slopes.values(), gradients.values());
    let back = Embedded { inputs: &inputs, slopes, gradients };
    let step = case.step();
    backend.learn_embedded(&parts.table(), &rows, case.embedding, back, &step, &mut Scratch::default());
    let dense = inputs.chunks_exact(case.dense()).zip(gradients.chunks_exact(case.dense()));
    for ((example, (inputs, gradients)), &slope) in examples.iter().zip(dense).zip(slopes) {
        naive.learn(example, &wide(inputs), slope.into(), &wide(gradients));
    }
    let (words, layout) = (parts.words(), case.layout());
    for (at, (&got, &want)) in words.iter().zip(&naive.words).enumerate() {
        let (id, in_row) = (at / layout.width(), at % layout.width());
        let moved = in_row < case.rank
            || in_row == layout.tail() + Layout::FACTOR_SQUARES
            || case.embedding.weighs && (layout.tail()..layout.tail() + 2).contains(&in_row);
        if id % 5 == 4 || id == NAMED || !moved {
            assert_eq!(got.to_bits(), before[at].to_bits(), "row {id}, word {in_row} is never to change");
        }
        close(got, want, BOUND * (1.0 + want.abs()), || format!("row {id}, word {in_row}"));
    }
    if case.head {
        let words = HEAD * layout.width();
        assert_eq!(bits(&parts.shared.values()[..words]), bits(&under_head[..words]), "the head's shared words");
    }
}

#[test]
fn what_is_embedded_is_summed_and_learned_as_the_naive_thing_does() {
    for backend in Backend::all() {
        for (number, case) in cases().enumerate() {
            println!("{} {case:?}", backend.name());
            run(backend, &case, number);
        }
    }
}

#[test]
fn naive_slopes_of_what_is_embedded_are_its_finite_differences() {
    for case in cases().filter(|case| case.rank < 6) {
        let mut rng = Rng(31);
        let (parts, examples) = (Parts::new(&case, &mut rng, 0), examples(&case, &mut rng));
        let mut naive = Naive::new(&case, parts.words());
        for example in examples.iter().filter(|example| example.ids.len() > 1) {
            // A feature that stands twice has the slopes of both.
            let (slope, gradients) = (0.7, wide(&rng.floats(case.dense(), -0.5, 0.5)));
            let all = naive.all(&naive.embed(example).0);
            for &id in &example.ids {
                let mut of_word = vec![0.0; case.layout().width()];
                for (&other, &x) in example.ids.iter().zip(&example.values).filter(|&(&other, _)| other == id) {
                    let (of_vector, of_weight) = naive.slopes((other, x.into()), slope, &gradients, &all);
                    of_word.iter_mut().zip(of_vector).for_each(|(sum, g)| *sum += g);
                    of_word[case.layout().tail() + Layout::WEIGHT] += of_weight;
                }
                for (at, want) in of_word.into_iter().enumerate() {
                    let word = naive.start(id) + at;
                    let begun = naive.words[word];
                    // The loss is a parabola in each word, so that any difference to both sides will do.
                    let [above, below] = [0.5, -0.5].map(|by| {
                        naive.words[word] = begun + by;
                        naive.loss(example, slope, &gradients)
                    });
                    naive.words[word] = begun;
                    assert!((above - below - want).abs() < 1e-9, "{case:?}: {want} at {at} of {id}");
                }
            }
        }
    }
}

#[test]
fn without_layers_and_fields_what_is_learned_is_a_factorization_machine() {
    let cases = cases().filter(|case| case.embedding == Embedding { fields: 1, meets: true, weighs: true });
    for (backend, case) in Backend::all().flat_map(|backend| cases.clone().map(move |case| (backend, case))) {
        let mut rng = Rng(32);
        let mut examples = examples(&case, &mut rng);
        // A factorization machine moves what is 0 by its L2 factor, and knows each feature once.
        for example in &mut examples {
            example.ids.sort_unstable();
            example.ids.dedup();
            example.values =
                (0..example.ids.len()).map(|at| if case.ones { 1.0 } else { 0.2 + 0.1 * at as f32 }).collect();
        }
        let [ours, theirs] = [2, 3].map(|offset| Parts::new(&case, &mut Rng(33), offset));
        let objective = Objective::One(Loss::Squared);
        let factors = Some(Factors { rank: case.rank, fields: 1 });
        let spec = LearnerSpec {
            objective,
            rule: Rule::Adagrad,
            head: true,
            ahead: false,
            ones: case.ones,
            decay: false,
            factors,
        };
        let (learner, bias) = (Learner::new(backend, spec), Words::new(&[0.0, 0.0], 0));
        let step = Step { bias_rate: 0.0, ..case.step() };
        let mut scratch = Scratch::default();
        for row in rows(&case, &examples) {
            let mut margin = [0.0];
            learner.learn(&theirs.table(), &[row], bias.cells(), &step, &mut margin, &mut scratch);
            let (inputs, margins) = embedded(backend, &case, &ours.table(), &[row]);
            close(margins[0], margin[0].into(), BOUND * (2.0 + row.len() as f64), || format!("{case:?}: a margin"));
            // The slope of the squared loss, whose target is 0.
            let gradients = vec![0.0; inputs.len()];
            let back = Embedded { inputs: &inputs, slopes: &margin, gradients: &gradients };
            backend.learn_embedded(&ours.table(), &[row], case.embedding, back, &step, &mut scratch);
        }
        for (at, (got, want)) in ours.words().into_iter().zip(theirs.words()).enumerate() {
            let bound = 4.0 * BOUND * (1.0 + f64::from(want.abs()));
            close(got, want.into(), bound, || format!("{} {case:?}, word {at}", backend.name()));
        }
    }
}

#[test]
fn a_field_that_is_none_is_taken_for_one_that_is_and_what_never_changes_survives_a_nan() {
    for (backend, case) in Backend::all().flat_map(|backend| cases().map(move |case| (backend, case))) {
        if case.embedding.fields == 1 {
            continue;
        }
        let mut rng = Rng(34);
        let (parts, examples) = (Parts::new(&case, &mut rng, 4), examples(&case, &mut rng));
        let (layout, rows) = (case.layout(), rows(&case, &examples));
        let odd = [f32::NAN, 1e9, -3.0, f32::INFINITY, f32::NEG_INFINITY, 65_536.0];
        let field = layout.tail() + Layout::FIELD;
        parts.set(field, |row| (row % 3 == 0).then(|| odd[row / 3 % 6]));
        // The guards around all words are looked at as they are read.
        let (inputs, margins) = embedded(backend, &case, &parts.table(), &rows);
        assert!(inputs.iter().chain(&margins).all(|number| number.is_finite()), "{} {case:?}", backend.name());
        let fixed = |parts: &Parts| {
            let words = parts.words();
            let rows = words.chunks_exact(layout.width());
            bits(
                &rows
                    .flat_map(|row| [Layout::DECAY, Layout::FIELD].map(|at| row[layout.tail() + at]))
                    .collect::<Vec<_>>(),
            )
        };
        // Words that are numbers stay what they are.
        parts.set(field, |row| {
            (row % 3 == 0).then(|| if odd[row / 3 % 6].is_finite() { odd[row / 3 % 6] } else { 7e9 })
        });
        let before = fixed(&parts);
        let (slopes, gradients) = (vec![f32::NAN; rows.len()], vec![f32::INFINITY; inputs.len()]);
        let back = Embedded { inputs: &inputs, slopes: &slopes, gradients: &gradients };
        let step = case.step();
        backend.learn_embedded(&parts.table(), &rows, case.embedding, back, &step, &mut Scratch::default());
        assert!(parts.words().iter().any(|word| !word.is_finite()), "{} {case:?}", backend.name());
        assert_eq!(fixed(&parts), before, "{} {case:?}", backend.name());
        embedded(backend, &case, &parts.table(), &rows);
    }
}
