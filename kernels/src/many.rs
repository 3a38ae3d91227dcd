//! The row loops of models with several outputs: a row of the table holds a weight for each, and registers run along it.

use core::sync::atomic::AtomicU32;

use crate::ahead::ask;
use crate::cells::Cells;
use crate::group::{DATA_AHEAD, Group, Objective, Step};
use crate::lane::Lane;
use crate::rows::Row;
use crate::rules::{Part, SlotRule};
use crate::table::Table;

/// The most registers of outputs that are worked on at once.
const MOST: usize = 4;
/// How many rows ahead of use the rows of a large table are asked for.
const ROWS_AHEAD: usize = 1;
/// Words in a cache line.
const LINE: usize = 16;

/// Learns the rows of `group`, one after the other.
///
/// # Safety
/// The instruction set of `V`, a group of several outputs that has passed [`Group::check`], whose rows are whole registers and
/// laid out as `R` has slots, and a decay for every row of the table if `DECAY`.
#[inline(always)]
pub(crate) unsafe fn learn<V: Lane, R: SlotRule<V>, const DECAY: bool>(group: &mut Group<'_, '_>) {
    let Objective::Classes { loss, classes } = group.objective else {
        unreachable!("`Learner::new` gives one output to the loops of `one`")
    };
    let (table, step, bias) = (group.table, group.step, group.bias);
    let stride = table.layout.stride();
    // SAFETY: the instruction set by contract. Ids are below the limit that `check` compared with the table and the decay;
    // the scratch has room for a slope for each output, padding included; rows and margins are there for every `i`.
    unsafe {
        let (rule, bias_rule) = (R::new(&step, Part::Rows), R::new(&step, Part::Bias));
        for i in 0..group.learn {
            if let Some(row) = group.rows.get(i + DATA_AHEAD) {
                row.prefetch();
            }
            if group.ahead {
                prefetch_rows(group, i + ROWS_AHEAD);
            }
            let row = *group.rows.get_unchecked(i);
            let margins = group.margins.get_unchecked_mut(i * stride..(i + 1) * stride);
            score_row::<V, R>(&table, (rule, bias_rule), &row, bias, margins);
            let room = group.scratch.room(stride.div_ceil(LINE));
            let slopes = core::slice::from_raw_parts_mut(room, stride);
            let moves = loss.slopes::<V>(&margins[..classes], row.target as usize, row.weight, slopes);
            if !DECAY && !moves {
                continue;
            }
            update::<V, R, false>(bias_rule, slopes, |_| (bias.start(), 1.0, 0.0), 1);
            let ids = row.ids().as_slice();
            let values = row.values();
            let touched = |at: usize| {
                let id = *ids.get_unchecked(at);
                let x = if values.is_empty() { 1.0 } else { *values.get_unchecked(at) };
                let decay = if DECAY { *step.decay.get_unchecked(id as usize) } else { 0.0 };
                (table.at(id, table.layout.width(), true), x, decay)
            };
            update::<V, R, DECAY>(rule, slopes, touched, ids.len());
        }
    }
}

/// Asks for the table's rows that row `at` of the data will touch.
#[inline(always)]
fn prefetch_rows(group: &Group<'_, '_>, at: usize) {
    let Some(row) = group.rows.get(at) else { return };
    let width = group.table.layout.width();
    for &id in row.ids().as_slice() {
        let start = group.table.ahead(id, width, true);
        for word in (0..width).step_by(LINE) {
            ask(start.wrapping_add(word));
        }
    }
}

/// The margins of a row, intercept included, one for each output and zeros or less behind them.
///
/// # Safety
/// The instruction set of `V`; whole registers of outputs, as many words of margins; ids below the table's rows; an intercept
/// laid out as a row of it.
#[inline(always)]
unsafe fn score_row<V: Lane, R: SlotRule<V>>(
    table: &Table<'_>,
    (rule, bias_rule): (R, R),
    row: &Row<'_>,
    bias: Cells<'_>,
    margins: &mut [f32],
) {
    let mut from = 0;
    while from < margins.len() {
        let registers = ((margins.len() - from) / V::WORDS).min(MOST);
        // SAFETY: the caller's promise; `from` and the registers after it are within the outputs.
        unsafe {
            let out = margins.as_mut_ptr().add(from);
            let bias = bias.start().add(from);
            match registers {
                1 => score_block::<V, R, 1>(table, (rule, bias_rule), row, bias, from, out),
                2 => score_block::<V, R, 2>(table, (rule, bias_rule), row, bias, from, out),
                3 => score_block::<V, R, 3>(table, (rule, bias_rule), row, bias, from, out),
                _ => score_block::<V, R, MOST>(table, (rule, bias_rule), row, bias, from, out),
            }
        }
        from += registers * V::WORDS;
    }
}

/// The margins of `N` registers of outputs that begin at word `from` of a row.
///
/// # Safety
/// That of [`score_row`], with `N` registers at `bias`, `out` and word `from`.
#[inline(always)]
unsafe fn score_block<V: Lane, R: SlotRule<V>, const N: usize>(
    table: &Table<'_>,
    (rule, bias_rule): (R, R),
    row: &Row<'_>,
    bias: *const AtomicU32,
    from: usize,
    out: *mut f32,
) {
    let stride = table.layout.stride();
    let (ids, values) = (row.ids().as_slice(), row.values());
    // SAFETY: the caller's promise; values are as many as ids, or none.
    unsafe {
        // Two sums of each register, so that one addition need not wait for the one before.
        let (mut even, mut odd) = ([V::splat(0.0); N], [V::splat(0.0); N]);
        for (n, sum) in even.iter_mut().enumerate() {
            *sum = weights::<V, R>(bias_rule, bias.add(n * V::WORDS), stride);
        }
        let mut at = 0;
        while at + 2 <= ids.len() {
            add_row::<V, R, N>(rule, table, (ids, values, at), from, &mut even);
            add_row::<V, R, N>(rule, table, (ids, values, at + 1), from, &mut odd);
            at += 2;
        }
        if at < ids.len() {
            add_row::<V, R, N>(rule, table, (ids, values, at), from, &mut even);
        }
        for n in 0..N {
            even[n].add(odd[n]).store_private(out.add(n * V::WORDS));
        }
    }
}

/// Adds to `sums` the weights, from word `from` on, of the table's row that the id at place `at` names, times the value there.
///
/// # Safety
/// That of [`score_block`], and a place within the ids.
#[inline(always)]
unsafe fn add_row<V: Lane, R: SlotRule<V>, const N: usize>(
    rule: R,
    table: &Table<'_>,
    (ids, values, at): (&[u32], &[f32], usize),
    from: usize,
    sums: &mut [V; N],
) {
    let (stride, width) = (table.layout.stride(), table.layout.width());
    // SAFETY: the caller's promise; values are as many as ids, or none.
    unsafe {
        let words = table.at(*ids.get_unchecked(at), width, true).add(from);
        let x = V::splat(if values.is_empty() { 1.0 } else { *values.get_unchecked(at) });
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = weights::<V, R>(rule, words.add(n * V::WORDS), stride).fma(x, *sum);
        }
    }
}

/// The weights at `words`, whose slots, if the rule has any, stand `stride` words behind.
///
/// # Safety
/// The instruction set of `V`, and a register of shared words at each place.
#[inline(always)]
unsafe fn weights<V: Lane, R: SlotRule<V>>(rule: R, words: *const AtomicU32, stride: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        // The compiler may not leave out a load of shared words, so it is not begun where a rule has no use for it.
        let slot = if R::DERIVED { V::load(words.add(stride)) } else { V::splat(0.0) };
        rule.weight(V::load(words), slot)
    }
}

/// Moves `count` rows by `slopes`; `touched(i)` is where the `i`-th begins, its value, and its L2 factor.
///
/// # Safety
/// The instruction set of `V`; whole registers of slopes; rows of that many words, and as many behind if the rule has a slot.
#[inline(always)]
pub(crate) unsafe fn update<V: Lane, R: SlotRule<V>, const DECAY: bool>(
    rule: R,
    slopes: &[f32],
    touched: impl Fn(usize) -> (*const AtomicU32, f32, f32),
    count: usize,
) {
    let mut from = 0;
    while from < slopes.len() {
        let registers = ((slopes.len() - from) / V::WORDS).min(MOST);
        // SAFETY: the caller's promise; `from` and the registers after it are within the outputs.
        unsafe {
            match registers {
                1 => update_block::<V, R, 1, DECAY>(rule, slopes, from, &touched, count),
                2 => update_block::<V, R, 2, DECAY>(rule, slopes, from, &touched, count),
                3 => update_block::<V, R, 3, DECAY>(rule, slopes, from, &touched, count),
                _ => update_block::<V, R, MOST, DECAY>(rule, slopes, from, &touched, count),
            }
        }
        from += registers * V::WORDS;
    }
}

/// Moves `N` registers of outputs that begin at word `from` of each row.
///
/// # Safety
/// That of [`update`], with `N` registers at word `from`.
#[inline(always)]
unsafe fn update_block<V: Lane, R: SlotRule<V>, const N: usize, const DECAY: bool>(
    rule: R,
    slopes: &[f32],
    from: usize,
    touched: &impl Fn(usize) -> (*const AtomicU32, f32, f32),
    count: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut slope = [V::splat(0.0); N];
        for (n, slope) in slope.iter_mut().enumerate() {
            *slope = V::load_private(slopes.as_ptr().add(from + n * V::WORDS));
        }
        for i in 0..count {
            let (row, x, decay) = touched(i);
            let x = V::splat(x);
            for (n, slope) in slope.iter().enumerate() {
                let words = row.add(from + n * V::WORDS);
                let slots = words.add(slopes.len());
                let slot = if R::SLOTS > 0 { V::load(slots) } else { V::splat(0.0) };
                let decay = if DECAY { Some(V::splat(decay)) } else { None };
                let (moved, squares) = rule.moved(V::load(words), slot, slope.mul(x), decay);
                moved.store(words);
                if R::SLOTS > 0 {
                    slot.add(squares).store(slots);
                }
            }
        }
    }
}

/// The margins of `rows`, intercept included; nothing is changed.
///
/// # Safety
/// The instruction set of `V`, a table without a head whose rows are whole registers, rows of data whose limit is within it, an
/// intercept laid out as its rows, and a stride of margins for each row.
#[inline(always)]
pub(crate) unsafe fn score<V: Lane, R: SlotRule<V>>(
    table: &Table<'_>,
    step: &Step<'_>,
    rows: &[Row<'_>],
    bias: Cells<'_>,
    margins: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let rules = (R::new(step, Part::Rows), R::new(step, Part::Bias));
        for (row, margins) in rows.iter().zip(margins.chunks_exact_mut(table.layout.stride())) {
            score_row::<V, R>(table, rules, row, bias, margins);
        }
    }
}
