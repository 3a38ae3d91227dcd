//! Real processes, killed at any moment of their lives: every model can be read, and gone on with.

use super::planted::{Plant, Random, suited, write};
use super::victim::Victim;
use super::{count, is_finite, seed, watched};
use hogback::checkpoint::load;
use hogback::model::configuration::Kind;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::process::ExitStatusExt;
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
    killed(Kind::Linear, count(50));
    for kind in [Kind::Fm, Kind::Ffm, Kind::Mlp, Kind::Deep, Kind::Text] {
        killed(kind, count(50) / 5);
    }
}

/// Kills so many runs that train a model of this kind.
fn killed(kind: Kind, runs: u64) {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 8000, features: 1 << 12, constant: true });
    let data = suited(&data, kind);
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let (model, caches, said) = (home.join("m"), home.join("caches"), folder.path().join("said"));
    let victim = |existing, command| Victim {
        command,
        kind,
        existing,
        data: &data,
        model: &model,
        caches: &caches,
        said: &said,
    };
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
    let seed = seed();
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
        let story = format!("{kind:?}, seed {seed}, run {run}, {existing}, command: {command}, after {wait:?}");
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
        } else {
            // One that was there before has been removed.
            last = 0;
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
        "crash: {runs} runs of kind {} (seed {seed}), {killed} killed, {generations} left a new generation, {} a half cache, {} a half model, {} a half generation; 0 unreadable models, 0 failed resumes",
        kind.name(),
        left[0],
        left[1],
        left[2]
    );
}

#[test]
fn a_run_may_be_interrupted_at_any_moment() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 8000, features: 1 << 12, constant: true });
    let (model, caches, said) = (folder.path().join("m"), folder.path().join("caches"), folder.path().join("said"));
    let victim = |existing| Victim {
        command: true,
        kind: Kind::Linear,
        existing,
        data: &data,
        model: &model,
        caches: &caches,
        said: &said,
    };
    let heard = || fs::read_to_string(&said).unwrap();
    let begun = Instant::now();
    assert!(victim("--new").process().status().unwrap().success(), "{}", heard());
    let life = begun.elapsed().as_micros() as u64;
    let (runs, seed) = (count(20), seed());
    let mut random = Random(seed);
    // How many had not begun to listen, were reading, were training, were done.
    let (mut moments, mut slowest) = ([0; 4], Duration::ZERO);
    for run in 0..runs {
        if random.below(2) == 0 {
            let _ = fs::remove_dir_all(&caches);
        }
        let existing = ["--resume", "--overwrite"][random.below(2) as usize];
        let before = load(&model).unwrap().manifest.generation;
        let wait = Duration::from_micros(random.below(life + life / 20));
        let signal = [Signal::INT, Signal::TERM][random.below(2) as usize];
        let story = format!("seed {seed}, run {run}, {existing}, {signal:?} after {wait:?}");
        let mut process = victim(existing).process().spawn().unwrap();
        sleep(wait);
        let asked = Instant::now();
        kill_process(Pid::from_child(&process), signal).unwrap();
        let status = watched(&story, Duration::from_secs(10), || process.wait().unwrap());
        let (said, now) = (heard(), load(&model).unwrap().manifest.generation);
        let moment = match status.code() {
            None => {
                assert_eq!(status.signal(), Some(signal.as_raw()), "{story}");
                0
            }
            Some(130) if said.contains("; run again: ") => {
                assert!(said.contains("nothing was trained or saved") && now == before, "{story}: {said}");
                1
            }
            Some(130) => {
                assert!(
                    said.contains("is saved; go on with: ") && said.trim_end().ends_with("--resume"),
                    "{story}: {said}"
                );
                assert!(now > before || existing == "--overwrite", "{story}");
                2
            }
            code => {
                assert_eq!(code, Some(0), "{story}: {said}");
                3
            }
        };
        moments[moment] += 1;
        slowest = slowest.max(asked.elapsed());
        assert!(is_finite(&model), "{story}");
    }
    assert!(victim("--resume").process().status().unwrap().success(), "{}", heard());
    let [deaf, reading, training, done] = moments;
    println!(
        "signals: {runs} runs (seed {seed}): {reading} interrupted while reading, {training} while training and saved, {deaf} before they listened, {done} were done; the slowest ended after {:.0} ms; 0 lost",
        slowest.as_secs_f64() * 1e3
    );
}
