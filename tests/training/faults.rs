//! Faults in the middle of a run: children and controllers that panic, disks that fill.

use super::planted::{Plant, Random, write};
use super::{Request, count, logloss, passes, run, run_with, seed, tensors, watched, with_children};
use hogback::checkpoint::Existing;
use hogback::engine::plan;
use hogback::error::Error;
use hogback::fault::{Faults, Point};
use hogback::store::Faulty;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Settings, Summary};
use rustix::io::Errno;
use std::fs;
use std::time::Duration;
use tempfile::tempdir;

pub(crate) const PLANT: Plant = Plant { rows: 20_000, features: 1 << 12, constant: true };

#[test]
fn a_panic_anywhere_costs_time_but_no_row_and_no_quality() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let clean = run(&Request { settings: passes(3), ..with_children(&data, folder.path().join("clean"), 2) }).unwrap();
    let points = [Point::BeforeUpdate, Point::InsideUpdate, Point::AfterUpdate, Point::WhileMerging, Point::Controller];
    for consistency in [Consistency::Hogwild, Consistency::Sync] {
        for point in points {
            for nth in [0, 3, 40] {
                let faults = Faults::none().at(point, nth, 1);
                let model = folder.path().join(format!("m-{consistency:?}-{point:?}-{nth}"));
                let request = Request { settings: passes(3), faults, consistency, ..with_children(&data, model, 2) };
                let summary = run(&request).unwrap();
                let told = u32::from(point != Point::Controller);
                let story = format!("{consistency:?} {point:?} {nth}");
                assert!(
                    summary.failed_tasks == told || point == Point::Controller,
                    "{story}: {}",
                    summary.failed_tasks
                );
                assert_eq!((summary.passes, summary.rows), (3, 20_000), "{story}");
                let change = logloss(&summary) / logloss(&clean) - 1.0;
                assert!(change.abs() < 0.01, "{story}: {change:+.5}");
            }
        }
    }
}

#[test]
fn rows_are_counted_once_whatever_panics() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for nth in 0..30 {
        let faults = Faults::none().at(Point::AfterUpdate, nth, 1);
        let settings = Settings { holdout: Some(0.0), ..passes(1) };
        let model = folder.path().join(format!("m{nth}"));
        let summary = run(&Request { settings, faults, ..with_children(&data, model, 2) }).unwrap();
        let learned = summary.examples_per_second * summary.seconds.train;
        assert!((learned - 20_000.0).abs() < 0.5, "{learned} rows learned, {nth}");
    }
}

#[test]
fn a_task_that_always_fails_ends_the_run_with_its_reason_and_no_model() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    for consistency in [Consistency::Hogwild, Consistency::Sync] {
        let model = folder.path().join("m");
        let faults = Faults::none().at(Point::BeforeUpdate, 0, i64::MAX);
        let error = run(&Request { faults, consistency, ..with_children(&data, model.clone(), 2) }).unwrap_err();
        assert!(matches!(error, Error::Engine(_)) && error.to_string().contains("injected fault"), "{error}");
        assert!(!model.exists());
    }
}

#[test]
fn panics_anywhere_at_random_end_in_a_model_with_every_row_learned_once() {
    const PASSES: u32 = 3;
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 4000, ..PLANT });
    let settings = || Settings { holdout: Some(0.0), ..passes(PASSES) };
    let loss = |summary: &Summary| summary.progressive.logloss.unwrap();
    let (runs, seed) = (count(40), seed());
    let (mut random, mut failed, mut worst) = (Random(seed), 0, 0.0f64);
    let clean = [Consistency::Hogwild, Consistency::Sync].map(|consistency| {
        let model = folder.path().join(format!("{consistency:?}"));
        loss(&run(&Request { settings: settings(), consistency, ..with_children(&data, model, 2) }).unwrap())
    });
    for nth in 0..runs {
        // A task may panic twice and a controller die twice in a phase, and the run goes on.
        let mut faults = Faults::none().at(Point::Controller, random.below(120) as i64, random.below(3) as i64);
        for _ in 0..2 {
            let points = [Point::BeforeUpdate, Point::InsideUpdate, Point::AfterUpdate, Point::WhileMerging];
            faults = faults.at(points[random.below(4) as usize], random.below(150) as i64, 1);
        }
        let which = random.below(2) as usize;
        let consistency = [Consistency::Hogwild, Consistency::Sync][which];
        let (controllers, children) = (1 + random.below(2) as usize, 1 + random.below(3) as usize);
        let story = format!("seed {seed}, run {nth}, {consistency:?}, K {controllers} m {children}: {faults:?}");
        let machine = plan::Request { controllers: Some(controllers), children: Some(children), ..Default::default() };
        let model = folder.path().join("m");
        let request = with_children(&data, model.clone(), children);
        let request = Request { settings: settings(), faults, consistency, machine, ..request };
        let summary = watched(&story, Duration::from_secs(60), || run(&request))
            .unwrap_or_else(|error| panic!("{story}: {error}"));
        let learned = summary.examples_per_second * summary.seconds.train;
        assert!((learned - 4000.0 * f64::from(PASSES)).abs() < 0.5, "{story}: {learned} rows learned");
        let change = loss(&summary) / clean[which] - 1.0;
        assert!(change < 0.02, "{story}: {change:+.4}");
        worst = worst.max(change);
        failed += summary.failed_tasks;
        fs::remove_dir_all(&model).unwrap();
    }
    println!(
        "panic: {runs} runs (seed {seed}), {failed} tasks failed and were dealt again, every row counted once; loss at most {:+.2} % off, 0 hung",
        100.0 * worst
    );
}

#[test]
fn a_full_disk_at_any_write_leaves_the_old_model() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 500, ..PLANT });
    let model = folder.path().join("m");
    let settings = passes(1);
    run(&Request { settings: settings.clone(), ..with_children(&data, model.clone(), 1) }).unwrap();
    let before = tensors(&model);
    for at in 1..=6 {
        let attic = folder.path().join(format!("attic-{at}"));
        fs::create_dir(&attic).unwrap();
        let store = Faulty::new(&attic);
        // A full disk, or a quota that is used up.
        let (reason, said) =
            if at % 2 == 0 { (Errno::NOSPC, "no space left") } else { (Errno::DQUOT, "quota exceeded") };
        store.fail_once(at, reason);
        let again = with_children(&data, model.clone(), 1);
        let request = Request { settings: settings.clone(), existing: Existing::Continue, ..again };
        let error = run_with(&request, &store, &StopRequest::never()).unwrap_err();
        assert!(error.to_string().contains(said), "{at}: {error}");
        assert!(tensors(&model) == before, "{at}");
    }
    let again = with_children(&data, model.clone(), 1);
    let summary = run(&Request { settings, existing: Existing::Continue, ..again }).unwrap();
    assert_eq!(summary.generation, 2);
}
