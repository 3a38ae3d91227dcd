//! What holds for models of one output under Adagrad, for several outputs, for FTRL-proximal and for factors: children, repeating,
//! resuming, divergence; and what weights of rows and classes mean.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hogback::checkpoint::{Existing, load};
use hogback::engine::schedule::Schedule;
use hogback::error::Error;
use hogback::fault::{Faults, Point};
use hogback::model::configuration::{Kind, LossKind, Optimizer};
use hogback::model::predictor::Model;
use hogback::train::{ClassWeights, Consistency, Request, Settings, Summary};
use tempfile::tempdir;

use super::planted::suited;
use super::{passes, run, tensors, with_children};

/// The kinds of models that are looked at here.
fn kinds() -> [Settings; 11] {
    let classes = |loss, optimizer| Settings { loss: Some(loss), optimizer: Some(optimizer), ..passes(3) };
    let layers = |kind, loss, optimizer| Settings {
        kind: Some(kind),
        rank: (kind != Kind::Mlp).then_some(6),
        hidden: (kind != Kind::Text).then(|| vec![12, 6]),
        dropout: Some(0.1),
        ..classes(loss, optimizer)
    };
    [
        classes(LossKind::Softmax, Optimizer::Adagrad),
        classes(LossKind::Hinge, Optimizer::Sgd),
        classes(LossKind::Softmax, Optimizer::Ftrl),
        Settings { l1: Some(2.0), ..classes(LossKind::Squared, Optimizer::Ftrl) },
        Settings { kind: Some(Kind::Fm), rank: Some(5), ..classes(LossKind::Softmax, Optimizer::Adagrad) },
        Settings { kind: Some(Kind::Fm), ..classes(LossKind::Squared, Optimizer::Adagrad) },
        Settings { kind: Some(Kind::Ffm), ..classes(LossKind::Squared, Optimizer::Adagrad) },
        layers(Kind::Mlp, LossKind::Softmax, Optimizer::Adam),
        layers(Kind::Mlp, LossKind::Squared, Optimizer::Adagrad),
        layers(Kind::Deep, LossKind::Softmax, Optimizer::Adam),
        layers(Kind::Text, LossKind::Softmax, Optimizer::Adagrad),
    ]
}

/// Rows of five classes, 0 to 4, that their features tell but for some noise.
fn five_classes(folder: &Path, rows: usize) -> PathBuf {
    let (mut state, mut text) = (7u64, String::new());
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for _ in 0..rows {
        let class = below(5);
        write!(text, "{class}").unwrap();
        let mut ids: Vec<u64> =
            (0..12).map(|_| 1 + if below(3) == 0 { 100 * class + below(40) } else { below(500) }).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().for_each(|id| write!(text, " {id}:{}", [0.5, 1.0][below(2) as usize]).unwrap());
        text.push('\n');
    }
    let path = folder.join("classes.svm");
    fs::write(&path, text).unwrap();
    path
}

fn held_out(summary: &Summary) -> f64 {
    let valid = summary.valid.unwrap();
    valid.logloss.or(valid.loss).or(valid.rmse).unwrap()
}

#[test]
fn many_children_learn_as_well_as_one() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 20_000);
    for (kind, settings) in kinds().into_iter().enumerate() {
        let data = suited(&data, settings.kind.unwrap_or_default());
        let loss = |children: usize| {
            let model = folder.path().join(format!("{kind}-{children}"));
            let request = with_children(&data, model, children);
            let existing = Existing::Replace;
            held_out(&run(&Request { settings: settings.clone(), existing, ..request }).unwrap())
        };
        let one = loss(1);
        // A few passes over little data, far from the minimum, where the order of rows alone makes a percent.
        for (children, within) in [(2, 0.02), (8, 0.02), (16, 0.03)] {
            let has_layers = settings.kind.is_some_and(Kind::has_layers);
            if (settings.optimizer == Some(Optimizer::Sgd) || has_layers) && children > 2 {
                continue; // Constant rates do not bear many rows in flight, nor layers many batches.
            }
            // Layers are still on their way down: a pass makes tens of percent.
            let within = if has_layers { 0.12 } else { within };
            // Where other programs take a core away in the middle of a task, its child comes back with an old view: the best of three.
            let many = (0..3).map(|_| loss(children)).fold(f64::MAX, f64::min);
            println!("{settings:?}: {one:.5} with one child, {many:.5} with {children}");
            assert!(many < one * (1.0 + within), "{settings:?}: {many} with {children} children, {one} with one");
        }
    }
}

#[test]
fn rounds_and_single_children_repeat_and_go_on_after_any_cut_to_the_same_bits() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 6_000);
    // With the first a run of losses that rise and fall, which a judge must not take a cut for.
    let plateau =
        Settings { lr: Some(8.0), early_stop: Some(2), schedule: Some(Schedule::Plateau), ..kinds()[0].clone() };
    for (kind, settings) in [vec![plateau], kinds().to_vec()].concat().into_iter().enumerate() {
        let data = suited(&data, settings.kind.unwrap_or_default());
        for (children, consistency) in [(1, Consistency::Hogwild), (2, Consistency::Sync)] {
            let model = |name: &str| folder.path().join(format!("{kind}-{children}-{name}"));
            let train = |name: &str, existing, faults| {
                let settings = settings.clone();
                let request = with_children(&data, model(name), children);
                run(&Request { settings, consistency, existing, faults, merge: Some(64), ..request })
            };
            train("a", Existing::Refuse, Faults::none()).unwrap();
            train("b", Existing::Refuse, Faults::none()).unwrap();
            let whole = tensors(&model("a"));
            assert!(tensors(&model("b")) == whole, "{settings:?} {children} children");
            // Three tasks a pass: within the first pass, at its end, and within the last.
            for cut in [1, 2, 7] {
                let faults = Faults::none().at(Point::TaskDone, cut, 1);
                let cut_short = train("c", Existing::Replace, faults).unwrap_err();
                assert!(matches!(cut_short, Error::Interrupted { saved: true, .. }), "{cut_short}");
                train("c", Existing::Continue, Faults::none()).unwrap();
                assert!(tensors(&model("c")) == whole, "{settings:?} {children} children, cut after {cut}");
            }
        }
    }
}

#[test]
fn l1_keeps_most_weights_at_zero_and_what_is_exported_small() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 20_000);
    let model = |l1: f32| {
        let path = folder.path().join(format!("l1-{l1}"));
        let settings = Settings { l1: Some(l1), loss: Some(LossKind::Softmax), ..passes(4) };
        let summary = run(&Request { settings, ..with_children(&data, path.clone(), 1) }).unwrap();
        let model = Model::open(&path).unwrap();
        let asked = if l1 > 0.0 { Optimizer::Ftrl } else { Optimizer::Adagrad };
        assert_eq!(model.configuration.optimizer, asked);
        let weights: Vec<f32> = (0..model.features()).flat_map(|row| model.weights(row).collect::<Vec<_>>()).collect();
        let zeros = weights.iter().filter(|&&weight| weight == 0.0).count() as f64 / weights.len() as f64;
        (zeros, held_out(&summary))
    };
    let ((none, dense), (some, sparse)) = (model(0.0), model(15.0));
    println!("zeros {none:.3} without, {some:.3} with; logloss {dense:.4} and {sparse:.4}");
    assert!(none < 0.01 && some > 0.5 && sparse < 1.05 * dense);
}

#[test]
fn another_rate_keeps_what_ftrl_has_learned() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 6_000);
    let path = folder.path().join("m");
    let settings = Settings { optimizer: Some(Optimizer::Ftrl), ..passes(3) };
    run(&Request { settings, ..with_children(&data, path.clone(), 1) }).unwrap();
    let before = Model::open(&path).unwrap();
    // A rate so small that a pass moves next to nothing.
    let settings = Settings { lr: Some(1e-9), ..passes(1) };
    run(&Request { settings, existing: Existing::Continue, ..with_children(&data, path.clone(), 1) }).unwrap();
    let after = Model::open(&path).unwrap();
    for row in 0..before.features() {
        for (before, after) in before.weights(row).zip(after.weights(row)) {
            assert!((before - after).abs() < 1e-4 * (1.0 + before.abs()), "row {row}: {before} became {after}");
        }
    }
}

#[test]
fn a_class_that_weighs_more_is_predicted_more_often() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 5_000);
    let predicted = |name: &str, class_weights: Option<ClassWeights>| {
        let path = folder.path().join(name);
        let settings = Settings { class_weights, ..passes(3) };
        run(&Request { settings, ..with_children(&data, path.clone(), 1) }).unwrap();
        Model::open(&path).unwrap().predict_row(&[("20", 1.0), ("450", 1.0)]).unwrap()[3]
    };
    let (even, heavy) =
        (predicted("even", None), predicted("heavy", Some(ClassWeights::Named(vec![("3".to_owned(), 20.0)]))));
    assert!(heavy > 2.0 * even, "{heavy} where the class weighs 20, {even} where it weighs 1");
    let balanced = predicted("balanced", Some(ClassWeights::Balanced));
    assert!((balanced - even).abs() < 0.05, "{balanced} balanced, {even} as it is: the classes are equally frequent");
}

#[test]
fn a_rate_that_is_too_bold_is_halved_until_several_classes_learn() {
    let folder = tempdir().unwrap();
    let data = five_classes(folder.path(), 6_000);
    for (optimizer, lr) in [(Optimizer::Sgd, 200.0), (Optimizer::Ftrl, 300.0)] {
        let settings = Settings { lr: Some(lr), optimizer: Some(optimizer), ..passes(3) };
        let path = folder.path().join(format!("bold-{}", optimizer.name()));
        let summary = run(&Request { settings, ..with_children(&data, path.clone(), 1) }).unwrap();
        let rescues = load(&path).unwrap().manifest.position["rescues"].as_u64().unwrap();
        println!("{optimizer:?}: {rescues} rescues, {:?}", summary.valid);
        assert!(rescues > 0, "{optimizer:?} at {lr} is not too bold");
        assert!(summary.valid.unwrap().accuracy > Some(0.5), "{optimizer:?}: {summary:?}");
        // A rate that is named anew is taken as it is named.
        let settings = Settings { lr: Some(1e-3), ..passes(1) };
        run(&Request { settings, existing: Existing::Continue, ..with_children(&data, path.clone(), 1) }).unwrap();
        assert_eq!(load(&path).unwrap().manifest.position["rescues"], 0);
    }
    for settings in kinds() {
        let settings = Settings { lr: Some(1e10), optimizer: None, ..settings };
        let data = suited(&data, settings.kind.unwrap_or_default());
        let request = with_children(&data, folder.path().join("hopeless"), 2);
        assert_eq!(run(&Request { settings, ..request }).unwrap_err().exit_code(), 3);
    }
}

#[test]
fn only_how_rows_compare_matters_not_how_much_all_weigh() {
    let folder = tempdir().unwrap();
    let (mut light, mut heavy) = (String::new(), String::new());
    for row in 0..3000u32 {
        let (label, feature, weight) = ([1, -1][(row % 2) as usize], 1 + row * 7 % 40 + 20 * (row % 2), 1 + row % 3);
        light += &format!("{label} {weight} | {feature} bias\n");
        heavy += &format!("{label} {} | {feature} bias\n", 1024 * weight);
    }
    for optimizer in [Optimizer::Adagrad, Optimizer::Sgd, Optimizer::Ftrl] {
        let model = |name: &str, text: &str| {
            let data = folder.path().join(format!("{name}.vw"));
            fs::write(&data, text).unwrap();
            let path = folder.path().join(format!("{name}-{}", optimizer.name()));
            let settings = Settings { optimizer: Some(optimizer), l2: Some(0.01), ..passes(3) };
            run(&Request { settings, ..with_children(&data, path.clone(), 1) }).unwrap();
            tensors(&path)
        };
        assert!(model("light", &light) == model("heavy", &heavy), "{optimizer:?}");
    }
}
