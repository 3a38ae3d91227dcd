//! [`Draft`]: files that have their names only when all of them are whole.

use std::io::Write;
use std::path::Path;

use super::Store;
use super::hidden::{Hidden, sweep};
use crate::error::{Error, Result};

/// Refuses a name that something has.
///
/// # Errors
/// [`Error::Usage`] where it has.
pub(crate) fn refuse_existing(target: &Path) -> Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!("{} exists: --overwrite replaces it", target.display())));
    }
    Ok(())
}

/// A file that is being written under a hidden name; dropped before it is published, it leaves nothing behind.
pub(crate) struct Draft<'s>(Hidden<'s>);

impl<'s> Draft<'s> {
    /// Begins the file that will stand at `target`, and removes what dead runs have begun of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn create(store: &'s dyn Store, target: &Path) -> Result<Self> {
        sweep(store, target);
        Hidden::create(store, target).map(Self).map_err(|error| Error::io(target, "create the file", error))
    }

    /// Adds `bytes`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|error| Error::io(self.0.target(), "write", error))
    }
}

/// Gives all files their names, once every byte of them would survive a power cut.
///
/// # Errors
/// [`Error::Io`], of the file that could not be synced or named.
pub(crate) fn publish(store: &dyn Store, mut drafts: Vec<Draft<'_>>) -> Result<()> {
    for Draft(file) in &mut drafts {
        file.sync().map_err(|error| Error::io(file.target(), "sync", error))?;
    }
    for Draft(file) in &mut drafts {
        file.publish().map_err(|error| Error::io(file.target(), "name the file", error))?;
    }
    let Some(folder) = drafts.first().and_then(|Draft(file)| file.target().parent()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    store.sync_dir(folder).map_err(|error| Error::io(folder, "sync", error))
}
