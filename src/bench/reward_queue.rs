//! What does it cost to hand R and tasks over? The engine's queue against a bare ring, its round trips against that of a cache
//! line, or of two threads that wake each other.

use std::hint::{black_box, spin_loop};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;

use super::contest::{Case, Threads, Unit, Way};
use super::pingpong::Pair;
use super::{Bench, Question};
use crate::engine::plan::{ControllerPlan, Plan};
use crate::engine::reward::{Answer, Reward};
use crate::engine::ring::Ring;
use crate::engine::{self, Deal, Job, Seat, Work};
use crate::error::Result;
use crate::fault::Faults;

/// Records a queue holds while they are counted.
const ROOM: usize = 1024;
/// Records handed over at a time.
const RECORDS: u64 = 1 << 14;
/// Tasks of a phase.
pub(super) const TASKS: usize = 1 << 12;

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let Some(pair) = bench.pair else { return Ok(()) };
    each(case(
        "records of 32 bytes",
        Unit::Records,
        vec![
            Way::timed("queue", RECORDS as f64, |times| through_queue(pair, times * RECORDS)).busy(2),
            Way::timed("bare ring", RECORDS as f64, |times| through_ring(pair, times * RECORDS)).busy(2),
        ],
    ))?;
    each(case(
        "task and reward, spinning",
        Unit::Times,
        vec![
            Way::timed("two queues", 1.0, |times| queues(pair, times, spin_loop, |_| ())).busy(2),
            Way::timed("a cache line", 1.0, |times| line(pair, times, spin_loop, |_| ())).busy(2),
        ],
    ))?;
    each(case(
        "task and reward, parked",
        Unit::Times,
        vec![
            Way::timed("two queues", 1.0, |times| queues(pair, times, std::thread::park, Thread::unpark)),
            Way::timed("park and unpark", 1.0, |times| line(pair, times, std::thread::park, Thread::unpark)),
        ],
    ))?;
    let plan =
        Plan { shards: 1, controllers: vec![ControllerPlan { node: 0, cpus: vec![pair.0], children: vec![pair.1] }] };
    each(case(
        "empty tasks of a phase, each",
        Unit::Times,
        vec![
            Way::fallible("engine", TASKS as f64, |times| phases(&plan, times)),
            Way::timed("a cache line", 1.0, |times| line(pair, times, spin_loop, |_| ())).busy(2),
        ],
    ))
}

fn case<'a>(name: &str, unit: Unit, ways: Vec<Way<'a>>) -> Case<'a> {
    let (question, name, threads) = (Question::RewardQueue, name.to_owned(), Threads::Two);
    Case { question, name, threads, unit, ways, ratios: vec![(0, 1)] }
}

fn record(nth: u64) -> Reward {
    Reward::done(nth as u32, 0, Answer { rows: 1, ..Answer::default() })
}

/// Waits for as long as some records take: who looks again at once meets the other at each, and each costs a cache line's way.
fn step_back() {
    (0..32).for_each(|_| spin_loop());
}

/// Records through the queue that the engine has.
fn through_queue(pair: Pair, records: u64) -> Duration {
    let queue = Ring::new(ROOM);
    pair.both(
        || {
            for nth in 0..records {
                let words = record(nth).words();
                while !queue.push(words) {
                    step_back();
                }
            }
        },
        || {
            for _ in 0..records {
                while black_box(queue.pop().map(Reward::from_words)).is_none() {
                    step_back();
                }
            }
        },
    )
}

/// A place for a record of 32 bytes, and whose turn it is.
#[derive(Default)]
#[repr(align(64))]
struct Slot {
    turn: AtomicU64,
    record: [AtomicU64; 4],
}

/// Records through the least that hands them over in order: one writer, one reader, a word that says whose turn it is.
fn through_ring(pair: Pair, records: u64) -> Duration {
    let ring: Vec<Slot> = (0..ROOM).map(|_| Slot::default()).collect();
    let slot = |nth: u64| (&ring[nth as usize % ROOM], 2 * (nth / ROOM as u64));
    let wait = |slot: &Slot, turn: u64| {
        while slot.turn.load(Ordering::Acquire) != turn {
            step_back();
        }
    };
    pair.both(
        || {
            for nth in 0..records {
                let (slot, turn) = slot(nth);
                wait(slot, turn);
                slot.record.iter().for_each(|word| word.store(nth, Ordering::Relaxed));
                slot.turn.store(turn + 1, Ordering::Release);
            }
        },
        || {
            for nth in 0..records {
                let (slot, turn) = slot(nth);
                wait(slot, turn + 1);
                black_box(slot.record.each_ref().map(|word| word.load(Ordering::Relaxed)));
                slot.turn.store(turn + 2, Ordering::Release);
            }
        },
    )
}

/// Two threads that may have to wake each other.
#[derive(Default)]
struct Threads2([OnceLock<Thread>; 2]);

impl Threads2 {
    /// Tells that the calling thread is number `number`, and returns the other one when it has told.
    fn meet(&self, number: usize) -> &Thread {
        let _ = self.0[number].set(std::thread::current());
        loop {
            if let Some(other) = self.0[1 - number].get() {
                return other;
            }
            spin_loop();
        }
    }
}

/// A task there through one queue and its reward back through another, `trips` times; both sides `wait` where there is nothing, and
/// `wake` the other after every push.
fn queues(pair: Pair, trips: u64, wait: fn(), wake: fn(&Thread)) -> Duration {
    let (tasks, rewards) = (Ring::<1>::new(2), Ring::<4>::new(2));
    let threads = Threads2::default();
    pair.both(
        || {
            let child = threads.meet(0);
            for nth in 0..trips {
                let _ = tasks.push([nth]);
                wake(child);
                while rewards.pop().map(Reward::from_words).is_none() {
                    wait();
                }
            }
        },
        || {
            let controller = threads.meet(1);
            for _ in 0..trips {
                let task = loop {
                    match tasks.pop() {
                        Some([task]) => break task,
                        None => wait(),
                    }
                };
                let _ = rewards.push(record(task).words());
                wake(controller);
            }
        },
    )
}

/// A cache line there and back, `trips` times, both sides waiting and waking as in [`queues`].
fn line(pair: Pair, trips: u64, wait: fn(), wake: fn(&Thread)) -> Duration {
    let ball = CachePadded::new(AtomicU64::new(0));
    let threads = Threads2::default();
    let until = |at: u64| {
        while ball.load(Ordering::Acquire) != at {
            wait();
        }
    };
    pair.both(
        || {
            let other = threads.meet(0);
            for nth in 0..trips {
                ball.store(2 * nth + 1, Ordering::Release);
                wake(other);
                until(2 * nth + 2);
            }
        },
        || {
            let other = threads.meet(1);
            for nth in 0..trips {
                until(2 * nth + 1);
                ball.store(2 * nth + 2, Ordering::Release);
                wake(other);
            }
        },
    )
}

/// Nothing to do.
struct Nothing;

impl Job for Nothing {
    type Task = ();
    type Child = ();
    type Controller = ();

    fn controller(&self, _: usize) {}

    fn child(&self, _: Seat) -> Result<()> {
        Ok(())
    }

    fn work(&self, (): &mut (), _: &Work<'_, ()>) -> Result<Answer> {
        Ok(Answer::default())
    }
}

/// `times` phases of empty tasks.
pub(super) fn phases(plan: &Plan, times: u64) -> Result<Duration> {
    engine::run(plan, &Nothing, &Faults::none(), |engine| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let begun = Instant::now();
            engine.phase(vec![(); TASKS], Deal::Free, Duration::from_millis(20), |_| {})?;
            took += begun.elapsed();
        }
        Ok(took)
    })
}
