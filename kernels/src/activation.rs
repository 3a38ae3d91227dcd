//! [`Activation`]: what stands between two layers, forwards and backwards, and [`Backend::dropout`].

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::elementary::{gelu, tanh};
use crate::lane::Lane;
use crate::mix::mix;

/// A function that is applied to every word of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// tanh x, within 2e-7.
    Tanh,
    /// x·Φ(x), Φ being the distribution function of the normal distribution (Hendrycks & Gimpel 2016, PyTorch's default), within
    /// 5e-7 · max(1, |x|); its derivative within 1e-6.
    Gelu,
}

impl Activation {
    /// Whether going back takes more than the outputs: [`Backend::activate`] then keeps a word of its own for each.
    pub fn keeps(self) -> bool {
        self == Self::Gelu
    }
}

impl Backend {
    /// Applies `activation` to `words` in place. Where it keeps something ([`Activation::keeps`]), that goes into `kept`, as long as
    /// `words`; or nothing does, where nobody will go back and `kept` is empty.
    ///
    /// # Panics
    /// Where `kept` is of another length, or not empty though nothing is kept.
    pub fn activate(self, activation: Activation, words: &mut [f32], kept: &mut [f32]) {
        struct Activate<'a>(Activation, &'a mut [f32], &'a mut [f32]);
        impl Work for Activate<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(activation, words, kept) = self;
                // SAFETY: the caller's promise.
                unsafe {
                    match activation {
                        // A NaN stays one: the comparison is false.
                        Activation::Relu => words.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x }),
                        Activation::Tanh => words.iter_mut().for_each(|x| *x = tanh::<V>(*x)),
                        Activation::Gelu if kept.is_empty() => {
                            words.iter_mut().for_each(|x| *x = gelu::<V>(*x).0);
                        }
                        Activation::Gelu => {
                            for (x, kept) in words.iter_mut().zip(kept) {
                                (*x, *kept) = gelu::<V>(*x);
                            }
                        }
                    }
                }
            }
        }
        let fits = kept.is_empty() || activation.keeps() && kept.len() == words.len();
        assert!(fits, "a place for what {activation:?} keeps that does not fit");
        self.run(Activate(activation, words, kept));
    }

    /// Multiplies `slopes`, those of the loss by what came out of `activation`, by its derivative: they become those by what went in.
    /// `known` is what it has kept, or where it keeps nothing what came out.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn activate_back(self, activation: Activation, known: &[f32], slopes: &mut [f32]) {
        struct Back<'a>(Activation, &'a [f32], &'a mut [f32]);
        impl Work for Back<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(activation, known, slopes) = self;
                let pairs = slopes.iter_mut().zip(known);
                match activation {
                    Activation::Relu => pairs.for_each(|(slope, &y)| *slope = if y > 0.0 { *slope } else { 0.0 }),
                    Activation::Tanh => pairs.for_each(|(slope, &y)| *slope *= 1.0 - y * y),
                    Activation::Gelu => pairs.for_each(|(slope, &by)| *slope *= by),
                }
            }
        }
        assert_eq!(known.len(), slopes.len(), "slopes of another layer");
        self.run(Back(activation, known, slopes));
    }

    /// Inverted dropout: each word becomes 0 with probability `rate`, and is divided by 1 - `rate` otherwise. Which are dropped is a
    /// function of `seed` and of a word's number alone, `first` being that of the first one, on every backend; so slopes go back
    /// through the same call.
    ///
    /// # Panics
    /// Where `rate` is not from 0 up to, but not including, 1.
    pub fn dropout(self, words: &mut [f32], rate: f32, seed: u64, first: u64) {
        struct Drop<'a> {
            words: &'a mut [f32],
            below: u32,
            scale: f32,
            seed: u64,
            first: u64,
        }
        impl Work for Drop<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self { mut words, below, scale, seed, mut first } = self;
                while !words.is_empty() {
                    // A key for every 2³² words, within which 32 bits number them.
                    let key = mixed(seed ^ mixed(first >> 32));
                    let left = usize::try_from((1 << 32) - (first & 0xffff_ffff)).unwrap_or(usize::MAX);
                    let left = left.min(words.len());
                    let (these, rest) = words.split_at_mut(left);
                    let low = first as u32;
                    for (at, word) in these.iter_mut().enumerate() {
                        let kept = draw(key, low.wrapping_add(at as u32)) >= below;
                        *word = if kept { *word * scale } else { 0.0 };
                    }
                    first += these.len() as u64;
                    words = rest;
                }
            }
        }
        assert!((0.0..1.0).contains(&rate), "dropping {rate} of all words");
        if rate == 0.0 {
            return;
        }
        let below = (f64::from(rate) * f64::from(1u32 << 31) * 2.0) as u32;
        self.run(Drop { words, below, scale: 1.0 / (1.0 - rate), seed, first });
    }
}

/// A number by its key and counter: two rounds of multiplying and folding over 32 bits, which vectors do, with the constants of
/// Ettinger (hash-prospector, 2021), the second half of the key between them.
#[inline(always)]
fn draw(key: u64, counter: u32) -> u32 {
    let x = counter ^ key as u32;
    let x = (x ^ x >> 16).wrapping_mul(0x21f0_aaad);
    let x = x.wrapping_add((key >> 32) as u32);
    let x = (x ^ x >> 15).wrapping_mul(0x735a_2d97);
    x ^ x >> 15
}

/// A number of SplitMix64 from where `z` is.
#[inline(always)]
fn mixed(z: u64) -> u64 {
    mix(z.wrapping_add(0x9e37_79b9_7f4a_7c15))
}
