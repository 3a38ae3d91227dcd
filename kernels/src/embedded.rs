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

use crate::ahead::ask;
use crate::backend::Backend;
use crate::dispatch::Work;
use crate::factors::{IN_CACHE, reach};
use crate::group::{DATA_AHEAD, Scratch, Step};
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

    /// The features of the row of data that comes `reach` behind `nth`, for asking for what they touch, one at a time, while `nth` is worked
    /// on; none where the table is in the caches anyway. The data of one further behind is asked for.
    #[inline(always)]
    fn coming(&self, nth: usize, reach: usize) -> &'c [u32] {
        if let Some(row) = self.rows.get(nth + DATA_AHEAD + reach) {
            row.prefetch();
        }
        match self.rows.get(nth + reach) {
            Some(row) if self.table.shared.len() > IN_CACHE => row.ids().as_slice(),
            _ => &[],
        }
    }

    /// Asks for the row of the table that the `at`-th of these features touches.
    #[inline(always)]
    fn look_ahead(&self, coming: &[u32], at: usize) {
        let Some(&id) = coming.get(at) else { return };
        let width = self.table.layout.width();
        let start = self.table.ahead(id, width, true);
        for word in (0..width).step_by(LINE) {
            ask(start.wrapping_add(word));
        }
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
            lanes(kept.factor_squares)[tail + Layout::FACTOR_SQUARES] = MEANT;
            if batch.embedding.weighs {
                lanes(kept.weight)[tail + Layout::WEIGHT] = MEANT;
                lanes(kept.weight_squares)[tail + Layout::WEIGHT_SQUARES] = MEANT;
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
            let coming = batch.coming(nth, reach);
            let squares = match kept.registers {
                _ if embedding.fields == 1 => sums_of_all::<L>(batch, nth, coming, &kept),
                1 => sums_by_field::<L, 1>(batch, nth, coming, &kept),
                2 => sums_by_field::<L, 2>(batch, nth, coming, &kept),
                _ => sums_by_field::<L, 0>(batch, nth, coming, &kept),
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
                    let sum = total::<L>(kept.fields.add(at), embedding.fields, kept.words);
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

/// The sum of `count` registers that stand `stride` floats apart from `at` on.
///
/// # Safety
/// The instruction set of `L`, and that many private registers.
#[inline(always)]
unsafe fn total<L: Lane>(at: *const f32, count: usize, stride: usize) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        // Four sums, so that one addition need not wait for the one before.
        let mut sums = [L::splat(0.0); 4];
        let mut from = 0;
        while from + 4 <= count {
            for (nth, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(L::load_private(at.add((from + nth) * stride)));
            }
            from += 4;
        }
        for nth in from..count {
            sums[0] = sums[0].add(L::load_private(at.add(nth * stride)));
        }
        sums[0].add(sums[1]).add(sums[2].add(sums[3]))
    }
}

/// By field, Σ x·v of row `nth`, in scratch; Σ x²v². Rows of the table are `N` registers, or any number where that is 0.
///
/// # Safety
/// That of [`embed`], and such a row.
#[inline(always)]
unsafe fn sums_by_field<L: Lane, const N: usize>(batch: &Batch<'_, '_>, nth: usize, coming: &[u32], kept: &Kept) -> L {
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
            batch.look_ahead(coming, at);
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
unsafe fn sums_of_all<L: Lane>(batch: &Batch<'_, '_>, nth: usize, coming: &[u32], kept: &Kept) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let mut squares = L::splat(0.0);
        let mut from = 0;
        while from < kept.registers {
            let count = (kept.registers - from).min(MOST);
            let place = (nth, from, if from == 0 { coming } else { &[] });
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
    (nth, from, coming): (usize, usize, &[u32]),
    kept: &Kept,
    mut squares: L,
) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let row = batch.rows.get_unchecked(nth);
        let mut sums = [L::splat(0.0); N];
        for at in 0..row.len() {
            batch.look_ahead(coming, at);
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
    let (mut chunk, share) = (Chunk::default(), 1.0 / rank as f32);
    let reach = reach(batch.rows, batch.table.layout);
    let dense = embedding.fields * rank;
    let over = kept.words - rank;
    // SAFETY: the caller's promise. A field's slopes are loaded by whole registers, which reach past the end of the row: into the next
    // one, or, of the last rows, into scratch.
    unsafe {
        for (nth, row) in rows.iter().enumerate() {
            let coming = batch.coming(nth, reach);
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
                    let sum =
                        if at < rank { total::<L>(inputs.add(at), embedding.fields, rank) } else { L::splat(0.0) };
                    sum.mul(L::splat(slope)).store_private(kept.all.add(at));
                }
            }
            prepare::<L, N, MEETS>(batch, padded(gradients), slope, kept);
            for from in (0..row.len()).step_by(CHUNK) {
                chunk.collect::<L, N, MEETS>(batch, kept, row, from..(from + CHUNK).min(row.len()), slope);
                chunk.rates::<L>(step, share, slope);
                chunk.update::<L, N, MEETS>(batch, kept, slope, coming.get(from..).unwrap_or_default());
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
unsafe fn prepare<L: Lane, const N: usize, const MEETS: bool>(
    batch: &Batch<'_, '_>,
    gradients: *const f32,
    slope: f32,
    kept: &Kept,
) {
    let Batch { embedding, rank, .. } = *batch;
    let registers = if N > 0 { N } else { kept.registers };
    // SAFETY: the caller's promise.
    unsafe {
        for field in 0..embedding.fields {
            let (from, to) = (gradients.add(field * rank), kept.fields.add(field * registers * L::WORDS));
            let mut squares = L::splat(0.0);
            for at in (0..registers).map(|n| n * L::WORDS) {
                let mut sum = if at < rank { L::load_private(from.add(at)) } else { L::splat(0.0) };
                if MEETS {
                    sum = sum.add(L::load_private(kept.all.add(at)));
                }
                sum = sum.and(L::load_private(kept.vector.add(at)));
                if !MEETS {
                    squares = sum.fma(sum, squares);
                }
                sum.add(L::splat(slope).and(L::load_private(kept.weight.add(at)))).store_private(to.add(at));
            }
            if !MEETS {
                *kept.norms.add(field) = squares.sum();
            }
        }
    }
}

/// Features of a row that are moved together.
const CHUNK: usize = 16;

/// Some features of a row on their way through a step, side by side: their vectors stay where they are, and what is told of them here
/// is made of registers of several features.
///
/// A feature that stands twice in a row is moved twice, and its accumulators see both; the second step may not have seen the first.
#[derive(Default)]
#[repr(align(64))]
struct Chunk {
    x: [f32; CHUNK],
    /// In: Σ g² of the vector by a value of 1. Out: what is added to its accumulator.
    square: [f32; CHUNK],
    /// In: the accumulators. Out: how much of the slope by a value of 1 is taken off.
    by: [f32; CHUNK],
    by_weight: [f32; CHUNK],
    /// In: the L2 factor. Out: what is left by it.
    keep: [f32; CHUNK],
    keep_weight: [f32; CHUNK],
    /// Out: what is added to the accumulator of the weight.
    weight_square: [f32; CHUNK],
    /// Rows of the table, and what slopes their fields have in common.
    places: [Place; CHUNK],
    count: usize,
}

#[derive(Clone, Copy)]
struct Place {
    start: *const AtomicU32,
    common: *const f32,
}

impl Default for Place {
    fn default() -> Self {
        Self { start: core::ptr::null(), common: core::ptr::null() }
    }
}

/// Register `n` of the slope of a vector by a value of 1, whose words these are: what features have in common, less the share of its
/// own where vectors meet.
///
/// # Safety
/// The instruction set of `L`, scratch with such a register, and what [`prepare`] has made at `common`.
#[inline(always)]
unsafe fn slope_of<L: Lane, const MEETS: bool>(kept: &Kept, n: usize, words: L, common: *const f32, own: L) -> L {
    // SAFETY: the caller's promise.
    unsafe {
        let common = L::load_private(common.add(n * L::WORDS));
        if MEETS { words.fnma(own.and(L::load_private(kept.vector.add(n * L::WORDS))), common) } else { common }
    }
}

impl Chunk {
    /// Takes in the features of `row` in `range`, [`CHUNK`] at most, but for those whose value is 0.
    ///
    /// # Safety
    /// That of [`learn`], scratch that [`prepare`] has filled, and a range within the row.
    #[inline(always)]
    unsafe fn collect<L: Lane, const N: usize, const MEETS: bool>(
        &mut self,
        batch: &Batch<'_, '_>,
        kept: &Kept,
        row: &Row<'_>,
        range: core::ops::Range<usize>,
        slope: f32,
    ) {
        let registers = if N > 0 { N } else { kept.registers };
        let tail = batch.table.layout.tail();
        self.count = 0;
        // SAFETY: the caller's promise; registers lie within the row of the table, and the field is one that there is.
        unsafe {
            for at in range {
                let x = value(row, at);
                if x == 0.0 {
                    continue;
                }
                let start = batch.start(row, at);
                let field = batch.field(start);
                let common = kept.fields.add(field * registers * L::WORDS);
                let nth = self.count;
                self.count += 1;
                self.square[nth] = if MEETS {
                    let (mut squares, own) = (L::splat(0.0), L::splat(slope * x));
                    for n in 0..registers {
                        let slope = slope_of::<L, MEETS>(kept, n, L::load(start.add(n * L::WORDS)), common, own);
                        let slope = slope.and(L::load_private(kept.vector.add(n * L::WORDS)));
                        squares = slope.fma(slope, squares);
                    }
                    squares.sum()
                } else {
                    *kept.norms.add(field)
                };
                self.x[nth] = x;
                self.places[nth] = Place { start, common };
                self.by[nth] = word(start.add(tail + Layout::FACTOR_SQUARES));
                self.by_weight[nth] = word(start.add(tail + Layout::WEIGHT_SQUARES));
                self.keep[nth] = word(start.add(tail + Layout::DECAY));
            }
        }
    }

    /// Works out how far each feature goes, by the slope of the margin, where `share` of a vector's squares are its accumulator's.
    ///
    /// # Safety
    /// The instruction set of `L`.
    #[inline(always)]
    unsafe fn rates<L: Lane>(&mut self, step: &Step<'_>, share: f32, slope: f32) {
        // SAFETY: the caller's promise; registers divide the arrays.
        unsafe {
            let (rate, floor, half, one) = (L::splat(step.rate), L::splat(step.floor), L::splat(0.5), L::splat(1.0));
            let left = |rate: L, decay: L| one.sub(rate.mul(decay).min(half));
            for at in (0..self.count).step_by(L::WORDS) {
                let get = |words: &[f32; CHUNK]| L::load_private(words.as_ptr().add(at));
                let set = |words: &mut [f32; CHUNK], to: L| to.store_private(words.as_mut_ptr().add(at));
                let (x, decay) = (get(&self.x), get(&self.keep));

                let square = get(&self.square).mul(x.mul(x).mul(L::splat(share)));
                let by = rate.mul(get(&self.by).add(square).add(floor).rsqrt());
                set(&mut self.square, square);
                set(&mut self.by, by.mul(x));
                set(&mut self.keep, left(by, decay));

                let gradient = x.mul(L::splat(slope));
                let square = gradient.mul(gradient);
                let by = rate.mul(get(&self.by_weight).add(square).add(floor).rsqrt());
                set(&mut self.weight_square, square);
                set(&mut self.by_weight, by.mul(x));
                set(&mut self.keep_weight, left(by, decay));
            }
        }
    }

    /// Moves all that was taken in.
    ///
    /// # Safety
    /// That of [`Chunk::collect`], and [`Chunk::rates`] that are worked out.
    #[inline(always)]
    unsafe fn update<L: Lane, const N: usize, const MEETS: bool>(
        &self,
        batch: &Batch<'_, '_>,
        kept: &Kept,
        slope: f32,
        coming: &[u32],
    ) {
        let registers = if N > 0 { N } else { kept.registers };
        // SAFETY: the caller's promise.
        unsafe {
            for nth in 0..self.count {
                batch.look_ahead(coming, nth);
                let Place { start, common } = self.places[nth];
                let (x, by, keep) = (self.x[nth], L::splat(self.by[nth]), L::splat(self.keep[nth]));
                let own = L::splat(slope * x);
                for n in 0..registers {
                    let at = start.add(n * L::WORDS);
                    let words = L::load(at);
                    let slope = slope_of::<L, MEETS>(kept, n, words, common, own);
                    if n < kept.full {
                        slope.fnma(by, words).mul(keep).store(at);
                        continue;
                    }
                    let mask = |lanes: *mut f32| L::load_private(lanes.add(n * L::WORDS));
                    let (vector, weight) = (mask(kept.vector), mask(kept.weight));
                    let by = by.and(vector).add(L::splat(self.by_weight[nth]).and(weight));
                    let left = L::splat(self.keep_weight[nth]).and(weight);
                    let keep = keep.and(vector).add(left).add(mask(kept.rest));
                    let add = L::splat(self.weight_square[nth]).and(mask(kept.weight_squares));
                    let add = L::splat(self.square[nth]).and(mask(kept.factor_squares)).add(add);
                    slope.fnma(by, words).fma(keep, add).store(at);
                }
            }
        }
    }
}
