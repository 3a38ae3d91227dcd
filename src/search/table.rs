//! What every architecture of a space is worth: tables that strategies are compared on, made once and looked up ever after.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hogback_kernels::Backend;

use super::child::Trying;
use super::space::{Architecture, Space};
use crate::data::{Input, ReadOptions};
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::model::configuration::Kind;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Disk;
use crate::sys::signal::StopRequest;
use crate::train::ground::{Ground, Shares, skill};
use crate::train::{Ears, Settings, read};

/// What a trained model is worth: the share of rows predicted rightly, of those that R is of and of those that no search sees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// Of the rows that R is of.
    pub valid: f64,
    /// Of the rows that no search sees.
    pub test: f64,
}

/// What is tabulated.
pub struct Tabulated<'a> {
    /// The data.
    pub data: Vec<Input>,
    /// The space.
    pub space: &'a Space,
    /// What `train` knows an architecture by; its kind is `kind`.
    pub settings: &'a (dyn Fn(&Architecture) -> Settings + Sync),
    /// The kind of all models.
    pub kind: Kind,
    /// Passes over the data.
    pub passes: u32,
    /// The shares of rows that R is of, and that no search sees.
    pub shares: (f64, f64),
    /// Models with so many seeds of each.
    pub seeds: u64,
    /// Threads that train.
    pub threads: usize,
}

/// Trains every architecture, in the order of [`Space::all`], and tells `each` its number, the number of the seed, and what it is worth; a
/// model that fails is worth nothing.
///
/// # Errors
/// What is wrong with the data.
pub fn tabulate(wanted: &Tabulated<'_>, each: &(dyn Fn(usize, u64, Worth) + Sync)) -> Result<()> {
    let (progress, log, stop) = (Progress::new(ProgressMode::Quiet), RunLog::off(), StopRequest::never());
    let ears = Ears { progress: &progress, log: &log, stop: &stop };
    let reading = ReadOptions::default();
    let files = [read(&wanted.data, &reading, &Disk, ears)?];
    let (valid, test) = wanted.shares;
    let shares = Shares { test, valid, seed: 0 };
    let backend = (Backend::best(), wanted.threads);
    let settings = Settings::default();
    let ground = Ground::new(&settings, (&files, &[reading]), &[(wanted.kind, 0)], shares, backend, &|_| ())?;
    let faults = Faults::none();
    let trying = Trying { ground: &ground, power: 1.0, limit: Duration::MAX, faults: &faults };
    let all: Vec<Architecture> = wanted.space.all().collect();
    let (next, over, failure) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..wanted.threads {
            scope.spawn(|| {
                let mut arena = None;
                while !over.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(architecture) = all.get(nth) else { break };
                    for seed in 0..wanted.seeds {
                        let settings = Settings {
                            kind: Some(wanted.kind),
                            passes: Some(wanted.passes),
                            seed: Some(seed),
                            ..(wanted.settings)(architecture)
                        };
                        let Some(outcome) = trying.outcome(&mut arena, (&settings, 0), &|| true) else { continue };
                        let plot = ground.plot(wanted.kind, 0);
                        let mut test = || -> Result<f64> {
                            let Some(arena) = &mut arena else { return Ok(0.0) };
                            let model = ground.model(plot, &settings)?;
                            let tally = model.score(arena, &plot.test, &|| true)?.unwrap_or_default();
                            Ok(skill(model.configuration(), &tally))
                        };
                        let test = if outcome.failed.is_some() { Ok(0.0) } else { test() };
                        match test {
                            Ok(test) => each(nth, seed, Worth { valid: outcome.skill, test }),
                            Err(error) => {
                                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                                over.store(true, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok::<(), Error>(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::search::space::{Decision, Value};

    #[test]
    fn models_of_digits_are_worth_what_they_would_be_to_train() {
        let values = [1.0, 64.0].map(Value::Number).to_vec();
        let width = Decision { name: "hidden".to_owned(), values, is_ordered: true, when: None, skip: None };
        let space = Space::new("widths".to_owned(), vec![width]);
        let hidden = |architecture: &Architecture| vec![[1, 64][usize::from(architecture.choices()[0])]];
        let settings =
            |architecture: &Architecture| Settings { hidden: Some(hidden(architecture)), ..Settings::default() };
        let wanted = Tabulated {
            data: vec![Input::parse("@digits").unwrap()],
            space: &space,
            settings: &settings,
            kind: Kind::Mlp,
            passes: 5,
            shares: (0.2, 0.2),
            seeds: 2,
            threads: 2,
        };
        let told = Mutex::new(Vec::new());
        tabulate(&wanted, &|nth, seed, worth| told.lock().unwrap().push((nth, seed, worth))).unwrap();
        let mut told = told.into_inner().unwrap();
        told.sort_by_key(|&(nth, seed, _)| (nth, seed));
        assert_eq!(
            told.iter().map(|&(nth, seed, _)| (nth, seed)).collect::<Vec<_>>(),
            [(0, 0), (0, 1), (1, 0), (1, 1)]
        );
        assert!(told[..2].iter().all(|(.., worth)| worth.valid < 0.6 && worth.test < 0.6), "{told:?}");
        assert!(told[2..].iter().all(|(.., worth)| worth.valid > 0.9 && worth.test > 0.9), "{told:?}");
        assert_eq!(space.draw(&mut Random::new(0)).choices().len(), 1);
    }
}
