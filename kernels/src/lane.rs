//! [`Lane`]: what an instruction set must offer; all the algorithms of this crate are written over it.

use core::sync::atomic::AtomicU32;

/// A register of [`Lane::WORDS`] floats.
///
/// Sparse rows with one optimiser slot lie interleaved, `[w, n]`, so a register also holds `WORDS / 2` such pairs:
/// even lanes are weights, odd lanes slots.
///
/// # Safety
/// All methods need the instruction set of the implementor to be present: they are called only from the functions
/// that `dispatch.rs` hands out, after [`crate::Backend`] has seen it on this machine. Pointers must be valid for the access
/// each method names; those to shared words are touched only as `cells.rs` allows.
pub(crate) trait Lane: Copy {
    /// Floats in a register; even.
    const WORDS: usize;
    /// A register of at most 8 floats that is there wherever this one is: for rows that are multiples of 8 and not of `WORDS`.
    type Half: Lane;
    /// A register of at most 4 floats that is there wherever this one is.
    type Quarter: Lane;
    /// Registers side by side in the blocks that products keep in registers, beside six rows: all fit, with what goes into them.
    const BESIDE: usize;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Loads `WORDS` consecutive shared words: that many relaxed loads.
    unsafe fn load(at: *const AtomicU32) -> Self;
    /// Stores `WORDS` consecutive shared words: that many relaxed stores.
    unsafe fn store(self, at: *const AtomicU32);
    /// Loads `WORDS` consecutive private floats.
    unsafe fn load_private(at: *const f32) -> Self;
    /// Stores `WORDS` consecutive private floats.
    unsafe fn store_private(self, at: *mut f32);
    /// Loads the first `words` of `WORDS` consecutive private floats, and zeros behind them; the others are not touched.
    #[inline(always)]
    unsafe fn load_first(at: *const f32, words: usize) -> Self {
        let mut all = [0.0f32; 16];
        // SAFETY: the caller's promise; no register has more than sixteen floats.
        unsafe {
            core::ptr::copy_nonoverlapping(at, all.as_mut_ptr(), words);
            Self::load_private(all.as_ptr())
        }
    }
    /// Stores the first `words` of `WORDS` consecutive private floats; the others are not touched.
    #[inline(always)]
    unsafe fn store_first(self, at: *mut f32, words: usize) {
        let mut all = [0.0f32; 16];
        // SAFETY: the caller's promise; no register has more than sixteen floats.
        unsafe {
            self.store_private(all.as_mut_ptr());
            core::ptr::copy_nonoverlapping(all.as_ptr(), at, words);
        }
    }
    /// Stores `WORDS` consecutive floats into private memory, past the caches where the instruction set can and
    /// `at` is aligned to the register; [`Lane::fence`] must follow before anyone else reads them.
    unsafe fn stream_private(self, at: *mut f32);
    /// Orders streamed stores before everything that follows.
    unsafe fn fence();

    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * by + plus`, with one rounding or two.
    unsafe fn fma(self, by: Self, plus: Self) -> Self;
    /// `from - self * by`, with one rounding or two.
    unsafe fn fnma(self, by: Self, from: Self) -> Self;
    /// The smaller of each two; `other`'s where either is a NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// The larger of each two; `other`'s where either is a NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// The bits of each lane that are set in `mask` too.
    unsafe fn and(self, mask: Self) -> Self;
    /// 1 / √self, within [`RSQRT_ULP`], of normal positive numbers; a NaN of a NaN.
    unsafe fn rsqrt(self) -> Self;
    /// Two factors of 2 / √self, their product as exact as [`Lane::rsqrt`]: whoever multiplies with each saves what making one of
    /// them costs, and puts the half into a constant.
    #[inline(always)]
    unsafe fn twice_rsqrt(self) -> (Self, Self) {
        // SAFETY: the caller's promise.
        unsafe { (self.rsqrt(), Self::splat(2.0)) }
    }

    /// Loads `WORDS / 2` shared pairs, the `i`-th at `at(i)`: two relaxed loads each.
    unsafe fn load_pairs(at: impl Fn(usize) -> *const AtomicU32) -> Self;
    /// Stores `WORDS / 2` shared pairs, the `i`-th at `at(i)`: two relaxed stores each.
    unsafe fn store_pairs(self, at: impl Fn(usize) -> *const AtomicU32);
    /// `WORDS / 2` private floats into the even lanes, zeros into the odd ones.
    unsafe fn spread(at: *const f32) -> Self;
    /// 1 in the even lanes, 0 in the odd ones.
    unsafe fn spread_one() -> Self;
    /// Even lanes moved to the odd ones above them; the even ones become 0.
    unsafe fn weights_to_slots(self) -> Self;
    /// Odd lanes moved to the even ones below them; the odd ones become 0.
    unsafe fn slots_to_weights(self) -> Self;
    /// The sum of all lanes.
    unsafe fn sum(self) -> f32;
    /// Each lane becomes the sum of those that are a multiple of `words` away from it; `words` is 4 or 8 and divides [`Lane::WORDS`].
    unsafe fn fold(self, words: usize) -> Self;
    /// Vectors of four words on a side of the blocks that [`Lane::turn`] takes; 1 where it has no use.
    const BLOCK: usize = 1;
    /// Swaps two square blocks of [`Lane::BLOCK`] vectors of four words, whose rows are `stride` words apart, transposing both, and adds
    /// the products of the vectors that change places to `sum`.
    #[inline(always)]
    unsafe fn turn(one: *mut f32, other: *mut f32, stride: usize, sum: Self) -> Self {
        let _ = (one, other, stride);
        sum
    }
    /// The first lane.
    unsafe fn first(self) -> f32;
    /// `a * b + c` of single floats, as this instruction set does it best.
    unsafe fn fma1(a: f32, b: f32, c: f32) -> f32;
}

/// No backend's [`Lane::rsqrt`] is further from the true value than this, nor half the product of [`Lane::twice_rsqrt`], in units in
/// the last place.
///
/// AVX2 is the worst: Intel and AMD promise a first guess within 1.5·2⁻¹², a Newton step makes 1.5·(1.5·2⁻¹²)² = 3.4·2⁻²⁴ of
/// that, and its roundings add up to 1, or to 2.5 where the last product is left to others.
#[cfg_attr(not(test), expect(dead_code, reason = "a promise of the trait; the test below reads it"))]
pub(crate) const RSQRT_ULP: f64 = 6.0;

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::Backend;
    use crate::dispatch::Work;

    /// Which of a backend's registers.
    #[derive(Clone, Copy, Debug)]
    enum Size {
        Whole,
        Half,
        Quarter,
    }

    const SIZES: [Size; 3] = [Size::Whole, Size::Half, Size::Quarter];

    /// Numbers become their reciprocal roots, by the backend's own lanes: the first slice by `rsqrt`, the second by `twice_rsqrt`.
    struct Rsqrt<'a>(&'a mut [f32], &'a mut [f32], Size);

    impl Work for Rsqrt<'_> {
        #[inline(always)]
        unsafe fn run<V: Lane>(self) {
            // SAFETY: the caller's promise; smaller registers are there wherever the whole one is.
            unsafe {
                match self.2 {
                    Size::Whole => self.roots::<V>(),
                    Size::Half => self.roots::<V::Half>(),
                    Size::Quarter => self.roots::<V::Quarter>(),
                }
            }
        }
    }

    impl Rsqrt<'_> {
        /// # Safety
        /// The instruction set of `L`.
        #[inline(always)]
        unsafe fn roots<L: Lane>(self) {
            for chunk in self.0.chunks_exact_mut(L::WORDS) {
                // SAFETY: the instruction set by contract; the chunk holds a register's floats. Without the fence the
                // stores are still in order for the thread that made them.
                unsafe { L::load_private(chunk.as_ptr()).rsqrt().stream_private(chunk.as_mut_ptr()) }
            }
            for chunk in self.1.chunks_exact_mut(L::WORDS) {
                // SAFETY: as above.
                unsafe {
                    let (one, other) = L::load_private(chunk.as_ptr()).twice_rsqrt();
                    one.mul(other).mul(L::splat(0.5)).stream_private(chunk.as_mut_ptr());
                }
            }
        }
    }

    /// The largest error of `backend` with registers of `size` over `numbers`, in units in the last place.
    fn worst(backend: Backend, size: Size, numbers: impl Iterator<Item = f32>) -> f64 {
        let mut numbers: std::vec::Vec<f32> = numbers.collect();
        // Whole registers of any size.
        numbers.resize(numbers.len().next_multiple_of(16), 1.0);
        let (mut roots, mut products) = (numbers.clone(), numbers.clone());
        backend.run(Rsqrt(&mut roots, &mut products, size));
        let off = |(&x, &root): (&f32, &f32)| {
            let exact = 1.0 / f64::from(x).sqrt();
            // The last place of a number from 2ᵏ to 2ᵏ⁺¹ is 2ᵏ⁻²³.
            let place = f64::from_bits(exact.to_bits() & 0x7ff0_0000_0000_0000) / f64::from(1 << 23);
            (f64::from(root) - exact).abs() / place
        };
        let errors = numbers.iter().zip(&roots).chain(numbers.iter().zip(&products)).map(off);
        errors.fold(0.0, |most, error| if error <= most { most } else { error })
    }

    #[test]
    fn the_reciprocal_root_is_as_exact_as_it_says() {
        // The error depends on the significand and on whether the exponent is odd: all of 1..4, thinned by a prime when slow.
        let step = if cfg!(miri) {
            65_521
        } else if cfg!(debug_assertions) {
            61
        } else {
            1
        };
        let all = (1.0f32.to_bits()..4.0f32.to_bits()).step_by(step).map(f32::from_bits);
        // And the ends of the range, where a step's products could leave it.
        let ends = (0..254).flat_map(|exponent| [0, 1, 0x40_0000, 0x7f_ffff].map(|low| (exponent + 1) << 23 | low));
        for (backend, size) in Backend::all().flat_map(|backend| SIZES.map(|size| (backend, size))) {
            // The smaller ones work as the whole one does, and are looked at here and there.
            let thin = if matches!(size, Size::Whole) { 1 } else { 61 };
            let all = all.clone().step_by(thin);
            let ends = ends.clone().map(f32::from_bits);
            let (all, ends) = (worst(backend, size, all), worst(backend, size, ends));
            let name = backend.name();
            std::println!("{name} {size:?}: rsqrt within {all:.2} ulp, {ends:.2} over all exponents");
            assert!(all <= RSQRT_ULP && ends <= RSQRT_ULP, "{name} {size:?}: {all} {ends}");
        }
    }

    /// Registers of numbers are folded every four words, and every eight where they have as many: each is checked against its sum.
    struct Fold<'a>(&'a [f32; 16]);

    impl Work for Fold<'_> {
        #[inline(always)]
        unsafe fn run<V: Lane>(self) {
            // SAFETY: the caller's promise; smaller registers are there wherever the whole one is.
            unsafe {
                self.folds::<V>();
                self.folds::<V::Half>();
                self.folds::<V::Quarter>();
            }
        }
    }

    impl Fold<'_> {
        /// # Safety
        /// The instruction set of `L`.
        #[inline(always)]
        unsafe fn folds<L: Lane>(&self) {
            for words in [4, 8].into_iter().filter(|words| L::WORDS.is_multiple_of(*words)) {
                let mut folded = [0.0; 16];
                // SAFETY: the instruction set by contract; no register has more than sixteen floats.
                unsafe { L::load_private(self.0.as_ptr()).fold(words).store_private(folded.as_mut_ptr()) }
                for (at, &got) in folded[..L::WORDS].iter().enumerate() {
                    let sum: f32 = (at % words..L::WORDS).step_by(words).map(|lane| self.0[lane]).sum();
                    assert_eq!(got, sum, "{} words folded every {words}, lane {at}", L::WORDS);
                }
            }
        }
    }

    /// Two blocks of one square change places, both transposed.
    struct Turn<'a> {
        square: &'a mut [f32],
        /// Words from one row to the next.
        stride: usize,
        /// Where the blocks begin, and how many vectors are on their sides.
        blocks: &'a mut [usize; 3],
        sum: &'a mut f32,
    }

    impl Work for Turn<'_> {
        #[inline(always)]
        unsafe fn run<V: Lane>(self) {
            let (side, stride) = (V::BLOCK, self.stride);
            *self.blocks = [4 * side + 4, (side + 1) * stride, side];
            let [one, other, _] = *self.blocks;
            let last = side.saturating_sub(1) * stride + 4 * side;
            assert!(one + last <= self.square.len() && other + last <= self.square.len());
            let square = self.square.as_mut_ptr();
            // SAFETY: the instruction set by contract; both blocks lie within the square, and apart.
            *self.sum = unsafe { V::turn(square.add(one), square.add(other), stride, V::splat(0.0)).sum() };
        }
    }

    #[test]
    fn a_fold_adds_what_stands_so_many_words_apart() {
        // Whole numbers, whose sums do not round.
        let numbers = core::array::from_fn(|at| (1 << at) as f32);
        Backend::all().for_each(|backend| backend.run(Fold(&numbers)));
    }

    #[test]
    fn a_turn_swaps_two_blocks_transposed_and_sums_what_changes_places() {
        const STRIDE: usize = 48;
        let before: std::vec::Vec<f32> = (0..12 * STRIDE).map(|at| (at * 7 % 31) as f32 - 15.0).collect();
        for backend in Backend::all() {
            let (mut square, mut blocks, mut sum) = (before.clone(), [0; 3], 0.0);
            backend.run(Turn { square: &mut square, stride: STRIDE, blocks: &mut blocks, sum: &mut sum });
            let [one, other, side] = blocks;
            let (mut want, mut wanted) = (before.clone(), 0.0);
            if side > 1 {
                for (row, column, word) in
                    (0..side).flat_map(|r| (0..side).flat_map(move |c| (0..4).map(move |w| (r, c, w))))
                {
                    let here = one + row * STRIDE + column * 4 + word;
                    let there = other + column * STRIDE + row * 4 + word;
                    (want[here], want[there]) = (before[there], before[here]);
                    wanted += before[here] * before[there];
                }
            }
            assert_eq!((square, sum), (want, wanted), "{}, blocks of {side}", backend.name());
        }
    }
}
