//! What is fast and what is not: each stage beside its limit, in one process, in turns.
//!
//! What flows in: a [`Question`]. What flows out: [`Case`]s, each some ways of doing the same work; [`Case::measure`] makes
//! [`Figure`]s of them, ratios first. `hogback bench` prints these, `benches/` has criterion drive the same ways. One file a
//! question; `clock` knows time, `pingpong` how far apart two cpus are, `contest` who is compared with whom.

mod clock;
mod contest;
mod embedded;
mod factors;
mod gemm;
mod ingest;
mod layers;
mod pingpong;
mod reward_queue;
mod search;
mod snapshot;
mod train_loop;
mod update_throughput;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use hogback_kernels::Backend;
use serde::Serialize;
use tempfile::TempDir;

pub use clock::{Cpus, Spread};
pub use contest::{Case, Figure, Sample, Threads, Unit, Way};
pub use pingpong::Placement;

use crate::engine::plan::{self, Plan};
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::generate::{Data, Kind, Request, Text, generate};
use crate::store::Disk;
use crate::sys::map::with_huge_pages;
use crate::sys::pin::allowed_cpus;
use crate::sys::signal::StopRequest;
use pingpong::Pair;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Question {
    /// Update rules against the least that an update has to do
    UpdateThroughput,
    /// A copy of Θ against memcpy, idle and while Θ is written
    Snapshot,
    /// R and tasks between two threads
    RewardQueue,
    /// Reading libsvm text against counting its lines
    Ingest,
    /// Passes of train against its row loop alone, by one child and by two
    TrainLoop,
    /// Models with factors against touching the rows that they touch
    Factors,
    /// Products of small matrices against the bare blocks they are made of, and against the processor's best
    Gemm,
    /// Batches through layers against their products alone
    Layers,
    /// Trials of a search whose children do nothing against empty tasks
    Search,
}

impl Question {
    /// Its name, as the command and the benchmarks have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UpdateThroughput => "update_throughput",
            Self::Snapshot => "snapshot",
            Self::RewardQueue => "reward_queue",
            Self::Ingest => "ingest",
            Self::TrainLoop => "train_loop",
            Self::Factors => "factors",
            Self::Gemm => "gemm",
            Self::Layers => "layers",
            Self::Search => "search",
        }
    }

    /// Hands each case to `each`, one after the other; what a case works on is gone before the next is made.
    ///
    /// # Errors
    /// What `each` returns; the system's, where memory or temporary files are not to be had; [`Error::Interrupted`].
    pub fn ask(self, bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
        let each: &mut dyn FnMut(Case<'_>) -> Result<()> = &mut |case| {
            if bench.stop.requested() {
                return Err(Error::Interrupted { what: "interrupted".to_owned(), saved: false });
            }
            each(case)
        };
        match self {
            Self::UpdateThroughput => update_throughput::ask(bench, each),
            Self::Snapshot => snapshot::ask(bench, each),
            Self::RewardQueue => reward_queue::ask(bench, each),
            Self::Ingest => ingest::ask(bench, each),
            Self::TrainLoop => train_loop::ask(bench, each),
            Self::Factors => factors::ask(bench, each),
            Self::Gemm => gemm::ask(bench, each),
            Self::Layers => layers::ask(bench, each),
            Self::Search => search::ask(bench, each),
        }
    }
}

/// What measurements are made on, and how large they are.
#[derive(Debug)]
pub struct Bench {
    backend: Backend,
    topology: Topology,
    /// Two cores, where there are two.
    pair: Option<Pair>,
    quick: bool,
    stop: StopRequest,
}

impl Bench {
    /// This machine as far as the process may use it, with the kernels of `backend`; `quick` for sizes so small that
    /// figures mean nothing. `stop` ends it after the case in hand.
    ///
    /// # Errors
    /// [`Error::Engine`] where the process may run nowhere.
    pub fn new(backend: Backend, quick: bool, stop: StopRequest) -> Result<Self> {
        let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
        // Where train puts two children.
        let two = plan::Request { controllers: Some(1), children: Some(2), ..plan::Request::default() };
        let cpus: Vec<usize> =
            Plan::choose(&topology, &two)?.0.controllers.iter().flat_map(|one| one.children.clone()).collect();
        let pair = (topology.cores() > 1 && cpus.len() == 2).then(|| Pair(cpus[0], cpus[1]));
        Ok(Self { backend, topology, pair, quick, stop })
    }

    /// The kernels measured.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The cpus of what two threads do together; nothing where there is one core.
    pub fn cpus(&self) -> Option<(usize, usize)> {
        self.pair.map(|pair| (pair.0, pair.1))
    }

    /// How many samples a figure is the median of.
    pub fn samples(&self) -> usize {
        self.size(5, 2)
    }

    /// `full`, or what is enough to see that it runs.
    fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The size of a cache of the second and of one of the third level.
    fn caches(&self) -> (usize, usize) {
        let caches = self.topology.caches;
        let l2 = caches.l2.map_or(1 << 20, |cache| cache.bytes as usize);
        (l2, caches.l3.map_or(32 * l2, |cache| cache.bytes as usize))
    }
}

/// Private words that begin a cache line, on huge pages, as shared ones do.
struct Private {
    words: Vec<f32>,
    from: usize,
}

impl Private {
    fn new(words: usize, value: f32) -> Self {
        const LINE: usize = 64;
        let mut vector = with_huge_pages(words + LINE / 4);
        vector.resize(words + LINE / 4, value);
        let from = vector.as_ptr().align_offset(LINE);
        vector.truncate(from + words);
        Self { words: vector, from }
    }

    fn words(&self) -> &[f32] {
        &self.words[self.from..]
    }

    fn words_mut(&mut self) -> &mut [f32] {
        &mut self.words[self.from..]
    }
}

/// Planted libsvm text in a directory of its own, which goes with it.
struct Planted {
    folder: TempDir,
    text: PathBuf,
}

impl Planted {
    /// `rows` rows of 60 of `features` features on average, by Zipf's law with exponent 1.1.
    fn new(features: u64, rows: u64, stop: &StopRequest) -> Result<Self> {
        let folder =
            tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), "make a directory in", error))?;
        let out = folder.path().join("rows");
        let data = Data { kind: Kind::Sparse { features, nonzeros: 60, zipf: 1.1 }, rows, test_rows: 0, seed: 1 };
        let request = Request { data, format: Some(Text::Svm), out, overwrite: false };
        generate(&request, &Disk, stop)?;
        let text = folder.path().join("rows.train.svm");
        Ok(Self { folder, text })
    }
}
