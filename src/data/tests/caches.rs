//! Caches: they bring back what was read, are made anew when they must be, never believed when they are damaged, and leave nothing
//! behind.

use super::*;
use crate::store::{Claim, claim};

#[test]
fn a_cache_brings_back_what_was_read() {
    let ffm = long_text().replace(' ', " 3:").replace("3:# 3:", "# ");
    for (name, text) in
        [("a.svm", long_text()), ("a.ffm", ffm), ("b.csv", "y,age,city\nno,3,Oslo\nyes,1.5,\nno,?,Rome\n".into())]
    {
        let data = Data::new(name, text);
        let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
        let (plain, first, second) = (data.read(&OPTIONS), data.read(&options), data.read(&options));
        let (plain, first, second) = (plain.unwrap(), first.unwrap(), second.unwrap());
        assert_eq!((plain.from_cache(), first.from_cache(), second.from_cache()), (false, false, true));
        assert_eq!((plain.bytes_mapped(), first.bytes_mapped()), (0, second.bytes_mapped()));
        for read in [&first, &second] {
            assert_eq!(read.facts, plain.facts);
            assert_eq!(read.dictionary().to_bytes(), plain.dictionary().to_bytes());
            assert!(rows(read) == rows(&plain));
        }
        assert_eq!(data.files(), [name.to_string(), format!("{name}.hogcache")]);
    }
}

#[test]
fn a_cache_of_other_data_or_other_settings_is_written_anew() {
    let data = Data::new("a.csv", "y,z,w\n1,2,3\n4,5,6\n");
    let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let other = ReadOptions { label: Some("z".into()), ..options.clone() };
    data.read(&options).unwrap();
    assert!(!data.read(&other).unwrap().from_cache());
    assert!(data.read(&other).unwrap().from_cache());
    let words = ReadOptions { categorical: vec!["w".into()], ..other.clone() };
    assert!(!data.read(&words).unwrap().from_cache());
    assert!(data.read(&words).unwrap().from_cache() && !data.read(&other).unwrap().from_cache());
    fs::write(&data.path, "y,z,w\n1,2,3\n4,7,6\n").unwrap();
    let changed = fs::File::open(&data.path).unwrap();
    changed.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let read = data.read(&other).unwrap();
    assert_eq!((read.from_cache(), read.labels().most), (false, 7.0));
}

#[test]
fn a_cache_may_stand_in_another_directory() {
    let data = Data::new("a.svm", "1 1:1\n");
    let caches = data.directory.path().join("made/here");
    let options = ReadOptions { cache: CachePolicy::Dir(caches.clone()), ..OPTIONS };
    assert!(!data.read(&options).unwrap().from_cache());
    assert!(data.read(&options).unwrap().from_cache());
    assert_eq!((data.files(), fs::read_dir(caches).unwrap().count()), (vec!["a.svm".into(), "made".into()], 1));
}

/// The data through its cache, and what was noticed on the way.
fn with_notices(data: &Data, options: &ReadOptions, store: &dyn Store) -> (DataFile, Vec<String>) {
    let notices = Mutex::new(Vec::new());
    let notice = |text: &str| notices.lock().unwrap().push(text.to_string());
    let read = DataFile::read(&data.input(), options, store, &notice, &StopRequest::never()).unwrap();
    (read, notices.into_inner().unwrap())
}

#[test]
fn a_damaged_cache_is_never_believed() {
    let data = Data::new("a.svm", long_text());
    let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let expected = rows(&data.read(&options).unwrap());
    let good = fs::read(data.cache()).unwrap();
    let check = |bad: &[u8]| {
        fs::write(data.cache(), bad).unwrap();
        let (read, notices) = with_notices(&data, &options, &Disk);
        assert!(!read.from_cache() && rows(&read) == expected);
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("cannot be used") && notices[0].contains("reading the data again"), "{notices:?}");
        assert!(fs::read(data.cache()).unwrap() == good, "it is written again");
    };
    let index = good.len() - 200;
    for at in [0, 64, 70, good.len() / 3, index, good.len() - 128, good.len() - 8] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        check(&bad);
    }
    for length in [0, 100, good.len() / 2, good.len() - 1] {
        check(&good[..length]);
    }
}

#[test]
fn what_dead_runs_left_of_a_cache_is_removed_and_nothing_else() {
    let data = Data::new("a.svm", "1 1:1\n-1 2:1\n");
    let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let path = |name: &str| data.directory.path().join(name);
    // Of the two whose names could be those of caches being written, one belongs to somebody.
    let (dead, alive) = (".a.svm.hogcache.1-0", ".a.svm.hogcache.1-1");
    let others = [".a.svm.hogcache.1", ".a.svm.hogcache.x-0", ".aa.svm.hogcache.1-0", "a.svm.hogcache.1-0"];
    for name in [dead, alive].into_iter().chain(others) {
        fs::write(path(name), "half a cache").unwrap();
    }
    let claimed = fs::File::open(path(alive)).unwrap();
    assert_eq!(claim(&claimed, &path(alive)).unwrap(), Claim::Held);
    let mut expected: Vec<_> = others.into_iter().chain([alive, "a.svm", "a.svm.hogcache"]).collect();
    expected.sort_unstable();
    // Once by the run that writes the cache, once by one that finds it there.
    for _ in 0..2 {
        data.read(&options).unwrap();
        assert_eq!(data.files(), expected);
        fs::write(path(dead), "half a cache").unwrap();
    }
}

#[test]
fn caches_written_side_by_side_do_not_disturb_each_other() {
    let data = Data::new("a.svm", long_text());
    let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let expected = rows(&data.read(&OPTIONS).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let _ = fs::remove_file(data.cache());
                    assert!(rows(&data.read(&options).unwrap()) == expected);
                }
            });
        }
    });
    assert_eq!(data.files(), ["a.svm", "a.svm.hogcache"]);
}

#[test]
fn reading_stops_within_a_chunk_of_being_asked() {
    /// Asks to stop when the cache gets its first bytes.
    struct Asking(StopRequest);

    impl Store for Asking {
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            Disk.create_dir(path)
        }
        fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            self.0.request();
            Disk.create(path)
        }
        fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            Disk.append(path)
        }
        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            Disk.sync_dir(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Disk.rename(from, to)
        }
        fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
            Disk.exchange(a, b)
        }
        fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
            Disk.symlink(target, link)
        }
        fn remove_file(&self, path: &Path) -> io::Result<()> {
            Disk.remove_file(path)
        }
        fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
            Disk.remove_dir_all(path)
        }
    }

    let stop = StopRequest::never();
    let libsvm = Data::new("a.svm", long_text());
    let csv = Data::new("a.csv", "y,z\n1,2\n".repeat(1000));
    for data in [&libsvm, &csv] {
        let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
        let read = DataFile::read(&data.input(), &options, &Asking(stop.clone()), &|_| {}, &stop);
        assert!(matches!(read, Err(Error::Interrupted { saved: false, .. })));
        assert_eq!(data.files().len(), 1, "no half cache stays");
    }
}

/// A disk on which only so many bytes can be written, and names cannot be changed.
struct Full(usize);

impl Store for Full {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Short(fs::File::create(path)?, self.0)))
    }
    fn append(&self, _: &Path) -> io::Result<Box<dyn Sink>> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn symlink(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }
}

struct Short(fs::File, usize);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.0.write(&bytes[..bytes.len().min(self.1)])?;
        self.1 -= written;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sink for Short {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn where_no_cache_can_be_written_the_run_goes_on() {
    let data = Data::new("a.svm", long_text());
    let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let expected = rows(&data.read(&OPTIONS).unwrap());
    for space in [0, 5_000_000, usize::MAX] {
        let (read, notices) = with_notices(&data, &options, &Full(space));
        assert!(rows(&read) == expected && !read.from_cache() && read.bytes_mapped() == 0);
        assert!(notices.len() == 1 && notices[0].contains("cannot write this cache"), "{notices:?}");
        assert_eq!(data.files(), ["a.svm"], "nothing is left behind");
    }
}
