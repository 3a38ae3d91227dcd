//! The engine: K controllers that deal tasks, m pinned children each that work on them, R flowing back through lock-free rings.
//!
//! It knows no job: what a task is, what a child does with it and what R means is the [`Job`]'s. The argument why nothing is lost
//! and nobody waits for ever stands in `README.md` beside this file.

mod child;
mod controller;
pub(crate) mod distance;
pub mod guard;
mod phase;
pub mod plan;
pub mod reward;
pub(crate) mod ring;
pub mod schedule;
pub mod stop;
#[cfg(test)]
mod tests;
pub mod topology;

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use child::Upward;
pub(crate) use child::said;
use controller::{ControllerDesk, Shared};
pub use phase::Deal;
use phase::Phase;
use plan::{ControllerPlan, Plan};
use rayon::{ThreadPool, ThreadPoolBuilder};
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
    /// Set when the phase is being given up; children that wait for each other must look at it. A child may set it: no further
    /// task is begun, and the phase ends as after [`Running::stop`].
    pub stop: &'a AtomicBool,
}

/// What the engine runs.
pub trait Job: Sync {
    /// What a controller deals.
    type Task: Send + Sync;
    /// What a child keeps from task to task. After a panic it is dropped and made anew.
    type Child;
    /// What a controller keeps from task to task. After a panic it is dropped and made anew.
    type Controller;

    /// Makes the state of controller number `number`, on its own pinned thread.
    fn controller(&self, number: usize) -> Self::Controller;

    /// Decides what task number `number` is, where that is left to the controller: called when it has claimed the task and before a child
    /// sees it. False where there is nothing more to do: no further task is dealt, and those that were are done.
    fn deal(&self, _controller: &mut Self::Controller, _number: u32, _task: &Self::Task) -> bool {
        true
    }

    /// Hears that task number `number`, which this controller dealt, is done: R has come up the ring.
    fn hear(&self, _controller: &mut Self::Controller, _number: u32, _task: &Self::Task, _answer: &Answer) {}

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
    shared: &'e Shared<'e, T>,
    children: usize,
    /// Controllers wake the supervisor's thread, so no other may begin phases: this makes `Engine` stay there.
    _stays: PhantomData<*const ()>,
}

/// A phase while it is worked on.
///
/// When dropped it waits until every controller has left the phase, which it stops first where that has not happened yet: a
/// supervisor that unwinds leaves no work behind.
pub struct Running<'p, T> {
    shared: &'p Shared<'p, T>,
    phase: Arc<Phase<T>>,
}

impl<T> Running<'_, T> {
    /// Rows of the tasks done so far.
    pub fn rows(&self) -> u64 {
        self.phase.rows()
    }

    /// By task: its answer, if it is done by now.
    pub fn answers(&self) -> impl Iterator<Item = Option<Answer>> + '_ {
        self.phase.answers()
    }

    /// Begins no further task; those in hand are finished.
    pub fn stop(&self) {
        self.phase.stop.store(true, Ordering::Relaxed);
        self.shared.wake_all();
    }

    /// Whether a controller is still at it.
    fn goes_on(&self) -> bool {
        self.shared.at_work.load(Ordering::Acquire) > 0
    }
}

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if self.goes_on() {
            self.stop();
        }
        while self.goes_on() {
            std::thread::park();
        }
    }
}

impl<T> Engine<'_, T> {
    /// Works off `tasks`. Meanwhile calls `watch` now and then, at least every `every`, on this thread. When it returns every task
    /// has been done, or `watch` or a child has stopped the phase, and the tasks are dropped.
    ///
    /// # Errors
    /// What a child's work returned; [`Error::Engine`] for a task that panicked too often, or a controller that did.
    ///
    /// # Panics
    /// Where [`Deal::OneEach`] is asked for more tasks than there are children, and in a `watch` of another phase.
    pub fn phase(
        &self,
        tasks: Vec<T>,
        deal: Deal,
        every: Duration,
        mut watch: impl FnMut(&Running<'_, T>),
    ) -> Result<Outcome> {
        let (n, children) = (tasks.len(), self.children);
        assert!(deal != Deal::OneEach || n <= children, "one each, but {n} tasks for {children} children");
        let Shared { desks, at_work, .. } = *self.shared;
        assert_eq!(at_work.load(Ordering::Relaxed), 0, "a phase begins when the one before has ended");
        at_work.store(desks.len(), Ordering::Relaxed);

        let phase = Arc::new(Phase::new(tasks, deal, children));
        for desk in desks {
            let handed = desk.phases.push(Arc::clone(&phase));
            debug_assert!(handed.is_ok(), "a controller has taken its phase out when it leaves it");
        }
        self.shared.wake_all();
        let running = Running { shared: self.shared, phase };
        while running.goes_on() {
            std::thread::park_timeout(every);
            watch(&running);
        }
        let phase = &running.phase;
        let answers = phase.outcome()?;
        Ok(Outcome { answers, failed: phase.panics(), said: phase.last_panic() })
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
    let children = plan.children();
    let first_child = plan.controllers.iter().scan(0, |next, controller| {
        let first = *next;
        *next += controller.children.len();
        Some(first)
    });
    let desks: Vec<ControllerDesk<J::Task>> = plan
        .controllers
        .iter()
        .zip(first_child)
        .map(|(controller, first)| ControllerDesk::new(controller.children.len(), first))
        .collect();
    let (closing, at_work) = (AtomicBool::new(false), AtomicUsize::new(0));
    let supervisor = std::thread::current();
    let (child_looks, looks) = looks(plan);
    let shared = Shared { desks: &desks, supervisor: &supervisor, at_work: &at_work, closing: &closing, faults, looks };
    let pools = plan.controllers.iter().enumerate().map(|(k, controller)| start_children(k, controller));
    let pools = pools.collect::<Result<Vec<_>>>()?;

    std::thread::scope(|scope| {
        let close = Close(&shared);
        for (k, (controller, pool)) in plan.controllers.iter().zip(&pools).enumerate() {
            let (desk, shared) = (&desks[k], &shared);
            let life = move || {
                let _ = pin(&controller.cpus);
                let up = Upward { controller: &std::thread::current(), closing: shared.closing, looks: child_looks };
                with_children(job, pool, desk, children, &up, || controller::live(job, k, desk, shared));
            };
            let thread = std::thread::Builder::new().name(format!("controller-{k}")).spawn_scoped(scope, life);
            let thread =
                thread.map_err(|error| Error::Engine(format!("cannot start a controller's thread: {error}")))?;
            let _ = desk.thread.set(thread.thread().clone());
        }
        let result = supervise(&Engine { shared: &shared, children, _stays: PhantomData });
        drop(close);
        result
    })
}

/// How often children, and how often controllers, look for work before they sleep: some microseconds, as waking up takes longer, where
/// looking takes nobody's cpu. Children sleep at once where two of them share a cpu, controllers where they have none of their own.
fn looks(plan: &Plan) -> (u32, u32) {
    const LOOKS: u32 = 500;
    let children = || plan.controllers.iter().flat_map(|controller| &controller.children);
    let own: BTreeSet<usize> = children().copied().collect();
    let all: BTreeSet<usize> =
        plan.controllers.iter().flat_map(|controller| &controller.cpus).chain(children()).copied().collect();
    let if_so = |roomy: bool| if roomy { LOOKS } else { 0 };
    let children = children().count();
    (if_so(own.len() == children), if_so(all.len() >= children + plan.controllers.len()))
}

/// The pool of controller number `k`: each of its threads is one child for as long as the engine runs.
fn start_children(k: usize, controller: &ControllerPlan) -> Result<ThreadPool> {
    let cpus = controller.children.clone();
    ThreadPoolBuilder::new()
        .num_threads(cpus.len())
        .thread_name(move |number| format!("child-{k}-{number}"))
        .start_handler(move |number| {
            // A thread that may not be pinned (a container can forbid it) works all the same.
            let _ = pin(&[cpus[number]]);
        })
        .build()
        .map_err(|error| Error::Engine(format!("cannot start the children's threads: {error}")))
}

/// Runs `control` on the calling thread while each thread of `pool` is a child at `desk`; returns when all have ended.
fn with_children<J: Job>(
    job: &J,
    pool: &ThreadPool,
    desk: &ControllerDesk<J::Task>,
    children: usize,
    up: &Upward<'_>,
    control: impl FnOnce(),
) {
    pool.in_place_scope(|scope| {
        scope.spawn_broadcast(move |_, context| {
            let number = context.index();
            let seat = Seat { child: desk.first_child + number, children };
            // A plan has far fewer children than 2¹⁶.
            child::live(job, seat, number as u16, &desk.children[number], up);
        });
        control();
    });
}

/// Ends the engine when dropped, by a panic of the supervisor too.
struct Close<'e, T>(&'e Shared<'e, T>);

impl<T> Drop for Close<'_, T> {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::Release);
        self.0.wake_all();
    }
}
