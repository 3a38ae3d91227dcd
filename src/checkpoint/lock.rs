//! [`Lock`]: one trainer of a model at a time.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process;

use super::layout::{hidden, resolve};
use crate::error::{Error, Result};
use crate::store::{Claim, claim};

/// The right to train a model, from [`Lock::take`] until it is dropped.
///
/// It is an advisory lock on `.NAME.lock` beside the model directory, so the system gives it up for a process that
/// dies, and it can be taken before there is a directory.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Closing it unlocks.
    _file: File,
}

impl Lock {
    /// Takes the lock of the model directory `model`, which need not exist; its parent must.
    ///
    /// # Errors
    /// [`Error::Model`] where another process trains the model; [`Error::Io`] where the lock cannot be made, as in a
    /// directory that cannot be written to.
    pub fn take(model: &Path) -> Result<Self> {
        let path = hidden(&resolve(model)?, "lock");
        let failed = |error: io::Error| Error::io(&path, "lock the model", error);
        loop {
            let mut file =
                File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
            match claim(&file, &path).map_err(failed)? {
                Claim::Held => {}
                Claim::Taken => return Err(taken(model, &mut file)),
                // Whoever had the lock removes the file. Each further turn takes another process that has just let go, so
                // this ends.
                Claim::Gone => continue,
            }
            file.set_len(0).and_then(|()| writeln!(file, "{}", process::id())).map_err(failed)?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked, so that it is this file and not another's. One that stays does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// Says who holds the lock, as far as it has written that down.
fn taken(model: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    let process = match text.trim() {
        pid if read.is_ok() && !pid.is_empty() => format!(" (process {pid})"),
        _ => String::new(),
    };
    Error::model(
        model,
        format!("another hogback is training this model{process}; wait for it or choose another --model"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m");
        let first = Lock::take(&model).unwrap();
        let error = Lock::take(&model).unwrap_err().to_string();
        assert!(
            error.contains(&format!("another hogback is training this model (process {})", process::id())),
            "{error}"
        );
        assert!(Lock::take(&folder.path().join("other")).is_ok());
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Lock::take(&model).unwrap();
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".m.lock"), "1234567890\n").unwrap();
        let _lock = Lock::take(&folder.path().join("m")).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(".m.lock")).unwrap(), format!("{}\n", process::id()));
    }

    #[test]
    fn threads_that_take_and_drop_are_never_inside_together() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let taken: usize = std::thread::scope(|scope| {
            let run = || {
                let mut taken = 0;
                for _ in 0..500 {
                    if let Ok(_lock) = Lock::take(&model) {
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        taken += 1;
                    }
                }
                taken
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(taken > 0);
    }

    #[test]
    fn a_directory_that_takes_no_lock_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".m.lock")).unwrap();
        let error = Lock::take(&folder.path().join("m")).unwrap_err().to_string();
        assert!(error.ends_with(".m.lock: cannot lock the model: is a directory"), "{error}");
    }
}
