//! The instruction sets of x86-64: loads, stores and arithmetic, no algorithm.

pub(crate) mod avx2;
pub(crate) mod avx512;
mod four;
mod pair;
