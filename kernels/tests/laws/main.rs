//! The laws of the kernels: one set, run against every backend of the machine. What each must hold to is written here
//! once more, plainly and in f64, and the scalar backend is held to it first.

mod copies;
mod dense;
mod embedded;
mod factors;
mod gemm;
mod ground;
mod layers;
mod loops;
mod merges;
mod promises;
mod ratings;
mod sums;
