//! A search from its beginning to its end: read, hunt, finals, the last training, the summary.

use std::path::Path;
use std::time::Instant;

use super::clock::Clock;
use super::head::Head;
use super::plan::{self, Ways};
use super::resume::open_log;
use super::session::Run;
use super::space::Architecture;
use super::strategy::Strategies;
use super::summary::{Seconds, Summary};
use super::{Request, halving};
use crate::checkpoint::{Existing, Lock, Writer};
use crate::data::DataFile;
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::error::{Error, Result};
use crate::model::configuration::Kind;
use crate::store::Store;
use crate::train::ground::{Ground, Shares};
use crate::train::{self, Ears, Settings};

/// The share of the rows that is kept to test by, and again to compare by.
const HOLDOUT: f64 = 0.2;

/// Searches for a model, trains it and saves it.
///
/// # Errors
/// Anything from a space that is wrong to a full disk; what had been saved before is as it was.
pub fn search(request: &Request, topology: &Topology, store: &dyn Store, ears: Ears<'_>) -> Result<Summary> {
    let begun = Instant::now();
    plan::check(request)?;
    let notice = |text: &str| ears.progress.notice(text);
    let (plan, warnings) = Plan::choose(topology, &request.train.machine)?;
    warnings.iter().for_each(|warning| notice(&format!("warning: {warning}")));
    // What cannot be saved is found out before any time is spent on it.
    let existing = if request.resume { Existing::KeepPrevious } else { request.train.existing };
    drop(Writer::new(store, &request.train.model, existing)?);
    // One search at a time has a log.
    let _lock = lock(&plan::log(request))?;

    let base = &request.train.settings;
    let plain = train::read(&request.train.data, &request.train.read, store, ears)?;
    let space = plan::space(request, &plain, &notice)?;
    let ignored = &request.train.read.ignore;
    let ways = Ways::of(&space, ignored);
    let readings = plan::readings(request, &ways);
    let mut files = Vec::new();
    let mut plain = Some(plain);
    for reading in &readings {
        files.push(match plain.take_if(|_| reading.hashing.is_none()) {
            Some(files) => files,
            None => train::read(&request.train.data, reading, store, ears)?,
        });
    }
    let holdout = base.holdout.unwrap_or(HOLDOUT);
    let shares = Shares { test: holdout, valid: holdout, seed: base.seed.unwrap_or(0) };
    let settings = Settings { holdout: Some(holdout), ..base.clone() };
    let settings = plan::said(&space, settings)?;
    let children = (request.train.backend, plan.children());
    let ground = Ground::new(&settings, (&files, &readings), &ways.kinds, shares, children, &notice)?;
    let reading = begun.elapsed();
    if ears.stop.requested() {
        return Err(Error::stopped_reading());
    }

    let rows = files[0].iter().map(DataFile::rows).sum::<u64>();
    let learned = ground.rows();
    let passes = request.child_passes.unwrap_or_else(|| plan::passes(learned));
    let rungs = if request.halving { halving::rungs(passes) } else { vec![passes] };
    if request.halving && rungs.len() == 1 {
        notice(
            "note: --halving has nothing to halve: a trial has too few passes, --child-passes 9 or more give three rungs",
        );
    }
    let head = Head::new(request, &space, &files[0], holdout, &rungs);
    let (log, boards) = open_log(request, store, &head, &space, (plan.controllers.len(), rungs.len()))?;
    let of =
        |architecture: &Architecture| Settings { seed: None, ..merged(space.settings(architecture, rows), &settings) };
    let run = Run {
        request,
        clock: Clock {
            begun,
            time: request.time,
            reading,
            parts: if request.control { 2 } else { 1 },
            more: (1.0 - holdout) * rows as f64 / learned.max(1) as f64,
            is_layered: &|architecture| of(architecture).kind.is_some_and(Kind::has_layers),
        },
        plan: &plan,
        space: &space,
        ways: &ways,
        ground: &ground,
        log: &log,
        head: head.hash(),
        settings: &of,
        rungs,
        ears,
        store,
    };
    run.tell(rows, learned)?;

    let searched = Instant::now();
    let (main, control) = boards;
    let hunted = run.hunt(request.strategy, &main, 1)?;
    let compared = if request.control { Some(run.hunt(Strategies::Random, &control, 2)?) } else { None };
    let seconds = searched.elapsed();
    log.sync()?;

    let trained = Instant::now();
    let interrupted = |error| match error {
        Error::Interrupted { .. } => {
            let what = format!("interrupted in the last training; {} has all trials", plan::log(request).display());
            Error::Interrupted { what, saved: true }
        }
        other => other,
    };
    let found = run.conclude(hunted, topology, existing).map_err(interrupted)?;
    let compared = compared.map(|hunted| run.conclude_control(hunted, topology)).transpose().map_err(interrupted)?;
    let summary = Summary {
        model: request.train.model.display().to_string(),
        log: plan::log(request).display().to_string(),
        space: space.name().to_owned(),
        size: space.size() as f64,
        strategy: request.strategy.name(),
        found,
        control: compared,
        shards: plan.shards,
        controllers: plan.controllers.len(),
        children: plan.children(),
        kernels: request.train.backend.name(),
        seconds: Seconds {
            read: reading.as_secs_f64(),
            search: seconds.as_secs_f64(),
            train: trained.elapsed().as_secs_f64(),
            total: begun.elapsed().as_secs_f64(),
        },
    };
    ears.log.event("summary", &summary)?;
    Ok(summary)
}

/// The right to write a log.
fn lock(log: &Path) -> Result<Lock> {
    Lock::take(log).map_err(|error| match error {
        Error::Io { source, .. } => Error::io(log, "write the log of the search", source),
        Error::Model { .. } => {
            Error::model(log, "another search is writing this log; wait for it or choose another --log")
        }
        other => other,
    })
}

/// What is said of every model, where an architecture does not say it.
fn merged(of: Settings, base: &Settings) -> Settings {
    Settings {
        loss: of.loss.or(base.loss),
        quantile: of.quantile.or(base.quantile),
        class_weights: of.class_weights.clone().or_else(|| base.class_weights.clone()),
        holdout: base.holdout,
        min_count: of.min_count.or(base.min_count),
        ..of
    }
}
