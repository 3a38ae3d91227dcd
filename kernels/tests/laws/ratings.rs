//! Rows of two features of value 1 are learned by their own loop as by that of all rows.

use hogback_kernels::{
    Backend, ClassLoss, Factors, Ids, Learner, LearnerSpec, Loss, Objective, Ratings, Row, Rule, Scratch, Step, Table,
};

use crate::factors::{BOUND, Case, NAMED, Parts, mean_nothing, shapes};
use crate::ground::{Rng, bits, close};
use crate::promises::refused;

/// Every vector alone, with both losses that there are for factors, a head, and asked for ahead, or without.
fn cases() -> impl Iterator<Item = Case> {
    let shapes = shapes().into_iter().filter(|factors| factors.fields == 1);
    shapes.flat_map(|factors| {
        (0..4).map(move |nth| {
            let objective = Objective::One([Loss::Squared, Loss::Logistic][nth % 2]);
            Case { factors, objective, ones: true, head: nth >= 2, ahead: nth % 3 == 0, norm: 0.0 }
        })
    })
}

/// What is to be learned, a rating after the other.
struct Data {
    ids: Vec<u32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl Data {
    fn new(rng: &mut Rng, ids: Vec<u32>) -> Self {
        let mut one_of = |choices: [f32; 3]| -> Vec<f32> {
            (0..ids.len() / 2).map(|_| choices[(rng.next() % 3) as usize]).collect()
        };
        let (targets, weights) = (one_of([-1.0, 1.0, 1.0]), one_of([1.0, 0.5, 2.0]));
        Self { targets, weights, ids }
    }

    fn ratings(&self) -> Ratings<'_> {
        let ids = Ids::check(&self.ids, NAMED as u32).expect("ids within the table");
        Ratings { ids, targets: &self.targets, weights: &self.weights }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let ratings = self.ratings();
        let row = |at: usize| Row::new(ratings.ids.slice(2 * at..2 * at + 2), &[], self.targets[at]);
        (0..self.targets.len()).map(|at| row(at).weighing(self.weights[at])).collect()
    }
}

/// The words of table and intercept, and the margins, after `data` was learned by `step`: by the loop of ratings, `at_once` at a time, or
/// by that of all rows.
fn learned(backend: Backend, case: &Case, step: &Step<'_>, data: &Data, at_once: Option<usize>) -> [Vec<f32>; 3] {
    let (parts, learner) = (Parts::new(case, &mut Rng(30), 1), Learner::new(backend, case.spec()));
    let (table, count) = (parts.table(), data.targets.len());
    let mut margins = vec![f32::NAN; count];
    match at_once {
        Some(at_once) => {
            for (nth, margins) in margins.chunks_mut(at_once).enumerate() {
                let from = nth * at_once;
                let all = data.ratings();
                let (targets, weights) = (&all.targets[from..], &all.weights[from..]);
                let ratings = Ratings { ids: all.ids.slice(2 * from..2 * count), targets, weights };
                learner.learn_ratings(&table, ratings, parts.bias.cells(), step, margins);
            }
        }
        None => {
            learner.learn(&table, &data.rows(), parts.bias.cells(), step, &mut margins, &mut Scratch::default());
        }
    }
    [parts.words(), parts.bias.values(), margins]
}

/// Checks that two ways of learning came to the same but for rounding and `bound`.
fn assert_near(case: &Case, [got, want]: [&[Vec<f32>; 3]; 2], bound: f64, what: &str) {
    let nothing = mean_nothing(case);
    for ((got, want), name) in got.iter().zip(want).zip(["word", "word of the intercept", "margin"]) {
        for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
            if name != "word" || !nothing[at % case.layout().width()] {
                let bound = bound * (1.0 + f64::from(want.abs()));
                close(got, want.into(), bound, || format!("{what}, {case:?}: {name} {at}"));
            }
        }
    }
}

#[test]
fn ratings_one_at_a_time_are_rows_of_two_features() {
    let mut rng = Rng(31);
    let ids = (0..40).flat_map(|_| [rng.next() % 10, 10 + rng.next() % (NAMED as u64 - 10)].map(|id| id as u32));
    let data = Data::new(&mut Rng(32), ids.collect());
    for (backend, case) in Backend::all().flat_map(|backend| cases().map(move |case| (backend, case))) {
        let [ratings, rows] = [Some(1), None].map(|how| learned(backend, &case, &case.step(), &data, how));
        assert_near(&case, [&ratings, &rows], BOUND, backend.name());
    }
}

#[test]
fn ratings_that_have_nothing_in_common_may_be_learned_at_once() {
    let mut rng = Rng(33);
    let mut ids: Vec<u32> = (0..NAMED as u32).collect();
    rng.shuffle(&mut ids);
    for count in [0, 1, 2, 7, 8, 9, 31, 32, 33, NAMED / 2].into_iter().filter(|&count| count <= NAMED / 2) {
        let data = Data::new(&mut rng, ids[..2 * count].to_vec());
        for (backend, case) in Backend::all().flat_map(|backend| cases().map(move |case| (backend, case))) {
            // All have the intercept in common.
            let step = Step { bias_rate: 0.0, ..case.step() };
            let [ratings, rows] = [Some(count.max(1)), None].map(|how| learned(backend, &case, &step, &data, how));
            assert_near(&case, [&ratings, &rows], BOUND, backend.name());
        }
    }
}

#[test]
fn ratings_that_have_users_and_items_in_common_are_learned_nearly_as_rows() {
    let mut rng = Rng(34);
    let ids: Vec<u32> = (0..100).flat_map(|_| [rng.next() % 3, 10 + rng.next() % 4].map(|id| id as u32)).collect();
    let data = Data::new(&mut rng, ids);
    for (backend, case) in Backend::all().flat_map(|backend| cases().map(move |case| (backend, case))) {
        let step = Step { rate: 1e-7, bias_rate: 1e-7, floor: 10.0, ..case.step() };
        let [ratings, rows] = [Some(100), None].map(|how| learned(backend, &case, &step, &data, how));
        for (at, (&got, &want)) in ratings[2].iter().zip(&rows[2]).enumerate() {
            close(got, want.into(), 1e-3, || format!("{} {case:?}: margin {at}", backend.name()));
        }
    }
}

#[test]
fn ratings_refuse_what_does_not_fit() {
    let case = cases().next().expect("a case");
    let ids = [0, 1, 2, 3];
    let ids = Ids::check(&ids, NAMED as u32).expect("ids within the table");
    let (two, three) = ([1.0; 2], [1.0; 3]);
    let good = Ratings { ids, targets: &two, weights: &two };
    for backend in Backend::all() {
        let parts = Parts::new(&case, &mut Rng(35), 0);
        let before = bits(&parts.words());
        let learn = |spec: LearnerSpec, table: &Table<'_>, ratings, step: &Step<'_>, margins| {
            let learner = Learner::new(backend, spec);
            learner.learn_ratings(table, ratings, parts.bias.cells(), step, &mut vec![0.0; margins]);
        };
        let (spec, table, step) = (case.spec(), parts.table(), case.step());
        let of = |ratings, margins| learn(spec, &table, ratings, &step, margins);
        refused("one for each margin", || of(good, 3));
        refused("ratings of two features", || of(Ratings { targets: &three, weights: &three, ..good }, 2));
        refused("one for each margin", || of(Ratings { weights: &two[..1], ..good }, 2));
        let larger = Ids::check(&[0, 1, 2, 3], NAMED as u32 + 1).expect("ids within the limit");
        refused("a larger table", || of(Ratings { ids: larger, ..good }, 2));
        refused("taken as they are", || learn(spec, &table, good, &Step { norm: 1.0, ..step }, 2));
        refused("positive and normal", || learn(spec, &table, good, &Step { floor: 0.0, ..step }, 2));
        let factors = Some(Factors { rank: 4, fields: 2 });
        refused("no fields", || learn(LearnerSpec { factors, ..spec }, &table, good, &step, 2));
        refused("one output with factors", || learn(LearnerSpec { factors: None, ..spec }, &table, good, &step, 2));
        let classes = Objective::Classes { loss: ClassLoss::Softmax, classes: 2 };
        refused("one output", || learn(LearnerSpec { objective: classes, ..spec }, &table, good, &step, 2));
        let factors = Some(Factors { rank: 77, fields: 1 });
        refused("another layout", || learn(LearnerSpec { factors, ..spec }, &table, good, &step, 2));
        assert_eq!(bits(&parts.words()), before, "{}", backend.name());
        refused("learned by Adagrad", || Learner::new(backend, LearnerSpec { rule: Rule::Sgd, ..spec }));
        refused("their own penalty", || Learner::new(backend, LearnerSpec { decay: true, ..spec }));
        of(good, 2);
        assert_ne!(bits(&parts.words()), before, "{}", backend.name());
    }
}
