//! What data is drawn by: effects of keys, and ranks by a power law.

use hogback_kernels::mix;
use rayon::prelude::*;

pub(crate) use crate::random::Random;

/// `N` standard normal numbers for every key, the same in every run: what a feature truly weighs.
pub(super) struct Effects<const N: usize> {
    seeds: [u64; N],
    /// Those of the first keys; others are computed when they are asked for.
    known: Vec<[f64; N]>,
}

/// Keys whose effects are kept.
const KNOWN: u64 = 1 << 22;

impl<const N: usize> Effects<N> {
    /// Effects of keys below `keys`; each seed gives one.
    pub(super) fn new(seeds: [u64; N], keys: u64) -> Self {
        let known = (0..keys.min(KNOWN)).into_par_iter().map(|key| computed(&seeds, key)).collect();
        Self { seeds, known }
    }

    pub(super) fn of(&self, key: u64) -> [f64; N] {
        self.known.get(key as usize).copied().unwrap_or_else(|| computed(&self.seeds, key))
    }
}

fn computed<const N: usize>(seeds: &[u64; N], key: u64) -> [f64; N] {
    seeds.map(|seed| Random::new(mix(seed ^ key.wrapping_mul(0xD6E8_FEB8_6659_FD93))).normal())
}

/// Ranks from 0 by a power law: x to the power of `-exponent` on `0.5..=ranks + 0.5`, rounded.
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    ranks: f64,
    exponent: f64,
    low: f64,
    high: f64,
}

impl Zipf {
    pub(crate) fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks as f64;
        Self { ranks, exponent, low: mass(0.5, exponent), high: mass(ranks + 0.5, exponent) }
    }

    /// A rank; one draw.
    pub(crate) fn rank(&self, random: &mut Random) -> u64 {
        let at = self.low + random.share() * (self.high - self.low);
        let rest = 1.0 - self.exponent;
        let x = if rest == 0.0 { at.exp() } else { (at * rest + 1.0).powf(1.0 / rest) };
        x.round().max(1.0).min(self.ranks) as u64 - 1
    }

    /// The share of draws that fall behind the first `ranks` ranks.
    pub(super) fn tail(&self, ranks: u64) -> f64 {
        (self.high - mass(ranks as f64 + 0.5, self.exponent)) / (self.high - self.low)
    }
}

/// The integral of the law from 1 to `x`.
fn mass(x: f64, exponent: f64) -> f64 {
    let rest = 1.0 - exponent;
    if rest == 0.0 { x.ln() } else { (x.powf(rest) - 1.0) / rest }
}

/// 1 / (1 + e⁻ˣ).
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The log loss that is left when `p` is known, in nats.
pub(super) fn entropy(p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    -(p * p.ln() + (1.0 - p) * (1.0 - p).ln())
}

/// The log loss of `p` where `label` came out.
pub(super) fn log_loss(p: f64, label: bool) -> f64 {
    if label { -p.ln() } else { -(1.0 - p).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_draws_are_draws() {
        let (mut drawn, mut skipped) = (Random::new(5), Random::new(5));
        (0..25).for_each(|_| _ = drawn.number());
        skipped.skip(25);
        assert_eq!(drawn.number(), skipped.number());
    }

    #[test]
    fn ranks_follow_their_law_for_every_exponent() {
        for exponent in [0.0, 0.5, 1.0, 1.1, 3.0] {
            let (zipf, mut random) = (Zipf::new(50, exponent), Random::new(1));
            let mut counts = [0u32; 50];
            for _ in 0..100_000 {
                counts[zipf.rank(&mut random) as usize] += 1;
            }
            for ranks in [1, 5, 20, 50] {
                let behind = f64::from(counts[ranks..].iter().sum::<u32>()) / 1e5;
                assert!((behind - zipf.tail(ranks as u64)).abs() < 0.006, "{exponent} {ranks}: {behind}");
            }
        }
    }

    #[test]
    fn effects_are_the_same_kept_or_computed() {
        let effects = Effects::new([3, 4], 10);
        let computed = Effects { seeds: [3, 4], known: Vec::new() };
        (0..12).for_each(|key| assert_eq!(effects.of(key), computed.of(key)));
        assert_ne!(effects.of(1)[0], effects.of(1)[1]);
    }
}
