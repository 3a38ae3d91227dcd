//! One call of a row loop: what it works on, and the checks that the loops rely on.

use alloc::vec::Vec;

use crate::cells::Cells;
use crate::loss::{ClassLoss, Loss};
use crate::rows::Row;
use crate::table::Table;

/// How far a gradient moves a weight.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The learning rate of the weights; α of FTRL-proximal.
    pub rate: f32,
    /// The learning rate of the intercept.
    pub bias_rate: f32,
    /// What Adagrad adds to the sum of squares before the root; its root is β of FTRL-proximal. For both positive and normal.
    pub floor: f32,
    /// For each tensor row the factor of its weight that is added to its gradient (L2), or nothing.
    pub decay: &'a [f32],
    /// λ1 of FTRL-proximal: weights whose accumulated gradient stays within it are 0. Not the intercept's.
    pub l1: f32,
    /// The squared norm that each row of data is brought to, where there are factors; 0 where rows are taken as they are.
    pub norm: f32,
}

/// What a row loop keeps between the margin and the update of a row. Private to a child, reused by every call.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Registers as they were loaded; 64-byte aligned.
    stash: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "written and read through a pointer")] [f32; 16]);

impl Scratch {
    /// Room for at least `lines` cache lines.
    #[inline(always)]
    pub(crate) fn room(&mut self, lines: usize) -> *mut f32 {
        if self.stash.len() < lines {
            self.grow(lines);
        }
        self.stash.as_mut_ptr().cast()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, lines: usize) {
        self.stash.resize(lines.next_power_of_two(), Line([0.0; 16]));
    }
}

/// What the outputs of a model are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// One output.
    One(Loss),
    /// An output for each class; a row's target is the number of its class.
    Classes {
        /// The loss.
        loss: ClassLoss,
        /// How many classes there are, at least two.
        classes: usize,
    },
}

impl Objective {
    /// How many outputs.
    pub fn outputs(self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Classes { classes, .. } => classes,
        }
    }
}

/// What the row loops of one output are specialised by, besides backend and rule.
pub(crate) trait Shape {
    /// There is a private head.
    const HEAD: bool;
    /// The table exceeds the caches near the core: ask for rows before they are needed.
    const AHEAD: bool;
    /// Every value is 1.
    const ONES: bool;
    /// There is an L2 penalty.
    const DECAY: bool;
}

/// One call of a row loop.
pub(crate) struct Group<'c, 'a> {
    pub(crate) objective: Objective,
    pub(crate) table: Table<'a>,
    /// The rows to learn and, behind them, rows that will come next.
    pub(crate) rows: &'c [Row<'a>],
    /// How many of them to learn.
    pub(crate) learn: usize,
    /// Ask for rows of the table ahead of use.
    pub(crate) ahead: bool,
    /// The intercept, laid out as [`crate::Layout::intercept`] says; private to the child.
    pub(crate) bias: Cells<'c>,
    pub(crate) step: Step<'c>,
    /// The margins of each row before it was learned, the table's stride of them for each of the `learn` rows.
    pub(crate) margins: &'c mut [f32],
    pub(crate) scratch: &'c mut Scratch,
}

/// How many rows ahead of use a row of data is asked for: rows come from distant places in turn, where no hardware follows.
pub const DATA_AHEAD: usize = 10;

impl Group<'_, '_> {
    /// Checks what the loops rely on.
    ///
    /// # Panics
    /// Where the group does not fit its table, or rows have values where all should be 1 (`ones`), or the reverse.
    pub(crate) fn check(&self, ones: bool) {
        let layout = self.table.layout;
        assert_eq!(self.bias.len(), layout.intercept().width(), "an intercept of another width than the table's rows");
        assert!(
            self.learn <= self.rows.len() && self.learn * layout.stride() <= self.margins.len(),
            "more rows to learn than there are"
        );
        assert!(self.table.head_rows as usize <= self.table.rows(), "a head longer than its table");
        let rows = self.table.rows().min(if self.step.decay.is_empty() { usize::MAX } else { self.step.decay.len() });
        // One look at all rows, no branch at each: which it was matters only where one does not fit.
        let (mut short, mut valued) = (false, false);
        for row in &self.rows[..self.learn] {
            short |= !row.is_empty() & (row.ids().limit() as usize > rows);
            valued |= !row.is_empty() & (row.values().is_empty() != ones);
        }
        assert!(!short, "a row of data made for a larger table");
        assert!(!valued, "values where all should be 1, or the reverse");
    }
}
