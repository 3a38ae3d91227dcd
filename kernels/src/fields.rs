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

/// Where things stand in the scratch of an output.
#[derive(Clone, Copy)]
struct Kept {
    /// By field, s of its features.
    sums: *mut f32,
    /// By field, what its features meet: its row of the transpose of `sums`. A feature that is the only one of its field meets nothing
    /// there.
    turned: *mut f32,
    /// Σ g of one feature, over as many words as both a vector and a register divide.
    shared: *mut f32,
    /// By field, how many features the row has of it.
    counts: *mut f32,
    /// The fields that the row has features of, as they appear.
    active: *mut f32,
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
        Self { sums: scratch, turned, shared, counts, active: counts.wrapping_add(fields), vectors, fields, stride }
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

    /// The `nth` field that the row has features of.
    ///
    /// # Safety
    /// There are so many.
    #[inline(always)]
    unsafe fn active(&self, nth: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { *self.active.add(nth) as usize }
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
        let words = 2 * factors.fields * layout.tail() + period(factors.stride()) + 2 * factors.fields;
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
            let (mut weights, mut active) = (0.0f32, 0);
            let mut both = V::Quarter::splat(0.0);
            for at in 0..row.ids.len() {
                let start = table.at(*row.ids.get_unchecked(at), width, true).add(part);
                let field = field_of(start.add(tail), fields);
                let x = row.x(at);
                weights = V::fma1(word(start.add(tail + Layout::WEIGHT)), x, weights);
                let (by, sums) = (V::splat(x), sums.add(field * vectors));
                let first = kept.count(field) == 0.0;
                *kept.counts.add(field) += 1.0;
                if first {
                    *kept.active.add(active) = field as f32;
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
                let by = V::Quarter::splat(x);
                for from in (field * stride..(field + 1) * stride).step_by(V::Quarter::WORDS) {
                    let term = V::Quarter::load(start.add(from)).mul(by);
                    both = term.fnma(term, both);
                }
            }
            for nth in 0..active {
                let field = kept.active(nth);
                let (turned, sums) = (turned.add(field * vectors), sums.add(field * vectors));
                // Vectors for fields that the row has no feature of meet nothing; neither do the words behind the last.
                let from = if active < fields { 0 } else { fields * stride };
                core::slice::from_raw_parts_mut(turned.add(from), vectors - from).fill(0.0);
                for nth in 0..active {
                    let other = kept.active(nth);
                    let (here, there) = (sums.add(other * stride), kept.sums.add(other * vectors + field * stride));
                    for at in (0..stride).step_by(V::Quarter::WORDS) {
                        let met = V::Quarter::load_private(there.add(at));
                        both = V::Quarter::load_private(here.add(at)).fma(met, both);
                        met.store_private(turned.add(other * stride + at));
                    }
                }
                if kept.count(field) == 1.0 {
                    for at in (0..stride).step_by(V::Quarter::WORDS) {
                        V::Quarter::splat(0.0).store_private(turned.add(field * stride + at));
                    }
                }
            }
            weights + 0.5 * both.sum()
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
                if kept.count(field) > 1.0 {
                    // It does not meet itself.
                    let by = V::Quarter::splat(x);
                    for from in (field * stride..(field + 1) * stride).step_by(V::Quarter::WORDS) {
                        let sum = V::Quarter::load_private(sums.add(field * vectors + from));
                        V::Quarter::load(start.add(from)).fnma(by, sum).store_private(slopes.add(from));
                    }
                }
                let (own, all, sum) = totals::<V, K>(slopes, &kept);
                let gradient = slope * x;
                let decay = move_weight::<V::Quarter>(end, gradient, step);
                let square = gradient * gradient / rank;
                let rates = (step.rate, step.floor);
                let own = accumulate::<V::Quarter>(end.add(Layout::OWN_SQUARES), square * own / fields as f32, rates);
                let rates = (SHARED * step.rate, step.floor);
                let common = accumulate::<V::Quarter>(end.add(Layout::FACTOR_SQUARES), square * all, rates);
                let (by, keep) = (V::splat(own * gradient), V::splat(left(own, decay)));
                let common = V::splat((common - own / fields as f32) * gradient);
                if in_register::<V, K>() {
                    let common = sum.mul(common);
                    for from in (0..vectors).step_by(V::WORDS) {
                        let vector = V::load_private(slopes.add(from)).fnma(by, V::load(start.add(from)));
                        vector.sub(common).mul(keep).store(start.add(from));
                    }
                    continue;
                }
                let (period, mut within) = (period(stride), 0);
                for from in (0..vectors).step_by(V::WORDS) {
                    let vector = V::load_private(slopes.add(from)).fnma(by, V::load(start.add(from)));
                    let vector = V::load_private(shared.add(within)).fnma(common, vector);
                    vector.mul(keep).store(start.add(from));
                    within = (within + V::WORDS) % period;
                }
            }
        }
    }
}

/// Whether Σ g fits a register again and again.
#[inline(always)]
fn in_register<V: Lane, const K: usize>() -> bool {
    (K == 4 || K == 8) && V::WORDS.is_multiple_of(K)
}

/// Σ g² over the vectors of `slopes` and Σ (Σ g)²; Σ g itself, again and again, in a register if it fits, and else in its place in
/// `kept`.
///
/// # Safety
/// The instruction set of `V`, and scratch that `margin` has filled.
#[inline(always)]
unsafe fn totals<V: Lane, const K: usize>(slopes: *const f32, kept: &Kept) -> (f32, f32, V) {
    let stride = if K > 0 { K } else { kept.stride };
    // SAFETY: the caller's promise; the vectors are whole registers, and as many words as `period` are kept for their sum.
    unsafe {
        let (mut squares, mut sum) = (V::splat(0.0), V::splat(0.0));
        for from in (0..kept.vectors).step_by(V::WORDS) {
            let slope = V::load_private(slopes.add(from));
            squares = slope.fma(slope, squares);
            sum = sum.add(slope);
        }
        if in_register::<V, K>() {
            let sum = sum.fold(K);
            // Each of its numbers stands there WORDS / K times.
            return (squares.sum(), sum.mul(sum).sum() * K as f32 / V::WORDS as f32, sum);
        }
        let shared = core::slice::from_raw_parts_mut(kept.shared, period(stride));
        shared[..stride].fill(0.0);
        for field in 0..kept.fields {
            let slopes = core::slice::from_raw_parts(slopes.add(field * stride), stride);
            shared.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        for at in stride..shared.len() {
            shared[at] = shared[at - stride];
        }
        (squares.sum(), shared[..stride].iter().map(|g| g * g).sum(), sum)
    }
}
