//! [`Phase`]: a list of tasks that all controllers work off together, and what has become of each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam::queue::SegQueue;

use super::reward::{Answer, Ending, Reward};
use crate::error::{Error, Result};

/// How often one task may fail before the run does.
const ATTEMPTS: u8 = 3;

/// How tasks find children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    /// Any task to any child that has room, in order.
    Free,
    /// Task i to child i and nobody else: children that meet in rounds.
    OneEach,
}

/// Tasks of one phase and their state.
///
/// **Who writes what.** `next` hands each task out once; a task that fails comes back through `again`, put there only by the
/// controller that dealt it, so a task is in one pair of hands at any time. `dealt[t]` names these hands and `done[t]` is set
/// (Release) by them before `left` falls (AcqRel), so whoever sees `left` = 0 sees every answer. `answers` are written once each,
/// before `done[t]`.
pub(crate) struct Phase<T> {
    pub(crate) tasks: Vec<T>,
    pub(crate) deal: Deal,
    next: AtomicUsize,
    again: SegQueue<u32>,
    dealt: Vec<AtomicU32>,
    done: Vec<AtomicBool>,
    attempts: Vec<AtomicU8>,
    answers: Vec<Mutex<Answer>>,
    left: AtomicUsize,
    /// No task is to be begun any more.
    pub(crate) stop: AtomicBool,
    failure: Mutex<Option<Error>>,
    /// How often a child has panicked.
    pub(crate) panics: AtomicU32,
    /// What the last panic said.
    pub(crate) last_panic: Mutex<String>,
    /// Rows of tasks that are done, for the progress line.
    pub(crate) rows: AtomicU64,
    /// Controllers that have left.
    pub(crate) absent: AtomicUsize,
}

/// Nobody's hands.
const FREE: u32 = u32::MAX;

impl<T> Phase<T> {
    pub(crate) fn new(tasks: Vec<T>, deal: Deal) -> Self {
        let n = tasks.len();
        Self {
            deal,
            next: AtomicUsize::new(0),
            again: SegQueue::new(),
            dealt: (0..n).map(|_| AtomicU32::new(FREE)).collect(),
            done: (0..n).map(|_| AtomicBool::new(false)).collect(),
            attempts: (0..n).map(|_| AtomicU8::new(0)).collect(),
            answers: (0..n).map(|_| Mutex::default()).collect(),
            left: AtomicUsize::new(n),
            stop: AtomicBool::new(false),
            failure: Mutex::default(),
            panics: AtomicU32::new(0),
            last_panic: Mutex::default(),
            rows: AtomicU64::new(0),
            absent: AtomicUsize::new(0),
            tasks,
        }
    }

    /// The next task for controller `hands`, or none now. `child` is the child's number among all.
    pub(crate) fn claim(&self, hands: u32, child: usize) -> Option<u32> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let task = match self.deal {
            Deal::OneEach => {
                (child < self.tasks.len() && self.dealt[child].load(Ordering::Relaxed) == FREE && !self.is_done(child))
                    .then_some(child as u32)
            }
            Deal::Free => self.again.pop().or_else(|| {
                // A look first, so that idle controllers do not count the cursor up for ever.
                let fresh = self.next.load(Ordering::Relaxed) < self.tasks.len();
                let task = if fresh { self.next.fetch_add(1, Ordering::Relaxed) } else { usize::MAX };
                (task < self.tasks.len()).then_some(task as u32)
            }),
        }?;
        self.dealt[task as usize].store(hands, Ordering::Relaxed);
        Some(task)
    }

    /// Books a reward; true when its task goes back to be dealt again.
    pub(crate) fn book(&self, reward: &Reward) -> bool {
        let task = reward.task as usize;
        match reward.ending {
            Ending::Done => {
                *self.answers[task].lock().unwrap_or_else(PoisonError::into_inner) = reward.answer();
                self.done[task].store(true, Ordering::Release);
                self.rows.fetch_add(u64::from(reward.rows), Ordering::Relaxed);
                self.left.fetch_sub(1, Ordering::AcqRel);
                false
            }
            Ending::Panicked => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                if self.attempts[task].fetch_add(1, Ordering::Relaxed) + 1 >= ATTEMPTS {
                    let said = self.last_panic.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    self.fail(Error::Engine(format!("a task has failed {ATTEMPTS} times; the last time: {said}")));
                }
                self.put_back(reward.task);
                true
            }
            Ending::Failed => {
                self.put_back(reward.task);
                true
            }
        }
    }

    /// Gives a dealt task back.
    fn put_back(&self, task: u32) {
        self.dealt[task as usize].store(FREE, Ordering::Relaxed);
        if self.deal == Deal::Free {
            self.again.push(task);
        }
    }

    /// Gives back every task that controller `hands` has dealt and not booked; for a controller that lost its records, after
    /// its children have fallen silent.
    pub(crate) fn put_back_all(&self, hands: u32) {
        for (task, dealt) in self.dealt.iter().enumerate() {
            if dealt.load(Ordering::Relaxed) == hands && !self.is_done(task) {
                self.put_back(task as u32);
            }
        }
    }

    /// Ends the phase with an error; the first one counts.
    pub(crate) fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether a controller that has nothing dealt may leave.
    pub(crate) fn over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0 || self.stop.load(Ordering::Relaxed)
    }

    fn is_done(&self, task: usize) -> bool {
        self.done[task].load(Ordering::Acquire)
    }

    /// By task: its answer, if it is done.
    ///
    /// # Errors
    /// What [`Phase::fail`] was given.
    pub(crate) fn outcome(&self) -> Result<Vec<Option<Answer>>> {
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let answer = |task: usize| *self.answers[task].lock().unwrap_or_else(PoisonError::into_inner);
        Ok((0..self.tasks.len()).map(|task| self.is_done(task).then(|| answer(task))).collect())
    }

    /// By task: whether it is done now.
    pub(crate) fn done(&self) -> Vec<bool> {
        (0..self.tasks.len()).map(|task| self.is_done(task)).collect()
    }

    /// By task that is done: its answer.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answer> + '_ {
        let answer = |task: usize| *self.answers[task].lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.tasks.len()).filter(|&task| self.is_done(task)).map(answer)
    }
}
