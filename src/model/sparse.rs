//! The sparse models, linear or with factors, learned row by row over any view of their weights.

use hogback_kernels::{Cells, Learner, LearnerSpec, Ratings, Row, Scratch, Step, Table};

use super::tally::{Scored, Scorer, Tally};

/// The most rows learned between two looks at their margins.
const GROUP: usize = 64;

/// A sparse model's training pass, specialised for an objective, a rule and a kind of table.
#[derive(Clone, Debug)]
pub struct Sparse {
    learner: Learner,
    scorer: Scorer,
}

/// What a child keeps between calls.
#[derive(Debug, Default)]
pub struct Buffers {
    /// The kernels'.
    pub scratch: Scratch,
    margins: Vec<f32>,
}

impl Sparse {
    /// A pass as `spec` says, whose margins `scorer` looks at.
    pub fn new(spec: LearnerSpec, scorer: Scorer) -> Self {
        Self { learner: Learner::new(scorer.backend, spec), scorer }
    }

    /// [`Sparse::pass`] over rows of two features.
    #[expect(clippy::too_many_arguments, reason = "as for pass")]
    pub fn pass_ratings(
        &self,
        table: &Table<'_>,
        bias: Cells<'_>,
        ratings: Ratings<'_>,
        learn: usize,
        step: &Step<'_>,
        buffers: &mut Buffers,
        tally: &mut Tally,
    ) {
        buffers.margins.resize(learn, 0.0);
        self.learner.learn_ratings(table, ratings, bias, step, &mut buffers.margins);
        let (targets, weights) = (&ratings.targets[..learn], &ratings.weights[..learn]);
        self.scorer.tally(tally, Scored { margins: &buffers.margins, targets, weights });
    }

    /// Learns the first `learn` of `rows` in place; those behind them come next and are only asked for ahead of use. `bias` is the
    /// intercept, laid out as a row of the table without factors.
    #[expect(clippy::too_many_arguments, reason = "a view's parts, the rows, and what is kept between calls")]
    pub fn pass(
        &self,
        table: &Table<'_>,
        bias: Cells<'_>,
        rows: &[Row<'_>],
        learn: usize,
        step: &Step<'_>,
        buffers: &mut Buffers,
        tally: &mut Tally,
    ) {
        let stride = self.learner.layout().stride();
        let Buffers { scratch, margins } = buffers;
        margins.resize(GROUP * stride, 0.0);
        let (mut targets, mut weights) = ([0.0; GROUP], [0.0; GROUP]);
        let mut from = 0;
        while from < learn {
            let n = (learn - from).min(GROUP);
            let margins = &mut margins[..n * stride];
            self.learner.learn(table, &rows[from..], bias, step, margins, scratch);
            for ((row, target), weight) in rows[from..from + n].iter().zip(&mut targets).zip(&mut weights) {
                (*target, *weight) = (row.target, row.weight);
            }
            self.scorer.tally(tally, Scored { margins, targets: &targets[..n], weights: &weights[..n] });
            from += n;
        }
    }
}
