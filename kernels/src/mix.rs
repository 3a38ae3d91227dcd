//! [`mix`]: what everything that is drawn by chance, and is to be the same again, is drawn with.

/// A bijection that scatters (the finaliser of SplitMix64, Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
/// 2014).
#[inline(always)]
pub fn mix(z: u64) -> u64 {
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
