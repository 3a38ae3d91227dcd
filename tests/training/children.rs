//! Many children learn as well as one.

use super::planted::{Plant, write};
use super::{Request, logloss, run, with_children};
use hogback::checkpoint::Existing;
use hogback::engine::plan;
use hogback::model::configuration::Optimizer;
use hogback::train::Settings;
use tempfile::tempdir;

/// The held-out loss of `children` children after four passes.
fn loss(folder: &std::path::Path, data: &std::path::Path, children: usize, optimizer: Optimizer) -> f64 {
    let model = folder.join(format!("m{children}-{}", optimizer.name()));
    let settings = Settings { optimizer: Some(optimizer), passes: Some(4), early_stop: Some(0), ..Settings::default() };
    logloss(&run(&Request { settings, existing: Existing::Replace, ..with_children(data, model, children) }).unwrap())
}

#[test]
fn adagrad_learns_the_same_with_2_to_32_children() {
    for constant in [false, true] {
        for features in [1 << 12, 1 << 16] {
            let folder = tempdir().unwrap();
            let data = write(folder.path(), &Plant { rows: 60_000, features, constant });
            let one = loss(folder.path(), &data, 1, Optimizer::Adagrad);
            for (children, within) in [(2, 0.005), (8, 0.005), (16, 0.01), (32, 0.01)] {
                let many = loss(folder.path(), &data, children, Optimizer::Adagrad);
                let change = many / one - 1.0;
                println!("{features} features, constant {constant}: {children} children {change:+.5}");
                assert!(change.abs() < within, "{children} children: {many}, one: {one}");
            }
        }
    }
}

#[test]
fn sgd_learns_no_worse_with_2_children() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 60_000, features: 1 << 12, constant: true });
    let one = loss(folder.path(), &data, 1, Optimizer::Sgd);
    // Where other programs take a core away in the middle of a task, its child comes back with an old view: the best of three.
    let two = (0..3).map(|_| loss(folder.path(), &data, 2, Optimizer::Sgd)).fold(f64::MAX, f64::min);
    assert!(two / one - 1.0 < 0.01, "2 children: {two}, one: {one}");
}

#[test]
fn shards_and_controllers_change_who_works_not_what_is_learned() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 30_000, features: 1 << 14, constant: false });
    let mut losses = Vec::new();
    for (s, k, m, n) in [(1, 1, 2, 1), (4, 1, 2, 1), (3, 2, 1, 1), (2, 2, 2, 2)] {
        let model = folder.path().join(format!("m{s}{k}{m}{n}"));
        let machine = plan::Request { shards: Some(s), controllers: Some(k), children: Some(m), nodes: Some(n) };
        let summary = run(&Request { machine, ..super::request(&data, model.clone()) }).unwrap();
        assert_eq!((summary.shards, summary.controllers), (s, k));
        let files = std::fs::read_dir(model.join("latest")).unwrap().map(|entry| entry.unwrap().file_name());
        let weights = files.filter(|name| name.to_str().unwrap().starts_with("weights-")).count();
        assert_eq!(weights, s, "as many files of weights as shards");
        losses.push(logloss(&summary));
    }
    let (least, most) = losses.iter().fold((f64::MAX, 0.0f64), |(l, m), &x| (l.min(x), m.max(x)));
    assert!(most / least < 1.005, "{losses:?}");
}
