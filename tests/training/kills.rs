//! Real processes, killed at any moment of their lives: every model can be read, and gone on with.

use super::planted::{Plant, Random, write};
use super::victim::Victim;
use super::{count, is_finite, seed};
use hogback::checkpoint::load;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::tempdir;

/// The names in a directory, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_may_be_killed_at_any_moment() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 8000, features: 1 << 12, constant: true });
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let (model, caches, said) = (home.join("m"), home.join("caches"), folder.path().join("said"));
    let victim =
        |existing, command| Victim { command, existing, data: &data, model: &model, caches: &caches, said: &said };
    let heard = || fs::read_to_string(&said).unwrap();
    let whole = |existing, command| {
        let begun = Instant::now();
        let status = victim(existing, command).process().status().unwrap();
        assert!(status.success(), "a run that was not killed: {}", heard());
        begun.elapsed()
    };
    // How long each kind of run takes when it reads the text and writes the cache.
    let lives = [false, true].map(|command| {
        let life = whole("--new", command);
        fs::remove_dir_all(&home).unwrap();
        fs::create_dir(&home).unwrap();
        life
    });
    let (runs, seed) = (count(50), seed());
    let mut random = Random(seed);
    let (mut killed, mut generations, mut last) = (0, 0, 0);
    // Of how many runs something was left that is not whole: a cache, a model that is not in place, a generation.
    let mut left = [0; 3];
    for run in 0..runs {
        if random.below(3) == 0 {
            let _ = fs::remove_dir_all(&caches);
        }
        // Models are made anew in a quarter of the runs.
        let command = random.below(2) == 0;
        let existing = match random.below(8) {
            0 | 1 => {
                fs::remove_dir_all(&home).unwrap();
                fs::create_dir(&home).unwrap();
                "--new"
            }
            _ if !model.exists() => "--new",
            2 => "--overwrite",
            3 if !command => "--keep",
            _ => "--resume",
        };
        let before = model.exists().then(|| load(&model).unwrap().manifest.generation);
        let life = lives[usize::from(command)].as_micros() as u64;
        let wait = Duration::from_micros(random.below(life + life / 20));
        let story = format!("seed {seed}, run {run}, {existing}, command: {command}, after {wait:?}");
        let mut process = victim(existing, command).process().spawn().unwrap();
        sleep(wait);
        process.kill().unwrap();
        let status = process.wait().unwrap();
        match status.code() {
            None => killed += 1,
            code => assert_eq!(code, Some(0), "{story}: {}", heard()),
        }
        let begun = |names: Vec<String>, what: &str| names.iter().any(|name| name.starts_with(what));
        left[0] += u32::from(begun(names(&caches), "."));
        left[1] += u32::from(begun(names(&home), ".m.new-"));
        left[2] += u32::from(begun(names(&model), ".tmp-gen-"));
        // The law: the model that was there, or a later one, is there and whole.
        if before.is_some() || model.exists() {
            let now = load(&model).unwrap_or_else(|error| panic!("{story}: {error}")).manifest.generation;
            assert!(is_finite(&model), "{story}");
            let replaced = matches!(existing, "--overwrite" | "--keep");
            assert!(replaced || before.is_none_or(|before| before <= now), "{story}: {before:?}, then {now}");
            generations += u64::from(Some(now) != before);
            last = now;
        }
    }
    // And nothing is in anybody's way.
    whole(if model.exists() { "--resume" } else { "--new" }, false);
    assert!(load(&model).unwrap().manifest.generation > last || last == 0);
    let kept: Vec<_> = names(&home).into_iter().filter(|name| name != "m.previous").collect();
    assert_eq!(kept, ["caches", "m"]);
    assert_eq!(names(&caches).len(), 1, "{:?}", names(&caches));
    assert!(names(&model).iter().all(|name| !name.starts_with('.')), "{:?}", names(&model));
    println!(
        "crash: {runs} runs (seed {seed}), {killed} killed, {generations} left a new generation, {} a half cache, {} a half model, {} a half generation; 0 unreadable models, 0 failed resumes",
        left[0], left[1], left[2]
    );
}
