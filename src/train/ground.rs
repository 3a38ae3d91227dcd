//! [`Ground`]: data on which one model after the other is tried: read once, and never copied.
//!
//! What flows in: files. What flows out: a [`Plot`] for each sort of models, with the rows that are kept from them.

use hogback_kernels::Backend;

use super::alone::{Alone, Arena};
use super::corpus::{BATCH, Place};
use super::material::{Material, Read};
use super::{Settings, hashing, keys, scale, target, text};
use crate::data::order::Holdout;
use crate::data::{DataFile, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::model::tally::Tally;
use crate::sys::memory::available;

/// Models that see data alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// Features as they are: linear, fm.
    Features,
    /// Features with fields: ffm, deep.
    Fields,
    /// Columns brought to one size: mlp.
    Values,
    /// Texts, weighed as vectors of words want it.
    Texts,
}

impl Sort {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Linear | Kind::Fm => Self::Features,
            Kind::Ffm | Kind::Deep => Self::Fields,
            Kind::Mlp => Self::Values,
            Kind::Text => Self::Texts,
        }
    }
}

/// Which rows are kept from learning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// Of all rows: those that nobody sees before the end.
    pub(crate) test: f64,
    /// Of all rows: those that a model's R is of.
    pub(crate) valid: f64,
    /// The seed of both.
    pub(crate) seed: u64,
}

impl Shares {
    fn test(self) -> Holdout {
        Holdout::new(self.test, self.seed)
    }

    /// Both: a row is drawn once, so that the rows to test by are those that a run of the same seed with this share holds out.
    fn all(self) -> Holdout {
        Holdout::new(self.test + self.valid, self.seed)
    }
}

/// Data to try models on.
pub(crate) struct Ground<'d> {
    /// By reading and sort.
    plots: Vec<(usize, Sort, Plot<'d>)>,
    holdout: Holdout,
    backend: Backend,
    /// Bytes that a child may take for a model, by what was free before the first.
    memory: Option<u64>,
}

/// Data as one sort of models sees it.
pub(crate) struct Plot<'d> {
    material: Material<'d>,
    /// How many rows have each feature; empty where no model asks for that.
    uses: Vec<u32>,
    /// The rows that R is of, and those that nobody sees before the end.
    pub(crate) valid: Vec<Place>,
    pub(crate) test: Vec<Place>,
    /// How many rows are learned.
    pub(crate) rows: u64,
}

impl<'d> Ground<'d> {
    /// What `files`, by reading, are to models of these kinds, each with the number of the reading, by an instruction set, so many at a time.
    ///
    /// # Errors
    /// Files that do not go together or not with a kind, data of one class, too few rows; a damaged block of a cache.
    pub(crate) fn new(
        settings: &Settings,
        (files, readings): (&'d [Vec<DataFile>], &[ReadOptions]),
        wanted: &[(Kind, usize)],
        shares: Shares,
        (backend, children): (Backend, usize),
        notice: &dyn Fn(&str),
    ) -> Result<Self> {
        let mut plots: Vec<(usize, Sort, Plot<'d>)> = Vec::new();
        for &(kind, nth) in wanted {
            let (files, reading, sort) = (&files[nth], &readings[nth], Sort::of(kind));
            if plots.iter().any(|(reading, other, _)| (*reading, *other) == (nth, sort)) {
                continue;
            }
            hashing::check(files, reading)?;
            // What was said of the first is not said again.
            let quiet = |_: &str| ();
            let notice = if plots.is_empty() { notice } else { &quiet };
            let settings = Settings { kind: Some(kind), ..settings.clone() };
            plots.push((nth, sort, Plot::new(&settings, (files, reading), shares, notice)?));
        }
        let memory = available().map(|free| free / children.max(1) as u64);
        Ok(Self { plots, holdout: shares.all(), backend, memory })
    }

    /// The data as models of `kind` see it, read in way number `reading`.
    ///
    /// # Panics
    /// Where it was not made for that.
    pub(crate) fn plot(&self, kind: Kind, reading: usize) -> &Plot<'d> {
        let is_it = |(nth, sort, _): &&(usize, Sort, Plot<'d>)| (*nth, *sort) == (reading, Sort::of(kind));
        let Some((.., plot)) = self.plots.iter().find(is_it) else { unreachable!("a kind of another space") };
        plot
    }

    /// How many rows a trial learns.
    pub(crate) fn rows(&self) -> u64 {
        self.plots.first().map_or(0, |(.., plot)| plot.rows)
    }

    /// How many rows nobody sees before the end.
    pub(crate) fn test_rows(&self) -> usize {
        self.plots.first().map_or(0, |(.., plot)| plot.test.len())
    }

    /// Whether labels are numbers.
    pub(crate) fn is_of_numbers(&self) -> bool {
        self.plots.first().is_some_and(|(.., plot)| plot.material.facts.loss.is_of_numbers())
    }

    /// The model with these settings.
    ///
    /// # Errors
    /// As [`Alone::new`].
    pub(crate) fn model<'g>(&'g self, plot: &'g Plot<'d>, settings: &Settings) -> Result<Alone<'g, 'd>> {
        Alone::new(&plot.material, settings, (Some(self.holdout), &plot.uses), self.backend, self.memory)
    }

    /// An empty arena.
    pub(crate) fn arena(&self) -> Arena {
        Arena::new(self.backend)
    }
}

impl<'d> Plot<'d> {
    fn new(
        settings: &Settings,
        (files, reading): (&'d [DataFile], &ReadOptions),
        shares: Shares,
        notice: &dyn Fn(&str),
    ) -> Result<Self> {
        let kind = settings.kind.unwrap_or_default();
        let text = text::text(settings, (reading, reading), None, files)?;
        let facts = target::of_files(settings, files, None)?;
        if facts.classes == Some(1) && !facts.loss.is_of_numbers() {
            let what = "has rows of one class only: there is nothing to tell apart, and nothing to search for";
            return Err(Error::data(files[0].name(), what));
        }
        let mut keys = keys::keys(files, None)?;
        if let Some(text) = &text {
            text::weigh(text, &mut keys, 0, files, notice)?;
        }
        let read = Read { files, keys, text, images: None, hashing: reading.hashing.clone() };
        let material = Material::new(kind, read, facts, None, notice)?;
        let uses = if kind == Kind::Mlp { Vec::new() } else { scale::uses(&material.corpus)? };
        let all = material.corpus.rows();
        let rows = |wanted: &dyn Fn(u64) -> bool| (0..all).filter(|&row| wanted(row)).collect::<Vec<u64>>();
        let (test, both) = (shares.test(), shares.all());
        let valid = rows(&|row| both.has(row) && !test.has(row));
        let test = rows(&|row| test.has(row));
        let left = all - (valid.len() + test.len()) as u64;
        if valid.is_empty() || test.is_empty() || left == 0 {
            let what = format!(
                "has {all} rows, too few to learn from some, to compare models by others, and to test by others again: change --holdout"
            );
            return Err(Error::data(files[0].name(), what));
        }
        let places = |rows: &[u64]| -> Result<Vec<Place>> {
            let mut places = Vec::with_capacity(rows.len());
            for rows in rows.chunks(BATCH) {
                let mut some = [Place::default(); BATCH];
                material.corpus.places(rows, &mut some)?;
                places.extend_from_slice(&some[..rows.len()]);
            }
            Ok(places)
        };
        let (valid, test) = (places(&valid)?, places(&test)?);
        Ok(Self { material, uses, valid, test, rows: left })
    }
}

/// What scoring has shown, from 0 to 1: of classes the share of rows predicted rightly, of numbers how much of what the best constant
/// prediction loses a model does not.
pub(crate) fn skill(configuration: &Configuration, tally: &Tally) -> f64 {
    let skill = match configuration.loss.is_of_numbers() {
        false => tally.score / tally.weight,
        true => 1.0 - tally.loss / tally.constant,
    };
    if skill.is_finite() { skill.clamp(0.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use tempfile::tempdir;

    use super::*;
    use crate::data::{CachePolicy, Input};
    use crate::report::log::RunLog;
    use crate::report::progress::{Progress, ProgressMode};
    use crate::store::Disk;
    use crate::sys::signal::StopRequest;
    use crate::train::{Ears, read};

    fn reading() -> ReadOptions {
        ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() }
    }

    /// What is in a file of this name.
    fn files(folder: &Path, name: &str, text: &str) -> [Vec<DataFile>; 1] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let (progress, log, stop) = (Progress::new(ProgressMode::Quiet), RunLog::off(), StopRequest::never());
        [read(&[Input::Path(path)], &reading(), &Disk, Ears { progress: &progress, log: &log, stop: &stop }).unwrap()]
    }

    fn ground<'d>(files: &'d [Vec<DataFile>; 1], kinds: &[Kind], shares: Shares) -> Result<Ground<'d>> {
        let kinds: Vec<_> = kinds.iter().map(|&kind| (kind, 0)).collect();
        let backend = (Backend::best(), 1);
        Ground::new(&Settings::default(), (files, &[reading()]), &kinds, shares, backend, &|_| ())
    }

    /// Rows `0`, `1` and so on, the number of the row being the label.
    fn numbered(rows: usize) -> String {
        (0..rows).fold(String::new(), |mut text, row| {
            writeln!(text, "{row}.5 1:{}", row % 9).unwrap();
            text
        })
    }

    /// The labels of rows.
    fn labels(plot: &Plot<'_>, places: &[Place]) -> Vec<u64> {
        let (mut copies, mut labels) = (super::super::corpus::Copies::default(), Vec::new());
        for places in places.chunks(BATCH) {
            let mut rows = Vec::new();
            plot.material.corpus.fetch(places, &mut copies, &mut rows).unwrap();
            // Labels are learned in units of a power of two.
            let target = |at: f32| match &plot.material.facts.target {
                crate::model::configuration::Target::Number { exponent } => at * scale::power(*exponent),
                _ => at,
            };
            labels.extend(rows.iter().map(|row| target(row.target).floor() as u64));
        }
        labels
    }

    #[test]
    fn rows_to_learn_by_to_compare_by_and_to_test_by_are_apart_and_follow_from_the_seed() {
        let folder = tempdir().unwrap();
        let files = files(folder.path(), "d.svm", &numbered(2000));
        for (test, valid, seed) in [(0.2, 0.2, 0), (0.2, 0.2, 7), (0.05, 0.3, 7), (0.4, 0.1, 1)] {
            let ground = ground(&files, &[Kind::Linear], Shares { test, valid, seed }).unwrap();
            let plot = ground.plot(Kind::Linear, 0);
            let (tests, both) = (Holdout::new(test, seed), Holdout::new(test + valid, seed));
            let rows = |wanted: &dyn Fn(u64) -> bool| (0..2000).filter(|&row| wanted(row)).collect::<Vec<u64>>();
            // The rows to test by are those that a run of train with this share and seed holds out.
            assert_eq!(labels(plot, &plot.test), rows(&|row| tests.has(row)));
            assert_eq!(labels(plot, &plot.valid), rows(&|row| both.has(row) && !tests.has(row)));
            assert_eq!(plot.rows as usize, 2000 - plot.valid.len() - plot.test.len());
            assert_eq!((ground.rows(), ground.test_rows()), (plot.rows, plot.test.len()));
            let near = |rows: usize, share: f64| (rows as f64 / 2000.0 - share).abs() < 0.05;
            assert!(near(plot.test.len(), test) && near(plot.valid.len(), valid));
        }
    }

    #[test]
    fn models_that_see_data_alike_share_it() {
        let folder = tempdir().unwrap();
        let mut text = "color,size,label\n".to_owned();
        (0..100).for_each(|row| writeln!(text, "c{},{},{}", row % 3, row, row % 2).unwrap());
        let files = files(folder.path(), "d.csv", &text);
        let shares = Shares { test: 0.2, valid: 0.2, seed: 0 };
        let kinds = [Kind::Linear, Kind::Fm, Kind::Ffm, Kind::Deep, Kind::Mlp];
        let ground = ground(&files, &kinds, shares).unwrap();
        assert_eq!(ground.plots.len(), 3);
        let is_one = |one, other| std::ptr::eq(ground.plot(one, 0), ground.plot(other, 0));
        assert!(is_one(Kind::Linear, Kind::Fm) && is_one(Kind::Ffm, Kind::Deep));
        assert!(!is_one(Kind::Linear, Kind::Ffm) && !is_one(Kind::Mlp, Kind::Linear));
        // The same rows for all.
        let of = |kind| labels(ground.plot(kind, 0), &ground.plot(kind, 0).test);
        assert!(of(Kind::Mlp) == of(Kind::Linear) && of(Kind::Linear) == of(Kind::Deep));
    }

    #[test]
    fn data_of_one_class_and_data_of_too_few_rows_are_refused() {
        let folder = tempdir().unwrap();
        let shares = Shares { test: 0.2, valid: 0.2, seed: 0 };
        let refused = |text: &str| {
            let files = files(folder.path(), "d.svm", text);
            ground(&files, &[Kind::Linear], shares).map(drop).unwrap_err().to_string()
        };
        let error = refused(&"+1 1:1\n".repeat(50));
        assert!(error.contains("d.svm: has rows of one class only"), "{error}");
        let error = refused("+1 1:1\n-1 1:2\n");
        assert!(error.contains("d.svm: has 2 rows, too few") && error.contains("--holdout"), "{error}");
    }

    #[test]
    fn the_skill_of_a_model_is_its_accuracy_or_what_it_explains() {
        let folder = tempdir().unwrap();
        let shares = Shares { test: 0.2, valid: 0.2, seed: 0 };
        let skill_on = |text: &str, tally: Tally| {
            let files = files(folder.path(), "d.svm", text);
            let ground = ground(&files, &[Kind::Linear], shares).unwrap();
            let settings = Settings { kind: Some(Kind::Linear), ..Settings::default() };
            let model = ground.model(ground.plot(Kind::Linear, 0), &settings).unwrap();
            (skill(model.configuration(), &tally), ground.is_of_numbers())
        };
        let tally = |weight: f64, score: f64, loss: f64, constant: f64| Tally {
            weight,
            score,
            loss,
            constant,
            ..Tally::default()
        };
        let classes = "+1 1:1\n-1 1:2\n".repeat(40);
        assert_eq!(skill_on(&classes, tally(8.0, 6.0, 99.0, 1.0)), (0.75, false));
        assert_eq!(skill_on(&classes, tally(0.0, 0.0, 0.0, 0.0)), (0.0, false));
        let numbers = numbered(80);
        assert_eq!(skill_on(&numbers, tally(8.0, 0.0, 1.0, 4.0)), (0.75, true));
        // Worse than the constant, and no number at all.
        assert_eq!(skill_on(&numbers, tally(8.0, 0.0, 5.0, 4.0)), (0.0, true));
        assert_eq!(skill_on(&numbers, tally(8.0, 0.0, f64::NAN, 4.0)), (0.0, true));
    }
}
