//! [`Table`]: the rows of a sparse tensor as a child sees them, and [`Layout`]: what stands in a row.

use core::hint::select_unpredictable;
use core::sync::atomic::AtomicU32;

use crate::cells::Cells;

/// What stands in a row of a sparse tensor: a word for each output, padded to [`Layout::stride`] words, and behind them, under a
/// rule that has one, their optimiser slots in the same order. With one output that is `[w]` or `[w, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    outputs: usize,
    slots: usize,
}

impl Layout {
    /// Rows of several outputs are whole registers of any backend.
    const REGISTER: usize = 8;

    /// The layout of rows of `outputs` weights with `slots` optimiser slots each, 0 or 1.
    ///
    /// # Panics
    /// Where there is no output, or there are more slots.
    pub fn new(outputs: usize, slots: usize) -> Self {
        assert!(outputs > 0 && slots <= 1, "rows of {outputs} outputs with {slots} slots each");
        Self { outputs, slots }
    }

    /// How many outputs.
    #[inline(always)]
    pub fn outputs(self) -> usize {
        self.outputs
    }

    /// Words of the outputs, padding included; 1 for one output, else a multiple of 8.
    #[inline(always)]
    pub fn stride(self) -> usize {
        if self.outputs == 1 { 1 } else { self.outputs.next_multiple_of(Self::REGISTER) }
    }

    /// Words in a row.
    #[inline(always)]
    pub fn width(self) -> usize {
        self.stride() * (1 + self.slots)
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
