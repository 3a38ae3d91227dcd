//! A child: one pinned thread that takes tasks from its box, works, and answers with R.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{Thread, park};

use crossbeam::utils::CachePadded;

use super::phase::{Phase, unpoisoned};
use super::reward::{Ending, Reward};
use super::ring::Ring;
use super::{Job, Seat, Work};

/// The most tasks of a child whose rewards are not booked: one in its hands and one in its box.
pub(crate) const DEPTH: usize = 2;

/// What a controller and one of its children share.
pub(crate) struct ChildDesk<T> {
    /// The child's box: numbers of tasks.
    tasks: Ring<1>,
    /// What the child answers, for its controller.
    pub(crate) rewards: Ring<4>,
    /// What the tasks are of. The child holds the lock while it works on one, the controller touches it only while the child has none:
    /// nobody ever waits for it, and nobody counts shares of the phase up and down for each task.
    phase: CachePadded<Mutex<Option<Arc<Phase<T>>>>>,
    /// The child's thread, set by itself. Its controller begins when it is.
    pub(crate) thread: OnceLock<Thread>,
}

impl<T> ChildDesk<T> {
    pub(crate) fn new() -> Self {
        let (tasks, rewards) = (Ring::new(DEPTH), Ring::new(DEPTH));
        Self { tasks, rewards, phase: CachePadded::new(Mutex::new(None)), thread: OnceLock::new() }
    }

    /// Says which phase the tasks to come are of. For the controller, while the child has no task.
    pub(crate) fn begin(&self, phase: &Arc<Phase<T>>) {
        *unpoisoned(&self.phase) = Some(Arc::clone(phase));
    }

    /// Lets go of the phase. For the controller, while the child has no task.
    pub(crate) fn end(&self) {
        *unpoisoned(&self.phase) = None;
    }

    /// Puts a task into the box and wakes the child, which must have fewer than [`DEPTH`] tasks and know their phase.
    pub(crate) fn deal(&self, task: u32) {
        let put = self.tasks.push([u64::from(task)]);
        debug_assert!(put, "a box holds all that its child may have");
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Whom a child tells of its rewards, and who tells it to end.
pub(crate) struct Upward<'e> {
    pub(crate) controller: &'e Thread,
    pub(crate) closing: &'e AtomicBool,
    /// How often it looks for a task before it sleeps.
    pub(crate) looks: u32,
}

/// Sleeps until the thread is unparked, or until `found`, which is looked at some times before.
pub(crate) fn rest(looks: u32, found: impl Fn() -> bool) {
    for _ in 0..looks {
        if found() {
            return;
        }
        spin_loop();
    }
    park();
}

/// The life of child number `number` under its controller.
pub(crate) fn live<J: Job>(job: &J, seat: Seat, number: u16, desk: &ChildDesk<J::Task>, up: &Upward<'_>) {
    let _ = desk.thread.set(std::thread::current());
    up.controller.unpark();
    let mut state = None;
    loop {
        let Some([task]) = desk.tasks.pop() else {
            // An unpark between the looks and the park makes the park return at once: no task and no closing is slept through.
            if up.closing.load(Ordering::Acquire) {
                return;
            }
            rest(up.looks, || desk.tasks.waits());
            continue;
        };
        let reward = match &*unpoisoned(&desk.phase) {
            Some(phase) => attempt(job, seat, &mut state, phase, task as u32, number),
            None => unreachable!("a task comes after its phase and goes before it"),
        };
        // Here the phase is free again: whoever has booked the reward may take it away.
        let sent = desk.rewards.push(reward.words());
        debug_assert!(sent, "the ring holds all that a child may leave unbooked");
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
