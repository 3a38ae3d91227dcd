//! [`Cells`]: a slice of shared 32-bit words, and the whole story of how children may touch it.
//!
//! While any child may write, a word of Θ is read and written only as a relaxed `AtomicU32`, or by an
//! inline-assembly load or store whose meaning is that many relaxed `AtomicU32` loads or stores in some order
//! (Ralf Jung, "How to use storytelling to fit inline assembly into Rust", 2026). `Cells` is a `&[AtomicU32]`
//! and nothing else, so safe code can only ever tell the first story; the vector backends tell the second one
//! in `x86_64/` and `aarch64/`. No ordering is implied by either: whoever needs one gets it from the queue or the lock
//! that handed the cells over.
//!
//! The one assumption about hardware: an aligned 32-bit lane of a vector access does not tear. `tests/tearing.rs`
//! tests it.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A slice of 32-bit words that several threads read and write at once, without order and without tearing.
///
/// The words hold the bits of `f32`s. Copying a `Cells` copies the reference.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a>(&'a [AtomicU32]);

impl<'a> Cells<'a> {
    /// The cells of `words`.
    pub fn new(words: &'a [AtomicU32]) -> Self {
        Self(words)
    }

    /// The cells of private floats, for as long as they are lent.
    pub fn from_mut(words: &'a mut [f32]) -> Self {
        const { assert!(align_of::<AtomicU32>() == align_of::<f32>() && size_of::<AtomicU32>() == size_of::<f32>()) }
        // SAFETY: an `AtomicU32` has the size and the alignment of a float, as checked above, and any bits are either. The floats
        // are borrowed mutably for 'a, so until it ends nobody reaches them but through these cells, atomically: what
        // `AtomicU32::from_mut_slice` does for integers.
        Self(unsafe { core::slice::from_raw_parts(words.as_mut_ptr().cast(), words.len()) })
    }

    /// How many words there are.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// True where there is no word.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The cells of `range`.
    ///
    /// # Panics
    /// Where `range` does not lie within.
    pub fn slice(self, range: Range<usize>) -> Self {
        Self(&self.0[range])
    }

    /// The word at `at`, as a float.
    ///
    /// # Panics
    /// Where `at` is past the end.
    #[inline(always)]
    pub fn get(self, at: usize) -> f32 {
        f32::from_bits(self.0[at].load(Relaxed))
    }

    /// Sets the word at `at`.
    ///
    /// # Panics
    /// Where `at` is past the end.
    #[inline(always)]
    pub fn set(self, at: usize, value: f32) {
        self.0[at].store(value.to_bits(), Relaxed);
    }

    /// The words themselves.
    #[inline(always)]
    pub fn words(self) -> &'a [AtomicU32] {
        self.0
    }

    /// Where the words begin.
    #[inline(always)]
    pub(crate) fn start(self) -> *const AtomicU32 {
        self.0.as_ptr()
    }
}
