//! [`Journal`]: the changes of names that a power cut could still take back, and how to take them back.

use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use super::{Disk, Store};

/// Changes that no sync of their directory has made safe, oldest first.
#[derive(Debug)]
pub(super) struct Journal {
    /// What was removed or replaced waits in this directory for the sync after which it cannot come back.
    attic: PathBuf,
    graves: u64,
    pending: Vec<Pending>,
}

/// A change in the directory `dir`. All paths are those of now: they follow when a directory above is renamed.
#[derive(Debug)]
struct Pending {
    dir: PathBuf,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Made(PathBuf),
    /// `grave` is where in the attic that is which was `to` before.
    Renamed {
        from: PathBuf,
        to: PathBuf,
        grave: Option<PathBuf>,
    },
    Exchanged(PathBuf, PathBuf),
    Removed {
        path: PathBuf,
        grave: PathBuf,
    },
}

impl Journal {
    pub(super) fn new(attic: &Path) -> Self {
        Self { attic: attic.to_path_buf(), graves: 0, pending: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Notes that `path` was made.
    pub(super) fn made(&mut self, path: &Path) {
        self.push(path, Change::Made(path.to_path_buf()));
    }

    /// Renames, keeping a file that is replaced. Whoever looks sees `to` all the time.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut grave = None;
        if fs::symlink_metadata(to).is_ok_and(|there| !there.is_dir()) {
            let path = self.grave();
            fs::hard_link(to, &path)?;
            grave = Some(path);
        }
        Disk.rename(from, to)?;
        if let Some(grave) = &grave {
            self.follow(to, grave);
        }
        self.follow(from, to);
        self.push(to, Change::Renamed { from: from.to_path_buf(), to: to.to_path_buf(), grave });
        Ok(())
    }

    pub(super) fn exchange(&mut self, a: &Path, b: &Path) -> io::Result<()> {
        Disk.exchange(a, b)?;
        self.follow_exchange(a, b);
        self.push(b, Change::Exchanged(a.to_path_buf(), b.to_path_buf()));
        Ok(())
    }

    /// Moves a file or a directory to the attic.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let grave = self.grave();
        fs::rename(path, &grave)?;
        self.follow(path, &grave);
        self.push(path, Change::Removed { path: path.to_path_buf(), grave });
        Ok(())
    }

    /// Forgets the changes in the directory `dir`: they are safe, and what they have removed is gone for ever.
    pub(super) fn synced(&mut self, dir: &Path) -> io::Result<()> {
        let (safe, pending): (Vec<_>, Vec<_>) =
            mem::take(&mut self.pending).into_iter().partition(|pending| pending.dir == dir);
        self.pending = pending;
        for Pending { change, .. } in safe {
            let (Change::Renamed { grave: Some(grave), .. } | Change::Removed { grave, .. }) = change else { continue };
            self.pending.retain(|pending| !pending.dir.starts_with(&grave));
            delete(&grave)?;
        }
        Ok(())
    }

    /// Takes back all changes but the oldest `kept`, which are safe from now on.
    pub(super) fn take_back(&mut self, kept: usize) -> io::Result<()> {
        while self.pending.len() > kept
            && let Some(Pending { change, .. }) = self.pending.pop()
        {
            match change {
                Change::Made(path) => delete(&path)?,
                Change::Renamed { from, to, grave } => {
                    fs::rename(&to, &from)?;
                    self.follow(&to, &from);
                    if let Some(grave) = grave {
                        fs::rename(&grave, &to)?;
                        self.follow(&grave, &to);
                    }
                }
                Change::Exchanged(a, b) => {
                    Disk.exchange(&a, &b)?;
                    self.follow_exchange(&a, &b);
                }
                Change::Removed { path, grave } => {
                    fs::rename(&grave, &path)?;
                    self.follow(&grave, &path);
                }
            }
        }
        self.pending.clear();
        Ok(())
    }

    fn push(&mut self, path: &Path, change: Change) {
        self.pending.push(Pending { dir: parent(path), change });
    }

    fn grave(&mut self) -> PathBuf {
        self.graves += 1;
        self.attic.join(self.graves.to_string())
    }

    /// Corrects the paths after `from` has become `to`.
    fn follow(&mut self, from: &Path, to: &Path) {
        self.correct(|path| path.strip_prefix(from).ok().map(|rest| join(to, rest)));
    }

    /// Corrects the paths after `a` and `b` have exchanged their names.
    fn follow_exchange(&mut self, a: &Path, b: &Path) {
        self.correct(|path| match (path.strip_prefix(a), path.strip_prefix(b)) {
            (Ok(rest), _) => Some(join(b, rest)),
            (_, Ok(rest)) => Some(join(a, rest)),
            _ => None,
        });
    }

    fn correct(&mut self, new: impl Fn(&Path) -> Option<PathBuf>) {
        for Pending { dir, change } in &mut self.pending {
            let (things, name) = match change {
                Change::Made(path) => (vec![path], None),
                Change::Renamed { from, to, .. } => (vec![to], Some(from)),
                Change::Exchanged(a, b) => (vec![a, b], None),
                Change::Removed { path, .. } => (vec![], Some(path)),
            };
            for path in things.into_iter().chain([dir]) {
                if let Some(now) = new(path) {
                    *path = now;
                }
            }
            // A name that is free now stays where it is, whatever gets it: only its directory may move.
            if let Some(name) = name
                && let Some(dir) = new(&parent(name))
            {
                *name = dir.join(name.file_name().unwrap_or_default());
            }
        }
    }
}

fn delete(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `path` with `rest` below it, without the slash that joining nothing would add.
fn join(path: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { path.to_path_buf() } else { path.join(rest) }
}
