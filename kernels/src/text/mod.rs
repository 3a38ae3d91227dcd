//! Text of the kind `word key:value key:value …`, a line a row: where its words, colons and lines end, and its numbers, many
//! at a time.
//!
//! Two steps, each written once over `Quad`, of which the instruction sets are thin leaves: `index` turns a stretch of text into
//! lists of positions, `pairs` turns positions into numbers, eight pairs at a time. What is rare (more than ten digits of a
//! key, exponents, a rounding in doubt, anything that is no number) is not read here but named, for the plain parser to read
//! or refuse.

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx2;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod avx512;
mod index;
mod pairs;
mod quad;

pub use index::{Line, Lines, Pairs};
