//! Every instruction of hogback that touches shared parameters, and every one that reads text by vectors.
//!
//! What flows in: [`Cells`] (shared words of Θ), [`Row`]s of checked data, a [`Step`]. What flows out: the margins of the
//! rows, and Θ changed in place. Each algorithm is written once over `lane::Lane`; the instruction sets are
//! thin leaves of loads, stores and arithmetic; `scalar.rs` is the definition the others are held to by
//! `tests/laws/`. The backend is chosen once, by [`Backend`], and a whole row loop runs inside it. [`Lines`] stands apart:
//! text in, keys and values out, over `text::quad::Quad`.
#![no_std]

extern crate alloc;

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod aarch64;
mod activation;
mod ahead;
mod backend;
mod cells;
mod copy;
mod dense;
mod dispatch;
mod elementary;
mod embedded;
mod factors;
mod fields;
mod gemm;
mod group;
mod lane;
mod layers;
mod learner;
mod limit;
mod loss;
mod many;
mod matrix;
mod merge;
mod mix;
mod one;
mod ratings;
mod rows;
mod rules;
mod scalar;
mod score;
mod slopes;
mod sparse;
mod sums;
mod table;
mod tails;
mod text;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64;

pub use activation::Activation;
pub use ahead::ask_for;
pub use backend::Backend;
pub use cells::Cells;
pub use dense::{Adam, DenseRule};
pub use embedded::{Embedded, Embedding};
pub use group::{DATA_AHEAD, Objective, Scratch, Step};
pub use learner::{Learner, LearnerSpec};
pub use loss::{ClassLoss, Loss, Sums};
pub use matrix::{Matrix, MatrixMut};
pub use merge::MergeRule;
pub use mix::mix;
pub use ratings::{RATINGS_AHEAD, Ratings};
pub use rows::{Ids, Row};
pub use rules::Rule;
pub use sparse::Turned;
pub use table::{Factors, Layout, Table};
pub use text::{Line, Lines, Pairs};
