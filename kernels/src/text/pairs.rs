//! Eight pairs `key:value` at a time, without a branch for what they look like.

use super::quad::Quad;

/// The longest key, the longest name and the longest value in bytes.
const LONGEST: (i32, i32, i32) = (10, i32::MAX, 15);

/// Reads `count` pairs: number `i` begins a blank after `ends[i]`, its colon is at `colons[i]` and it ends before `ends[i + 1]`.
/// Of those that were not read `odd` is told the number. True where a value is 0. Without `KEYS` what comes before a colon may
/// be anything and is not read.
///
/// # Safety
/// The instruction set of `Q`. The positions are places of `text`, or its end, and, but for the first end, not below 16; there
/// are as many of each as the next multiple of eight, and one end more. `keys` and `values` have room for as many.
#[inline(always)]
pub(crate) unsafe fn pairs<Q: Quad, const KEYS: bool>(
    text: *const u8,
    (ends, colons): (*const u32, *const u32),
    count: usize,
    (keys, values): (*mut u32, *mut f32),
    mut odd: impl FnMut(usize),
) -> bool {
    let (mut zero, mut at) = (0, 0);
    while at < count {
        // SAFETY: `at` is a multiple of eight below `count`.
        let (zeros, bad) = unsafe {
            let (ends, colons) = (ends.add(at), colons.add(at));
            let (mut bad, mut wrong) = (0, None);
            if KEYS {
                let (lengths, long) = Q::lengths(ends, colons, LONGEST.0);
                let [even, odd] = Q::spread(lengths);
                let (even, odd) = (Q::load(text, colons).key(even), Q::load(text, colons.add(1)).key(odd));
                bad |= long | Q::store_keys(even.0, odd.0, keys.add(at));
                wrong = Some((even.1, odd.1));
            } else {
                bad |= Q::lengths(ends, colons, LONGEST.1).1;
            }

            let ends = ends.add(1);
            let (lengths, long) = Q::lengths(colons, ends, LONGEST.2);
            let [even, odd] = Q::spread(lengths);
            let (even, odd) = (Q::load(text, ends).value(even), Q::load(text, ends.add(1)).value(odd));
            let (zeros, doubtful) = Q::store_values(even, odd, values.add(at));
            bad |= long | doubtful;
            let wrong = wrong.unwrap_or((even.wrong, odd.wrong));
            if Q::any([wrong.0, wrong.1, even.wrong, odd.wrong]) {
                bad |= interleaved(Q::bits(wrong.0, even.wrong), Q::bits(wrong.1, odd.wrong));
            }
            let mut rest = zeros;
            while rest != 0 {
                // No digits at all make 0 as well.
                let nth = rest.trailing_zeros();
                let last = text.add(*ends.add(nth as usize) as usize - 1);
                bad |= u8::from(!(*last).is_ascii_digit()) << nth;
                rest &= rest - 1;
            }
            (zeros, bad)
        };
        let here = if count - at < 8 { (1 << (count - at)) - 1 } else { 0xFF };
        zero |= zeros & here;
        let mut bad = bad & here;
        while bad != 0 {
            odd(at + bad.trailing_zeros() as usize);
            bad &= bad - 1;
        }
        at += 8;
    }
    zero != 0
}

/// The bits of the words that have one: of `even` bits 0, 2, 4 and 6, of `odd` the others.
#[inline(always)]
fn interleaved(even: u64, odd: u64) -> u8 {
    let mut words = 0;
    for word in 0..4 {
        words |= u8::from((even >> (16 * word)) as u16 != 0) << (2 * word);
        words |= u8::from((odd >> (16 * word)) as u16 != 0) << (2 * word + 1);
    }
    words
}
