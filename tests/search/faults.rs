//! Faults in the middle of a search: children and controllers that die, trials that diverge or need too much, disks that fill.

use super::{assert_each_once, folder, of_budget, times, trials};
use crate::common::{Folder, svm};
use hogback::checkpoint::Existing;
use hogback::data::{CachePolicy, Input, ReadOptions};
use hogback::engine::plan;
use hogback::engine::topology::Topology;
use hogback::error::{Error, Result};
use hogback::fault::{Faults, Point};
use hogback::report::log::RunLog;
use hogback::report::progress::{Progress, ProgressMode};
use hogback::search::{Request, Strategies, Summary, search};
use hogback::store::{Faulty, Store};
use hogback::sys::pin::allowed_cpus;
use hogback::sys::signal::StopRequest;
use hogback::train::{self, Ears, Settings};
use hogback_kernels::Backend;
use rustix::io::Errno;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const LOG: &str = "m.trials.jsonl";

/// 150 linear models, of which each is learned in no time.
const LINEAR: &str = r#"
kind = "linear"
optimizer = ["adagrad", "sgd", "ftrl"]
lr = { log = [0.01, 2], steps = 10 }
l2 = [0, 1e-6, 1e-5, 1e-4, 1e-3]
"#;

/// A search of so many trials on 200 rows for a model `m` in this folder, one pass each.
fn request(folder: &Folder, budget: usize, (controllers, children): (usize, usize)) -> Request {
    folder.write("linear.toml", LINEAR);
    folder.write("good.svm", svm(200));
    let machine = plan::Request {
        controllers: Some(controllers),
        children: Some(children),
        nodes: (controllers > 1).then_some(controllers),
        ..plan::Request::default()
    };
    let read = ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() };
    let train = train::Request {
        model: folder.path("m"),
        existing: Existing::Replace,
        read,
        machine,
        settings: Settings::default(),
        ..train::Request::new(vec![Input::Path(folder.path("good.svm"))], Backend::best())
    };
    Request {
        train,
        space: Some(folder.path("linear.toml")),
        strategy: Strategies::Random,
        policy: None,
        budget: Some(budget),
        time: None,
        halving: false,
        child_passes: Some(1),
        child_time: None,
        power: 3.0,
        seeds: 1,
        control: false,
        log: None,
        resume: false,
    }
}

/// Puts faults into a request.
fn with(faults: Faults, mut request: Request) -> Request {
    request.train.faults = faults;
    request
}

/// Searches on a disk that waits for nothing.
fn run(request: &Request) -> Result<Summary> {
    let attic = tempdir().unwrap();
    run_on(&Faulty::new(attic.path()), request)
}

fn run_on(store: &dyn Store, request: &Request) -> Result<Summary> {
    let topology = Topology::read(Path::new("/"), &allowed_cpus())?;
    let (progress, stop) = (Progress::new(ProgressMode::Quiet), StopRequest::never());
    search(request, &topology, store, Ears { progress: &progress, log: &RunLog::off(), stop: &stop })
}

#[test]
fn children_that_panic_and_trials_that_diverge_have_failed_and_the_search_goes_on() {
    let cases =
        [(Point::BeforeUpdate, "panicked: injected fault: BeforeUpdate"), (Point::Gradient, "an injected fault")];
    for (point, cause) in cases {
        for (nth, times) in [(0, 1), (3, 1), (5, 8), (0, 19)] {
            let folder = folder();
            // Children that pass a point of many faults at once may miss one.
            let faults = Faults::none().at(point, nth, times);
            let summary = run(&with(faults, request(&folder, 30, (1, if times > 1 { 1 } else { 2 })))).unwrap();
            let trials = trials(&folder, LOG);
            assert_each_once(&trials);
            let failed: Vec<_> = trials.iter().filter(|trial| !trial["failed"].is_null()).collect();
            let story = format!("{point:?} {nth} {times}");
            assert_eq!((failed.len() as i64, summary.found.failed as i64), (times, times), "{story}");
            assert_eq!((trials.len(), summary.found.trials), (30, 30), "{story}");
            assert!(
                failed.iter().all(|trial| trial["failed"] == cause && trial["reward"] == 0.0),
                "{story}: {failed:?}"
            );
            // One that has failed is not found.
            let best = serde_json::Value::from(summary.found.best.clone());
            assert!(failed.iter().all(|trial| trial["architecture"] != best), "{story}");
            assert!(summary.found.reward > 0.0, "{story}");
        }
    }
}

#[test]
fn a_model_that_needs_too_much_memory_has_failed_and_the_search_goes_on() {
    let folder = folder();
    folder.write("large.toml", "kind = \"mlp\"\nhidden = [\"4\", \"8\", \"2000000,2000000\"]\nlr-factor = [1, 2]\n");
    let flags = [
        "search",
        "@digits",
        "--space",
        "large.toml",
        "--model",
        "m",
        "--child-passes",
        "1",
        "--json",
        "--budget",
        "50",
    ];
    let summary = folder.run(&flags).done().summary();
    assert_eq!((&summary["trials"], &summary["failed"]), (&6.into(), &2.into()));
    for trial in trials(&folder, LOG) {
        let said = trial["failed"].as_str();
        assert_eq!(said.is_some(), trial["architecture"]["hidden"] == "2000000,2000000", "{trial}");
        assert!(said.is_none_or(|said| said.contains(" TiB for 61 features")), "{trial}");
    }
}

#[test]
fn where_all_fail_the_search_ends_with_the_first_cause() {
    for budget in [3, 100_000] {
        let folder = folder();
        let faults = Faults::none().at(Point::Gradient, 0, 1).at(Point::BeforeUpdate, 1, i64::MAX);
        let error = run(&with(faults, request(&folder, budget, (1, 1)))).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        let said = error.to_string();
        assert!(said.contains("every model that was tried has failed, the first because "), "{said}");
        assert!(said.ends_with("an injected fault"), "{said}");
        assert!(!folder.has("m"));
        let trials = trials(&folder, LOG);
        assert!(trials.iter().all(|trial| !trial["failed"].is_null()));
        // It is given up before long.
        assert!(trials.len() >= budget.min(20) && trials.len() < 100_000, "{}", trials.len());
    }
    let folder = folder();
    folder.write("large.toml", "kind = \"mlp\"\nhidden = [\"3000000,3000000\", \"2000000,2000000\"]\n");
    let flags = ["search", "@digits", "--space", "large.toml", "--model", "m", "--quiet"];
    folder.run(&flags).failed_with(1, &["every model that was tried has failed, the first because "]);
}

#[test]
fn a_controller_that_dies_loses_no_trial() {
    for strategy in [Strategies::Random, Strategies::Evolution, Strategies::Reinforce] {
        for shape in [(1, 2), (2, 1)] {
            // A look at the rewards, a reward in hand, a task in hand: all are passed on the way of every trial.
            for (nth, deaths) in [(0, 1), (1, 1), (2, 2), (7, 1), (20, 2), (41, 1), (60, 1)] {
                let folder = folder();
                let faults = Faults::none().at(Point::Controller, nth, deaths);
                let request = Request { strategy, ..request(&folder, 24, shape) };
                let summary = run(&with(faults, request)).unwrap();
                let trials = trials(&folder, LOG);
                let story = format!("{strategy:?}, K and m {shape:?}, {nth} {deaths}");
                // Two may propose the same at once.
                let most = times(&of_budget(&trials)).values().max().copied();
                assert!(most <= Some(shape.0), "{story}: {most:?}");
                assert_eq!((trials.len(), summary.found.trials), (24, 24), "{story}");
                let mut numbers: Vec<_> = trials.iter().map(|trial| trial["trial"].as_u64().unwrap()).collect();
                numbers.sort_unstable();
                assert_eq!(numbers, (0..24).collect::<Vec<_>>(), "{story}");
                if strategy == Strategies::Reinforce {
                    let position = hogback::checkpoint::load(&folder.path("m.policy")).unwrap().manifest.position;
                    assert_eq!((&position["below"], &position["but"]), (&24.into(), &serde_json::json!([])), "{story}");
                }
            }
        }
    }
}

#[test]
fn controllers_that_die_for_good_leave_a_log_to_go_on_with() {
    let folder = folder();
    let faults = Faults::none().at(Point::Controller, 30, i64::MAX);
    let error = run(&with(faults, request(&folder, 24, (1, 2)))).unwrap_err();
    assert!(matches!(error, Error::Engine(_)) && error.to_string().contains("a controller died 3 times"), "{error}");
    let logged = folder.read(LOG);
    assert!(!trials(&folder, LOG).is_empty() && !folder.has("m"));
    run(&Request { resume: true, ..request(&folder, 24, (1, 2)) }).unwrap();
    assert!(folder.read(LOG).starts_with(&logged));
    let trials = trials(&folder, LOG);
    assert_each_once(&trials);
    assert_eq!(trials.len(), 24);
}

#[test]
fn a_disk_that_gets_full_at_any_write_leaves_a_log_to_go_on_with() {
    let strategies = [Strategies::Random, Strategies::Reinforce];
    for (strategy, lasting) in [(0, false), (0, true), (1, true)] {
        let strategy = strategies[strategy];
        for at in 1.. {
            let (folder, attic) = (folder(), tempdir().unwrap());
            let store = Faulty::new(attic.path());
            if lasting {
                store.fail_from(at, Errno::NOSPC);
            } else {
                store.fail_once(at, Errno::NOSPC);
            }
            let new = Request { strategy, ..request(&folder, 6, (1, 2)) };
            let ended = run_on(&store, &new);
            let story = format!("{strategy:?}, operation {at}, lasting: {lasting}: {:?}", ended.as_ref().err());
            let has_log = folder.has(LOG);
            let before = if has_log { folder.read(LOG) } else { Vec::new() };
            match &ended {
                Ok(_) if store.operations() < at => {
                    assert_eq!(trials(&folder, LOG).len(), 6, "{story}");
                    break;
                }
                // What is tidied up may fail; all else must not go unheard.
                Ok(_) => {}
                Err(error) => {
                    assert!(error.to_string().contains("no space left"), "{story}");
                    assert_eq!(error.exit_code(), 1, "{story}");
                }
            }
            // Whole lines, but for the last.
            let kept = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            for line in before[..kept].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                serde_json::from_slice::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{story}: {error}"));
            }
            let again = Request { strategy, resume: has_log, ..request(&folder, 6, (1, 2)) };
            run(&again).unwrap_or_else(|error| panic!("{story}: {error}"));
            let after = folder.read(LOG);
            assert!(after.starts_with(&before[..kept]), "{story}");
            let trials = trials(&folder, LOG);
            assert_each_once(&trials);
            assert_eq!(of_budget(&trials).len(), 6, "{story}");
            fs::metadata(folder.path("m/manifest.json")).unwrap();
        }
    }
}
