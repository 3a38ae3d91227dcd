//! The update rules of sparse tensors: [`Rule`] names them; each is written once over registers of weights beside registers of their slots.
//!
//! Adagrad: Duchi, Hazan & Singer, "Adaptive Subgradient Methods", JMLR 2011, with the accumulator beginning at
//! [`Step::floor`] instead of 0. FTRL-proximal: McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013.

use crate::group::Step;
use crate::lane::Lane;
use crate::scalar::{Scalar, check_floor, rsqrt};
use crate::table::Layout;

/// The update rule of a sparse tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Plain stochastic gradient descent; no slots.
    Sgd,
    /// Adagrad; a weight w with a slot n.
    Adagrad,
    /// FTRL-proximal; a word z with a slot n, from which the weight follows.
    Ftrl,
}

impl Rule {
    /// What stands in a row of `outputs` weights.
    pub fn layout(self, outputs: usize) -> Layout {
        Layout::new(outputs, if self == Self::Sgd { 0 } else { 1 })
    }

    /// The weight that a word of a row of Θ with its slot (0 where there is none) stands for under the rates of `step`; `bias`
    /// says that it is the intercept's.
    pub fn weight(self, step: &Step<'_>, bias: bool, word: f32, slot: f32) -> f32 {
        let part = if bias { Part::Bias } else { Part::Rows };
        if self == Self::Ftrl { ftrl_weight(step, part, word, slot) } else { word }
    }

    /// A word that stands for `weight` beside `slot`.
    pub fn word(self, step: &Step<'_>, bias: bool, weight: f32, slot: f32) -> f32 {
        let part = if bias { Part::Bias } else { Part::Rows };
        if self == Self::Ftrl { ftrl_word(step, part, weight, slot) } else { weight }
    }

    /// Checks that the rule can work with `step`.
    pub(crate) fn check(self, step: &Step<'_>) {
        if self != Self::Sgd {
            check_floor(step.floor);
        }
        if self == Self::Ftrl {
            let [rate, bias_rate] = [step.rate, step.bias_rate].map(|rate| rate > 0.0 && rate.is_normal());
            assert!(rate && bias_rate, "rates of FTRL-proximal must be positive and normal");
            assert!(step.l1 >= 0.0, "the penalty must not be negative");
        }
    }
}

/// An update rule with its rates spread over registers.
pub(crate) trait SlotRule<V: Lane>: Copy {
    /// Optimiser slots of a weight, 0 or 1.
    const SLOTS: usize;
    /// A weight is not the word itself but follows from word and slot.
    const DERIVED: bool = false;

    /// The rule with the rates of `step`, for the table's rows or for the intercept.
    ///
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn new(step: &Step<'_>, part: Part) -> Self;

    /// The weights of words and slots as they stand in Θ. Where a word is 0 and its slot anything but a NaN, the weight is 0.
    ///
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn weight(self, word: V, slot: V) -> V;

    /// The words one step of `gradient` further, and what is added to the slots; `decay` are the L2 factors, if there are any.
    /// Where gradient, slot and decay are 0 nothing changes.
    ///
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn moved(self, word: V, slot: V, gradient: V, decay: Option<V>) -> (V, V);
}

/// What a rule moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Rows,
    Bias,
}

impl Part {
    fn rate(self, step: &Step<'_>) -> f32 {
        match self {
            Self::Rows => step.rate,
            Self::Bias => step.bias_rate,
        }
    }
}

/// Plain stochastic gradient descent. No slots.
#[derive(Clone, Copy)]
pub(crate) struct Sgd<V>(V);

impl<V: Lane> SlotRule<V> for Sgd<V> {
    const SLOTS: usize = 0;

    #[inline(always)]
    unsafe fn new(step: &Step<'_>, part: Part) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { V::splat(part.rate(step)) })
    }

    #[inline(always)]
    unsafe fn weight(self, word: V, _: V) -> V {
        word
    }

    #[inline(always)]
    unsafe fn moved(self, word: V, slot: V, gradient: V, decay: Option<V>) -> (V, V) {
        // SAFETY: the caller's promise.
        unsafe {
            let moved = gradient.fnma(self.0, word);
            // As if taken at the end of the step: rare features have large factors, and must not overshoot 0.
            let moved = match decay {
                Some(decay) => moved.mul(reciprocal(decay.fma(self.0, V::splat(1.0)))),
                None => moved,
            };
            (moved, slot)
        }
    }
}

/// w -= rate · g / √(floor + n), n += g². The slot is n.
#[derive(Clone, Copy)]
pub(crate) struct Adagrad<V> {
    /// Half of the rate, as [`Lane::twice_rsqrt`] wants it.
    half_rate: V,
    floor: V,
}

impl<V: Lane> SlotRule<V> for Adagrad<V> {
    const SLOTS: usize = 1;

    #[inline(always)]
    unsafe fn new(step: &Step<'_>, part: Part) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self { half_rate: V::splat(0.5 * part.rate(step)), floor: V::splat(step.floor) } }
    }

    #[inline(always)]
    unsafe fn weight(self, word: V, _: V) -> V {
        word
    }

    #[inline(always)]
    unsafe fn moved(self, word: V, slot: V, gradient: V, decay: Option<V>) -> (V, V) {
        // SAFETY: the caller's promise.
        unsafe {
            let gradient = match decay {
                Some(decay) => word.fma(decay, gradient),
                None => gradient,
            };
            let (root, rest) = gradient.fma(gradient, slot.add(self.floor)).twice_rsqrt();
            (gradient.mul(self.half_rate).mul(root).fnma(rest, word), gradient.mul(gradient))
        }
    }
}

/// FTRL-proximal: the word is z, the slot n, and w = (sign(z)·λ1 - z) · α / (β + √n), or 0 where |z| ≤ λ1. An L2 penalty is part of
/// the gradient, as under Adagrad, so that it grows with the passes as the sum of gradients does.
#[derive(Clone, Copy)]
pub(crate) struct Ftrl<V> {
    /// 1 / α.
    inverse_rate: V,
    /// β / α.
    offset: V,
    l1: V,
    minus_l1: V,
}

/// Added to squares so that the reciprocal of their root is a number.
const TINY: f32 = 1.0 / (1u128 << 100) as f32;

impl<V: Lane> Ftrl<V> {
    /// √n.
    #[inline(always)]
    unsafe fn root(squares: V) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            let squares = squares.add(V::splat(TINY));
            squares.mul(squares.rsqrt())
        }
    }

    /// The weight where √n is known.
    #[inline(always)]
    unsafe fn weight_at(self, word: V, root: V) -> V {
        // SAFETY: the caller's promise. The word comes second, for of a NaN min and max keep the second operand.
        unsafe {
            let within = self.minus_l1.max(self.l1.min(word));
            within.sub(word).mul(reciprocal(root.fma(self.inverse_rate, self.offset)))
        }
    }
}

impl<V: Lane> SlotRule<V> for Ftrl<V> {
    const SLOTS: usize = 1;
    const DERIVED: bool = true;

    #[inline(always)]
    unsafe fn new(step: &Step<'_>, part: Part) -> Self {
        let l1 = if part == Part::Rows { step.l1 } else { 0.0 };
        let inverse = 1.0 / part.rate(step);
        let beta = step.floor * rsqrt(step.floor);
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                inverse_rate: V::splat(inverse),
                offset: V::splat(beta * inverse),
                l1: V::splat(l1),
                minus_l1: V::splat(-l1),
            }
        }
    }

    #[inline(always)]
    unsafe fn weight(self, word: V, slot: V) -> V {
        // SAFETY: the caller's promise.
        unsafe { self.weight_at(word, Self::root(slot)) }
    }

    #[inline(always)]
    unsafe fn moved(self, word: V, slot: V, gradient: V, decay: Option<V>) -> (V, V) {
        // SAFETY: the caller's promise.
        unsafe {
            let before = Self::root(slot);
            let weight = self.weight_at(word, before);
            let gradient = match decay {
                Some(decay) => weight.fma(decay, gradient),
                None => gradient,
            };
            let squares = gradient.mul(gradient);
            let after = Self::root(slot.add(squares));
            // (√(n + g²) - √n) / α without the difference, which would be all rounding where n is large.
            let sigma = squares.mul(reciprocal(before.add(after))).mul(self.inverse_rate);
            (sigma.fnma(weight, word.add(gradient)), squares)
        }
    }
}

/// 1 / x of positive numbers.
#[inline(always)]
unsafe fn reciprocal<V: Lane>(x: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let root = x.rsqrt();
        root.mul(root)
    }
}

/// The weight of a word of FTRL-proximal with its slot.
fn ftrl_weight(step: &Step<'_>, part: Part, word: f32, slot: f32) -> f32 {
    // SAFETY: the scalar instruction set is always there.
    unsafe { Ftrl::new(step, part).weight(Scalar::splat(word), Scalar::splat(slot)).first() }
}

/// The word that gives `weight` beside `slot` under FTRL-proximal; of 0, which many words give, it is 0.
fn ftrl_word(step: &Step<'_>, part: Part, weight: f32, slot: f32) -> f32 {
    if weight == 0.0 {
        return 0.0;
    }
    // SAFETY: the scalar instruction set is always there.
    unsafe {
        let rule = Ftrl::<Scalar>::new(step, part);
        let root = Ftrl::root(Scalar::splat(slot));
        let divisor = root.fma(rule.inverse_rate, rule.offset).first();
        -weight * divisor - rule.l1.first().copysign(weight)
    }
}
