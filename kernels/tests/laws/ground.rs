//! What the laws share: guarded words and floats at chosen alignments, numbers that repeat, and the comparison.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use hogback_kernels::Cells;

/// Words on each side of a stretch that nobody may touch.
const GUARDS: usize = 32;

/// Beside private floats stands a NaN.
const NAN: u32 = 0x7fc0_dead;

/// Beside shared words stand numbers so large that whatever is computed from them shows, and others for each offset, so that
/// a difference of two guards does not vanish. Not NaNs: an operation on them may give back the same one.
fn guard(offset: usize) -> u32 {
    0x60ad_0000 + ((offset as u32) << 12)
}

/// Every length a remainder can have in any backend, and some that are mostly whole registers.
pub(crate) fn lengths() -> impl Iterator<Item = usize> {
    let large: &[usize] = if cfg!(miri) { &[] } else { &[127, 128, 1000, 4099] };
    (0..=if cfg!(miri) { 9 } else { 70 }).chain(large.iter().copied())
}

/// How many elements after `address` stands the element `offset` words past a cache line, guards before it.
fn start_at(address: usize, offset: usize) -> usize {
    (address.wrapping_neg() / 4) % 16 + GUARDS + offset % 16
}

/// Shared words between guards.
pub(crate) struct Words {
    words: Vec<AtomicU32>,
    guard: u32,
    start: usize,
    len: usize,
}

impl Words {
    /// Words with the bits of `values`, beginning `offset` words past a cache line.
    pub(crate) fn new(values: &[f32], offset: usize) -> Self {
        let guard = guard(offset);
        let words: Vec<_> = (0..values.len() + 2 * GUARDS + 32).map(|_| AtomicU32::new(guard)).collect();
        let start = start_at(words.as_ptr().addr(), offset);
        let these = Self { words, guard, start, len: values.len() };
        for (word, value) in these.words[start..].iter().zip(values) {
            word.store(value.to_bits(), Relaxed);
        }
        these
    }

    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells::new(&self.words[self.start..self.start + self.len])
    }

    /// The words now, after a look at the guards.
    pub(crate) fn values(&self) -> Vec<f32> {
        let bits: Vec<_> = self.words.iter().map(|word| word.load(Relaxed)).collect();
        let (before, rest) = bits.split_at(self.start);
        let (values, after) = rest.split_at(self.len);
        assert!(before.iter().chain(after).all(|&bits| bits == self.guard), "words outside of the slice were written");
        values.iter().map(|&bits| f32::from_bits(bits)).collect()
    }
}

/// Private floats between guards.
pub(crate) struct Floats {
    floats: Vec<f32>,
    start: usize,
    len: usize,
}

impl Floats {
    /// A copy of `values`, beginning `offset` words past a cache line.
    pub(crate) fn new(values: &[f32], offset: usize) -> Self {
        let mut floats = vec![f32::from_bits(NAN); values.len() + 2 * GUARDS + 32];
        let start = start_at(floats.as_ptr().addr(), offset);
        floats[start..start + values.len()].copy_from_slice(values);
        Self { floats, start, len: values.len() }
    }

    pub(crate) fn slice(&mut self) -> &mut [f32] {
        &mut self.floats[self.start..self.start + self.len]
    }

    /// The floats now, after a look at the guards.
    pub(crate) fn values(&self) -> &[f32] {
        let (before, rest) = self.floats.split_at(self.start);
        let (values, after) = rest.split_at(self.len);
        let whole = before.iter().chain(after).all(|float| float.to_bits() == NAN);
        assert!(whole, "floats outside of the slice were written");
        values
    }
}

/// The bits of `values`, for comparing NaNs and signs of zero too.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Checks that `got` is within `bound` of `want`; a NaN is not.
#[track_caller]
pub(crate) fn close(got: f32, want: f64, bound: f64, what: impl Fn() -> String) {
    let off = (f64::from(got) - want).abs();
    assert!(off <= bound, "{}: {got}, expected {want} within {bound:e}, is {off:e} off", what());
}

/// Numbers that are the same in every run (Steele, Lea & Flood's SplitMix64, 2014).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number from `low` to `high`.
    pub(crate) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / (1 << 24) as f32)
    }

    /// `len` numbers from `low` to `high`.
    pub(crate) fn floats(&mut self, len: usize, low: f32, high: f32) -> Vec<f32> {
        (0..len).map(|_| self.within(low, high)).collect()
    }

    /// `items` in another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, (self.next() % (at as u64 + 1)) as usize);
        }
    }
}
