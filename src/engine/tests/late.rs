//! Jobs that decide late what a task is, and hear of what came of it.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::*;
use crate::fault::Point;

/// A job whose controllers decide what to deal and write down what they hear.
struct Deciding<'a> {
    /// How many tasks there are to deal.
    most: usize,
    /// By task: how often it was decided on, and how often it was heard of.
    decided: Ledger,
    heard: Ledger,
    worked: Ledger,
    /// How many tasks are in the hands of children, or in their boxes.
    in_hand: AtomicUsize,
    dealt: AtomicUsize,
    /// How many states of controllers were made, and how many dropped.
    made: AtomicU32,
    dropped: AtomicU32,
    /// Done before a task is decided on and before it is heard of.
    before: Box<dyn Fn(bool, u32) + Sync + 'a>,
    work: Box<dyn Fn(u32) + Sync + 'a>,
}

impl Deciding<'_> {
    fn new(tasks: u32, most: usize) -> Self {
        let ledger = || Ledger::new(tasks);
        Self {
            most,
            decided: ledger(),
            heard: ledger(),
            worked: ledger(),
            in_hand: AtomicUsize::new(0),
            dealt: AtomicUsize::new(0),
            made: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            before: Box::new(|_, _| ()),
            work: Box::new(|_| ()),
        }
    }

    fn run(&self, shape: (usize, usize), faults: &Faults, deal: Deal) -> Outcome {
        let n = self.decided.0.len() as u32;
        run(&plan(shape.0, shape.1), &self, faults, |engine: &Engine<'_, u32>| {
            engine.phase(tasks(n), deal, NEVER, |_| ())
        })
        .unwrap()
    }
}

/// What a controller keeps: its number, which tasks it has decided on.
struct Notes<'d> {
    number: usize,
    mine: Vec<u32>,
    dropped: &'d AtomicU32,
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, SeqCst);
    }
}

impl<'a> Job for &'a Deciding<'_> {
    type Task = u32;
    type Child = ();
    type Controller = Notes<'a>;

    fn controller(&self, number: usize) -> Notes<'a> {
        self.made.fetch_add(1, SeqCst);
        Notes { number, mine: Vec::new(), dropped: &self.dropped }
    }

    fn deal(&self, notes: &mut Notes<'a>, number: u32, task: &u32) -> bool {
        assert_eq!(number, *task);
        (self.before)(true, number);
        if self.dealt.fetch_add(1, SeqCst) >= self.most {
            return false;
        }
        self.decided.0[number as usize].fetch_add(1, SeqCst);
        notes.mine.push(number);
        true
    }

    fn hear(&self, notes: &mut Notes<'a>, number: u32, task: &u32, given: &Answer) {
        assert_eq!((number, *given), (*task, answer(number)));
        (self.before)(false, number);
        // Nobody hears of what another has dealt.
        assert!(self.dropped.load(SeqCst) > 0 || notes.mine.contains(&number), "controller {}", notes.number);
        self.heard.0[number as usize].fetch_add(1, SeqCst);
    }

    fn child(&self, _: Seat) -> Result<()> {
        Ok(())
    }

    fn work(&self, (): &mut (), work: &Work<'_, u32>) -> Result<Answer> {
        assert!(self.decided.counts()[work.number as usize] > 0, "a child sees a task before it is decided on");
        self.in_hand.fetch_add(1, SeqCst);
        (self.work)(work.number);
        self.in_hand.fetch_sub(1, SeqCst);
        self.worked.finish(work.number)
    }
}

const SHAPES: [(usize, usize); 5] = [(1, 1), (1, 2), (1, 5), (2, 1), (3, 2)];

#[test]
fn every_task_is_decided_on_worked_on_and_heard_of_once() {
    watched(|| {
        for (shape, deal) in SHAPES.into_iter().flat_map(|shape| [Deal::Free, Deal::Late].map(|deal| (shape, deal))) {
            for n in [0, 1, 3, 50, 400] {
                let job = Deciding::new(n, usize::MAX);
                let outcome = job.run(shape, &Faults::none(), deal);
                let story = format!("{shape:?} {deal:?} {n}");
                job.worked.assert_all_once(&outcome, &story);
                assert_eq!(
                    (job.decided.counts(), job.heard.counts()),
                    (vec![1; n as usize], vec![1; n as usize]),
                    "{story}"
                );
                assert_eq!(job.made.load(SeqCst), job.dropped.load(SeqCst), "{story}");
                assert!(job.made.load(SeqCst) as usize <= shape.0, "{story}");
            }
        }
    });
}

/// No child has a task that waits while another is worked on: what it is to be is not known before there is somebody to do it.
#[test]
fn late_tasks_are_decided_on_when_a_child_has_none() {
    watched(|| {
        for shape in [(1, 1), (1, 3), (2, 2)] {
            let children = shape.0 * shape.1;
            let (waiting, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut job = Deciding::new(200, usize::MAX);
            job.before = Box::new(|is_dealt, _| {
                if is_dealt {
                    most.fetch_max(waiting.fetch_add(1, SeqCst) + 1, SeqCst);
                } else {
                    waiting.fetch_sub(1, SeqCst);
                }
            });
            job.run(shape, &Faults::none(), Deal::Late);
            assert!(most.load(SeqCst) <= children, "{shape:?}: {most:?} tasks at once");
        }
    });
}

#[test]
fn where_there_is_nothing_more_to_deal_what_was_dealt_is_done_and_heard_of() {
    watched(|| {
        for (shape, deal) in SHAPES.into_iter().flat_map(|shape| [Deal::Free, Deal::Late].map(|deal| (shape, deal))) {
            for most in [0, 1, 2, 7, 99] {
                for _ in 0..10 {
                    let job = Deciding::new(100, most);
                    let outcome = job.run(shape, &Faults::none(), deal);
                    let story = format!("{shape:?} {deal:?} {most}");
                    let done: Vec<u32> = outcome.answers.iter().map(|answer| u32::from(answer.is_some())).collect();
                    assert_eq!(done.iter().sum::<u32>() as usize, most, "{story}");
                    assert_eq!((job.decided.counts(), job.heard.counts()), (done.clone(), done.clone()), "{story}");
                    assert_eq!(job.worked.counts(), done, "{story}");
                }
            }
        }
    });
}

#[test]
fn the_state_of_a_controller_that_dies_is_dropped_and_no_task_is_lost() {
    watched(|| {
        for (shape, deal) in SHAPES.into_iter().flat_map(|shape| [Deal::Free, Deal::Late].map(|deal| (shape, deal))) {
            for nth in 0..40 {
                let job = Deciding::new(30, usize::MAX);
                let faults = Faults::none().at(Point::Controller, nth, 1);
                let outcome = job.run(shape, &faults, deal);
                let story = format!("{shape:?} {deal:?} {nth}");
                // What was in hand may have been decided on, and be decided on again.
                job.worked.assert_all_once(&outcome, &story);
                assert!(job.decided.counts().iter().all(|&times| (1..=2).contains(&times)), "{story}");
                // One who died with a reward in hand hears of it later; nobody hears twice.
                assert_eq!(job.heard.counts(), vec![1; 30], "{story}");
                assert_eq!(job.made.load(SeqCst), job.dropped.load(SeqCst), "{story}");
            }
        }
    });
}

#[test]
fn a_job_that_panics_while_it_decides_or_hears_begins_again_with_a_new_state() {
    watched(|| {
        for (shape, deals) in SHAPES.into_iter().flat_map(|shape| [true, false].map(|deals| (shape, deals))) {
            for nth in [0, 1, 13] {
                let (passed, struck) = (AtomicU32::new(0), AtomicBool::new(false));
                let mut job = Deciding::new(30, usize::MAX);
                job.before = Box::new(|is_dealt, _| {
                    if is_dealt == deals && passed.fetch_add(1, SeqCst) == nth && !struck.swap(true, SeqCst) {
                        resume_unwind(Box::new("a bad day"));
                    }
                });
                let outcome = job.run(shape, &Faults::none(), Deal::Late);
                let story = format!("{shape:?}, while it decides: {deals}, {nth}");
                job.worked.assert_all_once(&outcome, &story);
                assert!(struck.load(SeqCst), "{story}");
                assert_eq!(job.made.load(SeqCst), job.dropped.load(SeqCst), "{story}");
                // What it was about to hear when it died is not told again: the job has to look for it.
                let missed = job.heard.counts().iter().filter(|&&times| times == 0).count();
                assert_eq!(missed, usize::from(!deals), "{story}");
                assert!(job.heard.counts().iter().all(|&times| times <= 1), "{story}");
            }
        }
    });
}

#[test]
fn a_controller_that_dies_each_time_it_decides_ends_the_phase() {
    watched(|| {
        for shape in SHAPES {
            let mut job = Deciding::new(30, usize::MAX);
            job.before = Box::new(|is_dealt, number| {
                if is_dealt && number == 5 {
                    resume_unwind(Box::new("never"));
                }
            });
            let error = run(&plan(shape.0, shape.1), &&job, &Faults::none(), |engine: &Engine<'_, u32>| {
                phase(engine, tasks(30), Deal::Late)
            });
            let error = error.unwrap_err().to_string();
            assert!(error.contains("a controller died 3 times: never"), "{shape:?}: {error}");
            assert_eq!(job.in_hand.load(SeqCst), 0);
        }
    });
}
