//! The instruction set of 64-bit Arm: loads, stores and arithmetic, no algorithm.

pub(crate) mod neon;
