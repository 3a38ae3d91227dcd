//! A controller: deals the tasks of a phase to its children and books what they answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{Thread, park};

use crossbeam::queue::ArrayQueue;

use super::Job;
use super::child::{ChildDesk, DEPTH, rest, said};
use super::phase::Phase;
use super::reward::{Ending, Reward};
use crate::error::Error;
use crate::fault::{Faults, Point};

/// How often a controller may die in one phase.
const LIVES: usize = 3;

/// What a controller shares with its children and the supervisor.
pub(crate) struct ControllerDesk<T> {
    /// The phase to work on, handed in by the supervisor.
    pub(crate) phases: ArrayQueue<Arc<Phase<T>>>,
    /// The controller's thread, set by the supervisor before the first phase.
    pub(crate) thread: OnceLock<Thread>,
    pub(crate) children: Vec<ChildDesk<T>>,
    /// The number of the first child among all.
    pub(crate) first_child: usize,
}

impl<T> ControllerDesk<T> {
    pub(crate) fn new(children: usize, first_child: usize) -> Self {
        Self {
            phases: ArrayQueue::new(1),
            thread: OnceLock::new(),
            children: (0..children).map(|_| ChildDesk::new()).collect(),
            first_child,
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// What all controllers and the supervisor share.
pub(crate) struct Shared<'e, T> {
    pub(crate) desks: &'e [ControllerDesk<T>],
    pub(crate) supervisor: &'e Thread,
    /// Controllers that have not left the phase. Set by the supervisor before it hands a phase out; a controller takes itself off
    /// (Release) when it has let go of it.
    pub(crate) at_work: &'e AtomicUsize,
    /// No phase will come any more.
    pub(crate) closing: &'e AtomicBool,
    pub(crate) faults: &'e Faults,
    /// How often a controller looks for rewards before it sleeps.
    pub(crate) looks: u32,
}

impl<T> Shared<'_, T> {
    /// Wakes every controller.
    pub(crate) fn wake_all(&self) {
        self.desks.iter().for_each(ControllerDesk::wake);
    }
}

/// The life of controller number `number`, at `desk`.
pub(crate) fn live<J: Job>(job: &J, number: usize, desk: &ControllerDesk<J::Task>, shared: &Shared<'_, J::Task>) {
    // From here on every child can be woken.
    while desk.children.iter().any(|child| child.thread.get().is_none()) {
        park();
    }
    let mut hands = Hands {
        job,
        number,
        state: None,
        reward: None,
        claimed: None,
        unbooked: vec![0; desk.children.len()],
        next: 0,
    };
    loop {
        let Some(phase) = desk.phases.pop() else {
            if shared.closing.load(Ordering::Acquire) {
                break;
            }
            rest(shared.looks, || !desk.phases.is_empty());
            continue;
        };
        desk.children.iter().for_each(|child| child.begin(&phase));
        see_through(&mut hands, desk, &phase, shared);
        desk.children.iter().for_each(ChildDesk::end);
        drop(phase);
        shared.at_work.fetch_sub(1, Ordering::Release);
        shared.supervisor.unpark();
    }
    desk.children.iter().for_each(ChildDesk::wake);
}

/// Works on `phase` until it is over, at most [`LIVES`] times from a panic on.
fn see_through<J: Job>(
    hands: &mut Hands<'_, J>,
    desk: &ControllerDesk<J::Task>,
    phase: &Arc<Phase<J::Task>>,
    shared: &Shared<'_, J::Task>,
) {
    for life in 1..=LIVES {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| hands.work_off(desk, phase, shared))) else { return };
        if let Some(task) = hands.claimed.take() {
            phase.put_back(task);
        }
        // What it was doing with its state is not known; dropping it may panic again, which is of no interest any more.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(hands.state.take())));
        if life == LIVES {
            phase.fail(Error::Engine(format!("a controller died {LIVES} times: {}", said(panic.as_ref()))));
        }
        // For the task that came back, for the failure, and for whatever the panic kept it from telling.
        shared.wake_all();
    }
    hands.collect(desk);
}

/// What a controller has in its hands. It lies outside of what a panic unwinds, so that no reward and no task is lost.
struct Hands<'j, J: Job> {
    job: &'j J,
    /// The controller's number.
    number: usize,
    /// What the job has it keep, once it was needed.
    state: Option<J::Controller>,
    /// Taken from a ring and not booked yet.
    reward: Option<Reward>,
    /// Claimed from the phase and not dealt yet.
    claimed: Option<u32>,
    /// By child: tasks dealt whose rewards are not booked.
    unbooked: Vec<usize>,
    /// The child whose rewards are looked for first.
    next: usize,
}

impl<J: Job> Hands<'_, J> {
    /// Books and deals until the phase is over and every reward is in.
    fn work_off(&mut self, desk: &ControllerDesk<J::Task>, phase: &Arc<Phase<J::Task>>, shared: &Shared<'_, J::Task>) {
        loop {
            shared.faults.pass(Point::Controller);
            while let Some(reward) = self.next_reward(desk) {
                shared.faults.pass(Point::Controller);
                let came_back = phase.book(&reward);
                self.let_go(&reward);
                if reward.ending == Ending::Done {
                    let (state, task) = (self.job_state(), &phase.tasks[reward.task as usize]);
                    state.0.hear(state.1, reward.task, task, &reward.answer());
                }
                // Others may sleep while they could deal a task that came back, or leave a phase that is over.
                if came_back || phase.over() {
                    shared.wake_all();
                }
            }
            for (number, child) in desk.children.iter().enumerate() {
                while self.unbooked[number] < DEPTH {
                    self.claimed = phase.claim(desk.first_child + number, self.unbooked[number] > 0);
                    let Some(task) = self.claimed else { break };
                    shared.faults.pass(Point::Controller);
                    let (job, state) = self.job_state();
                    if !job.deal(state, task, &phase.tasks[task as usize]) {
                        // It is nobody's, and is never done.
                        self.claimed = None;
                        phase.closed.store(true, Ordering::Relaxed);
                        shared.wake_all();
                        break;
                    }
                    child.deal(task);
                    self.unbooked[number] += 1;
                    self.claimed = None;
                }
            }
            if phase.over() && self.unbooked.iter().all(|&tasks| tasks == 0) {
                return;
            }
            // Everything that lets this loop go on is followed by an unpark of this thread: a reward, a task that came back, the
            // end of the phase.
            rest(shared.looks, || desk.children.iter().any(|child| child.rewards.waits()));
        }
    }

    /// The job, and what it has the controller keep.
    fn job_state(&mut self) -> (&J, &mut J::Controller) {
        let (job, number) = (self.job, self.number);
        (job, self.state.get_or_insert_with(|| job.controller(number)))
    }

    /// Takes the rewards that are still to come, without a look at them: the phase has failed.
    fn collect(&mut self, desk: &ControllerDesk<J::Task>) {
        while self.unbooked.iter().any(|&tasks| tasks > 0) {
            match self.next_reward(desk) {
                Some(reward) => self.let_go(&reward),
                None => park(),
            }
        }
    }

    /// The reward to book next; it stays in hand until [`Hands::let_go`].
    fn next_reward(&mut self, desk: &ControllerDesk<J::Task>) -> Option<Reward> {
        let children = desk.children.len();
        for _ in 0..children {
            if self.reward.is_some() {
                break;
            }
            // In turns, so that a quick child does not keep the others' rewards waiting.
            let child = &desk.children[self.next];
            self.next = (self.next + 1) % children;
            self.reward = child.rewards.pop().map(Reward::from_words);
        }
        self.reward
    }

    /// Puts the reward in hand away.
    fn let_go(&mut self, reward: &Reward) {
        self.unbooked[usize::from(reward.child)] -= 1;
        self.reward = None;
    }
}
