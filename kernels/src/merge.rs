//! A private copy of shared words folded back into them: the exchange of the hot rows, in small "delta up, fresh
//! snapshot down".

use core::ops::Range;

use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::scalar::{Scalar, check_floor};
use crate::table::Layout;

/// How a child's change of a row joins the changes that others have merged meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MergeRule {
    /// The sum of the changes of every word.
    Sum,
    /// The sum of such a part of every change.
    Part(f32),
    /// Rows of Adagrad: accumulators n are summed; the change of what they are of is scaled by √((floor + n seen) / (floor + n merged)),
    /// the step the child would have taken had it known the others' squares.
    Scaled {
        /// What Adagrad adds to n before the root; positive and normal.
        floor: f32,
        /// The layout of the rows.
        layout: Layout,
    },
}

impl MergeRule {
    /// Joins the change of one row of `layout` into `master`, word by word: `before` and `after` say what a word was to the child, and is.
    pub fn join_row(
        self,
        layout: Layout,
        master: Cells<'_>,
        before: impl Fn(usize) -> f32,
        after: impl Fn(usize) -> f32,
    ) {
        let part = if let Self::Part(part) = self { part } else { 1.0 };
        // Sums the accumulator at `slot`; what the words that it is of are scaled by.
        let sum = |slot: usize| {
            let merged = master.get(slot) + part * (after(slot) - before(slot));
            master.set(slot, merged);
            if let Self::Scaled { floor, .. } = self {
                // SAFETY: the scalar instruction set is always there.
                unsafe { scale(Scalar::splat(after(slot)), Scalar::splat(merged), Scalar::splat(floor)).first() }
            } else {
                part
            }
        };
        let join = |at: usize, by: f32| master.set(at, master.get(at) + by * (after(at) - before(at)));
        let outputs = layout.outputs();
        if layout.factors().is_none() {
            for output in 0..outputs {
                let by = if layout.has_slots() { sum(layout.stride() + output) } else { part };
                join(output, by);
            }
            return;
        }
        for from in (0..outputs).map(|output| output * layout.part()) {
            let tail = from + layout.tail();
            let by = sum(tail + Layout::FACTOR_SQUARES);
            (from..tail).for_each(|at| join(at, by));
            join(tail + Layout::WEIGHT, sum(tail + Layout::WEIGHT_SQUARES));
            if layout.factors().is_some_and(|factors| factors.fields > 1) {
                join(tail + Layout::OWN_SQUARES, part);
            }
        }
    }
}

impl Backend {
    /// Folds what a child changed in `mine` since it was `base` into `master`, and takes the result back into both. One thread at a
    /// time may merge into the same words, or changes are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ; for a rule on rows where they are not whole rows or its floor is not positive and normal.
    pub fn merge(self, master: Cells<'_>, mine: Cells<'_>, base: Cells<'_>, rule: MergeRule) {
        struct Fold<'a>(Merge<'a>);
        impl Work for Fold<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the merge is checked below.
                unsafe { merge::<V>(&self.0) }
            }
        }
        let fold = Merge { master, mine, base, rule };
        fold.check();
        self.run(Fold(fold));
    }
}

/// What a merge works on: three stretches of equal length.
#[derive(Clone, Copy, Debug)]
struct Merge<'a> {
    /// The shared words; only one thread merges into them at a time.
    master: Cells<'a>,
    /// The child's own words; afterwards as the master.
    mine: Cells<'a>,
    /// What `mine` was after the last merge; afterwards as the master.
    base: Cells<'a>,
    rule: MergeRule,
}

impl Merge<'_> {
    fn check(&self) {
        let len = self.master.len();
        assert!(self.mine.len() == len && self.base.len() == len, "a merge of stretches of different lengths");
        if let MergeRule::Scaled { floor, layout } = self.rule {
            assert!(layout.has_slots() && len.is_multiple_of(layout.width()), "parts of rows cannot be merged");
            check_floor(floor);
        }
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let [master, mine, base] = [self.master, self.mine, self.base].map(|cells| cells.slice(range.clone()));
        Self { master, mine, base, rule: self.rule }
    }

    /// The change from `base` to `mine`, what `mine` is, and what stands in the master, of the register at `at`.
    ///
    /// # Safety
    /// The instruction set of `V`, and a register from `at` on.
    #[inline(always)]
    unsafe fn load<V: Lane>(&self, at: usize) -> (V, V, V) {
        // SAFETY: the caller's promise.
        unsafe {
            let own = V::load(self.mine.start().add(at));
            (own.sub(V::load(self.base.start().add(at))), own, V::load(self.master.start().add(at)))
        }
    }

    /// Makes the register at `at` the same in all three.
    ///
    /// # Safety
    /// That of [`Merge::load`].
    #[inline(always)]
    unsafe fn store<V: Lane>(&self, at: usize, after: V) {
        // SAFETY: the caller's promise.
        unsafe {
            for cells in [self.master, self.mine, self.base] {
                after.store(cells.start().add(at));
            }
        }
    }
}

/// Folds `mine - base` into `master` and takes the result back.
///
/// # Safety
/// The instruction set of `V`, and a merge that has passed [`Merge::check`].
#[inline(always)]
unsafe fn merge<V: Lane>(merge: &Merge<'_>) {
    let len = merge.master.len();
    let whole = len - len % V::WORDS;
    // SAFETY: the instruction set by contract; whole registers within the stretches' one length; whole rows by the check.
    unsafe {
        match merge.rule {
            MergeRule::Scaled { layout, .. } if layout.factors().is_some() => {
                for from in (0..len).step_by(layout.width()) {
                    let row = merge.slice(from..from + layout.width());
                    merge.rule.join_row(layout, row.master, |at| row.base.get(at), |at| row.mine.get(at));
                    for at in 0..layout.width() {
                        [row.mine, row.base].into_iter().for_each(|cells| cells.set(at, row.master.get(at)));
                    }
                }
            }
            MergeRule::Scaled { floor, layout } if layout.stride().is_multiple_of(V::WORDS) => {
                rows::<V>(merge, layout.stride(), floor);
            }
            MergeRule::Scaled { floor, layout } if layout.stride() > 1 => {
                rows::<V::Half>(merge, layout.stride(), floor);
            }
            MergeRule::Scaled { floor, .. } => {
                pairs::<V>(&merge.slice(0..whole), floor);
                pairs::<Scalar>(&merge.slice(whole..len), floor);
            }
            MergeRule::Sum | MergeRule::Part(_) => {
                let part = if let MergeRule::Part(part) = merge.rule { part } else { 1.0 };
                words::<V>(&merge.slice(0..whole), part);
                let rest = merge.slice(whole..len);
                for at in 0..len - whole {
                    let after = rest.master.get(at) + part * (rest.mine.get(at) - rest.base.get(at));
                    [rest.master, rest.mine, rest.base].into_iter().for_each(|cells| cells.set(at, after));
                }
            }
        }
    }
}

/// The sum of `part` of each change, of whole registers.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn words<V: Lane>(merge: &Merge<'_>, part: f32) {
    for at in (0..merge.master.len()).step_by(V::WORDS) {
        // SAFETY: the instruction set by contract; whole registers.
        unsafe {
            let (delta, _, before) = merge.load::<V>(at);
            merge.store(at, delta.fma(V::splat(part), before));
        }
    }
}

/// [`MergeRule::Scaled`] of whole registers of pairs.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn pairs<V: Lane>(merge: &Merge<'_>, floor: f32) {
    for at in (0..merge.master.len()).step_by(V::WORDS) {
        // SAFETY: the instruction set by contract; whole registers.
        unsafe {
            let floor = V::splat(floor);
            let (delta, own, before) = merge.load::<V>(at);
            let scale = scale(own.slots_to_weights(), before.add(delta).slots_to_weights(), floor);
            // That for the weights (even lanes), 1 for the slots.
            let weights = V::spread_one();
            let delta = delta.mul(scale.fma(weights, V::splat(1.0).sub(weights)));
            merge.store(at, before.add(delta));
        }
    }
}

/// [`MergeRule::Scaled`] of rows of a stride of weights before a stride of slots.
///
/// # Safety
/// The instruction set of `V`, whole rows, and strides of whole registers.
#[inline(always)]
unsafe fn rows<V: Lane>(merge: &Merge<'_>, stride: usize, floor: f32) {
    for row in (0..merge.master.len()).step_by(2 * stride) {
        for weight in (row..row + stride).step_by(V::WORDS) {
            // SAFETY: the instruction set by contract; whole rows of whole registers.
            unsafe {
                let (squares, seen, slot) = merge.load::<V>(weight + stride);
                let merged = slot.add(squares);
                let (delta, _, before) = merge.load::<V>(weight);
                let scale = scale(seen, merged, V::splat(floor));
                merge.store(weight, delta.fma(scale, before));
                merge.store(weight + stride, merged);
            }
        }
    }
}

/// √((floor + seen) / (floor + merged)).
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn scale<V: Lane>(seen: V, merged: V, floor: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let seen = seen.add(floor);
        seen.mul(seen.rsqrt()).mul(merged.add(floor).rsqrt())
    }
}
