//! Training: many children, repeating, resuming, and all that may end a run. Each test makes its own planted data.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod children;
mod corrupt;
mod cuts;
mod disk;
mod divergence;
mod factors;
mod faults;
mod kills;
mod kinds;
mod layers;
mod planted;
mod power;
mod repeatable;
mod resume;
mod victim;

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use hogback::checkpoint::{Existing, Loaded, load};
use hogback::data::{CachePolicy, Input, ReadOptions};
use hogback::engine::plan;
use hogback::engine::topology::Topology;
use hogback::error::Result;
use hogback::fault::Faults;
use hogback::report::log::RunLog;
use hogback::report::progress::{Progress, ProgressMode};
use hogback::store::{Faulty, Store};
use hogback::sys::pin::allowed_cpus;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Ears, Request, Settings, Summary, train};
use hogback_kernels::Backend;
use tempfile::tempdir;

/// A request with the defaults of the command line, except that nothing is cached and the model must not exist.
fn request(data: &Path, model: PathBuf) -> Request {
    Request {
        data: vec![Input::Path(data.to_owned())],
        read: ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() },
        valid: None,
        model,
        existing: Existing::Refuse,
        settings: Settings::default(),
        machine: plan::Request::default(),
        consistency: Consistency::Hogwild,
        head: None,
        merge: None,
        checkpoint_every: Duration::from_secs(3600),
        tests_once: false,
        backend: Backend::best(),
        faults: Faults::none(),
    }
}

fn with_children(data: &Path, model: PathBuf, children: usize) -> Request {
    let machine = plan::Request { children: Some(children), controllers: Some(1), ..plan::Request::default() };
    Request { machine, ..request(data, model) }
}

/// Trains, through a store that does not wait for the disk: nothing here is to outlive the test.
fn run(request: &Request) -> Result<Summary> {
    let attic = tempdir().expect("room for what is removed");
    run_with(request, &Faulty::new(attic.path()), &StopRequest::never())
}

fn run_with(request: &Request, store: &dyn Store, stop: &StopRequest) -> Result<Summary> {
    run_heard(request, store, stop, &Progress::new(ProgressMode::Quiet))
}

fn run_heard(request: &Request, store: &dyn Store, stop: &StopRequest, progress: &Progress) -> Result<Summary> {
    let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
    train(request, &topology, store, Ears { progress, log: &RunLog::off(), stop })
}

/// That many passes, whatever they bring.
fn passes(passes: u32) -> Settings {
    Settings { passes: Some(passes), early_stop: Some(0), ..Settings::default() }
}

/// How often a test does what it does: `short` times, or as HOGBACK_LONG says (`tools/ci`).
fn count(short: u64) -> u64 {
    env::var("HOGBACK_LONG").map_or(short, |count| count.parse().expect("HOGBACK_LONG is a number"))
}

/// The seed of what a test draws by lot: HOGBACK_SEED, or 1.
fn seed() -> u64 {
    env::var("HOGBACK_SEED").map_or(1, |seed| seed.parse().expect("HOGBACK_SEED is a number"))
}

/// Runs `test`; when it takes longer than `limit`, ends the process with a message, for nothing else ends a thread that waits for ever.
fn watched<R>(story: &str, limit: Duration, test: impl FnOnce() -> R) -> R {
    let (done, waits) = channel::<()>();
    let story = story.to_owned();
    std::thread::spawn(move || {
        if waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln!`, which the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "{story}: hangs");
            std::process::abort();
        }
    });
    let result = test();
    drop(done);
    result
}

/// True where every number of the current generation of `model` is finite.
fn is_finite(model: &Path) -> bool {
    tensors(model).iter().all(|(_, words)| words.iter().all(|&word| f32::from_bits(word).is_finite()))
}

/// The held-out log loss of a run.
fn logloss(summary: &Summary) -> f64 {
    summary.valid.and_then(|valid| valid.logloss).expect("a held-out log loss")
}

/// Weights and optimiser state of a model, byte for byte comparable.
fn tensors(model: &Path) -> Vec<(String, Vec<u32>)> {
    let Loaded { weights, state, .. } = load(model).expect("a model");
    let bits = |data: Vec<f32>| data.into_iter().map(f32::to_bits).collect();
    weights.into_iter().chain(state).map(|tensor| (tensor.name, bits(tensor.data))).collect()
}
