//! Training through the library: many children, faults, repeatability, resuming. Each test makes its own planted data.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod children;
mod faults;
mod planted;
mod repeatable;
mod resume;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hogback::checkpoint::{Existing, Loaded, load};
use hogback::data::{CachePolicy, Input, LabelFile, ReadOptions};
use hogback::engine::plan;
use hogback::engine::topology::Topology;
use hogback::error::Result;
use hogback::fault::Faults;
use hogback::report::log::RunLog;
use hogback::report::progress::{Progress, ProgressMode};
use hogback::store::{Disk, Store};
use hogback::sys::pin::allowed_cpus;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Ears, Request, Settings, Summary, train};
use hogback_kernels::Backend;

/// A request with the defaults of the command line, except that nothing is cached and the model must not exist.
fn request(data: &Path, model: PathBuf) -> Request {
    Request {
        data: vec![Input::Path(data.to_owned())],
        read: ReadOptions {
            format: None,
            label: None,
            ignore: Vec::new(),
            labels: LabelFile::Beside,
            skip_bad_rows: false,
            hashing: None,
            cache: CachePolicy::Off,
        },
        valid: None,
        model,
        existing: Existing::Refuse,
        settings: Settings::default(),
        machine: plan::Request::default(),
        consistency: Consistency::Hogwild,
        head: None,
        merge: None,
        checkpoint_every: Duration::from_secs(3600),
        backend: Backend::best(),
        faults: Faults::none(),
    }
}

fn with_children(data: &Path, model: PathBuf, children: usize) -> Request {
    let machine = plan::Request { children: Some(children), controllers: Some(1), ..plan::Request::default() };
    Request { machine, ..request(data, model) }
}

fn run(request: &Request) -> Result<Summary> {
    run_with(request, &Disk, &StopRequest::never())
}

fn run_with(request: &Request, store: &dyn Store, stop: &StopRequest) -> Result<Summary> {
    let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
    let (progress, log) = (Progress::new(ProgressMode::Quiet), RunLog::off());
    train(request, &topology, store, Ears { progress: &progress, log: &log, stop })
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
