//! Commits that are stopped at every single operation: nothing that was saved is ever lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use tempfile::{TempDir, tempdir};

use super::fixture::{generation, holds, names};
use super::layout::{is_there, previous};
use super::{Existing, Writer, load};
use crate::error::Result;
use crate::store::Faulty;

/// What a test begins with: runs of some commits each, one after the other, then the one that is looked at.
struct Case {
    before: &'static [&'static [u32]],
    existing: Existing,
    exchange: bool,
}

const CASES: [Case; 7] = [
    Case { before: &[], existing: Existing::Refuse, exchange: true },
    Case { before: &[&[1, 2]], existing: Existing::Continue, exchange: true },
    Case { before: &[&[1, 2]], existing: Existing::Replace, exchange: true },
    Case { before: &[&[1]], existing: Existing::KeepPrevious, exchange: true },
    Case { before: &[&[1], &[2]], existing: Existing::KeepPrevious, exchange: true },
    Case { before: &[&[1], &[2]], existing: Existing::KeepPrevious, exchange: false },
    Case { before: &[&[1], &[2]], existing: Existing::Replace, exchange: false },
];

const NEW: u32 = 77;

struct Place {
    _folder: TempDir,
    home: PathBuf,
    model: PathBuf,
    store: Faulty,
    /// The disk after the power has come back.
    after: Faulty,
}

/// The place after the runs before, on a disk without faults.
fn prepare(case: &Case) -> Place {
    let folder = tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let home = root.join("home");
    fs::create_dir(&home).unwrap();
    let disk = |number: usize| {
        let attic = root.join(number.to_string());
        fs::create_dir(&attic).unwrap();
        Faulty::new(&attic)
    };
    let (model, store) = (home.join("m"), disk(case.before.len()));
    for (number, run) in case.before.iter().enumerate() {
        let store = disk(number);
        let mut writer = Writer::new(&store, &model, Existing::KeepPrevious).unwrap();
        for &seed in *run {
            writer.commit(&generation(seed), 1).unwrap();
        }
        // Each run an hour after the one before.
        let time = SystemTime::now() - Duration::from_secs(3600 * (case.before.len() - number) as u64);
        fs::File::open(model.join("manifest.json")).unwrap().set_modified(time).unwrap();
    }
    if !case.exchange {
        store.without_exchange();
    }
    Place { _folder: folder, home, model, store, after: disk(case.before.len() + 1) }
}

fn run(case: &Case, place: &Place) -> Result<u64> {
    Writer::new(&place.store, &place.model, case.existing)?.commit(&generation(NEW), 1)
}

/// Of which generation the model is, if it is there.
fn seed(model: &Path) -> Option<u32> {
    let configuration = is_there(model).then(|| load(model).unwrap().manifest.configuration)?;
    configuration["seed"].as_u64().map(|seed| seed as u32)
}

/// How many operations the run has when nothing fails.
fn operations(case: &Case) -> u64 {
    let place = prepare(case);
    run(case, &place).unwrap();
    place.store.operations()
}

/// Of which generation the model was before.
fn former(case: &Case) -> Option<u32> {
    case.before.last().and_then(|run| run.last()).copied()
}

/// The law: what was current, or what is new, is there and complete, and the next run can go on from it.
fn is_intact(case: &Case, Place { home, model, after, .. }: &Place, committed: bool, story: &str) {
    let former = former(case);
    let stands = |path: &Path, seed: u32| is_there(path) && holds(path, &generation(seed));
    if is_there(model) {
        assert!(
            stands(model, NEW) || !committed && former.is_some_and(|seed| stands(model, seed)),
            "{story}: neither old nor new"
        );
    } else {
        assert!(!committed, "{story}: lost after the commit");
        // Only where directories cannot be exchanged the old model may be found under its second name.
        let saved = former.is_none_or(|seed| !case.exchange && stands(&previous(model), seed));
        assert!(saved, "{story}: lost, {:?} are left", names(home));
    }
    let next = if is_there(model) { Existing::Continue } else { Existing::Refuse };
    let is_new = is_there(model) && stands(model, NEW);
    let mut writer = Writer::new(after, model, next).unwrap();
    // The next run begins by making good what the one before has not come to.
    if is_new && case.existing == Existing::KeepPrevious {
        assert!(stands(&previous(model), former.unwrap()), "{story}: the model that was to be kept is lost");
    }
    let hidden: Vec<_> = names(home).into_iter().filter(|name| name.starts_with('.') && name != ".m.lock").collect();
    assert!(hidden.is_empty(), "{story}: {hidden:?}");
    writer.commit(&generation(5), 2).unwrap();
    assert!(holds(model, &generation(5)), "{story}");
    assert!(names(model).iter().all(|name| !name.starts_with('.')), "{story}: {:?}", names(model));
}

#[test]
fn a_failure_of_any_operation_leaves_the_old_or_the_new_model() {
    for (number, case) in CASES.iter().enumerate() {
        for at in 1..=operations(case) {
            for lasting in [false, true] {
                let story = format!("case {number}, operation {at}, lasting: {lasting}");
                let place = prepare(case);
                if lasting {
                    place.store.fail_from(at, Errno::NOSPC);
                } else {
                    place.store.fail_once(at, Errno::NOSPC);
                }
                let result = run(case, &place);
                if let Err(error) = &result {
                    let error = error.to_string();
                    assert!(error.contains("no space left on device; "), "{story}: {error}");
                    let ends = ["is intact", "no model was made", "the new model is in place"];
                    if !ends.iter().any(|end| error.ends_with(end)) {
                        // The old model has another name: the one that the error gives.
                        let (_, name) = error.rsplit_once(' ').unwrap();
                        assert!(holds(Path::new(name), &generation(former(case).unwrap())), "{story}: {error}");
                    }
                }
                if !lasting && result.is_err() {
                    // The run was there to take back what it had begun.
                    assert!(is_there(&place.model) || case.before.is_empty(), "{story}");
                    if case.before.len() > 1 && seed(&place.model) != Some(NEW) {
                        assert_eq!(seed(&previous(&place.model)), Some(1), "{story}");
                    }
                }
                is_intact(case, &place, result.is_ok(), &story);
            }
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_old_or_the_new_model() {
    for (number, case) in CASES.iter().enumerate() {
        for at in 1..=operations(case) + 1 {
            // A disk may have written any number of the names that were not synced, and any part of the bytes.
            let mut kept = 0;
            loop {
                let place = prepare(case);
                place.store.fail_from(at, Errno::IO);
                let result = run(case, &place);
                let pending = place.store.pending_names();
                let story = format!("case {number}, stopped at {at}, {kept} of {pending} names kept");
                place.store.power_loss(kept, if kept % 2 == 0 { 0 } else { 40 }).unwrap();
                is_intact(case, &place, result.is_ok(), &story);
                kept += 1;
                if kept > pending {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_failed_commit_can_be_tried_again_by_the_same_run() {
    for case in &CASES {
        for at in 1..=operations(case) {
            let place = prepare(case);
            let mut writer = Writer::new(&place.store, &place.model, case.existing).unwrap();
            place.store.fail_once(at, Errno::NOSPC);
            let _ = writer.commit(&generation(NEW), 1);
            writer.commit(&generation(NEW + 1), 1).unwrap();
            assert!(holds(&place.model, &generation(NEW + 1)));
        }
    }
}

#[test]
fn what_is_replaced_is_removed_or_kept_as_asked() {
    let kept = |case: &Case| {
        let place = prepare(case);
        run(case, &place).unwrap();
        assert!(holds(&place.model, &generation(NEW)));
        assert!(names(&place.home).iter().all(|name| !name.starts_with('.')), "{:?}", names(&place.home));
        seed(&previous(&place.model))
    };
    assert_eq!(CASES.each_ref().map(kept), [None, None, None, Some(1), Some(2), Some(2), Some(2)]);
    // An earlier model that was kept is not touched by a run that only replaces.
    assert_eq!(kept(&Case { before: &[&[1], &[2]], existing: Existing::Replace, exchange: true }), Some(1));
}
