//! [`Layout`]: where the parts of a policy stand in its flat stretch of words.

use super::skips::link;
use crate::search::space::Space;

/// Units of a layer of the LSTM.
pub const UNITS: usize = 35;
/// What the gates of a layer take in: input, forget and output gate, and what is proposed.
pub(super) const GATES: usize = 4 * UNITS;
/// What goes into a layer at a step: what comes from below, what it gave at the step before, and a 1 for the biases.
pub(super) const INPUTS: usize = 2 * UNITS + 1;
/// What a head sees: what the upper layer gives, and a 1 for the biases.
pub(super) const SEEN: usize = UNITS + 1;
/// Words from one row of the weights of a layer to the next: whole lines of a cache.
pub(super) const GATE_ROW: usize = GATES.next_multiple_of(16);

/// Where the parts of a policy stand. Each begins on a multiple of 16 words.
#[derive(Debug)]
pub(super) struct Layout {
    /// What goes in at the first step: one row of [`UNITS`].
    pub(super) start: usize,
    /// By decision: a row of [`UNITS`] for each of its values, which goes in at the step after it was chosen.
    pub(super) embeddings: Vec<usize>,
    /// By layer of the LSTM: [`INPUTS`] rows of [`GATES`], [`GATE_ROW`] apart.
    pub(super) cells: [usize; 2],
    /// By decision: a row of [`SEEN`] for each of its values, whose product with what the upper layer gives is its logit; of skip
    /// connections none.
    pub(super) heads: Vec<usize>,
    /// Those of skip connections, where the space has any.
    pub(super) skips: Option<Skips>,
    /// By decision: the number of its first value among those of all decisions; then how many there are.
    pub(super) values: Vec<usize>,
    /// All parts, in the order in which they stand.
    pub(super) parts: Vec<Part>,
    /// How many words there are.
    pub(super) words: usize,
}

/// Where the parts of skip connections stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skips {
    /// W_prev, [`UNITS`] rows of [`UNITS`].
    pub(super) previous: usize,
    /// W_curr, as many.
    pub(super) current: usize,
    /// v.
    pub(super) judge: usize,
    /// A row of [`UNITS`] for each layer that a connection may come from: its state where it has no anchor point.
    pub(super) states: usize,
    /// How many rows those are: one more than the last layer that a connection may come from.
    pub(super) layers: usize,
}

/// A part: so many rows of so many words, `stride` apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) from: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl Layout {
    /// The layout of the policy of a space.
    pub(super) fn new(space: &Space) -> Self {
        let mut parts = Vec::new();
        let mut words = 0;
        let mut take = |rows: usize, columns: usize, stride: usize| {
            let from = words;
            parts.push(Part { from, rows, columns, stride });
            words = (from + rows * stride).next_multiple_of(16);
            from
        };
        let start = take(1, UNITS, UNITS);
        let cells = [(); 2].map(|()| take(INPUTS, GATES, GATE_ROW));
        let decisions = space.decisions();
        let embeddings = decisions.iter().map(|decision| take(decision.values.len(), UNITS, UNITS)).collect();
        let heads = decisions
            .iter()
            .map(|decision| take(if link(decision).is_some() { 0 } else { decision.values.len() }, SEEN, SEEN))
            .collect();
        let last = decisions.iter().filter_map(link).map(|(from, _)| from).max();
        let skips = last.map(|last| Skips {
            previous: take(UNITS, UNITS, UNITS),
            current: take(UNITS, UNITS, UNITS),
            judge: take(1, UNITS, UNITS),
            states: take(last + 1, UNITS, UNITS),
            layers: last + 1,
        });
        let counts = decisions.iter().scan(0, |sum, decision| {
            *sum += decision.values.len();
            Some(*sum)
        });
        let values = std::iter::once(0).chain(counts).collect();
        Self { start, embeddings, cells, heads, skips, values, parts, words }
    }

    /// Where the row of a choice stands, which goes in at the step after it.
    pub(super) fn embedding(&self, decision: usize, choice: u8) -> std::ops::Range<usize> {
        let from = self.embeddings[decision] + usize::from(choice) * UNITS;
        from..from + UNITS
    }
}

impl Part {
    /// Where its words stand: those between the rows are none.
    pub(super) fn words(self) -> impl Iterator<Item = usize> {
        let row = move |row| self.from + row * self.stride;
        (0..self.rows).flat_map(move |nth| row(nth)..row(nth) + self.columns)
    }
}
