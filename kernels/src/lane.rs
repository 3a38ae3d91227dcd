//! [`Lane`]: what an instruction set must offer; all the algorithms of this crate are written over it.

use core::sync::atomic::AtomicU32;

/// A register of [`Lane::WORDS`] floats.
///
/// Sparse rows with one optimiser slot lie interleaved, `[w, n]`, so a register also holds `WORDS / 2` such pairs:
/// even lanes are weights, odd lanes slots.
///
/// # Safety
/// All methods need the instruction set of the implementor to be present: they are called only from the functions
/// that `dispatch.rs` hands out, after [`crate::Backend`] has seen it on this machine. Pointers must be valid for the access
/// each method names; those to shared words are touched only as `cells.rs` allows.
pub(crate) trait Lane: Copy {
    /// Floats in a register; even.
    const WORDS: usize;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Loads `WORDS` consecutive shared words: that many relaxed loads.
    unsafe fn load(at: *const AtomicU32) -> Self;
    /// Stores `WORDS` consecutive shared words: that many relaxed stores.
    unsafe fn store(self, at: *const AtomicU32);
    /// Loads `WORDS` consecutive private floats.
    unsafe fn load_private(at: *const f32) -> Self;
    /// Stores `WORDS` consecutive floats into private memory, past the caches where the instruction set can and
    /// `at` is aligned to the register; [`Lane::fence`] must follow before anyone else reads them.
    unsafe fn stream_private(self, at: *mut f32);
    /// Orders streamed stores before everything that follows.
    unsafe fn fence();

    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * by + plus`, with one rounding or two.
    unsafe fn fma(self, by: Self, plus: Self) -> Self;
    /// `from - self * by`, with one rounding or two.
    unsafe fn fnma(self, by: Self, from: Self) -> Self;
    /// 1 / √self within [`RSQRT_ULP`] for normal positive numbers.
    unsafe fn rsqrt(self) -> Self;

    /// Loads `WORDS / 2` shared pairs, the `i`-th at `at(i)`: two relaxed loads each.
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self;
    /// Stores `WORDS / 2` shared pairs, the `i`-th at `at(i)`: two relaxed stores each.
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32);
    /// `WORDS / 2` private floats into the even lanes, zeros into the odd ones.
    unsafe fn spread(at: *const f32) -> Self;
    /// 1 in the even lanes, 0 in the odd ones.
    unsafe fn spread_one() -> Self;
    /// Even lanes moved to the odd ones above them; the even ones become 0.
    unsafe fn weights_to_slots(self) -> Self;
    /// Odd lanes moved to the even ones below them; the odd ones become 0.
    unsafe fn slots_to_weights(self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// `a * b + c` of single floats, as this instruction set does it best.
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32;
    /// Asks for the cache line at `at`; never faults.
    unsafe fn prefetch<T>(at: *const T);
}

/// The largest error of any backend's [`Lane::rsqrt`], in units in the last place (`tests/laws.rs` measures it).
#[allow(dead_code, reason = "documentation of the bound; the law states the same number")]
pub(crate) const RSQRT_ULP: u32 = 4;
