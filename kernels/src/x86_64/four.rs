//! Four floats, two pairs, with the instructions that come with AVX2: for rows and factor vectors too short for more.

use core::arch::asm;
use core::arch::x86_64::*;
use core::sync::atomic::AtomicU32;

use super::pair::{load_two, store_two};
use crate::lane::Lane;

/// An xmm register.
#[derive(Clone, Copy)]
pub(crate) struct Four(__m128);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Lane`;
// blocks that add something to that say it.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Lane for Four {
    const WORDS: usize = 4;
    type Half = Self;
    type Quarter = Self;
    const BESIDE: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm_set1_ps(x) })
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
        Self(unsafe { _mm_loadu_ps(at) })
    }

    #[inline(always)]
    unsafe fn store_private(self, at: *mut f32) {
        unsafe { _mm_storeu_ps(at, self.0) }
    }

    #[inline(always)]
    unsafe fn stream_private(self, at: *mut f32) {
        if at.addr().is_multiple_of(16) {
            // Within the story of non-temporal stores: private memory, and `fence` before anyone else looks.
            unsafe { _mm_stream_ps(at, self.0) }
        } else {
            unsafe { _mm_storeu_ps(at, self.0) }
        }
    }

    #[inline(always)]
    unsafe fn fence() {
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn fma(self, by: Self, plus: Self) -> Self {
        Self(unsafe { _mm_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    unsafe fn fnma(self, by: Self, from: Self) -> Self {
        Self(unsafe { _mm_fnmadd_ps(self.0, by.0, from.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Self(unsafe { _mm_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn rsqrt(self) -> Self {
        // As the AVX2 backend has it.
        unsafe {
            let r = _mm_rsqrt_ps(self.0);
            let half = _mm_mul_ps(self.0, _mm_set1_ps(0.5));
            let error = _mm_fnmadd_ps(_mm_mul_ps(half, r), r, _mm_set1_ps(0.5));
            Self(_mm_fmadd_ps(r, error, r))
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self {
        unsafe { Self(load_two(at(0), at(1))) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32) {
        unsafe { store_two(self.0, at(0), at(1)) }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Self {
        unsafe { Self(_mm_set_ps(0.0, *at.add(1), 0.0, *at)) }
    }

    #[inline(always)]
    unsafe fn spread_one() -> Self {
        unsafe { Self(_mm_set_ps(0.0, 1.0, 0.0, 1.0)) }
    }

    #[inline(always)]
    unsafe fn weights_to_slots(self) -> Self {
        unsafe { Self(_mm_castsi128_ps(_mm_slli_epi64::<32>(_mm_castps_si128(self.0)))) }
    }

    #[inline(always)]
    unsafe fn slots_to_weights(self) -> Self {
        unsafe { Self(_mm_castsi128_ps(_mm_srli_epi64::<32>(_mm_castps_si128(self.0)))) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let two = _mm_add_ps(self.0, _mm_movehl_ps(self.0, self.0));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    unsafe fn fold(self, words: usize) -> Self {
        let _ = words;
        self
    }

    #[inline(always)]
    unsafe fn first(self) -> f32 {
        unsafe { _mm_cvtss_f32(self.0) }
    }

    #[inline(always)]
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c))) }
    }
}

/// # Safety
/// The instruction set, and four shared words at `at`.
#[inline]
#[target_feature(enable = "avx")]
unsafe fn load(at: *const AtomicU32) -> __m128 {
    let words;
    // SAFETY: the caller's promise. The story: four relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!("vmovups {words}, xmmword ptr [{at}]", words = out(xmm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    words
}

/// # Safety
/// The instruction set, and four shared words at `at`.
#[inline]
#[target_feature(enable = "avx")]
unsafe fn store(words: __m128, at: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: four relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!("vmovups xmmword ptr [{at}], {words}", words = in(xmm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags));
    }
}
