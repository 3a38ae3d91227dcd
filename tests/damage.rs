//! Damaged models and caches, and a system that refuses: one clear line, and what was saved before is as it was.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::process::Command;

use common::{Folder, keeping_the_model, run, svm};

// Models and caches.

/// The current generation's file, damaged by `damage`, must make predicting or going on fail with `part`, and whole again work.
fn damaged(file: &str, damage: impl Fn(&mut Vec<u8>), part: &str) {
    let folder = Folder::with_model();
    let (path, before) = (folder.path("m").join(file), folder.predictions("m", "good.svm"));
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    damage(&mut bytes);
    if bytes.is_empty() {
        fs::remove_file(&path).unwrap();
    } else {
        fs::write(&path, &bytes).unwrap();
    }
    let name = file.rsplit('/').next().unwrap();
    if name.starts_with("state") || name == "spec.toml" {
        assert_eq!(folder.predictions("m", "good.svm"), before, "predicting needs no optimiser state and no spec");
    } else {
        folder.run(&["predict", "m", "good.svm"]).failed_with(1, &[name, part]);
        folder.run(&["eval", "m", "good.svm"]).failed_with(1, &[name, part]);
    }
    folder.run(&["train", "good.svm", "--model", "m", "--resume"]).failed_with(1, &[name, part]);
    fs::write(&path, whole).unwrap();
    assert_eq!(folder.predictions("m", "good.svm"), before);
}

const FILES: [&str; 4] =
    ["latest/weights-00000.safetensors", "latest/state-00000.safetensors", "latest/dictionary.bin", "latest/spec.toml"];

#[test]
fn a_model_with_a_file_missing() {
    FILES.iter().for_each(|file| damaged(file, Vec::clear, "missing"));
    damaged("manifest.json", Vec::clear, "not a hogback model: it has no manifest.json");
}

#[test]
fn a_model_cut_short() {
    FILES.iter().for_each(|file| damaged(file, |bytes| bytes.truncate(bytes.len() - 5), "the file is damaged"));
    damaged("manifest.json", |bytes| bytes.truncate(bytes.len() / 2), "the file is damaged; gen-00001 is whole: cp ");
}

#[test]
fn a_model_with_a_flipped_byte() {
    let flip = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 7;
        bytes[at] ^= 4;
    };
    FILES.iter().for_each(|file| damaged(file, flip, "checksum differs: the file is damaged"));
    damaged("manifest.json", flip, "the file is damaged; gen-00001 is whole: cp ");
}

#[test]
fn what_is_no_model() {
    let folder = Folder::with_model();
    folder.run(&["predict", "none", "good.svm"]).failed_with(1, &["none: no such model"]);
    folder.run(&["predict", "good.svm", "good.svm"]).failed_with(1, &["good.svm: not a hogback model"]);
    for flags in [&[][..], &["--overwrite"]] {
        let run = folder.run(&[&["train", "good.svm", "--model", "good.svm"], flags].concat());
        run.failed_with(1, &["good.svm: exists and is not a hogback model"]);
    }
    assert_eq!(folder.read("good.svm"), svm(200).as_bytes());
}

#[test]
fn a_damaged_cache_is_written_again() {
    let folder = Folder::with_model();
    let train = || folder.run(&["train", "good.svm", "--children", "1", "--passes", "3"]).done();
    assert!(train().err.contains("nonzeros, read in"));
    let whole = folder.read("good.svm.hogcache");
    assert!(train().err.contains("nonzeros, from the cache in"));
    for cut in [0, 100, whole.len() - 1] {
        folder.write("good.svm.hogcache", &whole[..cut]);
        let run = train();
        assert!(run.err.starts_with("warning: good.svm.hogcache: cannot be used ("), "{run:?}");
        assert_eq!(folder.read("good.svm.hogcache"), whole);
        assert_eq!(folder.model_bytes("hogback-model"), folder.model_bytes("m"));
    }
}

#[test]
fn a_damaged_block_of_a_cache_is_never_learned() {
    let folder = Folder::with_model();
    folder.run(&["train", "good.svm", "--passes", "1"]).done();
    let whole = folder.read("good.svm.hogcache");
    let mut bytes = whole.clone();
    bytes[64 + 201 * 4 + 60] ^= 1;
    folder.write("good.svm.hogcache", &bytes);
    let run = folder.run(&["train", "good.svm", "--children", "1", "--passes", "3"]).done();
    let warning =
        "warning: good.svm.hogcache: cannot be used (block 0 is not as it was written): reading the data again\n";
    assert!(run.err.starts_with(warning), "{run:?}");
    assert_eq!(folder.read("good.svm.hogcache"), whole);
    assert_eq!(folder.model_bytes("hogback-model"), folder.model_bytes("m"));
}

#[test]
fn a_cache_of_another_version_is_written_again() {
    let folder = Folder::new();
    folder.write("good.svm", svm(200));
    folder.run(&["train", "good.svm"]).done();
    let whole = folder.read("good.svm.hogcache");
    // The footer: sixteen words, the second the version, the last the hash of those before it.
    let mut other = whole.clone();
    let footer = other.len() - 128;
    other[footer + 8] += 1;
    let hash = xxhash_rust::xxh3::xxh3_64(&other[footer..footer + 120]);
    other[footer + 120..].copy_from_slice(&hash.to_le_bytes());
    folder.write("good.svm.hogcache", &other);
    let run = folder.run(&["train", "good.svm"]).done();
    assert!(run.err.contains("nonzeros, read in") && !run.err.contains("damaged"), "{run:?}");
    assert_eq!(folder.read("good.svm.hogcache"), whole);
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let folder = Folder::with_model();
    let run = folder.run(&["train", "good.svm", "--model", "n", "--cache", "good.svm/caches"]).done();
    assert!(run.err.starts_with("note: good.svm/caches/") && run.err.contains("; going on without it\n"), "{run:?}");
}

// The system.

#[test]
fn a_disk_that_takes_no_more() {
    let folder = Folder::with_model();
    for flag in ["--overwrite", "--resume"] {
        let run = keeping_the_model(&folder, || {
            // Blocks of 512 bytes: less than any weights need.
            let script = "ulimit -f 8; exec \"$@\"";
            let program = env!("CARGO_BIN_EXE_hogback");
            let train = ["train", "good.svm", "--model", "m", "--no-cache", "--quiet", flag];
            run(Command::new("sh").args(["-c", script, "sh", program]).args(train).current_dir(folder.path("")))
        });
        run.failed_with(1, &["cannot", "file too large", "intact"]);
        let left: Vec<_> = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

#[test]
fn a_full_device_for_output() {
    let folder = Folder::with_model();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["predict", "m", "good.svm"][..],
        &["eval", "m", "good.svm"],
        &["eval", "m", "good.svm", "--json"],
        &["topology"],
        &["topology", "--json"],
    ] {
        let run = run(folder.command(arguments).stdout(full()));
        run.failed_with(1, &["standard output: cannot write", "no space left on device"]);
    }
    // Nobody hears it, but the model is made.
    let code = folder.command(&["train", "good.svm", "--model", "n"]).stderr(full()).status().unwrap().code();
    assert_eq!(code, Some(0));
    assert_eq!(folder.predictions("n", "good.svm").lines().count(), 200);
}

#[test]
fn a_place_that_takes_no_model() {
    let folder = Folder::with_model();
    let train = |model: &str| folder.run(&["train", "good.svm", "--model", model]);
    train("good.svm/model").failed_with(1, &["good.svm: is not a directory: a model cannot be put there"]);
    train("no/such/model").failed_with(1, &["no/such/model: cannot find the directory to put the model into"]);
    train("/proc/model").failed_with(1, &["/proc/", "cannot lock the model"]);
}

#[test]
fn a_model_that_is_being_trained() {
    let folder = Folder::with_model();
    let lock = hogback::checkpoint::Lock::take(&folder.path("m")).unwrap();
    let process = format!("(process {})", std::process::id());
    for flag in ["--resume", "--overwrite"] {
        let run = keeping_the_model(&folder, || folder.run(&["train", "good.svm", "--model", "m", flag]));
        run.failed_with(1, &["another hogback is training this model", &process]);
    }
    drop(lock);
    folder.run(&["train", "good.svm", "--model", "m", "--resume"]).done();
}
