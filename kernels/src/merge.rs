//! A private copy of shared words folded back into them: the exchange of the hot rows, in small "delta up, fresh
//! snapshot down".

use crate::cells::Cells;
use crate::lane::Lane;
use crate::scalar::{check_floor, rsqrt};

/// How a child's change of a row joins the changes that others have merged meanwhile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MergeRule {
    /// The sum of the changes of every word.
    Sum,
    /// Pairs [w, n] of Adagrad: n is summed; the change of w is scaled by √((floor + n seen) / (floor + n merged)), the step
    /// the child would have taken had it known the others' squares.
    Scaled {
        /// What Adagrad adds to n before the root; positive and normal.
        floor: f32,
    },
}

/// What a merge works on: three stretches of equal length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge<'a> {
    /// The shared words; only one thread merges into them at a time.
    pub(crate) master: Cells<'a>,
    /// The child's own words; afterwards as the master.
    pub(crate) mine: Cells<'a>,
    /// What `mine` was after the last merge; afterwards as the master.
    pub(crate) base: Cells<'a>,
    pub(crate) rule: MergeRule,
}

impl Merge<'_> {
    pub(crate) fn check(&self) {
        let len = self.master.len();
        assert!(self.mine.len() == len && self.base.len() == len, "a merge of stretches of different lengths");
        if let MergeRule::Scaled { floor } = self.rule {
            assert!(len.is_multiple_of(2), "half a pair cannot be merged");
            check_floor(floor);
        }
    }
}

/// Folds `mine - base` into `master` and takes the result back.
///
/// # Safety
/// The instruction set of `V`, and a merge that has passed [`Merge::check`].
#[inline(always)]
pub(crate) unsafe fn merge<V: Lane>(merge: Merge<'_>) {
    let (master, mine, base) = (merge.master.start(), merge.mine.start(), merge.base.start());
    let mut at = 0;
    // SAFETY: the instruction set by contract; all three stretches have the length that bounds `at`.
    unsafe {
        while at + V::WORDS <= merge.master.len() {
            let own = V::load(mine.add(at));
            let mut delta = own.sub(V::load(base.add(at)));
            let before = V::load(master.add(at));
            if let MergeRule::Scaled { floor } = merge.rule {
                let floor = V::splat(floor);
                let seen = own.slots_to_weights().add(floor);
                let merged = before.add(delta).slots_to_weights().add(floor);
                // √(seen / merged) for the weights (even lanes), 1 for the slots.
                let scale = seen.mul(seen.rsqrt()).mul(merged.rsqrt());
                let weights = V::spread_one();
                let slots = V::splat(1.0).sub(weights);
                delta = delta.mul(scale.fma(weights, slots));
            }
            let after = before.add(delta);
            after.store(master.add(at));
            after.store(mine.add(at));
            after.store(base.add(at));
            at += V::WORDS;
        }
    }
    if at < merge.master.len() {
        let rest = at..merge.master.len();
        let Merge { master, mine, base, rule } = merge;
        merge_rest(Merge {
            master: master.slice(rest.clone()),
            mine: mine.slice(rest.clone()),
            base: base.slice(rest),
            rule,
        });
    }
}

/// The words that fill no register.
#[inline(never)]
fn merge_rest(merge: Merge<'_>) {
    let Merge { master, mine, base, rule } = merge;
    let mut at = 0;
    while at < master.len() {
        let delta = |at: usize| mine.get(at) - base.get(at);
        let take = |at: usize, after: f32| {
            for cells in [master, mine, base] {
                cells.set(at, after);
            }
        };
        match rule {
            MergeRule::Sum => {
                take(at, master.get(at) + delta(at));
                at += 1;
            }
            MergeRule::Scaled { floor } => {
                let seen = floor + mine.get(at + 1);
                let slot = master.get(at + 1) + delta(at + 1);
                let scale = seen * rsqrt(seen) * rsqrt(floor + slot);
                let weight = master.get(at) + delta(at) * scale;
                take(at, weight);
                take(at + 1, slot);
                at += 2;
            }
        }
    }
}
