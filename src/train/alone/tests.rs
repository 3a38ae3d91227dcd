//! A model that is learned alone is the model that `train` learns with one child.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use super::*;
use crate::checkpoint::{Existing, load};
use crate::data::{CachePolicy, DataFile, Input, ReadOptions};
use crate::engine::{plan, topology::Topology};
use crate::model::configuration::{Activation, Kind, LossKind, Optimizer};
use crate::random::Random;
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Faulty;
use crate::sys::pin::allowed_cpus;
use crate::sys::signal::StopRequest;
use crate::theta::exchange::{BIAS, LAYERS, WEIGHT};
use crate::train::ground::{Ground, Shares};
use crate::train::{Ears, Request, read, saved, train};

const SEED: u64 = 3;
const SHARES: Shares = Shares { test: 0.1, valid: 0.2, seed: SEED };

/// Rows of words and numbers, those far from 0 and of another size, and labels that follow from them.
fn table(folder: &Path, label: &dyn Fn(usize, f64, f64) -> String) -> PathBuf {
    let (mut random, mut text) = (Random::new(1), "color,shape,near,far,label\n".to_owned());
    for row in 0..1500 {
        let (color, shape) = (random.below(5), random.below(3));
        let (near, far) = (random.below(1000) as f64 / 500.0 - 1.0, 5000.0 + random.below(100) as f64);
        let score = [1.0, -1.0, 0.5, 0.0, -0.5][color] + shape as f64 * near + 0.02 * (far - 5050.0);
        let noise = random.below(1000) as f64 / 500.0 - 1.0;
        writeln!(text, "c{color},s{shape},{near},{far},{}", label(row, score, noise)).unwrap();
    }
    let path = folder.join("table.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// Whether it is above 0, as a rule.
fn class(_: usize, score: f64, noise: f64) -> String {
    u8::from(score + noise > 0.5).to_string()
}

/// Documents of three topics.
fn texts(folder: &Path) -> PathBuf {
    let (mut random, mut text) = (Random::new(2), String::new());
    for _ in 0..900 {
        let topic = random.below(3);
        let label = if random.below(10) == 0 { random.below(3) } else { topic };
        write!(text, "__label__t{label}").unwrap();
        (0..8).for_each(|_| write!(text, " w{}", 20 * topic + random.below(30)).unwrap());
        text.push('\n');
    }
    let path = folder.join("topics.txt");
    std::fs::write(&path, text).unwrap();
    path
}

/// A set to learn, and how it is read.
struct Set {
    input: Input,
    files: [Vec<DataFile>; 1],
    reading: ReadOptions,
}

impl Set {
    fn of(input: Input) -> Self {
        let reading = ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() };
        let (progress, log, stop) = ears();
        let ears = Ears { progress: &progress, log: &log, stop: &stop };
        let attic = tempdir().unwrap();
        let files = read(std::slice::from_ref(&input), &reading, &Faulty::new(attic.path()), ears).unwrap();
        Self { input, files: [files], reading }
    }

    fn ground(&self, settings: &Settings) -> Ground<'_> {
        let (kind, backend) = (settings.kind.unwrap(), Backend::best());
        let readings = std::slice::from_ref(&self.reading);
        Ground::new(settings, (&self.files, readings), &[(kind, 0)], SHARES, (backend, 1), &|_| ()).unwrap()
    }
}

fn ears() -> (Progress, RunLog, StopRequest) {
    (Progress::new(ProgressMode::Quiet), RunLog::off(), StopRequest::never())
}

/// Learns the model of `settings` alone, in `arena`.
fn learn(model: &Alone<'_, '_>, arena: &mut Arena) -> Tally {
    let passes = model.configuration().passes;
    model.begin(arena);
    let mut last = Tally::default();
    for pass in 0..passes {
        last = model.pass(arena, (pass, passes), &|| true).unwrap().unwrap();
    }
    last
}

/// The words of a model in an arena: table, and intercepts or layers.
fn words(model: &Alone<'_, '_>, arena: &Arena) -> Vec<u32> {
    let rest = if model.learner.network().is_some() { arena.layers.weights() } else { arena.bias.as_slice() };
    [arena.table.as_slice(), rest].concat().into_iter().map(f32::to_bits).collect()
}

/// Trains the model of `settings` by `train` with one child, and alone in `arena`; holds one to be the other.
fn assert_alike(set: &Set, settings: &Settings, arena: &mut Arena) {
    let story = format!("{settings:?}");
    let folder = tempdir().unwrap();
    let held_out = SHARES.test + SHARES.valid;
    let settings = Settings {
        seed: Some(SEED),
        passes: Some(settings.passes.unwrap_or(3)),
        early_stop: Some(0),
        holdout: Some(held_out),
        ..settings.clone()
    };
    let machine =
        plan::Request { children: Some(1), controllers: Some(1), shards: Some(1), ..plan::Request::default() };
    let request = Request {
        model: folder.path().join("m"),
        existing: Existing::Refuse,
        read: set.reading.clone(),
        settings: settings.clone(),
        machine,
        tests_once: true,
        ..Request::new(vec![set.input.clone()], Backend::best())
    };
    let topology = Topology::read(Path::new("/"), &allowed_cpus()).unwrap();
    let (progress, log, stop) = ears();
    let store = Faulty::new(folder.path());
    let summary = train(&request, &topology, &store, Ears { progress: &progress, log: &log, stop: &stop }).unwrap();

    let ground = set.ground(&settings);
    let plot = ground.plot(settings.kind.unwrap(), 0);
    let model = ground.model(plot, &settings).unwrap();
    learn(&model, arena);
    let network = model.learner.network();
    let features = model.material.dictionary.len();
    let of_model = saved::Words {
        fresh: model.fresh.as_ref(),
        rule: model.rule,
        layout: model.layout,
        network,
        step: model.penalties.step(arena.rates.0, arena.rates.1),
        dictionary: &model.material.dictionary,
        configuration: &model.configuration,
    };
    let loaded = load(&request.model).unwrap();
    let theta = saved::theta(&loaded, "", features, 1, Backend::best(), &of_model).unwrap().unwrap();
    // Intercepts of models without layers are merged by `train` every so many rows, which rounds, and all that follows from them.
    let near = |one: f32, other: f32| (one - other).abs() <= 1e-6 + 1e-4 * one.abs().max(other.abs());
    let held = |tensor: usize, range: Range<usize>, words: &[f32]| {
        let cells = theta.tensors()[tensor].plane(0);
        assert_eq!(cells.len(), words.len(), "{story}: tensor {tensor}");
        for at in range {
            let (here, there) = (words[at], cells.get(at));
            let is_same = here.to_bits() == there.to_bits() || network.is_none() && near(here, there);
            assert!(is_same, "{story}: word {at} of tensor {tensor} is {here}, and {there} by train");
        }
    };
    if network.is_none() || model.layout.factors().is_some() {
        held(WEIGHT, 0..arena.table.len(), arena.table.as_slice());
    }
    match network {
        None => held(BIAS, 0..arena.bias.len(), arena.bias.as_slice()),
        // What stands between them is never read.
        Some(network) => network.parts().for_each(|part| held(LAYERS, part.words.clone(), arena.layers.weights())),
    }
    // And so are the rows that neither learned.
    let all = [plot.valid.as_slice(), plot.test.as_slice()].concat();
    let (tally, valid) = (model.score(arena, &all, &|| true).unwrap().unwrap(), summary.valid.unwrap());
    if let Some(logloss) = valid.logloss {
        assert!((tally.mean_loss() / logloss - 1.0).abs() < 1e-6, "{story}: {} {logloss}", tally.mean_loss());
    }
    if let Some(accuracy) = valid.accuracy {
        assert!((tally.score / tally.weight - accuracy).abs() < 1e-9, "{story}");
    }
    assert_eq!(tally.rows, all.len() as u64);
    assert!(model.score(arena, &all, &|| false).unwrap().is_none());
}

fn of(kind: Kind) -> Settings {
    Settings { kind: Some(kind), ..Settings::default() }
}

#[test]
fn models_learned_alone_are_what_train_learns_with_one_child() {
    let folder = tempdir().unwrap();
    let mut arena = Arena::new(Backend::best());
    let two = Set::of(Input::Path(table(folder.path(), &class)));
    let optimizer = |kind, optimizer| Settings { optimizer: Some(optimizer), ..of(kind) };
    // One arena serves them all.
    for settings in [
        optimizer(Kind::Linear, Optimizer::Adagrad),
        optimizer(Kind::Linear, Optimizer::Sgd),
        optimizer(Kind::Linear, Optimizer::Ftrl),
        Settings { l1: Some(0.3), ..of(Kind::Linear) },
        Settings { l2: Some(0.01), loss: Some(LossKind::Hinge), ..of(Kind::Linear) },
        Settings { rank: Some(3), ..of(Kind::Fm) },
        Settings { rank: Some(8), l2: Some(0.001), ..of(Kind::Fm) },
        Settings { rank: Some(4), ..of(Kind::Ffm) },
        Settings { hidden: Some(vec![]), ..of(Kind::Mlp) },
        Settings { hidden: Some(vec![9, 5]), dropout: Some(0.2), ..optimizer(Kind::Mlp, Optimizer::Adam) },
        Settings {
            hidden: Some(vec![8]),
            activation: Some(Activation::Tanh),
            ..optimizer(Kind::Mlp, Optimizer::Momentum)
        },
        Settings { hidden: Some(vec![6, 6]), skips: Some(vec![(0, 2), (1, 3)]), batch: Some(17), ..of(Kind::Mlp) },
        Settings { rank: Some(4), hidden: Some(vec![8]), ..of(Kind::Deep) },
        Settings { rank: Some(4), hidden: Some(vec![6]), wide: true, l2: Some(0.001), ..of(Kind::Deep) },
    ] {
        assert_alike(&two, &settings, &mut arena);
    }
}

#[test]
fn and_so_are_those_of_classes_of_numbers_and_of_texts() {
    let folder = tempdir().unwrap();
    let mut arena = Arena::new(Backend::best());
    let digits = Set::of(Input::parse("@digits").unwrap());
    for settings in [
        of(Kind::Linear),
        Settings { optimizer: Some(Optimizer::Ftrl), ..of(Kind::Linear) },
        Settings { rank: Some(4), passes: Some(2), ..of(Kind::Fm) },
        Settings { hidden: Some(vec![16]), ..of(Kind::Mlp) },
    ] {
        assert_alike(&digits, &settings, &mut arena);
    }
    let number = |_: usize, score: f64, noise: f64| (1000.0 + 50.0 * score + noise).to_string();
    let numbers = Set::of(Input::Path(table(folder.path(), &number)));
    for settings in [of(Kind::Linear), Settings { hidden: Some(vec![8]), ..of(Kind::Mlp) }] {
        assert_alike(&numbers, &settings, &mut arena);
    }
    let texts = Set::of(Input::Path(texts(folder.path())));
    for settings in [of(Kind::Linear), Settings { rank: Some(6), ..of(Kind::Text) }] {
        assert_alike(&texts, &settings, &mut arena);
    }
}

#[test]
fn an_arena_that_has_served_others_changes_nothing() {
    let folder = tempdir().unwrap();
    let (backend, set) = (Backend::best(), Set::of(Input::Path(table(folder.path(), &class))));
    let digits = Set::of(Input::parse("@digits").unwrap());
    let models = [
        (&set, of(Kind::Linear)),
        (&digits, Settings { hidden: Some(vec![20, 10]), ..of(Kind::Mlp) }),
        (&set, Settings { rank: Some(4), ..of(Kind::Ffm) }),
        (&set, Settings { optimizer: Some(Optimizer::Ftrl), ..of(Kind::Linear) }),
        (&set, Settings { rank: Some(2), hidden: Some(vec![4]), ..of(Kind::Deep) }),
        (&digits, Settings { hidden: Some(vec![]), optimizer: Some(Optimizer::Momentum), ..of(Kind::Mlp) }),
    ];
    let tried = |arena: &mut Arena, (set, settings): &(&Set, Settings)| {
        let settings = Settings { seed: Some(SEED), passes: Some(2), ..settings.clone() };
        let ground = set.ground(&settings);
        let plot = ground.plot(settings.kind.unwrap(), 0);
        let model = ground.model(plot, &settings).unwrap();
        let tally = learn(&model, arena);
        let scored = model.score(arena, &plot.valid, &|| true).unwrap().unwrap();
        (words(&model, arena), tally.loss.to_bits(), scored.loss.to_bits(), scored.score.to_bits())
    };
    let fresh: Vec<_> = models.iter().map(|model| tried(&mut Arena::new(backend), model)).collect();
    let mut arena = Arena::new(backend);
    for nth in [0, 1, 2, 3, 4, 5, 1, 0, 5, 4, 3, 2, 2, 0] {
        assert!(tried(&mut arena, &models[nth]) == fresh[nth], "{:?}", models[nth].1);
    }
    // Nor does one that was left off in the middle of a pass.
    let settings = Settings { seed: Some(SEED), passes: Some(2), ..models[1].1.clone() };
    let ground = digits.ground(&settings);
    let model = ground.model(ground.plot(Kind::Mlp, 0), &settings).unwrap();
    let left = std::cell::Cell::new(5);
    let goes_on = || left.replace(left.get() - 1) > 0;
    model.begin(&mut arena);
    assert!(model.pass(&mut arena, (0, 2), &goes_on).unwrap().is_none());
    assert!(tried(&mut arena, &models[1]) == fresh[1]);
}

#[test]
fn a_model_that_runs_away_says_so() {
    let folder = tempdir().unwrap();
    let set = Set::of(Input::Path(table(folder.path(), &class)));
    let settings =
        Settings { lr: Some(1e30), hidden: Some(vec![8]), passes: Some(1), seed: Some(SEED), ..of(Kind::Mlp) };
    let ground = set.ground(&settings);
    let model = ground.model(ground.plot(Kind::Mlp, 0), &settings).unwrap();
    let mut arena = ground.arena();
    model.begin(&mut arena);
    let error = model.pass(&mut arena, (0, 1), &|| true).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Diverged(said) if said == "its loss ran away in pass 1"), "{error}");
}

#[test]
fn what_ran_away_is_nothing_to_the_next() {
    let folder = tempdir().unwrap();
    let set = Set::of(Input::Path(table(folder.path(), &class)));
    let mut arena = Arena::new(Backend::best());
    let mut ends = |settings: Settings| {
        let settings = Settings { passes: Some(1), seed: Some(SEED), ..settings };
        let ground = set.ground(&settings);
        let model = ground.model(ground.plot(settings.kind.unwrap(), 0), &settings).unwrap();
        model.begin(&mut arena);
        model.pass(&mut arena, (0, 1), &|| true).is_ok()
    };
    for settings in
        [of(Kind::Linear), Settings { hidden: Some(vec![4]), ..of(Kind::Mlp) }, of(Kind::Ffm), of(Kind::Deep)]
    {
        for wild in [
            Settings { lr: Some(1e30), hidden: Some(vec![8]), ..of(Kind::Mlp) },
            Settings { lr: Some(1e30), ..of(Kind::Linear) },
        ] {
            assert!(!ends(wild.clone()), "{wild:?}");
            assert!(ends(settings.clone()), "{settings:?}");
        }
    }
}
