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

mod moves;
mod sums;

use core::sync::atomic::AtomicU32;

use crate::ahead::ask;
use crate::backend::Backend;
use crate::dispatch::Work;
use crate::factors::IN_CACHE;
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
                        sums::embed::<V>(&batch, inputs, margins, scratch);
                    } else {
                        sums::embed::<V::Half>(&batch, inputs, margins, scratch);
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
                        moves::learn_in::<V>(&batch, embedded, step, scratch);
                    } else {
                        moves::learn_in::<V::Half>(&batch, embedded, step, scratch);
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
