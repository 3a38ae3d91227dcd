//! Eight pairs `key:value` at a time, without a branch for what they look like.

use super::quad::Quad;

/// The lowest bit of each lane.
const LOW: u64 = 0x0001_0001_0001_0001;
/// The highest bit of each lane.
const HIGH: u64 = 0x8000_8000_8000_8000;

/// Reads `count` pairs: number `i` begins after `ends[i]`, its colon is at `colons[i]` and it ends before `ends[i + 1]`. Of
/// those that were not read `odd` is told the number. True where a value is 0.
///
/// # Safety
/// The instruction set of `Q`. The positions are places of `text`, or its end, and not below 16; there are at least seven more of
/// each than pairs. `keys` and `values` have room for eight at every multiple of eight below `count`.
#[inline(always)]
pub(crate) unsafe fn pairs<Q: Quad>(
    text: *const u8,
    (ends, colons): (*const u32, *const u32),
    count: usize,
    (keys, values): (*mut u32, *mut f32),
    mut odd: impl FnMut(usize),
) -> bool {
    let (mut zero, mut at) = (0, 0);
    while at < count {
        // SAFETY: `at` is below `count`, and the caller's promise covers seven more.
        let (zeros, bad) = unsafe {
            let (ends, colons) = (ends.add(at), colons.add(at));
            let (even, odd) = (Q::load(text, four(colons)), Q::load(text, four(colons.add(1))));
            let ((even, wrong_even), (odd, wrong_odd)) = (key(even), key(odd));
            let bad = Q::store_keys(even, odd, keys.add(at));
            let bad = bad | Q::outside(ends, colons, ends.add(1));

            let (even, odd) = (Q::load(text, four(ends.add(1))), Q::load(text, four(ends.add(2))));
            let (even, odd) = (value(even), value(odd));
            let negative = interleaved(even.negative, odd.negative);
            let (zeros, doubtful) =
                Q::store_values((even.digits, even.below), (odd.digits, odd.below), negative, values.add(at));
            let wrong = interleaved(wrong_even | even.wrong, wrong_odd | odd.wrong);
            (zeros, bad | doubtful | wrong)
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

/// Every other position from here on.
///
/// # Safety
/// There are seven.
#[inline(always)]
unsafe fn four(list: *const u32) -> [u32; 4] {
    // SAFETY: the caller's promise.
    unsafe { [*list, *list.add(2), *list.add(4), *list.add(6)] }
}

/// The digits of four keys, which end here; bits in the lanes of those that are something else. A key is digits after a blank.
///
/// # Safety
/// The instruction set of `Q`.
#[inline(always)]
unsafe fn key<Q: Quad>(words: Q) -> (Q, u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let (digits, are) = words.digits();
        let stops = !are | HIGH;
        let (key, stop) = (below(stops), lowest(stops));
        (digits.keep(key), stop & !words.blanks() | stop & LOW)
    }
}

/// Four values.
struct Values<Q> {
    digits: Q,
    /// Below the dot, or fifteen bits where there is none.
    below: u64,
    negative: u64,
    /// A bit in the lane of what is something else.
    wrong: u64,
}

/// Four values, which end here: digits, one dot, a minus at most, after a colon.
///
/// # Safety
/// The instruction set of `Q`.
#[inline(always)]
unsafe fn value<Q: Quad>(words: Q) -> Values<Q> {
    // SAFETY: the caller's promise.
    unsafe {
        let (digits, are) = words.digits();
        let (dots, colons) = (words.equal(b'.'), words.equal(b':'));
        let stops = !(are | dots) | HIGH;
        let (value, stop) = (below(stops), lowest(stops));
        let negative = stop & words.equal(b'-') & (colons >> 1) & !HIGH;
        // The highest bit stands for a dot where there is none; no value reaches so far.
        let dots = dots & value | HIGH;
        let (below, two) = (below(dots), dots & !lowest(dots) & !HIGH);
        let any = (are & value) + (HIGH - LOW);
        let wrong = stop & !colons & !negative | two | !any & HIGH;
        Values { digits: digits.keep(are & value).close_gap(below), below, negative, wrong }
    }
}

/// The bits below the lowest one of each lane, each of which must have one.
#[inline(always)]
fn below(mask: u64) -> u64 {
    (mask - LOW) & !mask
}

/// The lowest bit of each lane, each of which must have one.
#[inline(always)]
fn lowest(mask: u64) -> u64 {
    mask & !(mask - LOW)
}

/// A bit for each lane that has one: of `even` bits 0, 2, 4 and 6, of `odd` the others.
#[inline(always)]
fn interleaved(even: u64, odd: u64) -> u8 {
    let any = |mask: u64| ((mask & !HIGH) + (HIGH - LOW) | mask) & HIGH;
    // Bits 0, 1, 16, 17, … 49; the product has them side by side at the top, without a carry.
    let lanes = any(even) >> 15 | any(odd) >> 14;
    (lanes.wrapping_mul(1 << 56 | 1 << 42 | 1 << 28 | 1 << 14) >> 56) as u8
}
