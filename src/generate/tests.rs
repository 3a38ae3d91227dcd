//! Disks that fail and runs that are stopped: files are whole or not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::io::Errno;

use super::*;
use crate::store::{Disk, Faulty};

fn request(home: &Path, seed: u64) -> Request {
    let kind = Kind::Sparse { features: 1000, nonzeros: 9, zipf: 1.0 };
    let data = Data { kind, rows: 600, test_rows: 100, seed };
    Request { data, format: None, out: home.join("out"), overwrite: true }
}

/// The files in `home`, hidden ones too.
fn files(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(home).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// What `request` makes where nothing fails.
fn made(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    generate(&request(folder.path(), seed), &Disk, &StopRequest::never()).unwrap();
    files(folder.path())
}

#[test]
fn wherever_a_disk_fails_each_file_is_the_old_or_the_new_one_and_whole() {
    let (old, new) = (made(1), made(2));
    assert!(old.len() == 4 && old.keys().eq(new.keys()) && old.iter().all(|(name, text)| new[name] != *text));
    for (lasting, there) in [(false, false), (false, true), (true, true)] {
        for at in 1.. {
            let folder = tempfile::tempdir().unwrap();
            let (attic, home) = (folder.path().join("attic"), folder.path().join("home"));
            for path in [&attic, &home] {
                fs::create_dir(path).unwrap();
            }
            if there {
                old.iter().for_each(|(name, text)| fs::write(home.join(name), text).unwrap());
            }
            let store = Faulty::new(&attic);
            if lasting {
                store.fail_from(at, Errno::NOSPC);
            } else {
                store.fail_once(at, Errno::NOSPC);
            }
            let result = generate(&request(&home, 2), &store, &StopRequest::never());
            let mut left = files(&home);
            if lasting {
                // A disk that takes nothing any more does not remove either.
                left.retain(|name, _| !name.starts_with('.'));
            }
            let whole = |(name, text): (&String, &Vec<u8>)| new[name] == *text || there && old[name] == *text;
            assert!(left.iter().all(whole), "{at}: {:?}", left.keys());
            if there {
                assert!(left.keys().eq(old.keys()), "{at}: {:?}", left.keys());
            }
            let Err(error) = result else {
                assert!(store.operations() < at && left == new, "{at}");
                break;
            };
            let message = error.to_string();
            assert!(message.contains("no space left on device") && !message.contains("/.out"), "{at}: {message}");
            assert_eq!(error.exit_code(), 1);
        }
    }
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stop = StopRequest::never();
    stop.request();
    let error = generate(&request(folder.path(), 1), &Disk, &stop).unwrap_err();
    assert_eq!((error.exit_code(), files(folder.path()).len()), (130, 0));
}
