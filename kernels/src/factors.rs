//! The row loops of models whose features have factor vectors beside their weights: what all of them share, and the factorization
//! machine, in which each vector meets the sum of the others.
//!
//! A row of data x has the margin b + Σ wᵢxᵢ + Σ_{i<j} ⟨vᵢ, vⱼ⟩ xᵢxⱼ, and with s = Σ xᵢvᵢ the last sum is ½ (|s|² - Σ xᵢ²|vᵢ|²)
//! (Rendle, "Factorization Machines", ICDM 2010). The slope by vᵢ is xᵢ (s - xᵢvᵢ).
//!
//! All numbers of a vector have one accumulator, of their mean squared slope (row-wise Adagrad, as in Naumov et al., "Deep Learning
//! Recommendation Model", 2019): half the memory of one for each, and the same loss (docs/performance.md). The L2 factor works after
//! the step, on what it has left: a weight becomes w · (1 - rate · factor), never less than half of itself.

use crate::ahead::ask;
use crate::cells::Cells;
use crate::fields::ByField;
use crate::group::{DATA_AHEAD, Group, Objective, Scratch, Step};
use crate::lane::Lane;
use crate::many;
use crate::one;
use crate::rows::Row;
use crate::rules::{Adagrad, Part, SlotRule};
use crate::table::{Layout, Table};
use crate::tails::{CHUNK, Tails, word};

/// Features ahead of use for which rows of the table are asked, and bytes of these rows: more would push out of the first-level cache
/// what is being worked on.
const FEATURES_AHEAD: usize = 48;
const BYTES_AHEAD: usize = 12 << 10;
/// Rows of data ahead of use at most, however short they are.
const ROWS_AHEAD: usize = 16;
/// Words in a cache line.
const LINE: usize = 16;
/// Words of a table that is not asked for ahead where it is scored.
pub(crate) const IN_CACHE: usize = 1 << 18;
/// Registers that are summed at once.
const MOST: usize = 4;

/// What a row of data is learned or scored with.
#[derive(Clone, Copy)]
pub(crate) struct Model<'c, 'a> {
    pub(crate) table: Table<'a>,
    pub(crate) step: Step<'c>,
}

/// A row of data with its values as the model takes them.
#[derive(Clone, Copy)]
pub(crate) struct Touched<'a> {
    pub(crate) ids: &'a [u32],
    values: &'a [f32],
    /// What values are multiplied with.
    scale: f32,
}

impl Touched<'_> {
    /// The value beside the id at `at`.
    ///
    /// # Safety
    /// There is such an id.
    #[inline(always)]
    pub(crate) unsafe fn x(&self, at: usize) -> f32 {
        // SAFETY: the caller's promise; values are as many as ids, or none.
        unsafe { if self.values.is_empty() { self.scale } else { *self.values.get_unchecked(at) * self.scale } }
    }
}

/// How the vectors of a row of data meet each other.
pub(crate) trait Meeting<V: Lane> {
    /// Floats of scratch for one output.
    fn room(layout: Layout) -> usize;

    /// The margin of a row by the part of the table's rows that begins at word `part`, the intercept left out; what learning needs of it
    /// stays in `scratch`.
    ///
    /// # Safety
    /// The instruction set of `V`, a layout with factors as the meeting is for, ids below the table's rows, and that much scratch.
    unsafe fn margin(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, scratch: *mut f32) -> f32;

    /// Moves what the row touches one step of `slope`.
    ///
    /// # Safety
    /// That of [`Meeting::margin`], which has filled `scratch` from this row.
    unsafe fn update(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, slope: f32, scratch: *mut f32);
}

/// Learns the rows of `group`, one after the other.
///
/// # Safety
/// The instruction set of `V`, and a group that has passed [`Group::check`] and whose layout has factors.
#[inline(always)]
pub(crate) unsafe fn learn<V: Lane>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise; the registers fit the layout, as each arm asks, and are there wherever `V` is.
    unsafe {
        let layout = group.table.layout;
        let (Some(factors), tail) = (layout.factors(), layout.tail()) else { unreachable!("a layout with factors") };
        if factors.fields > 1 {
            // Tails are whole cache lines, which all registers fit.
            match factors.stride() {
                4 => learn_by::<V, ByField<V, 4>>(group),
                8 => learn_by::<V, ByField<V, 8>>(group),
                _ => learn_by::<V, ByField<V, 0>>(group),
            }
        } else if tail.is_multiple_of(V::WORDS) {
            learn_in::<V, V>(group, tail / V::WORDS);
        } else if tail.is_multiple_of(V::Half::WORDS) {
            learn_in::<V, V::Half>(group, tail / V::Half::WORDS);
        } else {
            learn_in::<V, V::Quarter>(group, tail / V::Quarter::WORDS);
        }
    }
}

/// # Safety
/// That of [`learn`], and vectors of `registers` whole registers.
#[inline(always)]
unsafe fn learn_in<V: Lane, L: Lane>(group: &mut Group<'_, '_>, registers: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match registers {
            1 => learn_by::<V, Together<L, 1>>(group),
            2 => learn_by::<V, Together<L, 2>>(group),
            _ => learn_by::<V, Together<L, 0>>(group),
        }
    }
}

/// # Safety
/// That of [`learn`], and a layout that `M` is for.
#[inline(always)]
unsafe fn learn_by<V: Lane, M: Meeting<V>>(group: &mut Group<'_, '_>) {
    let (table, step, bias, layout) = (group.table, group.step, group.bias, group.table.layout);
    let (stride, outputs, part, room) = (layout.stride(), layout.outputs(), layout.part(), M::room(layout));
    let model = Model { table, step };
    let head = stride.next_multiple_of(LINE);
    let reach = reach(group.rows, layout);
    // SAFETY: the caller's promise; rows and margins are there for every `i`; the scratch has room for a slope for each output,
    // padding included, and behind them for what `M` keeps of each.
    unsafe {
        let bias_rule = Adagrad::<V::Half>::new(&step, Part::Bias);
        for i in 0..group.learn {
            look_ahead(&table, group.rows, i, reach, group.ahead);
            let row = *group.rows.get_unchecked(i);
            let touched = touched::<V>(&row, step.norm);
            let slopes = group.scratch.room((head + outputs * room).div_ceil(LINE));
            let kept = slopes.add(head);
            let margins = group.margins.get_unchecked_mut(i * stride..(i + 1) * stride);
            for (output, margin) in margins.iter_mut().enumerate().take(outputs) {
                *margin = bias.get(output) + M::margin(&model, &touched, output * part, kept.add(output * room));
            }
            match group.objective {
                Objective::One(loss) => {
                    let slope = row.weight * loss.slope_on::<V>(margins[0], row.target);
                    one::move_bias::<V::Half, _>(bias_rule, bias, slope);
                    M::update(&model, &touched, 0, slope, kept);
                }
                Objective::Classes { loss, classes } => {
                    let slopes = core::slice::from_raw_parts_mut(slopes, stride);
                    loss.slopes::<V>(&margins[..classes], row.target as usize, row.weight, slopes);
                    many::update::<V::Half, _, false>(bias_rule, slopes, |_| (bias.start(), 1.0, 0.0), 1);
                    for (output, &slope) in slopes.iter().enumerate().take(outputs) {
                        M::update(&model, &touched, output * part, slope, kept.add(output * room));
                    }
                }
            }
        }
    }
}

/// The margins of `rows`, intercept included; nothing is changed.
///
/// # Safety
/// The instruction set of `V`, a table without a head whose layout has factors, rows of data whose limit is within it, an intercept
/// laid out as [`Layout::intercept`], and a stride of margins for each row.
#[inline(always)]
pub(crate) unsafe fn score<V: Lane>(
    model: &Model<'_, '_>,
    rows: &[Row<'_>],
    bias: Cells<'_>,
    margins: &mut [f32],
    scratch: &mut Scratch,
) {
    let layout = model.table.layout;
    let Some(factors) = layout.factors() else { unreachable!("a layout with factors") };
    let tail = layout.tail();
    // SAFETY: the caller's promise; the registers fit the layout, as each arm asks, and are there wherever `V` is.
    unsafe {
        if factors.fields > 1 {
            match factors.stride() {
                4 => score_by::<V, ByField<V, 4>>(model, rows, bias, margins, scratch),
                8 => score_by::<V, ByField<V, 8>>(model, rows, bias, margins, scratch),
                _ => score_by::<V, ByField<V, 0>>(model, rows, bias, margins, scratch),
            }
        } else if tail.is_multiple_of(V::Half::WORDS) {
            score_by::<V, Together<V::Half, 0>>(model, rows, bias, margins, scratch);
        } else {
            score_by::<V, Together<V::Quarter, 0>>(model, rows, bias, margins, scratch);
        }
    }
}

/// # Safety
/// That of [`score`], and a layout that `M` is for.
#[inline(always)]
unsafe fn score_by<V: Lane, M: Meeting<V>>(
    model: &Model<'_, '_>,
    rows: &[Row<'_>],
    bias: Cells<'_>,
    margins: &mut [f32],
    scratch: &mut Scratch,
) {
    let layout = model.table.layout;
    let (stride, part, ahead) = (layout.stride(), layout.part(), model.table.shared.len() > IN_CACHE);
    let reach = reach(rows, layout);
    let kept = scratch.room(M::room(layout).div_ceil(LINE));
    for (i, (row, margins)) in rows.iter().zip(margins.chunks_exact_mut(stride)).enumerate() {
        look_ahead(&model.table, rows, i, reach, ahead);
        // SAFETY: the caller's promise; the scratch has room for one output at a time.
        unsafe {
            let touched = touched::<V>(row, model.step.norm);
            for (output, margin) in margins.iter_mut().enumerate().take(layout.outputs()) {
                *margin = bias.get(output) + M::margin(model, &touched, output * part, kept);
            }
        }
    }
}

/// How many rows ahead of use the table is asked for what `rows` touch.
#[inline(always)]
pub(crate) fn reach(rows: &[Row<'_>], layout: Layout) -> usize {
    let features = rows.first().map_or(1, Row::len).max(1);
    (FEATURES_AHEAD.min(BYTES_AHEAD / (4 * layout.width())) / features).clamp(1, ROWS_AHEAD)
}

/// Asks for what later rows will touch: the ids and values of one, and of a large table the rows of another.
#[inline(always)]
fn look_ahead(table: &Table<'_>, rows: &[Row<'_>], at: usize, reach: usize, ahead: bool) {
    if let Some(row) = rows.get(at + DATA_AHEAD + reach) {
        row.prefetch();
    }
    if ahead && let Some(row) = rows.get(at + reach) {
        let width = table.layout.width();
        for &id in row.ids().as_slice() {
            let start = table.ahead(id, width, true);
            for word in (0..width).step_by(LINE) {
                ask(start.wrapping_add(word));
            }
        }
    }
}

/// The row as the model takes it: its squared norm brought to `norm`, if that is not 0.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn touched<'a, V: Lane>(row: &Row<'a>, norm: f32) -> Touched<'a> {
    let (ids, values) = (row.ids().as_slice(), row.values());
    let mut scale = 1.0;
    if norm > 0.0 {
        let squares: f32 = if values.is_empty() { ids.len() as f32 } else { values.iter().map(|x| x * x).sum() };
        if squares.is_normal() {
            // SAFETY: the caller's promise.
            scale = unsafe { root::<V>(norm) * V::Quarter::splat(squares).rsqrt().first() };
        }
    }
    Touched { ids, values, scale }
}

/// √x of a normal positive number.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn root<V: Lane>(x: f32) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { x * V::Quarter::splat(x).rsqrt().first() }
}

/// A factorization machine whose vectors are `N` registers `L`; any number of them where `N` is 0.
pub(crate) struct Together<L, const N: usize>(core::marker::PhantomData<L>);

impl<V: Lane, L: Lane, const N: usize> Meeting<V> for Together<L, N> {
    #[inline(always)]
    fn room(layout: Layout) -> usize {
        layout.tail().next_multiple_of(LINE)
    }

    #[inline(always)]
    unsafe fn margin(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, scratch: *mut f32) -> f32 {
        let tail = model.table.layout.tail();
        let (mut from, mut margin) = (0, 0.0);
        // SAFETY: the caller's promise; `from` and the registers after it are within the vectors.
        unsafe {
            while from < tail {
                let registers = if N > 0 { N } else { ((tail - from) / L::WORDS).min(MOST) };
                margin += match registers {
                    1 => sums::<L, 1>(model, row, part, from, scratch),
                    2 => sums::<L, 2>(model, row, part, from, scratch),
                    3 => sums::<L, 3>(model, row, part, from, scratch),
                    _ => sums::<L, MOST>(model, row, part, from, scratch),
                };
                from += registers * L::WORDS;
            }
        }
        margin
    }

    #[inline(always)]
    unsafe fn update(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, slope: f32, scratch: *mut f32) {
        let Model { table, step } = model;
        let (layout, tail) = (table.layout, table.layout.tail());
        let width = layout.width();
        let share = 1.0 / layout.factors().map_or(1, |factors| factors.rank) as f32;
        let registers = if N > 0 { N } else { tail / L::WORDS };
        let mut tails = Tails::new();
        // SAFETY: the caller's promise; the registers are those of the vectors.
        unsafe {
            for from in (0..row.ids.len()).step_by(CHUNK) {
                let count = (row.ids.len() - from).min(CHUNK);
                for at in 0..count {
                    let start = table.at(*row.ids.get_unchecked(from + at), width, true).add(part);
                    let x = row.x(from + at);
                    let by = L::splat(x);
                    let mut squares = L::splat(0.0);
                    for n in 0..registers {
                        let sum = L::load_private(scratch.add(n * L::WORDS));
                        let slope = L::load(start.add(n * L::WORDS)).fnma(by, sum);
                        squares = slope.fma(slope, squares);
                    }
                    tails.factor[at] = share * squares.sum();
                    tails.load(at, start.add(tail), x, false);
                }
                if count > V::Quarter::WORDS {
                    tails.step::<V::Half>(count, slope, step, (1.0, 1));
                } else {
                    tails.step::<V::Quarter>(count, slope, step, (1.0, 1));
                }
                for at in 0..count {
                    let start = table.at(*row.ids.get_unchecked(from + at), width, true).add(part);
                    let x = L::splat(tails.x[at]);
                    let (by, keep) = (L::splat(tails.factor[at]), L::splat(tails.keep[at]));
                    for n in 0..registers {
                        let words = start.add(n * L::WORDS);
                        let vector = L::load(words);
                        let slope = vector.fnma(x, L::load_private(scratch.add(n * L::WORDS)));
                        slope.fnma(by, vector).mul(keep).store(words);
                    }
                }
            }
        }
    }
}

/// The part of a margin that `N` registers of the vectors have, those that begin at word `from`, with the weights' where that is 0;
/// Σ x·v of them goes to `scratch`.
///
/// # Safety
/// That of [`Meeting::margin`], and vectors with these registers.
#[inline(always)]
unsafe fn sums<L: Lane, const N: usize>(
    model: &Model<'_, '_>,
    row: &Touched<'_>,
    part: usize,
    from: usize,
    scratch: *mut f32,
) -> f32 {
    let (table, layout) = (&model.table, model.table.layout);
    let (width, tail) = (layout.width(), layout.tail());
    // SAFETY: the caller's promise.
    unsafe {
        let zero = L::splat(0.0);
        // Two sums of each register, so that one addition need not wait for the one before.
        let mut sums = [[zero; N]; 2];
        let mut squares = [zero; 2];
        let mut weights = [0.0f32; 2];
        let add = |at: usize, sums: &mut [L; N], squares: &mut L, weights: &mut f32| {
            let start = table.at(*row.ids.get_unchecked(at), width, true).add(part);
            let x = row.x(at);
            let by = L::splat(x);
            for (n, sum) in sums.iter_mut().enumerate() {
                let term = L::load(start.add(from + n * L::WORDS)).mul(by);
                *sum = sum.add(term);
                *squares = term.fma(term, *squares);
            }
            if from == 0 {
                *weights = L::fma1(word(start.add(tail + Layout::WEIGHT)), x, *weights);
            }
        };
        let ([even, odd], [of_even, of_odd], [weight, other]) = (&mut sums, &mut squares, &mut weights);
        let mut at = 0;
        while at + 2 <= row.ids.len() {
            add(at, even, of_even, weight);
            add(at + 1, odd, of_odd, other);
            at += 2;
        }
        if at < row.ids.len() {
            add(at, even, of_even, weight);
        }
        let mut both = zero.sub(squares[0].add(squares[1]));
        for (n, (&even, &odd)) in even.iter().zip(&*odd).enumerate() {
            let sum = even.add(odd);
            sum.store_private(scratch.add(from + n * L::WORDS));
            both = sum.fma(sum, both);
        }
        0.5 * both.sum() + weights[0] + weights[1]
    }
}
