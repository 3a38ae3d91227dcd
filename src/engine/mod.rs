//! The engine: K controllers that deal tasks, m pinned children each that work on them, R flowing back through lock-free queues.
//!
//! It knows no job: what a task is, what a child does with it and what R means is the [`Job`]'s. The argument why nothing is lost
//! and nobody waits for ever stands in `README.md` beside this file.

mod child;
mod controller;
pub mod guard;
mod phase;
pub mod plan;
pub mod reward;
pub mod schedule;
pub mod stop;
pub mod topology;

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use child::Upward;
pub(crate) use child::said;
use controller::{ControllerDesk, Shared};
pub use phase::Deal;
use phase::Phase;
use plan::Plan;
use reward::Answer;

use crate::error::{Error, Result};
use crate::fault::Faults;
use crate::sys::pin::pin;

/// Where a child sits.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// Its number among all children.
    pub child: usize,
    /// How many there are.
    pub children: usize,
}

/// A task in a child's hands.
#[derive(Debug)]
pub struct Work<'a, T> {
    /// What to do.
    pub task: &'a T,
    /// Its number in the phase.
    pub number: u32,
    /// Set when the phase is being given up; children that wait for each other must look at it.
    pub stop: &'a AtomicBool,
}

/// What the engine runs.
pub trait Job: Sync {
    /// What a controller deals.
    type Task: Send + Sync;
    /// What a child keeps from task to task. After a panic it is dropped and made anew.
    type Child;

    /// Makes a child's state, on its own pinned thread.
    ///
    /// # Errors
    /// Anything that ends the run.
    fn child(&self, seat: Seat) -> Result<Self::Child>;

    /// Does a task. A panic costs the task's time: it is dealt again.
    ///
    /// # Errors
    /// Anything that another try would not mend; it ends the phase.
    fn work(&self, child: &mut Self::Child, work: &Work<'_, Self::Task>) -> Result<Answer>;
}

/// What a phase came to.
#[derive(Debug)]
pub struct Outcome {
    /// By task: its answer, if it was done.
    pub answers: Vec<Option<Answer>>,
    /// How many tasks failed and were dealt again.
    pub failed: u32,
    /// What the last failure said.
    pub said: String,
}

/// The running engine, as its supervisor sees it.
pub struct Engine<'e, T> {
    desks: &'e [ControllerDesk<T>],
}

/// A phase while it is worked on.
pub struct Running<'p, T> {
    phase: &'p Phase<T>,
}

impl<T> Running<'_, T> {
    /// Rows of the tasks done so far.
    pub fn rows(&self) -> u64 {
        self.phase.rows.load(Ordering::Relaxed)
    }

    /// The answers of the tasks done so far.
    pub fn answers(&self) -> impl Iterator<Item = Answer> + '_ {
        self.phase.answers()
    }

    /// By task: whether it is done now.
    pub fn done(&self) -> Vec<bool> {
        self.phase.done()
    }

    /// Begins no further task; those in hand are finished.
    pub fn stop(&self) {
        self.phase.stop.store(true, Ordering::Relaxed);
    }
}

impl<T> Engine<'_, T> {
    /// Works off `tasks`. Meanwhile calls `watch` now and then, at least every `every`, on this thread.
    ///
    /// # Errors
    /// What a child's work returned, or a task that failed too often.
    pub fn phase(
        &self,
        tasks: Vec<T>,
        deal: Deal,
        every: Duration,
        mut watch: impl FnMut(&Running<'_, T>),
    ) -> Result<Outcome> {
        let phase = Arc::new(Phase::new(tasks, deal));
        for desk in self.desks {
            // A controller takes its phase out before it leaves the one before, so there is room.
            let _ = desk.phases.push(Arc::clone(&phase));
            desk.wake();
        }
        while phase.absent.load(Ordering::Acquire) < self.desks.len() {
            std::thread::park_timeout(every);
            let stopped = phase.stop.load(Ordering::Relaxed);
            watch(&Running { phase: &phase });
            if !stopped && phase.stop.load(Ordering::Relaxed) {
                self.desks.iter().for_each(ControllerDesk::wake);
            }
        }
        Ok(Outcome {
            answers: phase.outcome()?,
            failed: phase.panics.load(Ordering::Relaxed),
            said: std::mem::take(&mut *phase.last_panic.lock().unwrap_or_else(PoisonError::into_inner)),
        })
    }
}

/// Starts controllers and children as `plan` says, runs `supervise` on the calling thread, and ends them when it returns.
///
/// # Errors
/// [`Error::Engine`] where threads cannot be started, and what `supervise` returns.
pub fn run<J: Job, R>(
    plan: &Plan,
    job: &J,
    faults: &Faults,
    supervise: impl FnOnce(&Engine<'_, J::Task>) -> Result<R>,
) -> Result<R> {
    let mut children = 0;
    let desks: Vec<ControllerDesk<J::Task>> = plan
        .controllers
        .iter()
        .map(|controller| {
            let first = children;
            children += controller.children.len();
            ControllerDesk::new(controller.children.len(), first)
        })
        .collect();
    let closing = AtomicBool::new(false);
    let supervisor = std::thread::current();
    let wake_all = || desks.iter().for_each(ControllerDesk::wake);
    let shared = Shared { wake_all: &wake_all, supervisor: &supervisor, closing: &closing, faults };

    // One rayon pool a controller; each of its threads is one child for as long as the engine runs.
    let pools = plan.controllers.iter().enumerate().map(|(k, controller)| {
        let cpus = controller.children.clone();
        rayon::ThreadPoolBuilder::new()
            .num_threads(cpus.len())
            .thread_name(move |i| format!("child-{k}-{i}"))
            .start_handler(move |i| {
                // A thread that may not be pinned (a container can forbid it) works all the same.
                let _ = pin(&[cpus[i]]);
            })
            .build()
            .map_err(|error| Error::Engine(format!("cannot start the children's threads: {error}")))
    });
    let pools = pools.collect::<Result<Vec<_>>>()?;

    std::thread::scope(|scope| {
        let close = Close { closing: &closing, desks: &desks };
        for (hands, (controller, pool)) in plan.controllers.iter().zip(&pools).enumerate() {
            let (desk, shared) = (&desks[hands], &shared);
            let spawned =
                std::thread::Builder::new().name(format!("controller-{hands}")).spawn_scoped(scope, move || {
                    let _ = pin(&controller.cpus);
                    let thread: Thread = std::thread::current();
                    let _ = desk.thread.set(thread.clone());
                    pool.in_place_scope(|in_pool| {
                        let thread = &thread;
                        in_pool.spawn_broadcast(move |_, context| {
                            let number = context.index();
                            let seat = Seat { child: desk.first_child + number, children };
                            let up = Upward { rewards: &desk.rewards, controller: thread, closing: shared.closing };
                            child::live(job, seat, &desk.children[number], &up, number as u16);
                        });
                        controller::live(hands as u32, desk, shared);
                    });
                });
            if let Err(error) = spawned {
                return Err(Error::Engine(format!("cannot start a controller's thread: {error}")));
            }
        }
        let result = supervise(&Engine { desks: &desks });
        drop(close);
        result
    })
}

/// Ends the engine when dropped, by a panic of the supervisor too.
struct Close<'e, T> {
    closing: &'e AtomicBool,
    desks: &'e [ControllerDesk<T>],
}

impl<T> Drop for Close<'_, T> {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        for desk in self.desks {
            desk.wake();
            desk.children.iter().for_each(child::ChildDesk::wake);
        }
    }
}
