//! The engine at work on small jobs; what it does when something fails stands in `tests/faults.rs`.

mod faults;
mod late;

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::plan::{ControllerPlan, Plan};
use super::reward::Answer;
use super::{Deal, Engine, Job, Outcome, Running, Seat, Work, run};
use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::sys::pin::allowed_cpus;

/// How often `watch` is called at least; short, so that it is called often.
const OFTEN: Duration = Duration::from_micros(200);
/// So rarely that whoever needs this time-out to go on is caught by [`watched`].
const NEVER: Duration = Duration::from_secs(3600);

/// A child's state: where it sits and how many tasks it has done.
struct State {
    seat: Seat,
    tasks: u32,
}

/// A job made of two closures.
struct Toy<'a, T = u32> {
    child: Box<dyn Fn(Seat) -> Result<()> + Sync + 'a>,
    work: Box<ToyWork<'a, T>>,
}

type ToyWork<'a, T> = dyn Fn(&State, &Work<'_, T>) -> Result<Answer> + Sync + 'a;

impl<'a, T> Toy<'a, T> {
    /// A job that does `work` for each task.
    fn new(work: impl Fn(&State, &Work<'_, T>) -> Result<Answer> + Sync + 'a) -> Self {
        Self { child: Box::new(|_| Ok(())), work: Box::new(work) }
    }
}

impl<T: Send + Sync> Job for Toy<'_, T> {
    type Task = T;
    type Child = State;
    type Controller = ();

    fn controller(&self, _: usize) {}

    fn child(&self, seat: Seat) -> Result<State> {
        (self.child)(seat)?;
        Ok(State { seat, tasks: 0 })
    }

    fn work(&self, child: &mut State, work: &Work<'_, T>) -> Result<Answer> {
        let answer = (self.work)(child, work);
        child.tasks += 1;
        answer
    }
}

/// How often each task was finished.
struct Ledger(Vec<AtomicU32>);

impl Ledger {
    fn new(tasks: u32) -> Self {
        Self((0..tasks).map(|_| AtomicU32::new(0)).collect())
    }

    /// Marks a task as finished and answers for it.
    fn finish(&self, task: u32) -> Result<Answer> {
        self.0[task as usize].fetch_add(1, SeqCst);
        Ok(answer(task))
    }

    fn counts(&self) -> Vec<u32> {
        self.0.iter().map(|count| count.load(SeqCst)).collect()
    }

    /// Asserts that each task was finished once and answered for.
    fn assert_all_once(&self, outcome: &Outcome, case: &str) {
        assert_eq!(self.counts(), vec![1; self.0.len()], "{case}");
        let expected: Vec<_> = (0..self.0.len() as u32).map(|task| Some(answer(task))).collect();
        assert_eq!(outcome.answers, expected, "{case}");
    }
}

/// What every test's job answers for `task`.
fn answer(task: u32) -> Answer {
    Answer { rows: task % 5 + 1, weight: 1.0, loss: f64::from(task) * 0.5, score: 1.0, staleness: task }
}

fn tasks(n: u32) -> Vec<u32> {
    (0..n).collect()
}

/// K controllers with m children each, on all cpus in turn.
fn plan(controllers: usize, children: usize) -> Plan {
    let cpus = allowed_cpus();
    let controller = |k: usize| ControllerPlan {
        node: 0,
        cpus: cpus.clone(),
        children: (0..children).map(|child| cpus[(k * children + child) % cpus.len()]).collect(),
    };
    Plan { shards: 1, controllers: (0..controllers).map(controller).collect() }
}

/// Runs `supervise` on an engine of K controllers with m children each.
fn engine<T: Send + Sync, R>(
    (controllers, children): (usize, usize),
    job: &Toy<'_, T>,
    faults: &Faults,
    supervise: impl FnOnce(&Engine<'_, T>) -> Result<R>,
) -> Result<R> {
    run(&plan(controllers, children), job, faults, supervise)
}

/// Works off one phase that nobody watches.
fn phase<T>(engine: &Engine<'_, T>, tasks: Vec<T>, deal: Deal) -> Result<Outcome> {
    engine.phase(tasks, deal, NEVER, |_| ())
}

/// Runs `test`; when it hangs, ends the process with a message, for nothing else ends a thread that waits for ever.
fn watched<R>(test: impl FnOnce() -> R) -> R {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, waits) = mpsc::channel::<()>();
    thread::spawn(move || {
        if waits.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            // Not by `eprintln!`, which the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "{name} hangs: the engine waits for something that does not come");
            std::process::abort();
        }
    });
    let result = test();
    drop(done);
    result
}

#[test]
fn every_task_is_done_once_whatever_the_number_of_controllers_and_children() {
    watched(|| {
        for shape in [1, 2, 3].into_iter().flat_map(|k| [1, 2, 4, 16].map(|m| (k, m))) {
            for n in [1, 2, 3, 7, 40, 500] {
                let ledger = Ledger::new(n);
                let job = Toy::new(|_, work: &Work<'_, u32>| {
                    assert_eq!(*work.task, work.number);
                    ledger.finish(work.number)
                });
                let outcome = engine(shape, &job, &Faults::none(), |e| phase(e, tasks(n), Deal::Free)).unwrap();
                ledger.assert_all_once(&outcome, &format!("{n} tasks, K and m {shape:?}"));
                assert_eq!((outcome.failed, outcome.said.as_str()), (0, ""));
            }
        }
    });
}

#[test]
fn one_engine_works_off_hundreds_of_phases_and_children_keep_their_state() {
    watched(|| {
        for shape in [(1, 2), (2, 1), (3, 4)] {
            let ledger = Ledger::new(400);
            let made = AtomicU32::new(0);
            let kept = AtomicU32::new(0);
            let mut job = Toy::new(|state, work: &Work<'_, u32>| {
                kept.fetch_add(u32::from(state.tasks > 0), SeqCst);
                ledger.finish(*work.task)
            });
            job.child = Box::new(|_| {
                made.fetch_add(1, SeqCst);
                Ok(())
            });
            let mut left = tasks(400);
            engine(shape, &job, &Faults::none(), |e| {
                for n in (0..4).cycle() {
                    if left.is_empty() {
                        break;
                    }
                    let numbers = left.split_off(left.len().saturating_sub(n));
                    let expected: Vec<_> = numbers.iter().map(|&task| Some(answer(task))).collect();
                    assert_eq!(phase(e, numbers, Deal::Free)?.answers, expected);
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(ledger.counts(), vec![1; 400], "{shape:?}");
            let children = (shape.0 * shape.1) as u32;
            assert!(made.load(SeqCst) <= children, "{shape:?}");
            assert_eq!(kept.load(SeqCst), 400 - made.load(SeqCst), "{shape:?}");
        }
    });
}

#[test]
fn a_phase_without_tasks_ends() {
    watched(|| {
        let job = Toy::<u32>::new(|_, _| unreachable!());
        for shape in [(1, 1), (3, 2)] {
            engine(shape, &job, &Faults::none(), |e| {
                for deal in [Deal::Free, Deal::OneEach].into_iter().cycle().take(200) {
                    assert_eq!(phase(e, vec![], deal)?.answers, []);
                }
                Ok(())
            })
            .unwrap();
        }
    });
}

#[test]
fn an_engine_that_is_closed_while_it_starts_ends() {
    watched(|| {
        let job = Toy::<u32>::new(|_, _| unreachable!());
        for _ in 0..500 {
            let closed = engine((2, 2), &job, &Faults::none(), |_| Ok(7));
            assert_eq!(closed.unwrap(), 7);
        }
        let refused = engine((2, 2), &job, &Faults::none(), |_| Err::<(), _>(Error::Usage("no".into())));
        assert_eq!(refused.unwrap_err().to_string(), "no");
    });
}

#[test]
fn one_each_gives_task_i_to_child_i() {
    watched(|| {
        for shape in [(1, 1), (1, 4), (3, 2)] {
            let children = shape.0 * shape.1;
            for n in 0..=children as u32 {
                let ledger = Ledger::new(n);
                let job = Toy::new(|state, work: &Work<'_, u32>| {
                    assert_eq!((state.seat.child, state.seat.children), (work.number as usize, children));
                    ledger.finish(work.number)
                });
                let outcome = engine(shape, &job, &Faults::none(), |e| phase(e, tasks(n), Deal::OneEach)).unwrap();
                ledger.assert_all_once(&outcome, &format!("{shape:?}"));
                assert_eq!(outcome.failed, 0, "{}", outcome.said);
            }
        }
    });
}

#[test]
#[should_panic(expected = "5 tasks for 4 children")]
fn one_each_does_not_take_more_tasks_than_children() {
    watched(|| {
        let job = Toy::<u32>::new(|_, work| Ok(answer(work.number)));
        let _ = engine((2, 2), &job, &Faults::none(), |e| phase(e, tasks(5), Deal::OneEach));
    });
}

/// A child that was given two of the tasks would wait at the barrier for itself.
#[test]
fn as_many_tasks_as_children_are_worked_on_at_once() {
    watched(|| {
        for (shape, deal) in
            [(1, 1), (1, 4), (2, 2), (3, 4)].into_iter().flat_map(|s| [(s, Deal::Free), (s, Deal::OneEach)])
        {
            let children = shape.0 * shape.1;
            let barrier = Barrier::new(children);
            let job = Toy::new(|_, work: &Work<'_, u32>| {
                barrier.wait();
                Ok(answer(work.number))
            });
            engine(shape, &job, &Faults::none(), |e| {
                for _ in 0..50 {
                    let outcome = phase(e, tasks(children as u32), deal)?;
                    assert!(outcome.answers.iter().all(Option::is_some));
                }
                Ok(())
            })
            .unwrap();
        }
    });
}

#[test]
fn what_is_done_can_be_watched() {
    watched(|| {
        let n = 200;
        let goal: u64 = (0..n).map(|task| u64::from(answer(task).rows)).sum();
        let seen = AtomicU32::new(0);
        let job = Toy::new(|_, work: &Work<'_, u32>| {
            // The last task waits until it has been seen that the others are done.
            while work.number == n - 1 && seen.load(SeqCst) == 0 {
                thread::yield_now();
            }
            Ok(answer(work.number))
        });
        let watch = |running: &Running<'_, u32>| {
            let before = running.rows();
            let answered = running.answers().flatten().map(|answer| u64::from(answer.rows)).sum::<u64>();
            assert!(before <= goal && answered <= goal);
            let done: Vec<bool> = running.answers().map(|answer| answer.is_some()).collect();
            // Once it has been seen, the last task may be done at any moment.
            if seen.load(SeqCst) == 0 && done.iter().filter(|&&done| done).count() == n as usize - 1 {
                assert!(!done[n as usize - 1]);
                assert_eq!(running.rows(), goal - u64::from(answer(n - 1).rows));
                assert_eq!(running.answers().flatten().count(), n as usize - 1);
                seen.store(1, SeqCst);
            }
        };
        for shape in [(1, 2), (2, 2)] {
            seen.store(0, SeqCst);
            engine(shape, &job, &Faults::none(), |e| e.phase(tasks(n), Deal::Free, OFTEN, watch)).unwrap();
            assert_eq!(seen.load(SeqCst), 1);
        }
    });
}

#[test]
fn a_stop_lets_tasks_in_hand_finish_and_begins_no_other() {
    watched(|| {
        for shape in [(1, 1), (1, 3), (2, 2)] {
            let children = shape.0 * shape.1;
            let begun = AtomicU32::new(0);
            let ledger = Ledger::new(50);
            let job = Toy::new(|_, work: &Work<'_, u32>| {
                begun.fetch_add(1, SeqCst);
                while !work.stop.load(SeqCst) {
                    thread::yield_now();
                }
                ledger.finish(work.number)
            });
            let outcome = engine(shape, &job, &Faults::none(), |e| {
                e.phase(tasks(50), Deal::Free, OFTEN, |running| {
                    if begun.load(SeqCst) == children as u32 {
                        running.stop();
                    }
                })
            });
            let answers = outcome.unwrap().answers;
            assert_eq!(begun.load(SeqCst), children as u32, "{shape:?}");
            let answered: Vec<_> = answers.iter().map(|answer| u32::from(answer.is_some())).collect();
            assert_eq!(answered, ledger.counts(), "{shape:?}");
            assert_eq!(answered.iter().sum::<u32>(), children as u32, "{shape:?}");
        }
    });
}

/// As when a child sees that the run has diverged.
#[test]
fn a_child_can_stop_the_phase_and_its_answer_counts() {
    watched(|| {
        for (shape, deal, n) in [((1, 1), Deal::Free, 50), ((2, 2), Deal::Free, 50), ((2, 2), Deal::OneEach, 4)] {
            let begun = Ledger::new(n);
            let job = Toy::new(|_, work: &Work<'_, u32>| {
                if work.number == 2 {
                    work.stop.store(true, SeqCst);
                }
                while !work.stop.load(SeqCst) && work.number > 2 {
                    thread::yield_now();
                }
                begun.finish(work.number)
            });
            let outcome = engine(shape, &job, &Faults::none(), |e| phase(e, tasks(n), deal)).unwrap();
            let answered: Vec<_> = outcome.answers.iter().map(|answer| u32::from(answer.is_some())).collect();
            assert_eq!(answered, begun.counts(), "{shape:?}");
            assert_eq!(outcome.answers[2], Some(answer(2)));
            // Tasks 0 and 1, and what each child had in hand.
            assert!(answered.iter().sum::<u32>() as usize <= 2 + shape.0 * shape.1, "{shape:?}");
        }
    });
}

#[test]
fn a_stop_that_comes_at_any_time_leaves_an_engine_that_goes_on() {
    watched(|| {
        let job = Toy::new(|_, work: &Work<'_, u32>| Ok(answer(work.number)));
        engine((2, 2), &job, &Faults::none(), |e| {
            for calls in (0..10).cycle().take(200) {
                let mut left = calls;
                let stopped = e.phase(tasks(30), Deal::Free, OFTEN, |running| {
                    left -= 1;
                    if left <= 0 {
                        running.stop();
                    }
                })?;
                for (task, given) in stopped.answers.iter().enumerate() {
                    assert!(given.is_none_or(|given| given == answer(task as u32)));
                }
                assert!(phase(e, tasks(9), Deal::Free)?.answers.iter().all(Option::is_some));
            }
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn a_phase_that_has_ended_holds_no_task() {
    watched(|| {
        let job = Toy::new(|_, work: &Work<'_, Arc<u32>>| Ok(answer(**work.task)));
        engine((2, 2), &job, &Faults::none(), |e| {
            for _ in 0..300 {
                let shared = Arc::new(3);
                phase(e, vec![Arc::clone(&shared); 6], Deal::Free)?;
                assert_eq!(Arc::into_inner(shared), Some(3));
            }
            Ok(())
        })
        .unwrap();
    });
}
