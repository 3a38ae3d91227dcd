//! What the documentation promises of calls that do not fit: a panic that says why, and not a word touched.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hogback_kernels::{
    Activation, Adam, Backend, Cells, ClassLoss, DenseRule, Factors, Ids, Layout, Learner, LearnerSpec, Loss, Matrix,
    MatrixMut, MergeRule, Objective, Row, Rule, Scratch, Step, Table, Turned,
};

use crate::ground::{Words, bits};

/// Checks that `call` panics with a message that contains `why`.
#[track_caller]
pub(crate) fn refused<T>(why: &str, call: impl FnOnce() -> T) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(call)) else { panic!("went through, expected: {why}") };
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    assert!(text.is_some_and(|text| text.contains(why)), "{text:?}, expected: {why}");
}

#[test]
fn ids_are_below_their_limit_or_the_first_that_is_not_is_named() {
    let check = |ids: &[u32], limit| Ids::check(ids, limit).map(|ids| (ids.as_slice().to_vec(), ids.limit()));
    assert_eq!(check(&[], 0), Ok((vec![], 0)));
    assert_eq!(check(&[0, 6, 3], 7), Ok((vec![0, 6, 3], 7)));
    assert_eq!(check(&[0], 0), Err(0));
    assert_eq!(check(&[0, 7, 3, 9], 7), Err(1));
    assert_eq!(check(&[u32::MAX], u32::MAX), Err(0));
    assert_eq!(check(&[u32::MAX - 1], u32::MAX), Ok((vec![u32::MAX - 1], u32::MAX)));
    let ids = [0, 6, 3];
    let ids = Ids::check(&ids, 7).expect("below 7");
    assert_eq!(
        (ids.slice(1..3).as_slice(), ids.slice(1..1).as_slice(), ids.slice(1..3).limit()),
        (&[6, 3][..], &[][..], 7)
    );
    refused("out of range", || ids.slice(2..4));
}

#[test]
fn a_backend_is_found_by_its_name_and_by_no_other() {
    let all: Vec<_> = Backend::all().collect();
    assert_eq!(all[0].name(), "scalar");
    assert_eq!(all.last(), Some(&Backend::best()));
    for backend in all {
        assert_eq!(Backend::named(backend.name()), Some(backend));
    }
    assert!(["", "Scalar", "avx", "avx512 ", "sve"].into_iter().all(|name| Backend::named(name).is_none()));
}

#[test]
fn cells_tables_and_rows_refuse_what_does_not_fit() {
    let words = Words::new(&[1.0, 2.0, 3.0, 4.0, 5.0], 0);
    let cells = words.cells();
    assert_eq!(
        (cells.len(), cells.is_empty(), cells.slice(5..5).is_empty(), cells.slice(1..3).get(1)),
        (5, false, true, 3.0)
    );
    refused("out of range", || cells.slice(4..6));
    refused("out of bounds", || cells.get(5));
    refused("out of bounds", || cells.slice(0..2).set(2, 0.0));
    let rows = |outputs, slots| Table::whole(cells, Layout::new(outputs, slots)).rows();
    assert_eq!((rows(1, 0), rows(1, 1), rows(2, 0)), (5, 2, 0));
    let layouts = [(1, 0), (1, 1), (2, 0), (8, 1), (9, 1), (20, 0)].map(|(outputs, slots)| Layout::new(outputs, slots));
    assert_eq!(layouts.map(Layout::stride), [1, 1, 8, 8, 16, 24]);
    assert_eq!(layouts.map(Layout::width), [1, 2, 8, 16, 32, 24]);
    refused("0 outputs", || Layout::new(0, 1));
    refused("2 slots", || Layout::new(1, 2));
    let ids = Ids::check(&[0, 1], 2).expect("below 2");
    refused("differ in number", || Row::new(ids, &[1.0], 0.0));
    refused("differ in number", || Row::new(ids.slice(0..0), &[1.0], 0.0));
    assert_eq!((Row::new(ids, &[], 0.0).len(), Row::default().len(), Row::default().is_empty()), (2, 0, true));
    refused("count from 1", || Adam::at(0, 0.1));
}

#[test]
fn copies_merges_and_steps_refuse_planes_that_do_not_fit() {
    let words = Words::new(&[1.0; 40], 0);
    let [three, four, five] = [3, 4, 5].map(|len| words.cells().slice(0..len));
    for backend in Backend::all() {
        refused("another length", || backend.copy_out(four, &mut [0.0; 3]));
        refused("another length", || backend.copy_in(&[0.0; 5], four));
        refused("another length", || backend.add_delta(&[0.0; 3], four));
        refused("different lengths", || backend.merge(four, three, four, MergeRule::Sum));
        refused("different lengths", || backend.merge(four, four, five, MergeRule::Sum));
        let scaled = |layout| MergeRule::Scaled { floor: 1.0, layout };
        for layout in [Layout::new(1, 0), Layout::new(1, 1), Layout::new(2, 1)] {
            refused("parts of rows", || backend.merge(five, five, five, scaled(layout)));
        }
        for layout in [Layout::new(2, 1), Layout::factored(1, Factors { rank: 1, fields: 1 })] {
            refused("parts of rows", || backend.merge(four, four, four, scaled(layout)));
        }
        let adagrad = |floor| DenseRule::Adagrad { rate: 0.1, floor };
        for floor in [0.0, -1.0, 1e-40, f32::NAN, f32::INFINITY] {
            refused("positive and normal", || {
                backend.merge(four, four, four, MergeRule::Scaled { floor, layout: Layout::new(1, 1) });
            });
            refused("positive and normal", || backend.dense_step(adagrad(floor), four, &[four], &[0.0; 4]));
        }
        let sgd = DenseRule::Sgd { rate: 0.1 };
        refused("one length", || backend.dense_step(sgd, four, &[], &[0.0; 5]));
        refused("one length", || backend.dense_step(adagrad(1.0), four, &[three], &[0.0; 4]));
        refused("slot planes", || backend.dense_step(sgd, four, &[four], &[0.0; 4]));
        refused("slot planes", || backend.dense_step(DenseRule::Adam(Adam::at(1, 0.1)), four, &[four], &[0.0; 4]));
    }
    assert_eq!(words.values(), [1.0; 40]);
}

#[test]
fn layers_refuse_what_does_not_fit() {
    let words = [0.0; 12];
    let matrix = |rows, columns| Matrix::new(&words[..rows * columns], rows, columns);
    refused("no 2 rows of 5", || Matrix::new(&words, 2, 5));
    refused("rows of 4 words that begin 3 apart", || Matrix::with_stride(&words, 2, 4, 3));
    refused("12 words end before the last of 3 rows", || Matrix::with_stride(&words, 3, 4, 5));
    refused("12 words end before the last of", || Matrix::with_stride(&words, usize::MAX, 1, usize::MAX));
    refused("no 2 rows of 5", || MatrixMut::new(&mut [0.0; 9], 2, 5).rows());
    refused("9 words end before the last of 2 rows", || MatrixMut::with_stride(&mut [0.0; 9], 2, 5, 5).rows());
    let row = Row::new(Ids::check(&[0, 2], 3).unwrap_or_default(), &[], 1.0);
    let mut turned = Turned::default();
    refused("made for more weights", || Turned::default().turn(&[row], 2));
    turned.turn(&[row], 3);
    for backend in Backend::all() {
        let mut c = [1.0; 6];
        refused("the columns of the left matrix", || {
            backend.multiply(MatrixMut::new(&mut [0.0; 6], 2, 3), matrix(2, 2), matrix(3, 3), false);
        });
        refused("a product of another shape", || {
            backend.multiply(MatrixMut::new(&mut [0.0; 6], 3, 2), matrix(2, 2), matrix(2, 3), false);
        });
        refused("outputs of another shape", || {
            backend.multiply_rows(MatrixMut::new(&mut [0.0; 4], 2, 2), &[row], matrix(3, 2));
        });
        refused("made for more weights", || {
            backend.multiply_rows(MatrixMut::new(&mut [0.0; 2], 1, 2), &[row], matrix(2, 2));
        });
        refused("rows are not contiguous", || {
            backend.multiply_rows(MatrixMut::new(&mut [0.0; 2], 1, 2), &[row], matrix(2, 3).transposed());
        });
        refused("a gradient of another shape", || {
            backend.multiply_turned(MatrixMut::new(&mut [0.0; 4], 2, 2), &turned, matrix(1, 2));
        });
        refused("slopes of another batch", || {
            backend.multiply_turned(MatrixMut::new(&mut [0.0; 6], 3, 2), &turned, matrix(2, 2));
        });
        refused("a row of another length", || backend.fill_rows(MatrixMut::new(&mut [0.0; 4], 2, 2), &[0.0; 3]));
        refused("a sum for each column", || backend.add_rows(&mut [0.0; 3], matrix(2, 2)));
        refused("different lengths", || backend.add_scaled(1.0, &[0.0; 3], &mut [0.0; 2]));
        refused("what Relu keeps", || backend.activate(Activation::Relu, &mut [0.0; 3], &mut [0.0; 3]));
        refused("what Gelu keeps", || backend.activate(Activation::Gelu, &mut [0.0; 3], &mut [0.0; 2]));
        refused("slopes of another layer", || backend.activate_back(Activation::Tanh, &[0.0; 3], &mut [0.0; 2]));
        for rate in [-0.1, 1.0, f32::NAN] {
            refused("of all words", || backend.dropout(&mut [0.0; 3], rate, 0, 0));
        }
        let classes = Objective::Classes { loss: ClassLoss::Softmax, classes: 3 };
        let slopes = |objective, margins: &[f32], target| {
            let mut slopes = vec![0.0; margins.len()];
            backend.slopes(objective, margins, &[target], &[1.0], &mut slopes);
        };
        refused("margins and slopes of a stride", || slopes(Objective::One(Loss::Squared), &[0.0; 2], 0.0));
        refused("margins and slopes of a stride", || slopes(classes, &[0.0; 3], 0.0));
        for target in [-1.0, 3.0, f32::NAN] {
            refused("no class", || slopes(classes, &[0.0; 8], target));
        }
        backend.multiply(MatrixMut::new(&mut c, 2, 3), matrix(2, 2), matrix(2, 3), true);
        assert_eq!(c, [1.0; 6]);
    }
}

#[test]
fn scores_refuse_what_does_not_fit() {
    let words = Words::new(&[1.0; 14], 0);
    let cells = words.cells().slice(0..12);
    let row = Row::new(Ids::check(&[0, 1], 7).expect("below 7"), &[], 1.0);
    let (one, two) = (Layout::new(1, 0), Layout::new(1, 1));
    let step = Step { rate: 0.1, bias_rate: 0.1, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 };
    for backend in Backend::all() {
        let score = |rule: Rule, table: Table<'_>, margins: usize| {
            let bias = cells.slice(0..rule.layout(1).width());
            let margins = &mut vec![0.0; margins];
            backend.score((rule, &step), &table, &[row], bias, margins, &mut Scratch::default());
        };
        score(Rule::Sgd, Table::whole(cells, one), 1);
        refused("a margin for each row", || score(Rule::Sgd, Table::whole(cells, one), 0));
        refused("a margin for each row", || score(Rule::Sgd, Table::whole(cells, one), 2));
        for rule in [Rule::Adagrad, Rule::Ftrl] {
            refused("a larger table", || score(rule, Table::whole(cells, two), 1));
            refused("another layout", || score(rule, Table::whole(cells, one), 1));
        }
        refused("another layout", || score(Rule::Sgd, Table::whole(cells, two), 1));
        refused("whole tables", || score(Rule::Sgd, Table::with_head(cells, cells.slice(0..4), one), 1));
        // A head of no whole row is none, and rows that name nothing fit every table.
        score(Rule::Adagrad, Table::with_head(words.cells(), cells.slice(0..1), two), 1);
        let empty = Table::whole(cells.slice(0..0), one);
        let (rule, bias, scratch) = ((Rule::Sgd, &step), cells.slice(0..1), &mut Scratch::default());
        backend.score(rule, &empty, &[Row::default()], bias, &mut [0.0], scratch);
        refused("another width", || backend.score(rule, &empty, &[], cells.slice(0..2), &mut [], scratch));
    }
}

/// A call of a learner that fits; each law below spoils one thing.
#[derive(Clone)]
struct Call<'a> {
    spec: LearnerSpec,
    table: Table<'a>,
    rows: Vec<Row<'a>>,
    step: Step<'a>,
    margins: usize,
    bias: usize,
}

impl Call<'_> {
    fn learn(&self, backend: Backend) {
        let mut margins = vec![0.0; self.margins];
        let bias = Words::new(&[0.0; 2], 0);
        let bias = bias.cells().slice(0..self.bias);
        let learner = Learner::new(backend, self.spec);
        learner.learn(&self.table, &self.rows, bias, &self.step, &mut margins, &mut Scratch::default());
    }

    /// Checks that the call with `spoil` done to it is refused.
    #[track_caller]
    fn spoiled(&self, backend: Backend, spoil: impl FnOnce(&mut Self), why: &str) {
        let mut call = self.clone();
        spoil(&mut call);
        refused(why, || call.learn(backend));
    }
}

#[test]
fn a_learner_refuses_what_it_was_not_made_for_and_touches_nothing() {
    let ids = [0, 5, 9];
    let row = |limit, values| Row::new(Ids::check(&ids, limit).expect("below the limit"), values, 1.0);
    const DECAY: [f32; 10] = [0.0; 10];
    let values = [1.0; 3];
    for (backend, rule) in
        Backend::all().flat_map(|backend| [Rule::Sgd, Rule::Adagrad, Rule::Ftrl].map(|rule| (backend, rule)))
    {
        let words = Words::new(&[1.0; 32], 0);
        let layout = rule.layout(1);
        let width = layout.width();
        let cells = words.cells().slice(0..10 * width);
        let head = |rows: usize| -> Cells<'_> { words.cells().slice(0..rows * width) };
        let objective = Objective::One(Loss::Squared);
        let spec = LearnerSpec { objective, rule, head: false, ahead: true, ones: false, decay: false, factors: None };
        let step = Step { rate: 0.1, bias_rate: 0.1, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 };
        let (table, rows) = (Table::whole(cells, layout), vec![row(10, &values)]);
        let good = Call { spec, table, rows, step, margins: 1, bias: width };
        good.spoiled(backend, |call| call.spec.ones = true, "values where all should be 1");
        good.spoiled(backend, |call| call.rows = vec![row(10, &[])], "values where all should be 1");
        good.spoiled(backend, |call| call.spec.decay = true, "L2 penalty");
        good.spoiled(backend, |call| call.bias = width - 1, "an intercept of another width");
        good.spoiled(backend, |call| call.step.decay = &DECAY, "L2 penalty");
        good.spoiled(backend, |call| call.margins = 2, "more rows to learn than there are");
        good.spoiled(backend, |call| call.rows = vec![row(11, &values)], "a larger table");
        good.spoiled(
            backend,
            |call| call.table = Table::whole(cells.slice(0..10 * width - 1), layout),
            "a larger table",
        );
        let other = Layout::new(1, usize::from(width == 1));
        good.spoiled(backend, |call| call.table = Table::whole(cells, other), "another layout");
        good.spoiled(backend, |call| call.table = Table::with_head(cells, head(4), layout), "a head where");
        let short = |call: &mut Call<'_>| {
            call.spec.decay = true;
            call.step.decay = &DECAY[..9];
        };
        good.spoiled(backend, short, "a larger table");
        good.spoiled(
            backend,
            |call| {
                call.spec.head = true;
                call.table = Table::with_head(cells, head(11), layout);
            },
            "a head longer than its table",
        );
        if rule != Rule::Sgd {
            good.spoiled(backend, |call| call.step.floor = 0.0, "positive and normal");
        }
        if rule == Rule::Ftrl {
            good.spoiled(backend, |call| call.step.rate = 0.0, "rates of FTRL-proximal");
            good.spoiled(backend, |call| call.step.l1 = -1.0, "the penalty must not be negative");
        }
        assert_eq!(bits(&words.values()), bits(&[1.0; 32]), "{} {rule:?}", backend.name());
        good.learn(backend);
        assert_ne!(bits(&words.values()), bits(&[1.0; 32]), "{} {rule:?}", backend.name());
    }
}
