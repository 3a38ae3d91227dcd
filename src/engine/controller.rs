//! A controller: deals the tasks of a phase to its children and books what they answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam::queue::ArrayQueue;

use super::child::{ChildDesk, Dealt, said};
use super::phase::Phase;
use super::reward::Reward;
use crate::error::Error;
use crate::fault::{Faults, Point};

/// How often a controller may die in one phase.
const LIVES: usize = 3;

/// What a controller shares with its children and the supervisor.
pub(crate) struct ControllerDesk<T> {
    /// Phases to work on, handed in by the supervisor.
    pub(crate) phases: ArrayQueue<Arc<Phase<T>>>,
    pub(crate) thread: OnceLock<Thread>,
    pub(crate) rewards: ArrayQueue<Reward>,
    pub(crate) children: Vec<ChildDesk<T>>,
    /// The number of the first child among all.
    pub(crate) first_child: usize,
}

impl<T> ControllerDesk<T> {
    pub(crate) fn new(children: usize, first_child: usize) -> Self {
        Self {
            phases: ArrayQueue::new(1),
            thread: OnceLock::new(),
            rewards: ArrayQueue::new(4 * children),
            children: (0..children).map(|_| ChildDesk::new()).collect(),
            first_child,
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// What all controllers and the supervisor share.
pub(crate) struct Shared<'e> {
    /// Wakes every controller.
    pub(crate) wake_all: &'e (dyn Fn() + Sync),
    pub(crate) supervisor: &'e Thread,
    pub(crate) closing: &'e AtomicBool,
    pub(crate) faults: &'e Faults,
}

/// The life of controller number `hands`.
pub(crate) fn live<T>(hands: u32, desk: &ControllerDesk<T>, shared: &Shared<'_>) {
    loop {
        let Some(phase) = desk.phases.pop() else {
            if shared.closing.load(Ordering::Acquire) {
                return;
            }
            std::thread::park();
            continue;
        };
        let mut lives = LIVES;
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| work_off(hands, desk, &phase, shared))) {
            // Its records are lost, not its children: let them finish, book what they sent, hand the rest on.
            while desk.children.iter().any(|child| child.outstanding() > 0) {
                std::thread::park();
            }
            while let Some(reward) = desk.rewards.pop() {
                phase.book(&reward);
            }
            phase.put_back_all(hands);
            (shared.wake_all)();
            lives -= 1;
            if lives == 0 {
                phase.fail(Error::Engine(format!("a controller died {LIVES} times: {}", said(panic.as_ref()))));
                break;
            }
        }
        phase.absent.fetch_add(1, Ordering::AcqRel);
        shared.supervisor.unpark();
    }
}

/// Deals and books until the phase is over and nothing is dealt.
fn work_off<T>(hands: u32, desk: &ControllerDesk<T>, phase: &Arc<Phase<T>>, shared: &Shared<'_>) {
    loop {
        let mut moved = false;
        shared.faults.pass(Point::Controller);
        while let Some(reward) = desk.rewards.pop() {
            moved = true;
            // A task that came back may be wanted by a controller that sleeps, and the last one ends the phase for all.
            if phase.book(&reward) || phase.over() {
                (shared.wake_all)();
            }
        }
        for (number, child) in desk.children.iter().enumerate() {
            while child.has_room() {
                let Some(task) = phase.claim(hands, desk.first_child + number) else { break };
                child.deal(Dealt { phase: Arc::clone(phase), task });
                moved = true;
            }
        }
        if moved {
            continue;
        }
        if phase.over() && desk.children.iter().all(|child| child.outstanding() == 0) && desk.rewards.is_empty() {
            return;
        }
        // Every change that could make this loop move is followed by an unpark of this thread: a reward, a task given back,
        // the end of the phase, a stop.
        std::thread::park();
    }
}
