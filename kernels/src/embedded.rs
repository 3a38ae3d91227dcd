//! Features that dense layers see: a vector each, summed up by field into a dense row ([`Backend::embed`]), and moved by what comes back
//! from the layers ([`Backend::learn_embedded`]). Between the two, no word of the table is touched.
//!
//! With s(f) = Σ xᵢvᵢ over the features of field f, a row of data becomes s(0), s(1), …; beside it, where asked for, stand Σ xᵢwᵢ and
//! what the vectors of all features have to do with each other, as in a factorization machine (`factors.rs`): together DeepFM (Guo et
//! al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI 2017). One field and nothing beside it is the
//! hidden layer of fastText (Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL 2017).
//!
//! Registers run along a whole row of the table, tail included: weight, accumulators and vector are moved by the same few instructions,
//! each lane by factors of its own. So the words that nobody changes (L2 factor, field, padding) are stored as they were loaded. That
//! undoes nothing: whatever else in a row anybody changes, this update changes too.

use core::sync::atomic::AtomicU32;

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::factors::{IN_CACHE, look_ahead, reach};
use crate::group::{Scratch, Step};
use crate::lane::Lane;
use crate::rows::Row;
use crate::rules::Rule;
use crate::table::{Layout, Table};
use crate::tails::word;

/// What dense layers see of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// How many fields a dense row has a place for. A feature of a field beyond them counts as one of the last.
    pub fields: usize,
    /// The vectors of a row meet each other, as in a factorization machine; that is part of the margin.
    pub meets: bool,
    /// Features have a weight; its product with the value is part of the margin.
    pub weighs: bool,
}

/// Rows that [`Backend::embed`] has embedded, and what came back for them: the slopes of the loss.
#[derive(Clone, Copy, Debug)]
pub struct Embedded<'a> {
    /// The dense rows, as they were written.
    pub inputs: &'a [f32],
    /// The slope by the margin of each row.
    pub slopes: &'a [f32],
    /// The slope by each number of the dense rows.
    pub gradients: &'a [f32],
}

/// Words in a cache line.
const LINE: usize = 16;
/// Registers that are summed at once.
const MOST: usize = 8;

impl Backend {
    /// Makes each of `rows` a dense row of `inputs`: of each field in turn Σ x·v over its features, [`crate::Factors::rank`] numbers,
    /// one row behind the other without padding. `margins` becomes the sum of what [`Embedding`] says of each row, 0 where that is
    /// nothing. Values are taken as they are.
    ///
    /// # Panics
    /// Where the table's rows have not one vector for one output, or no field where there are several; where slices are of other
    /// lengths; or where rows of data were made for a larger table.
    pub fn embed(
        self,
        table: &Table<'_>,
        rows: &[Row<'_>],
        embedding: Embedding,
        inputs: &mut [f32],
        margins: &mut [f32],
        scratch: &mut Scratch,
    ) {
        struct Embed<'c, 'a>(Batch<'c, 'a>, &'c mut [f32], &'c mut [f32], &'c mut Scratch);
        impl Work for Embed<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(batch, inputs, margins, scratch) = self;
                // SAFETY: the caller's promise; the registers fit the layout, and are there wherever `V` is; the batch is checked.
                unsafe {
                    if batch.suits::<V>() {
                        embed::<V>(&batch, inputs, margins, scratch);
                    } else {
                        embed::<V::Half>(&batch, inputs, margins, scratch);
                    }
                }
            }
        }
        let batch = Batch::check(table, rows, embedding);
        assert_eq!(Some(inputs.len()), batch.inputs(), "a dense row for each row");
        assert_eq!(margins.len(), rows.len(), "a margin for each row");
        self.run(Embed(batch, inputs, margins, scratch));
    }

    /// Moves what `rows` touch one step against the slopes of `embedded`, one row after the other, in place. Features whose value is 0 are left alone; L2 factors are the table's.
    ///
    /// # Panics
    /// Where [`Backend::embed`] would, or the step's floor is not positive and normal.
    pub fn learn_embedded(
        self,
        table: &Table<'_>,
        rows: &[Row<'_>],
        embedding: Embedding,
        embedded: Embedded<'_>,
        step: &Step<'_>,
        scratch: &mut Scratch,
    ) {
        struct Learn<'c, 'a>(Batch<'c, 'a>, Embedded<'c>, &'c Step<'c>, &'c mut Scratch);
        impl Work for Learn<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(batch, embedded, step, scratch) = self;
                // SAFETY: the caller's promise; the registers fit the layout, and are there wherever `V` is; the batch is checked.
                unsafe {
                    if batch.suits::<V>() {
                        learn_in::<V>(&batch, embedded, step, scratch);
                    } else {
                        learn_in::<V::Half>(&batch, embedded, step, scratch);
                    }
                }
            }
        }
        Rule::Adagrad.check(step);
        let batch = Batch::check(table, rows, embedding);
        let Embedded { inputs, slopes, gradients } = embedded;
        assert_eq!(Some(inputs.len()), batch.inputs(), "a dense row for each row");
        assert_eq!(Some(gradients.len()), batch.inputs(), "the slopes of a dense row for each row");
        assert_eq!(slopes.len(), rows.len(), "the slope of a margin for each row");
        self.run(Learn(batch, embedded, step, scratch));
    }
}

/// Rows of data that fit a table that fits an embedding.
#[derive(Clone, Copy)]
struct Batch<'c, 'a> {
    table: Table<'a>,
    rows: &'c [Row<'c>],
    embedding: Embedding,
    rank: usize,
}

impl<'c, 'a> Batch<'c, 'a> {
    /// # Panics
    /// Where something does not fit.
    fn check(table: &Table<'a>, rows: &'c [Row<'c>], embedding: Embedding) -> Self {
        let layout = table.layout;
        let Some(factors) = layout.factors() else { panic!("an embedding of rows without factors") };
        assert!(layout.outputs() == 1 && factors.fields == 1, "rows of one vector are embedded");
        assert!((1..1 << 24).contains(&embedding.fields), "a dense row of {} fields", embedding.fields);
        assert!(embedding.fields == 1 || layout.has_field(), "rows that do not say what field they are of");
        assert!(table.head_rows as usize <= table.rows(), "a head longer than its table");
        let short = rows.iter().any(|row| !row.is_empty() & (row.ids().limit() as usize > table.rows()));
        assert!(!short, "a row of data made for a larger table");
        Self { table: *table, rows, embedding, rank: factors.rank }
    }

    /// Numbers in all dense rows.
    fn inputs(&self) -> Option<usize> {
        self.embedding.fields.checked_mul(self.rank)?.checked_mul(self.rows.len())
    }

    /// Where the row of the table begins that the `at`-th feature of `row` touches.
    ///
    /// # Safety
    /// There is such a feature.
    #[inline(always)]
    unsafe fn start(&self, row: &Row<'_>, at: usize) -> *const AtomicU32 {
        // SAFETY: the caller's promise; ids are below a limit that was compared with the table, whose width this is.
        unsafe { self.table.at(*row.ids().as_slice().get_unchecked(at), self.table.layout.width(), true) }
    }

    /// The field of the row of the table that begins at `start`.
    ///
    /// # Safety
    /// A row of the table.
    #[inline(always)]
    unsafe fn field(&self, start: *const AtomicU32) -> usize {
        let fields = self.embedding.fields;
        if fields == 1 {
            return 0;
        }
        let most = (fields - 1) as f32;
        // SAFETY: the caller's promise; where there are several fields, rows have the word. Whatever stands there, a NaN too, it comes out
        // between 0 and the last field, which is below 2²⁴.
        unsafe {
            let field = word(start.add(self.table.layout.tail() + Layout::FIELD));
            let field = if field < most { field } else { most };
            (if field > 0.0 { field } else { 0.0 }).to_int_unchecked::<i32>() as usize
        }
    }

    /// True where registers `V` run along rows of the table better than halves of them, and divide them.
    fn suits<V: Lane>(&self) -> bool {
        let layout = self.table.layout;
        layout.part().is_multiple_of(V::WORDS) && layout.tail() + Layout::DECAY >= V::Half::WORDS
    }

    /// Asks for what later rows than `nth` touch.
    #[inline(always)]
    fn look_ahead(&self, nth: usize, reach: usize) {
        look_ahead(&self.table, self.rows, nth, reach, self.table.shared.len() > IN_CACHE);
    }
}

/// The value of the `at`-th feature of `row`.
///
/// # Safety
/// There is such a feature.
#[inline(always)]
unsafe fn value(row: &Row<'_>, at: usize) -> f32 {
    // SAFETY: the caller's promise; values are as many as ids, or none.
    unsafe { if row.values().is_empty() { 1.0 } else { *row.values().get_unchecked(at) } }
}

/// What stands in a lane that is meant: ANDed with it, a number stays what it is. Where 0 stands, it becomes 0, whatever it was.
const MEANT: f32 = f32::from_bits(u32::MAX);

/// Private memory of a call, in registers `L` along a row of the table; and what is known of its lanes.
#[derive(Clone, Copy)]
struct Kept {
    /// [`MEANT`] at the numbers of the vector, else 0.
    vector: *mut f32,
    /// The same at the weight, if features have one.
    weight: *mut f32,
    /// 1 wherever neither vector nor weight stands, else 0.
    rest: *mut f32,
    /// [`MEANT`] at the accumulator of the weight.
    weight_squares: *mut f32,
    /// The same at the accumulator of the vector.
    factor_squares: *mut f32,
    /// One row as wide as the table's: Σ over all fields.
    all: *mut f32,
    /// By field, a row as wide as the table's.
    fields: *mut f32,
    /// By field, a number.
    norms: *mut f32,
    /// A dense row, and room for a row of the table behind it.
    dense: *mut f32,
    /// Registers up to the end of the tail.
    registers: usize,
    /// Registers that are nothing but numbers of the vector.
    full: usize,
    /// Words of these registers: from one row to the next.
    words: usize,
}

impl Kept {
    /// # Safety
    /// The instruction set of `L`, which divides the parts of the layout.
    #[inline(always)]
    unsafe fn new<L: Lane>(batch: &Batch<'_, '_>, scratch: &mut Scratch) -> Self {
        let (tail, fields, rank) = (batch.table.layout.tail(), batch.embedding.fields, batch.rank);
        let registers = (tail + Layout::DECAY + 1).div_ceil(L::WORDS);
        let words = registers * L::WORDS;
        // Rows begin at whole lines.
        let (wide, norms) = (words.next_multiple_of(LINE), fields.next_multiple_of(LINE));
        let floats = 6 * wide + fields * words + norms + fields * rank + words + LINE;
        let start = scratch.room(floats.div_ceil(LINE));
        let at = |row: usize| start.wrapping_add(row * wide);
        let by_field = at(6);
        let kept = Self {
            vector: at(0),
            weight: at(1),
            rest: at(2),
            weight_squares: at(3),
            factor_squares: at(4),
            all: at(5),
            fields: by_field,
            norms: by_field.wrapping_add(fields * words),
            dense: by_field.wrapping_add(fields * words + norms),
            registers,
            full: rank / L::WORDS,
            words,
        };
        // SAFETY: the room that was asked for; the tail lies within the words.
        unsafe {
            core::slice::from_raw_parts_mut(start, floats).fill(0.0);
            let lanes = |at: *mut f32| core::slice::from_raw_parts_mut(at, words);
            lanes(kept.vector)[..rank].fill(MEANT);
            lanes(kept.rest)[rank..].fill(1.0);
            lanes(kept.weight_squares)[tail + Layout::WEIGHT_SQUARES] = MEANT;
            lanes(kept.factor_squares)[tail + Layout::FACTOR_SQUARES] = MEANT;
            if batch.embedding.weighs {
                lanes(kept.weight)[tail + Layout::WEIGHT] = MEANT;
                lanes(kept.rest)[tail + Layout::WEIGHT] = 0.0;
            }
        }
        kept
    }
}

/// # Safety
/// The instruction set of `L`, which divides the parts of the layout; a dense row and a margin for each row.
#[inline(always)]
unsafe fn embed<L: Lane>(batch: &Batch<'_, '_>, inputs: &mut [f32], margins: &mut [f32], scratch: &mut Scratch) {
    let Batch { embedding, rank, .. } = *batch;
    let reach = reach(batch.rows, batch.table.layout);
    let dense = embedding.fields * rank;
    // SAFETY: the caller's promise. A field is stored by whole registers, which reach into the next one, stored later, or past the end
    // of the row: into the next row, stored later, or, of the last rows, into scratch.
    unsafe {
        let kept = Kept::new::<L>(batch, scratch);
        let over = kept.words - rank;
        for (nth, margin) in margins.iter_mut().enumerate() {
            batch.look_ahead(nth, reach);
            let squares = match kept.registers {
                _ if embedding.fields == 1 => sums_of_all::<L>(batch, nth, &kept),
                1 => sums_by_field::<L, 1>(batch, nth, &kept),
                2 => sums_by_field::<L, 2>(batch, nth, &kept),
                _ => sums_by_field::<L, 0>(batch, nth, &kept),
            };
            let within = (nth + 1) * dense + over <= inputs.len();
            let out = if within { inputs.as_mut_ptr().add(nth * dense) } else { kept.dense };
            for field in 0..embedding.fields {
                for at in (0..rank).step_by(L::WORDS) {
                    L::load_private(kept.fields.add(field * kept.words + at)).store_private(out.add(field * rank + at));
                }
            }
            if !within {
                inputs[nth * dense..(nth + 1) * dense].copy_from_slice(core::slice::from_raw_parts(out, dense));
            }
            *margin = 0.0;
            if embedding.meets || embedding.weighs {
                let mut both = L::splat(0.0).sub(squares);
                for at in (0..kept.words).step_by(L::WORDS) {
                    let mut sum = L::splat(0.0);
                    for field in 0..embedding.fields {
                        sum = sum.add(L::load_private(kept.fields.add(field * kept.words + at)));
                    }
                    sum.store_private(kept.all.add(at));
                    let sum = sum.and(L::load_private(kept.vector.add(at)));
                    both = sum.fma(sum, both);
                }
                if embedding.meets {
                    *margin += 0.5 * both.sum();
                }
                if embedding.weighs {
                    // Weights were summed up as all words of a row were.
                    *margin += *kept.all.add(batch.table.layout.tail() + Layout::WEIGHT);
                }
            }
        }
    }
}

/// By field, Σ x·v of row `nth`, in scratch; Σ x²v². Rows of the table are `N` registers, or any number where that is 0.
///
/// # Safety
/// That of [`embed`], and such a row.
#[inline(always)]
unsafe fn sums_by_field<L: Lane, const N: usize>(batch: &Batch<'_, '_>, nth: usize, kept: &Kept) -> L {
    let Batch { rows, embedding, .. } = *batch;
    let registers = if N > 0 { N } else { kept.registers };
    let words = registers * L::WORDS;
    // SAFETY: the caller's promise; fields are below their number, and registers within the row.
    unsafe {
        let row = rows.get_unchecked(nth);
        let mut squares = L::splat(0.0);
        for at in 0..embedding.fields * registers {
            L::splat(0.0).store_private(kept.fields.add(at * L::WORDS));
        }
        for at in 0..row.len() {
            let (start, by) = (batch.start(row, at), L::splat(value(row, at)));
            let sums = kept.fields.add(batch.field(start) * words);
            for n in 0..registers {
                let (sum, at) = (sums.add(n * L::WORDS), n * L::WORDS);
                let term = L::load(start.add(at)).mul(by);
                L::load_private(sum).add(term).store_private(sum);
                if embedding.meets {
                    let term = term.and(L::load_private(kept.vector.add(at)));
                    squares = term.fma(term, squares);
                }
            }
        }
        squares
    }
}

/// The same where there is one field.
///
/// # Safety
/// That of [`sums_by_field`].
#[inline(always)]
unsafe fn sums_of_all<L: Lane>(batch: &Batch<'_, '_>, nth: usize, kept: &Kept) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let mut squares = L::splat(0.0);
        let mut from = 0;
        while from < kept.registers {
            let count = (kept.registers - from).min(MOST);
            let place = (nth, from);
            squares = match count {
                1 => sums::<L, 1>(batch, place, kept, squares),
                2 => sums::<L, 2>(batch, place, kept, squares),
                3 => sums::<L, 3>(batch, place, kept, squares),
                4 => sums::<L, 4>(batch, place, kept, squares),
                5 => sums::<L, 5>(batch, place, kept, squares),
                6 => sums::<L, 6>(batch, place, kept, squares),
                7 => sums::<L, 7>(batch, place, kept, squares),
                _ => sums::<L, MOST>(batch, place, kept, squares),
            };
            from += count;
        }
        squares
    }
}

/// Σ x·v of `N` registers, those from number `from` on, goes to scratch; adds Σ x²v² of them to `squares`.
///
/// # Safety
/// That of [`sums_by_field`], and rows with these registers.
#[inline(always)]
unsafe fn sums<L: Lane, const N: usize>(
    batch: &Batch<'_, '_>,
    (nth, from): (usize, usize),
    kept: &Kept,
    mut squares: L,
) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let row = batch.rows.get_unchecked(nth);
        let mut sums = [L::splat(0.0); N];
        for at in 0..row.len() {
            let (start, by) = (batch.start(row, at).add(from * L::WORDS), L::splat(value(row, at)));
            for (n, sum) in sums.iter_mut().enumerate() {
                let words = L::load(start.add(n * L::WORDS));
                *sum = words.fma(by, *sum);
                if batch.embedding.meets {
                    let term = words.mul(by).and(L::load_private(kept.vector.add((from + n) * L::WORDS)));
                    squares = term.fma(term, squares);
                }
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            sum.store_private(kept.fields.add((from + n) * L::WORDS));
        }
        squares
    }
}

/// # Safety
/// The instruction set of `L`, which divides the parts of the layout; dense rows, and slopes of everything.
#[inline(always)]
unsafe fn learn_in<L: Lane>(batch: &Batch<'_, '_>, embedded: Embedded<'_>, step: &Step<'_>, scratch: &mut Scratch) {
    // SAFETY: the caller's promise.
    unsafe {
        let kept = Kept::new::<L>(batch, scratch);
        match (kept.registers, batch.embedding.meets) {
            (1, true) => learn::<L, 1, true>(batch, embedded, step, &kept),
            (2, true) => learn::<L, 2, true>(batch, embedded, step, &kept),
            (_, true) => learn::<L, 0, true>(batch, embedded, step, &kept),
            (4, false) => learn::<L, 4, false>(batch, embedded, step, &kept),
            (7, false) => learn::<L, 7, false>(batch, embedded, step, &kept),
            (_, false) => learn::<L, 0, false>(batch, embedded, step, &kept),
        }
    }
}

/// # Safety
/// That of [`learn_in`]; `N` registers, or any number where that is 0, and `MEETS` as the embedding says.
#[inline(always)]
unsafe fn learn<L: Lane, const N: usize, const MEETS: bool>(
    batch: &Batch<'_, '_>,
    embedded: Embedded<'_>,
    step: &Step<'_>,
    kept: &Kept,
) {
    let Batch { rows, embedding, rank, .. } = *batch;
    let Embedded { inputs, slopes, gradients } = embedded;
    let reach = reach(batch.rows, batch.table.layout);
    let dense = embedding.fields * rank;
    let over = kept.words - rank;
    // SAFETY: the caller's promise. A field's slopes are loaded by whole registers, which reach past the end of the row: into the next
    // one, or, of the last rows, into scratch.
    unsafe {
        for (nth, row) in rows.iter().enumerate() {
            batch.look_ahead(nth, reach);
            let within = (nth + 1) * dense + over <= inputs.len();
            let padded = |of: &[f32]| -> *const f32 {
                if within {
                    return of.as_ptr().add(nth * dense);
                }
                core::slice::from_raw_parts_mut(kept.dense, dense)
                    .copy_from_slice(of.get_unchecked(nth * dense..(nth + 1) * dense));
                kept.dense
            };
            let slope = *slopes.get_unchecked(nth);
            if MEETS {
                let inputs = padded(inputs);
                for at in (0..kept.words).step_by(L::WORDS) {
                    let mut sum = L::splat(0.0);
                    if at < rank {
                        for field in 0..embedding.fields {
                            sum = sum.add(L::load_private(inputs.add(field * rank + at)));
                        }
                    }
                    sum.mul(L::splat(slope)).store_private(kept.all.add(at));
                }
            }
            prepare::<L, MEETS>(batch, padded(gradients), slope, kept);
            let features = Features { batch, kept, step, slope: if embedding.weighs { slope } else { 0.0 } };
            for at in 0..row.len() {
                    let x = value(row, at);
                if x != 0.0 {
                    features.update::<L, N, MEETS>(batch.start(row, at), x, slope);
                }
            }
        }
    }
}

/// By field, what of the slopes of a row its features have in common, by a value of 1: the layers' slope, that of the margin times Σ
/// over all fields, and where the weight stands that of the margin. Without `MEETS` their squared norms too.
///
/// # Safety
/// That of [`learn`], and `gradients` of all fields, a row of the table's behind the last begin.
#[inline(always)]
unsafe fn prepare<L: Lane, const MEETS: bool>(batch: &Batch<'_, '_>, gradients: *const f32, slope: f32, kept: &Kept) {
    let Batch { embedding, rank, .. } = *batch;
    // SAFETY: the caller's promise.
    unsafe {
        for field in 0..embedding.fields {
            let (from, to) = (gradients.add(field * rank), kept.fields.add(field * kept.words));
            let mut squares = L::splat(0.0);
            for at in (0..kept.words).step_by(L::WORDS) {
                let mut sum = if at < rank { L::load_private(from.add(at)) } else { L::splat(0.0) };
                if MEETS {
                    sum = sum.add(L::load_private(kept.all.add(at)));
                }
                if at + L::WORDS > rank {
                    sum = sum.and(L::load_private(kept.vector.add(at)));
                }
                if !MEETS {
                    squares = sum.fma(sum, squares);
                }
                if at + L::WORDS > rank {
                    sum = sum.add(L::splat(slope).and(L::load_private(kept.weight.add(at))));
                }
                sum.store_private(to.add(at));
            }
            if !MEETS {
                *kept.norms.add(field) = squares.sum();
            }
        }
    }
}

/// What the features of a row of data are moved by.
struct Features<'c, 'a> {
    batch: &'c Batch<'c, 'a>,
    kept: &'c Kept,
    step: &'c Step<'c>,
    /// The slope of the weights.
    slope: f32,
}

impl Features<'_, '_> {
    /// Moves the row of the table at `start`, whose value is `x`, one step.
    ///
    /// # Safety
    /// That of [`learn`], and scratch that [`prepare`] has filled.
    #[inline(always)]
    unsafe fn update<L: Lane, const N: usize, const MEETS: bool>(&self, start: *const AtomicU32, x: f32, slope: f32) {
        let Self { batch, kept, step, .. } = self;
        let registers = if N > 0 { N } else { kept.registers };
        let share = 1.0 / batch.rank as f32;
        // SAFETY: the caller's promise; registers lie within the row, which the field does not exceed.
        unsafe {
            let end = start.add(batch.table.layout.tail());
            let field = batch.field(start);
            let common = kept.fields.add(field * kept.words);
            let decay = word(end.add(Layout::DECAY));
            let by_own = L::splat(slope * x);
            // The slope by a value of 1, which the feature's own vector is taken off where vectors meet.
            let slope_of = |n: usize, words: L| {
                let common = L::load_private(common.add(n * L::WORDS));
                if MEETS {
                    let own =
                        if n < kept.full { by_own } else { by_own.and(L::load_private(kept.vector.add(n * L::WORDS))) };
                    words.fnma(own, common)
                } else {
                    common
                }
            };
            let squares = if MEETS {
                let mut squares = L::splat(0.0);
                for n in 0..registers {
                    let slope = slope_of(n, L::load(start.add(n * L::WORDS)));
                    let masked =
                        if n < kept.full { slope } else { slope.and(L::load_private(kept.vector.add(n * L::WORDS))) };
                    squares = masked.fma(masked, squares);
                }
                squares.sum()
            } else {
                *kept.norms.add(field)
            };
            let square = x * x * share * squares;
            let left = |rate: f32| 1.0 - if rate * decay < 0.5 { rate * decay } else { 0.5 };
            let rate = |squares: f32| step.rate * L::Quarter::splat(squares + step.floor).rsqrt().first();
            let by = rate(word(end.add(Layout::FACTOR_SQUARES)) + square);
            let (by_vector, keep) = (L::splat(by * x), L::splat(left(by)));
            let weight_square = (self.slope * x) * (self.slope * x);
            let by = rate(word(end.add(Layout::WEIGHT_SQUARES)) + weight_square);
            let (by_weight, keep_weight) = (L::splat(by * x), L::splat(left(by)));
            for n in 0..registers {
                let at = start.add(n * L::WORDS);
                let words = L::load(at);
                let slope = slope_of(n, words);
                if n < kept.full {
                    slope.fnma(by_vector, words).mul(keep).store(at);
                    continue;
                }
                let mask = |lanes: *mut f32| L::load_private(lanes.add(n * L::WORDS));
                let (vector, weight) = (mask(kept.vector), mask(kept.weight));
                let by = by_vector.and(vector).add(by_weight.and(weight));
                let keep = keep.and(vector).add(keep_weight.and(weight)).add(mask(kept.rest));
                let add = L::splat(square)
                    .and(mask(kept.factor_squares))
                    .add(L::splat(weight_square).and(mask(kept.weight_squares)));
                slope.fnma(by, words).fma(keep, add).store(at);
            }
        }
    }
}
