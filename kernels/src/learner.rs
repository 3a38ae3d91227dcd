//! [`Learner`]: the row loop that suits objective, rule and shape, chosen once.
//!
//! What flows in: a [`LearnerSpec`]; then tables, rows and steps that fit it. What flows out: margins, and Θ changed in place.

use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::{Loop, Run, on};
use crate::factors;
use crate::group::{Group, Objective, Scratch, Shape, Step};
use crate::lane::Lane;
use crate::many;
use crate::one;
use crate::rows::Row;
use crate::rules::{Adagrad, Ftrl, Rule, Sgd};
use crate::table::{Factors, Layout, Table};

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
    /// The factor vectors of a row, if there are any: the rule is Adagrad, and the L2 penalty stands in the table.
    pub factors: Option<Factors>,
}

/// A row loop, chosen once.
#[derive(Clone, Copy)]
pub struct Learner {
    backend: Backend,
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
    /// Where there are fewer than two classes, or factors with another rule than Adagrad or with a penalty of [`Step::decay`].
    pub fn new(backend: Backend, spec: LearnerSpec) -> Self {
        let run = match spec.objective {
            _ if spec.factors.is_some() => {
                assert!(
                    spec.rule == Rule::Adagrad && !spec.decay,
                    "factors are learned by Adagrad, with their own penalty"
                );
                on::<Factored>(backend)
            }
            Objective::One(_) => one_with_rule(backend, &spec),
            Objective::Classes { classes, .. } => {
                assert!(classes > 1, "an output for each of at least two classes");
                many_with_rule(backend, &spec)
            }
        };
        Self { backend, spec, run }
    }

    /// What it is specialised for.
    pub(crate) fn spec(&self) -> &LearnerSpec {
        &self.spec
    }

    /// What it was compiled for.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// The rows of its table.
    pub fn layout(&self) -> Layout {
        let outputs = self.spec.objective.outputs();
        match self.spec.factors {
            Some(factors) => Layout::factored(outputs, factors),
            None => self.spec.rule.layout(outputs),
        }
    }

    /// Learns the first rows, as many as `margins` holds strides, one after the other, in place; the rows behind them are those that
    /// come next, for asking ahead. `margins` receives the margins of each row before it was learned, a stride for each; what
    /// stands behind the outputs there means nothing. `bias` is the intercept, laid out as [`Layout::intercept`] says.
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
        let Self { spec, run, .. } = self;
        assert_eq!(
            spec.decay,
            !step.decay.is_empty(),
            "an L2 penalty where the learner was made without, or the reverse"
        );
        assert!(spec.head || table.head_rows == 0, "a head where the learner was made without");
        assert_eq!(table.layout, self.layout(), "a table of another layout than the learner's");
        spec.rule.check(step);
        let learn = margins.len() / table.layout.stride();
        let (objective, ahead) = (spec.objective, spec.ahead);
        let mut group = Group { objective, table: *table, rows, learn, ahead, bias, step: *step, margins, scratch };
        group.check(spec.ones);
        // SAFETY: a `Backend` exists only where its instruction set does; the group is checked; layout, head, values and decay are as
        // the loop was chosen for, by the assertions above.
        unsafe { run(&mut group) }
    }
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
/// The loop of rows with factors.
struct Factored;
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

impl Loop for Factored {
    #[inline(always)]
    unsafe fn run<V: Lane>(group: &mut Group<'_, '_>) {
        // SAFETY: the caller's promise.
        unsafe { factors::learn::<V>(group) }
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
        (Rule::Ftrl, false) => on::<Many<FTRL, false>>(backend),
        (Rule::Ftrl, true) => on::<Many<FTRL, true>>(backend),
    }
}

fn one_with_rule(backend: Backend, spec: &LearnerSpec) -> Run {
    match (spec.rule, spec.decay) {
        (Rule::Sgd, false) => one_with_head::<SGD, false>(backend, spec),
        (Rule::Sgd, true) => one_with_head::<SGD, true>(backend, spec),
        (Rule::Adagrad, false) => one_with_head::<ADAGRAD, false>(backend, spec),
        (Rule::Adagrad, true) => one_with_head::<ADAGRAD, true>(backend, spec),
        (Rule::Ftrl, false) => one_with_head::<FTRL, false>(backend, spec),
        (Rule::Ftrl, true) => one_with_head::<FTRL, true>(backend, spec),
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
