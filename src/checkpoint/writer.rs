//! [`Writer`]: the commits of one run, of which the first may have to make or replace the model directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use super::Generation;
use super::commit::{add_generation, check};
use super::layout::{MANIFEST, hidden, is_model, is_there, previous, resolve};
use super::lock::Lock;
use super::manifest::Manifest;
use super::restore::advise;
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
        writer.tidy();
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
            Existing::Continue => Manifest::read(&self.model).map(drop).map_err(|error| advise(&self.model, error)),
            Existing::Refuse | Existing::Replace | Existing::KeepPrevious if foreign(&self.model) => {
                refuse(&self.model, "exists and is not a hogback model; choose another --model")
            }
            Existing::Refuse if is_there(&self.model) => Err(Error::Usage(format!(
                "{} exists: --resume goes on with it, --overwrite replaces it",
                self.model.display()
            ))),
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
        // Where directories cannot be exchanged the old model is kept already.
        let keep = self.existing == Existing::KeepPrevious && is_there(&fresh);
        self.existing = Existing::Continue;
        let unfinished = |error: io::Error, left: &str| {
            failed(
                &Error::io(&self.model, "finish replacing the model", error),
                &format!("the new model is in place{left}"),
            )
        };
        self.sync_parent().and_then(|()| if keep { self.keep(&fresh) } else { Ok(()) }).map_err(|error| {
            let before = format!(", the one before it is {}", fresh.display());
            unfinished(error, if keep { &before } else { "" })
        })?;
        if keep {
            self.sync_parent().map_err(|error| unfinished(error, ""))?;
        }
        for hidden in self.hidden_models() {
            // What stays is hidden, and removed by the next run.
            let _ = self.store.remove_dir_all(&hidden);
        }
        Ok(())
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

    /// Makes `replaced`, a model that had the name before, `NAME.previous`.
    fn keep(&self, replaced: &Path) -> io::Result<()> {
        let previous = previous(&self.model);
        if is_there(&previous) {
            self.store.exchange(replaced, &previous)
        } else {
            self.store.rename(replaced, &previous)
        }
    }

    fn sync_parent(&self) -> io::Result<()> {
        self.store.sync_dir(self.parent())
    }

    /// The directory that the model is in.
    fn parent(&self) -> &Path {
        self.model.parent().unwrap_or(Path::new("/"))
    }

    /// Removes the hidden directories that dead runs have left. One that died right after it had replaced a model, and had
    /// not come to keep that: it becomes `NAME.previous` now, if what stands there is older.
    fn tidy(&self) {
        let written = |model: &Path| fs::metadata(model.join(MANIFEST)).and_then(|file| file.modified()).ok();
        let previous = previous(&self.model);
        for hidden in self.hidden_models() {
            // A new model that its run had not come to put in its place is younger than the one that is there.
            let was_replaced = Manifest::read(&hidden).is_ok() && written(&hidden) < written(&self.model);
            let is_kept = !is_there(&previous) || is_model(&previous) && written(&previous) < written(&hidden);
            if was_replaced && is_kept && self.keep(&hidden).and_then(|()| self.sync_parent()).is_err() {
                continue;
            }
            if is_there(&hidden) {
                // What stays is in nobody's way.
                let _ = self.store.remove_dir_all(&hidden);
            }
        }
    }

    /// The hidden directories of this model, which only the holder of the lock makes.
    fn hidden_models(&self) -> Vec<PathBuf> {
        let paths = fs::read_dir(self.parent()).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| self.is_hidden_model(path)).collect()
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
    use crate::store::Disk;
    use tempfile::tempdir;

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
        refused(Existing::Refuse, "exists and is not a hogback model; choose another --model");
        refused(Existing::Replace, "exists and is not a hogback model; choose another --model");
        refused(Existing::KeepPrevious, "exists and is not a hogback model; choose another --model");
        refused(Existing::Continue, "not a hogback model");
        fs::rename(&model, previous(&model)).unwrap();
        refused(Existing::KeepPrevious, "stands where a replaced model is kept");
        assert_eq!(names(folder.path()), ["m.previous"]);
        fs::create_dir(&model).unwrap();
        fs::write(model.join("manifest.json"), "").unwrap();
        assert_eq!(refused(Existing::Refuse, "--resume goes on with it, --overwrite replaces it").exit_code(), 2);
    }

    #[test]
    fn what_appears_while_the_run_trains_is_not_replaced() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        fs::write(&model, "a file").unwrap();
        assert_eq!(writer.commit(&generation(1), 1).unwrap_err().exit_code(), 1);
        assert_eq!(fs::read_to_string(&model).unwrap(), "a file");
        fs::remove_file(&model).unwrap();
        assert_eq!(writer.commit(&generation(1), 1).unwrap(), 1);
    }

    #[test]
    fn a_model_behind_a_link_is_replaced_where_it_is() {
        let folder = tempdir().unwrap();
        let (model, link) = (folder.path().join("m"), folder.path().join("link"));
        Writer::new(&Disk, &model, Existing::Refuse).unwrap().commit(&generation(1), 1).unwrap();
        Disk.symlink(Path::new("m"), &link).unwrap();
        Writer::new(&Disk, &link, Existing::Replace).unwrap().commit(&generation(2), 1).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(holds(&model, &generation(2)) && holds(&link, &generation(2)));
        assert_eq!(names(folder.path()), ["link", "m"]);
    }

    #[test]
    fn one_run_at_a_time() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let first = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        let error = Writer::new(&Disk, &model, Existing::Refuse).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("another hogback is training this model"), "{error}");
        drop(first);
        Writer::new(&Disk, &model, Existing::Refuse).unwrap();
    }

    #[test]
    fn only_hidden_models_of_this_name_are_swept() {
        let folder = tempdir().unwrap();
        let home = folder.path();
        for name in [".m.new-1-0", ".m.new-1", ".m.new-1-0.lock", ".mm.new-1-0", "m.new-1-0", ".m.new-x-0"] {
            fs::create_dir(home.join(name)).unwrap();
        }
        Writer::new(&Disk, &home.join("m"), Existing::Refuse).unwrap().commit(&generation(1), 1).unwrap();
        assert_eq!(names(home), [".m.new-1", ".m.new-1-0.lock", ".m.new-x-0", ".mm.new-1-0", "m", "m.new-1-0"]);
    }
}
