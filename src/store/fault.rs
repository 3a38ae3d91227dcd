//! [`Faulty`]: a disk that fails at a chosen operation, and forgets on a power cut what was not synced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::{Disk, Sink, Store};

/// The [`Disk`] with faults.
///
/// Every operation is counted from 1: creating, each write, sync, rename and so on. One of them, or all from one on,
/// can be made to fail; a write that fails leaves half its bytes, as a full disk does. [`power_loss`](Self::power_loss)
/// then takes back what no sync has made safe. Syncs are only recorded, not passed on, so that thousands of runs are
/// cheap. Directories must always be named by the same path.
#[derive(Debug)]
pub struct Faulty {
    /// What was removed or replaced waits here for the sync after which it cannot come back.
    attic: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    operations: u64,
    fault: Option<Fault>,
    no_exchange: bool,
    /// Changes of names that no `sync_dir` has made safe, oldest first, in the names of now.
    names: Vec<Pending>,
    /// Files with bytes that no sync has made safe.
    files: BTreeMap<u64, Unsynced>,
}

#[derive(Debug)]
struct Fault {
    at: u64,
    lasting: bool,
    error: Errno,
}

/// A change in the directory `dir`.
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

#[derive(Debug)]
struct Unsynced {
    file: File,
    /// How many bytes are safe.
    safe: u64,
}

impl Faulty {
    /// A disk without faults yet. `attic` is an empty directory on the file system that will be written to.
    pub fn new(attic: &Path) -> Self {
        Self { attic: attic.to_path_buf(), state: Arc::default() }
    }

    /// Operation `at` fails with `error`, once; those after it work again.
    pub fn fail_once(&self, at: u64, error: Errno) {
        self.lock().fault = Some(Fault { at, lasting: false, error });
    }

    /// Operation `at` and all after it fail with `error`: a full disk, or a machine that has stopped.
    pub fn fail_from(&self, at: u64, error: Errno) {
        self.lock().fault = Some(Fault { at, lasting: true, error });
    }

    /// From now on `exchange` is refused, as by a file system that has none.
    pub fn without_exchange(&self) {
        self.lock().no_exchange = true;
    }

    /// How many operations were asked for so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many changes of names a power cut could take back.
    pub fn pending_names(&self) -> usize {
        self.lock().names.len()
    }

    /// Cuts the power: of the changes of names that were not synced the oldest `names` stay, and of the unsynced bytes
    /// of every file the first `bytes`. The machine then starts again, without faults.
    ///
    /// # Errors
    /// The system's, where something cannot be taken back.
    pub fn power_loss(&self, names: usize, bytes: u64) -> io::Result<()> {
        let mut state = self.lock();
        while state.names.len() > names {
            if let Some(Pending { change, .. }) = state.names.pop() {
                state.undo(change)?;
            }
        }
        state.names.clear();
        for (_, Unsynced { file, safe }) in mem::take(&mut state.files) {
            file.set_len(file.metadata()?.len().min(safe.saturating_add(bytes)))?;
        }
        state.fault = None;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The state, if the operation that begins now is to work.
    fn begin(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.begin()?;
        Ok(state)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        let grave = self.attic.join(state.operations.to_string());
        fs::rename(path, &grave)?;
        state.moved(path, &grave);
        let change = Change::Removed { path: path.to_path_buf(), grave };
        state.names.push(Pending { dir: parent(path), change });
        Ok(())
    }
}

impl Store for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        Disk.create_dir(path)?;
        state.made(path);
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let mut state = self.begin()?;
        let new = !path.exists();
        let file = File::create(path)?;
        if new {
            state.made(path);
        }
        Ok(Box::new(FaultySink { id: state.operations, file, state: Arc::clone(&self.state) }))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        File::open(path)?;
        let (safe, pending) = mem::take(&mut state.names).into_iter().partition(|pending| pending.dir == path);
        state.names = pending;
        for grave in safe.into_iter().filter_map(|pending: Pending| pending.change.grave()) {
            state.names.retain(|pending| !pending.dir.starts_with(&grave));
            if fs::symlink_metadata(&grave)?.is_dir() { fs::remove_dir_all(grave) } else { fs::remove_file(grave) }?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        let grave = match fs::symlink_metadata(to) {
            Ok(there) if !there.is_dir() => {
                let grave = self.attic.join(state.operations.to_string());
                fs::hard_link(to, &grave)?;
                Some(grave)
            }
            _ => None,
        };
        Disk.rename(from, to)?;
        if let Some(grave) = &grave {
            state.moved(to, grave);
        }
        state.moved(from, to);
        let change = Change::Renamed { from: from.to_path_buf(), to: to.to_path_buf(), grave };
        state.names.push(Pending { dir: parent(to), change });
        Ok(())
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        if state.no_exchange {
            return Err(Errno::INVAL.into());
        }
        Disk.exchange(a, b)?;
        state.exchanged(a, b);
        state.names.push(Pending { dir: parent(b), change: Change::Exchanged(a.to_path_buf(), b.to_path_buf()) });
        Ok(())
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        Disk.symlink(target, link)?;
        state.made(link);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.remove(path)
    }
}

impl State {
    /// Counts an operation, and fails if it is one that shall.
    fn begin(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &self.fault {
            Some(fault) if self.operations == fault.at || (fault.lasting && self.operations > fault.at) => {
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
    }

    fn made(&mut self, path: &Path) {
        self.names.push(Pending { dir: parent(path), change: Change::Made(path.to_path_buf()) });
    }

    /// Keeps the pending changes in the names of now, after `from` has become `to`.
    fn moved(&mut self, from: &Path, to: &Path) {
        self.renamed(|path| path.strip_prefix(from).ok().map(|rest| join(to, rest)));
    }

    /// The same after `a` and `b` have exchanged their names.
    fn exchanged(&mut self, a: &Path, b: &Path) {
        self.renamed(|path| match (path.strip_prefix(a), path.strip_prefix(b)) {
            (Ok(rest), _) => Some(join(b, rest)),
            (_, Ok(rest)) => Some(join(a, rest)),
            _ => None,
        });
    }

    fn renamed(&mut self, new: impl Fn(&Path) -> Option<PathBuf>) {
        for Pending { dir, change } in &mut self.names {
            // A name that something had before is still a name in the same directory, wherever that is by now.
            let (now, before) = match change {
                Change::Made(path) => (vec![path], None),
                Change::Renamed { from, to, .. } => (vec![to], Some(from)),
                Change::Exchanged(a, b) => (vec![a, b], None),
                Change::Removed { path, .. } => (vec![], Some(path)),
            };
            for path in now.into_iter().chain([dir]) {
                if let Some(name) = new(path) {
                    *path = name;
                }
            }
            if let Some(path) = before
                && let Some(dir) = new(&parent(path))
            {
                *path = dir.join(path.file_name().unwrap_or_default());
            }
        }
    }

    fn undo(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Made(path) if fs::symlink_metadata(&path)?.is_dir() => fs::remove_dir_all(path),
            Change::Made(path) => fs::remove_file(path),
            Change::Renamed { from, to, grave } => {
                fs::rename(&to, &from)?;
                self.moved(&to, &from);
                if let Some(grave) = grave {
                    fs::rename(&grave, &to)?;
                    self.moved(&grave, &to);
                }
                Ok(())
            }
            Change::Exchanged(a, b) => {
                Disk.exchange(&a, &b)?;
                self.exchanged(&a, &b);
                Ok(())
            }
            Change::Removed { path, grave } => {
                fs::rename(&grave, &path)?;
                self.moved(&grave, &path);
                Ok(())
            }
        }
    }
}

impl Change {
    /// What this change has put into the attic.
    fn grave(self) -> Option<PathBuf> {
        match self {
            Self::Removed { grave, .. } => Some(grave),
            Self::Renamed { grave, .. } => grave,
            Self::Made(_) | Self::Exchanged(..) => None,
        }
    }
}

struct FaultySink {
    id: u64,
    file: File,
    state: Arc<Mutex<State>>,
}

impl Write for FaultySink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let before = self.file.metadata()?.len();
        let fault = state.begin();
        if fault.is_err() && state.fault.as_ref().is_none_or(|fault| fault.at != state.operations) {
            return fault.map(|()| 0);
        }
        if !state.files.contains_key(&self.id) {
            state.files.insert(self.id, Unsynced { file: self.file.try_clone()?, safe: before });
        }
        if let Err(error) = fault {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for FaultySink {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.begin()?;
        state.files.remove(&self.id);
        Ok(())
    }
}

/// The state, also after a thread that held it has panicked.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `path` with `rest` below it; without the slash that joining nothing would add.
fn join(path: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { path.to_path_buf() } else { path.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn place() -> (TempDir, PathBuf, Faulty) {
        let folder = tempfile::tempdir().unwrap();
        let (attic, home) = (folder.path().join("attic"), folder.path().join("home"));
        fs::create_dir(&attic).unwrap();
        fs::create_dir(&home).unwrap();
        let store = Faulty::new(&attic);
        (folder, home, store)
    }

    fn write(store: &Faulty, path: &Path, text: &str, sync: bool) {
        let mut sink = store.create(path).unwrap();
        sink.write_all(text.as_bytes()).unwrap();
        if sync {
            sink.sync().unwrap();
        }
    }

    fn names(home: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn power_loss_takes_unsynced_names_and_bytes() {
        let (_folder, home, store) = place();
        write(&store, &home.join("safe"), "safe", true);
        write(&store, &home.join("short"), "123456", false);
        store.sync_dir(&home).unwrap();
        write(&store, &home.join("nameless"), "synced, but nobody finds it", true);
        store.power_loss(0, 2).unwrap();
        assert_eq!(names(&home), ["safe", "short"]);
        assert_eq!(fs::read_to_string(home.join("safe")).unwrap(), "safe");
        assert_eq!(fs::read_to_string(home.join("short")).unwrap(), "12");
    }

    #[test]
    fn power_loss_brings_back_what_was_replaced_exchanged_and_removed() {
        let (_folder, home, store) = place();
        for name in ["old", "new", "gone"] {
            write(&store, &home.join(name), name, true);
        }
        for name in ["dir", "ectory"] {
            store.create_dir(&home.join(name)).unwrap();
            write(&store, &home.join(name).join(name), name, true);
            store.sync_dir(&home.join(name)).unwrap();
        }
        store.sync_dir(&home).unwrap();
        let before = names(&home);

        store.rename(&home.join("new"), &home.join("old")).unwrap();
        store.remove_file(&home.join("gone")).unwrap();
        store.exchange(&home.join("dir"), &home.join("ectory")).unwrap();
        write(&store, &home.join("ectory/second"), "in what is called dir again", true);
        store.remove_dir_all(&home.join("dir")).unwrap();
        store.rename(&home.join("ectory"), &home.join("third")).unwrap();
        assert_eq!(names(&home), ["old", "third"]);
        store.power_loss(0, 0).unwrap();

        assert_eq!(names(&home), before);
        assert_eq!(fs::read_to_string(home.join("old")).unwrap(), "old");
        assert_eq!(names(&home.join("dir")), ["dir"]);
        assert_eq!(names(&home.join("ectory")), ["ectory"]);
    }

    #[test]
    fn a_failing_write_leaves_half_and_later_operations_follow_the_plan() {
        for (lasting, later) in [(false, true), (true, false)] {
            let (_folder, home, store) = place();
            if lasting {
                store.fail_from(2, Errno::NOSPC)
            } else {
                store.fail_once(2, Errno::NOSPC)
            }
            let mut sink = store.create(&home.join("file")).unwrap();
            assert_eq!(sink.write(b"123456").unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "123");
            assert_eq!(sink.write(b"x").is_ok(), later);
            assert_eq!(store.operations(), 3);
        }
    }
}
