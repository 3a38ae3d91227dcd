//! AVX-512: four words in a register.

use core::arch::x86_64::*;

use super::quad::{BLANKS, CUT, MIDDLE, POWERS, Quad};

/// A zmm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512i);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Quad`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Quad for Avx512 {
    #[inline(always)]
    unsafe fn classes(text: *const u8) -> [u64; 3] {
        unsafe {
            let bytes = Self(_mm512_loadu_si512(text.cast()));
            [bytes.blanks(), bytes.equal(b':'), bytes.equal(b'\n')]
        }
    }

    #[inline(always)]
    unsafe fn positions(mask: u64, from: u32, to: *mut u32) {
        unsafe {
            let here = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let mut here = _mm512_add_epi32(here, _mm512_set1_epi32(from as i32));
            let (mut mask, mut to) = (mask, to);
            for _ in 0..4 {
                _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask as u16, here));
                to = to.add((mask as u16).count_ones() as usize);
                here = _mm512_add_epi32(here, _mm512_set1_epi32(16));
                mask >>= 16;
            }
        }
    }

    #[inline(always)]
    unsafe fn load(text: *const u8, [a, b, c, d]: [u32; 4]) -> Self {
        unsafe {
            let words = _mm512_castsi128_si512(word(text, a));
            let words = _mm512_inserti32x4::<1>(words, word(text, b));
            let words = _mm512_inserti32x4::<2>(words, word(text, c));
            let words = _mm512_inserti32x4::<3>(words, word(text, d));
            let turned = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            Self(_mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(turned)))
        }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    unsafe fn blanks(self) -> u64 {
        unsafe {
            let blanks = _mm512_broadcast_i32x4(_mm_loadu_si128(BLANKS.as_ptr().cast()));
            _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(blanks, self.0), self.0)
        }
    }

    #[inline(always)]
    unsafe fn digits(self) -> (Self, u64) {
        unsafe {
            let digits = _mm512_sub_epi8(self.0, _mm512_set1_epi8(b'0' as i8));
            (Self(digits), _mm512_cmple_epu8_mask(digits, _mm512_set1_epi8(9)))
        }
    }

    #[inline(always)]
    unsafe fn keep(self, mask: u64) -> Self {
        unsafe { Self(_mm512_maskz_mov_epi8(mask, self.0)) }
    }

    #[inline(always)]
    unsafe fn close_gap(self, below: u64) -> Self {
        unsafe { Self(_mm512_mask_mov_epi8(_mm512_bsrli_epi128::<1>(self.0), below, self.0)) }
    }

    #[inline(always)]
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8 {
        unsafe {
            let keys = wholes(even.0, odd.0);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi64_epi32(keys));
            // 0 less 1 is far above the limit.
            let one = _mm512_set1_epi64(1);
            _mm512_cmpge_epu64_mask(_mm512_sub_epi64(keys, one), _mm512_set1_epi64(u32::MAX.into()))
        }
    }

    #[inline(always)]
    unsafe fn store_values(even: (Self, u64), odd: (Self, u64), negative: u8, to: *mut f32) -> (u8, u8) {
        unsafe {
            let wholes = _mm512_cvtepu64_pd(wholes(even.0.0, odd.0.0));
            let (even, odd) = (counts(even.1), counts(odd.1));
            let decimals = _mm512_add_epi64(_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd));
            let powers = POWERS.as_ptr();
            let powers = _mm512_permutex2var_pd(_mm512_loadu_pd(powers), decimals, _mm512_loadu_pd(powers.add(8)));
            let values = _mm512_div_pd(wholes, powers);
            let cut = _mm512_and_si512(_mm512_castpd_si512(values), _mm512_set1_epi64(CUT as i64));
            let doubtful = _mm512_cmpeq_epi64_mask(cut, _mm512_set1_epi64(MIDDLE as i64));
            let zeros = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(values, _mm512_setzero_pd());
            let values = _mm512_cvtpd_ps(values);
            let signs = _mm256_maskz_mov_ps(negative, _mm256_set1_ps(-0.0));
            _mm256_storeu_ps(to, _mm256_xor_ps(values, signs));
            (zeros, doubtful)
        }
    }

    #[inline(always)]
    unsafe fn outside(after: *const u32, at: *const u32, before: *const u32) -> u8 {
        unsafe {
            let here = _mm256_loadu_si256(at.cast());
            _mm256_cmpge_epu32_mask(_mm256_loadu_si256(after.cast()), here)
                | _mm256_cmpge_epu32_mask(here, _mm256_loadu_si256(before.cast()))
        }
    }
}

// Functions, not closures: these would not have the instruction set of whoever they are inlined into.

/// The sixteen bytes before `end`.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn word(text: *const u8, end: u32) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe { _mm_loadu_si128(text.add(end as usize - 16).cast()) }
}

/// How many bits each eighth of `mask` has.
///
/// # Safety
/// AVX-512 F and BW.
#[inline(always)]
unsafe fn counts(mask: u64) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_sad_epu8(_mm512_maskz_mov_epi8(mask, _mm512_set1_epi8(1)), _mm512_setzero_si512()) }
}

/// The numbers of eight words of digits, in their order.
///
/// # Safety
/// AVX-512 F, BW and DQ.
#[inline(always)]
unsafe fn wholes(even: __m512i, odd: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        // The eight digits that come last, and above them the eight before.
        let words = _mm512_unpacklo_epi64(eights(even), eights(odd));
        let high = _mm512_mul_epu32(_mm512_srli_epi64::<32>(words), _mm512_set1_epi64(100_000_000));
        _mm512_add_epi64(_mm512_and_si512(words, _mm512_set1_epi64(u32::MAX.into())), high)
    }
}

/// In the lower half of each lane the numbers that its last eight digits make, and the eight before.
///
/// # Safety
/// AVX-512 F and BW.
#[inline(always)]
unsafe fn eights(digits: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let tens = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x0A01));
        let hundreds = _mm512_madd_epi16(tens, _mm512_set1_epi32(100 << 16 | 1));
        _mm512_madd_epi16(_mm512_packus_epi32(hundreds, hundreds), _mm512_set1_epi32(10_000 << 16 | 1))
    }
}
