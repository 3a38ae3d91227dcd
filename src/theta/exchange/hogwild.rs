//! Hogwild with a private head: the tail is updated in place by everyone, the hottest rows (and the intercept) are private to each
//! child and merged into Θ every so many rows.
//!
//! On data whose features follow Zipf's law plain shared Hogwild is slower than one thread, for its hot cache lines travel
//! between the cores; a private head of a few KiB, merged every 64 rows, makes two children on near cores 1.4 to 1.75 times one, at equal loss
//! (measured, see docs/performance.md).
//!
//! **Protocol.** Only its child touches a view's `mine` and `base`. The master words of the head are written only under the claim
//! of the shard that owns the block, so no delta is lost; each merge adds `mine - base` and takes the sum back, so every
//! child sees every other's deltas no later than its own next merge. A child never waits for a claim, except when it has gone
//! `RETRIES` groups without one: then rows in flight would exceed what the merge rule is stable for. Nothing but the claim's
//! Acquire and Release orders the words.

use std::io;
use std::sync::atomic::AtomicU32;

use hogback_kernels::{Cells, Layout, MergeRule, Table};

use super::{BIAS, WEIGHT};
use crate::fault::{Faults, Point};
use crate::sys::map::Region;
use crate::theta::{BLOCK_ROWS, Theta};

/// How many row groups a child goes on without a claim before it waits for one.
const RETRIES: u32 = 4;

/// What of a table is private, and how it is merged.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What stands in a row of the table.
    pub layout: Layout,
    /// How many of the first rows are private; all of the table's for a full replica; 0 for a child that has Θ to itself.
    pub rows: usize,
    /// Rows of data in a group, after which there may be an exchange.
    pub interval: usize,
    /// Groups between two exchanges: more than one where a head is larger than what is gained by merging it more often.
    pub every: u32,
    /// How the head's deltas are merged.
    pub rule: MergeRule,
    /// How the intercept's delta is merged.
    pub bias_rule: MergeRule,
}

/// Θ as one child sees it.
#[derive(Debug)]
pub struct View<'t> {
    theta: &'t Theta,
    faults: &'t Faults,
    head: Head,
    /// Where the round over the head's blocks begins, so that children do not all want the same shard.
    first: usize,
    mine: Region,
    base: Region,
    bias: Vec<AtomicU32>,
    bias_base: Vec<AtomicU32>,
    /// For each block of the head at how many exchanges in a row its shard was taken.
    refused: Vec<u32>,
    bias_refused: u32,
    /// Groups since the last exchange, this one with them.
    left_out: u32,
}

impl<'t> View<'t> {
    /// The view of child number `child`, pulled. Its memory is touched first by the calling thread, which should be the child's.
    ///
    /// # Errors
    /// The system's, where the memory is not to be had.
    pub fn new(theta: &'t Theta, head: Head, child: usize, faults: &'t Faults) -> io::Result<Self> {
        let weight = &theta.tensors()[WEIGHT];
        let head = Head { rows: head.rows.min(weight.rows()), ..head };
        let words = head.rows * weight.width();
        let blocks = head.rows.div_ceil(BLOCK_ROWS);
        let mut view = Self {
            theta,
            faults,
            head,
            first: child,
            mine: Region::reserve(words)?,
            base: Region::reserve(words)?,
            bias: zeros(theta.tensors()[BIAS].width()),
            bias_base: zeros(theta.tensors()[BIAS].width()),
            refused: vec![0; blocks],
            bias_refused: 0,
            left_out: 0,
        };
        view.pull();
        Ok(view)
    }

    /// Takes the head and the intercept from Θ anew, forgetting what has not been pushed.
    pub fn pull(&mut self) {
        let weight = &self.theta.tensors()[WEIGHT];
        let (bias, bias_base) = (Cells::new(&self.bias), Cells::new(&self.bias_base));
        let intercept = (self.theta.tensors()[BIAS].cells(), bias, bias_base);
        for (master, mine, base) in [(weight.cells(), self.mine.cells(), self.base.cells()), intercept] {
            for at in 0..mine.len() {
                let word = master.get(at);
                mine.set(at, word);
                base.set(at, word);
            }
        }
    }

    /// The table to learn on, and the intercept.
    pub fn parts(&mut self) -> (Table<'_>, Cells<'_>) {
        let weight = &self.theta.tensors()[WEIGHT];
        let (layout, mine) = (self.head.layout, self.mine.cells());
        let table = if self.head.rows == 0 {
            Table::whole(weight.cells(), layout)
        } else if self.head.rows == weight.rows() {
            Table::whole(mine, layout)
        } else {
            Table::with_head(weight.cells(), mine, layout)
        };
        (table, Cells::new(&self.bias))
    }

    /// Whether [`View::parts`] gives a table with a head beside a shared tail.
    pub fn has_head(theta: &Theta, head: Head) -> bool {
        head.rows > 0 && head.rows < theta.tensors()[WEIGHT].rows()
    }

    /// Rows of data in a group.
    pub fn interval(&self) -> usize {
        self.head.interval
    }

    /// Pushes what the child has changed and pulls what others have, as far as the shards are free; with `settle`, waits for those that
    /// are not (the end of a task). False where it is not yet time.
    pub fn exchange(&mut self, settle: bool) -> bool {
        self.left_out += 1;
        if !settle && self.left_out < self.head.every {
            return false;
        }
        self.left_out = 0;
        let blocks = self.refused.len();
        for nth in 0..blocks {
            let block = (self.first + nth) % blocks;
            let shard = &self.theta.shards()[self.theta.owner(WEIGHT, block)];
            let claim = if settle || self.refused[block] * self.head.every >= RETRIES {
                Some(shard.claim())
            } else {
                shard.try_claim()
            };
            let Some(_claim) = claim else {
                self.refused[block] += 1;
                continue;
            };
            self.refused[block] = 0;
            let weight = &self.theta.tensors()[WEIGHT];
            let from = block * BLOCK_ROWS * weight.width();
            let words = from..(from + BLOCK_ROWS * weight.width()).min(self.mine.len());
            let [mine, base] = [&self.mine, &self.base].map(|region| region.cells().slice(words.clone()));
            self.theta.backend().merge(weight.cells().slice(words), mine, base, self.head.rule);
            self.faults.pass(Point::WhileMerging);
        }
        self.exchange_bias(settle);
        true
    }

    fn exchange_bias(&mut self, settle: bool) {
        let shard = &self.theta.shards()[self.theta.owner(BIAS, 0)];
        let claim = if settle || self.bias_refused * self.head.every >= RETRIES {
            Some(shard.claim())
        } else {
            shard.try_claim()
        };
        let Some(_claim) = claim else {
            self.bias_refused += 1;
            return;
        };
        self.bias_refused = 0;
        if self.refused.is_empty() {
            self.faults.pass(Point::WhileMerging);
        }
        let (mine, base) = (Cells::new(&self.bias), Cells::new(&self.bias_base));
        self.theta.backend().merge(self.theta.tensors()[BIAS].cells(), mine, base, self.head.bias_rule);
    }
}

fn zeros(words: usize) -> Vec<AtomicU32> {
    (0..words).map(|_| AtomicU32::new(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theta::{Class, TensorSpec};
    use hogback_kernels::Backend;

    fn theta(rows: usize, shards: usize) -> Theta {
        let spec = |name, rows| TensorSpec { name, rows, capacity: rows, width: 2, class: Class::Sparse };
        Theta::reserve([spec("weight", rows), spec("bias", 1)], shards, Backend::best()).unwrap()
    }

    fn head(rows: usize) -> Head {
        Head {
            layout: Layout::new(1, 1),
            rows,
            interval: 64,
            every: 1,
            rule: MergeRule::Sum,
            bias_rule: MergeRule::Sum,
        }
    }

    /// Each of four children adds 1 to each of its head's words and to the intercept, 500 times, exchanging as it goes; small whole
    /// numbers add exactly, so any lost or doubled delta shows.
    #[test]
    fn no_delta_is_lost_or_doubled() {
        for (rows, head_rows, shards) in [(9000, 1024, 1), (9000, 9000, 3), (100, 100, 2), (9000, 5000, 2)] {
            let theta = theta(rows, shards);
            let faults = Faults::none();
            std::thread::scope(|scope| {
                for child in 0..4 {
                    let (theta, faults) = (&theta, &faults);
                    scope.spawn(move || {
                        let mut view = View::new(theta, head(head_rows), child, faults).unwrap();
                        for round in 0..500 {
                            let mine = view.mine.cells();
                            (0..mine.len()).for_each(|at| mine.set(at, mine.get(at) + 1.0));
                            let (_, bias) = view.parts();
                            bias.set(0, bias.get(0) + 1.0);
                            view.exchange(round == 499);
                        }
                    });
                }
            });
            let cells = theta.tensors()[WEIGHT].cells();
            assert!(
                (0..head_rows * 2).all(|at| cells.get(at) == 2000.0),
                "rows {rows} head {head_rows} shards {shards}"
            );
            assert!((head_rows * 2..rows * 2).all(|at| cells.get(at) == 0.0));
            assert_eq!(theta.tensors()[BIAS].cells().get(0), 2000.0);
        }
    }

    #[test]
    fn a_head_that_is_seldom_merged_is_merged_at_the_end() {
        let theta = theta(100, 1);
        let faults = Faults::none();
        let mut view = View::new(&theta, Head { every: 3, ..head(100) }, 0, &faults).unwrap();
        let seen = |at: usize| theta.tensors()[at].cells().get(0);
        for merged in [0.0, 0.0, 3.0, 3.0] {
            let mine = view.mine.cells();
            mine.set(0, mine.get(0) + 1.0);
            let (_, bias) = view.parts();
            bias.set(0, bias.get(0) + 1.0);
            view.exchange(false);
            assert_eq!((seen(WEIGHT), seen(BIAS)), (merged, merged));
        }
        view.exchange(true);
        assert_eq!((seen(WEIGHT), seen(BIAS)), (4.0, 4.0));
    }

    #[test]
    fn a_taken_shard_is_waited_for_only_after_some_refusals() {
        let theta = theta(100, 1);
        let faults = Faults::none();
        let mut view = View::new(&theta, head(100), 0, &faults).unwrap();
        view.mine.cells().set(0, 1.0);
        let claim = theta.shards()[0].claim();
        for _ in 0..RETRIES {
            view.exchange(false);
        }
        assert_eq!(theta.tensors()[WEIGHT].cells().get(0), 0.0);
        drop(claim);
        view.exchange(false);
        assert_eq!(theta.tensors()[WEIGHT].cells().get(0), 1.0);
    }

    #[test]
    fn a_panic_while_merging_leaves_the_shard_free_and_a_new_view_whole() {
        let theta = theta(100, 1);
        let faults = Faults::none().at(Point::WhileMerging, 0, 1);
        let mut view = View::new(&theta, head(100), 0, &faults).unwrap();
        view.mine.cells().set(0, 1.0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| view.exchange(true)));
        assert!(caught.is_err());
        let mut view = View::new(&theta, head(100), 0, &faults).unwrap();
        assert_eq!(view.mine.cells().get(0), 1.0);
        view.exchange(true);
        assert_eq!(theta.tensors()[WEIGHT].cells().get(0), 1.0);
    }
}
