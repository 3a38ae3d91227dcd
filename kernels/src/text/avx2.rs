//! AVX2: four words in two registers.

use core::arch::asm;
use core::arch::x86_64::*;

use super::quad::{AFTER, BLANKS, CUT, MIDDLE, PLACES, POWERS, Quad, Values};

/// Two ymm registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2([__m256i; 2]);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Quad`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Quad for Avx2 {
    type Mask = Self;
    type Lengths = __m256i;

    #[inline(always)]
    unsafe fn classes(text: *const u8) -> [u64; 3] {
        unsafe {
            let (low, high) = (_mm256_loadu_si256(text.cast()), _mm256_loadu_si256(text.add(32).cast()));
            let blanks = each_lane(&BLANKS);
            let (own_low, own_high) = (_mm256_shuffle_epi8(blanks, low), _mm256_shuffle_epi8(blanks, high));
            let (colon, newline) = (_mm256_set1_epi8(b':' as i8), _mm256_set1_epi8(b'\n' as i8));
            [
                mask(_mm256_cmpeq_epi8(own_low, low), _mm256_cmpeq_epi8(own_high, high)),
                mask(_mm256_cmpeq_epi8(low, colon), _mm256_cmpeq_epi8(high, colon)),
                mask(_mm256_cmpeq_epi8(low, newline), _mm256_cmpeq_epi8(high, newline)),
            ]
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
    unsafe fn lengths(after: *const u32, before: *const u32, most: i32) -> (__m256i, u8) {
        unsafe { lengths(after, before, most) }
    }

    #[inline(always)]
    unsafe fn spread(lengths: __m256i) -> [Self; 2] {
        unsafe {
            let lengths = low_bytes(lengths);
            let (low, high) = (_mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2), _mm256_setr_epi32(4, 4, 4, 4, 6, 6, 6, 6));
            let one = _mm256_set1_epi32(1);
            let even = [_mm256_permutevar8x32_epi32(lengths, low), _mm256_permutevar8x32_epi32(lengths, high)];
            let (low, high) = (_mm256_add_epi32(low, one), _mm256_add_epi32(high, one));
            let odd = [_mm256_permutevar8x32_epi32(lengths, low), _mm256_permutevar8x32_epi32(lengths, high)];
            [Self(even), Self(odd)]
        }
    }

    #[inline(always)]
    unsafe fn load(text: *const u8, ends: *const u32) -> Self {
        unsafe { Self([words(text, *ends, *ends.add(2)), words(text, *ends.add(4), *ends.add(6))]) }
    }

    #[inline(always)]
    unsafe fn key(self, lengths: Self) -> (Self, Self) {
        unsafe {
            let (low, high) = (key(self.0[0], lengths.0[0]), key(self.0[1], lengths.0[1]));
            (Self([low.0, high.0]), Self([low.1, high.1]))
        }
    }

    #[inline(always)]
    unsafe fn value(self, lengths: Self) -> Values<Self> {
        unsafe {
            let (low, high) = (value(self.0[0], lengths.0[0]), value(self.0[1], lengths.0[1]));
            Values {
                digits: Self([low[0], high[0]]),
                dots: Self([low[1], high[1]]),
                first: Self([low[2], high[2]]),
                wrong: Self([low[3], high[3]]),
            }
        }
    }

    #[inline(always)]
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8 {
        unsafe {
            let mut wrong = 0;
            for half in 0..2 {
                let words = eights(even.0[half], odd.0[half]);
                let high = _mm256_mul_epu32(words, _mm256_set1_epi64x(100_000_000));
                let keys = _mm256_add_epi64(_mm256_srli_epi64::<32>(words), high);
                // At most 10¹⁶, so that signs do not matter.
                let most = _mm256_cmpgt_epi64(keys, _mm256_set1_epi64x(u32::MAX.into()));
                wrong |= _mm256_movemask_pd(_mm256_castsi256_pd(most)) << (4 * half);
                let lows = _mm256_permutevar8x32_epi32(keys, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
                _mm_storeu_si128(to.add(4 * half).cast(), _mm256_castsi256_si128(lows));
            }
            wrong as u8
        }
    }

    #[inline(always)]
    unsafe fn store_values(even: Values<Self>, odd: Values<Self>, to: *mut f32) -> (u8, u8) {
        unsafe {
            let (mut zeros, mut doubtful) = (0, 0);
            for half in 0..2 {
                let words = eights(even.digits.0[half], odd.digits.0[half]);
                // Whole numbers by way of halves that an i32 holds; all is exact.
                let halves = _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
                let high = _mm256_cvtepi32_pd(_mm256_castsi256_si128(halves));
                let low = _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(halves));
                let wholes = _mm256_add_pd(low, _mm256_mul_pd(high, _mm256_set1_pd(1e8)));
                let dots = _mm256_unpacklo_epi64(even.dots.0[half], odd.dots.0[half]);
                let decimals = _mm256_and_si256(dots, _mm256_set1_epi64x(15));
                let powers = _mm256_i64gather_pd::<8>(POWERS.as_ptr(), decimals);
                let values = _mm256_div_pd(wholes, powers);
                let cut = _mm256_and_si256(_mm256_castpd_si256(values), _mm256_set1_epi64x(CUT as i64));
                let middle = _mm256_cmpeq_epi64(cut, _mm256_set1_epi64x(MIDDLE as i64));
                let doubt = _mm256_or_si256(middle, _mm256_cmpgt_epi64(dots, _mm256_set1_epi64x(31)));
                doubtful |= _mm256_movemask_pd(_mm256_castsi256_pd(doubt)) << (4 * half);
                let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(values, _mm256_setzero_pd());
                zeros |= _mm256_movemask_pd(zero) << (4 * half);
                let first = _mm256_unpacklo_epi64(even.first.0[half], odd.first.0[half]);
                let negative = _mm256_castsi256_pd(_mm256_cmpeq_epi64(first, _mm256_set1_epi8(b'-' as i8)));
                let signs = _mm256_and_pd(negative, _mm256_set1_pd(-0.0));
                _mm_storeu_ps(to.add(4 * half), _mm256_cvtpd_ps(_mm256_xor_pd(values, signs)));
            }
            (zeros as u8, doubtful as u8)
        }
    }

    #[inline(always)]
    unsafe fn any([a, b, c, d]: [Self; 4]) -> bool {
        unsafe {
            let low = _mm256_or_si256(_mm256_or_si256(a.0[0], b.0[0]), _mm256_or_si256(c.0[0], d.0[0]));
            let high = _mm256_or_si256(_mm256_or_si256(a.0[1], b.0[1]), _mm256_or_si256(c.0[1], d.0[1]));
            let all = _mm256_or_si256(low, high);
            _mm256_testz_si256(all, all) == 0
        }
    }

    #[inline(always)]
    unsafe fn bits(a: Self, b: Self) -> u64 {
        unsafe { mask(_mm256_or_si256(a.0[0], b.0[0]), _mm256_or_si256(a.0[1], b.0[1])) }
    }
}

// Functions, not closures: these would not have the instruction set of whoever they are inlined into.

/// [`Quad::lengths`].
///
/// # Safety
/// AVX2, and eight positions each.
#[inline(always)]
pub(super) unsafe fn lengths(after: *const u32, before: *const u32, most: i32) -> (__m256i, u8) {
    // SAFETY: the caller's promise.
    unsafe {
        let apart = _mm256_sub_epi32(_mm256_loadu_si256(before.cast()), _mm256_loadu_si256(after.cast()));
        let one = _mm256_set1_epi32(1);
        let lengths = _mm256_sub_epi32(apart, one);
        // 0 less 1, and what is not apart at all, are far above the limit.
        let less = _mm256_sub_epi32(lengths, one);
        let right = _mm256_cmpeq_epi32(_mm256_min_epu32(less, _mm256_set1_epi32(most - 1)), less);
        (lengths, !_mm256_movemask_ps(_mm256_castsi256_ps(right)) as u8)
    }
}

/// The lowest byte of each word of four, four times.
///
/// # Safety
/// AVX2.
#[inline(always)]
pub(super) unsafe fn low_bytes(words: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let lows = _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
        _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(lows))
    }
}

/// The same sixteen bytes in each lane.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn each_lane(bytes: &[u8; 16]) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes.as_ptr().cast())) }
}

/// The sixteen bytes before `low`, and those before `high`.
///
/// # Safety
/// AVX2, and that they are there.
#[inline(always)]
unsafe fn words(text: *const u8, low: u32, high: u32) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm_loadu_si128(text.add(low as usize - 16).cast());
        _mm256_set_m128i(_mm_loadu_si128(text.add(high as usize - 16).cast()), low)
    }
}

/// All ones in each byte that is at most 9.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn digits(bytes: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(9)), bytes) }
}

/// [`Quad::key`] of two words.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn key(words: __m256i, lengths: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let within = _mm256_cmpgt_epi8(lengths, each_lane(&AFTER));
        let bytes = _mm256_sub_epi8(words, _mm256_set1_epi8(b'0' as i8));
        (_mm256_and_si256(bytes, within), _mm256_andnot_si256(digits(bytes), within))
    }
}

/// [`Quad::value`] of two words: digits, dots, the first byte, what is wrong.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn value(words: __m256i, lengths: __m256i) -> [__m256i; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (after, places) = (each_lane(&AFTER), each_lane(&PLACES));
        let within = _mm256_cmpgt_epi8(lengths, after);
        let bytes = _mm256_sub_epi8(words, _mm256_set1_epi8(b'0' as i8));
        let are = _mm256_and_si256(within, digits(bytes));
        let dot = _mm256_and_si256(within, _mm256_cmpeq_epi8(words, _mm256_set1_epi8(b'.' as i8)));
        let start = _mm256_sub_epi8(_mm256_set1_epi8(16), lengths);
        let first = _mm256_shuffle_epi8(words, start);
        let at_start = _mm256_cmpeq_epi8(_mm256_sub_epi8(_mm256_set1_epi8(15), after), start);
        let minus = _mm256_and_si256(at_start, _mm256_cmpeq_epi8(words, _mm256_set1_epi8(b'-' as i8)));
        let wrong = _mm256_andnot_si256(_mm256_or_si256(are, _mm256_or_si256(dot, minus)), within);

        let digits = _mm256_and_si256(bytes, are);
        let halves = _mm256_sad_epu8(_mm256_and_si256(dot, places), _mm256_setzero_si256());
        let dots = _mm256_add_epi64(halves, _mm256_shuffle_epi32::<0b01_00_11_10>(halves));
        // Without a dot 255, and so all bytes stay; with one what comes before it closes the gap.
        let dot = _mm256_sub_epi8(_mm256_shuffle_epi8(dots, _mm256_setzero_si256()), _mm256_set1_epi8(1));
        let stay = _mm256_cmpeq_epi8(_mm256_max_epu8(dot, places), dot);
        [_mm256_blendv_epi8(_mm256_bslli_epi128::<1>(digits), digits, stay), dots, first, wrong]
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

/// Of each of four words of digits, in their order, the number that the first eight digits make, and above it that of the last
/// eight.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn eights(even: __m256i, odd: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_unpacklo_epi64(halves(even), halves(odd)) }
}

/// In the lower half of each lane the number that its first eight digits make, and above it that of the last eight.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn halves(digits: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let tens = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A));
        let hundreds = _mm256_madd_epi16(tens, _mm256_set1_epi32(1 << 16 | 100));
        _mm256_madd_epi16(_mm256_packus_epi32(hundreds, hundreds), _mm256_set1_epi32(1 << 16 | 10_000))
    }
}
