//! What parameters begin with: numbers drawn by a seed.

use hogback_kernels::mix;

/// A number of mean 0 and deviation 1, the `nth` of a seed: the sum of four uniform ones, near enough to normal.
pub(super) fn deviate(seed: u64, nth: usize) -> f32 {
    let z = mix((nth as u64).wrapping_add(mix(seed ^ 0x6661_6374)));
    let sum: u64 = (0..4).map(|at| z >> (16 * at) & 0xffff).sum();
    // Four uniform numbers have a variance of 4/12.
    (sum as f32 / 65_536.0 - 2.0) * 3f32.sqrt()
}
