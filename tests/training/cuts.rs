//! Runs that are cut at a chosen place, and gone on with.

use super::planted::{Plant, Random, write};
use super::{Request, count, logloss, passes, run, run_with, seed, tensors, with_children};
use hogback::checkpoint::{Existing, load};
use hogback::error::Error;
use hogback::fault::{Faults, Point};
use hogback::store::Faulty;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Settings};
use rustix::io::Errno;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::tempdir;

/// Tasks of a pass over the data below, a child.
const TASKS: u64 = 4;
const PLANT: Plant = Plant { rows: 4500, features: 1 << 10, constant: true };

/// Where a model stands: passes done, and of the pass under way tasks done and their rows.
fn position(model: &Path) -> (u64, usize, u64) {
    let position = load(model).unwrap().manifest.position;
    let done = position["done"].as_array().unwrap().iter().filter(|done| **done == true).count();
    (position["pass"].as_u64().unwrap(), done, position["progress"][0].as_u64().unwrap())
}

#[test]
fn a_run_cut_after_any_task_goes_on_to_the_same_bits() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let cuts = count(50);
    // One more than all cuts, so that none is the end.
    let settings = || passes((cuts / TASKS + 1) as u32);
    for (children, consistency) in [(1, Consistency::Hogwild), (2, Consistency::Sync)] {
        let path = |name: &str| folder.path().join(format!("{name}-{children}"));
        let whole = with_children(&data, path("whole"), children);
        run(&Request { settings: settings(), consistency, merge: Some(256), ..whole }).unwrap();
        let expected = tensors(&path("whole"));
        let model = path("m");
        // Cuts within the first pass, within later ones, and between two.
        let mut kinds = [0; 3];
        for cut in 0..cuts {
            let request = |existing, faults| {
                let request = with_children(&data, model.clone(), children);
                // Few rounds, for the time it takes to meet.
                Request { settings: settings(), consistency, existing, faults, merge: Some(256), ..request }
            };
            // A wave of two children ends before the run does: only every second task is another place.
            let faults = Faults::none().at(Point::TaskDone, (cut * children as u64) as i64, 1);
            let ended = run(&request(Existing::Refuse, faults)).unwrap_err();
            assert!(matches!(ended, Error::Interrupted { saved: true, .. }), "{cut}: {ended}");
            let (pass, tasks, _) = position(&model);
            let done = ((cut + 1) / TASKS, (cut + 1) % TASKS * children as u64);
            assert_eq!((pass, tasks as u64), done, "{cut}");
            kinds[if tasks == 0 { 2 } else { usize::from(pass > 0) }] += 1;
            run(&request(Existing::Continue, Faults::none())).unwrap();
            assert!(tensors(&model) == expected, "{consistency:?}, cut after {cut} tasks");
            fs::remove_dir_all(&model).unwrap();
        }
        assert!(kinds.iter().all(|&cuts| cuts > 0), "{kinds:?}");
        println!(
            "resume: {children} children, {consistency:?}: {cuts} cuts ({} in the first pass, {} within later ones, {} between two), all ended with the bits of a run in one piece",
            kinds[0], kinds[1], kinds[2]
        );
    }
}

#[test]
fn a_hogwild_run_that_is_cut_learns_every_row_once_and_no_worse() {
    const PASSES: u64 = 4;
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &PLANT);
    let model = folder.path().join("m");
    let request = |seed, existing, faults| Request {
        settings: Settings { seed: Some(seed), ..passes(PASSES as u32) },
        existing,
        faults,
        ..with_children(&data, model.clone(), 2)
    };
    let learned =
        |summary: &hogback::train::Summary| (summary.examples_per_second * summary.seconds.train).round() as u64;
    let (cuts, seed) = (count(20), seed());
    let mut random = Random(seed);
    // By seed: the loss of a run in one piece and the rows it learns.
    let whole: Vec<_> = (0..20)
        .map(|seed| {
            let summary = run(&request(seed, Existing::Refuse, Faults::none())).unwrap();
            fs::remove_dir_all(&model).unwrap();
            (logloss(&summary), learned(&summary))
        })
        .collect();
    let mean = whole.iter().map(|(loss, _)| loss).sum::<f64>() / 20.0;
    let sigma = (whole.iter().map(|(loss, _)| (loss - mean).powi(2)).sum::<f64>() / 19.0).sqrt();
    let (mut worst, mut killed, mut interrupted) = (0.0f64, 0, 0);
    for cut in 0..cuts {
        let (loss, rows) = whole[(cut % 20) as usize];
        let story = format!("seed {seed}, cut {cut}");
        if random.below(2) == 0 {
            let faults = Faults::none().at(Point::TaskDone, random.below(8 * PASSES - 1) as i64, 1);
            let ended = run(&request(cut % 20, Existing::Refuse, faults));
            assert!(matches!(ended, Err(Error::Interrupted { saved: true, .. })), "{story}");
            interrupted += 1;
        } else {
            // From some commit on, within a pass or between two, nothing comes to the disk any more: a death.
            let attic = tempdir().unwrap();
            let store = Faulty::new(attic.path());
            store.fail_from(30 + random.below(60), Errno::IO);
            let faults = request(cut % 20, Existing::Refuse, Faults::none());
            let dying = Request { checkpoint_every: Duration::ZERO, ..faults };
            if run_with(&dying, &store, &StopRequest::never()).is_ok() || !model.exists() {
                let _ = fs::remove_dir_all(&model);
                continue;
            }
            killed += 1;
        }
        let (pass, _, rows_of_pass) = position(&model);
        let resumed = run(&request(cut % 20, Existing::Continue, Faults::none())).unwrap();
        // What was done is not done again, and what was not is.
        assert_eq!(pass * rows / PASSES + rows_of_pass + learned(&resumed), rows, "{story}: rows learned");
        let off = (logloss(&resumed) - loss).abs() / sigma;
        assert!(off < 3.0, "{story}: {off} sigma off");
        worst = worst.max(off);
        fs::remove_dir_all(&model).unwrap();
    }
    println!(
        "resume: 2 children, Hogwild (seed {seed}): {interrupted} interrupted and {killed} dead within or between passes, every row learned once by what was saved; loss at most {worst:.2} sigma (of 20 seeds) off"
    );
}
