//! The row loops of sparse linear models: margin, slope, update, row after row, in place.
//!
//! Adagrad: Duchi, Hazan & Singer, "Adaptive Subgradient Methods", JMLR 2011, with the accumulator beginning at
//! [`Step::floor`] instead of 0. Hogwild: Recht, Ré, Wright & Niu, NIPS 2011: between the load and the store of a word another
//! child's update of it may be lost, and that is allowed.

use alloc::vec::Vec;
use core::hint::select_unpredictable;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::cells::Cells;
use crate::lane::Lane;
use crate::loss::Slope;
use crate::rows::Row;

/// The table a child learns on: the first rows live in the child's private head, the others in the
/// shared tail. Both are numbered from 0, so the shared words of the head's rows are simply not used.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub(crate) shared: Cells<'a>,
    pub(crate) head: Cells<'a>,
    pub(crate) head_rows: u32,
    pub(crate) width: usize,
}

impl<'a> Table<'a> {
    /// A table whose rows are all in `cells`, `width` words each; words that fill no row are never touched.
    ///
    /// # Panics
    /// Where `width` is 0.
    pub fn whole(cells: Cells<'a>, width: usize) -> Self {
        Self::with_head(cells, cells.slice(0..0), width)
    }

    /// A table whose first rows, as many as `head` holds, are in `head` and the others in `shared`.
    ///
    /// # Panics
    /// Where `width` is 0.
    pub fn with_head(shared: Cells<'a>, head: Cells<'a>, width: usize) -> Self {
        assert!(width > 0, "rows of no words");
        let head_rows = u32::try_from(head.len() / width).unwrap_or(u32::MAX);
        Self { shared, head, head_rows, width }
    }

    /// How many rows there are, head included.
    pub fn rows(&self) -> usize {
        self.shared.len() / self.width
    }

    /// Where row `id` begins.
    ///
    /// # Safety
    /// `id` is below [`Table::rows`], and without `S::HEAD` there is no head.
    #[inline(always)]
    unsafe fn at<S: Shape, const WIDTH: usize>(&self, id: u32) -> *const AtomicU32 {
        let base = if S::HEAD {
            select_unpredictable(id < self.head_rows, self.head.start(), self.shared.start())
        } else {
            self.shared.start()
        };
        // SAFETY: the row lies within its cells: `head_rows` rows in the head, `rows()` in the shared words.
        unsafe { base.add(id as usize * WIDTH) }
    }
}

/// One weight with its optimiser slot, private to a child: the intercept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slot {
    /// The weight.
    pub weight: f32,
    /// Adagrad's sum of squared gradients; unused by SGD.
    pub squares: f32,
}

/// How far a gradient moves a weight.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The learning rate of the weights.
    pub rate: f32,
    /// The learning rate of the intercept.
    pub bias_rate: f32,
    /// What Adagrad adds to the sum of squares before the root; for Adagrad positive and normal.
    pub floor: f32,
    /// For each tensor row the factor of its weight that is added to its gradient (L2), or nothing.
    pub decay: &'a [f32],
}

/// What a row loop keeps between the margin and the update of a row. Private to a child, reused by every call.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Registers as they were loaded; 64-byte aligned.
    stash: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "written and read through a pointer")] [f32; 16]);

impl Scratch {
    /// Room for at least `lines` registers.
    #[inline(always)]
    fn room(&mut self, lines: usize) -> *mut f32 {
        if self.stash.len() < lines {
            self.grow(lines);
        }
        self.stash.as_mut_ptr().cast()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, lines: usize) {
        self.stash.resize(lines.next_power_of_two(), Line([0.0; 16]));
    }
}

/// What the row loops are specialised by, besides backend, rule and loss.
pub(crate) trait Shape {
    /// There is a private head.
    const HEAD: bool;
    /// The table exceeds the caches near the core: ask for rows before they are needed.
    const AHEAD: bool;
    /// Every value is 1.
    const ONES: bool;
    /// There is an L2 penalty.
    const DECAY: bool;
}

/// One call of a row loop.
pub(crate) struct Group<'c, 'a> {
    pub(crate) table: Table<'a>,
    /// The rows to learn and, behind them, rows that will come next.
    pub(crate) rows: &'c [Row<'a>],
    /// How many of them to learn.
    pub(crate) learn: usize,
    pub(crate) bias: &'c mut Slot,
    pub(crate) step: Step<'c>,
    /// The margin of each row before it was learned, `learn` of them.
    pub(crate) margins: &'c mut [f32],
    pub(crate) scratch: &'c mut Scratch,
}

/// The values of a register of a row of ones.
const ONES: [f32; 8] = [1.0; 8];

/// How many rows ahead of use a tail row is asked for.
const ROWS_AHEAD: usize = 2;
/// How many rows ahead of use a row of data is asked for: rows come from distant places in turn, where no hardware follows.
const DATA_AHEAD: usize = 10;

impl Group<'_, '_> {
    /// Asks for the ids and values of row `at`.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn prefetch_data<V: Lane, S: Shape>(&self, at: usize) {
        if let Some(row) = self.rows.get(at) {
            let (ids, values) = (row.ids().as_slice(), row.values());
            // A cache line holds sixteen of either; rows begin anywhere, so the last one may reach into one line more.
            for at in (0..ids.len()).step_by(16).chain([ids.len().saturating_sub(1)]) {
                // SAFETY: the instruction set by contract.
                unsafe {
                    V::prefetch(ids.as_ptr().wrapping_add(at));
                    if !S::ONES {
                        V::prefetch(values.as_ptr().wrapping_add(at));
                    }
                }
            }
        }
    }

    /// Asks for the tail rows that row `at` will touch.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn prefetch<V: Lane, S: Shape, const WIDTH: usize>(&self, at: usize) {
        if let Some(row) = self.rows.get(at) {
            for &id in row.ids().as_slice() {
                // Never the head's shared words: they are hot in the core that merges, and asking for them would
                // bounce them. A prefetch cannot fault, so an id needs no bound here.
                let id = if S::HEAD { id.max(self.table.head_rows) } else { id };
                let offset = (id as usize).wrapping_mul(WIDTH);
                // SAFETY: the instruction set by contract.
                unsafe { V::prefetch(self.table.shared.start().wrapping_add(offset)) };
            }
        }
    }

    /// Checks what the loops rely on.
    ///
    /// # Panics
    /// Where the group does not fit its table.
    pub(crate) fn check(&self, width: usize) {
        assert_eq!(self.table.width, width, "a table of another width than the rule's");
        assert!(self.learn <= self.rows.len() && self.learn <= self.margins.len(), "more rows to learn than there are");
        assert!(self.table.head_rows as usize <= self.table.rows(), "a head longer than its table");
        let rows = self.table.rows().min(if self.step.decay.is_empty() { usize::MAX } else { self.step.decay.len() });
        for row in &self.rows[..self.learn] {
            assert!(row.is_empty() || row.ids().limit() as usize <= rows, "a row of data made for a larger table");
        }
    }
}

/// A sparse update rule: the row loop of one kind of tensor row.
pub(crate) trait Descend {
    /// Words in a tensor row.
    const WIDTH: usize;

    /// Learns the rows of `group`, one after the other.
    ///
    /// # Safety
    /// The instruction set of `V`, and a group that has passed [`Group::check`] with [`Descend::WIDTH`] and whose rows, head
    /// and decay are as `S` says.
    unsafe fn learn<V: Lane, L: Slope, S: Shape>(group: &mut Group<'_, '_>);
}

/// Adagrad on pairs [w, n].
pub(crate) struct Adagrad;

impl Descend for Adagrad {
    const WIDTH: usize = 2;

    #[inline(always)]
    unsafe fn learn<V: Lane, L: Slope, S: Shape>(group: &mut Group<'_, '_>) {
        // Lanes of a row's last register that no feature fills read and write this private pair, with value 0.
        let pad = [AtomicU32::new(0), AtomicU32::new(0)];
        let pairs = V::WORDS / 2;
        let (table, step) = (group.table, group.step);
        // SAFETY: the instruction set by contract. Every pointer comes from `Table::at` with an id below the limit that
        // `check` compared with the table, or is `pad`'s; values are as many as ids; the stash has room for the row.
        unsafe {
            let (floor, rate) = (V::splat(step.floor), V::splat(step.rate));
            for i in 0..group.learn {
                group.prefetch_data::<V, S>(i + DATA_AHEAD);
                if S::AHEAD {
                    group.prefetch::<V, S, 2>(i + ROWS_AHEAD);
                }
                let row = *group.rows.get_unchecked(i);
                let (ids, values) = (row.ids().as_slice(), row.values());
                // Whole registers, and a last one that is never empty, so that most rows take the same branches.
                let full = ids.len().saturating_sub(1) / pairs;
                let rest = ids.len() - full * pairs;
                let stash = group.scratch.room(full + 1).cast::<V>();
                let pair_in = |first: usize| move |j: usize| table.at::<S, 2>(*ids.get_unchecked(first + j));
                let last = V::first_ids(ids.as_ptr().add(full * pairs), rest);
                let pair_in_rest = |j: usize| select_unpredictable(j < rest, table.at::<S, 2>(last[j]), pad.as_ptr());
                let last_values = if S::ONES { ONES.as_ptr() } else { values.as_ptr().add(full * pairs) };
                let x_rest = V::spread_first(last_values, rest);

                // Two sums, so that one addition need not wait for the one before.
                let (mut even, mut odd) = (V::splat(0.0), V::splat(0.0));
                let mut c = 0;
                while c + 2 <= full {
                    let pair = V::load_pairs(pair_in(c * pairs));
                    *stash.add(c) = pair;
                    even = pair.fma(values_in::<V, S>(values, c), even);
                    let pair = V::load_pairs(pair_in((c + 1) * pairs));
                    *stash.add(c + 1) = pair;
                    odd = pair.fma(values_in::<V, S>(values, c + 1), odd);
                    c += 2;
                }
                if c < full {
                    let pair = V::load_pairs(pair_in(c * pairs));
                    *stash.add(c) = pair;
                    even = pair.fma(values_in::<V, S>(values, c), even);
                }
                let pair = V::load_pairs(pair_in_rest);
                *stash.add(full) = pair;
                let margin = pair.fma(x_rest, odd).add(even).sum() + group.bias.weight;
                *group.margins.get_unchecked_mut(i) = margin;

                let slope = L::slope::<V>(margin, row.target);
                if !S::DECAY && slope == 0.0 {
                    continue;
                }
                let bias = &mut *group.bias;
                bias.squares += slope * slope;
                bias.weight -= step.bias_rate * slope * V::rsqrt1(step.floor + bias.squares);

                let slope = V::splat(slope);
                for c in 0..full {
                    let gradient = values_in::<V, S>(values, c).mul(slope);
                    let decay = |j: usize| step.decay[*ids.get_unchecked(c * pairs + j) as usize];
                    let pair = Self::moved::<V, S>(*stash.add(c), gradient, decay, rate, floor);
                    pair.store_pairs(pair_in(c * pairs));
                }
                let decay = |j: usize| if j < rest { step.decay[last[j] as usize] } else { 0.0 };
                let pair = Self::moved::<V, S>(*stash.add(full), x_rest.mul(slope), decay, rate, floor);
                pair.store_pairs(pair_in_rest);
            }
        }
    }
}

impl Adagrad {
    /// The pairs one step of `gradient` (in the even lanes) further; `decay(j)` is the L2 factor of the `j`-th.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn moved<V: Lane, S: Shape>(pair: V, gradient: V, decay: impl Fn(usize) -> f32, rate: V, floor: V) -> V {
        let mut gradient = gradient;
        // SAFETY: the caller's promise; eight floats are the most a register spreads, of an array of eight.
        unsafe {
            if S::DECAY {
                let mut factors = [0.0f32; 8];
                for (j, factor) in factors.iter_mut().enumerate().take(V::WORDS / 2) {
                    *factor = decay(j);
                }
                gradient = pair.fma(V::spread(factors.as_ptr()), gradient);
            }
            let pair = pair.add(gradient.mul(gradient).weights_to_slots());
            gradient.mul(rate).fnma(pair.slots_to_weights().add(floor).rsqrt(), pair)
        }
    }
}

/// The values of the `c`-th whole register of a row, spread over the even lanes.
///
/// # Safety
/// The instruction set of `V`, and that many values, or none where all are 1.
#[inline(always)]
unsafe fn values_in<V: Lane, S: Shape>(values: &[f32], c: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe { if S::ONES { V::spread_one() } else { V::spread(values.as_ptr().add(c * (V::WORDS / 2))) } }
}

/// Plain stochastic gradient descent on single words.
pub(crate) struct Sgd;

impl Descend for Sgd {
    const WIDTH: usize = 1;

    #[inline(always)]
    unsafe fn learn<V: Lane, L: Slope, S: Shape>(group: &mut Group<'_, '_>) {
        let (table, step) = (group.table, group.step);
        // SAFETY: the instruction set by contract. Every pointer comes from `Table::at` with an id below the limit that
        // `check` compared with the table; values are as many as ids.
        unsafe {
            for i in 0..group.learn {
                group.prefetch_data::<V, S>(i + DATA_AHEAD);
                if S::AHEAD {
                    group.prefetch::<V, S, 1>(i + ROWS_AHEAD);
                }
                let row = *group.rows.get_unchecked(i);
                let (ids, values) = (row.ids().as_slice(), row.values());
                let word = |at: usize| &*table.at::<S, 1>(*ids.get_unchecked(at));
                let x = |at: usize| if S::ONES { 1.0 } else { *values.get_unchecked(at) };
                let margin = dot::<V>(ids.len(), word, x) + group.bias.weight;
                *group.margins.get_unchecked_mut(i) = margin;

                let slope = L::slope::<V>(margin, row.target);
                if !S::DECAY && slope == 0.0 {
                    continue;
                }
                group.bias.weight -= step.bias_rate * slope;
                let by = -step.rate * slope;
                for at in 0..ids.len() {
                    let word = word(at);
                    let weight = f32::from_bits(word.load(Relaxed));
                    let mut moved = V::fma1(by, x(at), weight);
                    if S::DECAY {
                        // As if taken at the end of the step: rare features have large factors, and must not overshoot 0.
                        moved /= 1.0 + step.rate * step.decay[*ids.get_unchecked(at) as usize];
                    }
                    word.store(moved.to_bits(), Relaxed);
                }
            }
        }
    }
}

/// The margins of `rows` without the intercept, into `margins`; nothing is changed.
///
/// # Safety
/// The instruction set of `V`, a table without a head, of `WIDTH`, and rows whose limit is within the table.
#[inline(always)]
pub(crate) unsafe fn score<V: Lane, const WIDTH: usize>(table: &Table<'_>, rows: &[Row<'_>], margins: &mut [f32]) {
    for (row, margin) in rows.iter().zip(margins) {
        let (ids, values) = (row.ids().as_slice(), row.values());
        // SAFETY: the caller's promise; values are as many as ids, or none.
        unsafe {
            let word = |at: usize| &*table.shared.start().add(*ids.get_unchecked(at) as usize * WIDTH);
            *margin = if values.is_empty() {
                dot::<V>(ids.len(), word, |_| 1.0)
            } else {
                dot::<V>(ids.len(), word, |at| *values.get_unchecked(at))
            };
        }
    }
}

/// Σ word(i)·x(i) in four sums.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn dot<'a, V: Lane>(len: usize, word: impl Fn(usize) -> &'a AtomicU32, x: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0f32; 4];
    let mut at = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while at + 4 <= len {
            for (j, sum) in sums.iter_mut().enumerate() {
                *sum = V::fma1(f32::from_bits(word(at + j).load(Relaxed)), x(at + j), *sum);
            }
            at += 4;
        }
        for j in at..len {
            sums[0] = V::fma1(f32::from_bits(word(j).load(Relaxed)), x(j), sums[0]);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}
