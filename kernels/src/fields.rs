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
//!     v(b) -= own · g(b) + (shared - own / fields) · Σ g
//!
//! which is Adagrad on v(b) = u + d(b), the d adding up to 0. Rare features then learn from all fields together, and where fields do not
//! matter the model is as good as one without (docs/performance.md has both on data planted either way).

use crate::factors::{Meeting, Model, Touched, accumulate, left, move_weight, word};
use crate::lane::Lane;
use crate::table::Layout;

/// What the rate of the vectors' shared part is multiplied with.
const SHARED: f32 = 0.5;

/// Vectors of `K` words, one for each field; of any multiple of four where `K` is 0.
pub(crate) struct ByField<V, const K: usize>(core::marker::PhantomData<V>);

/// Where things stand in the scratch of an output: s by field, its transpose, Σ g of one feature over as many words as both a vector
/// and a register divide, then by field how many features the row has of it.
#[derive(Clone, Copy)]
struct Kept {
    sums: *mut f32,
    turned: *mut f32,
    shared: *mut f32,
    counts: *mut f32,
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
        let turned = scratch.wrapping_add(fields * vectors);
        let shared = turned.wrapping_add(fields * vectors);
        let counts = shared.wrapping_add(period(stride));
        Self { sums: scratch, turned, shared, counts, vectors, fields, stride }
    }

    /// How many features the row has of a field.
    ///
    /// # Safety
    /// A scratch with room, and such a field.
    #[inline(always)]
    unsafe fn count(&self, field: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { *self.counts.add(field) }
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
        let words = 2 * factors.fields * layout.tail() + period(factors.stride()) + factors.fields;
        words.next_multiple_of(16)
    }

    #[inline(always)]
    unsafe fn margin(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, scratch: *mut f32) -> f32 {
        let (table, layout) = (&model.table, model.table.layout);
        let (width, tail) = (layout.width(), layout.tail());
        let kept = Kept::of(layout, scratch);
        let Kept { sums, turned, vectors, fields, .. } = kept;
        let stride = if K > 0 { K } else { kept.stride };
        // SAFETY: the caller's promise; fields are below their number, registers within the vectors, and the scratch has room for the
        // vectors of every field twice.
        unsafe {
            core::slice::from_raw_parts_mut(kept.counts, fields).fill(0.0);
            let (mut weights, mut own) = (0.0f32, V::Quarter::splat(0.0));
            for at in 0..row.ids.len() {
                let start = table.at(*row.ids.get_unchecked(at), width, true).add(part);
                let field = field_of(start.add(tail), fields);
                let x = row.x(at);
                weights = V::fma1(word(start.add(tail + Layout::WEIGHT)), x, weights);
                let (by, sums) = (V::splat(x), sums.add(field * vectors));
                let first = kept.count(field) == 0.0;
                *kept.counts.add(field) += 1.0;
                for from in (0..vectors).step_by(V::WORDS) {
                    let term = V::load(start.add(from)).mul(by);
                    let sum = if first { term } else { term.add(V::load_private(sums.add(from))) };
                    sum.store_private(sums.add(from));
                }
                let by = V::Quarter::splat(x);
                for from in (field * stride..(field + 1) * stride).step_by(V::Quarter::WORDS) {
                    let term = V::Quarter::load(start.add(from)).mul(by);
                    own = term.fma(term, own);
                }
            }
            let mut both = V::splat(0.0);
            for field in (0..fields).filter(|&field| kept.count(field) > 0.0) {
                let (turned, sums) = (turned.add(field * vectors), sums.add(field * vectors));
                core::slice::from_raw_parts_mut(turned.add(fields * stride), vectors - fields * stride).fill(0.0);
                for other in 0..fields {
                    let to = core::slice::from_raw_parts_mut(turned.add(other * stride), stride);
                    if kept.count(other) > 0.0 {
                        let from = kept.sums.add(other * vectors + field * stride);
                        to.copy_from_slice(core::slice::from_raw_parts(from, stride));
                    } else {
                        to.fill(0.0);
                    }
                }
                for from in (0..vectors).step_by(V::WORDS) {
                    both = V::load_private(turned.add(from)).fma(V::load_private(sums.add(from)), both);
                }
            }
            weights + 0.5 * (both.sum() - own.sum())
        }
    }

    #[inline(always)]
    unsafe fn update(model: &Model<'_, '_>, row: &Touched<'_>, part: usize, slope: f32, scratch: *mut f32) {
        let (table, step, layout) = (&model.table, &model.step, model.table.layout);
        let (width, tail) = (layout.width(), layout.tail());
        let kept = Kept::of(layout, scratch);
        let Kept { sums, turned, shared, vectors, fields, .. } = kept;
        let stride = if K > 0 { K } else { kept.stride };
        let rank = layout.factors().map_or(1, |factors| factors.rank) as f32;
        // SAFETY: that of `margin`, which has filled the scratch; the sum over vectors is as long as a vector and a register divide.
        unsafe {
            for at in 0..row.ids.len() {
                let start = table.at(*row.ids.get_unchecked(at), width, true).add(part);
                let end = start.add(tail);
                let field = field_of(end, fields);
                let x = row.x(at);
                let slopes = turned.add(field * vectors);
                let by = V::Quarter::splat(x);
                // The feature does not meet itself.
                for from in (field * stride..(field + 1) * stride).step_by(V::Quarter::WORDS) {
                    let sum = V::Quarter::load_private(sums.add(field * vectors + from));
                    V::Quarter::load(start.add(from)).fnma(by, sum).store_private(slopes.add(from));
                }
                let (own, all) = totals::<V, K>(slopes, &kept);
                let gradient = slope * x;
                let decay = move_weight::<V::Quarter>(end, gradient, step);
                let square = gradient * gradient / rank;
                let rates = (step.rate, step.floor);
                let own = accumulate::<V::Quarter>(end.add(Layout::OWN_SQUARES), square * own / fields as f32, rates);
                let rates = (SHARED * step.rate, step.floor);
                let common = accumulate::<V::Quarter>(end.add(Layout::FACTOR_SQUARES), square * all, rates);
                let (by, keep) = (V::splat(own * gradient), V::splat(left(own, decay)));
                let common = V::splat((common - own / fields as f32) * gradient);
                let period = if K > 0 && 16 % K == 0 { 16 } else { period(stride) };
                let mut within = 0;
                for from in (0..vectors).step_by(V::WORDS) {
                    let vector = V::load_private(slopes.add(from)).fnma(by, V::load(start.add(from)));
                    let vector = V::load_private(shared.add(within)).fnma(common, vector);
                    vector.mul(keep).store(start.add(from));
                    within += V::WORDS;
                    if within == period {
                        within = 0;
                    }
                }
            }
        }
    }
}

/// Σ g² over the vectors of `slopes` and Σ (Σ g)²; Σ g itself goes to `kept`, again and again until it is as long as its place.
///
/// # Safety
/// The instruction set of `V`, and scratch that `margin` has filled.
#[inline(always)]
unsafe fn totals<V: Lane, const K: usize>(slopes: *const f32, kept: &Kept) -> (f32, f32) {
    let stride = if K > 0 { K } else { kept.stride };
    // SAFETY: the caller's promise; the vectors are whole registers, and as many words as `period` are kept for their sum.
    unsafe {
        let mut squares = V::splat(0.0);
        if K > 0 && V::WORDS.is_multiple_of(K) {
            let mut sum = V::splat(0.0);
            for from in (0..kept.vectors).step_by(V::WORDS) {
                let slope = V::load_private(slopes.add(from));
                squares = slope.fma(slope, squares);
                sum = sum.add(slope);
            }
            sum.store_private(kept.shared);
            fold::<V, K>(kept.shared, V::WORDS)
        } else {
            core::slice::from_raw_parts_mut(kept.shared, stride).fill(0.0);
            for from in (0..kept.vectors).step_by(V::WORDS) {
                let slope = V::load_private(slopes.add(from));
                squares = slope.fma(slope, squares);
            }
            for field in 0..kept.fields {
                for at in (0..stride).step_by(V::Quarter::WORDS) {
                    let sum = V::Quarter::load_private(kept.shared.add(at));
                    sum.add(V::Quarter::load_private(slopes.add(field * stride + at))).store_private(kept.shared.add(at));
                }
            }
        }
        let shared = core::slice::from_raw_parts_mut(kept.shared, period(stride));
        let all = shared[..stride].iter().map(|g| g * g).sum();
        for at in stride..shared.len() {
            shared[at] = shared[at - stride];
        }
        (squares.sum(), all)
    }
}

/// Adds up every `K`-th of the `words` at `sums` into the first `K`.
///
/// # Safety
/// That many floats there.
#[inline(always)]
unsafe fn fold<V: Lane, const K: usize>(sums: *mut f32, words: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..K).step_by(V::Quarter::WORDS) {
            let mut sum = V::Quarter::load_private(sums.add(at));
            for from in (K..words).step_by(K) {
                sum = sum.add(V::Quarter::load_private(sums.add(from + at)));
            }
            sum.store_private(sums.add(at));
        }
    }
}
