//! AVX2 and FMA: eight floats, four pairs.

use core::arch::asm;
use core::arch::x86_64::*;
use core::sync::atomic::AtomicU32;

use super::four::Four;
use super::pair::{load_two, store_two};
use crate::lane::Lane;

/// A ymm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Lane`;
// blocks that add something to that say it.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Lane for Avx2 {
    const WORDS: usize = 8;
    type Half = Self;
    type Quarter = Four;
    const BESIDE: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(x) })
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
        Self(unsafe { _mm256_loadu_ps(at) })
    }

    #[inline(always)]
    unsafe fn store_private(self, at: *mut f32) {
        unsafe { _mm256_storeu_ps(at, self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(at: *const f32, words: usize) -> Self {
        Self(unsafe { _mm256_maskload_ps(at, first(words)) })
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, words: usize) {
        unsafe { _mm256_maskstore_ps(at, first(words), self.0) }
    }

    #[inline(always)]
    unsafe fn stream_private(self, at: *mut f32) {
        if at.addr().is_multiple_of(32) {
            // Within the story of non-temporal stores: private memory, and `fence` before anyone else looks.
            unsafe { _mm256_stream_ps(at, self.0) }
        } else {
            unsafe { _mm256_storeu_ps(at, self.0) }
        }
    }

    #[inline(always)]
    unsafe fn fence() {
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn fma(self, by: Self, plus: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    unsafe fn fnma(self, by: Self, from: Self) -> Self {
        Self(unsafe { _mm256_fnmadd_ps(self.0, by.0, from.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Self(unsafe { _mm256_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn rsqrt(self) -> Self {
        // Eleven bits and a half, then one Newton step.
        unsafe {
            let r = _mm256_rsqrt_ps(self.0);
            let half = _mm256_mul_ps(self.0, _mm256_set1_ps(0.5));
            let error = _mm256_fnmadd_ps(_mm256_mul_ps(half, r), r, _mm256_set1_ps(0.5));
            Self(_mm256_fmadd_ps(r, error, r))
        }
    }

    #[inline(always)]
    unsafe fn twice_rsqrt(self) -> (Self, Self) {
        // As the AVX-512 backend has it.
        unsafe {
            let r = _mm256_rsqrt_ps(self.0);
            let near_one = _mm256_mul_ps(_mm256_mul_ps(self.0, r), r);
            (Self(r), Self(_mm256_sub_ps(_mm256_set1_ps(3.0), near_one)))
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self {
        unsafe { Self(_mm256_set_m128(load_two(at(2), at(3)), load_two(at(0), at(1)))) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32) {
        unsafe {
            store_two(_mm256_castps256_ps128(self.0), at(0), at(1));
            store_two(_mm256_extractf128_ps::<1>(self.0), at(2), at(3));
        }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Self {
        unsafe { Self(_mm256_castsi256_ps(_mm256_cvtepu32_epi64(_mm_loadu_si128(at.cast())))) }
    }

    #[inline(always)]
    unsafe fn spread_one() -> Self {
        unsafe { Self(_mm256_castsi256_ps(_mm256_set1_epi64x(0x3f80_0000))) }
    }

    #[inline(always)]
    unsafe fn weights_to_slots(self) -> Self {
        unsafe { Self(_mm256_castsi256_ps(_mm256_slli_epi64::<32>(_mm256_castps_si256(self.0)))) }
    }

    #[inline(always)]
    unsafe fn slots_to_weights(self) -> Self {
        unsafe { Self(_mm256_castsi256_ps(_mm256_srli_epi64::<32>(_mm256_castps_si256(self.0)))) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    unsafe fn fold(self, words: usize) -> Self {
        unsafe {
            if words == 4 { Self(_mm256_add_ps(self.0, _mm256_permute2f128_ps::<1>(self.0, self.0))) } else { self }
        }
    }

    const BLOCK: usize = 2;

    #[inline(always)]
    unsafe fn turn(one: *mut f32, other: *mut f32, stride: usize, sum: Self) -> Self {
        unsafe {
            let here = [_mm256_loadu_ps(one), _mm256_loadu_ps(one.add(stride))];
            let there = [_mm256_loadu_ps(other), _mm256_loadu_ps(other.add(stride))];
            let (turned, met) = (transposed(here), transposed(there));
            let mut sum = sum.0;
            for row in 0..2 {
                sum = _mm256_fmadd_ps(here[row], met[row], sum);
                _mm256_storeu_ps(one.add(row * stride), met[row]);
                _mm256_storeu_ps(other.add(row * stride), turned[row]);
            }
            Self(sum)
        }
    }

    #[inline(always)]
    unsafe fn first(self) -> f32 {
        unsafe { _mm_cvtss_f32(_mm256_castps256_ps128(self.0)) }
    }

    #[inline(always)]
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c))) }
    }
}

/// A mask of the first `words` lanes, at most eight.
#[inline]
#[target_feature(enable = "avx2")]
fn first(words: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(words as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

/// Two rows of two halves, transposed.
#[inline]
#[target_feature(enable = "avx")]
fn transposed([a, b]: [__m256; 2]) -> [__m256; 2] {
    [_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b)]
}

/// # Safety
/// The instruction set, and eight shared words at `at`.
#[inline]
#[target_feature(enable = "avx")]
unsafe fn load(at: *const AtomicU32) -> __m256 {
    let words;
    // SAFETY: the caller's promise. The story: eight relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!("vmovups {words}, ymmword ptr [{at}]", words = out(ymm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    words
}

/// # Safety
/// The instruction set, and eight shared words at `at`.
#[inline]
#[target_feature(enable = "avx")]
unsafe fn store(words: __m256, at: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: eight relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!("vmovups ymmword ptr [{at}], {words}", words = in(ymm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags));
    }
}
