//! What a search keeps to, whatever it finds: budgets, each model once, promotions, seeds, rows that it must not see.

use super::{assert_each_once, folder, of_budget, times, trials};
use crate::common::{Folder, csv, svm};
use hogback::data::order::Holdout;
use serde_json::Value;
use std::fs;

const STRATEGIES: [&str; 5] = ["thompson", "evolution", "random", "local", "reinforce"];
const LOG: &str = "m.trials.jsonl";

/// What differs from run to run.
fn timeless(trials: &[Value]) -> Vec<Value> {
    let mut trials = trials.to_vec();
    for trial in &mut trials {
        trial.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    trials
}

/// Searches for a model `m` in this folder, where there may be one, and gives its log back.
fn searched(folder: &Folder, space: &str, flags: &[&str]) -> Vec<Value> {
    let always = ["search", "@digits", "--space", space, "--model", "m", "--overwrite", "--quiet"];
    folder.run(&[&always[..], flags].concat()).done();
    trials(folder, LOG)
}

#[test]
fn a_budget_is_so_many_trials_and_each_model_is_tried_once() {
    let folder = folder();
    for strategy in STRATEGIES {
        for children in ["1", "2", "5"] {
            let flags = ["--strategy", strategy, "--budget", "40", "--child-passes", "1", "--children", children];
            let trials = searched(&folder, "space.toml", &flags);
            assert_each_once(&trials);
            assert_eq!((of_budget(&trials).len(), trials.len()), (40, 40), "{strategy}, {children} children");
        }
    }
}

#[test]
fn finals_are_beyond_the_budget_four_trials_for_each_of_the_best() {
    let folder = folder();
    for children in ["1", "2", "5"] {
        let flags = ["--strategy", "random", "--budget", "100", "--child-passes", "1", "--children", children];
        let trials = searched(&folder, "space.toml", &flags);
        assert_eq!(of_budget(&trials).len(), 100);
        let finals: Vec<_> = trials.iter().filter(|trial| trial["finals"] == true).collect();
        let times = times(&finals);
        assert!(times.len() == 2 && times.values().all(|&times| times == 4), "{children} children: {times:?}");
        // They are the best of the others.
        let mut rewards: Vec<f64> = of_budget(&trials).iter().map(|trial| trial["reward"].as_f64().unwrap()).collect();
        rewards.sort_by(|one, other| other.total_cmp(one));
        for (architecture, _) in times.keys() {
            let made: Value = serde_json::from_str(architecture).unwrap();
            let is_it = |trial: &&&Value| trial["architecture"] == made;
            let first = of_budget(&trials).iter().find(is_it).unwrap()["reward"].as_f64().unwrap();
            assert!(first >= rewards[1], "{architecture} with {first}: {:?}", &rewards[..3]);
        }
        // Again with other seeds.
        let mut seeds: Vec<_> = trials.iter().map(|trial| trial["seed"].as_u64().unwrap()).collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), trials.len());
    }
}

#[test]
fn a_space_smaller_than_the_budget_is_tried_to_its_end() {
    let folder = folder();
    for strategy in STRATEGIES {
        for (children, runs) in [("1", 1), ("2", 4), ("5", 2)] {
            for _ in 0..runs {
                let flags = ["--strategy", strategy, "--budget", "100", "--child-passes", "1", "--children", children];
                let trials = searched(&folder, "few.toml", &flags);
                assert_each_once(&trials);
                assert_eq!(trials.len(), 12, "{strategy}, {children} children");
            }
        }
    }
}

#[test]
fn with_seeds_a_model_is_tried_so_often_and_no_more() {
    let folder = folder();
    for strategy in STRATEGIES {
        for children in ["1", "4"] {
            let flags = ["--strategy", strategy, "--budget", "300", "--child-passes", "1", "--children", children];
            let trials = searched(&folder, "few.toml", &[&flags[..], &["--seeds", "3"]].concat());
            let times = times(&of_budget(&trials));
            assert!(times.len() == 12 && times.values().all(|&times| times == 3), "{strategy}: {times:?}");
        }
    }
    // As many as the budget allows, and no model more often than it may.
    let flags = ["--budget", "20", "--child-passes", "1", "--seeds", "3", "--children", "2"];
    let trials = searched(&folder, "few.toml", &flags);
    assert!(trials.len() == 20 && times(&of_budget(&trials)).values().all(|&times| times <= 3));
}

#[test]
fn of_each_rung_the_best_third_goes_on_once() {
    let folder = folder();
    for (strategy, children) in [("random", "1"), ("random", "2"), ("evolution", "1"), ("reinforce", "2")] {
        let flags = ["--halving", "--child-passes", "9", "--budget", "60", "--children", children];
        let trials = searched(&folder, "space.toml", &[&flags[..], &["--strategy", strategy]].concat());
        let trials = of_budget(&trials);
        assert_eq!(trials.len(), 60);
        let rung = |trial: &Value| trial["rung"].as_u64().unwrap_or(0);
        let passes = |trial: &&&Value| trial["passes"] == [1, 3, 9][rung(trial) as usize];
        assert!(trials.iter().all(|trial| passes(&trial)), "{trials:?}");
        let once = times(&trials);
        assert!(once.values().all(|&times| times == 1), "{once:?}");
        let on = |wanted: u64| trials.iter().filter(|trial| rung(trial) == wanted).collect::<Vec<_>>();
        // Whoever is on a rung was on the one below.
        for (wanted, below) in [(1, 0), (2, 1)] {
            assert!(!on(wanted).is_empty());
            for trial in on(wanted) {
                assert!(once.contains_key(&(trial["architecture"].to_string(), below)), "{trial}");
            }
        }
        if children == "1" {
            goes_on_by_the_best_third(&trials);
        }
    }
}

/// Holds each trial of one child to be what asynchronous halving has next: of the highest rung that has one, the best of its best third
/// that has not gone on yet; something new where there is none.
fn goes_on_by_the_best_third(trials: &[&Value]) {
    let mut rungs: [Vec<(f64, String)>; 3] = Default::default();
    let mut gone = [Vec::new(), Vec::new()];
    for trial in trials {
        let next = [1, 0].into_iter().find_map(|rung: usize| {
            let best = &rungs[rung][..rungs[rung].len() / 3];
            let next = best.iter().find(|(reward, name)| *reward > 0.0 && !gone[rung].contains(name))?;
            Some((rung + 1, next.1.clone()))
        });
        let (rung, name) = (trial["rung"].as_u64().unwrap_or(0) as usize, trial["architecture"].to_string());
        match next {
            Some(next) => assert_eq!((rung, &name), (next.0, &next.1), "{trial}"),
            None => assert_eq!(rung, 0, "{trial}"),
        }
        if rung > 0 {
            gone[rung - 1].push(name.clone());
        }
        let reward = trial["reward"].as_f64().unwrap();
        let at = rungs[rung].partition_point(|(other, _)| *other >= reward);
        rungs[rung].insert(at, (reward, name));
    }
}

#[test]
fn a_seed_repeats_trials_and_model_bit_for_bit() {
    let (one, other) = (folder(), folder());
    let always = ["--budget", "45", "--children", "1", "--child-passes", "1"];
    let more: [&[&str]; 3] = [&[], &["--seed", "7"], &["--halving", "--child-passes", "3"]];
    for strategy in STRATEGIES {
        for (nth, more) in more.iter().enumerate() {
            let always = if nth == 2 { &always[..4] } else { &always[..] };
            let flags = [always, &["--strategy", strategy], more].concat();
            let (first, second) = (searched(&one, "space.toml", &flags), searched(&other, "space.toml", &flags));
            assert_eq!(timeless(&first), timeless(&second), "{strategy} {more:?}");
            assert!(one.model_bytes("m") == other.model_bytes("m"), "{strategy} {more:?}");
            if nth == 1 {
                let without = searched(&other, "space.toml", &[always, &["--strategy", strategy]].concat());
                assert_ne!(timeless(&first), timeless(&without), "{strategy}: another seed");
            }
        }
    }
}

#[test]
fn rows_to_test_by_are_neither_learned_nor_compared_by() {
    let folder = Folder::new();
    folder.write("sparse.toml", "kind = [\"linear\", \"fm\", \"mlp\"]\nlr-factor = [0.5, 1, 2, 4]\nhidden = { choice = [\"4\", \"8\"], when = { kind = \"mlp\" } }\n");
    let text = svm(600);
    let lines: Vec<&str> = text.lines().collect();
    let (labels, rest): (Vec<&str>, Vec<&str>) = lines.iter().map(|line| line.split_once(' ').unwrap()).unzip();
    let (tests, both) = (Holdout::new(0.2, 5), Holdout::new(0.4, 5));
    let of = |wanted: &dyn Fn(u64) -> bool| (0..600).filter(|&row| wanted(row as u64)).collect::<Vec<usize>>();
    // The labels of some rows are passed around among them, so that all together are what they were.
    let passed_around = |rows: &[usize]| {
        let mut labels = labels.clone();
        let turn = rows.len() / 3;
        rows.iter()
            .enumerate()
            .for_each(|(nth, &row)| labels[row] = lines[rows[(nth + turn) % rows.len()]].split_once(' ').unwrap().0);
        labels.iter().zip(&rest).map(|(label, rest)| format!("{label} {rest}\n")).collect::<String>()
    };
    let search = |data: &str| {
        folder.write("d.svm", data);
        let flags =
            ["search", "d.svm", "--no-cache", "--space", "sparse.toml", "--model", "m", "--overwrite", "--seed", "5"];
        let more = ["--budget", "16", "--child-passes", "3", "--children", "1", "--json"];
        let run = folder.run(&[&flags[..], &more].concat()).done();
        (timeless(&trials(&folder, LOG)), run.summary())
    };
    let (as_it_is, summary) = search(&text);
    let (shuffled, tested) = search(&passed_around(&of(&|row| tests.has(row))));
    assert_eq!(as_it_is, shuffled);
    assert_ne!(
        summary["test"]["logloss"], tested["test"]["logloss"],
        "the rows that were changed are those to test by"
    );
    assert_eq!(summary["valid"], tested["valid"]);
    // All others matter.
    let (compared, _) = search(&passed_around(&of(&|row| both.has(row) && !tests.has(row))));
    let (learned, _) = search(&passed_around(&of(&|row| !both.has(row))));
    assert!(compared != as_it_is && learned != as_it_is);
}

#[test]
fn controllers_find_each_others_trials() {
    let folder = folder();
    for strategy in STRATEGIES {
        let flags = ["--nodes", "2", "--controllers", "2", "--children", "1", "--budget", "40", "--child-passes", "1"];
        let trials = searched(&folder, "few.toml", &[&flags[..], &["--strategy", strategy]].concat());
        // All is tried; what was proposed by both at once is there twice.
        let times = times(&of_budget(&trials));
        assert!(times.len() == 12 && times.values().all(|&times| times <= 2), "{strategy}: {times:?}");
        assert!(trials.len() <= 14, "{strategy}: {}", trials.len());
        let flags = ["--nodes", "2", "--controllers", "2", "--children", "1", "--budget", "60", "--child-passes", "2"];
        let trials = searched(&folder, "space.toml", &[&flags[..], &["--strategy", strategy]].concat());
        assert_eq!(of_budget(&trials).len(), 60, "{strategy}");
        let by = |controller: u64| trials.iter().filter(|trial| trial["controller"] == controller).count();
        assert!(by(0) > 5 && by(1) > 5, "{strategy}: {} and {}", by(0), by(1));
        assert!(trials.iter().all(|trial| trial["child"] == trial["controller"]), "{strategy}");
    }
}

#[test]
fn the_model_is_good_and_can_be_used_and_trained_again() {
    let folder = folder();
    folder.write("good.toml", "kind = \"mlp\"\nhidden = [\"16\", \"32\", \"64\"]\noptimizer = [\"adam\", \"momentum\"]\nlr-factor = [0.5, 1, 2]\n");
    let flags = [
        "search",
        "@digits",
        "--space",
        "good.toml",
        "--model",
        "m",
        "--budget",
        "12",
        "--child-passes",
        "5",
        "--json",
    ];
    let summary = folder.run(&flags).done().summary();
    assert!(summary["test"]["accuracy"].as_f64().unwrap() > 0.95, "{summary}");
    // The last training's model has learned most of these.
    let eval = folder.run(&["eval", "m", "@digits", "--json"]).done().summary();
    assert!(eval["eval"]["accuracy"].as_f64().unwrap() > 0.95, "{eval}");
    assert_eq!(folder.run(&["predict", "m", "@digits"]).done().out.lines().count(), 1797);
    // By its spec, and by the flags that were told.
    fs::copy(folder.path("m/latest/spec.toml"), folder.path("spec.toml")).unwrap();
    folder.run(&["train", "@digits", "--spec", "spec.toml", "--model", "n", "--overwrite"]).done();
    let best = summary["best"].as_object().unwrap();
    let inspected = folder.run(&["inspect", "n"]).done().out;
    assert!(inspected.contains(best["hidden"].as_str().unwrap()), "{inspected}");
    let flags: Vec<&str> = summary["flags"].as_str().unwrap().split(' ').collect();
    folder.run(&[&["train", "@digits", "--model", "o"], &flags[..]].concat()).done();
    let inspected = folder.run(&["inspect", "o"]).done().out;
    assert!(inspected.contains(best["hidden"].as_str().unwrap()), "{inspected}");
}

/// A child learns what `train` learns with one child, and scores what `eval` does. Of linear models nothing is drawn by chance but the order
/// of tasks, of which there is one here.
#[test]
fn a_trial_is_what_train_and_eval_say() {
    let folder = folder();
    let table = csv(900);
    let (header, rows) = table.split_once('\n').unwrap();
    folder.write("all.csv", &table);
    let (tests, both) = (Holdout::new(0.2, 4), Holdout::new(0.4, 4));
    let compared = rows.lines().zip(0..).filter(|(_, row)| both.has(*row) && !tests.has(*row)).map(|(line, _)| line);
    folder.write("compared.csv", [header].into_iter().chain(compared).collect::<Vec<_>>().join("\n") + "\n");
    folder.write("linear.toml", "kind = \"linear\"\noptimizer = [\"adagrad\", \"sgd\", \"ftrl\"]\nlr = [0.25, 1]\n");
    let always = ["search", "all.csv", "--no-cache", "--space", "linear.toml", "--model", "m", "--budget", "6"];
    folder.run(&[&always[..], &["--child-passes", "1", "--seed", "4", "--quiet"]].concat()).done();
    let trials = trials(&folder, LOG);
    assert_eq!(trials.len(), 6);
    for trial in trials {
        let (optimizer, lr) =
            (trial["architecture"]["optimizer"].as_str().unwrap(), trial["architecture"]["lr"].to_string());
        let train =
            ["train", "all.csv", "--no-cache", "--model", "n", "--overwrite", "--optimizer", optimizer, "--lr", &lr];
        let more = ["--seed", "4", "--holdout", "0.4", "--passes", "1", "--early-stop", "0", "--children", "1"];
        folder.run(&[&train[..], &more].concat()).done();
        let eval = folder.run(&["eval", "n", "compared.csv", "--json"]).done().summary();
        let [loss, accuracy] = ["logloss", "accuracy"].map(|name| eval["eval"][name].as_f64().unwrap());
        assert!((trial["loss"].as_f64().unwrap() / loss - 1.0).abs() < 1e-6, "{trial}: {loss}");
        assert!((trial["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{trial}: {accuracy}");
    }
}
