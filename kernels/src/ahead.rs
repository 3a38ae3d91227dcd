//! Asking the processor for memory ahead of use.

/// Asks the processor for the cache line of `slice[at]`, which is needed soon. There need not be such an element.
#[inline(always)]
pub fn ask_for<T>(slice: &[T], at: usize) {
    ask(slice.as_ptr().wrapping_add(at));
}

/// Asks for the cache line at `at`, which may be any address: nothing is read that a program could see, and nothing faults.
#[inline(always)]
pub(crate) fn ask<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 has the instruction, and it takes any address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: the instruction takes any address and reads nothing; `readonly` is as far as the language lets a pointer go, and
    // keeps no load from moving.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = at;
}

/// Asks for the cache lines of `slice`.
#[inline(always)]
pub(crate) fn ask_all<T>(slice: &[T]) {
    /// Bytes in a cache line, on all machines that have the instruction here.
    const LINE: usize = 64;
    if slice.is_empty() {
        // Nothing lies where an empty slice points to, and looking that up takes long.
        return;
    }
    let start = slice.as_ptr().cast::<u8>();
    let before = start.addr() % LINE;
    for at in (0..before + size_of_val(slice)).step_by(LINE) {
        ask(start.wrapping_sub(before).wrapping_add(at));
    }
}
