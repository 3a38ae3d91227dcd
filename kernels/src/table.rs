//! [`Table`]: the rows of a sparse tensor as a child sees them, and [`Layout`]: what stands in a row.

use core::hint::select_unpredictable;
use core::sync::atomic::AtomicU32;

use crate::cells::Cells;

/// What stands in a row of a sparse tensor.
///
/// Without factors: a word for each output, padded to [`Layout::stride`] words, and behind them, under a rule that has one, their
/// optimiser slots in the same order. With one output that is `[w]` or `[w, n]`.
///
/// With factors: for each output a part of [`Layout::part`] words: the factor vectors, one for each field, [`Factors::stride`] words
/// apart, and from [`Layout::tail`] on the weight, its accumulator, that of the vectors together, the L2 factor, and where there are
/// several fields the accumulator of what each vector has of its own and the number of the row's field ([`Layout::WEIGHT`] and what
/// follows it); one vector with a field ([`Layout::with_field`]) leaves the former unused. L2 factor and field are written when the row is made and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    outputs: usize,
    slots: usize,
    factors: Option<Factors>,
    /// Rows say what field they are of.
    has_field: bool,
}

/// The factor vectors of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Numbers in a vector.
    pub rank: usize,
    /// Vectors in a row: one for each field that other rows may be of; 1 where fields do not matter.
    pub fields: usize,
}

impl Factors {
    /// Words from one vector to the next.
    #[inline(always)]
    pub fn stride(self) -> usize {
        self.rank.next_multiple_of(4)
    }
}

impl Layout {
    /// Rows of several outputs are whole registers of any backend.
    const REGISTER: usize = 8;
    /// Words in a cache line.
    const LINE: usize = 16;
    /// Where the weight stands in the tail of a part.
    pub const WEIGHT: usize = 0;
    /// The accumulator of the weight.
    pub const WEIGHT_SQUARES: usize = 1;
    /// The accumulator of what the vectors have in common; of the one vector, where there is one.
    pub const FACTOR_SQUARES: usize = 2;
    /// The L2 factor of all that stands in the part.
    pub const DECAY: usize = 3;
    /// The accumulator of what each vector has of its own.
    pub const OWN_SQUARES: usize = 4;
    /// The number of the row's field.
    pub const FIELD: usize = 5;

    /// The layout of rows of `outputs` weights with `slots` optimiser slots each, 0 or 1.
    ///
    /// # Panics
    /// Where there is no output, or there are more slots.
    pub fn new(outputs: usize, slots: usize) -> Self {
        assert!(outputs > 0 && slots <= 1, "rows of {outputs} outputs with {slots} slots each");
        Self { outputs, slots, factors: None, has_field: false }
    }

    /// The layout of rows with factors for each of `outputs`, learned by Adagrad.
    ///
    /// # Panics
    /// Where there is no output, or vectors are empty or none.
    pub fn factored(outputs: usize, factors: Factors) -> Self {
        assert!(outputs > 0 && factors.rank > 0 && factors.fields > 0, "{outputs} outputs with {factors:?}");
        Self { outputs, slots: 1, factors: Some(factors), has_field: factors.fields > 1 }
    }

    /// The same rows with the number of their own field, for vectors that have a place by it ([`crate::Embedding`]). Rows of several
    /// vectors have it anyway.
    ///
    /// # Panics
    /// Without factors.
    pub fn with_field(self) -> Self {
        assert!(self.factors.is_some(), "fields without factors");
        Self { has_field: true, ..self }
    }

    /// How many outputs.
    #[inline(always)]
    pub fn outputs(self) -> usize {
        self.outputs
    }

    /// The factor vectors of each output, if there are any.
    #[inline(always)]
    pub fn factors(self) -> Option<Factors> {
        self.factors
    }

    /// Margins of a row of data, padding included; 1 for one output, else a multiple of 8. Without factors that is also how many words
    /// of a row are the outputs'.
    #[inline(always)]
    pub fn stride(self) -> usize {
        if self.outputs == 1 { 1 } else { self.outputs.next_multiple_of(Self::REGISTER) }
    }

    /// Words in a row.
    #[inline(always)]
    pub fn width(self) -> usize {
        match self.factors {
            None => self.stride() * (1 + self.slots),
            Some(_) => self.outputs * self.part(),
        }
    }

    /// Words before the tail of a part: the factor vectors, padded to whole registers where there are many; 0 without factors.
    #[inline(always)]
    pub fn tail(self) -> usize {
        self.factors.map_or(0, |factors| {
            let words = factors.fields * factors.stride();
            if factors.fields > 1 { words.next_multiple_of(Self::LINE) } else { words }
        })
    }

    /// Words in the part of a row that belongs to one output, where there are factors: half a cache line, one, or several, but for
    /// rows of a line and a half or two and a half.
    #[inline(always)]
    pub fn part(self) -> usize {
        let tail = if self.has_field { Self::FIELD + 1 } else { Self::DECAY + 1 };
        let words = (self.tail() + tail).next_multiple_of(Self::REGISTER);
        if words > 3 * Self::LINE { words.next_multiple_of(Self::LINE) } else { words }
    }

    /// The layout of the intercept: that of a row without factors.
    #[inline(always)]
    pub fn intercept(self) -> Self {
        Self { factors: None, has_field: false, ..self }
    }

    /// True where rows with factors say what field they are of, at [`Layout::FIELD`] of each part's tail.
    #[inline(always)]
    pub fn has_field(self) -> bool {
        self.has_field
    }

    /// True where each weight has an optimiser slot.
    #[inline(always)]
    pub fn has_slots(self) -> bool {
        self.slots > 0
    }
}

/// The table a child learns on: the first rows live in the child's private head, the others in the
/// shared tail. Both are numbered from 0, so the shared words of the head's rows are simply not used.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub(crate) shared: Cells<'a>,
    pub(crate) head: Cells<'a>,
    pub(crate) head_rows: u32,
    pub(crate) layout: Layout,
}

impl<'a> Table<'a> {
    /// A table whose rows are all in `cells`; words that fill no row are never touched.
    pub fn whole(cells: Cells<'a>, layout: Layout) -> Self {
        Self::with_head(cells, cells.slice(0..0), layout)
    }

    /// A table whose first rows, as many as `head` holds, are in `head` and the others in `shared`.
    pub fn with_head(shared: Cells<'a>, head: Cells<'a>, layout: Layout) -> Self {
        let head_rows = u32::try_from(head.len() / layout.width()).unwrap_or(u32::MAX);
        Self { shared, head, head_rows, layout }
    }

    /// How many rows there are, head included.
    pub fn rows(&self) -> usize {
        self.shared.len() / self.layout.width()
    }

    /// Where row `id` of `width` words begins. Both are constants to the row loops, so that the code has only what is needed.
    ///
    /// # Safety
    /// `id` is below [`Table::rows`], `width` is the layout's, and without `has_head` there is no head.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, id: u32, width: usize, has_head: bool) -> *const AtomicU32 {
        let base = if has_head {
            select_unpredictable(id < self.head_rows, self.head.start(), self.shared.start())
        } else {
            self.shared.start()
        };
        // SAFETY: the row lies within its cells: `head_rows` rows in the head, `rows()` in the shared words.
        unsafe { base.add(id as usize * width) }
    }

    /// Where the shared words of row `id` would begin, for asking ahead: never the head's, for they are hot in the core that
    /// merges, and asking for them would bounce them. The id needs no bound, since a prefetch cannot fault.
    #[inline(always)]
    pub(crate) fn ahead(&self, id: u32, width: usize, has_head: bool) -> *const AtomicU32 {
        let id = if has_head { id.max(self.head_rows) } else { id };
        self.shared.start().wrapping_add((id as usize).wrapping_mul(width))
    }
}
