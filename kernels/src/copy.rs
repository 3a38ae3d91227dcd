//! Shared words copied out into private memory and back.

use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::lane::Lane;

impl Backend {
    /// Copies shared words into private memory, past the caches; words that others write meanwhile are taken before or after,
    /// each whole.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn copy_out(self, from: Cells<'_>, to: &mut [f32]) {
        struct CopyOut<'a>(Cells<'a>, &'a mut [f32]);
        impl Work for CopyOut<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { copy_out::<V>(self.0, self.1) }
            }
        }
        assert_eq!(from.len(), to.len(), "a copy into a slice of another length");
        self.run(CopyOut(from, to));
    }

    /// Copies private words into shared ones.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn copy_in(self, from: &[f32], to: Cells<'_>) {
        struct CopyIn<'a>(&'a [f32], Cells<'a>);
        impl Work for CopyIn<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { copy_in::<V>(self.0, self.1) }
            }
        }
        assert_eq!(from.len(), to.len(), "a copy into a slice of another length");
        self.run(CopyIn(from, to));
    }

    /// Adds `delta` to shared words. One thread at a time may add to the same words, or sums are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn add_delta(self, delta: &[f32], to: Cells<'_>) {
        struct AddDelta<'a>(&'a [f32], Cells<'a>);
        impl Work for AddDelta<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { add_delta::<V>(self.0, self.1) }
            }
        }
        assert_eq!(delta.len(), to.len(), "a delta of another length");
        self.run(AddDelta(delta, to));
    }
}

/// Copies `from` into `to`, past the caches. Words that others write meanwhile are taken before or after, each whole.
///
/// # Safety
/// The instruction set of `V`, and slices of equal length.
#[inline(always)]
unsafe fn copy_out<V: Lane>(from: Cells<'_>, to: &mut [f32]) {
    let mut at = 0;
    // Single words first, until `to` stands on a line, so that the streamed stores are aligned.
    while at < to.len() && !(&raw const to[at]).addr().is_multiple_of(64) {
        to[at] = from.get(at);
        at += 1;
    }
    // SAFETY: the instruction set by contract; `at` stays within both, which are equally long; the fence comes before
    // the caller, or anyone it hands `to` to, can read it.
    unsafe {
        while at + V::WORDS <= to.len() {
            V::load(from.start().add(at)).stream_private(to.as_mut_ptr().add(at));
            at += V::WORDS;
        }
        V::fence();
    }
    for (at, word) in to.iter_mut().enumerate().skip(at) {
        *word = from.get(at);
    }
}

/// Copies `from` into the shared words of `to`.
///
/// # Safety
/// The instruction set of `V`, and slices of equal length.
#[inline(always)]
unsafe fn copy_in<V: Lane>(from: &[f32], to: Cells<'_>) {
    let mut at = 0;
    // SAFETY: the instruction set by contract; `at` stays within both, which are equally long.
    unsafe {
        while at + V::WORDS <= from.len() {
            V::load_private(from.as_ptr().add(at)).store(to.start().add(at));
            at += V::WORDS;
        }
    }
    for (at, &word) in from.iter().enumerate().skip(at) {
        to.set(at, word);
    }
}

/// Adds `delta` to the shared words of `to`; only one thread may do so at a time, or sums are lost.
///
/// # Safety
/// The instruction set of `V`, and slices of equal length.
#[inline(always)]
unsafe fn add_delta<V: Lane>(delta: &[f32], to: Cells<'_>) {
    let mut at = 0;
    // SAFETY: the instruction set by contract; `at` stays within both, which are equally long.
    unsafe {
        while at + V::WORDS <= delta.len() {
            let word = to.start().add(at);
            V::load(word).add(V::load_private(delta.as_ptr().add(at))).store(word);
            at += V::WORDS;
        }
    }
    for (at, &by) in delta.iter().enumerate().skip(at) {
        to.set(at, to.get(at) + by);
    }
}
