//! Two shared pairs to and from a 128-bit register.

use core::arch::asm;
use core::arch::x86_64::__m128;
use core::sync::atomic::AtomicU32;

/// The pairs at `a` and `b`: `[a0, a1, b0, b1]`.
///
/// # Safety
/// AVX, and a shared pair at each pointer.
#[inline(always)]
pub(super) unsafe fn load_two(a: *const AtomicU32, b: *const AtomicU32) -> __m128 {
    let pairs;
    // SAFETY: the caller's promise. The story: four relaxed loads of AtomicU32, in some order.
    unsafe {
        asm!(
            "vmovsd {pairs}, qword ptr [{a}]",
            "vmovhps {pairs}, {pairs}, qword ptr [{b}]",
            pairs = out(xmm_reg) pairs, a = in(reg) a, b = in(reg) b,
            options(nostack, preserves_flags, readonly)
        );
    }
    pairs
}

/// Stores `[a0, a1, b0, b1]` to the pairs at `a` and `b`.
///
/// # Safety
/// AVX, and a shared pair at each pointer.
#[inline(always)]
pub(super) unsafe fn store_two(pairs: __m128, a: *const AtomicU32, b: *const AtomicU32) {
    // SAFETY: the caller's promise. The story: four relaxed stores of AtomicU32, in some order.
    unsafe {
        asm!(
            "vmovlps qword ptr [{a}], {pairs}",
            "vmovhps qword ptr [{b}], {pairs}",
            pairs = in(xmm_reg) pairs, a = in(reg) a, b = in(reg) b,
            options(nostack, preserves_flags)
        );
    }
}
