//! What the documentation promises of calls that do not fit: a panic that says why, and not a word touched.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hogback_kernels::{
    Adam, Backend, Cells, DenseRule, Ids, Learner, LearnerSpec, Loss, MergeRule, Row, Rule, Scratch, Slot, Step, Table,
};

use crate::ground::{Words, bits};

/// Checks that `call` panics with a message that contains `why`.
#[track_caller]
fn refused<T>(why: &str, call: impl FnOnce() -> T) {
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
    assert_eq!(
        (Table::whole(cells, 1).rows(), Table::whole(cells, 2).rows(), Table::whole(cells, 6).rows()),
        (5, 2, 0)
    );
    refused("rows of no words", || Table::whole(cells, 0));
    refused("rows of no words", || Table::with_head(cells, cells, 0));
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
        refused("half a pair", || backend.merge(five, five, five, MergeRule::Scaled { floor: 1.0 }));
        let adagrad = |floor| DenseRule::Adagrad { rate: 0.1, floor };
        for floor in [0.0, -1.0, 1e-40, f32::NAN, f32::INFINITY] {
            refused("positive and normal", || backend.merge(four, four, four, MergeRule::Scaled { floor }));
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
fn scores_refuse_what_does_not_fit() {
    let words = Words::new(&[1.0; 14], 0);
    let cells = words.cells().slice(0..12);
    let row = Row::new(Ids::check(&[0, 1], 7).expect("below 7"), &[], 1.0);
    for backend in Backend::all() {
        let score = |table: Table<'_>, margins: usize| backend.score(&table, &[row], 0.0, &mut vec![0.0; margins]);
        score(Table::whole(cells, 1), 1);
        refused("a margin for each row", || score(Table::whole(cells, 1), 0));
        refused("a margin for each row", || score(Table::whole(cells, 1), 2));
        refused("a larger table", || score(Table::whole(cells, 2), 1));
        refused("whole tables", || score(Table::whole(cells, 3), 1));
        refused("whole tables", || score(Table::with_head(cells, cells.slice(0..4), 1), 1));
        // A head of no whole row is none, and rows that name nothing fit every table.
        score(Table::with_head(words.cells(), cells.slice(0..1), 2), 1);
        backend.score(&Table::whole(cells.slice(0..0), 1), &[Row::default()], 0.5, &mut [0.0]);
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
}

impl Call<'_> {
    fn learn(&self, backend: Backend) {
        let (mut bias, mut margins) = (Slot::default(), vec![0.0; self.margins]);
        let learner = Learner::new(backend, self.spec);
        learner.learn(&self.table, &self.rows, &mut bias, &self.step, &mut margins, &mut Scratch::default());
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
    let (values, decay) = ([1.0; 3], [0.0; 10]);
    for (backend, rule) in Backend::all().flat_map(|backend| [Rule::Sgd, Rule::Adagrad].map(|rule| (backend, rule))) {
        let words = Words::new(&[1.0; 32], 0);
        let width = rule.width();
        let cells = words.cells().slice(0..10 * width);
        let head = |rows: usize| -> Cells<'_> { words.cells().slice(0..rows * width) };
        let spec = LearnerSpec { loss: Loss::Squared, rule, head: false, ahead: true, ones: false, decay: false };
        let step = Step { rate: 0.1, bias_rate: 0.1, floor: 1.0, decay: &[] };
        let good = Call { spec, table: Table::whole(cells, width), rows: vec![row(10, &values)], step, margins: 1 };
        good.spoiled(backend, |call| call.spec.ones = true, "values where all should be 1");
        good.spoiled(backend, |call| call.rows = vec![row(10, &[])], "values where all should be 1");
        good.spoiled(backend, |call| call.spec.decay = true, "L2 penalty");
        good.spoiled(backend, |call| call.step.decay = &decay, "L2 penalty");
        good.spoiled(backend, |call| call.margins = 2, "more rows to learn than there are");
        good.spoiled(backend, |call| call.rows = vec![row(11, &values)], "a larger table");
        good.spoiled(
            backend,
            |call| call.table = Table::whole(cells.slice(0..10 * width - 1), width),
            "a larger table",
        );
        good.spoiled(backend, |call| call.table = Table::whole(cells, 3 - width), "another width");
        good.spoiled(backend, |call| call.table = Table::with_head(cells, head(4), width), "a head where");
        good.spoiled(
            backend,
            |call| {
                call.spec.decay = true;
                call.step.decay = &decay[..9];
            },
            "a larger table",
        );
        good.spoiled(
            backend,
            |call| {
                call.spec.head = true;
                call.table = Table::with_head(cells, head(11), width);
            },
            "a head longer than its table",
        );
        if rule == Rule::Adagrad {
            good.spoiled(backend, |call| call.step.floor = 0.0, "positive and normal");
        }
        assert_eq!(bits(&words.values()), bits(&[1.0; 32]), "{} {rule:?}", backend.name());
        good.learn(backend);
        assert_ne!(bits(&words.values()), bits(&[1.0; 32]), "{} {rule:?}", backend.name());
    }
}
