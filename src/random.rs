//! Random numbers by a seed, which can be skipped through: SplitMix64, whose state after any number of draws is known.

use std::f64::consts::PI;

use hogback_kernels::mix;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number from 0 to below 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `n`, which is not 0, each as likely to one part in 2⁶⁴ / n (Lemire 2019).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.number()) * n as u128) >> 64) as usize
    }

    /// A standard normal number, by Box and Muller; always two draws.
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.share().max(1e-300), self.share());
        (-2.0 * radius.ln()).sqrt() * (2.0 * PI * angle).cos()
    }

    /// As after `draws` more draws.
    pub fn skip(&mut self, draws: u64) {
        self.0 = self.0.wrapping_add(GOLDEN.wrapping_mul(draws));
    }
}
