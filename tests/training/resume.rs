//! A run that was stopped goes on where it stood.

use super::planted::{Plant, write};
use super::{Request, logloss, passes, run, run_with, tensors, with_children};
use hogback::checkpoint::Existing;
use hogback::data::{CachePolicy, ReadOptions};
use hogback::error::Error;
use hogback::store::Disk;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Settings};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// Trains four passes in as many runs as it takes when each is stopped a little later than the one before; wherever the cuts fall,
/// the result must be the same.
fn in_pieces(data: &Path, model: &Path, children: usize, consistency: Consistency) -> u32 {
    let mut existing = Existing::Refuse;
    for piece in 1..500 {
        let request = with_children(data, model.to_owned(), children);
        let read = ReadOptions { cache: CachePolicy::Beside, ..request.read.clone() };
        let request = Request { settings: passes(4), existing, consistency, read, ..request };
        let stop = StopRequest::never();
        let ended = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let begun = Instant::now();
                let wait = Duration::from_millis(u64::from(piece) * 7);
                while begun.elapsed() < wait && !ended.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                stop.request();
            });
            let result = run_with(&request, &Disk, &stop);
            ended.store(true, Ordering::Relaxed);
            result
        });
        match result {
            Err(Error::Interrupted { what, saved }) => {
                assert!(what.contains(if saved { "is saved" } else { "while reading" }), "{what}");
            }
            other => {
                other.unwrap();
                return piece;
            }
        }
        existing = if model.exists() { Existing::Continue } else { Existing::Refuse };
    }
    panic!("500 pieces are not enough");
}

#[test]
fn a_run_in_pieces_is_bit_identical_to_one_in_a_piece() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 150_000, features: 1 << 13, constant: false });
    for (children, consistency) in [(1, Consistency::Hogwild), (2, Consistency::Sync)] {
        let whole = folder.path().join(format!("whole-{children}"));
        let request = with_children(&data, whole.clone(), children);
        run(&Request { settings: passes(4), consistency, ..request }).unwrap();
        let model = folder.path().join(format!("pieces-{children}"));
        let pieces = in_pieces(&data, &model, children, consistency);
        println!("{consistency:?}: {pieces} pieces");
        assert!(pieces > 1, "never stopped");
        assert!(tensors(&model) == tensors(&whole), "{children} children, {pieces} pieces");
    }
}

#[test]
fn more_passes_never_make_a_model_worse() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 20_000, features: 1 << 13, constant: false });
    let model = folder.path().join("m");
    let first = logloss(&run(&with_children(&data, model.clone(), 2)).unwrap());
    let again = with_children(&data, model, 2);
    let more = run(&Request { settings: passes(2), existing: Existing::Continue, ..again }).unwrap();
    assert!(logloss(&more) <= first + 1e-9, "{} after {first}", logloss(&more));
}

#[test]
fn new_data_brings_new_keys_and_keeps_the_old_ones() {
    let folder = tempdir().unwrap();
    let model = folder.path().join("m");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text.repeat(50)).unwrap();
        path
    };
    let (a, b) = (file("a.svm", "1 1:1 2:1\n-1 3:1\n"), file("b.svm", "1 9:1\n-1 2:1 8:1\n"));
    run(&Request { settings: passes(2), ..with_children(&a, model.clone(), 1) }).unwrap();
    let before = tensors(&model);
    let again = with_children(&b, model.clone(), 1);
    let request = Request { settings: passes(2), existing: Existing::Continue, ..again };
    run(&request).unwrap();
    let after = tensors(&model);
    assert_eq!((before[0].1.len(), after[0].1.len()), (3, 5));
    // Key 1 is the first row and not in the new data.
    assert_eq!(before[0].1[0], after[0].1[0]);
}

#[test]
fn a_blind_run_that_goes_on_keeps_what_it_learns() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 5_000, features: 1 << 10, constant: false });
    let model = folder.path().join("m");
    let blind = |passes| Settings { holdout: Some(0.0), passes: Some(passes), ..Settings::default() };
    run(&Request { settings: blind(1), ..with_children(&data, model.clone(), 1) }).unwrap();
    let before = tensors(&model);
    let again = with_children(&data, model.clone(), 1);
    let summary = run(&Request { settings: blind(4), existing: Existing::Continue, ..again }).unwrap();
    assert!(tensors(&model) != before && summary.passes == 5 && summary.valid.is_none());
    assert!(summary.progressive.logloss.unwrap() < 0.6, "{summary:?}");
}

#[test]
fn a_resumed_run_reports_the_model_that_it_saves() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 5_000, features: 1 << 13, constant: false });
    let model = folder.path().join("m");
    let first = run(&with_children(&data, model.clone(), 1)).unwrap();
    // A bold rate makes every further pass worse, so the model stays what it was.
    let settings = Settings { lr: Some(30.0), ..passes(2) };
    let again = with_children(&data, model.clone(), 1);
    let more = run(&Request { settings, existing: Existing::Continue, ..again }).unwrap();
    assert_eq!(logloss(&first), logloss(&more));
    assert_eq!(first.valid.unwrap().auc, more.valid.unwrap().auc);
}

#[test]
fn settings_that_change_what_is_dealt_begin_a_new_pass() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 5_000, features: 1 << 10, constant: false });
    let model = folder.path().join("m");
    let stop = StopRequest::never();
    stop.request();
    // Asked to stop while reading, a run neither trains nor saves.
    let request = Request { settings: passes(3), ..with_children(&data, model.clone(), 1) };
    assert_eq!(run_with(&request, &Disk, &stop).unwrap_err().exit_code(), 130);
    assert!(!model.exists());
    run(&request).unwrap();
    let again = with_children(&data, model, 1);
    let settings = Settings { seed: Some(9), ..passes(2) };
    let summary = run(&Request { settings, existing: Existing::Continue, ..again }).unwrap();
    assert_eq!(summary.passes, 5);
}
