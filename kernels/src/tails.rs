//! [`Tails`]: the weights and accumulators of some features, on their way through a step side by side.
//!
//! What flows in: the tails of rows with factors, and how steep the slopes of their vectors are. What flows out: the tails moved by
//! Adagrad, in place, and how far their vectors go.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::group::Step;
use crate::lane::Lane;
use crate::table::Layout;

/// Features of a row that are moved together.
pub(crate) const CHUNK: usize = 16;

/// The tails of some features of a row, word by word, on their way through a step.
#[repr(align(64))]
pub(crate) struct Tails {
    /// Where the tails stand.
    ends: [*const AtomicU32; CHUNK],
    /// The values of the features; 0 where there are no more.
    pub(crate) x: [f32; CHUNK],
    weight: [f32; CHUNK],
    weight_squares: [f32; CHUNK],
    factor_squares: [f32; CHUNK],
    own_squares: [f32; CHUNK],
    decay: [f32; CHUNK],
    /// In: the mean square of the slopes that move the vectors' accumulator, by a margin's slope of 1. Out: what these slopes are
    /// multiplied with.
    pub(crate) factor: [f32; CHUNK],
    /// The same for what vectors have of their own.
    pub(crate) own: [f32; CHUNK],
    /// Out: what is left of the vectors by the L2 factor.
    pub(crate) keep: [f32; CHUNK],
}

impl Tails {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        let zeros = [0.0; CHUNK];
        Self {
            ends: [core::ptr::null(); CHUNK],
            x: zeros,
            weight: zeros,
            weight_squares: zeros,
            factor_squares: zeros,
            own_squares: zeros,
            decay: zeros,
            factor: zeros,
            own: zeros,
            keep: zeros,
        }
    }

    /// The weight of number `at`.
    #[inline(always)]
    pub(crate) fn weight(&self, at: usize) -> f32 {
        self.weight[at]
    }

    /// Takes the tail at `end` in, as number `at`, of a feature whose value is `x`; `has_own` says that vectors have something of their own.
    ///
    /// # Safety
    /// The tail of a row's part, with an own accumulator if so.
    #[inline(always)]
    pub(crate) unsafe fn load(&mut self, at: usize, end: *const AtomicU32, x: f32, has_own: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            self.ends[at] = end;
            self.x[at] = x;
            self.weight[at] = word(end.add(Layout::WEIGHT));
            self.weight_squares[at] = word(end.add(Layout::WEIGHT_SQUARES));
            self.factor_squares[at] = word(end.add(Layout::FACTOR_SQUARES));
            self.decay[at] = word(end.add(Layout::DECAY));
            if has_own {
                self.own_squares[at] = word(end.add(Layout::OWN_SQUARES));
            }
        }
    }

    /// Moves the weights of the first `count` features one step of `slope`, and says how far the vectors go: the rate of their shared part
    /// is `shared` times the step's, `fields` how many vectors share it. Stores the tails.
    ///
    /// # Safety
    /// The instruction set of `L`, and that many tails taken in.
    #[inline(always)]
    pub(crate) unsafe fn step<L: Lane>(
        &mut self,
        count: usize,
        slope: f32,
        step: &Step<'_>,
        (shared, fields): (f32, usize),
    ) {
        // SAFETY: the caller's promise; registers divide the arrays.
        unsafe {
            let (rate, floor, half) = (L::splat(step.rate), L::splat(step.floor), L::splat(0.5));
            let (shared, slope, one) = (L::splat(shared * step.rate), L::splat(slope), L::splat(1.0));
            let share = L::splat(1.0 / fields as f32);
            // Half at most is taken away.
            let left = |rate: L, decay: L| one.sub(rate.mul(decay).min(half));
            let mut at = 0;
            while at < count {
                let get = |words: &[f32; CHUNK]| L::load_private(words.as_ptr().add(at));
                let gradient = slope.mul(get(&self.x));
                let square = gradient.mul(gradient);
                let decay = get(&self.decay);

                let squares = get(&self.weight_squares).add(square);
                let by = rate.mul(squares.add(floor).rsqrt());
                let weight = gradient.fnma(by, get(&self.weight)).mul(left(by, decay));
                squares.store_private(self.weight_squares.as_mut_ptr().add(at));
                weight.store_private(self.weight.as_mut_ptr().add(at));

                let squares = square.fma(get(&self.factor), get(&self.factor_squares));
                let by = shared.mul(squares.add(floor).rsqrt());
                squares.store_private(self.factor_squares.as_mut_ptr().add(at));
                if fields > 1 {
                    let squares = square.fma(get(&self.own), get(&self.own_squares));
                    let own = rate.mul(squares.add(floor).rsqrt());
                    squares.store_private(self.own_squares.as_mut_ptr().add(at));
                    own.mul(gradient).store_private(self.own.as_mut_ptr().add(at));
                    own.fnma(share, by).mul(gradient).store_private(self.factor.as_mut_ptr().add(at));
                    left(own, decay).store_private(self.keep.as_mut_ptr().add(at));
                } else {
                    by.mul(gradient).store_private(self.factor.as_mut_ptr().add(at));
                    left(by, decay).store_private(self.keep.as_mut_ptr().add(at));
                }
                at += L::WORDS;
            }
            for at in 0..count {
                let end = self.ends[at];
                set_word(end.add(Layout::WEIGHT), self.weight[at]);
                set_word(end.add(Layout::WEIGHT_SQUARES), self.weight_squares[at]);
                set_word(end.add(Layout::FACTOR_SQUARES), self.factor_squares[at]);
                if fields > 1 {
                    set_word(end.add(Layout::OWN_SQUARES), self.own_squares[at]);
                }
            }
        }
    }
}

/// The word at `at`.
///
/// # Safety
/// A shared word stands there.
#[inline(always)]
pub(crate) unsafe fn word(at: *const AtomicU32) -> f32 {
    // SAFETY: the caller's promise.
    f32::from_bits(unsafe { &*at }.load(Relaxed))
}

/// Stores the word at `at`.
///
/// # Safety
/// A shared word stands there.
#[inline(always)]
pub(crate) unsafe fn set_word(at: *const AtomicU32, value: f32) {
    // SAFETY: the caller's promise.
    unsafe { &*at }.store(value.to_bits(), Relaxed);
}
