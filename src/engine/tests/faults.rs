//! The engine when children, controllers, the job or the supervisor fail: nothing is lost, nothing is done twice, nobody waits
//! for ever.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::fault::Point;

const CHILD_POINTS: [Point; 4] = [Point::BeforeUpdate, Point::InsideUpdate, Point::AfterUpdate, Point::WhileMerging];

/// Unwinds without a word on stderr.
fn quiet_panic(said: &'static str) -> ! {
    resume_unwind(Box::new(said))
}

/// Passes all the points of a child at work.
fn pass_all(faults: &Faults) {
    CHILD_POINTS.iter().for_each(|&point| faults.pass(point));
}

#[test]
fn a_jobs_error_ends_the_phase_and_the_engine_goes_on() {
    watched(|| {
        for (shape, deal) in
            [((1, 1), Deal::Free), ((1, 4), Deal::OneEach), ((2, 2), Deal::Free), ((2, 2), Deal::OneEach)]
        {
            let children = (shape.0 * shape.1) as u32;
            let job = Toy::new(|_, work: &Work<'_, u32>| match *work.task {
                99 => Err(Error::Usage("no such thing".into())),
                task => Ok(answer(task)),
            });
            engine(shape, &job, &Faults::none(), |e| {
                for bad in (0..children).cycle().take(100) {
                    let mut list = tasks(children);
                    list[bad as usize] = 99;
                    let error = phase(e, list, deal).unwrap_err();
                    assert!(matches!(&error, Error::Usage(said) if said == "no such thing"), "{error}");
                    assert!(phase(e, tasks(children), deal)?.answers.iter().all(Option::is_some));
                }
                Ok(())
            })
            .unwrap();
        }
    });
}

#[test]
fn of_several_errors_one_is_returned() {
    watched(|| {
        let job = Toy::<u32>::new(|_, work| Err(Error::Engine(format!("task {}", work.number))));
        for _ in 0..100 {
            let error = engine((2, 2), &job, &Faults::none(), |e| phase(e, tasks(20), Deal::Free)).unwrap_err();
            assert!(error.to_string().starts_with("task "), "{error}");
        }
    });
}

#[test]
fn a_task_whose_child_panics_is_dealt_again_with_a_new_state() {
    watched(|| {
        for (shape, deal, n) in
            [((1, 1), Deal::Free, 40), ((1, 2), Deal::Free, 40), ((2, 2), Deal::Free, 40), ((2, 2), Deal::OneEach, 4)]
        {
            for point in CHILD_POINTS {
                for (nth, times) in [(0, 1), (0, 2), (2, 1), (3, 1)] {
                    let case = format!("{shape:?} {deal:?} {point:?} {nth} {times}");
                    let faults = Faults::none().at(point, nth, times);
                    let ledger = Ledger::new(n);
                    // Children that are at work, and those that were when they panicked.
                    let busy: Vec<AtomicBool> = (0..shape.0 * shape.1).map(|_| AtomicBool::new(false)).collect();
                    let mut job = Toy::new(|state, work: &Work<'_, u32>| {
                        if busy[state.seat.child].swap(true, SeqCst) {
                            return Err(Error::Engine("the state of a child that panicked is used".into()));
                        }
                        pass_all(&faults);
                        busy[state.seat.child].store(false, SeqCst);
                        ledger.finish(work.number)
                    });
                    job.child = Box::new(|seat| {
                        busy[seat.child].store(false, SeqCst);
                        Ok(())
                    });
                    let outcome = engine(shape, &job, &faults, |e| phase(e, tasks(n), deal)).expect(&case);
                    ledger.assert_all_once(&outcome, &case);
                    assert_eq!(i64::from(outcome.failed), times, "{case}");
                    assert_eq!(outcome.said, format!("injected fault: {point:?}"), "{case}");
                }
            }
        }
    });
}

#[test]
fn panics_all_over_a_phase_lose_no_task() {
    watched(|| {
        for shape in [(1, 1), (1, 4), (3, 2)] {
            let ledger = Ledger::new(300);
            let tries = Ledger::new(300);
            // Every third task fails at its first try, every sixth at its second too.
            let job = Toy::new(|_, work: &Work<'_, u32>| {
                let task = work.number;
                let tried = tries.0[task as usize].fetch_add(1, SeqCst);
                if task.is_multiple_of(3) && tried == 0 || task.is_multiple_of(6) && tried == 1 {
                    quiet_panic("again");
                }
                ledger.finish(task)
            });
            let outcome = engine(shape, &job, &Faults::none(), |e| phase(e, tasks(300), Deal::Free)).unwrap();
            ledger.assert_all_once(&outcome, &format!("{shape:?}"));
            assert_eq!((outcome.failed, outcome.said.as_str()), (150, "again"));
        }
    });
}

#[test]
fn a_task_that_always_panics_ends_the_phase_after_three_tries() {
    watched(|| {
        for (shape, deal, n) in [((1, 1), Deal::Free, 20), ((2, 2), Deal::Free, 20), ((2, 2), Deal::OneEach, 4)] {
            let tries = AtomicU32::new(0);
            let job = Toy::new(|_, work: &Work<'_, u32>| {
                if *work.task == 99 {
                    tries.fetch_add(1, SeqCst);
                    quiet_panic("a row too many");
                }
                Ok(answer(work.number))
            });
            engine(shape, &job, &Faults::none(), |e| {
                let mut list = tasks(n);
                list[2] = 99;
                let error = phase(e, list, deal).unwrap_err();
                assert_eq!(error.to_string(), "a task has failed 3 times; the last time: a row too many");
                assert_eq!(tries.load(SeqCst), 3);
                assert!(phase(e, tasks(n), deal)?.answers.iter().all(Option::is_some));
                Ok(())
            })
            .unwrap();
        }
    });
}

#[test]
fn a_child_that_cannot_be_made_ends_the_phase() {
    watched(|| {
        let mut job = Toy::<u32>::new(|_, work| Ok(answer(work.number)));
        job.child = Box::new(|_| Err(Error::Usage("no memory for a view".into())));
        for shape in [(1, 1), (2, 2)] {
            let error = engine(shape, &job, &Faults::none(), |e| phase(e, tasks(9), Deal::Free)).unwrap_err();
            assert_eq!(error.to_string(), "no memory for a view");
        }
        job.child = Box::new(|_| quiet_panic("made of glass"));
        let error = engine((2, 2), &job, &Faults::none(), |e| phase(e, tasks(9), Deal::Free)).unwrap_err();
        assert!(error.to_string().ends_with("3 times; the last time: made of glass"), "{error}");
    });
}

#[test]
fn a_child_that_can_be_made_at_the_second_try_works() {
    watched(|| {
        let ledger = Ledger::new(30);
        let made = AtomicU32::new(0);
        let mut job = Toy::new(|_, work: &Work<'_, u32>| ledger.finish(work.number));
        job.child = Box::new(|_| match made.fetch_add(1, SeqCst) {
            0 | 1 => quiet_panic("not yet"),
            _ => Ok(()),
        });
        let outcome = engine((1, 2), &job, &Faults::none(), |e| phase(e, tasks(30), Deal::Free)).unwrap();
        ledger.assert_all_once(&outcome, "");
        assert_eq!(outcome.failed, 2);
    });
}

/// A state that panics when it goes.
struct Fragile<'a>(&'a AtomicU32);

impl Drop for Fragile<'_> {
    fn drop(&mut self) {
        if self.0.fetch_add(1, SeqCst) == 0 {
            quiet_panic("dropped");
        }
    }
}

struct FragileJob(AtomicU32);

// A `Toy`'s state cannot borrow, and cannot panic when it is dropped.
impl<'a> Job for &'a FragileJob {
    type Task = u32;
    type Child = Fragile<'a>;
    type Controller = ();

    fn controller(&self, _: usize) {}

    fn child(&self, _: Seat) -> Result<Fragile<'a>> {
        Ok(Fragile(&self.0))
    }

    fn work(&self, _: &mut Fragile<'a>, work: &Work<'_, u32>) -> Result<Answer> {
        if self.0.load(SeqCst) == 0 {
            quiet_panic("working");
        }
        Ok(answer(work.number))
    }
}

#[test]
fn a_child_outlives_a_state_that_panics_when_it_is_dropped() {
    watched(|| {
        let job = FragileJob(AtomicU32::new(0));
        let outcome = run(&plan(1, 1), &&job, &Faults::none(), |e| phase(e, tasks(5), Deal::Free)).unwrap();
        assert_eq!((outcome.failed, outcome.said.as_str()), (1, "working"));
        assert!(outcome.answers.iter().all(Option::is_some));
    });
}

#[test]
fn a_controller_that_dies_at_any_moment_loses_no_task_and_does_none_twice() {
    watched(|| {
        for shape in [(1, 2), (2, 2)] {
            // A hundred tasks pass the point at least twice each: as they are dealt and as they are booked.
            for (nth, times) in (0..200).flat_map(|nth| [(nth, 1), (nth, 2)]) {
                let case = format!("{shape:?}, {times} deaths from passage {nth} on");
                let faults = Faults::none().at(Point::Controller, nth, times);
                let ledger = Ledger::new(100);
                let job = Toy::new(|_, work: &Work<'_, u32>| ledger.finish(work.number));
                let outcome = engine(shape, &job, &faults, |e| phase(e, tasks(100), Deal::Free)).expect(&case);
                ledger.assert_all_once(&outcome, &case);
                assert_eq!(outcome.failed, 0, "{case}");
            }
        }
    });
}

/// Task i, in round r, waits until all others are in round r: none may be held up by a controller that recovers.
#[test]
fn children_that_wait_for_each_other_outlive_their_controllers_and_panics() {
    const ROUNDS: u32 = 8;
    watched(|| {
        for shape in [(1, 2), (2, 2), (2, 1)] {
            for nth in 0..60 {
                let children = shape.0 * shape.1;
                let faults = Faults::none().at(Point::Controller, nth % 12, 2).at(Point::InsideUpdate, nth, 1);
                // The round each child is in; it outlives the child's state.
                let round = Ledger::new(children as u32);
                let job = Toy::new(|state, work: &Work<'_, u32>| {
                    let mine = &round.0[state.seat.child];
                    while mine.load(SeqCst) < ROUNDS {
                        faults.pass(Point::InsideUpdate);
                        let now = mine.fetch_add(1, SeqCst) + 1;
                        while round.counts().iter().any(|&other| other < now) {
                            if work.stop.load(SeqCst) {
                                return Err(Error::Engine("stopped".into()));
                            }
                            thread::yield_now();
                        }
                    }
                    Ok(answer(work.number))
                });
                let outcome =
                    engine(shape, &job, &faults, |e| phase(e, tasks(children as u32), Deal::OneEach)).unwrap();
                assert_eq!(round.counts(), vec![ROUNDS; children]);
                assert!(outcome.answers.iter().all(Option::is_some));
            }
        }
    });
}

#[test]
fn a_controller_that_dies_three_times_ends_the_run() {
    watched(|| {
        for (nth, times) in (0..60).flat_map(|nth| [(nth, 3), (nth, i64::MAX)]) {
            let faults = Faults::none().at(Point::Controller, nth, times);
            let job = Toy::<u32>::new(|_, work| Ok(answer(work.number)));
            let error = engine((1, 2), &job, &faults, |e| {
                let error = phase(e, tasks(40), Deal::Free).unwrap_err();
                // With its faults spent, the engine has kept nothing of the phase that failed.
                if times == 3 {
                    let outcome = phase(e, tasks(13), Deal::Free)?;
                    assert_eq!(outcome.answers, (0..13).map(|task| Some(answer(task))).collect::<Vec<_>>());
                }
                Err::<(), _>(error)
            })
            .unwrap_err();
            assert_eq!(error.to_string(), "a controller died 3 times: injected fault: Controller");
        }
    });
}

#[test]
fn a_panic_of_the_supervisor_stops_the_phase_and_closes_the_engine() {
    watched(|| {
        for shape in [(1, 1), (2, 3)] {
            for _ in 0..50 {
                let children = shape.0 * shape.1;
                let begun = AtomicU32::new(0);
                let job = Toy::new(|_, work: &Work<'_, u32>| {
                    begun.fetch_add(1, SeqCst);
                    while !work.stop.load(SeqCst) {
                        thread::yield_now();
                    }
                    Ok(answer(work.number))
                });
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    engine(shape, &job, &Faults::none(), |e| {
                        e.phase(tasks(1000), Deal::Free, OFTEN, |_| quiet_panic("out of paper"))
                    })
                }));
                assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"out of paper"));
                assert!(begun.load(SeqCst) <= children as u32);
            }
        }
    });
}

#[test]
fn a_supervisor_that_catches_its_panic_can_go_on() {
    watched(|| {
        let job = Toy::new(|_, work: &Work<'_, u32>| {
            while *work.task == 99 && !work.stop.load(SeqCst) {
                thread::yield_now();
            }
            Ok(answer(work.number))
        });
        engine((2, 2), &job, &Faults::none(), |e| {
            for _ in 0..100 {
                let watch = |_: &Running<'_, u32>| quiet_panic("out of paper");
                let unwound = catch_unwind(AssertUnwindSafe(|| e.phase(vec![99; 20], Deal::Free, OFTEN, watch)));
                assert!(unwound.is_err());
                assert!(phase(e, tasks(20), Deal::Free)?.answers.iter().all(Option::is_some));
            }
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn a_panic_of_the_supervisor_between_phases_closes_the_engine() {
    watched(|| {
        let job = Toy::<u32>::new(|_, work| Ok(answer(work.number)));
        for phases in (0..3).cycle().take(100) {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                engine((2, 2), &job, &Faults::none(), |e| {
                    for _ in 0..phases {
                        phase(e, tasks(9), Deal::Free)?;
                    }
                    if true {
                        quiet_panic("out of paper");
                    }
                    Ok(())
                })
            }));
            assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"out of paper"));
        }
    });
}

#[test]
#[should_panic(expected = "a phase begins when the one before has ended")]
fn a_phase_within_a_phase_is_refused() {
    watched(|| {
        let job = Toy::new(|_, work: &Work<'_, u32>| {
            while *work.task == 0 && !work.stop.load(SeqCst) {
                thread::yield_now();
            }
            Ok(answer(work.number))
        });
        let _ = engine((2, 2), &job, &Faults::none(), |e| {
            e.phase(tasks(1), Deal::Free, OFTEN, |_| {
                let _ = phase(e, vec![7], Deal::Free);
            })
        });
    });
}

/// A small generator of numbers (Steele, Lea & Flood 2014), so that each of the runs below is another and the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % end
    }
}

#[test]
fn a_thousand_runs_with_faults_at_random_end_with_every_task_accounted_for() {
    watched(|| {
        let mut random = Random(1);
        let mut endings = BTreeSet::new();
        for _ in 0..1000 {
            let shape = (random.below(3) as usize + 1, random.below(4) as usize + 1);
            let mut faults = Faults::none();
            for point in CHILD_POINTS.into_iter().chain([Point::Controller]) {
                faults = faults.at(point, random.below(80) as i64, random.below(4) as i64);
            }
            for _ in 0..random.below(2) + 1 {
                let n = random.below(40) as u32;
                let stop_at = (random.below(4) == 0).then(|| random.below(u64::from(n) + 1) as usize);
                let ledger = Ledger::new(n);
                let job = Toy::new(|_, work: &Work<'_, u32>| {
                    pass_all(&faults);
                    ledger.finish(work.number)
                });
                let result = engine(shape, &job, &faults, |e| {
                    e.phase(tasks(n), Deal::Free, OFTEN, |running| {
                        if stop_at.is_some_and(|least| running.answers().count() >= least) {
                            running.stop();
                        }
                    })
                });
                let counts = ledger.counts();
                match result {
                    Ok(outcome) => {
                        let answered: Vec<_> = outcome.answers.iter().map(|one| u32::from(one.is_some())).collect();
                        assert_eq!(answered, counts);
                        let all = counts.iter().all(|&count| count == 1);
                        assert!(all || stop_at.is_some());
                        endings.insert(if all { "all done" } else { "stopped" });
                    }
                    Err(error) => {
                        let said = error.to_string();
                        let known = ["a task has failed 3 times", "a controller died 3 times"];
                        let known = known.into_iter().find(|known| said.starts_with(known));
                        endings.insert(known.unwrap_or_else(|| panic!("{said}")));
                        assert!(counts.iter().all(|&count| count <= 1));
                    }
                }
            }
        }
        let expected = ["a controller died 3 times", "a task has failed 3 times", "all done", "stopped"];
        assert_eq!(endings, BTreeSet::from(expected));
    });
}
