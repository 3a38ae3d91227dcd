//! Rounds: every child learns the same number of rows against Θ as it stood at the round's beginning, then the pushes are applied in
//! child order. One seed, S, K, m and backend give one result, bit for bit.
//!
//! **Protocol.** A round has two gates. Before the first, a child only reads Θ and writes its own push. Between the gates each
//! child applies all pushes, in child order, but only to the blocks of the shards that are its own (shard s belongs to child s mod C),
//! so each word has one writer. After the second gate nobody writes until all have read again. The gates' mutex orders
//! everything; Θ itself is touched by relaxed accesses as everywhere.
//!
//! A child that panics while it learns has pushed nothing: it learns the round again from the same Θ. One that panics while it
//! applies goes on where it stopped: what it has applied is counted outside the unwinding.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hogback_kernels::{Cells, DenseRule, Ids, Layout, MergeRule, Row, Table};

use super::hogwild::Head;
use super::{BIAS, LAYERS, STEPS, WEIGHT};
use crate::fault::{Faults, Point};
use crate::sys::map::Region;
use crate::theta::private::Aligned;
use crate::theta::{BLOCK_ROWS, Tensor, Theta};

/// Steps are counted in a word of Θ up to here; past it they make no difference.
const MOST_STEPS: u64 = 1 << 24;
/// How often applying a round's pushes may panic.
const ATTEMPTS: u32 = 3;

/// The rounds of one wave of children.
#[derive(Debug)]
pub struct Rounds {
    gate: Mutex<Gate>,
    opened: Condvar,
    pushes: Vec<RwLock<Push>>,
}

#[derive(Debug, Default)]
struct Gate {
    waiting: usize,
    generation: u64,
}

/// What one child changed in a round.
#[derive(Debug, Default)]
struct Push {
    /// The rows touched.
    rows: Vec<u32>,
    /// Words before and after, row by row.
    before: Vec<f32>,
    after: Vec<f32>,
    bias_before: Vec<f32>,
    bias_after: Vec<f32>,
    /// The gradient of the layers, where there are any and the round had rows.
    gradient: Option<Aligned>,
}

/// What a child learns on in a round.
#[derive(Debug)]
pub struct Round<'r> {
    /// Which tensor rows the copy holds, in its order.
    pub touched: &'r [u32],
    /// The copy.
    pub table: &'r Table<'r>,
    /// The intercept.
    pub bias: Cells<'r>,
    /// The rows of data, renumbered to fit the copy; as they were where there is none.
    pub rows: &'r [Row<'r>],
    /// The layers; none where the model has none.
    pub layers: &'r [f32],
    /// Where their gradient goes.
    pub gradient: &'r mut [f32],
}

/// How a gradient moves the layers, by the number of the step.
pub type LayerRule<'r> = &'r dyn Fn(u64) -> DenseRule;

/// A round was given up because the run is stopping.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

impl Rounds {
    /// Rounds of `children` children.
    pub fn new(children: usize) -> Self {
        Self {
            gate: Mutex::default(),
            opened: Condvar::new(),
            pushes: (0..children).map(|_| RwLock::default()).collect(),
        }
    }

    /// Waits until all children are here.
    fn meet(&self, stop: &AtomicBool) -> Result<(), Stopped> {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = gate.generation;
        gate.waiting += 1;
        if gate.waiting == self.pushes.len() {
            *gate = Gate { waiting: 0, generation: generation + 1 };
            self.opened.notify_all();
            return Ok(());
        }
        // An open gate counts before a stop: who was let through goes on, as those did who came first.
        while gate.generation == generation {
            if stop.load(Ordering::Relaxed) {
                return Err(Stopped);
            }
            // The time-out is for a stop that nobody announces here.
            let waited = self.opened.wait_timeout(gate, Duration::from_millis(20));
            gate = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

/// Θ as one child sees it in a round: private copies of the rows its data touches.
#[derive(Debug)]
pub struct RoundView<'t> {
    theta: &'t Theta,
    faults: &'t Faults,
    layout: Layout,
    rule: MergeRule,
    bias_rule: MergeRule,
    child: usize,
    /// For each tensor row its place in the copy, or `u32::MAX`.
    place: Vec<u32>,
    copy: Region,
    ids: Vec<u32>,
    ends: Vec<usize>,
    push: Push,
    bias: Vec<AtomicU32>,
    /// The layers as they are in this round; empty where there are none.
    layers: Aligned,
    /// The gradient, until it is handed in, and when it has come back.
    gradient: Option<Aligned>,
    /// The steps of the layers before the round.
    steps: u64,
}

impl<'t> RoundView<'t> {
    /// The view of child number `child`; of `head` only the layout and the rules count.
    ///
    /// # Errors
    /// The system's, where the memory is not to be had.
    pub fn new(theta: &'t Theta, head: Head, child: usize, faults: &'t Faults) -> io::Result<Self> {
        Ok(Self {
            theta,
            faults,
            layout: head.layout,
            rule: head.rule,
            bias_rule: head.bias_rule,
            child,
            place: vec![u32::MAX; theta.tensors()[WEIGHT].rows()],
            copy: Region::reserve(0)?,
            ids: Vec::new(),
            ends: Vec::new(),
            push: Push::default(),
            bias: (0..theta.tensors()[BIAS].width()).map(|_| AtomicU32::new(0)).collect(),
            layers: Aligned::new(theta.tensors().get(LAYERS).map_or(0, Tensor::rows)),
            gradient: None,
            steps: 0,
        })
    }

    /// Copies the rows that `rows` touch, the intercept and the layers, and hands them to `learn`.
    ///
    /// # Errors
    /// The system's, where the memory is not to be had.
    pub fn learn(&mut self, rows: &[Row<'_>], learn: impl FnOnce(Round<'_>)) -> io::Result<()> {
        let weight = &self.theta.tensors()[WEIGHT];
        let (width, master) = (weight.width(), weight.cells());
        // A child that panicked in the last round has left its marks.
        for row in self.push.rows.drain(..) {
            self.place[row as usize] = u32::MAX;
        }
        self.ids.clear();
        self.ends.clear();
        // The ids of a model without a table are inputs, which stay what they are.
        let has_table = weight.rows() > 0;
        for row in rows.iter().filter(|_| has_table) {
            for &id in row.ids().as_slice() {
                let place = &mut self.place[id as usize];
                if *place == u32::MAX {
                    *place = self.push.rows.len() as u32;
                    self.push.rows.push(id);
                }
                self.ids.push(*place);
            }
            self.ends.push(self.ids.len());
        }
        let touched = self.push.rows.len();
        if self.copy.len() < touched * width {
            self.copy = Region::reserve((touched * width).next_power_of_two())?;
        }
        self.push.before.clear();
        for &row in &self.push.rows {
            let from = row as usize * width;
            self.push.before.extend((from..from + width).map(|at| master.get(at)));
        }
        let copy = self.copy.cells().slice(0..touched * width);
        self.theta.backend().copy_in(&self.push.before, copy);
        let bias = Cells::new(&self.bias);
        self.push.bias_before = words(self.theta.tensors()[BIAS].cells());
        self.theta.backend().copy_in(&self.push.bias_before, bias);

        let limit = u32::try_from(touched).unwrap_or(u32::MAX);
        let ids = Ids::check(&self.ids, limit).map_err(|_| io::Error::other("a place past the copy"))?;
        let mut renumbered = Vec::with_capacity(rows.len());
        let mut from = 0;
        for (row, &end) in rows.iter().zip(&self.ends) {
            renumbered.push(Row::new(ids.slice(from..end), row.values(), row.target).weighing(row.weight));
            from = end;
        }
        if self.layers.len() > 0 {
            self.theta.backend().copy_out(self.theta.tensors()[LAYERS].plane(0), self.layers.as_mut_slice());
            self.steps = self.theta.tensors()[STEPS].cells().get(0) as u64;
        }
        // What was handed in last has come back, or goes to whoever hands in next.
        let spare = self.push.gradient.take().or_else(|| self.gradient.take());
        let mut gradient = spare.unwrap_or_else(|| Aligned::new(self.layers.len()));
        learn(Round {
            touched: &self.push.rows,
            table: &Table::whole(copy, self.layout),
            bias,
            rows: if has_table { &renumbered } else { rows },
            layers: self.layers.as_slice(),
            gradient: gradient.as_mut_slice(),
        });
        let is_pushed = self.layers.len() > 0 && !rows.is_empty();
        *(if is_pushed { &mut self.push.gradient } else { &mut self.gradient }) = Some(gradient);

        self.push.after.resize(touched * width, 0.0);
        self.theta.backend().copy_out(copy, &mut self.push.after);
        self.push.bias_after = words(bias);
        Ok(())
    }

    /// Ends the round: hands in this child's push, waits for the others', applies all of them to the blocks of this child's shards,
    /// and waits until Θ is whole. Returns how many panics it has survived.
    ///
    /// # Errors
    /// [`Stopped`], with Θ between two rounds or within one, when `stop` was set, or when applying has failed too often.
    pub fn end_round(&mut self, rounds: &Rounds, rule: LayerRule<'_>, stop: &AtomicBool) -> Result<u32, Stopped> {
        {
            let mut shelf = rounds.pushes[self.child].write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *shelf, &mut self.push);
            for &row in &shelf.rows {
                self.place[row as usize] = u32::MAX;
            }
            self.push.rows.clear();
        }
        rounds.meet(stop)?;
        let mut applied = Applied::default();
        let attempt = |applied: &mut Applied| {
            let apply = std::panic::AssertUnwindSafe(|| self.apply(rounds, rule, applied));
            std::panic::catch_unwind(apply)
        };
        let mut panics = 0;
        while attempt(&mut applied).is_err() {
            panics += 1;
            if panics == ATTEMPTS {
                stop.store(true, Ordering::Relaxed);
                return Err(Stopped);
            }
        }
        rounds.meet(stop)?;
        Ok(panics)
    }

    /// Applies the pushes from number `applied` on, in child order, to this child's shards.
    fn apply(&self, rounds: &Rounds, rule: LayerRule<'_>, applied: &mut Applied) {
        let children = rounds.pushes.len();
        while applied.pushes < children {
            let push = rounds.pushes[applied.pushes].read().unwrap_or_else(PoisonError::into_inner);
            let weight = &self.theta.tensors()[WEIGHT];
            let (width, master) = (weight.width(), weight.cells());
            let own = |tensor: usize, block: usize| self.theta.owner(tensor, block) % children == self.child;
            for (nth, &row) in push.rows.iter().enumerate() {
                let row = row as usize;
                if own(WEIGHT, row / BLOCK_ROWS) {
                    let words = nth * width..(nth + 1) * width;
                    let cells = master.slice(row * width..(row + 1) * width);
                    let (before, after) = (&push.before[words.clone()], &push.after[words]);
                    self.rule.join_row(self.layout, cells, |at| before[at], |at| after[at]);
                }
            }
            if own(BIAS, 0) {
                let cells = self.theta.tensors()[BIAS].cells();
                let (before, after) = (&push.bias_before, &push.bias_after);
                self.bias_rule.join_row(self.layout.intercept(), cells, |at| before[at], |at| after[at]);
            }
            if let Some(gradient) = &push.gradient {
                let step = self.steps + applied.gradients + 1;
                self.apply_gradient(gradient.as_slice(), rule(step), |block| own(LAYERS, block));
                if own(STEPS, 0) {
                    self.theta.tensors()[STEPS].cells().set(0, step.min(MOST_STEPS) as f32);
                }
                applied.gradients += 1;
            }
            applied.pushes += 1;
            self.faults.pass(Point::WhileMerging);
        }
    }

    /// Moves the layers' blocks that are `own` by a gradient.
    fn apply_gradient(&self, gradient: &[f32], rule: DenseRule, own: impl Fn(usize) -> bool) {
        let layers = &self.theta.tensors()[LAYERS];
        for block in (0..layers.blocks()).filter(|&block| own(block)) {
            let slots: Vec<_> = (1..layers.planes()).map(|plane| layers.block(plane, block)).collect();
            let weights = layers.block(0, block);
            let from = block * BLOCK_ROWS;
            self.theta.backend().dense_step(rule, weights, &slots, &gradient[from..from + weights.len()]);
        }
    }
}

/// How many pushes of a round have been applied, and how many of them had a gradient.
#[derive(Debug, Default)]
struct Applied {
    pushes: usize,
    gradients: u64,
}

/// A copy of `cells`.
fn words(cells: Cells<'_>) -> Vec<f32> {
    (0..cells.len()).map(|at| cells.get(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theta::{Class, TensorSpec};
    use hogback_kernels::{Adam, Backend};

    const WORDS: usize = 2 * BLOCK_ROWS + 5;
    const ROUNDS: usize = 6;

    /// Θ of layers under Adam, and a table that no row of data touches.
    fn theta(shards: usize) -> Theta {
        let spec = |name, rows, class| TensorSpec { name, rows, capacity: rows, width: 1, class };
        let specs = [
            spec("weight", 4, Class::Sparse),
            spec("bias", 1, Class::Sparse),
            spec("layers", WORDS, Class::Dense { slots: 2 }),
            spec("steps", 1, Class::Dense { slots: 0 }),
        ];
        Theta::reserve(specs, shards, Backend::best()).unwrap()
    }

    fn head() -> Head {
        Head {
            layout: Layout::new(1, 0),
            rows: 0,
            interval: 64,
            every: 1,
            rule: MergeRule::Sum,
            bias_rule: MergeRule::Sum,
        }
    }

    fn rule(step: u64) -> DenseRule {
        DenseRule::Adam(Adam::at(step, 0.02))
    }

    /// Whether a child has rows in a round: the last one's task ends before those of others do.
    fn has_rows(child: usize, children: usize, round: usize) -> bool {
        children == 1 || child + 1 < children || round < ROUNDS / 2
    }

    /// What a child makes of the layers: a slope that hangs on them, on who it is, and on the round.
    fn slope(layers: &[f32], gradient: &mut [f32], child: usize, round: usize) {
        let goal = |at: usize| (at % 5 + child) as f32 / (round + 1) as f32;
        gradient.iter_mut().zip(layers).enumerate().for_each(|(at, (to, word))| *to = word - goal(at));
    }

    /// All bits of the layers and of their count of steps.
    fn bits(theta: &Theta) -> Vec<u32> {
        let planes = (0..3).map(|plane| theta.tensors()[LAYERS].plane(plane));
        let words = planes.chain([theta.tensors()[STEPS].cells()]).flat_map(words);
        words.map(f32::to_bits).collect()
    }

    /// Rounds of so many children; how many panics they have survived.
    fn learn(theta: &Theta, children: usize, faults: &Faults) -> u32 {
        let (rounds, stop, survived) = (Rounds::new(children), AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for child in 0..children {
                let (rounds, stop, survived) = (&rounds, &stop, &survived);
                scope.spawn(move || {
                    let mut view = RoundView::new(theta, head(), child, faults).unwrap();
                    let rows = [Row::default(); 3];
                    for round in 0..ROUNDS {
                        let rows = if has_rows(child, children, round) { &rows[..] } else { &[] };
                        loop {
                            let learn = || {
                                view.learn(rows, |round_of| {
                                    slope(round_of.layers, round_of.gradient, child, round);
                                    faults.pass(Point::InsideUpdate);
                                })
                            };
                            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(learn)) {
                                Ok(learned) => break learned.unwrap(),
                                Err(_) => _ = survived.fetch_add(1, Ordering::Relaxed),
                            }
                        }
                        let panics = view.end_round(rounds, &rule, stop).unwrap();
                        survived.fetch_add(panics, Ordering::Relaxed);
                    }
                });
            }
        });
        survived.into_inner()
    }

    /// The same, one gradient after the other.
    fn in_turn(children: usize) -> Theta {
        let theta = theta(1);
        let mut step = 0;
        for round in 0..ROUNDS {
            let layers = words(theta.tensors()[LAYERS].plane(0));
            for child in (0..children).filter(|&child| has_rows(child, children, round)) {
                let mut gradient = vec![0.0; WORDS];
                slope(&layers, &mut gradient, child, round);
                step += 1;
                for block in 0..theta.tensors()[LAYERS].blocks() {
                    let from = block * BLOCK_ROWS;
                    theta.push(LAYERS, block, &gradient[from..(from + BLOCK_ROWS).min(WORDS)], rule(step));
                }
            }
        }
        theta.tensors()[STEPS].cells().set(0, step as f32);
        theta
    }

    #[test]
    fn gradients_of_layers_are_steps_in_child_order_whoever_owns_the_shards() {
        for children in 1..=4 {
            let expected = bits(&in_turn(children));
            for shards in 1..=3 {
                let theta = theta(shards);
                assert_eq!(learn(&theta, children, &Faults::none()), 0);
                assert!(bits(&theta) == expected, "{children} children, {shards} shards");
            }
        }
    }

    #[test]
    fn a_panic_in_a_round_changes_no_bit_of_the_layers() {
        let expected = bits(&in_turn(3));
        for point in [Point::InsideUpdate, Point::WhileMerging] {
            for nth in [0, 1, 4, 9] {
                let theta = theta(2);
                let faults = Faults::none().at(point, nth, 1);
                assert_eq!(learn(&theta, 3, &faults), 1, "{point:?} {nth}");
                assert!(bits(&theta) == expected, "{point:?} {nth}");
            }
        }
    }

    #[test]
    fn steps_are_counted_no_further_than_a_word_can() {
        let theta = theta(1);
        theta.tensors()[STEPS].cells().set(0, MOST_STEPS as f32);
        learn(&theta, 1, &Faults::none());
        assert_eq!(theta.tensors()[STEPS].cells().get(0), MOST_STEPS as f32);
    }
}
