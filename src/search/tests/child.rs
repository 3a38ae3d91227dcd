//! What a child does with an architecture, on the digits.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::*;
use crate::fault::{Faults, Point};
use crate::model::configuration::Kind;
use crate::search::child::Trying;
use crate::train::Settings;
use crate::train::alone::Arena;
use crate::train::ground::{Ground, Shares, skill};

fn settings(passes: u32) -> Settings {
    Settings {
        kind: Some(Kind::Mlp),
        hidden: Some(vec![16]),
        passes: Some(passes),
        seed: Some(4),
        ..Settings::default()
    }
}

/// Calls `body` with the ground of the digits.
fn on_ground<R>(body: impl FnOnce(&Ground<'_>) -> R) -> R {
    let shares = Shares { test: 0.2, valid: 0.2, seed: 0 };
    let readings = [ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() }];
    let backend = (Backend::best(), 1);
    let ground = Ground::new(&Settings::default(), (digits(), &readings), &[(Kind::Mlp, 0)], shares, backend, &|_| ());
    body(&ground.unwrap())
}

fn trying<'g, 'd>(ground: &'g Ground<'d>, faults: &'g Faults) -> Trying<'g, 'd> {
    Trying { ground, power: 3.0, limit: Duration::MAX, faults }
}

#[test]
fn r_is_the_power_of_the_best_of_the_last_five_passes() {
    on_ground(|ground| {
        let faults = Faults::none();
        for passes in [1, 4, 8] {
            let settings = settings(passes);
            let outcome = trying(ground, &faults).outcome(&mut None, (&settings, 0), &|| true).unwrap();
            let plot = ground.plot(Kind::Mlp, 0);
            let model = ground.model(plot, &settings).unwrap();
            let mut arena = ground.arena();
            model.begin(&mut arena);
            let shown: Vec<_> = (0..passes)
                .map(|pass| {
                    model.pass(&mut arena, (pass, passes), &|| true).unwrap().unwrap();
                    let tally = model.score(&mut arena, &plot.valid, &|| true).unwrap().unwrap();
                    (skill(model.configuration(), &tally), tally.mean_loss())
                })
                .collect();
            let best = shown.iter().rev().take(5).map(|&(skill, _)| skill).fold(0.0, f64::max);
            assert_eq!((outcome.skill, outcome.loss), (best, shown.last().unwrap().1));
            assert_eq!((outcome.reward, outcome.passes, &outcome.failed), (best.powi(3) as f32, passes, &None));
            assert!(outcome.seconds > 0.0);
        }
    });
}

#[test]
fn a_trial_that_is_left_off_comes_to_nothing() {
    on_ground(|ground| {
        let (faults, mut arena) = (Faults::none(), None);
        let trying = trying(ground, &faults);
        let whole = trying.outcome(&mut arena, (&settings(3), 0), &|| true).unwrap();
        let batches = {
            let asked = Cell::new(0);
            trying.outcome(&mut arena, (&settings(3), 0), &|| asked.replace(asked.get() + 1) < u32::MAX);
            asked.get()
        };
        for left in [0, 1, batches / 3, batches / 2, batches - 1] {
            let asked = Cell::new(0);
            let goes_on = || asked.replace(asked.get() + 1) < left;
            assert!(trying.outcome(&mut arena, (&settings(3), 0), &goes_on).is_none(), "{left} of {batches}");
            // The next one is as if nothing had been there.
            let again = trying.outcome(&mut arena, (&settings(3), 0), &|| true).unwrap();
            assert_eq!((again.reward, again.loss), (whole.reward, whole.loss));
        }
    });
}

#[test]
fn what_fails_says_why_and_is_worth_nothing() {
    on_ground(|ground| {
        let failed = |faults: Faults, limit: Duration, settings: &Settings| {
            let trying = Trying { limit, ..trying(ground, &faults) };
            let outcome = trying.outcome(&mut None, (settings, 0), &|| true).unwrap();
            assert_eq!((outcome.reward, outcome.skill, outcome.loss), (0.0, 0.0, 0.0));
            outcome.failed.unwrap()
        };
        let none = Faults::none;
        let said = failed(none().at(Point::BeforeUpdate, 0, 1), Duration::MAX, &settings(1));
        assert_eq!(said, "panicked: injected fault: BeforeUpdate");
        assert_eq!(failed(none().at(Point::Gradient, 0, 1), Duration::MAX, &settings(1)), "an injected fault");
        let said = failed(none(), Duration::from_nanos(1), &settings(1));
        assert!(said.starts_with("it took longer than 0.000 s"), "{said}");
        let wild = Settings { lr: Some(1e30), ..settings(2) };
        assert!(failed(none(), Duration::MAX, &wild).starts_with("its loss ran away in pass 1"));
        let large = Settings { hidden: Some(vec![3_000_000, 3_000_000]), ..settings(1) };
        assert!(failed(none(), Duration::MAX, &large).contains(" needs "));
    });
}

#[test]
fn an_arena_that_a_panic_has_left_is_not_used_again() {
    on_ground(|ground| {
        let faults = Faults::none().at(Point::BeforeUpdate, 1, 1);
        let (trying, mut arena) = (trying(ground, &faults), None::<Arena>);
        let tried = AtomicU32::new(0);
        let mut outcome = |settings: &Settings| {
            tried.fetch_add(1, Relaxed);
            let outcome = trying.outcome(&mut arena, (settings, 0), &|| true).unwrap();
            (outcome, arena.is_some())
        };
        let (first, kept) = outcome(&settings(1));
        assert!(first.failed.is_none() && kept);
        let (second, kept) = outcome(&settings(1));
        assert!(second.failed.is_some() && !kept);
        let (third, kept) = outcome(&settings(1));
        assert!(kept && (third.reward, third.loss) == (first.reward, first.loss));
    });
}
