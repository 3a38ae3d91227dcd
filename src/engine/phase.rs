//! [`Phase`]: a list of tasks that all controllers work off together, and what has become of each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crossbeam::queue::SegQueue;
use crossbeam::utils::CachePadded;

use super::reward::{Answer, Ending, Reward};
use crate::error::{Error, Result};

/// How often one task may panic before the phase fails.
const ATTEMPTS: u8 = 3;

/// How tasks find children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    /// Any task to any child that has room, in order.
    Free,
    /// The same to a child that has none: what the task is to be is decided as late as can be ([`super::Job::deal`]).
    Late,
    /// Task i to child i and nobody else: children that meet in rounds.
    OneEach,
}

/// Tasks of one phase and their state.
///
/// **Who writes what.** A claim gives a task to one controller alone. It comes back only from those hands, so a task is in one
/// pair of hands at any time and is answered at most once. Its answer is set before `left` falls (Release), so whoever sees
/// `left` = 0 (Acquire) sees every answer. `stop` is set once and never cleared. The mutexes are for failures only.
pub(crate) struct Phase<T> {
    pub(crate) tasks: Vec<T>,
    deal: Deal,
    /// How many children there are.
    children: usize,
    /// [`Deal::Free`], [`Deal::Late`]: the first task that has never been claimed; may run past the end.
    next: AtomicUsize,
    /// [`Deal::Free`], [`Deal::Late`]: tasks that came back.
    again: SegQueue<u32>,
    /// [`Deal::OneEach`]: by task, whether it is claimed.
    claimed: Vec<AtomicBool>,
    /// By task: how often it has panicked.
    panicked: Vec<AtomicU8>,
    answers: Vec<OnceLock<Answer>>,
    /// Tasks without an answer.
    left: AtomicUsize,
    /// No fresh task is to be claimed any more; those that were dealt are done, and come back if they have to. Set once, never cleared.
    pub(crate) closed: AtomicBool,
    /// No task is to be begun any more. Children look at it before each, so it has a cache line of its own.
    pub(crate) stop: CachePadded<AtomicBool>,
    failure: Mutex<Option<Error>>,
    /// How often a child has panicked.
    panics: AtomicU32,
    last_panic: Mutex<String>,
    /// Rows of tasks that are done, for the progress line.
    rows: AtomicU64,
}

impl<T> Phase<T> {
    pub(crate) fn new(tasks: Vec<T>, deal: Deal, children: usize) -> Self {
        let n = tasks.len();
        Self {
            deal,
            children,
            next: AtomicUsize::new(0),
            again: SegQueue::new(),
            claimed: (0..if deal == Deal::OneEach { n } else { 0 }).map(|_| AtomicBool::new(false)).collect(),
            panicked: (0..n).map(|_| AtomicU8::new(0)).collect(),
            answers: (0..n).map(|_| OnceLock::new()).collect(),
            left: AtomicUsize::new(n),
            closed: AtomicBool::new(false),
            stop: CachePadded::default(),
            failure: Mutex::default(),
            panics: AtomicU32::new(0),
            last_panic: Mutex::default(),
            rows: AtomicU64::new(0),
            tasks,
        }
    }

    /// The next task for child `child` among all, or none now; `ahead` when the child has one already.
    pub(crate) fn claim(&self, child: usize, ahead: bool) -> Option<u32> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let closed = self.closed.load(Ordering::Relaxed);
        match self.deal {
            Deal::OneEach if closed => None,
            Deal::OneEach => {
                let claimed = child < self.claimed.len() && !self.claimed[child].swap(true, Ordering::Relaxed);
                claimed.then_some(child as u32)
            }
            Deal::Late if ahead => None,
            Deal::Free | Deal::Late if closed => self.again.pop(),
            // The last tasks are kept for children that have none.
            Deal::Free if ahead => self.claim_fresh(self.children),
            Deal::Free | Deal::Late => self.again.pop().or_else(|| self.claim_fresh(0)),
        }
    }

    /// The next task that has never been claimed, where more than `kept` are left.
    fn claim_fresh(&self, kept: usize) -> Option<u32> {
        // A look first, so that idle controllers do not count the cursor up for ever.
        if self.next.load(Ordering::Relaxed) + kept >= self.tasks.len() {
            return None;
        }
        let task = self.next.fetch_add(1, Ordering::Relaxed);
        (task < self.tasks.len()).then_some(task as u32)
    }

    /// Gives a claimed task back.
    pub(crate) fn put_back(&self, task: u32) {
        match self.deal {
            Deal::OneEach => self.claimed[task as usize].store(false, Ordering::Relaxed),
            Deal::Free | Deal::Late => self.again.push(task),
        }
    }

    /// Books a reward; true when its task came back.
    pub(crate) fn book(&self, reward: &Reward) -> bool {
        let task = reward.task as usize;
        match reward.ending {
            Ending::Done => {
                let _ = self.answers[task].set(reward.answer());
                self.rows.fetch_add(u64::from(reward.rows), Ordering::Relaxed);
                self.left.fetch_sub(1, Ordering::Release);
                false
            }
            Ending::Panicked => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                if self.panicked[task].fetch_add(1, Ordering::Relaxed) + 1 == ATTEMPTS {
                    let said = self.last_panic();
                    self.fail(Error::Engine(format!("a task has failed {ATTEMPTS} times; the last time: {said}")));
                }
                self.put_back(reward.task);
                true
            }
            Ending::GivenUp => false,
        }
    }

    /// Ends the phase with an error; the first one counts.
    pub(crate) fn fail(&self, error: Error) {
        unpoisoned(&self.failure).get_or_insert(error);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Keeps what a child's panic said.
    pub(crate) fn note_panic(&self, said: String) {
        *unpoisoned(&self.last_panic) = said;
    }

    /// What the last panic of a child said; empty where there was none.
    pub(crate) fn last_panic(&self) -> String {
        unpoisoned(&self.last_panic).clone()
    }

    /// How often a child has panicked.
    pub(crate) fn panics(&self) -> u32 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whether a controller whose children are silent may leave: no task will be claimed any more.
    pub(crate) fn over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
            || self.stop.load(Ordering::Relaxed)
            || self.closed.load(Ordering::Relaxed) && self.again.is_empty()
    }

    /// Rows of the tasks that are done.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// By task: its answer, if it is done now.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Option<Answer>> + '_ {
        self.answers.iter().map(|answer| answer.get().copied())
    }

    /// By task: its answer, if it is done. For the supervisor, when all controllers have left.
    ///
    /// # Errors
    /// What [`Phase::fail`] was given.
    pub(crate) fn outcome(&self) -> Result<Vec<Option<Answer>>> {
        match unpoisoned(&self.failure).take() {
            Some(error) => Err(error),
            None => Ok(self.answers().collect()),
        }
    }
}

/// What `mutex` guards; all that is written under the engine's mutexes is written whole.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
