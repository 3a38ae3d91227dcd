//! The row loops of models with one output: margin, slope, update, row after row, in place.
//!
//! Hogwild: Recht, Ré, Wright & Niu, NIPS 2011: between the load and the store of a word another child's update of it may be
//! lost, and that is allowed.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::ahead::ask;
use crate::cells::Cells;
use crate::group::{DATA_AHEAD, Group, Objective, Scratch, Shape, Step};
use crate::lane::Lane;
use crate::loss::Loss;
use crate::rows::Row;
use crate::rules::{Part, SlotRule};
use crate::table::Table;

/// Eight lanes that do not count, and eight that do: a register read across the border has as many of the latter at its end as it
/// reaches beyond it.
const COUNTING: [f32; 16] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];

/// Words of a table that is not asked for ahead where it is scored: a second-level cache holds it, and asking for what is there takes
/// longer than scoring.
const IN_CACHE: usize = 1 << 18;
/// How many rows ahead of use a tail row is asked for.
const ROWS_AHEAD: usize = 2;

/// Asks for what later rows will touch: the ids and values of one, and the tail rows of another.
#[inline(always)]
fn look_ahead<S: Shape, const WIDTH: usize>(group: &Group<'_, '_>, at: usize) {
    if let Some(row) = group.rows.get(at + DATA_AHEAD) {
        row.prefetch();
    }
    if S::AHEAD {
        ask_rows::<WIDTH>(&group.table, group.rows, at, S::HEAD);
    }
}

/// The same where rows are scored, by a whole table.
#[inline(always)]
fn look_ahead_to_score<const WIDTH: usize>(table: &Table<'_>, rows: &[Row<'_>], at: usize) {
    if let Some(row) = rows.get(at + DATA_AHEAD) {
        row.prefetch();
    }
    if table.shared.len() > IN_CACHE {
        ask_rows::<WIDTH>(table, rows, at, false);
    }
}

/// Asks for the rows of the table, of words of `WIDTH`, that the row of data [`ROWS_AHEAD`] of row `at` will touch.
#[inline(always)]
fn ask_rows<const WIDTH: usize>(table: &Table<'_>, rows: &[Row<'_>], at: usize, has_head: bool) {
    if let Some(row) = rows.get(at + ROWS_AHEAD) {
        row.ids().as_slice().iter().for_each(|&id| ask(table.ahead(id, WIDTH, has_head)));
    }
}

/// The loss of a group with one output.
fn loss_of(group: &Group<'_, '_>) -> Loss {
    match group.objective {
        Objective::One(loss) => loss,
        Objective::Classes { .. } => unreachable!("`Learner::new` gives several outputs to the loops of `many`"),
    }
}

/// A row of pairs [word, slot] on its way through the loop: whole registers from its beginning, and a last one that ends where the
/// row ends, so that no lane is empty. Pairs that stand in both are loaded twice before either is stored, are moved by the same
/// formula, and are stored twice: the second time nothing changes, but for what other children have stored in between the loads or
/// the stores, which may be lost.
struct Pairs<'a> {
    ids: &'a [u32],
    values: &'a [f32],
    /// Registers before the last.
    full: usize,
    /// Lanes of the last register that stand in none before it.
    fresh: usize,
    last_ids: *const u32,
    last_values: *const f32,
}

/// A row shorter than a register, its first feature repeated before it.
#[derive(Default)]
struct Short {
    ids: [u32; 8],
    values: [f32; 8],
}

impl<'a> Pairs<'a> {
    /// The pairs of `row`, which has some; those of a short one stand in `short` as long as this is used.
    #[inline(always)]
    fn new<V: Lane>(row: &Row<'a>, short: &mut Short) -> Self {
        let (ids, values, width) = (row.ids().as_slice(), row.values(), V::WORDS / 2);
        let full = (ids.len() - 1) / width;
        let fresh = ids.len() - full * width;
        if full > 0 {
            let last = ids.len() - width;
            let (last_ids, last_values) = (ids[last..].as_ptr(), values.as_ptr().wrapping_add(last));
            return Self { ids, values, full, fresh, last_ids, last_values };
        }
        let before = width - fresh;
        short.ids[..before].fill(ids[0]);
        short.ids[before..width].copy_from_slice(ids);
        if !values.is_empty() {
            short.values[..before].fill(values[0]);
            short.values[before..width].copy_from_slice(values);
        }
        Self { ids, values, full, fresh, last_ids: short.ids.as_ptr(), last_values: short.values.as_ptr() }
    }

    /// The values of the `c`-th register.
    ///
    /// # Safety
    /// The instruction set of `V`, `c` at most `full`, and with `S::ONES` every value is 1.
    #[inline(always)]
    unsafe fn x<V: Lane, S: Shape>(&self, c: usize) -> V {
        // SAFETY: the caller's promise; values are as many as ids.
        unsafe {
            if S::ONES {
                V::spread_one()
            } else if c < self.full {
                V::spread(self.values.as_ptr().add(c * (V::WORDS / 2)))
            } else {
                V::spread(self.last_values)
            }
        }
    }

    /// The id of the `j`-th pair of the `c`-th register.
    ///
    /// # Safety
    /// `c` at most `full`, and `j` below a register's pairs.
    #[inline(always)]
    unsafe fn id<V: Lane>(&self, c: usize, j: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { if c < self.full { *self.ids.get_unchecked(c * (V::WORDS / 2) + j) } else { *self.last_ids.add(j) } }
    }

    /// Where that pair stands.
    ///
    /// # Safety
    /// That of [`Pairs::id`], and ids below the table's rows.
    #[inline(always)]
    unsafe fn at<V: Lane, S: Shape>(&self, table: &Table<'_>, c: usize, j: usize) -> *const AtomicU32 {
        // SAFETY: the caller's promise.
        unsafe { table.at(self.id::<V>(c, j), 2, S::HEAD) }
    }

    /// Adds the weights of the `c`-th register times `x` to `sum`; its pairs go to `stash`.
    ///
    /// # Safety
    /// That of [`Pairs::margin`], and `c` at most `full`.
    #[inline(always)]
    unsafe fn term<V: Lane, R: SlotRule<V>, S: Shape>(
        &self,
        (table, rule): (&Table<'_>, R),
        c: usize,
        stash: *mut V,
        x: V,
        sum: V,
    ) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let pair = V::load_pairs(|j| self.at::<V, S>(table, c, j));
            *stash.add(c) = pair;
            rule.weight(pair, pair.slots_to_weights()).fma(x, sum)
        }
    }

    /// Σ w·x; the pairs go to `stash`, `full + 1` registers.
    ///
    /// # Safety
    /// The instruction set of `V`, ids below the table's rows, with `S::ONES` every value is 1, and that much room.
    #[inline(always)]
    unsafe fn margin<V: Lane, R: SlotRule<V>, S: Shape>(&self, table: &Table<'_>, rule: R, stash: *mut V) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            // Two sums, so that one addition need not wait for the one before.
            let (mut even, mut odd) = (V::splat(0.0), V::splat(0.0));
            let mut c = 0;
            while c + 2 <= self.full {
                even = self.term::<V, R, S>((table, rule), c, stash, self.x::<V, S>(c), even);
                odd = self.term::<V, R, S>((table, rule), c + 1, stash, self.x::<V, S>(c + 1), odd);
                c += 2;
            }
            if c < self.full {
                even = self.term::<V, R, S>((table, rule), c, stash, self.x::<V, S>(c), even);
            }
            let counting = V::spread(COUNTING.as_ptr().add(8 + self.fresh - V::WORDS / 2));
            let x = if S::ONES { counting } else { self.x::<V, S>(self.full).mul(counting) };
            self.term::<V, R, S>((table, rule), self.full, stash, x, odd).add(even).sum()
        }
    }

    /// Stores the pairs of the `c`-th register one step of `slope` further than they are in `stash`.
    ///
    /// # Safety
    /// That of [`Pairs::update`], and `c` at most `full`.
    #[inline(always)]
    unsafe fn step<V: Lane, R: SlotRule<V>, S: Shape>(
        &self,
        (table, rule): (&Table<'_>, R),
        c: usize,
        stash: *const V,
        slope: V,
        decay: &[f32],
    ) {
        // SAFETY: the caller's promise; eight floats are the most a register spreads, of an array of eight.
        unsafe {
            let mut factors = [0.0f32; 8];
            if S::DECAY {
                for (j, factor) in factors.iter_mut().enumerate().take(V::WORDS / 2) {
                    *factor = decay[self.id::<V>(c, j) as usize];
                }
            }
            let decay = if S::DECAY { Some(V::spread(factors.as_ptr())) } else { None };
            let pair = *stash.add(c);
            let (words, squares) = rule.moved(pair, pair.slots_to_weights(), self.x::<V, S>(c).mul(slope), decay);
            words.add(squares.weights_to_slots()).store_pairs(|j| self.at::<V, S>(table, c, j));
        }
    }

    /// Stores all pairs one step of `slope` further than they are in `stash`.
    ///
    /// # Safety
    /// That of [`Pairs::margin`], which has filled `stash`; with `S::DECAY` a factor for every id.
    #[inline(always)]
    unsafe fn update<V: Lane, R: SlotRule<V>, S: Shape>(
        &self,
        (table, rule): (&Table<'_>, R),
        stash: *const V,
        slope: f32,
        decay: &[f32],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let slope = V::splat(slope);
            for c in 0..self.full {
                self.step::<V, R, S>((table, rule), c, stash, slope, decay);
            }
            self.step::<V, R, S>((table, rule), self.full, stash, slope, decay);
        }
    }
}

/// Moves the intercept, a word and its slot if there is one, by `slope`.
///
/// # Safety
/// The cells hold a row.
#[inline(always)]
pub(crate) unsafe fn move_bias<V: Lane, R: SlotRule<V>>(rule: R, bias: Cells<'_>, slope: f32) {
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

/// Moves an intercept of Adagrad by the slopes of several rows at once, whose sum and sum of squares these are.
///
/// # Safety
/// The instruction set of `V`, and cells that hold a pair.
#[inline(always)]
pub(crate) unsafe fn move_bias_by<V: Lane>(step: &Step<'_>, bias: Cells<'_>, sum: f32, squares: f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let slot = bias.get(1) + squares;
        let root = V::splat(slot + step.floor).rsqrt().first();
        bias.set(0, bias.get(0) - step.bias_rate * sum * root);
        bias.set(1, slot);
    }
}

/// Learns the rows of `group` under a rule with a slot, one after the other.
///
/// # Safety
/// The instruction set of `V`, a group of one output that has passed [`Group::check`], and whose rows, head and decay are as `S`
/// says.
#[inline(always)]
pub(crate) unsafe fn learn_pairs<V: Lane, R: SlotRule<V>, S: Shape>(group: &mut Group<'_, '_>) {
    let mut short = Short::default();
    let (table, step, loss, bias) = (group.table, group.step, loss_of(group), group.bias);
    // SAFETY: the instruction set by contract. Ids are below the limit that `check` compared with the table and the decay;
    // the stash has room for the row; `learn` rows and margins are there.
    unsafe {
        let (rule, bias_rule) = (R::new(&step, Part::Rows), R::new(&step, Part::Bias));
        for i in 0..group.learn {
            look_ahead::<S, 2>(group, i);
            let row = *group.rows.get_unchecked(i);
            let pairs = (!row.is_empty()).then(|| Pairs::new::<V>(&row, &mut short));
            let stash = group.scratch.room(row.len() / (V::WORDS / 2) + 1).cast::<V>();
            let sum = pairs.as_ref().map_or(0.0, |pairs| pairs.margin::<V, R, S>(&table, rule, stash));
            let margin = sum + bias_weight::<V, R>(bias_rule, bias);
            *group.margins.get_unchecked_mut(i) = margin;

            let slope = row.weight * loss.slope_on::<V>(margin, row.target);
            if !S::DECAY && slope == 0.0 {
                continue;
            }
            move_bias::<V, R>(bias_rule, bias, slope);
            if let Some(pairs) = &pairs {
                pairs.update::<V, R, S>((&table, rule), stash, slope, step.decay);
            }
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
            look_ahead::<S, 1>(group, i);
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
    for (i, (row, margin)) in rows.iter().zip(margins).enumerate() {
        look_ahead_to_score::<WIDTH>(table, rows, i);
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
    let mut short = Short::default();
    // SAFETY: the caller's promise; the stash has room for the row.
    unsafe {
        let rule = R::new(step, Part::Rows);
        for (i, (row, margin)) in rows.iter().zip(margins).enumerate() {
            look_ahead_to_score::<2>(table, rows, i);
            let stash = scratch.room(row.len() / (V::WORDS / 2) + 1).cast::<V>();
            *margin = if row.is_empty() {
                0.0
            } else if row.values().is_empty() {
                Pairs::new::<V>(row, &mut short).margin::<V, R, Plain<true>>(table, rule, stash)
            } else {
                Pairs::new::<V>(row, &mut short).margin::<V, R, Plain<false>>(table, rule, stash)
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
