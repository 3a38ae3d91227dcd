//! Vectors and weights of features moved by the slopes that come back: backwards, and the step at once.

use core::sync::atomic::AtomicU32;

use super::{Batch, Embedded, Kept, total, value};
use crate::factors::reach;
use crate::group::{Scratch, Step};
use crate::lane::Lane;
use crate::rows::Row;
use crate::table::Layout;
use crate::tails::word;

/// # Safety
/// The instruction set of `L`, which divides the parts of the layout; dense rows, and slopes of everything.
#[inline(always)]
pub(super) unsafe fn learn_in<L: Lane>(
    batch: &Batch<'_, '_>,
    embedded: Embedded<'_>,
    step: &Step<'_>,
    scratch: &mut Scratch,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let kept = Kept::new::<L>(batch, scratch);
        match (kept.registers, batch.embedding.meets) {
            (1, true) => learn::<L, 1, true>(batch, embedded, step, &kept),
            (2, true) => learn::<L, 2, true>(batch, embedded, step, &kept),
            (_, true) => learn::<L, 0, true>(batch, embedded, step, &kept),
            (4, false) => learn::<L, 4, false>(batch, embedded, step, &kept),
            (7, false) => learn::<L, 7, false>(batch, embedded, step, &kept),
            (_, false) => learn::<L, 0, false>(batch, embedded, step, &kept),
        }
    }
}

/// # Safety
/// That of [`learn_in`]; `N` registers, or any number where that is 0, and `MEETS` as the embedding says.
#[inline(always)]
unsafe fn learn<L: Lane, const N: usize, const MEETS: bool>(
    batch: &Batch<'_, '_>,
    embedded: Embedded<'_>,
    step: &Step<'_>,
    kept: &Kept,
) {
    let Batch { rows, embedding, rank, .. } = *batch;
    let Embedded { inputs, slopes, gradients } = embedded;
    let (mut chunk, share) = (Chunk::default(), 1.0 / rank as f32);
    let reach = reach(batch.rows, batch.table.layout);
    let dense = embedding.fields * rank;
    let over = kept.words - rank;
    // SAFETY: the caller's promise. A field's slopes are loaded by whole registers, which reach past the end of the row: into the next
    // one, or, of the last rows, into scratch.
    unsafe {
        for (nth, row) in rows.iter().enumerate() {
            let coming = batch.coming(nth, reach);
            let within = (nth + 1) * dense + over <= inputs.len();
            let padded = |of: &[f32]| -> *const f32 {
                if within {
                    return of.as_ptr().add(nth * dense);
                }
                core::slice::from_raw_parts_mut(kept.dense, dense)
                    .copy_from_slice(of.get_unchecked(nth * dense..(nth + 1) * dense));
                kept.dense
            };
            let slope = *slopes.get_unchecked(nth);
            if MEETS {
                let inputs = padded(inputs);
                for at in (0..kept.words).step_by(L::WORDS) {
                    let sum =
                        if at < rank { total::<L>(inputs.add(at), embedding.fields, rank) } else { L::splat(0.0) };
                    sum.mul(L::splat(slope)).store_private(kept.all.add(at));
                }
            }
            prepare::<L, N, MEETS>(batch, padded(gradients), slope, kept);
            for from in (0..row.len()).step_by(CHUNK) {
                chunk.collect::<L, N, MEETS>(batch, kept, row, from..(from + CHUNK).min(row.len()), slope);
                chunk.rates::<L>(step, share, slope);
                chunk.update::<L, N, MEETS>(batch, kept, slope, coming.get(from..).unwrap_or_default());
            }
        }
    }
}

/// By field, what of the slopes of a row its features have in common, by a value of 1: the layers' slope, that of the margin times Σ
/// over all fields, and where the weight stands that of the margin. Without `MEETS` their squared norms too.
///
/// # Safety
/// That of [`learn`], and `gradients` of all fields, a row of the table's behind the last begin.
#[inline(always)]
unsafe fn prepare<L: Lane, const N: usize, const MEETS: bool>(
    batch: &Batch<'_, '_>,
    gradients: *const f32,
    slope: f32,
    kept: &Kept,
) {
    let Batch { embedding, rank, .. } = *batch;
    let registers = if N > 0 { N } else { kept.registers };
    // SAFETY: the caller's promise.
    unsafe {
        for field in 0..embedding.fields {
            let (from, to) = (gradients.add(field * rank), kept.fields.add(field * registers * L::WORDS));
            let mut squares = L::splat(0.0);
            for at in (0..registers).map(|n| n * L::WORDS) {
                let mut sum = if at < rank { L::load_private(from.add(at)) } else { L::splat(0.0) };
                if MEETS {
                    sum = sum.add(L::load_private(kept.all.add(at)));
                }
                sum = sum.and(L::load_private(kept.vector.add(at)));
                if !MEETS {
                    squares = sum.fma(sum, squares);
                }
                sum.add(L::splat(slope).and(L::load_private(kept.weight.add(at)))).store_private(to.add(at));
            }
            if !MEETS {
                *kept.norms.add(field) = squares.sum();
            }
        }
    }
}

/// Features of a row that are moved together.
const CHUNK: usize = 16;

/// Some features of a row on their way through a step, side by side: their vectors stay where they are, and what is told of them here
/// is made of registers of several features.
///
/// A feature that stands twice in a row is moved twice, and its accumulators see both; the second step may not have seen the first.
#[derive(Default)]
#[repr(align(64))]
struct Chunk {
    x: [f32; CHUNK],
    /// In: Σ g² of the vector by a value of 1. Out: what is added to its accumulator.
    square: [f32; CHUNK],
    /// In: the accumulators. Out: how much of the slope by a value of 1 is taken off.
    by: [f32; CHUNK],
    by_weight: [f32; CHUNK],
    /// In: the L2 factor. Out: what is left by it.
    keep: [f32; CHUNK],
    keep_weight: [f32; CHUNK],
    /// Out: what is added to the accumulator of the weight.
    weight_square: [f32; CHUNK],
    /// Rows of the table, and what slopes their fields have in common.
    places: [Place; CHUNK],
    count: usize,
}

#[derive(Clone, Copy)]
struct Place {
    start: *const AtomicU32,
    common: *const f32,
}

impl Default for Place {
    fn default() -> Self {
        Self { start: core::ptr::null(), common: core::ptr::null() }
    }
}

/// Register `n` of the slope of a vector by a value of 1, whose words these are: what features have in common, less the share of its
/// own where vectors meet.
///
/// # Safety
/// The instruction set of `L`, scratch with such a register, and what [`prepare`] has made at `common`.
#[inline(always)]
unsafe fn slope_of<L: Lane, const MEETS: bool>(kept: &Kept, n: usize, words: L, common: *const f32, own: L) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let common = L::load_private(common.add(n * L::WORDS));
        if MEETS { words.fnma(own.and(L::load_private(kept.vector.add(n * L::WORDS))), common) } else { common }
    }
}

impl Chunk {
    /// Takes in the features of `row` in `range`, [`CHUNK`] at most, but for those whose value is 0.
    ///
    /// # Safety
    /// That of [`learn`], scratch that [`prepare`] has filled, and a range within the row.
    #[inline(always)]
    unsafe fn collect<L: Lane, const N: usize, const MEETS: bool>(
        &mut self,
        batch: &Batch<'_, '_>,
        kept: &Kept,
        row: &Row<'_>,
        range: core::ops::Range<usize>,
        slope: f32,
    ) {
        let registers = if N > 0 { N } else { kept.registers };
        let tail = batch.table.layout.tail();
        self.count = 0;
        // SAFETY: the caller's promise; registers lie within the row of the table, and the field is one that there is.
        unsafe {
            for at in range {
                let x = value(row, at);
                if x == 0.0 {
                    continue;
                }
                let start = batch.start(row, at);
                let field = batch.field(start);
                let common = kept.fields.add(field * registers * L::WORDS);
                let nth = self.count;
                self.count += 1;
                self.square[nth] = if MEETS {
                    let (mut squares, own) = (L::splat(0.0), L::splat(slope * x));
                    for n in 0..registers {
                        let slope = slope_of::<L, MEETS>(kept, n, L::load(start.add(n * L::WORDS)), common, own);
                        let slope = slope.and(L::load_private(kept.vector.add(n * L::WORDS)));
                        squares = slope.fma(slope, squares);
                    }
                    squares.sum()
                } else {
                    *kept.norms.add(field)
                };
                self.x[nth] = x;
                self.places[nth] = Place { start, common };
                self.by[nth] = word(start.add(tail + Layout::FACTOR_SQUARES));
                self.by_weight[nth] = word(start.add(tail + Layout::WEIGHT_SQUARES));
                self.keep[nth] = word(start.add(tail + Layout::DECAY));
            }
        }
    }

    /// Works out how far each feature goes, by the slope of the margin, where `share` of a vector's squares are its accumulator's.
    ///
    /// # Safety
    /// The instruction set of `L`.
    #[inline(always)]
    unsafe fn rates<L: Lane>(&mut self, step: &Step<'_>, share: f32, slope: f32) {
        // SAFETY: the caller's promise; registers divide the arrays.
        unsafe {
            let (rate, floor, half, one) = (L::splat(step.rate), L::splat(step.floor), L::splat(0.5), L::splat(1.0));
            let left = |rate: L, decay: L| one.sub(rate.mul(decay).min(half));
            for at in (0..self.count).step_by(L::WORDS) {
                let get = |words: &[f32; CHUNK]| L::load_private(words.as_ptr().add(at));
                let set = |words: &mut [f32; CHUNK], to: L| to.store_private(words.as_mut_ptr().add(at));
                let (x, decay) = (get(&self.x), get(&self.keep));

                let square = get(&self.square).mul(x.mul(x).mul(L::splat(share)));
                let by = rate.mul(get(&self.by).add(square).add(floor).rsqrt());
                set(&mut self.square, square);
                set(&mut self.by, by.mul(x));
                set(&mut self.keep, left(by, decay));

                let gradient = x.mul(L::splat(slope));
                let square = gradient.mul(gradient);
                let by = rate.mul(get(&self.by_weight).add(square).add(floor).rsqrt());
                set(&mut self.weight_square, square);
                set(&mut self.by_weight, by.mul(x));
                set(&mut self.keep_weight, left(by, decay));
            }
        }
    }

    /// Moves all that was taken in.
    ///
    /// # Safety
    /// That of [`Chunk::collect`], and [`Chunk::rates`] that are worked out.
    #[inline(always)]
    unsafe fn update<L: Lane, const N: usize, const MEETS: bool>(
        &self,
        batch: &Batch<'_, '_>,
        kept: &Kept,
        slope: f32,
        coming: &[u32],
    ) {
        let registers = if N > 0 { N } else { kept.registers };
        // SAFETY: the caller's promise.
        unsafe {
            for nth in 0..self.count {
                batch.look_ahead(coming, nth);
                let Place { start, common } = self.places[nth];
                let (x, by, keep) = (self.x[nth], L::splat(self.by[nth]), L::splat(self.keep[nth]));
                let own = L::splat(slope * x);
                for n in 0..registers {
                    let at = start.add(n * L::WORDS);
                    let words = L::load(at);
                    let slope = slope_of::<L, MEETS>(kept, n, words, common, own);
                    if n < kept.full {
                        slope.fnma(by, words).mul(keep).store(at);
                        continue;
                    }
                    let mask = |lanes: *mut f32| L::load_private(lanes.add(n * L::WORDS));
                    let (vector, weight) = (mask(kept.vector), mask(kept.weight));
                    let by = by.and(vector).add(L::splat(self.by_weight[nth]).and(weight));
                    let left = L::splat(self.keep_weight[nth]).and(weight);
                    let keep = keep.and(vector).add(left).add(mask(kept.rest));
                    let add = L::splat(self.weight_square[nth]).and(mask(kept.weight_squares));
                    let add = L::splat(self.square[nth]).and(mask(kept.factor_squares)).add(add);
                    slope.fnma(by, words).fma(keep, add).store(at);
                }
            }
        }
    }
}
