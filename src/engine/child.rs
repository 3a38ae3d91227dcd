//! A child: one pinned thread that takes tasks from its box, works, and answers with R.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;

use super::phase::Phase;
use super::reward::{Ending, Reward};
use super::{Job, Seat, Work};

/// The most tasks of a child whose rewards are not booked: one in its hands and one in its box.
pub(crate) const DEPTH: usize = 2;

/// A task in a child's box.
pub(crate) struct Dealt<T> {
    pub(crate) phase: Arc<Phase<T>>,
    pub(crate) task: u32,
}

/// What a controller and one of its children share.
pub(crate) struct ChildDesk<T> {
    /// The child's box.
    tasks: ArrayQueue<Dealt<T>>,
    /// The child's thread, set by itself. Its controller begins when it is.
    pub(crate) thread: OnceLock<Thread>,
}

impl<T> ChildDesk<T> {
    pub(crate) fn new() -> Self {
        Self { tasks: ArrayQueue::new(DEPTH), thread: OnceLock::new() }
    }

    /// Puts a task into the box and wakes the child, which must have fewer than [`DEPTH`] tasks.
    pub(crate) fn deal(&self, dealt: Dealt<T>) {
        let put = self.tasks.push(dealt);
        debug_assert!(put.is_ok(), "a box holds all that its child may have");
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Where a child's rewards go, and who tells it to end.
pub(crate) struct Upward<'e> {
    pub(crate) rewards: &'e ArrayQueue<Reward>,
    pub(crate) controller: &'e Thread,
    pub(crate) closing: &'e AtomicBool,
}

/// The life of child number `number` under its controller.
pub(crate) fn live<J: Job>(job: &J, seat: Seat, number: u16, desk: &ChildDesk<J::Task>, up: &Upward<'_>) {
    let _ = desk.thread.set(std::thread::current());
    up.controller.unpark();
    let mut state = None;
    loop {
        let Some(Dealt { phase, task }) = desk.tasks.pop() else {
            // An unpark between the looks and the park makes the park return at once: no task and no closing is slept through.
            if up.closing.load(Ordering::Acquire) {
                return;
            }
            std::thread::park();
            continue;
        };
        let reward = attempt(job, seat, &mut state, &phase, task, number);
        // Whoever has booked the reward may count on this phase being held by one fewer.
        drop(phase);
        let sent = up.rewards.push(reward);
        debug_assert!(sent.is_ok(), "the queue holds all that the children may leave unbooked");
        up.controller.unpark();
    }
}

/// Does a task, unless its phase has been stopped.
fn attempt<J: Job>(
    job: &J,
    seat: Seat,
    state: &mut Option<J::Child>,
    phase: &Phase<J::Task>,
    task: u32,
    number: u16,
) -> Reward {
    if phase.stop.load(Ordering::Relaxed) {
        return Reward::undone(task, number, Ending::GivenUp);
    }
    let work = Work { task: &phase.tasks[task as usize], number: task, stop: &phase.stop };
    let done = catch_unwind(AssertUnwindSafe(|| {
        let child = match &mut *state {
            Some(child) => child,
            none => none.insert(job.child(seat)?),
        };
        job.work(child, &work)
    }));
    match done {
        Ok(Ok(answer)) => Reward::done(task, number, answer),
        Ok(Err(error)) => {
            phase.fail(error);
            Reward::undone(task, number, Ending::GivenUp)
        }
        Err(panic) => {
            phase.note_panic(said(panic.as_ref()));
            // What it saw of Θ may be half merged: the next task begins with a fresh view. This one may be too broken to be
            // dropped without another panic, which is of no interest any more.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(state.take())));
            Reward::undone(task, number, Ending::Panicked)
        }
    }
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
