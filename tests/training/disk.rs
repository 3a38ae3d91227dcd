//! Disks that fill up, limits, and disks that may only be read, by the real system: what was saved is intact, and training goes on.

use super::planted::{Plant, Random, write};
use super::victim::Victim;
use super::{count, is_finite, seed, tensors};
use hogback::checkpoint::load;
use hogback::model::configuration::Kind;
use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::tempdir;

/// Bytes of the small disk.
const SIZE: u64 = 4 << 20;

/// A model on a disk of its own, and data elsewhere.
struct Small {
    data: PathBuf,
    disk: PathBuf,
    said: PathBuf,
}

/// What a run on the small disk came to.
struct Run {
    good: bool,
    /// Commits that failed and were survived.
    warnings: u64,
}

impl Small {
    fn model(&self) -> PathBuf {
        self.disk.join("m")
    }

    fn heard(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// Has a victim train there, within the largest file that is allowed (in blocks of 512 bytes).
    fn train(&self, existing: &str, blocks: Option<u64>) -> Run {
        let (model, caches) = (self.model(), self.disk.join("caches"));
        let victim = Victim {
            command: false,
            kind: Kind::Linear,
            existing,
            data: &self.data,
            model: &model,
            caches: &caches,
            said: &self.said,
        };
        let mut process = victim.process();
        if let Some(blocks) = blocks {
            let mut limited = Command::new("sh");
            limited.args(["-c", "ulimit -f $0; exec \"$@\""]).arg(blocks.to_string());
            limited.arg(process.get_program()).args(process.get_args());
            limited.envs(process.get_envs().filter_map(|(name, value)| Some((name, value?))));
            limited.stdout(File::create("/dev/null").unwrap()).stderr(File::create(&self.said).unwrap());
            process = limited;
        }
        let status = process.status().unwrap();
        let warnings = self.heard().matches("; training goes on").count() as u64;
        assert!(status.success() || status.code() == Some(1), "{status}: {}", self.heard());
        Run { good: status.success(), warnings }
    }

    /// Leaves `free` bytes of the disk.
    fn fill(&self, free: u64) {
        let mut filler = File::create(self.disk.join("filler")).unwrap();
        while filler.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        let full = filler.metadata().unwrap().len();
        filler.set_len(full.saturating_sub(free)).unwrap();
    }
}

fn remount(disk: &Path, how: &str) {
    assert!(Command::new("mount").args(["-o", how]).arg(disk).status().unwrap().success());
}

/// The tests below, where file systems may be mounted: this test binary again, in a name space of its own.
#[test]
fn on_a_small_disk() {
    let Ok(disk) = env::var("HOGBACK_SMALL_DISK") else { return };
    let disk = PathBuf::from(disk);
    let size = format!("size={SIZE}");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    let folder = tempdir().unwrap();
    let data = write(folder.path(), &Plant { rows: 4000, features: 1 << 12, constant: true });
    let small = Small { data, disk: disk.clone(), said: folder.path().join("said") };
    assert!(small.train("--new", None).good, "{}", small.heard());
    let size: u64 =
        fs::read_dir(small.model().join("latest")).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();

    let (runs, seed) = (count(15), seed());
    let mut random = Random(seed);
    let (mut good, mut failed, mut warnings) = (0, 0, 0);
    for run in 0..runs {
        let before = (load(&small.model()).unwrap().manifest.generation, tensors(&small.model()));
        if random.below(2) == 0 {
            let _ = fs::remove_dir_all(small.disk.join("caches"));
        }
        let existing = ["--resume", "--resume", "--resume", "--overwrite", "--keep"][random.below(5) as usize];
        // Room for up to three generations, or files of up to twice the size of one, but for what the run says.
        let (free, blocks) = (random.below(3 * size), 8 + random.below(2 * size / 512));
        let limited = random.below(3) == 0;
        let ended = if limited {
            small.train(existing, Some(blocks))
        } else {
            small.fill(free);
            small.train(existing, None)
        };
        let story = format!(
            "seed {seed}, run {run}, {existing}, {}: {}",
            if limited { format!("{blocks} blocks a file") } else { format!("{free} bytes free") },
            small.heard()
        );
        if !ended.good {
            let said = small.heard();
            assert!(["no space left on device", "file too large"].iter().any(|why| said.contains(why)), "{story}");
        }
        // The law: the model that was there, or a later one.
        let now = load(&small.model()).unwrap_or_else(|error| panic!("{error}: {story}")).manifest.generation;
        assert!(is_finite(&small.model()), "{story}");
        if existing == "--resume" {
            assert!(now >= before.0 && (now > before.0 || tensors(&small.model()) == before.1), "{story}");
        }
        // With room again, it is gone on with.
        let _ = fs::remove_file(small.disk.join("filler"));
        let again = small.train("--resume", None);
        assert!(again.good && again.warnings == 0, "{story}, then {}", small.heard());
        (good, failed) = if ended.good { (good + 1, failed) } else { (good, failed + 1) };
        warnings += ended.warnings;
    }

    assert!(warnings > 0 && failed > 0, "the disk was never full: {warnings} warnings, {failed} failures");

    // A disk that may only be read.
    let before = tensors(&small.model());
    remount(&disk, "remount,ro");
    for existing in ["--resume", "--overwrite", "--keep"] {
        assert!(
            !small.train(existing, None).good && small.heard().contains("read-only file system"),
            "{}",
            small.heard()
        );
        assert!(tensors(&small.model()) == before);
    }
    remount(&disk, "remount,rw");
    assert!(small.train("--resume", None).good, "{}", small.heard());
    println!(
        "disk: {runs} runs (seed {seed}), {good} done and {failed} failed for want of room, {warnings} commits failed and were survived; after {runs} of {runs} the model was intact and gone on with; read-only disk: intact"
    );
}

#[test]
fn a_small_disk_may_be_full_at_any_byte() {
    let folder = tempdir().unwrap();
    let itself = env::current_exe().unwrap();
    let mut unshared = Command::new("unshare");
    // As root, or as root of a name space of users.
    let is_root = rustix::process::geteuid().is_root();
    unshared.arg(if is_root { "-m" } else { "-Urm" }).arg(itself);
    unshared.args(["--exact", "disk::on_a_small_disk", "--nocapture"]).env("HOGBACK_SMALL_DISK", folder.path());
    match unshared.output() {
        Ok(output) => {
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if err.starts_with("unshare:") {
                println!("skipped: no name space for mounts ({})", err.trim());
                return;
            }
            assert!(output.status.success(), "{out}{err}");
            let told = out.lines().find(|line| line.starts_with("disk:") || line.starts_with("skipped:"));
            println!("{}", told.expect("a word of what was done"));
        }
        Err(error) => println!("skipped: unshare cannot be run ({error})"),
    }
}
