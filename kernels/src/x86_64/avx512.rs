//! AVX-512: sixteen floats, eight pairs.

use core::arch::asm;
use core::arch::x86_64::*;
use core::sync::atomic::AtomicU32;

use super::avx2::Avx2;
use super::four::Four;
use super::pair::{load_two, store_two};
use crate::lane::Lane;

/// A zmm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Lane`;
// blocks that add something to that say it.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Lane for Avx512 {
    const WORDS: usize = 16;
    type Half = Avx2;
    type Quarter = Four;
    const BESIDE: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
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
        Self(unsafe { _mm512_loadu_ps(at) })
    }

    #[inline(always)]
    unsafe fn store_private(self, at: *mut f32) {
        unsafe { _mm512_storeu_ps(at, self.0) }
    }

    #[inline(always)]
    unsafe fn load_first(at: *const f32, words: usize) -> Self {
        Self(unsafe { _mm512_maskz_loadu_ps(first(words), at) })
    }

    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, words: usize) {
        unsafe { _mm512_mask_storeu_ps(at, first(words), self.0) }
    }

    #[inline(always)]
    unsafe fn stream_private(self, at: *mut f32) {
        if at.addr().is_multiple_of(64) {
            // Within the story of non-temporal stores: private memory, and `fence` before anyone else looks.
            unsafe { _mm512_stream_ps(at, self.0) }
        } else {
            unsafe { _mm512_storeu_ps(at, self.0) }
        }
    }

    #[inline(always)]
    unsafe fn fence() {
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn fma(self, by: Self, plus: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    unsafe fn fnma(self, by: Self, from: Self) -> Self {
        Self(unsafe { _mm512_fnmadd_ps(self.0, by.0, from.0) })
    }

    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Self(unsafe { _mm512_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn rsqrt(self) -> Self {
        // Fourteen bits, then one Newton step.
        unsafe {
            let r = _mm512_rsqrt14_ps(self.0);
            let half = _mm512_mul_ps(self.0, _mm512_set1_ps(0.5));
            let error = _mm512_fnmadd_ps(_mm512_mul_ps(half, r), r, _mm512_set1_ps(0.5));
            Self(_mm512_fmadd_ps(r, error, r))
        }
    }

    #[inline(always)]
    unsafe fn twice_rsqrt(self) -> (Self, Self) {
        // The same step, r·(3 - x·r²) / 2, before the last product. Where products bind, as on Zen 4, whose adders are units of
        // their own, a product and a difference take less than both in one.
        unsafe {
            let r = _mm512_rsqrt14_ps(self.0);
            let near_one = _mm512_mul_ps(_mm512_mul_ps(self.0, r), r);
            (Self(r), Self(_mm512_sub_ps(_mm512_set1_ps(3.0), near_one)))
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self {
        unsafe {
            let low = _mm256_set_m128(load_two(at(2), at(3)), load_two(at(0), at(1)));
            let high = _mm256_set_m128(load_two(at(6), at(7)), load_two(at(4), at(5)));
            Self(_mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high))
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32) {
        unsafe {
            store_two(_mm512_castps512_ps128(self.0), at(0), at(1));
            store_two(_mm512_extractf32x4_ps::<1>(self.0), at(2), at(3));
            store_two(_mm512_extractf32x4_ps::<2>(self.0), at(4), at(5));
            store_two(_mm512_extractf32x4_ps::<3>(self.0), at(6), at(7));
        }
    }

    #[inline(always)]
    unsafe fn spread(at: *const f32) -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_cvtepu32_epi64(_mm256_loadu_si256(at.cast())))) }
    }

    #[inline(always)]
    unsafe fn spread_one() -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_set1_epi64(0x3f80_0000))) }
    }

    #[inline(always)]
    unsafe fn weights_to_slots(self) -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_slli_epi64::<32>(_mm512_castps_si512(self.0)))) }
    }

    #[inline(always)]
    unsafe fn slots_to_weights(self) -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_srli_epi64::<32>(_mm512_castps_si512(self.0)))) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    unsafe fn fold(self, words: usize) -> Self {
        unsafe {
            let halves = _mm512_add_ps(self.0, _mm512_shuffle_f32x4::<0b01_00_11_10>(self.0, self.0));
            Self(match words {
                4 => _mm512_add_ps(halves, _mm512_shuffle_f32x4::<0b10_11_00_01>(halves, halves)),
                8 => halves,
                _ => self.0,
            })
        }
    }

    const BLOCK: usize = 4;

    #[inline(always)]
    unsafe fn turn(one: *mut f32, other: *mut f32, stride: usize, sum: Self) -> Self {
        unsafe {
            let (here, there) = (load_rows(one, stride), load_rows(other, stride));
            let (turned, met) = (transposed(here), transposed(there));
            let mut sum = sum.0;
            for row in 0..4 {
                sum = _mm512_fmadd_ps(here[row], met[row], sum);
                _mm512_storeu_ps(one.add(row * stride), met[row]);
                _mm512_storeu_ps(other.add(row * stride), turned[row]);
            }
            Self(sum)
        }
    }

    #[inline(always)]
    unsafe fn first(self) -> f32 {
        unsafe { _mm_cvtss_f32(_mm512_castps512_ps128(self.0)) }
    }

    #[inline(always)]
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32 {
        unsafe { _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c))) }
    }
}

/// A mask of the first `words` lanes, at most sixteen.
#[inline(always)]
fn first(words: usize) -> __mmask16 {
    ((1u32 << words) - 1) as __mmask16
}

/// Four rows of private floats, `stride` of them apart.
///
/// # Safety
/// The instruction set, and sixteen floats in each row.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_rows(at: *const f32, stride: usize) -> [__m512; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        [
            _mm512_loadu_ps(at),
            _mm512_loadu_ps(at.add(stride)),
            _mm512_loadu_ps(at.add(2 * stride)),
            _mm512_loadu_ps(at.add(3 * stride)),
        ]
    }
}

/// Four rows of four quarters, transposed.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    // Quarters 0 and 1 of both, and 2 and 3.
    let (low, high) = (_mm512_shuffle_f32x4::<0b01_00_01_00>(a, b), _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
    let (low_next, high_next) =
        (_mm512_shuffle_f32x4::<0b01_00_01_00>(c, d), _mm512_shuffle_f32x4::<0b11_10_11_10>(c, d));
    [
        _mm512_shuffle_f32x4::<0b10_00_10_00>(low, low_next),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(low, low_next),
        _mm512_shuffle_f32x4::<0b10_00_10_00>(high, high_next),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(high, high_next),
    ]
}

/// # Safety
/// The instruction set, and sixteen shared words at `at`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(at: *const AtomicU32) -> __m512 {
    let words;
    // SAFETY: the caller's promise. The story: sixteen relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!("vmovups {words}, zmmword ptr [{at}]", words = out(zmm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
    words
}

/// # Safety
/// The instruction set, and sixteen shared words at `at`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store(words: __m512, at: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: sixteen relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!("vmovups zmmword ptr [{at}], {words}", words = in(zmm_reg) words, at = in(reg) at,
            options(nostack, preserves_flags));
    }
}
