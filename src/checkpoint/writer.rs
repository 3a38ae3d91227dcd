//! [`Writer`]: the commits of one run, of which the first may have to make or replace the model directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use super::Generation;
use super::commit::{add_generation, check};
use super::layout::{hidden, is_model, is_there, previous, resolve};
use super::lock::Lock;
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::store::Store;

/// What becomes of a model that is already there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Existing {
    /// It is an error if something is there.
    Refuse,
    /// The first commit replaces it.
    Replace,
    /// The first commit replaces it and keeps it as `NAME.previous`, in place of an earlier one of that name.
    KeepPrevious,
    /// It must be there, and every commit adds a generation to it.
    Continue,
}

/// Commits the generations of one run to one model directory, and keeps other trainers away from it meanwhile.
///
/// Until the first commit nothing of the model that was there is touched; from then on there is always a complete one.
/// On a file system that cannot exchange two directories in one step, the model that is replaced is first renamed to
/// `NAME.previous` and stays there: between the two renames that is the visible one.
pub struct Writer<'a> {
    store: &'a dyn Store,
    model: PathBuf,
    /// `Continue` once this run has a model in place.
    existing: Existing,
    _lock: Lock,
}

impl<'a> Writer<'a> {
    /// Takes the lock of the model directory `model` and makes sure that it may be written as `existing` says, before
    /// any time is spent on training.
    ///
    /// # Errors
    /// [`Error::Usage`] where [`Existing::Refuse`] finds something; [`Error::Model`] where what is there is not a model,
    /// is damaged ([`Existing::Continue`]), or is being trained; [`Error::Io`] where its parent is absent or cannot be
    /// written to.
    pub fn new(store: &'a dyn Store, model: &Path, existing: Existing) -> Result<Self> {
        let model = resolve(model)?;
        let lock = Lock::take(&model)?;
        let writer = Self { store, model, existing, _lock: lock };
        writer.admit()?;
        Ok(writer)
    }

    /// Commits `generation`, each of its tensors cut into `shards` files, and gives back its number.
    ///
    /// # Errors
    /// [`Error::Engine`] with the cause, and with what is intact. A failure before the commit leaves the former
    /// generation, or the former model, current; one after it says so. Another commit may be tried at any time.
    pub fn commit(&mut self, generation: &Generation, shards: usize) -> Result<u64> {
        check(generation, shards)?;
        if self.existing != Existing::Continue {
            return self.first(generation, shards).map(|()| 1);
        }
        let former = Manifest::read(&self.model)?.generation;
        add_generation(self.store, &self.model, former + 1, generation, shards)
            .map_err(|cause| failed(&cause, &format!("generation {former} is intact")))?;
        Ok(former + 1)
    }

    /// Checks what is there against what may be there.
    fn admit(&self) -> Result<()> {
        let foreign = |path: &Path| is_there(path) && !is_model(path);
        let refuse = |path: &Path, what: &str| Err(Error::model(path, what));
        match self.existing {
            Existing::Continue => Manifest::read(&self.model).map(|_| ()),
            Existing::Refuse if is_there(&self.model) => Err(Error::Usage(format!(
                "{} exists; --resume goes on with it, --overwrite replaces it",
                self.model.display()
            ))),
            Existing::Replace | Existing::KeepPrevious if foreign(&self.model) => {
                refuse(&self.model, "exists and is not a hogback model; choose another --model")
            }
            Existing::Replace | Existing::KeepPrevious if foreign(&previous(&self.model)) => refuse(
                &previous(&self.model),
                "stands where a replaced model is kept; move it or choose another --model",
            ),
            _ => Ok(()),
        }
    }

    /// The first commit: the whole directory is prepared under a hidden name beside its place, then put there.
    fn first(&mut self, generation: &Generation, shards: usize) -> Result<()> {
        self.admit()?;
        let replaced = is_there(&self.model);
        let fresh = self.free_name();
        let placed = self
            .store
            .create_dir(&fresh)
            .map_err(|error| Error::io(&fresh, "create the directory", error))
            .and_then(|()| add_generation(self.store, &fresh, 1, generation, shards))
            .and_then(|()| {
                self.place(&fresh).map_err(|error| Error::io(&self.model, "put the new model there", error))
            });
        if let Err(cause) = placed {
            let _ = self.store.remove_dir_all(&fresh);
            return Err(failed(&cause, &self.left(replaced)));
        }
        let keep = self.existing == Existing::KeepPrevious;
        self.existing = Existing::Continue;
        let settled = self.settle(&fresh, keep);
        settled.map_err(|error| {
            failed(&Error::io(&self.model, "finish replacing the model", error), "the new model is in place")
        })
    }

    /// Gives `fresh` the model's name; a model that was there gets the name `fresh`, or `NAME.previous`.
    fn place(&self, fresh: &Path) -> io::Result<()> {
        if !is_there(&self.model) {
            return self.store.rename(fresh, &self.model);
        }
        match self.store.exchange(fresh, &self.model) {
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            other => return other,
        }
        let aside = self.put_aside_previous()?;
        let previous = previous(&self.model);
        let renamed = self.store.rename(&self.model, &previous).and_then(|()| {
            self.store.rename(fresh, &self.model).inspect_err(|_| {
                let _ = self.store.rename(&previous, &self.model);
            })
        });
        if let (Err(_), Some(aside)) = (&renamed, aside) {
            let _ = self.store.rename(&aside, &previous);
        }
        renamed
    }

    /// Makes the new model safe, keeps the old one if asked to, and only then removes what nobody needs any more.
    fn settle(&self, fresh: &Path, keep: bool) -> io::Result<()> {
        let parent = self.model.parent().unwrap_or(Path::new("/"));
        self.store.sync_dir(parent)?;
        if keep && is_there(fresh) {
            self.put_aside_previous()?;
            self.store.rename(fresh, &previous(&self.model))?;
            self.store.sync_dir(parent)?;
        }
        for entry in fs::read_dir(parent)?.flatten() {
            if self.is_hidden_model(&entry.path()) {
                // What stays is hidden, and removed after the next model that is made here.
                let _ = self.store.remove_dir_all(&entry.path());
            }
        }
        Ok(())
    }

    /// Gives a `NAME.previous` a hidden name.
    fn put_aside_previous(&self) -> io::Result<Option<PathBuf>> {
        let previous = previous(&self.model);
        if !is_there(&previous) {
            return Ok(None);
        }
        let aside = self.free_name();
        self.store.rename(&previous, &aside)?;
        Ok(Some(aside))
    }

    /// A hidden name beside the model. Those that dead runs have left are not used again: they may hold a model.
    fn free_name(&self) -> PathBuf {
        let mut number = 0;
        loop {
            let name = hidden(&self.model, &format!("new-{}-{number}", process::id()));
            if !is_there(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// True for the names that [`free_name`](Self::free_name) gives, in this and other processes.
    fn is_hidden_model(&self, path: &Path) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |path: &Path| {
            let name = path.to_str()?.strip_prefix(hidden(&self.model, "new-").to_str()?)?;
            let (process, number) = name.split_once('-')?;
            Some(digits(process) && digits(number))
        };
        number(path) == Some(true)
    }

    /// What is there after a first commit that failed.
    fn left(&self, replaced: bool) -> String {
        if !replaced {
            "no model was made".to_owned()
        } else if is_there(&self.model) {
            "the model that was there is intact".to_owned()
        } else {
            format!("the model that was there is now {}", previous(&self.model).display())
        }
    }
}

/// The failure of a commit, with the word of what is left.
fn failed(cause: &Error, left: &str) -> Error {
    Error::Engine(format!("{cause}; {left}"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{generation, holds, names};
    use super::*;
    use crate::store::{Disk, Faulty};
    use rustix::io::Errno;
    use tempfile::{TempDir, tempdir};

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
        }
        if !case.exchange {
            store.without_exchange();
        }
        Place { _folder: folder, home, model, store }
    }

    fn run(case: &Case, place: &Place) -> Result<u64> {
        Writer::new(&place.store, &place.model, case.existing)?.commit(&generation(NEW), 1)
    }

    /// How many operations the run has when nothing fails.
    fn operations(case: &Case) -> u64 {
        let place = prepare(case);
        run(case, &place).unwrap();
        place.store.operations()
    }

    /// The law: what was current, or what is new, is there and complete, and the next run can go on from it.
    fn is_intact(case: &Case, Place { home, model, .. }: &Place, committed: bool, story: &str) {
        let former = case.before.last().and_then(|run| run.last()).copied();
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
        Writer::new(&Disk, model, next).unwrap().commit(&generation(5), 2).unwrap();
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
                        assert!(error.contains("intact") || error.contains("model"), "{story}: {error}");
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
                drop(writer);
                let hidden: Vec<_> = names(&place.home).into_iter().filter(|name| name.starts_with('.')).collect();
                if case.before.len() < 2 {
                    assert!(hidden.len() <= 1, "operation {at}: {hidden:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_replaced_is_removed_or_kept_as_asked() {
        let kept = |case: &Case| {
            let place = prepare(case);
            run(case, &place).unwrap();
            assert!(holds(&place.model, &generation(NEW)));
            let seed = is_there(&previous(&place.model)).then(|| load_seed(&previous(&place.model)));
            assert!(names(&place.home).iter().all(|name| !name.starts_with('.')), "{:?}", names(&place.home));
            seed
        };
        assert_eq!(CASES.each_ref().map(kept), [None, None, None, Some(1), Some(2), Some(2), Some(2)]);
        // An earlier model that was kept is not touched by a run that only replaces.
        assert_eq!(kept(&Case { before: &[&[1], &[2]], existing: Existing::Replace, exchange: true }), Some(1));
    }

    fn load_seed(model: &Path) -> u64 {
        super::super::load(model).unwrap().manifest.configuration["seed"].as_u64().unwrap()
    }

    #[test]
    fn nothing_but_a_model_is_ever_replaced() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let refused = |existing: Existing, what: &str| {
            let error = Writer::new(&Disk, &model, existing).map(|_| ()).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            error
        };
        refused(Existing::Continue, "no such model");
        fs::create_dir(&model).unwrap();
        fs::write(model.join("thesis.txt"), "three years of work").unwrap();
        assert_eq!(refused(Existing::Refuse, "--resume goes on with it, --overwrite replaces it").exit_code(), 2);
        refused(Existing::Replace, "exists and is not a hogback model; choose another --model");
        refused(Existing::KeepPrevious, "exists and is not a hogback model; choose another --model");
        refused(Existing::Continue, "not a hogback model");
        fs::rename(&model, previous(&model)).unwrap();
        refused(Existing::KeepPrevious, "stands where a replaced model is kept");
        assert_eq!(names(folder.path()), ["m.previous"]);
    }

    #[test]
    fn what_appears_while_the_run_trains_is_not_replaced() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        fs::write(&model, "a file").unwrap();
        assert_eq!(writer.commit(&generation(1), 1).unwrap_err().exit_code(), 2);
        assert_eq!(fs::read_to_string(&model).unwrap(), "a file");
        fs::remove_file(&model).unwrap();
        assert_eq!(writer.commit(&generation(1), 1).unwrap(), 1);
    }

    #[test]
    fn a_model_behind_a_link_is_replaced_where_it_is() {
        let case = Case { before: &[&[1]], existing: Existing::Replace, exchange: true };
        let place = prepare(&case);
        let link = place.home.parent().unwrap().join("link");
        Disk.symlink(&place.model, &link).unwrap();
        Writer::new(&place.store, &link, Existing::Replace).unwrap().commit(&generation(NEW), 1).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(holds(&place.model, &generation(NEW)) && holds(&link, &generation(NEW)));
    }

    #[test]
    fn one_run_at_a_time() {
        let case = Case { before: &[&[1]], existing: Existing::Continue, exchange: true };
        let place = prepare(&case);
        let first = Writer::new(&place.store, &place.model, Existing::Continue).unwrap();
        let error = run(&case, &place).unwrap_err().to_string();
        assert!(error.contains("another hogback is training this model"), "{error}");
        drop(first);
        run(&case, &place).unwrap();
    }
}
