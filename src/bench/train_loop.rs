//! What is left of the row loop's speed in a pass of `train`, and what does a second child add? Passes as the command runs them,
//! metrics on, against the row loop alone on the same numbered ids.

use hogback_kernels::{Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch, Step, Table};

use super::clock::repeat;
use super::contest::{Case, Threads, Unit, Way};
use super::pingpong::Pinned;
use super::{Bench, Planted, Question};
use crate::data::{DataFile, Input, ReadOptions};
use crate::engine::plan;
use crate::error::Result;
use crate::model::configuration::Optimizer;
use crate::store::Disk;
use crate::sys::map::Region;
use crate::train::{Request, Settings, measured, out_of_memory};

/// Rows learned between two looks at their margins.
const GROUP: usize = 64;

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    for bits in bench.size([16, 20, 24], [10, 11, 12]) {
        let planted = Planted::new(1 << bits, bench.size(100_000, 400), &bench.stop)?;
        let input = Input::Path(planted.text.clone());
        let file = DataFile::read(&input, &ReadOptions::default(), &Disk, &|_| (), &bench.stop)?;
        for optimizer in [Optimizer::Sgd, Optimizer::Adagrad, Optimizer::Ftrl] {
            let name = format!("{}, 2^{bits} features", optimizer.name());
            passes(bench, &name, optimizer, std::slice::from_ref(&file), &planted, each)?;
        }
    }
    Ok(())
}

/// All ways to go through `files` once by one rule.
fn passes(
    bench: &Bench,
    name: &str,
    optimizer: Optimizer,
    files: &[DataFile],
    planted: &Planted,
    each: &mut dyn FnMut(Case<'_>) -> Result<()>,
) -> Result<()> {
    let request = |model: &str, children: usize, head: Option<usize>| {
        let mut request = Request::new(Vec::new(), bench.backend);
        request.settings = Settings { optimizer: Some(optimizer), holdout: Some(0.0), ..Settings::default() };
        request.machine = plan::Request { controllers: Some(1), children: Some(children), ..plan::Request::default() };
        request.head = head;
        request.model = planted.folder.path().join(model);
        request
    };
    let [one, two, shared] = [("one", 1, None), ("two", 2, None), ("shared", 2, Some(0))]
        .map(|(model, children, head)| request(model, children, head));
    let table = files[0].table();
    let rows = rows(&table)?;
    let work = files[0].nonzeros() as f64;
    let bare = || Bare::new(bench, optimizer.rule(), &files[0]);
    measured(&one, &bench.topology, files, |one| {
        let mut alone = bare()?;
        let ways = vec![
            Way::fallible("one child", work, &mut *one).mostly_busy(1),
            Way::timed("bare row loop", work, |times| {
                let _pinned = bench.pair.map(|pair| Pinned::to(pair.0));
                repeat(times, || alone.learn(&rows))
            })
            .busy(1),
        ];
        each(case(name, Threads::Own, ways, vec![(0, 1)]))?;
        let Some(pair) = bench.pair else { return Ok(()) };
        measured(&two, &bench.topology, files, |two| {
            measured(&shared, &bench.topology, files, |shared| {
                let (mut left, mut right) = (bare()?, bare()?);
                let halves = rows.split_at(rows.len() / 2);
                let copies = |times| {
                    let left = || _ = repeat(times, || left.learn(halves.0));
                    pair.both(left, || _ = repeat(times, || right.learn(halves.1)))
                };
                let ways = vec![
                    Way::fallible("two children", work, two).mostly_busy(2),
                    Way::fallible("two sharing all", work, shared).mostly_busy(2),
                    Way::timed("two bare loops apart", work, copies).mostly_busy(2),
                    Way::fallible("one child", work, one).mostly_busy(1),
                ];
                each(case(name, Threads::Two, ways, vec![(0, 2), (0, 3), (0, 1)]))
            })
        })
    })
}

fn case<'a>(name: &str, threads: Threads, ways: Vec<Way<'a>>, ratios: Vec<(usize, usize)>) -> Case<'a> {
    Case { question: Question::TrainLoop, name: name.to_owned(), threads, unit: Unit::Nonzeros, ways, ratios }
}

/// The rows of a file in their order, with targets of two classes.
fn rows<'a>(table: &crate::data::Table<'a>) -> Result<Vec<Row<'a>>> {
    let mut rows = Vec::with_capacity(table.rows() as usize);
    for at in 0..table.blocks() {
        let block = table.block(at)?;
        let target = |row: usize| if block.label(row) > 0.0 { 1.0 } else { -1.0 };
        rows.extend((0..block.rows()).map(|row| Row::new(block.ids(row), block.values(row), target(row))));
    }
    Ok(rows)
}

/// The row loop with a table of its own, and nothing around it: no order, no exchange, no metrics.
struct Bare<'a> {
    learner: Learner,
    step: Step<'a>,
    table: Region,
    bias: Region,
    scratch: Scratch,
}

impl Bare<'_> {
    fn new(bench: &Bench, rule: Rule, file: &DataFile) -> Result<Self> {
        let layout = rule.layout(1);
        let table = Region::reserve(file.dictionary().len() * layout.width()).map_err(out_of_memory)?;
        let spec = LearnerSpec {
            objective: Objective::One(Loss::Logistic),
            rule,
            head: false,
            ahead: table.len() * 4 > bench.caches().0,
            ones: file.all_ones(),
            decay: false,
            factors: None,
        };
        let rate = (file.rows() as f64 / file.sum_squares()) as f32;
        Ok(Self {
            learner: Learner::new(bench.backend, spec),
            step: Step { rate, bias_rate: rate / 2.0, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 },
            table,
            bias: Region::reserve(layout.width()).map_err(out_of_memory)?,
            scratch: Scratch::default(),
        })
    }

    fn learn(&mut self, rows: &[Row<'_>]) {
        let table = Table::whole(self.table.cells(), self.learner.layout());
        let mut margins = [0.0; GROUP];
        for from in (0..rows.len()).step_by(GROUP) {
            let margins = &mut margins[..GROUP.min(rows.len() - from)];
            self.learner.learn(&table, &rows[from..], self.bias.cells(), &self.step, margins, &mut self.scratch);
        }
    }
}
