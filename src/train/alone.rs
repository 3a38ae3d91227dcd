//! [`Alone`]: a model learned by one thread in memory of its own, on data that many share: what a child of `search` does with an
//! architecture.
//!
//! What flows in: a [`Material`] and settings. What flows out: what a pass has shown, and what rows that are held out show. Nothing is
//! saved, nothing is shared, and the [`Arena`] serves model after model. A pass here is what a pass of one child is in `passes`, batch for
//! batch: the same order of rows, the same rates, the same chance; but ratings are not arranged in blocks, and what diverges is not rescued.

use hogback_kernels::{Backend, Layout, LearnerSpec, Row, Rule, Table};

use super::Settings;
use super::configure::Penalties;
use super::corpus::{BATCH, Copies, Place, recycled};
use super::factored;
use super::job::{Learner, seed_of};
use super::material::Material;
use super::passes::tasks_of_pass;
use super::prepare::fits_memory;
use crate::data::order::{self, Holdout, Strips};
use crate::engine::guard::Guard;
use crate::engine::schedule::Schedule;
use crate::error::{Error, Result};
use crate::model::configuration::Configuration;
use crate::model::factors::Fresh;
use crate::model::layered::{Batch, Layered, LayeredView, Workspace};
use crate::model::sparse::{Buffers, Sparse};
use crate::model::tally::{Scored, Scorer, Tally};
use crate::theta::private::{Aligned, Private};

/// Rows that are scored between two looks at the time.
const SCORED: usize = 16 * BATCH;
/// Bytes of a table beyond which its rows are asked for ahead of use.
const CACHE: usize = 1 << 20;

/// A model that one thread learns alone.
pub(crate) struct Alone<'m, 'd> {
    material: &'m Material<'d>,
    configuration: Configuration,
    learner: Learner,
    scorer: Scorer,
    penalties: Penalties,
    fresh: Option<Fresh>,
    layout: Layout,
    rule: Rule,
    /// Rows that are not learned.
    holdout: Option<Holdout>,
}

/// The memory of a thread that learns models, one after the other.
pub(crate) struct Arena {
    /// What is updated in place, and the intercepts.
    table: Aligned,
    bias: Aligned,
    layers: Private,
    buffers: Buffers,
    space: Workspace,
    copies: Copies,
    places: Vec<Place>,
    /// The allocation of the last batch.
    spare: Vec<Row<'static>>,
    margins: Vec<f32>,
    /// The rates of the last pass, which words of FTRL stand for weights by.
    rates: (f32, f32),
}

impl Arena {
    /// An empty one.
    pub(crate) fn new(backend: Backend) -> Self {
        Self {
            table: Aligned::default(),
            bias: Aligned::default(),
            layers: Private::new(backend, 0, 0),
            buffers: Buffers::default(),
            space: Workspace::default(),
            copies: Copies::default(),
            places: Vec::new(),
            spare: Vec::new(),
            margins: Vec::new(),
            rates: (0.0, 0.0),
        }
    }
}

impl<'m, 'd> Alone<'m, 'd> {
    /// The model with these settings on `material`, of which `holdout` is not learned; `uses` says how many rows have each feature, where
    /// that is known (see [`Material::uses`]). It is to fit into `memory` bytes, where that is known.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not go together, and a model that is too large.
    pub(crate) fn new(
        material: &'m Material<'d>,
        settings: &Settings,
        (holdout, uses): (Option<Holdout>, &[u32]),
        backend: Backend,
        memory: Option<u64>,
    ) -> Result<Self> {
        let configuration = material.configuration(settings, true, None)?;
        if configuration.schedule == Schedule::Plateau {
            let what =
                "schedule plateau follows held-out losses, which a trial does not look at: choose another schedule";
            return Err(Error::Usage(what.to_owned()));
        }
        let (penalties, fresh) = material.begin(&configuration, uses);
        let features = material.dictionary.len();
        let layered = Layered::new(backend, &configuration, features);
        fits_memory(&configuration, features, layered.as_ref().map(Layered::network), 1, memory)?;
        let (rule, objective, layout) = (configuration.rule(), configuration.objective(), configuration.layout());
        let scorer = Scorer { backend, objective, constant: material.facts.constant.clone() };
        let spec = LearnerSpec {
            objective,
            rule,
            head: false,
            ahead: 4 * layout.width() * configuration.table_rows(features) > CACHE,
            ones: material.corpus.ones(),
            decay: !penalties.decays.is_empty(),
            factors: layout.factors(),
        };
        let learner = match layered {
            Some(layered) => Learner::Layered(Box::new(layered)),
            None => Learner::Sparse(Sparse::new(spec, scorer.clone())),
        };
        Ok(Self { material, configuration, learner, scorer, penalties, fresh, layout, rule, holdout })
    }

    /// What it is, with everything that nobody had said.
    pub(crate) fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Makes what is in `arena` a fresh model.
    pub(crate) fn begin(&self, arena: &mut Arena) {
        arena.rates = self.configuration.rates(1.0);
        let rows = self.configuration.table_rows(self.material.dictionary.len());
        arena.table.reset(rows * self.layout.width());
        arena.bias.reset(self.layout.intercept().width());
        if let Some(fresh) = &self.fresh {
            factored::begin(fresh, self.layout, arena.table.cells(), 0);
        }
        let constant = &self.scorer.constant.margins;
        match &self.learner {
            Learner::Sparse(_) => {
                let (bias, step) = (arena.bias.cells(), self.penalties.step(arena.rates.0, arena.rates.1));
                for (output, &margin) in constant.iter().enumerate() {
                    bias.set(output, self.rule.word(&step, true, margin, 0.0));
                }
            }
            Learner::Layered(layered) => {
                let words = self.configuration.fresh_layers(layered.network(), constant);
                arena.layers.reset(words.len(), self.configuration.slots());
                arena.layers.weights_mut().copy_from_slice(&words);
            }
        }
    }

    /// Learns pass `pass`, from 0, of `passes`, as long as `goes_on` says so, which is asked every few rows; what it has shown, or none where
    /// it was left off.
    ///
    /// # Errors
    /// [`Error::Diverged`]; a damaged block of a cache.
    pub(crate) fn pass(
        &self,
        arena: &mut Arena,
        (pass, passes): (u32, u32),
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Tally>> {
        let (material, configuration) = (self.material, &self.configuration);
        let (rows, nonzeros) = (material.corpus.rows(), material.content.nonzeros);
        let tasks = tasks_of_pass(configuration, rows, nonzeros, 1);
        let mut tally = Tally::default();
        for strips in order::tasks(rows, tasks, configuration.seed, pass.into()) {
            if !self.task(arena, &strips, (pass, passes), goes_on, &mut tally)? {
                return Ok(None);
            }
        }
        // The layers may be those of a model before this one.
        let layers = if self.learner.network().is_some() { arena.layers.weights() } else { &[] };
        let bias = arena.bias.as_slice().iter().chain(layers);
        if !bias.fold(true, |finite, word| finite & word.is_finite())
            || Guard::diverged(tally.loss, tally.constant, self.scorer.constant.loss.max(1.0))
        {
            return Err(Error::Diverged(format!("its loss ran away in pass {}", pass + 1)));
        }
        Ok(Some(tally))
    }

    /// Learns the rows of a task, batch by batch; false where it was left off.
    fn task(
        &self,
        arena: &mut Arena,
        strips: &Strips,
        (pass, passes): (u32, u32),
        goes_on: &dyn Fn() -> bool,
        tally: &mut Tally,
    ) -> Result<bool> {
        let Self { material, configuration, .. } = self;
        let factor = configuration.schedule.factor(pass, (pass, passes), 0);
        arena.rates = configuration.rates(factor.into());
        let step = self.penalties.step(arena.rates.0, arena.rates.1);
        let batch = configuration.layers.as_ref().map_or(BATCH, |layers| layers.batch);
        let Arena { table, bias, layers, buffers, space, copies, places, spare, .. } = arena;
        let (table, bias) = (Table::whole(table.cells(), self.layout), bias.cells());
        places.resize(places.len().max(batch), Place::default());
        let mut walk = material.corpus.walk(strips.clone(), self.holdout);
        for nth in 0.. {
            let n = walk.next_places(&mut places[..batch])?;
            if n == 0 {
                return Ok(true);
            }
            if !goes_on() {
                return Ok(false);
            }
            let mut rows = recycled(std::mem::take(spare));
            material.corpus.fetch(&places[..n], copies, &mut rows)?;
            match &self.learner {
                Learner::Sparse(sparse) => sparse.pass(&table, bias, &rows, n, &step, buffers, tally),
                Learner::Layered(layered) => {
                    let (weights, gradient) = layers.parts();
                    let view = LayeredView { weights, table: &table };
                    let seed = seed_of((configuration.seed, pass), strips, nth);
                    let batch = Batch { rows: &rows, seed, step: &step, scorer: &self.scorer };
                    layered.learn(view, batch, gradient, space, tally);
                    layers.step(|step| configuration.rule_of_layers(factor, step));
                }
            }
            *spare = recycled(rows);
        }
        Ok(true)
    }

    /// What the rows at `held_out` show, as long as `goes_on` says so; none where they were left off.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(crate) fn score(
        &self,
        arena: &mut Arena,
        held_out: &[Place],
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Tally>> {
        let Arena { table, bias, layers, buffers, space, copies, spare, margins, rates, .. } = arena;
        let (table, bias) = (Table::whole(table.cells(), self.layout), bias.cells());
        let (step, stride) = (self.penalties.step(rates.0, rates.1), self.configuration.stride());
        let mut tally = Tally::default();
        for (nth, places) in held_out.chunks(BATCH).enumerate() {
            if (nth * BATCH).is_multiple_of(SCORED) && !goes_on() {
                return Ok(None);
            }
            let mut rows = recycled(std::mem::take(spare));
            self.material.corpus.fetch(places, copies, &mut rows)?;
            let margins = match &self.learner {
                Learner::Sparse(_) => {
                    margins.resize(rows.len() * stride, 0.0);
                    let rule = (self.rule, &step);
                    self.scorer.backend.score(rule, &table, &rows, bias, margins, &mut buffers.scratch);
                    &margins[..]
                }
                Learner::Layered(layered) => {
                    layered.score(LayeredView { weights: layers.weights(), table: &table }, &rows, space);
                    space.margins()
                }
            };
            let (mut targets, mut weights) = ([0.0; BATCH], [0.0; BATCH]);
            for ((row, target), weight) in rows.iter().zip(&mut targets).zip(&mut weights) {
                (*target, *weight) = (row.target, row.weight);
            }
            let n = rows.len();
            *spare = recycled(rows);
            self.scorer.tally(&mut tally, Scored { margins, targets: &targets[..n], weights: &weights[..n] });
        }
        Ok(Some(tally))
    }
}

#[cfg(test)]
mod tests;
