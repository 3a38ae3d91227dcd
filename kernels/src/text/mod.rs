//! Text of the kind `word key:value key:value …`, a line a row: where its words, colons and lines end, and its numbers, many
//! at a time.
//!
//! Two steps, each written once over `Quad`, of which the instruction sets are thin leaves: `index` turns a stretch of text into
//! lists of positions, `pairs` turns positions into numbers, eight pairs at a time. What is rare (more than ten digits of a
//! key, exponents, a rounding in doubt, anything that is no number) is not read here but named, for the plain parser to read
//! or refuse. Elsewhere than on x86-64 that one reads everything (`none`).

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx2;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod index;
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod none;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod pairs;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod quad;

use core::ops::Range;

#[cfg(all(target_arch = "x86_64", not(miri)))]
pub use index::Lines;
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub use none::Lines;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it begins.
    pub start: usize,
    /// Where its newline stands, or the text ends.
    pub end: usize,
    /// Where its words are before the first pair: all but as many as it has colons, and the blanks before.
    pub first: Range<usize>,
    /// How many pairs there are, if the words after `first` are pairs, which reading them tells. `None` where the line has more
    /// colons than words, or is so near the beginning of the text that it must be read in another way.
    pub pairs: Option<usize>,
}

/// What a line of pairs brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Each key is above the one before.
    pub rising: bool,
    /// Some value is 0.
    pub zeros: bool,
}
