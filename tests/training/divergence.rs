//! Weights that explode or stop to be numbers: found, rolled back, and never saved.

use super::faults::PLANT;
use super::planted::{Plant, Random, write};
use super::{Request, count, is_finite, passes, run, seed, tensors, with_children};
use hogback::checkpoint::{Existing, load};
use hogback::fault::{Faults, Point};
use hogback::model::configuration::{LossKind, Optimizer};
use hogback::train::{Consistency, Settings};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tempfile::tempdir;

#[test]
fn divergence_is_rolled_back_thrice_then_given_up_and_nothing_bad_is_saved() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let model = folder.path().join("m");
    run(&with_children(&data, model.clone(), 2)).unwrap();
    is_given_up(&data, &model);
}

/// A rate far too large ends a run that goes on with the model, which stays as it was.
pub(super) fn is_given_up(data: &Path, model: &Path) {
    let before = tensors(model);
    for consistency in [Consistency::Hogwild, Consistency::Sync] {
        let settings = Settings { lr: Some(1e10), ..Settings::default() };
        let again = with_children(data, model.to_path_buf(), 2);
        let request = Request { settings, consistency, existing: Existing::Continue, ..again };
        let error = run(&request).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{} {consistency:?}: {error}", model.display());
        assert!(tensors(model) == before, "{} {consistency:?}", model.display());
    }
}

#[test]
fn a_rate_that_is_too_bold_is_halved_until_it_learns() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    // Plain descent on squares has a sharp edge: above a rate of about 2 it diverges, whatever the data.
    let (loss, optimizer) = (Some(LossKind::Squared), Some(Optimizer::Sgd));
    let settings = Settings { lr: Some(6.0), loss, optimizer, ..passes(4) };
    let summary = run(&Request { settings, ..with_children(&data, folder.path().join("m"), 1) }).unwrap();
    let rmse = summary.valid.and_then(|valid| valid.rmse).unwrap();
    // The labels are -1 and 1: predicting 0 would cost 1.
    assert!(rmse < 1.1, "{rmse}");
}

#[test]
fn rare_classes_are_not_taken_for_divergence() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("rare.svm");
    let row = |at: usize| format!("{} {}:1 {}:1\n", i32::from(at % 15_000 == 77), 1 + at % 50, 60 + at % 7);
    fs::write(&data, (0..60_000).map(row).collect::<String>()).unwrap();
    for seed in 0..4 {
        let settings = Settings { seed: Some(seed), ..passes(3) };
        let model = folder.path().join(format!("m{seed}"));
        run(&Request { settings, ..with_children(&data, model, 8) }).unwrap();
    }
}

#[test]
fn what_is_no_number_is_found_when_its_task_ends_and_costs_that_task_alone() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let settings = |lr| Settings { holdout: Some(0.0), lr: Some(lr), ..passes(3) };
    let slow = folder.path().join("slow");
    run(&Request { settings: settings(0.5), ..with_children(&data, slow.clone(), 1) }).unwrap();
    for point in [Point::Weight, Point::Gradient] {
        // Of the four tasks of the first pass, of some eighty groups each, in the second.
        let faults = Faults::none().at(point, 100, 1);
        let model = folder.path().join(format!("{point:?}"));
        let summary =
            run(&Request { settings: settings(1.0), faults, ..with_children(&data, model.clone(), 1) }).unwrap();
        let learned = summary.examples_per_second * summary.seconds.train / 20_000.0;
        assert!(
            (learned - 3.5).abs() < 0.01,
            "{point:?}: {learned} passes learned, not two tasks more than three passes"
        );
        assert!(tensors(&model) == tensors(&slow), "{point:?}: it begins again with half the rate");
    }
}

#[test]
fn a_weight_that_no_row_shows_is_found_when_its_pass_ends() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("rare.svm");
    // Each row begins with a feature that no other has.
    let row = |at: usize| format!("{} {}:1 {}:1\n", at % 2, 100 + at, 1 + at % 7);
    fs::write(&data, (0..1000).map(row).collect::<String>()).unwrap();
    for nth in 0..16 {
        let faults = Faults::none().at(Point::Weight, nth, 1);
        let settings = Settings { holdout: Some(0.0), ..passes(3) };
        let model = folder.path().join(format!("m{nth}"));
        let summary = run(&Request { settings, faults, ..with_children(&data, model.clone(), 1) }).unwrap();
        let learned = summary.examples_per_second * summary.seconds.train;
        assert!((learned - 4000.0).abs() < 0.5, "{learned}: one pass more than three");
        assert!(is_finite(&model), "{nth}");
    }
}

#[test]
fn what_is_no_number_at_random_is_rolled_back_and_never_saved() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 3000, ..PLANT });
    let (runs, seed) = (count(20), seed());
    let (mut random, mut given_up, mut generations) = (Random(seed), 0, 0);
    for nth in 0..runs {
        let model = folder.path().join("m");
        let point = [Point::Weight, Point::Gradient][random.below(2) as usize];
        let (passage, times) = (random.below(200) as i64, [1, 2, 3, i64::MAX][random.below(4) as usize]);
        let consistency = [Consistency::Hogwild, Consistency::Sync][random.below(2) as usize];
        let children = 1 + random.below(2) as usize;
        let story =
            format!("seed {seed}, run {nth}: {point:?} at {passage}, {times} times, {consistency:?}, {children}");
        let request = Request {
            settings: passes(3),
            faults: Faults::none().at(point, passage, times),
            consistency,
            checkpoint_every: Duration::ZERO,
            ..with_children(&data, model.clone(), children)
        };
        // A reader beside the run looks at what is saved meanwhile.
        let ended = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut last = 0;
                while !ended.load(Relaxed) {
                    if let Ok(loaded) = load(&model)
                        && loaded.manifest.generation > last
                    {
                        last = loaded.manifest.generation;
                        assert!(is_finite(&model), "{story}");
                    }
                }
                last
            });
            let result = run(&request);
            ended.store(true, Relaxed);
            generations += reader.join().unwrap();
            result
        });
        match result {
            Ok(_) => assert!(times <= 3 || !request.faults.armed(point) || passage > 100, "{story}"),
            Err(error) => {
                assert_eq!((error.exit_code(), times), (3, i64::MAX), "{story}: {error}");
                given_up += 1;
            }
        }
        assert!(!model.exists() || is_finite(&model), "{story}");
        let _ = fs::remove_dir_all(&model);
    }
    println!(
        "diverge: {runs} runs (seed {seed}), {given_up} given up with code 3, {generations} generations, 0 with a word that is not finite"
    );
}
