//! Field-aware factorization machines: a feature has a vector for each field that others may be of, and two features meet by the vectors
//! that each has for the other's field (Juan et al., "Field-aware Factorization Machines for CTR Prediction", RecSys 2016).
//!
//! With s(a, b) = Σ x·v(b) over the features of field a, v(b) being the vector of a feature for field b, the pairs of all features come
//! to ½ (Σ_{a,b} ⟨s(a, b), s(b, a)⟩ - Σ x²|v(own field)|²), and the slope by v(b) of a feature of field a is x · s(b, a), its own
//! share taken off where b is a. So a row costs as much as its features have vectors, not as it has pairs, and all loads and stores
//! of Θ run along a row of the table.
//!
//! What all vectors of a feature have in common is learned beside what each has of its own, each with an accumulator: a step is
//!
//! ```text
//! v(b) -= own · g(b) + (shared - own / fields) · Σ g
//! ```
//!
//! which is Adagrad on v(b) = u + d(b), the d adding up to 0. Rare features then learn from all fields together, and where fields do not
//! matter the model is as good as one without (docs/performance.md has both on data planted either way).

use crate::factors::{Meeting, Model, Touched};
use crate::lane::Lane;
use crate::table::Layout;
use crate::tails::{CHUNK, Tails, word};

/// What the rate of the vectors' shared part is multiplied with.
const SHARED: f32 = 0.5;

/// Vectors of `K` words, one for each field; of any multiple of four where `K` is 0.
pub(crate) struct ByField<V, const K: usize>(core::marker::PhantomData<V>);

/// Where things stand in the scratch of an output.
#[derive(Clone, Copy)]
struct Kept {
    /// By field, s of its features; then, transposed in place, what its features meet: s of the others for this field. A feature that
    /// is the only one of its field meets nothing there.
    met: *mut f32,
    /// By field, s for its own.
    own: *mut f32,
    /// Σ g of one feature, over as many words as both a vector and a register divide.
    shared: *mut f32,
    /// By field, how many features the row has of it.
    counts: *mut f32,
    /// The numbers of the fields that the row has features of, as they appear.
    active: *mut u32,
    /// Words from the vectors of one field to those of the next.
    vectors: usize,
    fields: usize,
    /// Words of a vector.
    stride: usize,
}

/// Floats for Σ g: the least that both a vector and the largest register divide.
fn period(stride: usize) -> usize {
    let mut words = stride;
    while !words.is_multiple_of(16) {
        words += stride;
    }
    words
}

impl Kept {
    #[inline(always)]
    fn of(layout: Layout, scratch: *mut f32) -> Self {
        let Some(factors) = layout.factors() else { unreachable!("a layout with factors") };
        let (vectors, fields, stride) = (layout.tail(), factors.fields, factors.stride());
        let own = scratch.wrapping_add(fields * vectors);
        let shared = own.wrapping_add(fields * stride);
        let counts = shared.wrapping_add(period(stride));
        let active = counts.wrapping_add(fields).cast();
        Self { met: scratch, own, shared, counts, active, vectors, fields, stride }
    }
}

/// The field of a part; never one that there is not, whatever stands there.
///
/// # Safety
/// The tail of a row's part.
#[inline(always)]
unsafe fn field_of(tail: *const core::sync::atomic::AtomicU32, fields: usize) -> usize {
    // SAFETY: the caller's promise.
    (unsafe { word(tail.add(Layout::FIELD)) } as usize).min(fields - 1)
}

impl<V: Lane, const K: usize> Meeting<V> for ByField<V, K> {
    #[inline(always)]
    fn room(layout: Layout) -> usize {
        let Some(factors) = layout.factors() else { unreachable!("a layout with factors") };
        let words = factors.fields * (layout.tail() + factors.stride() + 2) + period(factors.stride());
        words.next_multiple_of(16)
    }

    #[inline(always)]
    unsafe fn margin(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, scratch: *mut f32) -> f32 {
        let (table, layout) = (&model.table, model.table.layout);
        let (width, tail) = (layout.width(), layout.tail());
        let kept = Kept::of(layout, scratch);
        let Kept { met, vectors, fields, .. } = kept;
        let stride = if K > 0 { K } else { kept.stride };
        // SAFETY: the caller's promise; fields are below their number, registers within the vectors, and the scratch has room for the
        // vectors of every field twice.
        unsafe {
            let counts = core::slice::from_raw_parts_mut(kept.counts, fields);
            counts.fill(0.0);
            let (mut margin, mut active) = (0.0f32, 0);
            for at in 0..row.ids.len() {
                let start = table.at(*row.ids.get_unchecked(at), width, true).add(part);
                let field = field_of(start.add(tail), fields);
                let x = row.x(at);
                margin = V::fma1(word(start.add(tail + Layout::WEIGHT)), x, margin);
                let (by, sums) = (V::splat(x), met.add(field * vectors));
                let count = counts.get_unchecked_mut(field);
                if *count == 0.0 {
                    *kept.active.add(active) = field as u32;
                    active += 1;
                    for from in (0..vectors).step_by(V::WORDS) {
                        V::load(start.add(from)).mul(by).store_private(sums.add(from));
                    }
                } else {
                    for from in (0..vectors).step_by(V::WORDS) {
                        let sum = V::load_private(sums.add(from));
                        V::load(start.add(from)).fma(by, sum).store_private(sums.add(from));
                    }
                }
                *count += 1.0;
            }
            let active = core::slice::from_raw_parts(kept.active, active);
            for &field in active {
                // What several features of a field have in common is met there; one alone meets nothing.
                let field = field as usize;
                let alone = *counts.get_unchecked(field) == 1.0;
                // Behind the last vector nothing is met.
                core::slice::from_raw_parts_mut(met.add(field * vectors + fields * stride), vectors - fields * stride)
                    .fill(0.0);
                for at in (0..stride).step_by(V::Quarter::WORDS) {
                    let sum = met.add(field * (vectors + stride) + at);
                    V::Quarter::load_private(sum).store_private(kept.own.add(field * stride + at));
                    if alone {
                        V::Quarter::splat(0.0).store_private(sum);
                    }
                }
            }
            margin +=
                if K == 4 && active.len() == fields { turn_all::<V>(&kept) } else { turn_some::<V>(&kept, active) };
            if active.len() < row.ids.len() {
                margin += within(model, row, part, &kept, counts);
            }
            margin
        }
    }

    #[inline(always)]
    unsafe fn update(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, slope: f32, scratch: *mut f32) {
        let (table, step, layout) = (&model.table, &model.step, model.table.layout);
        let (width, tail) = (layout.width(), layout.tail());
        let kept = Kept::of(layout, scratch);
        let Kept { met, vectors, fields, .. } = kept;
        let stride = if K > 0 { K } else { kept.stride };
        let share = 1.0 / layout.factors().map_or(1, |factors| factors.rank) as f32;
        let mut tails = Tails::new();
        // SAFETY: that of `margin`, which has filled the scratch; the sum over vectors is as long as a vector and a register divide.
        unsafe {
            for from in (0..row.ids.len()).step_by(CHUNK) {
                let count = (row.ids.len() - from).min(CHUNK);
                let (mut slopes, mut sums) = ([scratch; CHUNK], [V::splat(0.0); CHUNK]);
                for (at, slopes) in slopes.iter_mut().enumerate().take(count) {
                    let start = table.at(*row.ids.get_unchecked(from + at), width, true).add(part);
                    let field = field_of(start.add(tail), fields);
                    *slopes = met.add(field * vectors);
                    tails.load(at, start.add(tail), row.x(from + at), true);
                    if *kept.counts.add(field) > 1.0 {
                        kept.leave_out::<V>(start, field, tails.x[at]);
                    }
                    let (own, all, sum) = totals::<V, K>(*slopes, &kept);
                    sums[at] = sum;
                    tails.own[at] = own * share / fields as f32;
                    tails.factor[at] = all * share;
                }
                tails.step::<V::Half>(count, slope, step, (SHARED, fields));
                for (at, slopes) in slopes.iter().enumerate().take(count) {
                    let start = table.at(*row.ids.get_unchecked(from + at), width, true).add(part);
                    let field = field_of(start.add(tail), fields);
                    if *kept.counts.add(field) > 1.0 {
                        kept.leave_out::<V>(start, field, tails.x[at]);
                    }
                    let (by, common, keep) =
                        (V::splat(tails.own[at]), V::splat(tails.factor[at]), V::splat(tails.keep[at]));
                    if in_register::<V, K>() {
                        let common = sums[at].mul(common);
                        for from in (0..vectors).step_by(V::WORDS) {
                            let vector = V::load_private(slopes.add(from)).fnma(by, V::load(start.add(from)));
                            vector.sub(common).mul(keep).store(start.add(from));
                        }
                        continue;
                    }
                    kept.share(*slopes);
                    let (period, mut within) = (period(stride), 0);
                    for from in (0..vectors).step_by(V::WORDS) {
                        let vector = V::load_private(slopes.add(from)).fnma(by, V::load(start.add(from)));
                        let vector = V::load_private(kept.shared.add(within)).fnma(common, vector);
                        vector.mul(keep).store(start.add(from));
                        within = (within + V::WORDS) % period;
                    }
                }
            }
        }
    }
}

impl Kept {
    /// What a feature of a field of several meets in it: what they are summed up to, without the feature itself, whose part begins at
    /// `start` and whose value is `x`.
    ///
    /// # Safety
    /// The instruction set of `V`, scratch that `margin` has filled, and a part whose field this is.
    #[inline(always)]
    unsafe fn leave_out<V: Lane>(&self, start: *const core::sync::atomic::AtomicU32, field: usize, x: f32) {
        // SAFETY: the caller's promise.
        unsafe {
            let by = V::Quarter::splat(x);
            for at in (0..self.stride).step_by(V::Quarter::WORDS) {
                let sum = V::Quarter::load_private(self.own.add(field * self.stride + at));
                let rest = V::Quarter::load(start.add(field * self.stride + at)).fnma(by, sum);
                rest.store_private(self.met.add(field * (self.vectors + self.stride) + at));
            }
        }
    }

    /// Σ g over the vectors of `slopes`, again and again until it fills its place; Σ (Σ g)².
    ///
    /// # Safety
    /// Scratch that `margin` has filled.
    unsafe fn share(&self, slopes: *const f32) -> f32 {
        // SAFETY: the caller's promise; as many words as `period` are kept for the sum.
        let (shared, slopes) = unsafe {
            let shared = core::slice::from_raw_parts_mut(self.shared, period(self.stride));
            (shared, core::slice::from_raw_parts(slopes, self.fields * self.stride))
        };
        shared[..self.stride].fill(0.0);
        for slopes in slopes.chunks_exact(self.stride) {
            shared.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        for at in self.stride..shared.len() {
            shared[at] = shared[at - self.stride];
        }
        shared[..self.stride].iter().map(|g| g * g).sum()
    }
}

/// Whether Σ g fits a register again and again.
#[inline(always)]
fn in_register<V: Lane, const K: usize>() -> bool {
    (K == 4 || K == 8) && V::WORDS.is_multiple_of(K)
}

/// Σ g² over the vectors of `slopes`, and Σ (Σ g)²; Σ g itself, again and again, if it fits a register.
///
/// # Safety
/// The instruction set of `V`, and scratch that `margin` has filled.
#[inline(always)]
unsafe fn totals<V: Lane, const K: usize>(slopes: *const f32, kept: &Kept) -> (f32, f32, V) {
    // SAFETY: the caller's promise; the vectors are whole registers.
    unsafe {
        let (mut squares, mut sum) = (V::splat(0.0), V::splat(0.0));
        for from in (0..kept.vectors).step_by(V::WORDS) {
            let slope = V::load_private(slopes.add(from));
            squares = slope.fma(slope, squares);
            sum = sum.add(slope);
        }
        let sum = sum.fold(K);
        // Each of its numbers stands there WORDS / K times.
        let all =
            if in_register::<V, K>() { sum.mul(sum).sum() * (K as f32 / V::WORDS as f32) } else { kept.share(slopes) };
        (squares.sum(), all, sum)
    }
}

/// Transposes what features of all fields are summed up to, vectors of four words, in place; the sum of what fields have to do with each
/// other.
///
/// # Safety
/// The instruction set of `V`, and sums for every field.
#[inline(always)]
unsafe fn turn_all<V: Lane>(kept: &Kept) -> f32 {
    let Kept { met, vectors, fields, .. } = *kept;
    let side = V::BLOCK;
    let whole = if side > 1 { fields / side * side } else { 0 };
    // SAFETY: the caller's promise; blocks lie within the vectors of all fields.
    unsafe {
        let (mut both, mut sum) = (V::Quarter::splat(0.0), V::splat(0.0));
        for field in (0..whole).step_by(side) {
            for other in (field + side..whole).step_by(side) {
                let (here, there) = (met.add(field * vectors + other * 4), met.add(other * vectors + field * 4));
                sum = V::turn(here, there, vectors, sum);
            }
        }
        // Within the blocks on the diagonal, and between all fields and the last, which fill no block.
        for field in 0..fields {
            let end = if field < whole { (field / side + 1) * side } else { fields };
            for other in (field + 1..end).chain(whole.max(end)..fields) {
                both = swap::<V>(met.add(field * vectors + other * 4), met.add(other * vectors + field * 4), 4, both);
            }
        }
        sum.sum() + both.sum()
    }
}

/// The same for the fields that a row has features of; what they are summed up to for others becomes 0, for nothing is met there.
///
/// # Safety
/// The instruction set of `V`, and sums for these fields.
#[inline(always)]
unsafe fn turn_some<V: Lane>(kept: &Kept, active: &[u32]) -> f32 {
    let Kept { met, vectors, fields, stride, .. } = *kept;
    let mut margin = 0.0;
    // SAFETY: the caller's promise; fields are below their number.
    unsafe {
        for (nth, &field) in active.iter().enumerate() {
            let field = field as usize;
            let mut both = V::Quarter::splat(0.0);
            for &other in active.get_unchecked(nth + 1..) {
                let other = other as usize;
                let (here, there) =
                    (met.add(field * vectors + other * stride), met.add(other * vectors + field * stride));
                both = swap::<V>(here, there, stride, both);
            }
            margin += both.sum();
            if active.len() < fields {
                let row = core::slice::from_raw_parts_mut(met.add(field * vectors), vectors);
                let counts = core::slice::from_raw_parts(kept.counts, fields);
                for (other, _) in counts.iter().enumerate().filter(|&(_, &count)| count == 0.0) {
                    row[other * stride..(other + 1) * stride].fill(0.0);
                }
            }
        }
    }
    margin
}

/// Swaps two vectors of `words`, and adds their products to `sum`.
///
/// # Safety
/// The instruction set of `V`, and vectors that are not the same.
#[inline(always)]
unsafe fn swap<V: Lane>(one: *mut f32, other: *mut f32, words: usize, mut sum: V::Quarter) -> V::Quarter {
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..words).step_by(V::Quarter::WORDS) {
            let (a, b) = (V::Quarter::load_private(one.add(at)), V::Quarter::load_private(other.add(at)));
            sum = a.fma(b, sum);
            b.store_private(one.add(at));
            a.store_private(other.add(at));
        }
    }
    sum
}

/// What the features of one field have to do with each other, for all fields that the row has several of.
///
/// # Safety
/// That of [`Meeting::margin`], with its sums made and features of each field counted.
#[inline(never)]
unsafe fn within(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, kept: &Kept, counts: &[f32]) -> f32 {
    let (table, layout) = (&model.table, model.table.layout);
    let mut twice = 0.0;
    // SAFETY: the caller's promise.
    unsafe {
        for (field, _) in counts.iter().enumerate().filter(|&(_, &count)| count > 1.0) {
            let sum = kept.own.add(field * kept.stride);
            twice += core::slice::from_raw_parts(sum, kept.stride).iter().map(|s| s * s).sum::<f32>();
        }
        for at in 0..row.ids.len() {
            let start = table.at(*row.ids.get_unchecked(at), layout.width(), true).add(part);
            let field = field_of(start.add(layout.tail()), kept.fields);
            if counts[field] > 1.0 {
                let x = row.x(at);
                let own = (field * kept.stride..(field + 1) * kept.stride).map(|at| x * word(start.add(at)));
                twice -= own.map(|v| v * v).sum::<f32>();
            }
        }
    }
    0.5 * twice
}
