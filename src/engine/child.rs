//! A child: one pinned thread that takes tasks from its box, works, and answers with R.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;

use super::phase::Phase;
use super::reward::{Ending, Reward};
use super::{Job, Seat, Work};

/// Tasks that wait for a child while it works on another.
const DEPTH: usize = 2;

/// A task in a child's box.
pub(crate) struct Dealt<T> {
    pub(crate) phase: Arc<Phase<T>>,
    pub(crate) task: u32,
}

/// What a controller and one of its children share.
pub(crate) struct ChildDesk<T> {
    pub(crate) tasks: ArrayQueue<Dealt<T>>,
    /// The child's thread, once it runs.
    pub(crate) thread: OnceLock<Thread>,
    /// Rewards the child has sent in its life. Written by the child after the push (Release), read by the controller.
    pub(crate) answered: CachePadded<AtomicU64>,
    /// Tasks put into the box in the controller's life. Only the controller touches it; it stands here to outlive a panic of the controller.
    pub(crate) dealt: CachePadded<AtomicU64>,
}

impl<T> ChildDesk<T> {
    pub(crate) fn new() -> Self {
        Self {
            tasks: ArrayQueue::new(DEPTH),
            thread: OnceLock::new(),
            answered: CachePadded::default(),
            dealt: CachePadded::default(),
        }
    }

    /// Tasks dealt and not answered.
    pub(crate) fn outstanding(&self) -> u64 {
        self.dealt.load(Ordering::Relaxed) - self.answered.load(Ordering::Acquire)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outstanding() < DEPTH as u64
    }

    /// Puts a task into the box, which has room, and wakes the child.
    pub(crate) fn deal(&self, dealt: Dealt<T>) {
        self.dealt.fetch_add(1, Ordering::Relaxed);
        // Only the controller pushes, and never more than DEPTH unanswered ones, so the box has room.
        let _ = self.tasks.push(dealt);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Where a child's rewards go.
pub(crate) struct Upward<'e> {
    pub(crate) rewards: &'e ArrayQueue<Reward>,
    pub(crate) controller: &'e Thread,
    pub(crate) closing: &'e AtomicBool,
}

/// The life of a child.
pub(crate) fn live<J: Job>(job: &J, seat: Seat, desk: &ChildDesk<J::Task>, up: &Upward<'_>, number: u16) {
    // Set before the first look into the box: a controller that deals later finds the thread and wakes it.
    let _ = desk.thread.set(std::thread::current());
    let mut state = None;
    loop {
        let Some(Dealt { phase, task }) = desk.tasks.pop() else {
            // An unpark between the look and the park makes the park return at once, so no task and no closing is slept
            // through.
            if up.closing.load(Ordering::Acquire) {
                return;
            }
            std::thread::park();
            continue;
        };
        let work = Work { task: &phase.tasks[task as usize], number: task, stop: &phase.stop };
        let attempt = AssertUnwindSafe(|| {
            let child = match &mut state {
                Some(child) => child,
                none => none.insert(job.child(seat)?),
            };
            job.work(child, &work)
        });
        let reward = match catch_unwind(attempt) {
            Ok(Ok(answer)) => Reward::done(task, number, answer),
            Ok(Err(error)) => {
                phase.fail(error);
                Reward::undone(task, number, Ending::Failed)
            }
            Err(panic) => {
                // What it saw of Θ may be half merged: the next task begins with a fresh view.
                state = None;
                *phase.last_panic.lock().unwrap_or_else(PoisonError::into_inner) = said(panic.as_ref());
                Reward::undone(task, number, Ending::Panicked)
            }
        };
        drop(phase);
        // The queue holds as many as all children may leave unanswered, so there is room.
        let _ = up.rewards.push(reward);
        desk.answered.fetch_add(1, Ordering::Release);
        up.controller.unpark();
    }
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}
