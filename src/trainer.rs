//! [`Trainer`]: `hogback train` from Rust.

use std::ffi::OsStr;
use std::path::Path;

use hogback_kernels::Backend;

use crate::checkpoint::Existing;
use crate::data::{Input, ReadOptions};
use crate::engine::topology::Topology;
use crate::error::Result;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Disk;
use crate::sys::pin::allowed_cpus;
use crate::sys::signal::StopRequest;
use crate::train::{Consistency, Ears, Request, Settings, Summary, train};

/// Trains models; what is not said is chosen as `hogback train` chooses it.
///
/// ```
/// use hogback::{Model, Settings, Trainer};
///
/// # fn main() -> Result<(), hogback::Error> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let directory = folder.path().join("model");
/// // A path, or a set that comes with hogback: 32,561 people, and whether they earn more than 50,000 dollars.
/// let settings = Settings { passes: Some(5), ..Settings::default() };
/// let summary = Trainer::new("@adult")?.settings(settings).train(&directory)?;
/// assert!(summary.valid.is_some_and(|valid| valid.accuracy > Some(0.84)));
///
/// let model = Model::open(&directory)?;
/// // Features by the names they have in the data: here the numbers of libsvm.
/// let probability = model.predict_row(&[("3", 1.0), ("11", 1.0), ("14", 1.0)])?;
/// assert!(probability[0] > 0.0 && probability[0] < 0.5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Trainer {
    request: Request,
    mode: ProgressMode,
}

impl Trainer {
    /// A trainer on `data`: a path, `-` for standard input, or a built-in set such as `@adult`.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] where there is no such built-in set.
    pub fn new(data: impl AsRef<OsStr>) -> Result<Self> {
        let request = Request::new(vec![Input::parse(data)?], Backend::best());
        Ok(Self { request, mode: ProgressMode::Quiet })
    }

    /// Learns `data` as well, as if it stood behind the data before.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn and(mut self, data: impl AsRef<OsStr>) -> Result<Self> {
        self.request.data.push(Input::parse(data)?);
        Ok(self)
    }

    /// Stops by `data` instead of rows that are held out.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn valid(mut self, data: impl AsRef<OsStr>) -> Result<Self> {
        self.request.valid = Some(Input::parse(data)?);
        Ok(self)
    }

    /// How the data is read: its format, which column is the label, where the cache goes.
    pub fn reading(mut self, options: ReadOptions) -> Self {
        self.request.read = options;
        self
    }

    /// What the model is to be like.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.request.settings = settings;
        self
    }

    /// How many children learn, all controllers together.
    pub fn children(mut self, children: usize) -> Self {
        self.request.machine.controllers = Some(1);
        self.request.machine.children = Some(children);
        self
    }

    /// How children share Θ.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.request.consistency = consistency;
        self
    }

    /// Replaces a model that is there; without it, it is refused.
    pub fn overwrite(mut self) -> Self {
        self.request.existing = Existing::Replace;
        self
    }

    /// Goes on with the model that is there.
    pub fn resume(mut self) -> Self {
        self.request.existing = Existing::Continue;
        self
    }

    /// Shows on stderr what the command shows.
    pub fn show_progress(mut self) -> Self {
        self.mode = ProgressMode::detect(false);
        self
    }

    /// Trains, into the directory `model`.
    ///
    /// # Errors
    /// Anything from bad data to a full disk; what had been saved before is as it was.
    pub fn train(mut self, model: impl AsRef<Path>) -> Result<Summary> {
        self.request.model = model.as_ref().to_path_buf();
        let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
        let (progress, log, stop) = (Progress::new(self.mode), RunLog::off(), StopRequest::never());
        train(&self.request, &topology, &Disk, Ears { progress: &progress, log: &log, stop: &stop })
    }
}
