//! What do models with factors cost beside the bytes that they move? The row loops against adding to every word of the rows of the
//! table that they touch, by registers.

use hogback_kernels::{
    Cells, Factors, Ids, Layout, Learner, LearnerSpec, Loss, Objective, Ratings, Row, Rule, Scratch, Step, Table,
};

use super::contest::{Case, Threads, Unit, Way};
use super::update_throughput::fastest;
use super::{Bench, Question, embedded};
use crate::error::Result;
use crate::generate::{Random, Zipf};
use crate::sys::map::Region;
use crate::train::out_of_memory;

/// Features of a row, each of a field of its own.
pub(super) const FIELDS: usize = 24;
/// Rows learned between two looks at their margins.
pub(super) const GROUP: usize = 64;
/// Users, and items, of a block of ratings.
const BLOCK: u64 = 4096;
pub(super) const STEP: Step<'static> = Step { rate: 0.05, bias_rate: 0.05, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 };

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let features = bench.size(20_000u64, 20);
    let clicks = Drawn::clicks(features, bench.size(50_000, 40));
    for rank in [4, 8, 10, 16, 32] {
        click(bench, &format!("fm, rank {rank}"), Factors { rank, fields: 1 }, &clicks, each)?;
    }
    for rank in [4, 8] {
        let fewer = bench.size(20_000, 40);
        let factors = Factors { rank, fields: FIELDS };
        click(bench, &format!("ffm, {FIELDS} fields, rank {rank}"), factors, &clicks.first(fewer), each)?;
    }
    let ratings = Drawn::ratings(bench.size(8, 1), bench.size(40_000, 100));
    for rank in [8, 16] {
        rate(bench, rank, &ratings, each)?;
    }
    embedded::ask(bench, &clicks, each)
}

/// Rows of distinct ids, with targets.
pub(super) struct Drawn {
    pub(super) ids: Vec<u32>,
    pub(super) targets: Vec<f32>,
    pub(super) limit: u32,
}

impl Drawn {
    /// `rows` rows of a feature of each field, of `features` in each, by Zipf's law; the same rank of all fields stands together, so that
    /// the frequent ones come first.
    fn clicks(features: u64, rows: usize) -> Self {
        let (zipf, mut random) = (Zipf::new(features, 1.1), Random::new(7));
        let fields = FIELDS as u32;
        let ids = (0..rows).flat_map(|_| 0..fields);
        let ids = ids.map(|field| zipf.rank(&mut random) as u32 * fields + field).collect();
        let targets = (0..rows).map(|_| if random.share() < 0.5 { -1.0 } else { 1.0 }).collect();
        Self { ids, targets, limit: features as u32 * fields }
    }

    /// `blocks` blocks of `each` ratings, of users and items of their own.
    fn ratings(blocks: u64, each: usize) -> Self {
        let (zipf, mut random) = (Zipf::new(BLOCK, 0.6), Random::new(8));
        let (mut ids, mut targets) = (Vec::new(), Vec::new());
        for from in (0..blocks).map(|block| 2 * BLOCK * block) {
            for _ in 0..each {
                ids.push((from + zipf.rank(&mut random)) as u32);
                ids.push((from + BLOCK + zipf.rank(&mut random)) as u32);
                targets.push(random.share() as f32);
            }
        }
        Self { ids, targets, limit: (2 * BLOCK * blocks) as u32 }
    }

    fn first(&self, rows: usize) -> Self {
        let width = self.ids.len() / self.targets.len();
        Self { ids: self.ids[..rows * width].to_vec(), targets: self.targets[..rows].to_vec(), limit: self.limit }
    }

    pub(super) fn ids(&self) -> Ids<'_> {
        // They were drawn below it.
        Ids::check(&self.ids, self.limit).unwrap_or_default()
    }
}

/// A table of so many rows, small numbers in it.
pub(super) fn table(layout: Layout, rows: u32) -> Result<Region> {
    let table = Region::reserve(rows as usize * layout.width()).map_err(out_of_memory)?;
    let numbers = layout.factors().map_or(0, |factors| factors.fields * factors.stride());
    for row in 0..rows as usize {
        let cells = table.cells().slice(row * layout.width()..(row + 1) * layout.width());
        (0..numbers).for_each(|at| cells.set(at, 0.01 - 0.001 * (at % 19) as f32));
        cells.set(layout.tail() + Layout::DECAY, 1e-4);
        if layout.has_field() {
            cells.set(layout.tail() + Layout::FIELD, (row % FIELDS) as f32);
        }
    }
    Ok(table)
}

/// A learner with a table of its own, small numbers in it.
struct Model {
    learner: Learner,
    table: Region,
    bias: Region,
}

impl Model {
    fn new(bench: &Bench, loss: Loss, factors: Factors, drawn: &Drawn) -> Result<Self> {
        let layout = Layout::factored(1, factors);
        let table = table(layout, drawn.limit)?;
        let spec = LearnerSpec {
            objective: Objective::One(loss),
            rule: Rule::Adagrad,
            head: false,
            ahead: true,
            ones: true,
            decay: false,
            factors: Some(factors),
        };
        let bias = Region::reserve(layout.intercept().width()).map_err(out_of_memory)?;
        Ok(Self { learner: Learner::new(bench.backend, spec), table, bias })
    }

    fn parts(&self) -> (Table<'_>, Cells<'_>) {
        (Table::whole(self.table.cells(), self.learner.layout()), self.bias.cells())
    }
}

/// A model of clicks against its limit.
fn click(
    bench: &Bench,
    name: &str,
    factors: Factors,
    drawn: &Drawn,
    each: &mut dyn FnMut(Case<'_>) -> Result<()>,
) -> Result<()> {
    let model = Model::new(bench, Loss::Logistic, factors, drawn)?;
    let ids = drawn.ids();
    let row = |(row, &target)| Row::new(ids.slice(row * FIELDS..(row + 1) * FIELDS), &[], target);
    let rows: Vec<Row<'_>> = drawn.targets.iter().enumerate().map(row).collect();
    let (mut margins, mut scratch) = ([0.0; GROUP], Scratch::default());
    let learn = || {
        let (table, bias) = model.parts();
        for from in (0..rows.len()).step_by(GROUP) {
            let margins = &mut margins[..GROUP.min(rows.len() - from)];
            model.learner.learn(&table, &rows[from..], bias, &STEP, margins, &mut scratch);
        }
    };
    beside_limit(bench, name, model.learner.layout(), drawn, Box::new(learn), each)
}

/// A factorization of ratings against its limit.
fn rate(bench: &Bench, rank: usize, drawn: &Drawn, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let model = Model::new(bench, Loss::Squared, Factors { rank, fields: 1 }, drawn)?;
    let (ids, rows, weights) = (drawn.ids(), drawn.targets.len(), vec![1.0; drawn.targets.len()]);
    let mut margins = vec![0.0; rows];
    let learn = || {
        let (table, bias) = model.parts();
        let ratings = Ratings { ids, targets: &drawn.targets, weights: &weights };
        model.learner.learn_ratings(&table, ratings, bias, &STEP, &mut margins);
    };
    beside_limit(bench, &format!("ratings, rank {rank}"), model.learner.layout(), drawn, Box::new(learn), each)
}

/// What learns the rows that were drawn, against adding to all words of the rows of a table that they touch.
pub(super) fn beside_limit(
    bench: &Bench,
    name: &str,
    layout: Layout,
    drawn: &Drawn,
    learn: Box<dyn FnMut() + '_>,
    each: &mut dyn FnMut(Case<'_>) -> Result<()>,
) -> Result<()> {
    let width = layout.width();
    let other = Region::reserve(drawn.limit as usize * width).map_err(out_of_memory)?;
    let (work, ids) = (drawn.ids.len() as f64, drawn.ids());
    let least = |ahead: usize| bench.backend.add_to_rows(other.cells(), ids, width, 1e-6, ahead);
    let best = fastest(&least);
    each(Case {
        question: Question::Factors,
        name: format!("{name}, {} bytes a row", 4 * width),
        threads: Threads::One,
        unit: Unit::Nonzeros,
        ways: vec![
            Way::new("row loop", work, learn),
            Way::new(format!("adding to all words, {best} ahead"), work, || least(best)),
        ],
        ratios: vec![(0, 1)],
    })
}
