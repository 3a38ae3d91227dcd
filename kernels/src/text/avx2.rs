//! AVX2: four words in two registers.

use core::arch::asm;
use core::arch::x86_64::*;

use super::quad::{BLANKS, CUT, MIDDLE, POWERS, Quad};

/// Two ymm registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2([__m256i; 2]);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Quad`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Quad for Avx2 {
    #[inline(always)]
    unsafe fn classes(text: *const u8) -> [u64; 3] {
        unsafe {
            let bytes = Self([_mm256_loadu_si256(text.cast()), _mm256_loadu_si256(text.add(32).cast())]);
            [bytes.blanks(), bytes.equal(b':'), bytes.equal(b'\n')]
        }
    }

    #[inline(always)]
    unsafe fn positions(mask: u64, from: u32, to: *mut u32) {
        let (count, mut mask, mut written) = (mask.count_ones() as usize, mask, 0);
        loop {
            // Eight whether they are there or not, so that no branch depends on how many there are, mostly.
            for nth in written..written + 8 {
                unsafe { to.add(nth).write(from.wrapping_add(lowest(mask))) };
                mask &= mask.wrapping_sub(1);
            }
            written += 8;
            if written >= count {
                break;
            }
        }
    }

    #[inline(always)]
    unsafe fn load(text: *const u8, [a, b, c, d]: [u32; 4]) -> Self {
        unsafe { Self([words(text, a, b), words(text, c, d)]) }
    }

    #[inline(always)]
    unsafe fn equal(self, byte: u8) -> u64 {
        unsafe {
            let byte = _mm256_set1_epi8(byte as i8);
            mask(_mm256_cmpeq_epi8(self.0[0], byte), _mm256_cmpeq_epi8(self.0[1], byte))
        }
    }

    #[inline(always)]
    unsafe fn blanks(self) -> u64 {
        unsafe {
            let blanks = _mm256_broadcastsi128_si256(_mm_loadu_si128(BLANKS.as_ptr().cast()));
            let (low, high) = (_mm256_shuffle_epi8(blanks, self.0[0]), _mm256_shuffle_epi8(blanks, self.0[1]));
            mask(_mm256_cmpeq_epi8(low, self.0[0]), _mm256_cmpeq_epi8(high, self.0[1]))
        }
    }

    #[inline(always)]
    unsafe fn digits(self) -> (Self, u64) {
        unsafe {
            let (zero, nine) = (_mm256_set1_epi8(b'0' as i8), _mm256_set1_epi8(9));
            let (low, high) = (_mm256_sub_epi8(self.0[0], zero), _mm256_sub_epi8(self.0[1], zero));
            let (least, most) = (_mm256_min_epu8(low, nine), _mm256_min_epu8(high, nine));
            (Self([low, high]), mask(_mm256_cmpeq_epi8(least, low), _mm256_cmpeq_epi8(most, high)))
        }
    }

    #[inline(always)]
    unsafe fn keep(self, mask: u64) -> Self {
        unsafe {
            let (low, high) = (bytes(mask as u32), bytes((mask >> 32) as u32));
            Self([_mm256_and_si256(self.0[0], low), _mm256_and_si256(self.0[1], high)])
        }
    }

    #[inline(always)]
    unsafe fn close_gap(self, below: u64) -> Self {
        unsafe {
            let [low, high] = self.0;
            Self([
                _mm256_blendv_epi8(_mm256_bsrli_epi128::<1>(low), low, bytes(below as u32)),
                _mm256_blendv_epi8(_mm256_bsrli_epi128::<1>(high), high, bytes((below >> 32) as u32)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8 {
        unsafe {
            let mut wrong = 0;
            for half in 0..2 {
                let words = eights(even.0[half], odd.0[half]);
                let high = _mm256_srli_epi64::<32>(words);
                let hundred_million = _mm256_set1_epi64x(100_000_000);
                let low = _mm256_and_si256(words, _mm256_set1_epi64x(u32::MAX.into()));
                let keys = _mm256_add_epi64(low, _mm256_mul_epu32(high, hundred_million));
                // At most 2⁵⁰, so that signs do not matter.
                let least = _mm256_cmpgt_epi64(_mm256_set1_epi64x(1), keys);
                let most = _mm256_cmpgt_epi64(keys, _mm256_set1_epi64x(u32::MAX.into()));
                wrong |= _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_or_si256(least, most))) << (4 * half);
                let lows = _mm256_permutevar8x32_epi32(keys, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
                _mm_storeu_si128(to.add(4 * half).cast(), _mm256_castsi256_si128(lows));
            }
            wrong as u8
        }
    }

    #[inline(always)]
    unsafe fn store_values(even: (Self, u64), odd: (Self, u64), negative: u8, to: *mut f32) -> (u8, u8) {
        unsafe {
            let (mut zeros, mut doubtful) = (0, 0);
            for half in 0..2 {
                let words = eights(even.0.0[half], odd.0.0[half]);
                // Whole numbers up to 10¹⁴ by way of halves that an i32 holds; both are exact.
                let halves = _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
                let low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(halves));
                let high = _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(halves));
                let wholes = _mm256_add_pd(low, _mm256_mul_pd(high, _mm256_set1_pd(1e8)));
                let (even, odd) = ((even.1 >> (32 * half)) as u32, (odd.1 >> (32 * half)) as u32);
                let powers = _mm256_setr_pd(power(even), power(odd), power(even >> 16), power(odd >> 16));
                let values = _mm256_div_pd(wholes, powers);
                let cut = _mm256_and_si256(_mm256_castpd_si256(values), _mm256_set1_epi64x(CUT as i64));
                let middle = _mm256_cmpeq_epi64(cut, _mm256_set1_epi64x(MIDDLE as i64));
                doubtful |= _mm256_movemask_pd(_mm256_castsi256_pd(middle)) << (4 * half);
                let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(values, _mm256_setzero_pd());
                zeros |= _mm256_movemask_pd(zero) << (4 * half);
                let bits = _mm_set1_epi32((negative >> (4 * half)).into());
                let signs = _mm_and_si128(_mm_sllv_epi32(bits, _mm_setr_epi32(31, 30, 29, 28)), _mm_set1_epi32(i32::MIN));
                _mm_storeu_ps(to.add(4 * half), _mm_xor_ps(_mm256_cvtpd_ps(values), _mm_castsi128_ps(signs)));
            }
            (zeros as u8, doubtful as u8)
        }
    }

    #[inline(always)]
    unsafe fn outside(after: *const u32, at: *const u32, before: *const u32) -> u8 {
        unsafe {
            let at = _mm256_loadu_si256(at.cast());
            // Positions are below 2³¹.
            let after = _mm256_cmpgt_epi32(at, _mm256_loadu_si256(after.cast()));
            let within = _mm256_and_si256(after, _mm256_cmpgt_epi32(_mm256_loadu_si256(before.cast()), at));
            !_mm256_movemask_ps(_mm256_castsi256_ps(within)) as u8
        }
    }
}

// Functions, not closures: these would not have the instruction set of whoever they are inlined into.

/// The sixteen bytes before `low`, and those before `high`, the last ones first.
///
/// # Safety
/// AVX2, and that they are there.
#[inline(always)]
unsafe fn words(text: *const u8, low: u32, high: u32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm_loadu_si128(text.add(low as usize - 16).cast());
        let high = _mm_loadu_si128(text.add(high as usize - 16).cast());
        let turned = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        _mm256_shuffle_epi8(_mm256_set_m128i(high, low), _mm256_broadcastsi128_si256(turned))
    }
}

/// The number of the lowest bit, or 64.
///
/// In assembly, since LLVM, left to itself, counts the zeros of several masks in a vector, by way of many more instructions.
///
/// # Safety
/// BMI1.
#[inline(always)]
unsafe fn lowest(mask: u64) -> u32 {
    let bit: u64;
    // SAFETY: the caller's promise.
    unsafe { asm!("tzcnt {bit}, {mask}", bit = lateout(reg) bit, mask = in(reg) mask, options(pure, nomem, nostack)) };
    bit as u32
}

/// The highest bit of each byte.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn mask(low: __m256i, high: __m256i) -> u64 {
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (_mm256_movemask_epi8(low) as u32, _mm256_movemask_epi8(high) as u32) };
    u64::from(high) << 32 | u64::from(low)
}

/// All ones in each byte whose bit is set.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn bytes(mask: u32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let spread = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
        let bits = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(mask as i32), spread);
        _mm256_cmpeq_epi8(_mm256_and_si256(spread, bits), bits)
    }
}

/// Ten to the power of how many of the lowest fifteen bits are set; see [`POWERS`].
#[inline(always)]
fn power(below: u32) -> f64 {
    POWERS[(below & 0x7FFF).count_ones() as usize]
}

/// Of each of four words of digits, in their order, the number that the last eight digits make, and above it that of the eight
/// before.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn eights(even: __m256i, odd: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_unpacklo_epi64(halves(even), halves(odd)) }
}

/// In the lower half of each lane the numbers that its last eight digits make, and the eight before.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn halves(digits: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x0A01));
        let hundreds = _mm256_madd_epi16(tens, _mm256_set1_epi32(100 << 16 | 1));
        _mm256_madd_epi16(_mm256_packus_epi32(hundreds, hundreds), _mm256_set1_epi32(10_000 << 16 | 1))
    }
}
