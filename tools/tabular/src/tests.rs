use std::path::Path;

use hogback::random::Random;
use hogback::search::space::{Decision, Space, Value};
use hogback::search::table::Worth;

use crate::contest::{self, Look};
use crate::entrant::Entrant;
use crate::statistics::mean;
use crate::table::{SEEDS, Table};
use crate::{file, synthetic};

/// The table of that name that comes with the tool.
fn table(name: &str) -> Table {
    file::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tables").join(name).with_extension("table")).unwrap()
}

fn runs(table: &Table, entrant: &str, runs: u64, look: usize) -> Vec<Look> {
    let entrant = Entrant::named(entrant).unwrap();
    let run = |number| {
        let shared = entrant.shared(&table.space, number).unwrap();
        contest::run(table, &mut *entrant.strategy(&table.space, shared.as_ref()), number, 2, &[look])[0]
    };
    (0..runs).map(run).collect()
}

#[test]
fn a_table_that_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.table");
    let space = "kind = \"mlp\"\nlayers = [1, 2]\nwidth1 = [16, 32]\nwidth2 = [16, 32, 64]\n".to_owned();
    let head = file::Head { space, data: "@digits".to_owned(), passes: 3, valid: 0.4, test: 0.1 };
    let mut random = Random::new(1);
    let mut worth = || Worth { valid: random.share(), test: random.share() };
    let worths: Vec<[Worth; SEEDS]> = (0..8).map(|_| std::array::from_fn(|_| worth())).collect();
    file::write(&path, &head, &worths).unwrap();
    let table = file::read(&path).unwrap();
    assert_eq!(table.len(), 8);
    for (row, architecture) in table.space.all().enumerate() {
        assert_eq!(table.row(&architecture), row);
        for (seed, worth) in worths[row].iter().enumerate() {
            assert!((f64::from(table.accuracy(row, seed)) - worth.valid).abs() < 2e-5);
        }
    }
    file::write(&path, &head, &worths[1..]).unwrap();
    assert!(file::read(&path).err().unwrap().to_string().contains("another number of rows"));
}

#[test]
fn a_landscape_has_its_best_at_98_and_noise_about_what_the_formula_says() {
    let table = synthetic::landscape(5);
    assert_eq!(table.len(), 23_040);
    assert!((table.best() - 0.98).abs() < 1e-6);
    let off = (0..table.len()).flat_map(|row| (0..SEEDS).map(move |seed| (row, seed)));
    let square = mean(off.map(|(row, seed)| (f64::from(table.accuracy(row, seed)) - table.mean(row)).powi(2)));
    // Of three values two thirds of their variance are about their own mean; scaled, that is all of it.
    assert!((square.mean.sqrt() - 0.005).abs() < 1e-4, "{}", square.mean.sqrt());
}

#[test]
fn means_have_the_intervals_of_their_spread() {
    let found = mean([1.0, 2.0, 3.0, 4.0].into_iter());
    assert_eq!(found.mean, 2.5);
    assert!((found.half - 1.96 * (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
}

#[test]
fn a_space_smaller_than_a_run_is_gone_through_and_the_best_is_found() {
    let values = (0..60).map(|value| Value::Number(f64::from(value))).collect();
    let decision = Decision { name: "width".to_owned(), values, is_ordered: true, when: None, skip: None };
    let space = Space::new("widths".to_owned(), vec![decision]);
    let worth = |nth: usize| [Worth { valid: nth as f64 / 60.0, test: 0.0 }; SEEDS];
    let all = space.all().enumerate().map(|(nth, architecture)| (architecture, worth(nth))).collect();
    let table = Table::new(space, all);
    for entrant in ["random", "local", "thompson", "evolution:5:3", "reinforce", "whole:0.02"] {
        let look = runs(&table, entrant, 1, 60)[0];
        assert!(look.best.abs() < 1e-6 && look.tried.abs() < 1e-6, "{entrant}");
        assert!(
            (look.top - 100.0 * 7.0 / 60.0).abs() < 1e-3 && (look.last - 100.0 * 29.5 / 60.0).abs() < 1e-3,
            "{entrant}"
        );
    }
}

/// What docs/search.md says, with fewer runs.
#[test]
fn the_default_is_ahead_of_evolution_and_reinforce_of_chance() {
    for name in ["digits", "adult"] {
        let table = table(name);
        let of = |entrant: &str, what: fn(&Look) -> f64, look: usize| {
            mean(runs(&table, entrant, 100, look).iter().map(what))
        };
        let (default, evolution) = (of("thompson", |look| look.top, 50), of("evolution:20:20", |look| look.top, 50));
        assert!(default.mean + default.half < evolution.mean - evolution.half, "{name}");
        let (policy, chance) = (runs(&table, "reinforce", 300, 300), runs(&table, "random", 300, 300));
        for what in [|look: &Look| look.best, |look: &Look| look.top, |look: &Look| look.last] {
            let [policy, chance] = [&policy, &chance].map(|runs| mean(runs.iter().map(what)));
            assert!(policy.mean + policy.half < chance.mean - chance.half, "{name}");
        }
    }
}
