//! The factorization machine on rows of two features of value 1, a user and an item: the factorization of ratings.
//!
//! The margin of a rating is b + wᵤ + wᵢ + ⟨vᵤ, vᵢ⟩ (Koren, Bell & Volinsky, "Matrix Factorization Techniques for Recommender
//! Systems", IEEE Computer 2009), and the slope by one vector is the other. Some ratings at a time are scored before any of them is
//! learned, so that none waits for the one before: through the intercept each would. Vectors move by the steps of all of them; where
//! two have a user or an item in common, its weight and its accumulators move by the last one's alone.

use core::sync::atomic::AtomicU32;

use crate::ahead::ask;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::group::{Objective, Step};
use crate::lane::Lane;
use crate::learner::Learner;
use crate::loss::Loss;
use crate::one;
use crate::rows::Ids;
use crate::table::Table;
use crate::tails::{CHUNK, Tails};

/// Ratings that are scored before any of them is learned: their users and items fill a chunk of tails.
const AT_ONCE: usize = CHUNK / 2;
/// How many ratings ahead of use users and items are asked for, as far as they are there.
pub const RATINGS_AHEAD: usize = 24;
/// Words in a cache line.
const LINE: usize = 16;

/// Rows of two features of value 1.
#[derive(Clone, Copy, Debug)]
pub struct Ratings<'a> {
    /// The features of each row, one row after the other.
    pub ids: Ids<'a>,
    /// What is to be predicted.
    pub targets: &'a [f32],
    /// What the losses are multiplied by; of those that are learned at least.
    pub weights: &'a [f32],
}

impl Learner {
    /// [`Learner::learn`] for rows of two features: learns the first, as many as there are `margins`.
    ///
    /// # Panics
    /// Where the learner is not of one output with factors and one field, or table, ratings, intercept and step do not fit it and each
    /// other.
    pub fn learn_ratings(
        &self,
        table: &Table<'_>,
        ratings: Ratings<'_>,
        bias: Cells<'_>,
        step: &Step<'_>,
        margins: &mut [f32],
    ) {
        let spec = self.spec();
        let (Objective::One(loss), Some(factors)) = (spec.objective, spec.factors) else {
            panic!("ratings are for one output with factors")
        };
        assert!(factors.fields == 1 && step.norm == 0.0, "ratings have no fields, and are taken as they are");
        assert_eq!(table.layout, self.layout(), "a table of another layout than the learner's");
        assert!(table.head_rows as usize <= table.rows(), "a head longer than its table");
        assert_eq!(bias.len(), table.layout.intercept().width(), "an intercept of another width");
        let rows = ratings.targets.len();
        let whole = ratings.ids.as_slice().len() == 2 * rows;
        assert!(
            whole && margins.len() <= rows.min(ratings.weights.len()),
            "ratings of two features, one for each margin"
        );
        assert!(rows == 0 || ratings.ids.limit() as usize <= table.rows(), "ratings made for a larger table");
        spec.rule.check(step);
        let learn = Learn { loss, table: *table, ratings, bias, step: *step, ahead: spec.ahead, margins };
        self.backend().run(learn);
    }
}

/// One call of [`Learner::learn_ratings`], checked.
struct Learn<'c, 'a> {
    loss: Loss,
    table: Table<'a>,
    ratings: Ratings<'c>,
    bias: Cells<'c>,
    step: Step<'c>,
    ahead: bool,
    margins: &'c mut [f32],
}

impl Work for Learn<'_, '_> {
    #[inline(always)]
    unsafe fn run<V: Lane>(mut self) {
        let tail = self.table.layout.tail();
        // SAFETY: the caller's promise; the registers fit the layout, as each arm asks, and are there wherever `V` is.
        unsafe {
            if tail == V::WORDS {
                self.learn::<V, V, 1>();
            } else if tail == V::Half::WORDS {
                self.learn::<V, V::Half, 1>();
            } else if tail.is_multiple_of(V::Half::WORDS) {
                self.learn::<V, V::Half, 0>();
            } else if tail == V::Quarter::WORDS {
                self.learn::<V, V::Quarter, 1>();
            } else {
                self.learn::<V, V::Quarter, 0>();
            }
        }
    }
}

impl Learn<'_, '_> {
    /// Where the row of the feature that is number `at` of all begins.
    ///
    /// # Safety
    /// There is such a feature.
    #[inline(always)]
    unsafe fn start(&self, at: usize) -> *const AtomicU32 {
        // SAFETY: the caller's promise; ids are below the limit that was compared with the table.
        unsafe { self.table.at(*self.ratings.ids.as_slice().get_unchecked(at), self.table.layout.width(), true) }
    }

    /// # Safety
    /// The instruction set of `V`, and vectors of `N` registers `L`, or of any number of them where that is 0.
    #[inline(always)]
    unsafe fn learn<V: Lane, L: Lane, const N: usize>(&mut self) {
        let (layout, tail) = (self.table.layout, self.table.layout.tail());
        let registers = if N > 0 { N } else { tail / L::WORDS };
        let share = 1.0 / layout.factors().map_or(1, |factors| factors.rank) as f32;
        let ids = self.ratings.ids.as_slice();
        let mut tails = Tails::new();
        // SAFETY: the caller's promise; every place is within the ratings, and every register within a row's vectors.
        unsafe {
            for from in (0..self.margins.len()).step_by(AT_ONCE) {
                let count = (self.margins.len() - from).min(AT_ONCE);
                if self.ahead {
                    for &id in ids.iter().skip(2 * (from + RATINGS_AHEAD)).take(2 * AT_ONCE) {
                        let start = self.table.ahead(id, layout.width(), true);
                        (0..layout.width()).step_by(LINE).for_each(|word| ask(start.wrapping_add(word)));
                    }
                }
                let bias = self.bias.get(0);
                for at in 0..count {
                    let (user, item) = (self.start(2 * (from + at)), self.start(2 * (from + at) + 1));
                    let zero = L::splat(0.0);
                    let (mut users, mut items, mut both) = (zero, zero, zero);
                    for n in 0..registers {
                        let (one, other) = (L::load(user.add(n * L::WORDS)), L::load(item.add(n * L::WORDS)));
                        users = one.fma(one, users);
                        items = other.fma(other, items);
                        both = one.fma(other, both);
                    }
                    // The slope of a vector is the other.
                    tails.factor[2 * at] = share * items.sum();
                    tails.factor[2 * at + 1] = share * users.sum();
                    tails.load(2 * at, user.add(tail), 0.0, false);
                    tails.load(2 * at + 1, item.add(tail), 0.0, false);
                    let weights = tails.weight(2 * at) + tails.weight(2 * at + 1);
                    *self.margins.get_unchecked_mut(from + at) = bias + weights + both.sum();
                }
                let (mut sum, mut squares) = (0.0f32, 0.0f32);
                for at in 0..count {
                    let target = *self.ratings.targets.get_unchecked(from + at);
                    let margin = *self.margins.get_unchecked(from + at);
                    let slope =
                        *self.ratings.weights.get_unchecked(from + at) * self.loss.slope_on::<V>(margin, target);
                    (tails.x[2 * at], tails.x[2 * at + 1]) = (slope, slope);
                    sum += slope;
                    squares += slope * slope;
                }
                one::move_bias_by::<V::Quarter>(&self.step, self.bias, sum, squares);
                tails.step::<V::Half>(2 * count, 1.0, &self.step, (1.0, 1));
                for at in 0..count {
                    let (user, item) = (self.start(2 * (from + at)), self.start(2 * (from + at) + 1));
                    let (of_user, of_item) = (L::splat(tails.factor[2 * at]), L::splat(tails.factor[2 * at + 1]));
                    let (keep_user, keep_item) = (L::splat(tails.keep[2 * at]), L::splat(tails.keep[2 * at + 1]));
                    for n in 0..registers {
                        let (users, items) = (user.add(n * L::WORDS), item.add(n * L::WORDS));
                        let (one, other) = (L::load(users), L::load(items));
                        other.fnma(of_user, one).mul(keep_user).store(users);
                        one.fnma(of_item, other).mul(keep_item).store(items);
                    }
                }
            }
        }
    }
}
