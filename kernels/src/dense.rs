//! The update rules of dense tensors: weights and slots in planes of their own, gradients pushed by children, applied at
//! the shard by one thread at a time while others read.

use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::scalar::{Scalar, check_floor, rsqrt};

/// How a gradient moves the weights of a dense tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DenseRule {
    /// w -= rate·g. No slot.
    Sgd {
        /// The learning rate.
        rate: f32,
    },
    /// m = momentum·m + g; w -= rate·m (Polyak 1964). One slot: m.
    Momentum {
        /// The learning rate.
        rate: f32,
        /// What remains of m at each step.
        momentum: f32,
    },
    /// n += g²; w -= rate·g / √(floor + n) (Duchi, Hazan & Singer 2011). One slot: n.
    Adagrad {
        /// The learning rate.
        rate: f32,
        /// Where the accumulator begins; positive and normal.
        floor: f32,
    },
    /// Kingma & Ba 2015. Two slots: m, v.
    Adam(Adam),
}

/// The setting of Adam for one step: m = b1·m + (1 - b1)·g; v = b2·v + (1 - b2)·g²; w -= rate·m / √(v + floor).
///
/// [`Adam::at`] folds the bias correction into `rate` and `floor`, as section 2 of the paper proposes; the small constant
/// stands under the root, so that one reciprocal root serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    rate: f32,
    first: f32,
    second: f32,
    floor: f32,
}

impl Adam {
    /// Step number `step` (from 1) with the paper's 0.9, 0.999 and 1e-8.
    ///
    /// # Panics
    /// Where `step` is 0.
    pub fn at(step: u64, rate: f32) -> Self {
        assert!(step > 0, "Adam's steps count from 1");
        let (first, second) = (0.9f32, 0.999f32);
        // The averages decay by the constants as f32 has them, so the correction is for those: 1 - 0.999 is off by 1e-5.
        let power = |base: f32| {
            // Past this many steps the correction is 1 in f32.
            let mut left = step.min(40_000);
            let (mut product, mut factor) = (1.0, f64::from(base));
            while left > 0 {
                if left % 2 == 1 {
                    product *= factor;
                }
                factor *= factor;
                left /= 2;
            }
            product
        };
        let (c1, c2) = (1.0 - power(first), 1.0 - power(second));
        // √c2 from the scalar root: x·rsqrt(x).
        let root = c2 as f32 * rsqrt(c2 as f32);
        // √(v / c2) + 1e-8 ≈ √(v / c2 + 1e-16) = √(v + 1e-16·c2) / √c2.
        Self { rate: rate * root / c1 as f32, first, second, floor: 1e-16 * c2 as f32 }
    }
}

impl DenseRule {
    /// How many optimiser slots a weight has.
    pub fn slots(self) -> usize {
        match self {
            Self::Sgd { .. } => 0,
            Self::Momentum { .. } | Self::Adagrad { .. } => 1,
            Self::Adam(_) => 2,
        }
    }
}

impl Backend {
    /// One step of `rule` on a stretch of a dense tensor: `slots` are the planes of its optimiser slots. One thread at a time may
    /// step the same words, or updates are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ, the planes are not as many as the rule's slots, or Adagrad's floor is not positive and normal.
    pub fn dense_step(self, rule: DenseRule, weights: Cells<'_>, slots: &[Cells<'_>], gradient: &[f32]) {
        struct Apply<'s, 'a>(&'s DenseStep<'a>);
        impl Work for Apply<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the step is checked below.
                unsafe { apply::<V>(self.0) }
            }
        }
        let step = DenseStep { rule, weights, slots, gradient };
        step.check();
        self.run(Apply(&step));
    }
}

/// One update of a stretch of a dense tensor.
struct DenseStep<'a> {
    rule: DenseRule,
    weights: Cells<'a>,
    /// The planes of the slots, as many as the rule has.
    slots: &'a [Cells<'a>],
    gradient: &'a [f32],
}

impl DenseStep<'_> {
    fn check(&self) {
        assert_eq!(self.slots.len(), self.rule.slots(), "as many slot planes as the rule has slots");
        if let DenseRule::Adagrad { floor, .. } = self.rule {
            check_floor(floor);
        }
        let len = self.gradient.len();
        assert!(self.weights.len() == len && self.slots.iter().all(|slot| slot.len() == len), "planes of one length");
    }
}

/// Values become multiples of 2⁻¹⁰⁴ when this is added and taken off again: averages that decay must not end as denormals,
/// which many cores compute a hundred times slower.
const FLUSH: f32 = 1.0 / (1u128 << 80) as f32;

/// Applies `step`.
///
/// # Safety
/// The instruction set of `V`, and a step that has passed [`DenseStep::check`].
#[inline(always)]
unsafe fn apply<V: Lane>(step: &DenseStep<'_>) {
    let len = step.gradient.len();
    let whole = len - len % V::WORDS;
    // SAFETY: the instruction set by contract (the scalar one is always there), ranges within the planes' one length; the
    // rest is padded in private memory.
    unsafe {
        stretch::<V>(step, 0, whole);
        let even = whole + (len - whole) / Scalar::WORDS * Scalar::WORDS;
        stretch::<Scalar>(step, whole, even);
        if even < len {
            last_word(step, even);
        }
    }
}

/// Applies `step` to the words of `from..to`, whole registers of `V`.
///
/// # Safety
/// That of [`apply`], and `from..to` within the planes.
#[inline(always)]
unsafe fn stretch<V: Lane>(step: &DenseStep<'_>, from: usize, to: usize) {
    let weights = step.weights.start();
    let gradient = step.gradient.as_ptr();
    // SAFETY: the instruction set by contract; the planes and the gradient are equally long and hold `from..to`; there are as
    // many planes as the rule has slots. All planes are loaded from before one is stored to: they lie a multiple of 4 KiB apart,
    // and a load that seems to be of what was just stored waits for it (momentum and Adam in L2: half the speed).
    unsafe {
        match step.rule {
            DenseRule::Sgd { rate } => {
                let rate = V::splat(rate);
                for at in (from..to).step_by(V::WORDS) {
                    let w = weights.add(at);
                    V::load_private(gradient.add(at)).fnma(rate, V::load(w)).store(w);
                }
            }
            DenseRule::Momentum { rate, momentum } => {
                let (rate, momentum, flush) = (V::splat(rate), V::splat(momentum), V::splat(FLUSH));
                let plane = step.slots[0].start();
                for at in (from..to).step_by(V::WORDS) {
                    let (w, m) = (weights.add(at), plane.add(at));
                    let (weight, average) = (V::load(w), V::load(m));
                    let average = average.fma(momentum, V::load_private(gradient.add(at))).add(flush).sub(flush);
                    average.store(m);
                    average.fnma(rate, weight).store(w);
                }
            }
            DenseRule::Adagrad { rate, floor } => {
                let (half_rate, floor) = (V::splat(0.5 * rate), V::splat(floor));
                let plane = step.slots[0].start();
                for at in (from..to).step_by(V::WORDS) {
                    let (w, n) = (weights.add(at), plane.add(at));
                    let (weight, squares, g) = (V::load(w), V::load(n), V::load_private(gradient.add(at)));
                    let squares = g.fma(g, squares);
                    squares.store(n);
                    let (root, rest) = squares.add(floor).twice_rsqrt();
                    g.mul(root).mul(rest).fnma(half_rate, weight).store(w);
                }
            }
            DenseRule::Adam(adam) => {
                let (half_rate, floor, flush) = (V::splat(0.5 * adam.rate), V::splat(adam.floor), V::splat(FLUSH));
                let (a1, a2) = (V::splat(1.0 - adam.first), V::splat(1.0 - adam.second));
                let (first, second) = (step.slots[0].start(), step.slots[1].start());
                for at in (from..to).step_by(V::WORDS) {
                    let (w, m, v) = (weights.add(at), first.add(at), second.add(at));
                    let g = V::load_private(gradient.add(at));
                    let (weight, average, squares) = (V::load(w), V::load(m), V::load(v));
                    // b·x + (1 - b)·y as x + (1 - b)·(y - x), which multiplies less; 1 - b is exact from b = ½ on.
                    let average = g.sub(average).fma(a1, average).add(flush).sub(flush);
                    let squares = g.fnma(g, squares).fnma(a2, squares).add(flush).sub(flush);
                    average.store(m);
                    squares.store(v);
                    let (root, rest) = squares.add(floor).twice_rsqrt();
                    average.mul(root).mul(rest).fnma(half_rate, weight).store(w);
                }
            }
        }
    }
}

/// Applies `step` to the word at `at` alone, through a padded pair in private memory.
#[inline(never)]
fn last_word(step: &DenseStep<'_>, at: usize) {
    use core::sync::atomic::AtomicU32;
    let padded = |cells: Cells<'_>| [AtomicU32::new(cells.get(at).to_bits()), AtomicU32::new(0)];
    let weights = padded(step.weights);
    let planes: [[AtomicU32; 2]; 2] =
        [0, 1].map(|i| step.slots.get(i).map_or([AtomicU32::new(0), AtomicU32::new(0)], |&slot| padded(slot)));
    let slots = [Cells::new(&planes[0]), Cells::new(&planes[1])];
    let alone = DenseStep {
        rule: step.rule,
        weights: Cells::new(&weights),
        slots: &slots[..step.slots.len()],
        gradient: &[step.gradient[at], 0.0],
    };
    // SAFETY: the scalar backend is always there, and all planes hold two words.
    unsafe { stretch::<Scalar>(&alone, 0, 2) };
    step.weights.set(at, Cells::new(&weights).get(0));
    for (slot, plane) in step.slots.iter().zip(&slots) {
        slot.set(at, plane.get(0));
    }
}
