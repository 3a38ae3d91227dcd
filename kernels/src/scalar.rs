//! The reference backend: relaxed atomics and plain arithmetic. The story of `cells.rs` written out; under Miri it is
//! the only one.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::lane::Lane;

/// Two floats: one pair, or two neighbouring words.
#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; 2]);

impl Lane for Scalar {
    const WORDS: usize = 2;
    type Half = Self;
    type Quarter = Self;
    const BESIDE: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x, x])
    }

    #[inline(always)]
    unsafe fn load(at: *const AtomicU32) -> Self {
        // SAFETY: the caller's promise: two shared words stand at `at`.
        let (low, high) = unsafe { (&*at, &*at.add(1)) };
        Self([f32::from_bits(low.load(Relaxed)), f32::from_bits(high.load(Relaxed))])
    }

    #[inline(always)]
    unsafe fn store(self, at: *const AtomicU32) {
        // SAFETY: the caller's promise: two shared words stand at `at`.
        let (low, high) = unsafe { (&*at, &*at.add(1)) };
        low.store(self.0[0].to_bits(), Relaxed);
        high.store(self.0[1].to_bits(), Relaxed);
    }

    #[inline(always)]
    unsafe fn load_private(at: *const f32) -> Self {
        // SAFETY: the caller's promise: two private floats stand at `at`.
        unsafe { Self([*at, *at.add(1)]) }
    }

    #[inline(always)]
    unsafe fn store_private(self, at: *mut f32) {
        // SAFETY: the caller's promise: there is room for two private floats at `at`.
        unsafe {
            *at = self.0[0];
            *at.add(1) = self.0[1];
        }
    }

    #[inline(always)]
    unsafe fn stream_private(self, at: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { self.store_private(at) }
    }

    #[inline(always)]
    unsafe fn fence() {}

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self([self.0[0] * other.0[0], self.0[1] * other.0[1]])
    }

    #[inline(always)]
    unsafe fn fma(self, by: Self, plus: Self) -> Self {
        Self([self.0[0] * by.0[0] + plus.0[0], self.0[1] * by.0[1] + plus.0[1]])
    }

    #[inline(always)]
    unsafe fn fnma(self, by: Self, from: Self) -> Self {
        Self([from.0[0] - self.0[0] * by.0[0], from.0[1] - self.0[1] * by.0[1]])
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        let least = |a: f32, b: f32| if a < b { a } else { b };
        Self([least(self.0[0], other.0[0]), least(self.0[1], other.0[1])])
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        let most = |a: f32, b: f32| if a > b { a } else { b };
        Self([most(self.0[0], other.0[0]), most(self.0[1], other.0[1])])
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        let and = |at: usize| f32::from_bits(self.0[at].to_bits() & mask.0[at].to_bits());
        Self([and(0), and(1)])
    }

    #[inline(always)]
    unsafe fn rsqrt(self) -> Self {
        Self(self.0.map(rsqrt))
    }

    #[inline(always)]
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self {
        // SAFETY: the caller's promise: a shared pair stands at `at(0)`.
        unsafe { Self::load(at(0)) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32) {
        // SAFETY: the caller's promise: a shared pair stands at `at(0)`.
        unsafe { self.store(at(0)) }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Self {
        // SAFETY: the caller's promise: a private float stands at `at`.
        Self([unsafe { *at }, 0.0])
    }

    #[inline(always)]
    unsafe fn spread_one() -> Self {
        Self([1.0, 0.0])
    }

    #[inline(always)]
    unsafe fn weights_to_slots(self) -> Self {
        Self([0.0, self.0[0]])
    }

    #[inline(always)]
    unsafe fn slots_to_weights(self) -> Self {
        Self([self.0[1], 0.0])
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        self.0[0] + self.0[1]
    }

    #[inline(always)]
    unsafe fn fold(self, words: usize) -> Self {
        let _ = words;
        self
    }

    #[inline(always)]
    unsafe fn first(self) -> f32 {
        self.0[0]
    }

    #[inline(always)]
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// Checks what is added under a root so that it never stands over 0, whose reciprocal root the backends do not agree on.
///
/// # Panics
/// Where `floor` is not positive and normal.
pub(crate) fn check_floor(floor: f32) {
    assert!(floor > 0.0 && floor.is_normal(), "a floor must be positive and normal, and {floor:e} is not");
}

/// 1 / √x for a normal positive `x`, NaN for a NaN: the classic first guess from the exponent, then four Newton steps
/// (`core` has no square root).
#[inline(always)]
pub(crate) fn rsqrt(x: f32) -> f32 {
    // Wrapping, for a NaN has the highest bits and must come out as one, not as a panic.
    let mut r = f32::from_bits(0x5f37_5a86u32.wrapping_sub(x.to_bits() >> 1));
    let half = 0.5 * x;
    for _ in 0..4 {
        r *= 1.5 - (half * r) * r;
    }
    r
}
