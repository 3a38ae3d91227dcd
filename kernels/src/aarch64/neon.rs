//! NEON: four floats, two pairs.
//!
//! Shared words are loaded and stored by `ld1` and `st1` with elements of 32 bits, which the architecture takes apart into
//! single-copy atomic accesses of aligned elements (Arm Architecture Reference Manual, DDI 0487, B2.2.1). `ldr q` and
//! `str q`, as the compiler would write them, promise that only from addresses that are multiples of eight bytes.

use core::arch::aarch64::*;
use core::arch::asm;
use core::sync::atomic::AtomicU32;

use crate::lane::Lane;

/// A q register.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Lane`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Lane for Neon {
    const WORDS: usize = 4;
    type Half = Self;
    type Quarter = Self;
    const BESIDE: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(at: *const AtomicU32) -> Self {
        Self(unsafe { load(at) })
    }

    #[inline(always)]
    unsafe fn store(self, at: *const AtomicU32) {
        unsafe { store(self.0, at) }
    }

    #[inline(always)]
    unsafe fn load_private(at: *const f32) -> Self {
        Self(unsafe { vld1q_f32(at) })
    }

    #[inline(always)]
    unsafe fn store_private(self, at: *mut f32) {
        unsafe { vst1q_f32(at, self.0) }
    }

    #[inline(always)]
    unsafe fn stream_private(self, at: *mut f32) {
        // Past the caches goes `stnp` only, which takes two registers at once: not worth a contract of its own.
        unsafe { self.store_private(at) }
    }

    #[inline(always)]
    unsafe fn fence() {}

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn fma(self, by: Self, plus: Self) -> Self {
        Self(unsafe { vfmaq_f32(plus.0, self.0, by.0) })
    }

    #[inline(always)]
    unsafe fn fnma(self, by: Self, from: Self) -> Self {
        Self(unsafe { vfmsq_f32(from.0, self.0, by.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // Not `fmin`, which of a NaN and a number gives the NaN whichever comes first.
        Self(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Self(unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(self.0), vreinterpretq_u32_f32(mask.0))) })
    }

    #[inline(always)]
    unsafe fn rsqrt(self) -> Self {
        // Eight bits, then two Newton steps: `vrsqrts` is (3 - a·b) / 2 with one rounding. What is left of the guess's error
        // is below 2⁻³¹; the roundings of the last step add up to 2.5 units in the last place.
        unsafe {
            let r = vrsqrteq_f32(self.0);
            let r = vmulq_f32(r, vrsqrtsq_f32(vmulq_f32(self.0, r), r));
            Self(vmulq_f32(r, vrsqrtsq_f32(vmulq_f32(self.0, r), r)))
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self {
        unsafe { Self(vcombine_f32(load_pair(at(0)), load_pair(at(1)))) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32) {
        unsafe {
            store_pair(vget_low_f32(self.0), at(0));
            store_pair(vget_high_f32(self.0), at(1));
        }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Self {
        unsafe { Self(spread(vld1_f32(at))) }
    }

    #[inline(always)]
    unsafe fn spread_one() -> Self {
        unsafe { Self(spread(vdup_n_f32(1.0))) }
    }

    #[inline(always)]
    unsafe fn weights_to_slots(self) -> Self {
        unsafe { Self(vtrn1q_f32(vdupq_n_f32(0.0), self.0)) }
    }

    #[inline(always)]
    unsafe fn slots_to_weights(self) -> Self {
        unsafe { Self(vtrn2q_f32(self.0, vdupq_n_f32(0.0))) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { vaddvq_f32(self.0) }
    }

    #[inline(always)]
    unsafe fn fold(self, words: usize) -> Self {
        let _ = words;
        self
    }

    #[inline(always)]
    unsafe fn first(self) -> f32 {
        unsafe { vgetq_lane_f32::<0>(self.0) }
    }

    #[inline(always)]
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        unsafe { vfmas_lane_f32::<0>(c, a, vdup_n_f32(b)) }
    }
}

/// `x` in the even lanes, zeros in the odd ones.
///
/// # Safety
/// The instruction set.
#[inline(always)]
unsafe fn spread(x: float32x2_t) -> float32x4_t {
    // SAFETY: the caller's promise.
    unsafe {
        let zero = vdup_n_f32(0.0);
        vzip1q_f32(vcombine_f32(x, zero), vdupq_n_f32(0.0))
    }
}

/// # Safety
/// The instruction set, and four shared words at `at`.
#[inline(always)]
unsafe fn load(at: *const AtomicU32) -> float32x4_t {
    let words;
    // SAFETY: the caller's promise. The story: four relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!("ld1 {{{words:v}.4s}}, [{at}]", words = out(vreg) words, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    words
}

/// # Safety
/// The instruction set, and four shared words at `at`.
#[inline(always)]
unsafe fn store(words: float32x4_t, at: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: four relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!("st1 {{{words:v}.4s}}, [{at}]", words = in(vreg) words, at = in(reg) at,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// The instruction set, and a shared pair at `at`.
#[inline(always)]
unsafe fn load_pair(at: *const AtomicU32) -> float32x2_t {
    let pair;
    // SAFETY: the caller's promise. The story: two relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!("ld1 {{{pair:v}.2s}}, [{at}]", pair = out(vreg) pair, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    pair
}

/// # Safety
/// The instruction set, and a shared pair at `at`.
#[inline(always)]
unsafe fn store_pair(pair: float32x2_t, at: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: two relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!("st1 {{{pair:v}.2s}}, [{at}]", pair = in(vreg) pair, at = in(reg) at,
            options(nostack, preserves_flags));
    }
}
