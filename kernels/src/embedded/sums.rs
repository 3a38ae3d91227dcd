//! Vectors of a row's features summed up by field into a dense row, and what stands beside the layers: forwards.

use super::{Batch, Kept, MOST, total, value};
use crate::factors::reach;
use crate::group::Scratch;
use crate::lane::Lane;
use crate::table::Layout;

/// # Safety
/// The instruction set of `L`, which divides the parts of the layout; a dense row and a margin for each row.
#[inline(always)]
pub(super) unsafe fn embed<L: Lane>(
    batch: &Batch<'_, '_>,
    inputs: &mut [f32],
    margins: &mut [f32],
    scratch: &mut Scratch,
) {
    let Batch { embedding, rank, .. } = *batch;
    let reach = reach(batch.rows, batch.table.layout);
    let dense = embedding.fields * rank;
    // SAFETY: the caller's promise. A field is stored by whole registers, which reach into the next one, stored later, or past the end
    // of the row: into the next row, stored later, or, of the last rows, into scratch.
    unsafe {
        let kept = Kept::new::<L>(batch, scratch);
        let over = kept.words - rank;
        for (nth, margin) in margins.iter_mut().enumerate() {
            let coming = batch.coming(nth, reach);
            let squares = match kept.registers {
                _ if embedding.fields == 1 => sums_of_all::<L>(batch, nth, coming, &kept),
                1 => sums_by_field::<L, 1>(batch, nth, coming, &kept),
                2 => sums_by_field::<L, 2>(batch, nth, coming, &kept),
                _ => sums_by_field::<L, 0>(batch, nth, coming, &kept),
            };
            let within = (nth + 1) * dense + over <= inputs.len();
            let out = if within { inputs.as_mut_ptr().add(nth * dense) } else { kept.dense };
            for field in 0..embedding.fields {
                for at in (0..rank).step_by(L::WORDS) {
                    L::load_private(kept.fields.add(field * kept.words + at)).store_private(out.add(field * rank + at));
                }
            }
            if !within {
                inputs[nth * dense..(nth + 1) * dense].copy_from_slice(core::slice::from_raw_parts(out, dense));
            }
            *margin = 0.0;
            if embedding.meets || embedding.weighs {
                let mut both = L::splat(0.0).sub(squares);
                for at in (0..kept.words).step_by(L::WORDS) {
                    let sum = total::<L>(kept.fields.add(at), embedding.fields, kept.words);
                    sum.store_private(kept.all.add(at));
                    let sum = sum.and(L::load_private(kept.vector.add(at)));
                    both = sum.fma(sum, both);
                }
                if embedding.meets {
                    *margin += 0.5 * both.sum();
                }
                if embedding.weighs {
                    // Weights were summed up as all words of a row were.
                    *margin += *kept.all.add(batch.table.layout.tail() + Layout::WEIGHT);
                }
            }
        }
    }
}

/// By field, Σ x·v of row `nth`, in scratch; Σ x²v². Rows of the table are `N` registers, or any number where that is 0.
///
/// # Safety
/// That of [`embed`], and such a row.
#[inline(always)]
unsafe fn sums_by_field<L: Lane, const N: usize>(batch: &Batch<'_, '_>, nth: usize, coming: &[u32], kept: &Kept) -> L {
    let Batch { rows, embedding, .. } = *batch;
    let registers = if N > 0 { N } else { kept.registers };
    let words = registers * L::WORDS;
    // SAFETY: the caller's promise; fields are below their number, and registers within the row.
    unsafe {
        let row = rows.get_unchecked(nth);
        let mut squares = L::splat(0.0);
        for at in 0..embedding.fields * registers {
            L::splat(0.0).store_private(kept.fields.add(at * L::WORDS));
        }
        for at in 0..row.len() {
            batch.look_ahead(coming, at);
            let (start, by) = (batch.start(row, at), L::splat(value(row, at)));
            let sums = kept.fields.add(batch.field(start) * words);
            for n in 0..registers {
                let (sum, at) = (sums.add(n * L::WORDS), n * L::WORDS);
                let term = L::load(start.add(at)).mul(by);
                L::load_private(sum).add(term).store_private(sum);
                if embedding.meets {
                    let term = term.and(L::load_private(kept.vector.add(at)));
                    squares = term.fma(term, squares);
                }
            }
        }
        squares
    }
}

/// The same where there is one field.
///
/// # Safety
/// That of [`sums_by_field`].
#[inline(always)]
unsafe fn sums_of_all<L: Lane>(batch: &Batch<'_, '_>, nth: usize, coming: &[u32], kept: &Kept) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let mut squares = L::splat(0.0);
        let mut from = 0;
        while from < kept.registers {
            let count = (kept.registers - from).min(MOST);
            let place = (nth, from, if from == 0 { coming } else { &[] });
            squares = match count {
                1 => sums::<L, 1>(batch, place, kept, squares),
                2 => sums::<L, 2>(batch, place, kept, squares),
                3 => sums::<L, 3>(batch, place, kept, squares),
                4 => sums::<L, 4>(batch, place, kept, squares),
                5 => sums::<L, 5>(batch, place, kept, squares),
                6 => sums::<L, 6>(batch, place, kept, squares),
                7 => sums::<L, 7>(batch, place, kept, squares),
                _ => sums::<L, MOST>(batch, place, kept, squares),
            };
            from += count;
        }
        squares
    }
}

/// Σ x·v of `N` registers, those from number `from` on, goes to scratch; adds Σ x²v² of them to `squares`.
///
/// # Safety
/// That of [`sums_by_field`], and rows with these registers.
#[inline(always)]
unsafe fn sums<L: Lane, const N: usize>(
    batch: &Batch<'_, '_>,
    (nth, from, coming): (usize, usize, &[u32]),
    kept: &Kept,
    mut squares: L,
) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let row = batch.rows.get_unchecked(nth);
        let mut sums = [L::splat(0.0); N];
        for at in 0..row.len() {
            batch.look_ahead(coming, at);
            let (start, by) = (batch.start(row, at).add(from * L::WORDS), L::splat(value(row, at)));
            for (n, sum) in sums.iter_mut().enumerate() {
                let words = L::load(start.add(n * L::WORDS));
                *sum = words.fma(by, *sum);
                if batch.embedding.meets {
                    let term = words.mul(by).and(L::load_private(kept.vector.add((from + n) * L::WORDS)));
                    squares = term.fma(term, squares);
                }
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            sum.store_private(kept.fields.add((from + n) * L::WORDS));
        }
        squares
    }
}
