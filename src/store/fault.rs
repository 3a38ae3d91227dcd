//! [`Faulty`]: a disk that fails at a chosen operation, and forgets on a power cut what was not synced.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::journal::Journal;
use super::{Disk, Sink, Store};

/// The [`Disk`] with faults.
///
/// Every operation is counted from 1: creating, each write, sync, rename and so on. One of them, or all from one on,
/// can be made to fail; a write that fails leaves half its bytes, as a full disk does. [`power_loss`](Self::power_loss)
/// then takes back what no sync has made safe. Syncs are only recorded, not passed on, so that thousands of runs are
/// cheap. A directory must always be named by the same path, and things are renamed within their directory only.
#[derive(Debug)]
pub struct Faulty(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    operations: u64,
    fault: Option<Fault>,
    no_exchange: bool,
    names: Journal,
    /// The files with bytes that no sync has made safe, by the operation that created them.
    files: BTreeMap<u64, Unsynced>,
}

#[derive(Debug)]
struct Fault {
    at: u64,
    lasting: bool,
    error: Errno,
}

#[derive(Debug)]
struct Unsynced {
    file: File,
    /// How many bytes are safe.
    safe: u64,
}

impl Faulty {
    /// A disk without faults yet. `attic` is an empty directory, on the file system that will be written to, for what
    /// may have to come back.
    pub fn new(attic: &Path) -> Self {
        let (names, files) = (Journal::new(attic), BTreeMap::new());
        Self(Arc::new(Mutex::new(State { operations: 0, fault: None, no_exchange: false, names, files })))
    }

    /// Operation `at` fails with `error`, once; those after it work again.
    pub fn fail_once(&self, at: u64, error: Errno) {
        lock(&self.0).fault = Some(Fault { at, lasting: false, error });
    }

    /// Operation `at` and all after it fail with `error`: a full disk, or a machine that has stopped.
    pub fn fail_from(&self, at: u64, error: Errno) {
        lock(&self.0).fault = Some(Fault { at, lasting: true, error });
    }

    /// From now on `exchange` is refused, as by a file system that has none.
    pub fn without_exchange(&self) {
        lock(&self.0).no_exchange = true;
    }

    /// How many operations were asked for so far.
    pub fn operations(&self) -> u64 {
        lock(&self.0).operations
    }

    /// How many changes of names a power cut could take back.
    pub fn pending_names(&self) -> usize {
        lock(&self.0).names.len()
    }

    /// Cuts the power: of the changes of names that were not synced the oldest `names` stay, and of the unsynced bytes
    /// of every file the first `bytes`. The machine then starts again, without faults.
    ///
    /// # Errors
    /// The system's, where something cannot be taken back.
    pub fn power_loss(&self, names: usize, bytes: u64) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.names.take_back(names)?;
        for Unsynced { file, safe } in mem::take(&mut state.files).into_values() {
            file.set_len(file.metadata()?.len().min(safe.saturating_add(bytes)))?;
        }
        state.fault = None;
        Ok(())
    }

    /// The state, if the operation that begins now is to work.
    fn begin(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.0);
        state.begin()?;
        Ok(state)
    }
}

impl Store for Faulty {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        Disk.create_dir(path)?;
        state.names.made(path);
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let mut state = self.begin()?;
        let new = !path.exists();
        let file = File::create(path)?;
        if new {
            state.names.made(path);
        }
        Ok(Box::new(FaultySink { id: state.operations, file, state: Arc::clone(&self.0) }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        let state = self.begin()?;
        let file = File::options().append(true).open(path)?;
        Ok(Box::new(FaultySink { id: state.operations, file, state: Arc::clone(&self.0) }))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        File::open(path)?;
        state.names.synced(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.begin()?.names.rename(from, to)
    }

    fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        if state.no_exchange { Err(Errno::INVAL.into()) } else { state.names.exchange(a, b) }
    }

    fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
        let mut state = self.begin()?;
        Disk.symlink(target, link)?;
        state.names.made(link);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.begin()?.names.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.begin()?.names.remove(path)
    }
}

impl State {
    /// Counts an operation, and fails if it is one that shall.
    fn begin(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &self.fault {
            Some(fault) if fault.at == self.operations || fault.lasting && fault.at < self.operations => {
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
    }

    /// True in the operation that fails first.
    fn fails_now(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.at == self.operations)
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
        let begun = state.begin();
        if state.fails_now() || begun.is_ok() {
            if let Entry::Vacant(new) = state.files.entry(self.id) {
                new.insert(Unsynced { file: self.file.try_clone()?, safe: self.file.metadata()?.len() });
            }
            let count = if begun.is_ok() { bytes.len() } else { bytes.len() / 2 };
            self.file.write_all(&bytes[..count])?;
        }
        begun.map(|()| bytes.len())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
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
                store.fail_from(2, Errno::NOSPC);
            } else {
                store.fail_once(2, Errno::NOSPC);
            }
            let mut sink = store.create(&home.join("file")).unwrap();
            assert_eq!(sink.write(b"123456").unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "123");
            assert_eq!(sink.write(b"x").is_ok(), later);
            assert_eq!(store.operations(), 3);
        }
    }
}
