//! Training in a process of its own, which may be killed or starved.

use super::{Request, passes, run_heard, with_children};
use clap::ValueEnum;
use hogback::checkpoint::Existing;
use hogback::data::{CachePolicy, ReadOptions};
use hogback::model::configuration::Kind;
use hogback::report::progress::{Progress, ProgressMode};
use hogback::store::Disk;
use hogback::sys::signal::{StopRequest, survive_file_limits};
use hogback::train::Settings;
use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

/// What a victim may be told to do with a model that is there: the name of a flag, and what it means.
const EXISTING: [(&str, Existing); 4] = [
    ("--new", Existing::Refuse),
    ("--resume", Existing::Continue),
    ("--overwrite", Existing::Replace),
    ("--keep", Existing::KeepPrevious),
];

/// What a victim is, and what it trains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Victim<'a> {
    /// The `hogback` command, not this test binary, which commits whenever it can.
    pub(crate) command: bool,
    pub(crate) kind: Kind,
    pub(crate) existing: &'a str,
    pub(crate) data: &'a Path,
    pub(crate) model: &'a Path,
    pub(crate) caches: &'a Path,
    /// What it says.
    pub(crate) said: &'a Path,
}

impl Victim<'_> {
    /// The process to be started.
    pub(crate) fn process(&self) -> Command {
        let mut process;
        if self.command {
            process = Command::new(env!("CARGO_BIN_EXE_hogback"));
            process.arg("train").arg(self.data).arg("--model").arg(self.model).arg("--cache").arg(self.caches);
            process.args(["--children", "2", "--passes", "20", "--early-stop", "0", "--checkpoint-every", "1"]);
            process.args(["--kind", self.kind.name()]);
            // Small, for the time it takes to write them.
            match self.kind {
                Kind::Linear | Kind::Fm | Kind::Ffm => &mut process,
                Kind::Mlp | Kind::Deep => process.args(["--hidden", "8"]),
                Kind::Text => process.args(["--dim", "4"]),
            };
            match self.existing {
                "--new" => {}
                "--keep" => panic!("the command keeps only a model of the default name"),
                flag => _ = process.arg(flag),
            }
        } else {
            process = Command::new(env::current_exe().unwrap());
            process.args(["--exact", "victim::victim"]);
            let paths = [("DATA", self.data), ("MODEL", self.model), ("CACHES", self.caches)];
            process.envs(paths.map(|(name, path)| (format!("HOGBACK_VICTIM_{name}"), path)));
            process.env("HOGBACK_VICTIM", self.existing).env("HOGBACK_VICTIM_KIND", self.kind.name());
        }
        process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(self.said).unwrap());
        process
    }
}

/// What a victim that is not the command does: this test binary again, told by the environment what to train.
#[test]
fn victim() {
    let Ok(existing) = env::var("HOGBACK_VICTIM") else { return };
    survive_file_limits().unwrap();
    let path = |name: &str| PathBuf::from(env::var(format!("HOGBACK_VICTIM_{name}")).unwrap());
    let (_, existing) = EXISTING.into_iter().find(|(name, _)| *name == existing).unwrap();
    let kind = env::var("HOGBACK_VICTIM_KIND").unwrap();
    let kind = Kind::value_variants().iter().copied().find(|known| known.name() == kind);
    let rank = kind.filter(|&kind| kind == Kind::Text).map(|_| 4);
    let hidden = kind.filter(|kind| matches!(kind, Kind::Mlp | Kind::Deep)).map(|_| vec![8]);
    let settings = Settings { kind, rank, hidden, ..passes(5) };
    let request = with_children(&path("DATA"), path("MODEL"), 2);
    let read = ReadOptions { cache: CachePolicy::Dir(path("CACHES")), ..request.read.clone() };
    let request = Request { settings, existing, read, checkpoint_every: Duration::ZERO, ..request };
    let progress = Progress::new(ProgressMode::Plain);
    if let Err(error) = run_heard(&request, &Disk, &StopRequest::never(), &progress) {
        progress.notice(&format!("error: {error}"));
        exit(i32::from(error.exit_code()));
    }
}
