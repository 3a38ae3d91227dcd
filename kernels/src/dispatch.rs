//! From run-time choices to compile-time ones: each public call enters one function that was compiled for its
//! backend, and the whole loop runs inside it.

#[cfg(all(target_arch = "aarch64", not(miri)))]
use crate::aarch64::neon::Neon;
use crate::backend::{Backend, Kind};
use crate::cells::Cells;
use crate::copy;
use crate::dense::{self, DenseRule, DenseStep};
use crate::group::{Group, Objective, Scratch, Shape, Step};
use crate::lane::Lane;
use crate::loss::{ClassLoss, Loss};
use crate::many;
use crate::merge::{self, Merge, MergeRule};
use crate::one;
use crate::rows::Row;
use crate::rules::{self, Adagrad, Ftrl, Part, Sgd};
use crate::scalar::{Scalar, check_floor};
use crate::table::{Layout, Table};
#[cfg(all(target_arch = "x86_64", not(miri)))]
use crate::x86_64::{avx2::Avx2, avx512::Avx512};

/// The update rule of a sparse tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Plain stochastic gradient descent; no slots.
    Sgd,
    /// Adagrad; a weight w with a slot n.
    Adagrad,
    /// FTRL-proximal; a word z with a slot n, from which the weight follows.
    Ftrl,
}

impl Rule {
    /// What stands in a row of `outputs` weights.
    pub fn layout(self, outputs: usize) -> Layout {
        Layout::new(outputs, if self == Self::Sgd { 0 } else { 1 })
    }

    /// The weight that a word of a row of Θ with its slot (0 where there is none) stands for under the rates of `step`; `bias`
    /// says that it is the intercept's.
    pub fn weight(self, step: &Step<'_>, bias: bool, word: f32, slot: f32) -> f32 {
        let part = if bias { Part::Bias } else { Part::Rows };
        if self == Self::Ftrl { rules::ftrl_weight(step, part, word, slot) } else { word }
    }

    /// A word that stands for `weight` beside `slot`.
    pub fn word(self, step: &Step<'_>, bias: bool, weight: f32, slot: f32) -> f32 {
        let part = if bias { Part::Bias } else { Part::Rows };
        if self == Self::Ftrl { rules::ftrl_word(step, part, weight, slot) } else { weight }
    }

    /// Checks that the rule can work with `step`.
    fn check(self, step: &Step<'_>) {
        if self != Self::Sgd {
            check_floor(step.floor);
        }
        if self == Self::Ftrl {
            let [rate, bias_rate] = [step.rate, step.bias_rate].map(|rate| rate > 0.0 && rate.is_normal());
            assert!(rate && bias_rate, "rates of FTRL-proximal must be positive and normal");
            assert!(step.l1 >= 0.0 && step.l2 >= 0.0, "penalties must not be negative");
        }
    }
}

/// What a row loop is specialised for.
#[derive(Clone, Copy, Debug)]
pub struct LearnerSpec {
    /// What the outputs are compared with.
    pub objective: Objective,
    /// The update rule.
    pub rule: Rule,
    /// The table has a private head.
    pub head: bool,
    /// Ask for rows of the table ahead of use: pays where it exceeds the second-level cache.
    pub ahead: bool,
    /// Every value is 1.
    pub ones: bool,
    /// There is an L2 penalty in [`Step::decay`].
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
    ///
    /// # Panics
    /// Where there are fewer than two classes, or FTRL-proximal is to have a [`LearnerSpec::decay`].
    pub fn new(backend: Backend, spec: LearnerSpec) -> Self {
        assert!(!spec.decay || spec.rule != Rule::Ftrl, "FTRL-proximal has a penalty of its own");
        let run = match spec.objective {
            Objective::One(_) => one_with_rule(backend, &spec),
            Objective::Classes { classes, .. } => {
                assert!(classes > 1, "an output for each of at least two classes");
                many_with_rule(backend, &spec)
            }
        };
        Self { spec, run }
    }

    /// The rows of its table.
    pub fn layout(&self) -> Layout {
        self.spec.rule.layout(self.spec.objective.outputs())
    }

    /// Learns the first rows, as many as `margins` holds strides, one after the other, in place; the rows behind them are those that
    /// come next, for asking ahead. `margins` receives the margins of each row before it was learned, a stride for each; what
    /// stands behind the outputs there means nothing. `bias` is the intercept, laid out as a row of the table.
    ///
    /// # Panics
    /// Where the table, the rows and the step are not what the learner was made for, or do not fit each other.
    pub fn learn<'a>(
        &self,
        table: &Table<'a>,
        rows: &[Row<'a>],
        bias: Cells<'_>,
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
        assert_eq!(table.layout, self.layout(), "a table of another layout than the learner's");
        spec.rule.check(step);
        let learn = margins.len() / table.layout.stride();
        for row in rows.iter().take(learn) {
            assert!(
                row.is_empty() || spec.ones == row.values().is_empty(),
                "values where all should be 1, or the reverse"
            );
        }
        let (objective, ahead) = (spec.objective, spec.ahead);
        let mut group = Group { objective, table: *table, rows, learn, ahead, bias, step: *step, margins, scratch };
        group.check();
        // SAFETY: a `Backend` exists only where its instruction set does; the group is checked; layout, head, values and decay are as
        // the loop was chosen for, by the assertions above.
        unsafe { run(&mut group) }
    }
}

/// A row loop compiled for one backend, rule and shape.
type Run = unsafe fn(&mut Group<'_, '_>);

/// A row loop that can be compiled for any backend.
trait Loop {
    /// # Safety
    /// The instruction set of `V`, and what the loop itself asks for.
    unsafe fn run<V: Lane>(group: &mut Group<'_, '_>);
}

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

/// The loop of one output under a rule.
struct One<const RULE: u8, S>(core::marker::PhantomData<S>);
/// The loop of several outputs under a rule.
struct Many<const RULE: u8, const DECAY: bool>;

const SGD: u8 = 0;
const ADAGRAD: u8 = 1;
const FTRL: u8 = 2;

impl<const RULE: u8, S: Shape> Loop for One<RULE, S> {
    #[inline(always)]
    unsafe fn run<V: Lane>(group: &mut Group<'_, '_>) {
        // SAFETY: the caller's promise.
        unsafe {
            match RULE {
                SGD => one::learn_words::<V, S>(group),
                ADAGRAD => one::learn_pairs::<V, Adagrad<V>, S>(group),
                _ => one::learn_pairs::<V, Ftrl<V>, S>(group),
            }
        }
    }
}

impl<const RULE: u8, const DECAY: bool> Loop for Many<RULE, DECAY> {
    #[inline(always)]
    unsafe fn run<V: Lane>(group: &mut Group<'_, '_>) {
        // SAFETY: the caller's promise; a half register is there wherever the whole one is.
        unsafe {
            if group.table.layout.stride().is_multiple_of(V::WORDS) {
                many_in::<V, RULE, DECAY>(group);
            } else {
                many_in::<V::Half, RULE, DECAY>(group);
            }
        }
    }
}

/// # Safety
/// That of [`many::learn`].
#[inline(always)]
unsafe fn many_in<V: Lane, const RULE: u8, const DECAY: bool>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe {
        match RULE {
            SGD => many::learn::<V, Sgd<V>, DECAY>(group),
            ADAGRAD => many::learn::<V, Adagrad<V>, DECAY>(group),
            _ => many::learn::<V, Ftrl<V>, DECAY>(group),
        }
    }
}

fn many_with_rule(backend: Backend, spec: &LearnerSpec) -> Run {
    match (spec.rule, spec.decay) {
        (Rule::Sgd, false) => on::<Many<SGD, false>>(backend),
        (Rule::Sgd, true) => on::<Many<SGD, true>>(backend),
        (Rule::Adagrad, false) => on::<Many<ADAGRAD, false>>(backend),
        (Rule::Adagrad, true) => on::<Many<ADAGRAD, true>>(backend),
        (Rule::Ftrl, _) => on::<Many<FTRL, false>>(backend),
    }
}

fn one_with_rule(backend: Backend, spec: &LearnerSpec) -> Run {
    match (spec.rule, spec.decay) {
        (Rule::Sgd, false) => one_with_head::<SGD, false>(backend, spec),
        (Rule::Sgd, true) => one_with_head::<SGD, true>(backend, spec),
        (Rule::Adagrad, false) => one_with_head::<ADAGRAD, false>(backend, spec),
        (Rule::Adagrad, true) => one_with_head::<ADAGRAD, true>(backend, spec),
        (Rule::Ftrl, _) => one_with_head::<FTRL, false>(backend, spec),
    }
}

fn one_with_head<const RULE: u8, const DECAY: bool>(backend: Backend, spec: &LearnerSpec) -> Run {
    match (spec.head, spec.ahead) {
        (false, false) => one_with_values::<RULE, DECAY, false, false>(backend, spec),
        (false, true) => one_with_values::<RULE, DECAY, false, true>(backend, spec),
        (true, false) => one_with_values::<RULE, DECAY, true, false>(backend, spec),
        (true, true) => one_with_values::<RULE, DECAY, true, true>(backend, spec),
    }
}

fn one_with_values<const RULE: u8, const DECAY: bool, const HEAD: bool, const AHEAD: bool>(
    backend: Backend,
    spec: &LearnerSpec,
) -> Run {
    if spec.ones {
        on::<One<RULE, Flags<HEAD, AHEAD, true, DECAY>>>(backend)
    } else {
        on::<One<RULE, Flags<HEAD, AHEAD, false, DECAY>>>(backend)
    }
}

fn on<L: Loop>(backend: Backend) -> Run {
    match backend.0 {
        Kind::Scalar => always::<L, Scalar>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx2 => avx2::<L>,
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Kind::Avx512 => avx512::<L>,
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        Kind::Neon => always::<L, Neon>,
    }
}

/// For a `V` that everything is compiled for anyway.
///
/// # Safety
/// That of [`Loop::run`].
unsafe fn always<L: Loop, V: Lane>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<V>(group) }
}

/// # Safety
/// That of [`Loop::run`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,fma,bmi2")]
unsafe fn avx2<L: Loop>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<Avx2>(group) }
}

/// # Safety
/// That of [`Loop::run`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi2")]
unsafe fn avx512<L: Loop>(group: &mut Group<'_, '_>) {
    // SAFETY: the caller's promise.
    unsafe { L::run::<Avx512>(group) }
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
    /// Where the lengths differ; for a rule on rows where they are not whole rows or its floor is not positive and normal.
    pub fn merge(self, master: Cells<'_>, mine: Cells<'_>, base: Cells<'_>, rule: MergeRule) {
        struct Fold<'a>(Merge<'a>);
        impl Work for Fold<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise, and the merge is checked below.
                unsafe { merge::merge::<V>(&self.0) }
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

    /// The sum of a loss over rows, by their margins and targets, each times its weight.
    ///
    /// # Panics
    /// Where the slices differ in length.
    pub fn sum_loss(self, loss: Loss, margins: &[f32], targets: &[f32], weights: &[f32]) -> f64 {
        struct Sum<'a>(Loss, [&'a [f32]; 3], &'a mut f64);
        impl Work for Sum<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let [margins, targets, weights] = self.1;
                // SAFETY: the caller's promise.
                *self.2 = unsafe { self.0.sum::<V>(margins, targets, weights) };
            }
        }
        assert!(
            margins.len() == targets.len() && margins.len() == weights.len(),
            "a target and a weight for each margin"
        );
        let mut sum = 0.0;
        self.run(Sum(loss, [margins, targets, weights], &mut sum));
        sum
    }

    /// The sum of a loss over rows of several classes, and how many of them have the largest margin at their class, each row times its
    /// weight. `margins` has a stride of a [`Layout`] of `classes` outputs for each row.
    ///
    /// # Panics
    /// Where the slices do not fit each other, or a target is not a class.
    pub fn sum_class_loss(
        self,
        loss: ClassLoss,
        classes: usize,
        margins: &[f32],
        targets: &[f32],
        weights: &[f32],
    ) -> (f64, f64) {
        struct Sum<'a>(ClassLoss, (&'a [f32], usize, usize), [&'a [f32]; 2], &'a mut (f64, f64));
        impl Work for Sum<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let [targets, weights] = self.2;
                // SAFETY: the caller's promise.
                *self.3 = unsafe { self.0.sum::<V>(self.1, targets, weights) };
            }
        }
        let stride = Layout::new(classes, 0).stride();
        let rows = margins.len() / stride;
        assert!(targets.len() == rows && weights.len() == rows, "a target and a weight for each row of margins");
        let mut sums = (0.0, 0.0);
        self.run(Sum(loss, (margins, stride, classes), [targets, weights], &mut sums));
        sums
    }

    /// The margins of `rows`, intercept included, by a table without a head, its words meaning what they do under `rule` and `step`;
    /// nothing is changed. `bias` is laid out as a row of the table, `margins` has a stride of it for each row of data.
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
        assert_eq!(layout, rule.layout(layout.outputs()), "a table of another layout than the rule's");
        assert!(table.head_rows == 0, "scores are of whole tables");
        assert_eq!(bias.len(), layout.width(), "an intercept of another width than the table's rows");
        assert_eq!(rows.len() * layout.stride(), margins.len(), "a margin for each row and output");
        rule.check(step);
        for row in rows {
            assert!(
                row.is_empty() || row.ids().limit() as usize <= table.rows(),
                "a row of data made for a larger table"
            );
        }
        self.run(Score(rule, step, table, rows, bias, margins, scratch));
        if layout.outputs() == 1 {
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
