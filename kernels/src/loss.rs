//! The losses of linear models: value beside slope, so that one can be tested as the derivative of the other.

use crate::lane::Lane;
use crate::scalar::Scalar;

/// What a margin (the model's raw score) costs against a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// ln(1 + exp(-y·m)), y = -1 or 1.
    Logistic,
    /// ½ (m - y)².
    Squared,
    /// max(0, 1 - y·m), y = -1 or 1.
    Hinge,
}

impl Loss {
    /// The loss of margin `m` against target `y`.
    pub fn value(self, m: f32, y: f32) -> f32 {
        // SAFETY: the scalar instruction set is always there.
        unsafe { self.value_on::<Scalar>(m, y) }
    }

    /// The derivative of [`Loss::value`] by the margin.
    pub fn slope(self, m: f32, y: f32) -> f32 {
        // SAFETY: the scalar instruction set is always there.
        unsafe {
            match self {
                Self::Logistic => Logistic::slope::<Scalar>(m, y),
                Self::Squared => Squared::slope::<Scalar>(m, y),
                Self::Hinge => Hinge::slope::<Scalar>(m, y),
            }
        }
    }

    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    unsafe fn value_on<V: Lane>(self, m: f32, y: f32) -> f32 {
        match self {
            // SAFETY: the caller's promise.
            Self::Logistic => unsafe { softplus::<V>(-y * m) },
            Self::Squared => 0.5 * (m - y) * (m - y),
            Self::Hinge => {
                // Not max(): it would hide a NaN.
                let short = 1.0 - y * m;
                if short < 0.0 { 0.0 } else { short }
            }
        }
    }

    /// The sum of [`Loss::value`] over rows; both slices are equally long.
    ///
    /// # Safety
    /// The instruction set of `V`.
    #[inline(always)]
    pub(crate) unsafe fn sum<V: Lane>(self, margins: &[f32], targets: &[f32]) -> f64 {
        let mut total = 0.0;
        for (margins, targets) in margins.chunks(64).zip(targets.chunks(64)) {
            let mut values = [0.0f32; 64];
            for ((value, &m), &y) in values.iter_mut().zip(margins).zip(targets) {
                // SAFETY: the caller's promise.
                *value = unsafe { self.value_on::<V>(m, y) };
            }
            total += values.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
        total
    }
}

/// A loss known at compile time, for the row loops.
pub(crate) trait Slope {
    /// The derivative of the loss by the margin.
    ///
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn slope<V: Lane>(m: f32, y: f32) -> f32;
}

/// See [`Loss::Logistic`].
pub(crate) struct Logistic;
/// See [`Loss::Squared`].
pub(crate) struct Squared;
/// See [`Loss::Hinge`].
pub(crate) struct Hinge;

impl Slope for Logistic {
    #[inline(always)]
    unsafe fn slope<V: Lane>(m: f32, y: f32) -> f32 {
        // SAFETY: the caller's promise.
        -y * unsafe { sigmoid::<V>(-y * m) }
    }
}

impl Slope for Squared {
    #[inline(always)]
    unsafe fn slope<V: Lane>(m: f32, y: f32) -> f32 {
        m - y
    }
}

impl Slope for Hinge {
    #[inline(always)]
    unsafe fn slope<V: Lane>(m: f32, y: f32) -> f32 {
        if y * m < 1.0 { -y } else { 0.0 }
    }
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
unsafe fn softplus<V: Lane>(x: f32) -> f32 {
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

/// eˣ for x clamped to ±87, within 2e-7, relative; NaN stays NaN. Branch-free, so that loops over it become vectors.
///
/// eˣ = 2ᵏ eʳ, k = round(x / ln 2), |r| ≤ ½ ln 2, eʳ by its Taylor polynomial of degree 7, in Estrin's order because every row
/// waits for it; ln 2 in two parts (Cody & Waite, "Software Manual for the Elementary Functions", 1980).
///
/// # Safety
/// The instruction set of `V`.
#[inline(always)]
unsafe fn exp<V: Lane>(x: f32) -> f32 {
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
    fn slopes_are_the_derivatives_of_the_values() {
        for loss in [Loss::Logistic, Loss::Squared, Loss::Hinge] {
            for y in [-1.0, 1.0] {
                for m in [-9.7f32, -2.5, -1.2, -0.3, 0.0, 0.2, 0.9, 1.1, 3.3, 8.1] {
                    let h = 1.0 / 128.0;
                    let numeric = (loss.value(m + h, y) - loss.value(m - h, y)) / (2.0 * h);
                    assert!((numeric - loss.slope(m, y)).abs() < 1e-3, "{loss:?} m={m} y={y}");
                }
            }
        }
    }

    #[test]
    fn a_nan_margin_is_never_hidden() {
        for loss in [Loss::Logistic, Loss::Squared, Loss::Hinge] {
            assert!(loss.value(f32::NAN, 1.0).is_nan(), "{loss:?}");
        }
        assert!(Loss::Logistic.value(f32::INFINITY, -1.0).is_infinite());
    }
}
