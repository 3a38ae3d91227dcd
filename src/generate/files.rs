//! Files that have their names only when all of them are whole.

use std::path::{Path, PathBuf};
use std::process;

use super::text::Text;
use crate::error::{Error, Result};
use crate::store::{Sink, Store};

/// The file of one part and format: `OUT.PART.FORMAT`.
///
/// # Errors
/// [`Error::Usage`] where `out` does not end in a name.
pub(super) fn target(out: &Path, part: &str, text: Text) -> Result<PathBuf> {
    let ends_in_a_name = !out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let Some(name) = out.file_name().filter(|_| ends_in_a_name) else {
        let what = format!("{}: give what the names of the files shall begin with, as in data/p20", out.display());
        return Err(Error::Usage(what));
    };
    let mut name = name.to_owned();
    name.push(format!(".{part}.{}", text.name()));
    Ok(out.with_file_name(name))
}

/// # Errors
/// [`Error::Usage`] where something has this name.
pub(super) fn refuse_existing(target: &Path) -> Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(Error::Usage(format!("{} exists: --overwrite replaces it", target.display())));
    }
    Ok(())
}

/// A file that is being written under a hidden name; dropped before it is published, it leaves nothing behind.
pub(super) struct Draft<'s> {
    store: &'s dyn Store,
    sink: Box<dyn Sink>,
    /// The hidden name; empty once the file has its own.
    hidden: PathBuf,
    target: PathBuf,
}

impl<'s> Draft<'s> {
    /// Begins the file that will stand at `target`.
    pub(super) fn create(store: &'s dyn Store, target: PathBuf) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let hidden = target.with_file_name(format!(".{name}.{}", process::id()));
        let sink = store.create(&hidden).map_err(|error| Error::io(&target, "create the file", error))?;
        Ok(Self { store, sink, hidden, target })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(|error| Error::io(&self.target, "write", error))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.hidden.as_os_str().is_empty() {
            // Whatever ended the work is told of; this is not worth another line.
            let _ = self.store.remove_file(&self.hidden);
        }
    }
}

/// Gives all files their names, once every byte of them would survive a power cut.
///
/// # Errors
/// [`Error::Io`], of the file that could not be synced or named.
pub(super) fn publish(store: &dyn Store, mut drafts: Vec<Draft<'_>>) -> Result<()> {
    for draft in &mut drafts {
        draft.sink.sync().map_err(|error| Error::io(&draft.target, "sync", error))?;
    }
    for draft in &mut drafts {
        store.rename(&draft.hidden, &draft.target).map_err(|error| Error::io(&draft.target, "name the file", error))?;
        draft.hidden.clear();
    }
    let Some(folder) = drafts.first().and_then(|draft| draft.target.parent()) else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    store.sync_dir(folder).map_err(|error| Error::io(folder, "sync", error))
}
