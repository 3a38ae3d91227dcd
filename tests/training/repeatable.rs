//! The same twice: `sync`, and one child.

use super::planted::{Plant, write};
use super::{Request, passes, run, tensors, with_children};
use hogback::engine::plan;
use hogback::model::configuration::Optimizer;
use hogback::train::{Consistency, Settings};
use tempfile::tempdir;

#[test]
fn sync_is_bit_identical_for_one_seed_s_k_and_m() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 20_000, features: 1 << 14, constant: true });
    for (shards, controllers, children) in [(1, 1, 2), (3, 1, 4), (2, 2, 2), (1, 1, 12)] {
        for optimizer in [Optimizer::Adagrad, Optimizer::Sgd] {
            let model = |nth: usize| folder.path().join(format!("{shards}{controllers}{children}{optimizer:?}{nth}"));
            for nth in 0..2 {
                let (s, k, m) = (Some(shards), Some(controllers), Some(children));
                let machine = plan::Request { shards: s, controllers: k, children: m, nodes: None };
                let settings = Settings { passes: Some(3), optimizer: Some(optimizer), ..Settings::default() };
                let request = super::request(&data, model(nth));
                run(&Request { machine, settings, consistency: Consistency::Sync, ..request }).unwrap();
            }
            assert!(tensors(&model(0)) == tensors(&model(1)), "S {shards} K {controllers} m {children} {optimizer:?}");
        }
    }
}

#[test]
fn one_child_is_bit_identical_and_seeds_matter() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 10_000, features: 1 << 14, constant: false });
    let model = |name: &str| folder.path().join(name);
    for (name, seed) in [("a", 0), ("b", 0), ("c", 1)] {
        let settings = Settings { passes: Some(2), seed: Some(seed), ..Settings::default() };
        run(&Request { settings, ..with_children(&data, model(name), 1) }).unwrap();
    }
    assert!(tensors(&model("a")) == tensors(&model("b")));
    assert!(tensors(&model("a")) != tensors(&model("c")));
}

#[test]
fn long_rounds_leave_no_row_out() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 20_000, features: 1 << 12, constant: false });
    for merge in [1, 100, 256, 1000] {
        let settings = Settings { passes: Some(1), holdout: Some(0.0), ..Settings::default() };
        let model = folder.path().join(format!("m{merge}"));
        let request = Request { merge: Some(merge), settings, ..with_children(&data, model, 2) };
        let summary = run(&Request { consistency: Consistency::Sync, ..request }).unwrap();
        let learned = summary.examples_per_second * summary.seconds.train;
        assert!((learned - 20_000.0).abs() < 0.5, "{learned} rows learned, merged every {merge}");
    }
}

#[test]
fn rounds_of_one_child_learn_what_a_child_alone_learns_penalties_included() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 20_000, features: 1 << 12, constant: false });
    // Rows that name nothing make rounds that touch nothing.
    let blank = std::fs::read_to_string(&data).unwrap() + &"1\n".repeat(300);
    std::fs::write(&data, blank).unwrap();
    for optimizer in [Optimizer::Adagrad, Optimizer::Sgd, Optimizer::Ftrl] {
        let model = |consistency| {
            let model = folder.path().join(format!("{optimizer:?}{consistency:?}"));
            // So much that rare features, whose factors are the largest, hardly move.
            let settings = Settings { optimizer: Some(optimizer), l2: Some(0.01), ..passes(1) };
            let settings = Settings { holdout: Some(0.0), ..settings };
            run(&Request { settings, consistency, merge: Some(8), ..with_children(&data, model.clone(), 1) }).unwrap();
            tensors(&model)
        };
        let (alone, rounds) = (model(Consistency::Hogwild), model(Consistency::Sync));
        for ((name, alone), (_, rounds)) in alone.iter().zip(&rounds) {
            for (row, (&alone, &rounds)) in alone.iter().zip(rounds).enumerate() {
                let (alone, rounds) = (f32::from_bits(alone), f32::from_bits(rounds));
                let near = (alone - rounds).abs() < 1e-3 * (1.0 + alone.abs());
                assert!(near, "{optimizer:?}: {name} {row} is {rounds} in rounds, {alone} alone");
            }
        }
    }
}
