//! Exponentials and logarithms of single floats, as exact as losses need them, over any instruction set.

use crate::lane::Lane;

/// ln x for x from 1 to 2¹²⁷, within 3e-7; NaN stays NaN.
///
/// x = 2ᵏ f, f near 1, and ln f = 2 artanh((f - 1) / (f + 1)) by its series.
#[inline(always)]
pub(crate) fn logarithm(x: f32) -> f32 {
    let bits = x.to_bits();
    // From √½ up to √2.
    let k = (bits.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    let f = f32::from_bits(bits.wrapping_sub((k as u32) << 23));
    let s = (f - 1.0) / (f + 1.0);
    let t = s * s;
    let series = 1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0))));
    let log = k as f32 * core::f32::consts::LN_2 + 2.0 * s * series;
    // The bits of a NaN are taken apart like any.
    if x.is_nan() { x } else { log }
}

/// 1 / (1 + exp(-x)), for |x| ≤ 87 within 3e-7 of the true value, relative, and flat beyond; NaN stays NaN.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn sigmoid<V: Lane>(x: f32) -> f32 {
    // SAFETY: the caller's promise.
    1.0 / (1.0 + unsafe { exp::<V>(-x) })
}

/// ln(1 + exp(x)) without overflow, for x ≥ -87 within 3e-7 of the true value, relative, and flat below; NaN stays NaN.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn softplus<V: Lane>(x: f32) -> f32 {
    // ln(1 + u) = 2 artanh(u / (2 + u)); |s| ≤ 1/3, so the series' next term is below 2e-8 of the first.
    // SAFETY: the caller's promise.
    let u = unsafe { exp::<V>(-x.abs()) };
    let s = u / (2.0 + u);
    let t = s * s;
    let series = 1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0));
    let series = 1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * series)));
    // A NaN must not be swallowed by max(): the comparison is false for it and x is kept.
    (if x < 0.0 { 0.0 } else { x }) + 2.0 * s * series
}

/// tanh x within 2e-7; NaN stays NaN.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Lane>(x: f32) -> f32 {
    // SAFETY: the caller's promise.
    let u = unsafe { exp::<V>(-2.0 * x.abs()) };
    let size = (1.0 - u) / (1.0 + u);
    if x < 0.0 { -size } else { size }
}

/// x·Φ(x), within 5e-7 · max(1, |x|), and its derivative, within 1e-6; Φ is the normal distribution's. NaN stays NaN.
///
/// Φ(-|x|) = ½ erfc(|x| / √2), that by a polynomial in t = 1 / (1 + p·|x| / √2) times exp(-x² / 2), within 7.5e-8 (Abramowitz &
/// Stegun, 1964, 7.1.26); the derivative Φ(x) + x·φ(x) has the same exponential.
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn gelu<V: Lane>(x: f32) -> (f32, f32) {
    // SAFETY: the caller's promise.
    let fma = |a: f32, b: f32, c: f32| unsafe { V::fma1(a, b, c) };
    let t = 1.0 / fma(x.abs(), 0.327_591_1 * core::f32::consts::FRAC_1_SQRT_2, 1.0);
    // SAFETY: the caller's promise.
    let u = unsafe { exp::<V>(-0.5 * x * x) };
    let series = fma(t, 1.061_405_4, -1.453_152);
    let series = fma(t, fma(t, fma(t, series, 1.421_413_7), -0.284_496_74), 0.254_829_6);
    let below = 0.5 * t * series * u;
    let share = if x < 0.0 { below } else { 1.0 - below };
    /// 1 / √(2π).
    const DENSITY: f32 = 0.398_942_3;
    (x * share, fma(x, DENSITY * u, share))
}

/// eˣ for x clamped to ±87, within 2e-7, relative; NaN stays NaN. Branch-free, so that loops over it become vectors.
///
/// eˣ = 2ᵏ eʳ, k = round(x / ln 2), |r| ≤ ½ ln 2, eʳ by its Taylor polynomial of degree 7, in Estrin's order because every row
/// waits for it; ln 2 in two parts (Cody & Waite, "Software Manual for the Elementary Functions", 1980).
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn exp<V: Lane>(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // clamp() would turn a NaN into a NaN as well, but compares in an order that does not vectorise as well.
    let x = if x > 87.0 { 87.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    // SAFETY: the caller's promise.
    let fma = |a: f32, b: f32, c: f32| unsafe { V::fma1(a, b, c) };
    let shifted = fma(x, core::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = fma(k, 2.121_944_4e-4, fma(k, -0.693_359_4, x));
    let r2 = r * r;
    let low = fma(fma(r, 1.0 / 6.0, 0.5), r2, 1.0 + r);
    let high = fma(fma(r, 1.0 / 5040.0, 1.0 / 720.0), r2, fma(r, 1.0 / 120.0, 1.0 / 24.0));
    let p = fma(high, r2 * r2, low);
    let scale = f32::from_bits((shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23);
    p * scale
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::scalar::Scalar;

    fn points() -> impl Iterator<Item = f32> {
        (-87_000..=87_000).step_by(if cfg!(miri) { 997 } else { 1 }).map(|i| i as f32 / 1e3)
    }

    #[test]
    fn exp_sigmoid_and_softplus_are_as_exact_as_they_say() {
        for x in points() {
            let d = f64::from(x);
            let off = |got: f32, want: f64| ((f64::from(got) - want) / want).abs();
            let softplus_64 = d.max(0.0) + (-d.abs()).exp().ln_1p();
            // SAFETY: the scalar instruction set is always there.
            let got = unsafe { [exp::<Scalar>(x), sigmoid::<Scalar>(x), softplus::<Scalar>(x)] };
            let off = [off(got[0], d.exp()), off(got[1], 1.0 / (1.0 + (-d).exp())), off(got[2], softplus_64)];
            assert!(off[0] < 2e-7 && off[1] < 3e-7 && off[2] < 3e-7, "at {x}: {off:?}");
        }
    }

    #[test]
    fn logarithms_are_as_exact_as_they_say() {
        for at in 0..100_000u32 {
            let x = 1.0 + at as f32 * at as f32 / 1e5;
            let want = f64::from(x).ln();
            assert!((f64::from(logarithm(x)) - want).abs() <= 3e-7 * (1.0 + want), "of {x}");
        }
        assert!(logarithm(f32::NAN).is_nan());
    }
}
