//! The linear model: margin = intercept + Σ w·x, learned row by row over any view of its weights.

use hogback_kernels::{Backend, Learner, LearnerSpec, Loss, Row, Scratch, Slot, Step, Table};

/// What Adagrad's accumulators begin at: a fresh weight moves by the rate times its gradient, not by the whole rate.
pub const FLOOR: f32 = 1.0;

/// The most rows learned between two looks at their margins.
const GROUP: usize = 64;

/// A linear model's training pass, specialised for a loss, a rule and a kind of table.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    backend: Backend,
    learner: Learner,
    loss: Loss,
    constant: Constant,
}

/// The best constant prediction of the training rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Constant {
    /// Its margin, which is where the intercept begins.
    pub margin: f32,
    /// Its loss per row.
    pub loss: f64,
}

impl Constant {
    /// What it loses on a row with target `y`, or what a model of zeros would if that is more: a rare class is dear to whoever has hardly
    /// seen it.
    fn cost(self, loss: Loss, y: f32) -> f64 {
        f64::from(loss.value(self.margin, y)).max(f64::from(loss.value(0.0, y)))
    }
}

/// What learning some rows showed, each row scored before it was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows learned.
    pub rows: u32,
    /// Their summed loss.
    pub loss: f64,
    /// What the best constant prediction would have lost on them.
    pub constant: f64,
    /// Of classes: rows whose margin had the target's sign. Of numbers: the sum of absolute errors.
    pub score: f64,
}

impl Tally {
    /// Adds rows of which margins and targets are known; `constant` is the best constant prediction and its loss per row.
    fn add(&mut self, backend: Backend, loss: Loss, constant: Constant, margins: &[f32], targets: &[f32]) {
        self.rows += margins.len() as u32;
        self.constant += match loss {
            Loss::Logistic | Loss::Hinge => {
                let positive = targets.iter().filter(|&&y| y > 0.0).count();
                positive as f64 * constant.cost(loss, 1.0)
                    + (targets.len() - positive) as f64 * constant.cost(loss, -1.0)
            }
            // Numbers may have outliers, which cost any prediction dear.
            Loss::Squared => targets.iter().map(|y| 0.5 * f64::from(constant.margin - y).powi(2)).sum(),
        };
        self.loss += backend.sum_loss(loss, margins, targets);
        let pairs = margins.iter().zip(targets);
        self.score += match loss {
            // A margin of 0 predicts the negative class.
            Loss::Logistic | Loss::Hinge => pairs.filter(|&(&m, &y)| (m > 0.0) == (y > 0.0)).count() as f64,
            Loss::Squared => pairs.map(|(m, y)| f64::from((m - y).abs())).sum(),
        };
    }
}

impl Linear {
    /// A pass as `spec` says, over data whose best constant prediction is `constant`.
    pub fn new(backend: Backend, spec: LearnerSpec, constant: Constant) -> Self {
        Self { backend, learner: Learner::new(backend, spec), loss: spec.loss, constant }
    }

    /// What predicting `margins` for rows of these `targets` shows.
    pub fn tally(&self, tally: &mut Tally, margins: &[f32], targets: &[f32]) {
        tally.add(self.backend, self.loss, self.constant, margins, targets);
    }

    /// The best constant prediction.
    pub fn constant(&self) -> Constant {
        self.constant
    }

    /// Learns the first `learn` of `rows` in place; those behind them come next and are only asked for ahead of use.
    #[expect(clippy::too_many_arguments, reason = "a view's parts, the rows, and what is kept between calls")]
    pub fn pass(
        &self,
        table: &Table<'_>,
        bias: &mut Slot,
        rows: &[Row<'_>],
        learn: usize,
        step: &Step<'_>,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        let mut margins = [0.0; GROUP];
        let mut targets = [0.0; GROUP];
        let mut from = 0;
        while from < learn {
            let n = (learn - from).min(GROUP);
            self.learner.learn(table, &rows[from..], bias, step, &mut margins[..n], scratch);
            for (target, row) in targets.iter_mut().zip(&rows[from..from + n]) {
                *target = row.target;
            }
            self.tally(tally, &margins[..n], &targets[..n]);
            from += n;
        }
    }
}
