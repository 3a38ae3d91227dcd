//! The margins of rows by a whole table; nothing is learned.
//!
//! What flows in: a table without a head, rows, what its words mean. What flows out: margins, the intercept included.

use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::factors::{self, Model};
use crate::group::{Scratch, Step};
use crate::lane::Lane;
use crate::many;
use crate::one;
use crate::rows::Row;
use crate::rules::{Adagrad, Ftrl, Rule, Sgd};
use crate::table::Table;

impl Backend {
    /// The margins of `rows`, intercept included, by a table without a head, its words meaning what they do under `rule` and `step`;
    /// nothing is changed. `bias` is laid out as [`crate::Layout::intercept`] says, `margins` has a stride of it for each row of data.
    ///
    /// # Panics
    /// Where `margins` is of another length, or table, intercept, rows and rule do not fit each other.
    pub fn score(
        self,
        (rule, step): (Rule, &Step<'_>),
        table: &Table<'_>,
        rows: &[Row<'_>],
        bias: Cells<'_>,
        margins: &mut [f32],
        scratch: &mut Scratch,
    ) {
        struct Score<'c, 'a>(
            Rule,
            &'c Step<'c>,
            &'c Table<'a>,
            &'c [Row<'a>],
            Cells<'c>,
            &'c mut [f32],
            &'c mut Scratch,
        );
        impl Work for Score<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(rule, step, table, rows, bias, margins, scratch) = self;
                // SAFETY: the caller's promise; layouts and limits are checked below, and a half register is there wherever the
                // whole one is.
                unsafe {
                    match (table.layout.stride(), rule) {
                        _ if table.layout.factors().is_some() => {
                            let model = Model { table: *table, step: *step };
                            factors::score::<V>(&model, rows, bias, margins, scratch);
                        }
                        (1, Rule::Sgd) => one::score_words::<V, 1>(table, rows, margins),
                        (1, Rule::Adagrad) => one::score_words::<V, 2>(table, rows, margins),
                        (1, Rule::Ftrl) => one::score_pairs::<V, Ftrl<V>>(table, step, rows, margins, scratch),
                        (stride, _) if stride.is_multiple_of(V::WORDS) => {
                            score_many::<V>(rule, step, table, rows, bias, margins);
                        }
                        _ => score_many::<V::Half>(rule, step, table, rows, bias, margins),
                    }
                }
            }
        }
        let layout = table.layout;
        let fits =
            if layout.factors().is_some() { rule == Rule::Adagrad } else { layout == rule.layout(layout.outputs()) };
        assert!(fits, "a table of another layout than the rule's");
        assert!(table.head_rows == 0, "scores are of whole tables");
        assert_eq!(bias.len(), layout.intercept().width(), "an intercept of another width than the table's rows");
        assert_eq!(rows.len() * layout.stride(), margins.len(), "a margin for each row and output");
        rule.check(step);
        for row in rows {
            assert!(
                row.is_empty() || row.ids().limit() as usize <= table.rows(),
                "a row of data made for a larger table"
            );
        }
        self.run(Score(rule, step, table, rows, bias, margins, scratch));
        if layout.outputs() == 1 && layout.factors().is_none() {
            let slot = if layout.has_slots() { bias.get(1) } else { 0.0 };
            let bias = rule.weight(step, true, bias.get(0), slot);
            margins.iter_mut().for_each(|margin| *margin += bias);
        }
    }
}

/// # Safety
/// That of [`many::score`].
#[inline(always)]
unsafe fn score_many<V: Lane>(
    rule: Rule,
    step: &Step<'_>,
    table: &Table<'_>,
    rows: &[Row<'_>],
    bias: Cells<'_>,
    margins: &mut [f32],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match rule {
            Rule::Sgd => many::score::<V, Sgd<V>>(table, step, rows, bias, margins),
            Rule::Adagrad => many::score::<V, Adagrad<V>>(table, step, rows, bias, margins),
            Rule::Ftrl => many::score::<V, Ftrl<V>>(table, step, rows, bias, margins),
        }
    }
}
