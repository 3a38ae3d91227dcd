//! AVX-512: four words in a register.

use core::arch::x86_64::*;

use super::avx2;
use super::quad::{AFTER, BLANKS, CUT, MIDDLE, PLACES, POWERS, Quad, Values};

/// A zmm register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512i);

// SAFETY of every block below: the instruction set is there and the pointers are good by the contract of `Quad`.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one contract for all of them, stated above")]
impl Quad for Avx512 {
    type Mask = __mmask64;
    type Lengths = __m256i;

    #[inline(always)]
    unsafe fn classes(text: *const u8) -> [u64; 3] {
        unsafe {
            let bytes = _mm512_loadu_si512(text.cast());
            let blanks = _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(each_lane(&BLANKS), bytes), bytes);
            let colons = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b':' as i8));
            [blanks, colons, _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'\n' as i8))]
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
    unsafe fn lengths(after: *const u32, before: *const u32, most: i32) -> (__m256i, u8) {
        unsafe { avx2::lengths(after, before, most) }
    }

    #[inline(always)]
    unsafe fn spread(lengths: __m256i) -> [Self; 2] {
        unsafe {
            let lengths = _mm512_castsi256_si512(avx2::low_bytes(lengths));
            let even = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
            let odd = _mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7);
            [Self(_mm512_permutexvar_epi32(even, lengths)), Self(_mm512_permutexvar_epi32(odd, lengths))]
        }
    }

    #[inline(always)]
    unsafe fn load(text: *const u8, ends: *const u32) -> Self {
        unsafe {
            let words = _mm512_castsi128_si512(word(text, *ends));
            let words = _mm512_inserti32x4::<1>(words, word(text, *ends.add(2)));
            let words = _mm512_inserti32x4::<2>(words, word(text, *ends.add(4)));
            Self(_mm512_inserti32x4::<3>(words, word(text, *ends.add(6))))
        }
    }

    #[inline(always)]
    unsafe fn key(self, lengths: Self) -> (Self, __mmask64) {
        unsafe {
            let within = _mm512_cmplt_epu8_mask(each_lane(&AFTER), lengths.0);
            let digits = _mm512_maskz_sub_epi8(within, self.0, _mm512_set1_epi8(b'0' as i8));
            (Self(digits), _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9)))
        }
    }

    #[inline(always)]
    unsafe fn value(self, lengths: Self) -> Values<Self> {
        unsafe {
            let (after, places) = (each_lane(&AFTER), each_lane(&PLACES));
            let within = _mm512_cmplt_epu8_mask(after, lengths.0);
            let digits = _mm512_sub_epi8(self.0, _mm512_set1_epi8(b'0' as i8));
            let are = _mm512_mask_cmple_epu8_mask(within, digits, _mm512_set1_epi8(9));
            let dot = _mm512_mask_cmpeq_epi8_mask(within, self.0, _mm512_set1_epi8(b'.' as i8));
            let start = _mm512_sub_epi8(_mm512_set1_epi8(16), lengths.0);
            let first = _mm512_shuffle_epi8(self.0, start);
            let at_start = _mm512_cmpeq_epi8_mask(_mm512_sub_epi8(_mm512_set1_epi8(15), after), start);
            let minus = _mm512_mask_cmpeq_epi8_mask(at_start, self.0, _mm512_set1_epi8(b'-' as i8));
            let wrong = within & !(are | dot | minus);

            let digits = _mm512_maskz_mov_epi8(are, digits);
            let halves = _mm512_sad_epu8(_mm512_maskz_mov_epi8(dot, places), _mm512_setzero_si512());
            let dots = _mm512_add_epi64(halves, _mm512_shuffle_epi32::<0b01_00_11_10>(halves));
            // Without a dot 255, and so all bytes stay; with one what comes before it closes the gap.
            let dot = _mm512_sub_epi8(_mm512_shuffle_epi8(dots, _mm512_setzero_si512()), _mm512_set1_epi8(1));
            let stay = _mm512_cmple_epu8_mask(places, dot);
            let digits = _mm512_mask_mov_epi8(_mm512_bslli_epi128::<1>(digits), stay, digits);
            Values { digits: Self(digits), dots: Self(dots), first: Self(first), wrong }
        }
    }

    #[inline(always)]
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8 {
        unsafe {
            let keys = wholes(even.0, odd.0);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi64_epi32(keys));
            _mm512_cmpgt_epu64_mask(keys, _mm512_set1_epi64(u32::MAX.into()))
        }
    }

    #[inline(always)]
    unsafe fn store_values(even: Values<Self>, odd: Values<Self>, to: *mut f32) -> (u8, u8) {
        unsafe {
            let wholes = _mm512_cvtepu64_pd(wholes(even.digits.0, odd.digits.0));
            let dots = _mm512_unpacklo_epi64(even.dots.0, odd.dots.0);
            let powers = POWERS.as_ptr();
            // The lowest four bits count.
            let powers = _mm512_permutex2var_pd(_mm512_loadu_pd(powers), dots, _mm512_loadu_pd(powers.add(8)));
            let values = _mm512_div_pd(wholes, powers);
            let cut = _mm512_and_si512(_mm512_castpd_si512(values), _mm512_set1_epi64(CUT as i64));
            let doubtful = _mm512_cmpeq_epi64_mask(cut, _mm512_set1_epi64(MIDDLE as i64));
            let two = _mm512_cmpgt_epi64_mask(dots, _mm512_set1_epi64(31));
            let zeros = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(values, _mm512_setzero_pd());
            let first = _mm512_unpacklo_epi64(even.first.0, odd.first.0);
            let negative = _mm512_cmpeq_epi64_mask(first, _mm512_set1_epi8(b'-' as i8));
            let signs = _mm256_maskz_mov_ps(negative, _mm256_set1_ps(-0.0));
            _mm256_storeu_ps(to, _mm256_xor_ps(_mm512_cvtpd_ps(values), signs));
            (zeros, doubtful | two)
        }
    }

    #[inline(always)]
    unsafe fn any([a, b, c, d]: [__mmask64; 4]) -> bool {
        a | b | c | d != 0
    }

    #[inline(always)]
    unsafe fn bits(a: __mmask64, b: __mmask64) -> u64 {
        a | b
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

/// The same sixteen bytes in each lane.
///
/// # Safety
/// AVX-512 F.
#[inline(always)]
unsafe fn each_lane(bytes: &[u8; 16]) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(bytes.as_ptr().cast())) }
}

/// The numbers of eight words of digits, in their order.
///
/// # Safety
/// AVX-512 F, BW and DQ.
#[inline(always)]
unsafe fn wholes(even: __m512i, odd: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let words = _mm512_unpacklo_epi64(eights(even), eights(odd));
        let high = _mm512_mul_epu32(words, _mm512_set1_epi64(100_000_000));
        _mm512_add_epi64(_mm512_srli_epi64::<32>(words), high)
    }
}

/// In the lower half of each lane the number that its first eight digits make, and above it that of the last eight.
///
/// # Safety
/// AVX-512 F and BW.
#[inline(always)]
unsafe fn eights(digits: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let tens = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
        let hundreds = _mm512_madd_epi16(tens, _mm512_set1_epi32(1 << 16 | 100));
        _mm512_madd_epi16(_mm512_packus_epi32(hundreds, hundreds), _mm512_set1_epi32(1 << 16 | 10_000))
    }
}
