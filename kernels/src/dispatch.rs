//! From run-time choices to compile-time ones: each public call enters one function that was compiled for its
//! backend, and the whole loop runs inside it.

#[cfg(all(target_arch = "aarch64", not(miri)))]
use crate::aarch64::neon::Neon;
use crate::backend::{Backend, Kind};
use crate::cells::Cells;
use crate::copy;
use crate::dense::{self, DenseRule, DenseStep};
use crate::lane::Lane;
use crate::loss::{Hinge, Logistic, Loss, Slope, Squared};
use crate::merge::{self, Merge, MergeRule};
use crate::rows::Row;
use crate::scalar::{Scalar, check_floor};
use crate::sparse::{self, Adagrad, Descend, Group, Scratch, Sgd, Shape, Slot, Step, Table};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::x86_64::{avx2::Avx2, avx512::Avx512};

/// The update rule of a sparse tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Plain stochastic gradient descent; rows of one word.
    Sgd,
    /// Adagrad; rows of two words, [w, n].
    Adagrad,
}

impl Rule {
    /// Words in a tensor row: the weight and its slots.
    pub fn width(self) -> usize {
        match self {
            Self::Sgd => Sgd::WIDTH,
            Self::Adagrad => Adagrad::WIDTH,
        }
    }
}

/// What a row loop is specialised for.
#[derive(Clone, Copy, Debug)]
pub struct LearnerSpec {
    /// The loss.
    pub loss: Loss,
    /// The update rule.
    pub rule: Rule,
    /// The table has a private head.
    pub head: bool,
    /// Ask for rows of the table ahead of use: pays where it exceeds the second-level cache.
    pub ahead: bool,
    /// Every value is 1.
    pub ones: bool,
    /// There is an L2 penalty.
    pub decay: bool,
}

/// A row loop, chosen once.
#[derive(Clone, Copy)]
pub struct Learner {
    spec: LearnerSpec,
    run: Run,
}

impl core::fmt::Debug for Learner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Learner").field(&self.spec).finish()
    }
}

impl Learner {
    /// The row loop for `spec` on `backend`.
    pub fn new(backend: Backend, spec: LearnerSpec) -> Self {
        let run = match spec.loss {
            Loss::Logistic => with_loss::<Logistic>(backend, &spec),
            Loss::Squared => with_loss::<Squared>(backend, &spec),
            Loss::Hinge => with_loss::<Hinge>(backend, &spec),
        };
        Self { spec, run }
    }

    /// Learns the first `margins.len()` of `rows`, one after the other, in place; the rows behind them are those that come next, for
    /// asking ahead. `margins` receives each row's margin before it was learned.
    ///
    /// # Panics
    /// Where the table, the rows and the step are not what the learner was made for, or do not fit each other.
    pub fn learn<'a>(
        &self,
        table: &Table<'a>,
        rows: &[Row<'a>],
        bias: &mut Slot,
        step: &Step<'_>,
        margins: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let Self { spec, run } = self;
        assert_eq!(
            spec.decay,
            !step.decay.is_empty(),
            "an L2 penalty where the learner was made without, or the reverse"
        );
        assert!(spec.head || table.head_rows == 0, "a head where the learner was made without");
        let learn = margins.len();
        if spec.rule == Rule::Adagrad {
            check_floor(step.floor);
        }
        for row in rows.iter().take(learn) {
            assert!(
                row.is_empty() || spec.ones == row.values().is_empty(),
                "values where all should be 1, or the reverse"
            );
        }
        let mut group = Group { table: *table, rows, learn, bias, step: *step, margins, scratch };
        group.check(spec.rule.width());
        // SAFETY: a `Backend` exists only where its instruction set does; the group is checked; head, values and decay are as
        // the shape says, by the assertions above.
        unsafe { run(&mut group) }
    }
}

/// A row loop compiled for one backend, rule, loss and shape.
type Run = unsafe fn(&mut Group<'_, '_>);

/// [`Shape`] spelled out.
struct Flags<const HEAD: bool, const AHEAD: bool, const ONES: bool, const DECAY: bool>;

impl<const HEAD: bool, const AHEAD: bool, const ONES: bool, const DECAY: bool> Shape
    for Flags<HEAD, AHEAD, ONES, DECAY>
{
    const HEAD: bool = HEAD;
    const AHEAD: bool = AHEAD;
    const ONES: bool = ONES;
    const DECAY: bool = DECAY;
}

fn with_loss<L: Slope>(backend: Backend, spec: &LearnerSpec) -> Run {
    match spec.rule {
        Rule::Sgd => with_rule::<L, Sgd>(backend, spec),
        Rule::Adagrad => with_rule::<L, Adagrad>(backend, spec),
    }
}

fn with_rule<L: Slope, D: Descend>(backend: Backend, spec: &LearnerSpec) -> Run {
    if spec.head { with_head::<L, D, true>(backend, spec) } else { with_head::<L, D, false>(backend, spec) }
}

fn with_head<L: Slope, D: Descend, const HEAD: bool>(backend: Backend, spec: &LearnerSpec) -> Run {
    if spec.ahead {
        with_ahead::<L, D, HEAD, true>(backend, spec)
    } else {
        with_ahead::<L, D, HEAD, false>(backend, spec)
    }
}

fn with_ahead<L: Slope, D: Descend, const HEAD: bool, const AHEAD: bool>(backend: Backend, spec: &LearnerSpec) -> Run {
    match (spec.ones, spec.decay) {
        (false, false) => on::<L, D, Flags<HEAD, AHEAD, false, false>>(backend),
        (false, true) => on::<L, D, Flags<HEAD, AHEAD, false, true>>(backend),
        (true, false) => on::<L, D, Flags<HEAD, AHEAD, true, false>>(backend),
        (true, true) => on::<L, D, Flags<HEAD, AHEAD, true, true>>(backend),
    }
}

fn on<L: Slope, D: Descend, S: Shape>(backend: Backend) -> Run {
    match backend.0 {
        Kind::Scalar => always::<Scalar, L, D, S>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx2 => avx2::<L, D, S>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx512 => avx512::<L, D, S>,
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        Kind::Neon => always::<Neon, L, D, S>,
    }
}

/// For a `V` that everything is compiled for anyway.
///
/// # Safety
/// That of [`Descend::learn`].
unsafe fn always<V: Lane, L: Slope, D: Descend, S: Shape>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { D::learn::<V, L, S>(group) }
}

/// # Safety
/// That of [`Descend::learn`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,fma,bmi2")]
unsafe fn avx2<L: Slope, D: Descend, S: Shape>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { D::learn::<Avx2, L, S>(group) }
}

/// # Safety
/// That of [`Descend::learn`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
unsafe fn avx512<L: Slope, D: Descend, S: Shape>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { D::learn::<Avx512, L, S>(group) }
}

/// Something written over a [`Lane`], to be run on a backend.
pub(crate) trait Work {
    /// # Safety
    /// The instruction set of `V`.
    unsafe fn run<V: Lane>(self);
}

impl Backend {
    /// Runs `work` on this backend.
    pub(crate) fn run<W: Work>(self, work: W) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        #[target_feature(enable = "avx2,fma,bmi2")]
        unsafe fn avx2<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx2>() }
        }
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
        unsafe fn avx512<W: Work>(work: W) {
            // SAFETY: the caller's promise.
            unsafe { work.run::<Avx512>() }
        }
        // SAFETY: a `Backend` exists only where its instruction set does.
        unsafe {
            match self.0 {
                Kind::Scalar => work.run::<Scalar>(),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Kind::Avx2 => avx2(work),
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                Kind::Avx512 => avx512(work),
                #[cfg(all(target_arch = "aarch64", not(miri)))]
                Kind::Neon => work.run::<Neon>(),
            }
        }
    }

    /// Copies shared words into private memory, past the caches; words that others write meanwhile are taken before or after,
    /// each whole.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn copy_out(self, from: Cells<'_>, to: &mut [f32]) {
        struct CopyOut<'a>(Cells<'a>, &'a mut [f32]);
        impl Work for CopyOut<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { copy::copy_out::<V>(self.0, self.1) }
            }
        }
        assert_eq!(from.len(), to.len(), "a copy into a slice of another length");
        self.run(CopyOut(from, to));
    }

    /// Copies private words into shared ones.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn copy_in(self, from: &[f32], to: Cells<'_>) {
        struct CopyIn<'a>(&'a [f32], Cells<'a>);
        impl Work for CopyIn<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { copy::copy_in::<V>(self.0, self.1) }
            }
        }
        assert_eq!(from.len(), to.len(), "a copy into a slice of another length");
        self.run(CopyIn(from, to));
    }

    /// Adds `delta` to shared words. One thread at a time may add to the same words, or sums are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn add_delta(self, delta: &[f32], to: Cells<'_>) {
        struct AddDelta<'a>(&'a [f32], Cells<'a>);
        impl Work for AddDelta<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the lengths are compared below.
                unsafe { copy::add_delta::<V>(self.0, self.1) }
            }
        }
        assert_eq!(delta.len(), to.len(), "a delta of another length");
        self.run(AddDelta(delta, to));
    }

    /// Folds what a child changed in `mine` since it was `base` into `master`, and takes the result back into both. One thread at a
    /// time may merge into the same words, or changes are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ; for a rule on pairs where they are odd or its floor is not positive and normal.
    pub fn merge(self, master: Cells<'_>, mine: Cells<'_>, base: Cells<'_>, rule: MergeRule) {
        struct Fold<'a>(Merge<'a>);
        impl Work for Fold<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the merge is checked below.
                unsafe { merge::merge::<V>(self.0) }
            }
        }
        let fold = Merge { master, mine, base, rule };
        fold.check();
        self.run(Fold(fold));
    }

    /// One step of `rule` on a stretch of a dense tensor: `slots` are the planes of its optimiser slots. One thread at a time may
    /// step the same words, or updates are lost; readers are free.
    ///
    /// # Panics
    /// Where the lengths differ, the planes are not as many as the rule's slots, or Adagrad's floor is not positive and normal.
    pub fn dense_step(self, rule: DenseRule, weights: Cells<'_>, slots: &[Cells<'_>], gradient: &[f32]) {
        struct Apply<'s, 'a>(&'s DenseStep<'a>);
        impl Work for Apply<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the step is checked below.
                unsafe { dense::apply::<V>(self.0) }
            }
        }
        let step = DenseStep { rule, weights, slots, gradient };
        step.check();
        self.run(Apply(&step));
    }

    /// The sum of a loss over rows, by their margins and targets.
    ///
    /// # Panics
    /// Where the slices differ in length.
    pub fn sum_loss(self, loss: Loss, margins: &[f32], targets: &[f32]) -> f64 {
        struct Sum<'a>(Loss, &'a [f32], &'a [f32], &'a mut f64);
        impl Work for Sum<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise.
                *self.3 = unsafe { self.0.sum::<V>(self.1, self.2) };
            }
        }
        assert_eq!(margins.len(), targets.len(), "a target for each margin");
        let mut sum = 0.0;
        self.run(Sum(loss, margins, targets, &mut sum));
        sum
    }

    /// The margins of `rows`, intercept included, by a table without a head; nothing is changed.
    ///
    /// # Panics
    /// Where `margins` has another length than `rows`, or the rows do not fit the table.
    pub fn score(self, table: &Table<'_>, rows: &[Row<'_>], bias: f32, margins: &mut [f32]) {
        struct Score<'c, 'a>(&'c Table<'a>, &'c [Row<'a>], &'c mut [f32]);
        impl Work for Score<'_, '_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise; width and limits are checked below.
                unsafe {
                    match self.0.width {
                        1 => sparse::score::<V, 1>(self.0, self.1, self.2),
                        _ => sparse::score::<V, 2>(self.0, self.1, self.2),
                    }
                }
            }
        }
        assert!(table.head_rows == 0 && matches!(table.width, 1 | 2), "scores are of whole tables of one or two words");
        assert_eq!(rows.len(), margins.len(), "a margin for each row");
        for row in rows {
            assert!(
                row.is_empty() || row.ids().limit() as usize <= table.rows(),
                "a row of data made for a larger table"
            );
        }
        self.run(Score(table, rows, margins));
        for margin in margins {
            *margin += bias;
        }
    }
}
