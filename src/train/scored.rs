//! Held-out rows scored, against Θ as it is.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use hogback_kernels::Table;

use super::corpus::{BATCH, Place, recycled};
use super::job::{Child, Learner, Train, answer};
use crate::engine::reward::Answer;
use crate::error::Result;
use crate::model::layered::LayeredView;
use crate::model::tally::{Scored, Tally};
use crate::report::metrics::likeliest;
use crate::theta::exchange::{BIAS, LAYERS, WEIGHT};
use crate::theta::private::Aligned;

impl<'t> Train<'t, '_> {
    /// Scores the held-out rows of `range`.
    pub(super) fn score(&self, child: &mut Child<'t>, range: Range<usize>) -> Result<Answer> {
        let corpus = self.held_out.corpus(&self.corpus);
        let Child { buffers, space, copies, margins, layers, spare, .. } = child;
        let (table, bias) = (self.theta.tensors()[WEIGHT].cells(), self.theta.tensors()[BIAS].cells());
        let (table, step, stride) = (Table::whole(table, self.head.layout), self.step(), self.configuration.stride());
        if let Learner::Layered(_) = self.learner {
            let words = self.theta.tensors()[LAYERS].plane(0);
            if layers.len() != words.len() {
                *layers = Aligned::new(words.len());
            }
            self.theta.backend().copy_out(words, layers.as_mut_slice());
        }
        let mut tally = Tally::default();
        let mut from = range.start;
        while from < range.end {
            let n = (range.end - from).min(BATCH);
            let mut places = [Place::default(); BATCH];
            corpus.places(&self.held_out.rows[from..from + n], &mut places)?;
            let mut rows = recycled(std::mem::take(spare));
            corpus.fetch(&places[..n], copies, &mut rows)?;
            let margins = match &self.learner {
                Learner::Sparse(_) => {
                    margins.resize(n * stride, 0.0);
                    let rule = (self.rule, &step);
                    self.theta.backend().score(rule, &table, &rows, bias, margins, &mut buffers.scratch);
                    &margins[..]
                }
                Learner::Layered(layered) => {
                    layered.score(LayeredView { weights: layers.as_slice(), table: &table }, &rows, space);
                    space.margins()
                }
            };
            let (mut targets, mut weights) = ([0.0; BATCH], [0.0; BATCH]);
            for ((row, target), weight) in rows.iter().zip(&mut targets).zip(&mut weights) {
                (*target, *weight) = (row.target, row.weight);
            }
            *spare = recycled(rows);
            self.scorer.tally(&mut tally, Scored { margins, targets: &targets[..n], weights: &weights[..n] });
            let outputs = self.configuration.outputs();
            for (cell, margins) in self.held_out.scores[from..from + n].iter().zip(margins.chunks_exact(stride)) {
                let score = if outputs == 1 { margins[0] } else { likeliest(&margins[..outputs]) as f32 };
                cell.store(score.to_bits(), Relaxed);
            }
            from += n;
        }
        Ok(answer(&tally, 0))
    }
}
