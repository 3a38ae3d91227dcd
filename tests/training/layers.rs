//! What holds for models with layers: the same twice, going on with more of anything, panics, what is no number.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hogback::checkpoint::{Existing, load};
use hogback::data::Input;
use hogback::engine::plan;
use hogback::error::Error;
use hogback::fault::{Faults, Point};
use hogback::model::configuration::{Activation, Kind, LossKind, Optimizer};
use hogback::model::predictor::Model;
use hogback::train::{Consistency, Request, Settings};
use tempfile::tempdir;

use super::divergence::is_given_up;
use super::planted::{Plant, suited, write};
use super::{is_finite, logloss, passes, run, tensors, with_children};

const PLANT: Plant = Plant { rows: 4000, features: 1 << 10, constant: false };
const KINDS: [Kind; 3] = [Kind::Mlp, Kind::Deep, Kind::Text];

/// A small model of this kind.
fn small(kind: Kind) -> Settings {
    Settings {
        kind: Some(kind),
        rank: kind.has_factors().then_some(4),
        hidden: (kind != Kind::Text).then(|| vec![8, 4]),
        batch: Some(32),
        lr: Some(rate(kind)),
        ..passes(3)
    }
}

/// The same with layers that see all that come before them.
fn skipping(kind: Kind) -> Settings {
    Settings { hidden: Some(vec![8, 4]), skips: Some(vec![(0, 2), (0, 3), (1, 3)]), ..small(kind) }
}

/// A rate that bears two children: rows of a deep model have some ten features of a field here, which are all moved by each row of a batch.
fn rate(kind: Kind) -> f32 {
    kind.rate_of_layers(Optimizer::Adam) / if kind == Kind::Deep { 8.0 } else { 1.0 }
}

/// Rows of learning that a run has booked.
fn learned(summary: &hogback::train::Summary) -> f64 {
    summary.examples_per_second * summary.seconds.train
}

#[test]
fn sync_is_bit_identical_for_one_seed_s_k_and_m_interrupted_or_not() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for (kind, has_skips) in KINDS.iter().flat_map(|&kind| [(kind, false), (kind, true)]) {
        let data = suited(&data, kind);
        for (shards, controllers, children) in [(1, 1, 1), (2, 1, 2), (1, 2, 1), (3, 1, 3)] {
            let story = format!("{kind:?}, skips {has_skips}, S {shards} K {controllers} m {children}");
            let model = |name: &str| folder.path().join(format!("{story} {name}"));
            let train = |name: &str, existing, faults| {
                let (s, k, m) = (Some(shards), Some(controllers), Some(children));
                let machine = plan::Request { shards: s, controllers: k, children: m, nodes: None };
                // What is left out by chance is a matter of the seed as well.
                let settings = if has_skips { skipping(kind) } else { small(kind) };
                let settings = Settings { dropout: Some(0.2), ..settings };
                let request = with_children(&data, model(name), children);
                run(&Request { machine, settings, consistency: Consistency::Sync, existing, faults, ..request })
            };
            train("a", Existing::Refuse, Faults::none()).unwrap();
            train("b", Existing::Refuse, Faults::none()).unwrap();
            let cut = train("c", Existing::Refuse, Faults::none().at(Point::TaskDone, 7, 1)).unwrap_err();
            assert!(matches!(cut, Error::Interrupted { saved: true, .. }), "{cut}");
            train("c", Existing::Continue, Faults::none()).unwrap();
            let [a, b, c] = ["a", "b", "c"].map(|name| tensors(&model(name)));
            assert!(a == b && a == c, "{story}");
            let layers = load(&model("a")).unwrap().manifest.configuration["layers"].clone();
            let skips = has_skips.then(|| serde_json::json!([[0, 2], [0, 3], [1, 3]]));
            assert_eq!(layers.get("skips"), skips.as_ref(), "{story}");
        }
    }
}

#[test]
fn seeds_matter_and_rounds_of_one_child_learn_what_a_child_alone_learns() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    // Which words of a text are left out by chance hangs on where they stand in a copy.
    for kind in [Kind::Mlp, Kind::Deep] {
        let data = suited(&data, kind);
        let model = |name: &str, consistency, seed| {
            let path = folder.path().join(format!("{kind:?}{name}"));
            let settings = Settings { seed: Some(seed), holdout: Some(0.0), ..small(kind) };
            run(&Request { settings, consistency, ..with_children(&data, path.clone(), 1) }).unwrap();
            tensors(&path)
        };
        let alone = model("alone", Consistency::Hogwild, 0);
        assert!(model("other", Consistency::Hogwild, 1) != alone);
        // In place a feature that is twice in a batch moves twice; in rounds the sums are the same but for their order.
        let rounds = model("rounds", Consistency::Sync, 0);
        for ((name, alone), (_, rounds)) in alone.iter().zip(&rounds) {
            for (at, (&alone, &rounds)) in alone.iter().zip(rounds).enumerate() {
                let (alone, rounds) = (f32::from_bits(alone), f32::from_bits(rounds));
                let near = (alone - rounds).abs() < 1e-2 * (1.0 + alone.abs());
                assert!(near, "{kind:?}: {name} {at} is {rounds} in rounds, {alone} alone");
            }
        }
    }
}

#[test]
fn a_panic_anywhere_costs_time_but_no_row_and_no_quality() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let points = [Point::BeforeUpdate, Point::InsideUpdate, Point::AfterUpdate, Point::WhileMerging, Point::Controller];
    for kind in KINDS {
        let data = suited(&data, kind);
        let settings = || Settings { holdout: Some(0.0), ..small(kind) };
        for consistency in [Consistency::Hogwild, Consistency::Sync] {
            let train = |name: String, faults| {
                let request = with_children(&data, folder.path().join(name), 2);
                run(&Request { settings: settings(), faults, consistency, existing: Existing::Replace, ..request })
                    .unwrap()
            };
            let loss = |summary: &hogback::train::Summary| summary.progressive.logloss.unwrap();
            for point in points {
                for nth in [0, 20] {
                    let story = format!("{kind:?} {consistency:?} {point:?} {nth}");
                    // Each beside a run without a fault: what other programs take of the cores changes what children see of each other.
                    let change = || {
                        let clean = train(format!("{kind:?}{consistency:?}"), Faults::none());
                        let summary = train(story.clone(), Faults::none().at(point, nth, 1));
                        assert!(summary.failed_tasks == 1 || point == Point::Controller, "{story}");
                        assert_eq!(learned(&summary).round(), 12_000.0, "{story}");
                        loss(&summary) / loss(&clean) - 1.0
                    };
                    // Where a core is taken away in the middle of a task, its child comes back with an old view: the best of five.
                    let changes: Vec<f64> = (0..5).map(|_| change()).take_while(|&change| change > 0.03).collect();
                    assert!(changes.len() < 5, "{story}: {changes:?}");
                }
            }
        }
    }
}

#[test]
fn a_gradient_that_is_no_number_is_rolled_back_and_never_saved() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for kind in KINDS {
        let data = suited(&data, kind);
        let rate = rate(kind);
        let settings = |lr| Settings { holdout: Some(0.0), lr: Some(lr), ..small(kind) };
        for (children, consistency) in [(1, Consistency::Hogwild), (2, Consistency::Hogwild), (2, Consistency::Sync)] {
            let path = |name: &str| folder.path().join(format!("{kind:?}-{children}-{consistency:?}-{name}"));
            let train = |name: &str, lr, faults| {
                let request = with_children(&data, path(name), children);
                run(&Request { settings: settings(lr), faults, consistency, ..request })
            };
            let story = format!("{kind:?}, {children} children, {consistency:?}");
            // The first batch, and one of the first pass that is not.
            for nth in [0, 50] {
                let name = format!("rescued-{nth}");
                train(&name, rate, Faults::none().at(Point::Gradient, nth, 1)).unwrap();
                let rescues = load(&path(&name)).unwrap().manifest.position["rescues"].as_u64();
                assert_eq!(rescues, Some(1), "{story}, {nth}");
                assert!(is_finite(&path(&name)), "{story}, {nth}");
                if children == 1 || consistency == Consistency::Sync {
                    let slow = path(&format!("slow-{nth}"));
                    train(&format!("slow-{nth}"), rate / 2.0, Faults::none()).unwrap();
                    assert!(tensors(&path(&name)) == tensors(&slow), "{story}: it begins again with half the rate");
                }
            }
            // And one that always is none is given up.
            let given_up = train("hopeless", rate, Faults::none().at(Point::Gradient, 0, i64::MAX)).unwrap_err();
            assert_eq!(given_up.exit_code(), 3, "{story}: {given_up}");
            assert!(!path("hopeless").exists(), "{story}");
        }
    }
}

#[test]
fn a_rate_far_too_large_is_given_up_and_leaves_the_model_as_it_was() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for kind in KINDS {
        let data = suited(&data, kind);
        let model = folder.path().join(format!("{kind:?}"));
        run(&Request { settings: small(kind), ..with_children(&data, model.clone(), 2) }).unwrap();
        is_given_up(&data, &model);
    }
}

#[test]
fn more_passes_never_make_a_model_worse_and_are_as_many_as_were_asked_for() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for kind in KINDS {
        let data = suited(&data, kind);
        let model = folder.path().join(format!("{kind:?}"));
        let first = run(&Request { settings: small(kind), ..with_children(&data, model.clone(), 2) }).unwrap();
        let again = with_children(&data, model.clone(), 2);
        let more = run(&Request { settings: passes(2), existing: Existing::Continue, ..again }).unwrap();
        assert_eq!((first.passes, more.passes), (3, 5), "{kind:?}");
        assert!(logloss(&more) <= logloss(&first) + 1e-9, "{kind:?}: {} after {}", logloss(&more), logloss(&first));
    }
}

/// The words of a tensor of a model.
fn tensor(model: &Path, name: &str) -> Vec<u32> {
    let found = tensors(model).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no tensor {name}")).1
}

#[test]
fn new_data_brings_new_inputs_and_keeps_the_old_ones() {
    let folder = tempdir().unwrap();
    let model = folder.path().join("m");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text.repeat(50)).unwrap();
        path
    };
    let (a, b) = (file("a.svm", "1 1:1 2:1\n-1 3:1\n"), file("b.svm", "1 9:1 3:1\n-1 2:1 8:1\n"));
    // The output sees the input as well: it has rows for new features behind all others.
    let settings = Settings { hidden: Some(vec![5, 4]), skips: Some(vec![(1, 3), (0, 3)]), ..small(Kind::Mlp) };
    run(&Request { settings, ..with_children(&a, model.clone(), 1) }).unwrap();
    let before = Model::open(&model).unwrap();
    let [old, old_last] = ["layer1.weight", "layer3.weight"].map(|name| tensor(&model, name));
    // A rate so small that a pass moves next to nothing.
    let settings = Settings { lr: Some(1e-9), ..passes(1) };
    let again = Request { settings, existing: Existing::Continue, ..with_children(&b, model.clone(), 1) };
    run(&again).unwrap();
    let [weights, last] = ["layer1.weight", "layer3.weight"].map(|name| tensor(&model, name));
    assert_eq!((old.len(), weights.len()), (3 * 5, 5 * 5));
    assert_eq!((old_last.len(), last.len()), (4 + 5 + 3, 4 + 5 + 5));
    let near = |(old, new): (&u32, &u32)| (f32::from_bits(*old) - f32::from_bits(*new)).abs() < 1e-6;
    assert!(old.iter().zip(&weights).all(near) && old_last.iter().zip(&last).all(near));
    assert!(weights[15..].iter().any(|&word| f32::from_bits(word) != 0.0), "fresh units are not all alike");
    let after = Model::open(&model).unwrap();
    for row in [&[("1", 1.0), ("2", 1.0)][..], &[("3", 1.0)], &[]] {
        let [before, after] = [&before, &after].map(|model| model.predict_row(row).unwrap()[0]);
        assert!((before - after).abs() < 1e-5, "{row:?}: {before} became {after}");
    }
    // With a rate it learns what is new. Inputs that the first file had not are 0 in all of it.
    let settings = Settings { lr: Some(0.02), ..passes(10) };
    run(&Request { settings, existing: Existing::Continue, ..with_children(&b, model.clone(), 1) }).unwrap();
    let model = Model::open(&model).unwrap();
    let [nine, eight] = ["9", "8"].map(|key| model.predict_row(&[(key, 1.0)]).unwrap()[0]);
    assert!(nine > eight, "{nine} {eight}");
}

#[test]
fn new_inputs_of_any_size_are_brought_to_one() {
    let folder = tempdir().unwrap();
    let data = rings(folder.path(), 1500);
    let rows = fs::read_to_string(&data).unwrap();
    let rows = rows.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
    let (mut first, mut second) = (String::new(), String::new());
    for (nth, row) in rows.enumerate() {
        writeln!(first, "{} 1:{} 2:{}", row[2], row[0], row[1]).unwrap();
        writeln!(second, "{} 1:{} 2:{} 3:{}", row[2], row[0], row[1], 3000 + nth * 7919 % 2000).unwrap();
    }
    let [first, second] = [("a.svm", first), ("b.svm", second)].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    });
    let model = folder.path().join("m");
    let settings = Settings { kind: Some(Kind::Mlp), hidden: Some(vec![16]), ..passes(20) };
    let before = run(&Request { settings, ..with_children(&first, model.clone(), 1) }).unwrap();
    let again = with_children(&second, model.clone(), 1);
    let after = run(&Request { settings: passes(20), existing: Existing::Continue, ..again }).unwrap();
    assert_eq!(load(&model).unwrap().manifest.position["rescues"], 0);
    assert!(logloss(&after) < 1.1 * logloss(&before), "{after:?}");
}

#[test]
fn texts_gain_words_and_deep_models_features() {
    let folder = tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text.repeat(60)).unwrap();
        path
    };
    let text = |name, more| file(name, &format!("__label__ice puck goal\n__label__road wheel van\n{more}"));
    let rows = |name, more| file(name, &format!("1 0:1:1 1:7:1\n-1 0:2:1 1:8:1\n{more}"));
    for (kind, first, second, keys) in [
        (Kind::Text, text("a.txt", ""), text("b.txt", "__label__ice rink\n__label__road tyre\n"), ["rink", "tyre"]),
        (Kind::Deep, rows("a.ffm", ""), rows("b.ffm", "1 0:3:1\n-1 1:9:1\n"), ["0:3", "1:9"]),
    ] {
        let model = folder.path().join(format!("{kind:?}"));
        run(&Request {
            settings: Settings { batch: Some(4), ..small(kind) },
            ..with_children(&first, model.clone(), 1)
        })
        .unwrap();
        let before = Model::open(&model).unwrap();
        let again = with_children(&second, model.clone(), 1);
        let settings = Settings { lr: Some(kind.rate_of_layers(Optimizer::Adam)), ..passes(20) };
        run(&Request { settings, existing: Existing::Continue, ..again }).unwrap();
        let after = Model::open(&model).unwrap();
        assert_eq!(after.features(), before.features() + 2, "{kind:?}");
        let said = keys.map(|key| after.predict_row(&[(key, 1.0)]).unwrap()[0]);
        // Of the text the second label is the positive class.
        assert!(
            if kind == Kind::Text { said[0] < 0.4 && said[1] > 0.6 } else { said[0] > 0.6 && said[1] < 0.4 },
            "{kind:?}: {said:?}"
        );
    }
}

#[test]
fn other_layers_than_those_of_the_model_that_is_resumed_are_refused() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 200, ..PLANT });
    for kind in KINDS {
        let data = suited(&data, kind);
        let model = folder.path().join(format!("{kind:?}"));
        let settings = Settings { activation: Some(Activation::Tanh), ..small(kind) };
        run(&Request { settings, ..with_children(&data, model.clone(), 1) }).unwrap();
        let before = tensors(&model);
        let other = || Settings { passes: Some(1), ..Settings::default() };
        for (settings, part) in [
            (Settings { hidden: Some(vec![9]), ..other() }, "--hidden"),
            (Settings { skips: Some(vec![(0, 2)]), ..other() }, "--skips"),
            (Settings { activation: Some(Activation::Gelu), ..other() }, "--activation"),
            (Settings { optimizer: Some(Optimizer::Sgd), ..other() }, "--optimizer"),
            (Settings { loss: Some(LossKind::Squared), ..other() }, "--loss"),
        ] {
            let again = with_children(&data, model.clone(), 1);
            let error = run(&Request { settings, existing: Existing::Continue, ..again }).unwrap_err();
            assert!(matches!(error, Error::Usage(_)) && error.to_string().contains(part), "{kind:?}: {error}");
            assert!(tensors(&model) == before);
        }
        // The same again is no other, and how much is left out or learned at once may change.
        let same = Settings { activation: Some(Activation::Tanh), hidden: small(kind).hidden, ..other() };
        let other = Settings { batch: Some(16), dropout: Some(0.1), ..other() };
        for settings in [same, other] {
            let again = with_children(&data, model.clone(), 1);
            run(&Request { settings, existing: Existing::Continue, ..again }).unwrap();
        }
    }
}

#[test]
fn skips_are_resumed_as_they_are_and_no_others() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 200, ..PLANT });
    let model = folder.path().join("m");
    run(&Request { settings: skipping(Kind::Mlp), ..with_children(&data, model.clone(), 1) }).unwrap();
    let resumed = |skips: Option<Vec<(usize, usize)>>| {
        let settings = Settings { skips, ..passes(1) };
        run(&Request { settings, existing: Existing::Continue, ..with_children(&data, model.clone(), 1) })
    };
    for (skips, what) in [
        (vec![(0, 2)], "the model was trained with --skips 0-2,0-3,1-3: leave out --skips"),
        (vec![], "the model was trained with --skips 0-2,0-3,1-3: leave out --skips"),
        // Two hidden layers are the model's, whatever others have by default.
        (vec![(0, 4)], "--skips 0-4: there is no layer 4: the last one is 3, the output, behind 2 hidden layers"),
    ] {
        let error = resumed(Some(skips)).unwrap_err();
        assert!(matches!(error, Error::Usage(_)) && error.to_string() == what, "{error}");
    }
    resumed(None).unwrap();
    // In any order they are the same.
    resumed(Some(vec![(1, 3), (0, 3), (0, 2)])).unwrap();
}

/// Rows of two classes around a centre, by their distance, and a column of names that says nothing; CSV with a header.
fn rings(folder: &Path, rows: u32) -> PathBuf {
    let (mut state, mut text) = (5u64, "x,y,label\n".to_owned());
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    for _ in 0..rows {
        let (x, y) = (4.0 * unit() - 2.0, 4.0 * unit() - 2.0);
        writeln!(text, "{x:.3},{y:.3},{}", u32::from(x * x + y * y < 2.0)).unwrap();
    }
    let path = folder.join("rings.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn validation_rows_stop_a_run_and_the_best_pass_is_kept() {
    let folder = tempdir().unwrap();
    let data = rings(folder.path(), 1500);
    let valid = folder.path().join("valid.csv");
    fs::copy(rings(folder.path(), 1800), &valid).unwrap();
    let model = folder.path().join("m");
    let settings = Settings { kind: Some(Kind::Mlp), hidden: Some(vec![16]), ..Settings::default() };
    let request = with_children(&data, model.clone(), 1);
    let summary = run(&Request { settings, valid: Some(Input::Path(valid)), ..request }).unwrap();
    let best = fs::read_to_string(model.join("manifest.json")).unwrap();
    assert!(logloss(&summary) < 0.45 && best.contains("valid"), "{summary:?}");
    assert!(Model::open(&model).unwrap().predict_row(&[("x", 0.1), ("y", 0.1)]).unwrap()[0] > 0.6);
}
