//! Controllers that propose and hear, with children that do nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tempfile::tempdir;

use super::*;
use crate::engine::plan::{ControllerPlan, Plan};
use crate::error::Result;
use crate::fault::{Faults, Point};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::hunt::hunt;
use crate::search::job::Search;
use crate::search::log::{TrialLog, Written};
use crate::search::show::Showing;
use crate::search::strategy::{Strategy, Update};
use crate::store::{Faulty, Store};
use crate::sys::pin::allowed_cpus;
use crate::train::alone::Arena;

/// What strategies heard of: the controller, the model, R, whether it was its own; and what they were told to recall.
#[derive(Default)]
struct Heard {
    learned: Mutex<Vec<(usize, Architecture, f32, bool)>>,
    recalled: Mutex<Vec<(usize, Architecture)>>,
}

/// Proposes all models in turn, whoever asks, and writes down what it hears.
struct Recorder<'r> {
    number: usize,
    all: &'r [Architecture],
    next: &'r AtomicUsize,
    heard: &'r Heard,
}

impl Strategy for Recorder<'_> {
    fn propose(&mut self, _: &Archive, _: &mut Random) -> Architecture {
        self.all[self.next.fetch_add(1, Relaxed) % self.all.len()].clone()
    }

    fn recall(&mut self, architecture: &Architecture) {
        self.heard.recalled.lock().unwrap().push((self.number, architecture.clone()));
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, mine: bool) -> Option<Update> {
        self.heard.learned.lock().unwrap().push((self.number, architecture.clone(), reward, mine));
        mine.then_some(Update { staleness: 0, baseline: 0.5, entropy: 1.0 })
    }
}

/// K controllers with m children each.
fn plan((controllers, children): (usize, usize)) -> Plan {
    let cpus = allowed_cpus();
    let controller = |k: usize| ControllerPlan {
        node: 0,
        cpus: cpus.clone(),
        children: (0..children).map(|child| cpus[(k * children + child) % cpus.len()]).collect(),
    };
    Plan { shards: 1, controllers: (0..controllers).map(controller).collect() }
}

/// What a child comes to; none where it leaves the trial off.
type Comes<'c> = &'c (dyn Fn(&Proposal) -> Option<Outcome> + Sync);

/// What is searched, and by whom.
struct Case<'c> {
    space: &'c Space,
    board: &'c Board,
    heard: &'c Heard,
    shape: (usize, usize),
    budget: usize,
    seeds: usize,
    rungs: Vec<u32>,
    finals: bool,
    time: Option<Duration>,
    comes: Comes<'c>,
    faults: Faults,
}

impl<'c> Case<'c> {
    fn new(space: &'c Space, board: &'c Board, heard: &'c Heard) -> Self {
        let comes: Comes<'_> = &|proposal| Some(outcome(f32::from(proposal.architecture.choices()[0]) / 256.0, 1.0));
        let (shape, rungs, faults) = ((1, 1), vec![2], Faults::none());
        Self { space, board, heard, shape, budget: 40, seeds: 1, rungs, finals: false, time: None, comes, faults }
    }

    /// Searches, the log being a file of this store.
    fn run_on(&self, store: &dyn Store, path: &Path) -> Result<u32> {
        let log = TrialLog::create(store, path, &serde_json::json!({ "event": "search" }))?;
        let all: Vec<Architecture> = self.space.all().collect();
        let (next, stop) = (AtomicUsize::new(0), StopRequest::never());
        let strategy = |number: usize| -> Box<dyn Strategy + '_> {
            Box::new(Recorder { number, all: &all, next: &next, heard: self.heard })
        };
        let child = |proposal: &Proposal, passes: u32, _: &mut Option<Arena>, _: &dyn Fn() -> bool| {
            assert_eq!(passes, self.rungs[proposal.rung]);
            (self.comes)(proposal)
        };
        let search = Search {
            space: self.space,
            child: &child,
            board: self.board,
            log: &log,
            strategy: &strategy,
            seed: 3,
            seeds: self.seeds,
            rungs: self.rungs.clone(),
            begins: if self.finals { self.rungs.len() - 1 } else { 0 },
            finals: self.finals,
            control: false,
            budget: self.budget,
            first: AtomicUsize::new(0),
            begun: Instant::now(),
            until: AtomicU64::new(u64::MAX),
            stop: &stop,
            failure: OnceLock::new(),
        };
        self.time.iter().for_each(|&time| search.set_until(time));
        assert_eq!(search.time_left().is_some(), self.time.is_some());
        let (progress, lines, words) = (Progress::new(ProgressMode::Quiet), RunLog::off(), |_: &_| String::new());
        let mut showing = Showing::new((&progress, &lines), &words, None, self.board);
        hunt(&plan(self.shape), &search, &self.faults, &mut showing, &mut || Ok(()))
    }

    /// The numbers of the trials in the log, in their order.
    fn run(&self) -> Vec<usize> {
        let folder = tempdir().unwrap();
        let path = folder.path().join("l.jsonl");
        self.run_on(&Disk, &path).unwrap();
        Written::read(&path).unwrap().unwrap().trials.iter().map(|trial| trial.trial).collect()
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

const SHAPES: [(usize, usize); 4] = [(1, 1), (1, 3), (2, 1), (2, 3)];

#[test]
fn a_strategy_hears_of_each_trial_once() {
    let space = space(200);
    for shape in SHAPES {
        let (board, heard) = (Board::new(), Heard::default());
        let logged = Case { shape, ..Case::new(&space, &board, &heard) }.run();
        assert_eq!(sorted(logged), (0..40).collect::<Vec<_>>(), "{shape:?}");
        let learned = heard.learned.lock().unwrap();
        for controller in 0..shape.0 {
            let of = |own: bool| -> Vec<Architecture> {
                let mine = learned.iter().filter(|(number, _, _, mine)| *number == controller && *mine == own);
                sorted(mine.map(|(_, architecture, ..)| architecture.clone()).collect())
            };
            let proposed = |own: bool| -> Vec<Architecture> {
                let by = board.done(0).filter(|(_, proposal, _)| (proposal.controller == controller) == own);
                sorted(by.map(|(_, proposal, _)| proposal.architecture.clone()).collect())
            };
            // Of its own all, of others what was done before it proposed for the last time.
            assert_eq!(of(true), proposed(true), "{shape:?}");
            let (others, all) = (of(false), proposed(false));
            assert!(others.iter().all(|other| all.contains(other)), "{shape:?}");
            assert!(others.windows(2).all(|pair| pair[0] != pair[1]), "{shape:?}: heard of twice");
        }
        for (number, _, outcome) in board.done(0) {
            let slot = board.slot(number);
            assert!(slot.heard.load(Relaxed) && slot.learned.load(Relaxed) && slot.told.load(Relaxed));
            assert_eq!(slot.update.get().unwrap().baseline, 0.5);
            assert!(outcome.child < shape.0 * shape.1);
        }
        assert!(heard.recalled.lock().unwrap().is_empty());
    }
}

#[test]
fn a_trial_has_a_seed_of_its_own_that_a_search_has_again() {
    let space = space(200);
    let seeds = |finals: bool| {
        let (board, heard) = (Board::new(), Heard::default());
        Case { finals, seeds: 4, ..Case::new(&space, &board, &heard) }.run();
        board.done(0).map(|(_, proposal, _)| proposal.seed).collect::<Vec<u64>>()
    };
    let first = seeds(false);
    assert_eq!(seeds(false), first);
    let mut different = sorted(first);
    different.dedup();
    assert_eq!(different.len(), 40);
}

#[test]
fn no_model_is_tried_more_often_than_it_may_be() {
    let space = space(12);
    for (shape, seeds) in SHAPES.into_iter().flat_map(|shape| [1, 2, 5].map(|seeds| (shape, seeds))) {
        let (board, heard) = (Board::new(), Heard::default());
        // Those in the hands of children are many, and slow.
        let comes: Comes<'_> = &|proposal| {
            std::thread::sleep(Duration::from_micros(u64::from(proposal.architecture.choices()[0]) * 30));
            Some(outcome(0.5, 1.0))
        };
        let case = Case { shape, seeds, comes, budget: 500, ..Case::new(&space, &board, &heard) };
        let logged = case.run();
        let times = |architecture: &Architecture| {
            board.done(0).filter(|(_, proposal, _)| proposal.architecture == *architecture).count()
        };
        // What two controllers propose at once neither knows of.
        let most = seeds + shape.0 - 1;
        assert!(space.all().all(|architecture| (seeds..=most).contains(&times(&architecture))), "{shape:?} {seeds}");
        assert_eq!(sorted(logged), (0..board.dealt()).collect::<Vec<_>>(), "{shape:?} {seeds}");
    }
}

#[test]
fn what_a_strategy_has_not_learned_in_another_life_it_recalls_and_learns() {
    let space = space(200);
    let all: Vec<Architecture> = space.all().collect();
    for shape in [(1, 1), (2, 1)] {
        let (board, heard) = (Board::new(), Heard::default());
        for number in 0..10 {
            let proposal = Proposal { controller: number % shape.0, ..proposal(all[100 + number].clone()) };
            put(&board, number, proposal, outcome(0.25, 1.0));
            board.slot(number).told.store(true, Relaxed);
        }
        // Of three Θ has heard, and of the others it has not.
        board.mark(|_| false);
        [0, 1, 4].iter().for_each(|&number| board.slot(number).heard.store(true, Relaxed));
        // A controller looks around when it has something to deal: there is enough for both.
        let comes: Comes<'_> = &|_| {
            std::thread::sleep(Duration::from_millis(2));
            Some(outcome(0.5, 1.0))
        };
        let logged = Case { shape, comes, budget: 60, ..Case::new(&space, &board, &heard) }.run();
        // The log has had them.
        assert_eq!(sorted(logged), (10..60).collect::<Vec<_>>(), "{shape:?}");
        let unknown: Vec<usize> = vec![2, 3, 5, 6, 7, 8, 9];
        let expected: Vec<_> = unknown.iter().map(|&number| (number % shape.0, all[100 + number].clone())).collect();
        assert_eq!(sorted(heard.recalled.lock().unwrap().clone()), sorted(expected.clone()), "{shape:?}");
        let learned = heard.learned.lock().unwrap();
        let again = learned.iter().filter(|(_, architecture, _, mine)| *mine && all[100..110].contains(architecture));
        let again = again.map(|(number, architecture, ..)| (*number, architecture.clone())).collect();
        assert_eq!(sorted(again), sorted(expected), "{shape:?}");
        assert!(unknown.iter().all(|&number| board.slot(number).learned.load(Relaxed)), "{shape:?}");
    }
}

#[test]
fn controllers_that_die_leave_no_trial_out_and_none_twice() {
    let space = space(200);
    for shape in SHAPES {
        for nth in 0..60 {
            let (board, heard) = (Board::new(), Heard::default());
            let faults = Faults::none().at(Point::Controller, nth, 1 + nth % 2);
            let logged = Case { shape, faults, budget: 20, ..Case::new(&space, &board, &heard) }.run();
            assert_eq!(sorted(logged), (0..20).collect::<Vec<_>>(), "{shape:?} {nth}");
            assert!((0..20).all(|number| board.slot(number).learned.load(Relaxed)), "{shape:?} {nth}");
            // Each is somebody's own once.
            let learned = heard.learned.lock().unwrap();
            let own = learned.iter().filter(|(.., mine)| *mine).map(|(_, architecture, ..)| architecture.clone());
            let own = sorted(own.collect::<Vec<_>>());
            assert!(own.len() == 20 && own.windows(2).all(|pair| pair[0] != pair[1]), "{shape:?} {nth}");
        }
    }
}

#[test]
fn a_log_that_cannot_be_written_ends_the_search_and_nothing_more_is_learned_for_good() {
    let space = space(200);
    for shape in SHAPES {
        let (board, heard, folder, attic) = (Board::new(), Heard::default(), tempdir().unwrap(), tempdir().unwrap());
        let (store, path) = (Faulty::new(attic.path()), folder.path().join("l.jsonl"));
        // The head is created, written, and synced.
        store.fail_from(3 + 8, Errno::NOSPC);
        let error =
            Case { shape, budget: 1000, ..Case::new(&space, &board, &heard) }.run_on(&store, &path).unwrap_err();
        assert!(error.to_string().contains("l.jsonl: cannot write the log of the search: no space left"), "{error}");
        let trials = Written::read(&path).unwrap().unwrap().trials;
        assert!((1..20).contains(&trials.len()) && board.dealt() < 100, "{shape:?}: {}", trials.len());
        for (number, ..) in board.done(0) {
            let logged = trials.iter().any(|trial| trial.trial == number);
            assert!(logged || !board.slot(number).learned.load(Relaxed), "{shape:?}: {number}");
        }
    }
}

#[test]
fn trials_that_are_left_off_are_none() {
    let space = space(200);
    for shape in SHAPES {
        let (board, heard) = (Board::new(), Heard::default());
        let comes: Comes<'_> = &|proposal| (proposal.architecture.choices()[0] % 3 > 0).then(|| outcome(0.5, 1.0));
        let logged = Case { shape, comes, budget: 30, ..Case::new(&space, &board, &heard) }.run();
        assert_eq!(sorted(logged.clone()), board.done(0).map(|(number, ..)| number).collect::<Vec<_>>(), "{shape:?}");
        assert!(logged.len() == 20 && board.dealt() == 30, "{shape:?}: {}", logged.len());
        // Without time there are none at all.
        let (board, heard) = (Board::new(), Heard::default());
        let logged = Case { shape, time: Some(Duration::ZERO), ..Case::new(&space, &board, &heard) }.run();
        assert!(logged.is_empty() && board.dealt() == 0, "{shape:?}");
    }
}

#[test]
fn a_search_ends_where_the_time_does() {
    let space = space(250);
    for shape in SHAPES {
        let (board, heard) = (Board::new(), Heard::default());
        let comes: Comes<'_> = &|_| {
            std::thread::sleep(Duration::from_millis(5));
            Some(outcome(0.5, 1.0))
        };
        let begun = Instant::now();
        let time = Some(Duration::from_millis(60));
        let logged = Case { shape, comes, time, budget: 250, ..Case::new(&space, &board, &heard) }.run();
        assert!(begun.elapsed() >= Duration::from_millis(60) && logged.len() < 250, "{shape:?}: {}", logged.len());
    }
}

#[test]
fn finals_hear_of_finals_alone_and_a_search_of_none() {
    let space = space(200);
    let all: Vec<Architecture> = space.all().collect();
    let (board, heard) = (Board::new(), Heard::default());
    for number in 0..8 {
        let proposal =
            Proposal { rung: usize::from(number < 4), finals: number >= 6, ..proposal(all[100 + number].clone()) };
        put(&board, number, proposal, outcome(0.25, 1.0));
    }
    board.mark(|_| true);
    let heard_of = |heard: &Heard| -> Vec<usize> {
        let learned = heard.learned.lock().unwrap();
        let number = |architecture: &Architecture| all.iter().position(|other| other == architecture).unwrap();
        sorted(learned.iter().map(|(_, architecture, ..)| number(architecture)).filter(|&nth| nth >= 100).collect())
    };
    // What was promoted and what was of the finals says nothing of how good models are on the first rung.
    let _ = Case { rungs: vec![1, 3], budget: 9, ..Case::new(&space, &board, &heard) }.run();
    assert_eq!(heard_of(&heard), [104, 105]);
    let heard = Heard::default();
    let begun = board.dealt();
    let logged =
        Case { rungs: vec![1, 3], finals: true, seeds: 2, budget: begun + 3, ..Case::new(&space, &board, &heard) }
            .run();
    assert_eq!(logged.len(), 3);
    for (number, proposal, _) in board.done(begun) {
        assert!(proposal.finals && proposal.rung == 1, "{number}");
    }
    assert!(heard_of(&heard).iter().all(|nth| [106, 107].contains(nth)));
}
