//! How fast are the update rules? Dense ones against `y += s * x` over as many bytes, sparse ones against the best prefetched
//! read-modify-write of the same rows.

use hogback_kernels::{Adam, DenseRule, Ids, Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch, Step, Table};

use super::clock::repeat;
use super::contest::{Case, Threads, Unit, Way};
use super::{Bench, Private, Question};
use crate::error::Result;
use crate::generate::{Random, Zipf};
use crate::report::format::memory;
use crate::sys::map::Region;
use crate::train::out_of_memory;

/// Ids of a row.
const ROW: usize = 50;
/// Rows learned at a time.
const GROUP: usize = 256;
/// How many ids ahead the limit asks for rows: the best of these counts.
const AHEAD: [usize; 6] = [0, 8, 16, 32, 64, 128];

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let (l2, l3) = bench.caches();
    let memory = (4 * l3).clamp(256 << 20, 1 << 30);
    let places = [(l2 / 2, " (L2)"), (l3 * 3 / 8, " (L3)"), (memory, " (DRAM)")];
    for (bytes, place) in bench.size(places, [(16 << 10, ""), (32 << 10, ""), (64 << 10, "")]) {
        dense(bench, bytes, place, each)?;
    }
    for bits in bench.size([16, 20, 24], [8, 9, 10]) {
        for (law, exponent) in [("uniform", 0.0), ("Zipf", 1.1)] {
            sparse(bench, bits, law, &Rows::draw(1 << bits, exponent, bench.size(1 << 21, 1 << 12)), each)?;
        }
    }
    Ok(())
}

/// All dense rules, each on arrays of `bytes` bytes together.
fn dense(bench: &Bench, bytes: usize, place: &str, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let rules = [
        ("sgd", DenseRule::Sgd { rate: 1e-6 }),
        ("momentum", DenseRule::Momentum { rate: 1e-6, momentum: 0.9 }),
        ("adagrad", DenseRule::Adagrad { rate: 1e-6, floor: 1.0 }),
        ("adam", DenseRule::Adam(Adam::at(1000, 1e-6))),
    ];
    for (name, rule) in rules {
        let planes = 2 + rule.slots();
        let words = bytes / 4 / planes / 16 * 16;
        let tensor = (0..planes - 1).map(|_| Region::reserve(words)).collect::<Result<Vec<_>, _>>();
        let tensor = tensor.map_err(out_of_memory)?;
        let (weights, slots) = (tensor[0].cells(), tensor[1..].iter().map(Region::cells).collect::<Vec<_>>());
        (0..words).for_each(|at| weights.set(at, 1.0));
        let gradient = Private::new(words, 1e-3);
        let half = bytes / 8;
        let (x, mut y) = (Private::new(half, 1e-3), Private::new(half, 1.0));
        // Of every word that is kept, a read and a write; of the gradient, and of x, a read.
        let moved = |words: usize, kept: usize| (4 * words * (2 * kept + 1)) as f64;
        let ways = vec![
            Way::new("step", moved(words, planes - 1), || {
                bench.backend.dense_step(rule, weights, &slots, gradient.words());
            }),
            Way::new("y += s*x", moved(half, 1), || bench.backend.add_scaled(1e-6, x.words(), y.words_mut())),
        ];
        each(Case {
            question: Question::UpdateThroughput,
            name: format!("dense {name}, {}{place}", memory(bytes as u64)),
            threads: Threads::One,
            unit: Unit::Bytes,
            ways,
            ratios: vec![(0, 1)],
        })?;
    }
    Ok(())
}

/// All sparse rules on a table of 2^`bits` rows.
fn sparse(
    bench: &Bench,
    bits: u32,
    law: &str,
    data: &Rows,
    each: &mut dyn FnMut(Case<'_>) -> Result<()>,
) -> Result<()> {
    let limit = 1 << bits;
    let rows = data.rows(limit);
    let ids = ids(&data.ids, limit);
    for (name, rule) in [("sgd", Rule::Sgd), ("adagrad", Rule::Adagrad), ("ftrl", Rule::Ftrl)] {
        let layout = rule.layout(1);
        let words = layout.width() << bits;
        let (table, other) =
            (Region::reserve(words).map_err(out_of_memory)?, Region::reserve(words).map_err(out_of_memory)?);
        let (table, other) = (table.cells(), other.cells());
        let spec = LearnerSpec {
            objective: Objective::One(Loss::Logistic),
            rule,
            head: false,
            ahead: words * 4 > bench.caches().0,
            ones: false,
            decay: false,
            factors: None,
        };
        let learner = Learner::new(bench.backend, spec);
        let step = Step { rate: 0.01, bias_rate: 0.01, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 };
        let bias = Region::reserve(layout.width()).map_err(out_of_memory)?;
        let (mut margins, mut scratch) = ([0.0; GROUP], Scratch::default());
        let learn = || {
            for from in (0..rows.len()).step_by(GROUP) {
                let margins = &mut margins[..GROUP.min(rows.len() - from)];
                learner.learn(&Table::whole(table, layout), &rows[from..], bias.cells(), &step, margins, &mut scratch);
            }
        };
        let least = |ahead: usize| {
            if layout.width() == 1 {
                bench.backend.add_at::<1>(other, ids, 1e-6, ahead);
            } else {
                bench.backend.add_at::<2>(other, ids, 1e-6, ahead);
            }
        };
        let best = fastest(&least);
        let work = data.ids.len() as f64;
        each(Case {
            question: Question::UpdateThroughput,
            name: format!("sparse {name}, 2^{bits} rows, {law}"),
            threads: Threads::One,
            unit: Unit::Nonzeros,
            ways: vec![
                Way::new("row loop", work, learn),
                Way::new(format!("adding, {best} ahead"), work, || least(best)),
            ],
            ratios: vec![(0, 1)],
        })?;
    }
    Ok(())
}

/// The distance at which asking ahead is fastest.
pub(super) fn fastest(least: &dyn Fn(usize)) -> usize {
    least(0);
    let time = |ahead: usize| (0..3).map(|_| repeat(1, || least(ahead))).min();
    AHEAD.into_iter().min_by_key(|&ahead| time(ahead)).unwrap_or(0)
}

fn ids(ids: &[u32], limit: u32) -> Ids<'_> {
    // They were drawn below it.
    Ids::check(ids, limit).unwrap_or_default()
}

/// Rows of distinct ids that were drawn by a law, numbered by falling frequency, with values and targets.
struct Rows {
    ids: Vec<u32>,
    values: Vec<f32>,
    targets: Vec<f32>,
}

impl Rows {
    /// Rows of about `nonzeros` ids below `features` together; their ranks by Zipf's law with `exponent` are their numbers.
    fn draw(features: u64, exponent: f64, nonzeros: usize) -> Self {
        let (zipf, mut random) = (Zipf::new(features, exponent), Random::new(7));
        let mut ids: Vec<u32> = Vec::with_capacity(nonzeros);
        let rows = nonzeros / ROW;
        for row in 0..rows {
            while ids.len() < (row + 1) * ROW {
                let id = zipf.rank(&mut random) as u32;
                if !ids[row * ROW..].contains(&id) {
                    ids.push(id);
                }
            }
        }
        let values = ids.iter().map(|_| 0.1 + 0.1 * random.share() as f32).collect();
        let targets = (0..rows).map(|_| if random.share() < 0.5 { -1.0 } else { 1.0 }).collect();
        Self { ids, values, targets }
    }

    fn rows(&self, limit: u32) -> Vec<Row<'_>> {
        let ids = ids(&self.ids, limit);
        let row = |(row, &target): (usize, &f32)| {
            let range = row * ROW..(row + 1) * ROW;
            Row::new(ids.slice(range.clone()), &self.values[range], target)
        };
        self.targets.iter().enumerate().map(row).collect()
    }
}
