//! Factorization machines on planted data that needs them: what they are worth, and that children and rounds do not matter.

use std::path::{Path, PathBuf};

use hogback::checkpoint::{Existing, load};
use hogback::fault::{Faults, Point};
use hogback::generate::{self, Data, Text, generate};
use hogback::model::configuration::{Kind, LossKind};
use hogback::store::Disk;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Settings, Summary};
use tempfile::tempdir;

use super::{Request, passes, run, tensors, with_children};

/// Makes `rows` planted rows in `folder`.
fn plant(folder: &Path, kind: generate::Kind, rows: u64, format: Text) -> PathBuf {
    let data = Data { kind, rows, test_rows: 0, seed: 1 };
    let request = generate::Request { data, format: Some(format), out: folder.join("planted"), overwrite: false };
    generate(&request, &Disk, &StopRequest::never()).unwrap();
    folder.join(format!("planted.train.{}", format.name()))
}

/// Clicks, whose columns are fields.
fn clicks(folder: &Path, rows: u64) -> PathBuf {
    plant(folder, generate::Kind::Ctr { zipf: 1.3 }, rows, Text::Ffm)
}

/// Half stars of 500 users for 100 items.
fn stars(folder: &Path, rows: u64) -> PathBuf {
    plant(folder, generate::Kind::Ratings { users: 500, items: 100 }, rows, Text::Svm)
}

/// Both kinds of models on clicks, and what suits stars.
fn kinds() -> [Settings; 3] {
    let kind = |kind| Settings { kind: Some(kind), ..passes(4) };
    [kind(Kind::Fm), kind(Kind::Ffm), Settings { rank: Some(8), loss: Some(LossKind::Squared), ..kind(Kind::Fm) }]
}

/// The held-out loss of a run, or its root mean squared error.
fn held_out(summary: &Summary) -> f64 {
    summary.valid.and_then(|valid| valid.logloss.or(valid.rmse)).unwrap()
}

#[test]
fn factors_are_learned_the_same_with_2_and_with_16_children() {
    let folder = tempdir().unwrap();
    let (clicks, stars) = (clicks(folder.path(), 60_000), stars(folder.path(), 60_000));
    for settings in kinds() {
        let data = if settings.loss.is_some() { &stars } else { &clicks };
        let loss = |children| {
            let request = with_children(data, folder.path().join("m"), children);
            held_out(&run(&Request { settings: settings.clone(), existing: Existing::Replace, ..request }).unwrap())
        };
        let one = loss(1);
        // With more than eight the changes of each are scaled before they are merged.
        for (children, within) in [(2, 0.005), (16, 0.01)] {
            // Where other programs take a core away in the middle of a task, its child comes back with an old view: the best of three.
            let many = (0..3).map(|_| loss(children)).fold(f64::MAX, f64::min);
            println!("{:?} {:?}: {children} children {:+.5}", settings.kind, settings.loss, many / one - 1.0);
            assert!(many / one - 1.0 < within, "{settings:?}: {many} with {children} children, {one} with one");
        }
    }
}

#[test]
fn factors_find_what_weights_alone_do_not() {
    let folder = tempdir().unwrap();
    let (clicks, stars) = (clicks(folder.path(), 60_000), stars(folder.path(), 100_000));
    let loss = |data: &Path, settings: Settings| {
        let request = with_children(data, folder.path().join("m"), 2);
        held_out(&run(&Request { settings, existing: Existing::Replace, ..request }).unwrap())
    };
    let of = |kind| Settings { kind: Some(kind), ..Settings::default() };
    let [linear, fm, ffm] = [Kind::Linear, Kind::Fm, Kind::Ffm].map(|kind| loss(&clicks, of(kind)));
    println!("clicks: {linear:.4} by weights, {fm:.4} with factors, {ffm:.4} with those of fields");
    assert!(fm < 0.97 * linear && ffm < 0.995 * linear);
    let squared = |kind, rank| Settings { loss: Some(LossKind::Squared), rank, ..of(kind) };
    let (linear, fm) = (loss(&stars, squared(Kind::Linear, None)), loss(&stars, squared(Kind::Fm, Some(8))));
    println!("stars: {linear:.4} by weights, {fm:.4} with factors, 0.75 by the planted truth");
    assert!(fm < 0.8 && linear > 0.85);
}

#[test]
fn rounds_and_a_single_child_repeat_and_go_on_after_a_cut_to_the_same_bits() {
    let folder = tempdir().unwrap();
    let (clicks, stars) = (clicks(folder.path(), 5_000), stars(folder.path(), 30_000));
    for (nth, settings) in kinds().into_iter().enumerate() {
        let data = if settings.loss.is_some() { &stars } else { &clicks };
        // Of twelve children the changes are scaled.
        for (children, consistency) in [(1, Consistency::Hogwild), (2, Consistency::Sync), (12, Consistency::Sync)] {
            let model = |name: &str| folder.path().join(format!("{nth}-{children}-{name}"));
            let train = |name: &str, existing, faults| {
                let request = with_children(data, model(name), children);
                let settings = settings.clone();
                run(&Request { settings, consistency, existing, faults, merge: Some(384 / children), ..request })
            };
            train("a", Existing::Refuse, Faults::none()).unwrap();
            train("b", Existing::Refuse, Faults::none()).unwrap();
            let whole = tensors(&model("a"));
            assert!(tensors(&model("b")) == whole, "{settings:?} {children} children");
            for cut in [0, 2] {
                let faults = Faults::none().at(Point::TaskDone, cut, 1);
                let cut_short = train("c", Existing::Replace, faults).unwrap_err();
                assert_eq!(cut_short.exit_code(), 130, "{cut_short}");
                train("c", Existing::Continue, Faults::none()).unwrap();
                assert!(tensors(&model("c")) == whole, "{settings:?} {children} children, cut after {cut}");
            }
        }
    }
}

#[test]
fn a_rate_that_is_too_bold_for_factors_is_halved_until_they_learn() {
    let folder = tempdir().unwrap();
    let data = stars(folder.path(), 20_000);
    let (settings, model) = (Settings { lr: Some(15.0), ..kinds()[2].clone() }, folder.path().join("m"));
    let summary = run(&Request { settings, ..with_children(&data, model.clone(), 1) }).unwrap();
    let rescues = load(&model).unwrap().manifest.position["rescues"].as_u64().unwrap();
    println!("{rescues} rescues, rmse {:.4}", held_out(&summary));
    assert!((1..=3).contains(&rescues) && held_out(&summary) < 0.9);
}
