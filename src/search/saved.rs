//! Θ of a search, the policy, as generations of a directory of its own: committed while the search goes on, restored by a resume.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::board::Board;
use super::policy::SharedPolicy;
use crate::checkpoint::{Existing, Generation, TensorData, Writer, load};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::train::keep;

/// What the planes of the tensor are called.
const PLANES: [&str; 3] = ["policy", "policy.mean", "policy.squares"];

/// Commits Θ of a search.
pub(super) struct Keeper<'a> {
    keeper: keep::Keeper<'a>,
    /// What the search is, as [`super::head::Head::hash`] has it.
    search: u64,
}

/// Which trials Θ has heard of.
pub(super) struct Known {
    /// All below this number,
    below: usize,
    /// but these, which rise.
    but: Vec<usize>,
}

impl Known {
    /// Those of `board` that the strategies have learned from by now, and that the log has.
    fn of(board: &Board) -> Self {
        let learned = |number: &usize| board.slot(*number).learned.load(Ordering::Acquire);
        let below = board.dealt();
        Self { below, but: (0..below).filter(|number| !learned(number)).collect() }
    }

    /// Whether trial number `number` is one of them.
    pub(super) fn has(&self, number: usize) -> bool {
        number < self.below && self.but.binary_search(&number).is_err()
    }
}

impl<'a> Keeper<'a> {
    /// Commits into `directory`, at least every `every`; `resumes` says that what is there is gone on with.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub(super) fn new(
        store: &'a dyn Store,
        directory: &Path,
        (every, shards): (Duration, usize),
        resumes: bool,
        search: u64,
    ) -> Result<Self> {
        let existing = if resumes { Existing::Continue } else { Existing::Replace };
        let writer = Writer::new(store, directory, existing)?;
        Ok(Self { keeper: keep::Keeper::new(writer, shards, every), search })
    }

    /// Whether a commit is due.
    pub(super) fn is_due(&self) -> bool {
        self.keeper.is_due()
    }

    /// Commits Θ as it is while controllers go on: it has heard of all trials that the position names, and perhaps of some more.
    ///
    /// # Errors
    /// The system's; what was saved before is as it was.
    pub(super) fn commit(&mut self, policy: &SharedPolicy<'_>, board: &Board) -> Result<u64> {
        let known = Known::of(board);
        let (updates, samples) = (policy.updates(), policy.samples());
        let snapshot = policy.theta().snapshot();
        if !snapshot.is_finite() {
            return Err(Error::Diverged("a weight of the policy is not a finite number: nothing is saved".to_owned()));
        }
        let tensor = |plane: usize| {
            let data = snapshot.plane(0, plane).to_vec();
            TensorData { name: PLANES[plane].to_owned(), rows: data.len() as u64, width: 1, data }
        };
        let generation = Generation {
            weights: vec![tensor(0)],
            state: vec![tensor(1), tensor(2)],
            dictionary: Vec::new(),
            spec: Vec::new(),
            configuration: json!({ "kind": "policy", "search": self.search }),
            metrics: Value::Null,
            position: json!({ "updates": updates, "samples": samples, "below": known.below, "but": known.but }),
        };
        self.keeper.commit(&generation)
    }
}

/// Puts Θ back as the directory has it; which trials it has heard of. None where it is of another search than the one with this hash.
///
/// # Errors
/// [`Error::Model`] where the directory is damaged, or of another policy.
pub(super) fn restore(directory: &Path, policy: &SharedPolicy<'_>, search: u64) -> Result<Option<Known>> {
    let loaded = load(directory)?;
    if loaded.manifest.configuration["search"].as_u64() != Some(search) {
        return Ok(None);
    }
    let position = &loaded.manifest.position;
    let whole = |name: &str| position[name].as_u64();
    let tensors: Vec<_> = loaded.weights.iter().chain(&loaded.state).collect();
    let theta = &policy.theta().tensors()[0];
    let fits = tensors.len() == PLANES.len() && tensors.iter().all(|tensor| tensor.data.len() == theta.rows());
    let (Some(updates), Some(samples), Some(below), true) = (whole("updates"), whole("samples"), whole("below"), fits)
    else {
        return Err(Error::model(directory, "holds no policy of this space: begin anew without --resume"));
    };
    for (plane, name) in PLANES.iter().enumerate() {
        let Some(tensor) = tensors.iter().find(|tensor| tensor.name == *name) else {
            return Err(Error::model(directory, format!("holds no tensor {name}")));
        };
        policy.theta().backend().copy_in(&tensor.data, theta.plane(plane));
    }
    policy.resume(updates, samples);
    let but = position["but"].as_array().map(Vec::as_slice).unwrap_or_default();
    let but = but.iter().filter_map(Value::as_u64).map(|number| number as usize).collect();
    Ok(Some(Known { below: below as usize, but }))
}
