//! [`claim`]: whether a file belongs to a live process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The file is claimed until its handle is closed, by the end of the process at the latest.
    Held,
    /// Another handle has claimed it, of this process or of another.
    Taken,
    /// The path names another file by now, or none: whoever had claimed it has removed or renamed it.
    Gone,
}

/// Claims `file`, which was opened at `path`, by an advisory lock: the system gives it up for a process that dies, so it
/// is worth more than a process number in a name.
///
/// # Errors
/// The system's, where the file system has no locks.
pub(crate) fn claim(file: &File, path: &Path) -> io::Result<Claim> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Claim::Taken),
        Err(error) => return Err(error.into()),
    }
    let locked = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (locked.dev(), locked.ino()) => Ok(Claim::Held),
        Ok(_) => Ok(Claim::Gone),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Claim::Gone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_held_by_one_handle_on_the_file_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let open = || File::options().write(true).create(true).truncate(false).open(&path).unwrap();
        let (first, second) = (open(), open());
        assert_eq!(claim(&first, &path).unwrap(), Claim::Held);
        assert_eq!(claim(&second, &path).unwrap(), Claim::Taken);
        drop(first);
        assert_eq!(claim(&second, &path).unwrap(), Claim::Held);
        fs::rename(&path, folder.path().join("other")).unwrap();
        assert_eq!(claim(&second, &path).unwrap(), Claim::Gone);
        let third = open();
        assert_eq!(claim(&second, &path).unwrap(), Claim::Gone);
        assert_eq!(claim(&third, &path).unwrap(), Claim::Held);
    }
}
