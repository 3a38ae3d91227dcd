//! [`Hidden`]: a file that gets its name when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::claim::{Claim, claim};
use super::{Sink, Store};

/// A file that is being written under a hidden name, `.NAME.PID-N`, beside where it will stand. Dropped before it is published, it
/// leaves nothing behind; what a process that was killed has left, [`sweep`] removes.
pub(crate) struct Hidden<'s> {
    store: &'s dyn Store,
    sink: Box<dyn Sink>,
    path: PathBuf,
    target: PathBuf,
    published: bool,
    /// Says to [`sweep`] that the file is being written.
    _claimed: File,
}

impl<'s> Hidden<'s> {
    /// Begins the file that will stand at `target`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn create(store: &'s dyn Store, target: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = format!("{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
            let path = target.with_file_name(hidden_name(target, &number));
            let sink = store.create(&path)?;
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            match claim(&file, &path) {
                // Another run has taken it for one that a dead run has left, and removes it: it was there before the claim.
                Ok(Claim::Taken | Claim::Gone) => {}
                // Where files cannot be claimed nobody removes any.
                Ok(Claim::Held) | Err(_) => {
                    let target = target.to_path_buf();
                    return Ok(Self { store, sink, path, target, published: false, _claimed: file });
                }
            }
        }
    }

    /// Where the file stands until it is published.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it will stand.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns once every byte written so far would survive a power cut.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.sink.sync()
    }

    /// Gives the file its name, replacing what had it.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        self.store.rename(&self.path, &self.target)?;
        self.published = true;
        Ok(())
    }
}

impl Write for Hidden<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if !self.published {
            // Whatever ended the work is told of; this is not worth another line.
            let _ = self.store.remove_file(&self.path);
        }
    }
}

/// Removes what dead runs have begun of the file at `target`: nobody has claimed it.
pub(crate) fn sweep(store: &dyn Store, target: &Path) {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let hidden = target.with_file_name(entry.file_name());
        if is_hidden_name(target, &entry.file_name().to_string_lossy())
            && let Ok(file) = File::open(&hidden)
            && claim(&file, &hidden).is_ok_and(|claim| claim == Claim::Held)
        {
            // What stays is in nobody's way.
            let _ = store.remove_file(&hidden);
        }
    }
}

/// What the file that will stand at `target` is called while it is written.
fn hidden_name(target: &Path, number: &str) -> String {
    format!(".{}.{number}", target.file_name().unwrap_or_default().to_string_lossy())
}

/// True for the hidden names that these files get, in this and other processes.
fn is_hidden_name(target: &Path, name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = name.strip_prefix(&hidden_name(target, "")).and_then(|number| number.split_once('-'));
    number.is_some_and(|(process, number)| digits(process) && digits(number))
}
