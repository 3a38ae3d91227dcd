//! The one seam for persistent writes: everything that must outlive the process goes through a [`Store`].
//!
//! [`Disk`] is the real one. [`Faulty`] is the same disk with failures at a chosen operation and with power cuts, so
//! that tests can stop a commit at every single step and look at what is left.
//!
//! What a store promises, and no more: `rename` and `exchange` are atomic for whoever looks; the bytes of a file
//! survive a power cut once its [`Sink::sync`] has returned; a new, renamed or removed name survives one once
//! [`Store::sync_dir`] of its directory has returned. Reading needs no seam and uses `std::fs`.

mod claim;
mod disk;
pub(crate) mod draft;
mod fault;
mod hidden;
mod journal;

use std::io;
use std::path::Path;

pub(crate) use claim::{Claim, claim};
pub use disk::Disk;
pub use fault::Faulty;
pub(crate) use hidden::{Hidden, sweep};

/// Where files are written, renamed and removed. Every method's error is the system's.
pub trait Store: Send + Sync {
    /// Makes one directory; its parent is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// A new file, or an existing one cut to nothing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>>;

    /// An existing file, to be written on behind its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>>;

    /// Returns once the names in the directory `path` would survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives `from` the name `to`, replacing a file or an empty directory of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Exchanges the names of two existing files or directories in one step.
    ///
    /// Where the file system has no such step the error is of kind `InvalidInput` or `Unsupported`.
    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()>;

    /// Makes `link` a symbolic link to `target`.
    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()>;

    /// Removes a file or a symbolic link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait Sink: io::Write + Send {
    /// Returns once every byte written so far would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}
