//! The row loops of models with one output: margin, slope, update, row after row, in place.
//!
//! Hogwild: Recht, Ré, Wright & Niu, NIPS 2011: between the load and the store of a word another child's update of it may be
//! lost, and that is allowed.

use core::hint::select_unpredictable;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::cells::Cells;
use crate::group::{DATA_AHEAD, Group, Objective, Scratch, Shape, Step};
use crate::lane::Lane;
use crate::loss::Loss;
use crate::rows::Row;
use crate::rules::{Part, SlotRule};
use crate::table::Table;

/// The values of a register of a row of ones.
const ONES: [f32; 8] = [1.0; 8];

/// How many rows ahead of use a tail row is asked for.
const ROWS_AHEAD: usize = 2;

/// Asks for what later rows will touch: the ids and values of one, and the tail rows of another.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn look_ahead<V: Lane, S: Shape, const WIDTH: usize>(group: &Group<'_, '_>, at: usize) {
    // SAFETY: the instruction set by contract.
    unsafe {
        group.prefetch_data::<V>(at + DATA_AHEAD, S::ONES);
        if S::AHEAD
            && let Some(row) = group.rows.get(at + ROWS_AHEAD)
        {
            for &id in row.ids().as_slice() {
                V::prefetch(group.table.ahead(id, WIDTH, S::HEAD));
            }
        }
    }
}

/// The loss of a group with one output.
fn loss_of(group: &Group<'_, '_>) -> Loss {
    match group.objective {
        Objective::One(loss) => loss,
        Objective::Classes { .. } => unreachable!("`Learner::new` gives several outputs to the loops of `many`"),
    }
}

/// A row of pairs [word, slot] on its way through the loop: whole registers, and a last one that is never empty, so that most
/// rows take the same branches.
struct Pairs<'a, V> {
    ids: &'a [u32],
    values: &'a [f32],
    full: usize,
    rest: usize,
    /// The ids of the last register.
    last: [u32; 8],
    /// The values of the last register, spread over the even lanes.
    x_rest: V,
    /// Lanes of the last register that no feature fills read and write this private pair, with value 0.
    pad: &'a [AtomicU32; 2],
}

impl<'a, V: Lane> Pairs<'a, V> {
    const IN_REGISTER: usize = V::WORDS / 2;

    /// # Safety
    /// The instruction set of `V`; with `S::ONES` every value is 1.
    #[inline(always)]
    unsafe fn new<S: Shape>(row: &Row<'a>, pad: &'a [AtomicU32; 2]) -> Self {
        let (ids, values) = (row.ids().as_slice(), row.values());
        let full = ids.len().saturating_sub(1) / Self::IN_REGISTER;
        let rest = ids.len() - full * Self::IN_REGISTER;
        // SAFETY: the instruction set by contract; `full` registers and `rest` are all ids, and values are as many.
        unsafe {
            let last = V::first_ids(ids.as_ptr().add(full * Self::IN_REGISTER), rest);
            let last_values = if S::ONES { ONES.as_ptr() } else { values.as_ptr().add(full * Self::IN_REGISTER) };
            Self { ids, values, full, rest, last, x_rest: V::spread_first(last_values, rest), pad }
        }
    }

    /// The values of the `c`-th whole register.
    ///
    /// # Safety
    /// That of [`Pairs::new`], and `c` below `full`.
    #[inline(always)]
    unsafe fn x<S: Shape>(&self, c: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { if S::ONES { V::spread_one() } else { V::spread(self.values.as_ptr().add(c * Self::IN_REGISTER)) } }
    }

    /// Where the `j`-th pair of the `c`-th whole register stands.
    ///
    /// # Safety
    /// `c` below `full`, and ids below the table's rows.
    #[inline(always)]
    unsafe fn at<S: Shape>(&self, table: &Table<'_>, c: usize, j: usize) -> *const AtomicU32 {
        // SAFETY: the caller's promise.
        unsafe { table.at(*self.ids.get_unchecked(c * Self::IN_REGISTER + j), 2, S::HEAD) }
    }

    /// Where the `j`-th pair of the last register stands.
    ///
    /// # Safety
    /// Ids below the table's rows.
    #[inline(always)]
    unsafe fn at_rest<S: Shape>(&self, table: &Table<'_>, j: usize) -> *const AtomicU32 {
        // SAFETY: the caller's promise; a lane that no feature fills has id 0, whose address is not used.
        unsafe { select_unpredictable(j < self.rest, table.at(self.last[j], 2, S::HEAD), self.pad.as_ptr()) }
    }

    /// Adds the weights of `pair` times `x` to `sum`.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn term<R: SlotRule<V>>(rule: R, pair: V, x: V, sum: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { rule.weight(pair, pair.slots_to_weights()).fma(x, sum) }
    }

    /// Σ w·x; the pairs go to `stash`, `full + 1` registers.
    ///
    /// # Safety
    /// That of [`Pairs::new`], ids below the table's rows, and that much room.
    #[inline(always)]
    unsafe fn margin<R: SlotRule<V>, S: Shape>(&self, table: &Table<'_>, rule: R, stash: *mut V) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            // Two sums, so that one addition need not wait for the one before.
            let (mut even, mut odd) = (V::splat(0.0), V::splat(0.0));
            let mut c = 0;
            while c + 2 <= self.full {
                let pair = V::load_pairs(|j| self.at::<S>(table, c, j));
                *stash.add(c) = pair;
                even = Self::term(rule, pair, self.x::<S>(c), even);
                let pair = V::load_pairs(|j| self.at::<S>(table, c + 1, j));
                *stash.add(c + 1) = pair;
                odd = Self::term(rule, pair, self.x::<S>(c + 1), odd);
                c += 2;
            }
            if c < self.full {
                let pair = V::load_pairs(|j| self.at::<S>(table, c, j));
                *stash.add(c) = pair;
                even = Self::term(rule, pair, self.x::<S>(c), even);
            }
            let pair = V::load_pairs(|j| self.at_rest::<S>(table, j));
            *stash.add(self.full) = pair;
            Self::term(rule, pair, self.x_rest, odd).add(even).sum()
        }
    }

    /// `pair` one step of `gradient` (in the even lanes) further; `decay(j)` is the L2 factor of the `j`-th.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn moved<R: SlotRule<V>, S: Shape>(rule: R, pair: V, gradient: V, decay: impl Fn(usize) -> f32) -> V {
        // SAFETY: the caller's promise; eight floats are the most a register spreads, of an array of eight.
        unsafe {
            let mut factors = [0.0f32; 8];
            if S::DECAY {
                for (j, factor) in factors.iter_mut().enumerate().take(Self::IN_REGISTER) {
                    *factor = decay(j);
                }
            }
            let decay = if S::DECAY { Some(V::spread(factors.as_ptr())) } else { None };
            let (words, squares) = rule.moved(pair, pair.slots_to_weights(), gradient, decay);
            words.add(squares.weights_to_slots())
        }
    }

    /// Stores the pairs one step of `slope` further than they are in `stash`.
    ///
    /// # Safety
    /// That of [`Pairs::margin`], which has filled `stash`; with `S::DECAY` a factor for every id.
    #[inline(always)]
    unsafe fn update<R: SlotRule<V>, S: Shape>(
        &self,
        table: &Table<'_>,
        rule: R,
        stash: *const V,
        slope: f32,
        decay: &[f32],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let slope = V::splat(slope);
            for c in 0..self.full {
                let decay = |j: usize| decay[*self.ids.get_unchecked(c * Self::IN_REGISTER + j) as usize];
                let pair = Self::moved::<R, S>(rule, *stash.add(c), self.x::<S>(c).mul(slope), decay);
                pair.store_pairs(|j| self.at::<S>(table, c, j));
            }
            let decay = |j: usize| if j < self.rest { decay[self.last[j] as usize] } else { 0.0 };
            let pair = Self::moved::<R, S>(rule, *stash.add(self.full), self.x_rest.mul(slope), decay);
            pair.store_pairs(|j| self.at_rest::<S>(table, j));
        }
    }
}

/// Moves the intercept, a word and its slot if there is one, by `slope`.
///
/// # Safety
/// The cells hold a row.
#[inline(always)]
unsafe fn move_bias<V: Lane, R: SlotRule<V>>(rule: R, bias: Cells<'_>, slope: f32) {
    // SAFETY: the instruction set by contract.
    unsafe {
        let slot = if R::SLOTS > 0 { bias.get(1) } else { 0.0 };
        let (word, squares) = rule.moved(V::splat(bias.get(0)), V::splat(slot), V::splat(slope), None);
        bias.set(0, word.first());
        if R::SLOTS > 0 {
            bias.set(1, slot + squares.first());
        }
    }
}

/// Learns the rows of `group` under a rule with a slot, one after the other.
///
/// # Safety
/// The instruction set of `V`, a group of one output that has passed [`Group::check`], and whose rows, head and decay are as `S`
/// says.
#[inline(always)]
pub(crate) unsafe fn learn_pairs<V: Lane, R: SlotRule<V>, S: Shape>(group: &mut Group<'_, '_>) {
    let pad = [AtomicU32::new(0), AtomicU32::new(0)];
    let (table, step, loss, bias) = (group.table, group.step, loss_of(group), group.bias);
    // SAFETY: the instruction set by contract. Ids are below the limit that `check` compared with the table and the decay;
    // the stash has room for the row; `learn` rows and margins are there.
    unsafe {
        let (rule, bias_rule) = (R::new(&step, Part::Rows), R::new(&step, Part::Bias));
        for i in 0..group.learn {
            look_ahead::<V, S, 2>(group, i);
            let row = *group.rows.get_unchecked(i);
            let pairs = Pairs::<V>::new::<S>(&row, &pad);
            let stash = group.scratch.room(pairs.full + 1).cast::<V>();
            let margin = pairs.margin::<R, S>(&table, rule, stash) + bias_weight::<V, R>(bias_rule, bias);
            *group.margins.get_unchecked_mut(i) = margin;

            let slope = row.weight * loss.slope_on::<V>(margin, row.target);
            if !S::DECAY && slope == 0.0 {
                continue;
            }
            move_bias::<V, R>(bias_rule, bias, slope);
            pairs.update::<R, S>(&table, rule, stash, slope, step.decay);
        }
    }
}

/// The weight of the intercept.
///
/// # Safety
/// The instruction set of `V`, and cells that hold a row.
#[inline(always)]
unsafe fn bias_weight<V: Lane, R: SlotRule<V>>(rule: R, bias: Cells<'_>) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        let slot = if R::SLOTS > 0 { bias.get(1) } else { 0.0 };
        rule.weight(V::splat(bias.get(0)), V::splat(slot)).first()
    }
}

/// Learns the rows of `group` by plain descent on single words, one after the other.
///
/// # Safety
/// That of [`learn_pairs`].
#[inline(always)]
pub(crate) unsafe fn learn_words<V: Lane, S: Shape>(group: &mut Group<'_, '_>) {
    let (table, step, loss, bias) = (group.table, group.step, loss_of(group), group.bias);
    // SAFETY: the instruction set by contract. Ids are below the limit that `check` compared with the table; values are as
    // many as ids; `learn` rows and margins are there.
    unsafe {
        for i in 0..group.learn {
            look_ahead::<V, S, 1>(group, i);
            let row = *group.rows.get_unchecked(i);
            let (ids, values) = (row.ids().as_slice(), row.values());
            let word = |at: usize| &*table.at(*ids.get_unchecked(at), 1, S::HEAD);
            let x = |at: usize| if S::ONES { 1.0 } else { *values.get_unchecked(at) };
            let margin = dot::<V>(ids.len(), word, x) + bias.get(0);
            *group.margins.get_unchecked_mut(i) = margin;

            let slope = row.weight * loss.slope_on::<V>(margin, row.target);
            if !S::DECAY && slope == 0.0 {
                continue;
            }
            bias.set(0, bias.get(0) - step.bias_rate * slope);
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

/// The margins of `rows` without the intercept by words of `WIDTH`, the first of each being the weight; nothing is changed.
///
/// # Safety
/// The instruction set of `V`, a table without a head, of `WIDTH`, and rows whose limit is within the table.
#[inline(always)]
pub(crate) unsafe fn score_words<V: Lane, const WIDTH: usize>(
    table: &Table<'_>,
    rows: &[Row<'_>],
    margins: &mut [f32],
) {
    for (row, margin) in rows.iter().zip(margins) {
        let (ids, values) = (row.ids().as_slice(), row.values());
        // SAFETY: the caller's promise; values are as many as ids, or none.
        unsafe {
            let word = |at: usize| &*table.at(*ids.get_unchecked(at), WIDTH, false);
            *margin = if values.is_empty() {
                dot::<V>(ids.len(), word, |_| 1.0)
            } else {
                dot::<V>(ids.len(), word, |at| *values.get_unchecked(at))
            };
        }
    }
}

/// The same where weights follow from pairs by a rule.
///
/// # Safety
/// That of [`score_words`], for pairs.
#[inline(always)]
pub(crate) unsafe fn score_pairs<V: Lane, R: SlotRule<V>>(
    table: &Table<'_>,
    step: &Step<'_>,
    rows: &[Row<'_>],
    margins: &mut [f32],
    scratch: &mut Scratch,
) {
    let pad = [AtomicU32::new(0), AtomicU32::new(0)];
    // SAFETY: the caller's promise; the stash has room for the row.
    unsafe {
        let rule = R::new(step, Part::Rows);
        for (row, margin) in rows.iter().zip(margins) {
            let lines = row.len() / Pairs::<V>::IN_REGISTER + 1;
            let stash = scratch.room(lines).cast::<V>();
            *margin = if row.values().is_empty() {
                Pairs::<V>::new::<Plain<true>>(row, &pad).margin::<R, Plain<true>>(table, rule, stash)
            } else {
                Pairs::<V>::new::<Plain<false>>(row, &pad).margin::<R, Plain<false>>(table, rule, stash)
            };
        }
    }
}

/// A whole table, scored.
struct Plain<const ONES: bool>;

impl<const ONES: bool> Shape for Plain<ONES> {
    const HEAD: bool = false;
    const AHEAD: bool = false;
    const ONES: bool = ONES;
    const DECAY: bool = false;
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
