//! Models with layers: perceptrons over the values of a row, deep models and texts over the vectors of its features.
//!
//! What flows in: a [`LayeredView`] of the parameters, rows, a seed. What flows out: margins; the gradient of the layers, which the
//! holder of the view applies; vectors and weights of features changed in place.

use hogback_kernels::{Backend, Embedded, Embedding, Ids, Objective, Row, Scratch, Step, Table, mix};

use super::configuration::{Configuration, Kind};
use super::network::{Buffers, Dropout, Input, Network, Pass};
use super::tally::{Scored, Scorer, Tally};

/// Rows after which vectors and weights of features go on.
const GROUP: usize = 16;
/// The same of words of texts, which move little by each: a text is of norm 1.
const GROUP_OF_TEXTS: usize = 64;

/// A model with layers, over any view of its parameters.
#[derive(Clone, Debug)]
pub struct Layered {
    backend: Backend,
    network: Network,
    /// How the vectors of features become the input; none where values are.
    embedding: Option<Embedding>,
    objective: Objective,
    stride: usize,
    /// By input of a perceptron, what is taken off it.
    means: Vec<f32>,
    /// Values are written out, zeros and all.
    written_out: bool,
    /// Rows after which vectors and weights of features go on.
    group: usize,
    /// The L2 penalty of the layers; where features have vectors, it is for these.
    l2: f32,
    /// The shares of the units of hidden layers, and of the features of a row, that a batch leaves out in learning.
    dropout: f32,
    feature_dropout: f32,
}

/// The parameters as one child sees them.
#[derive(Clone, Copy, Debug)]
pub struct LayeredView<'v> {
    /// The layers.
    pub weights: &'v [f32],
    /// The vectors and weights of features; any table where the model has none.
    pub table: &'v Table<'v>,
}

/// Rows that are learned together.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// The rows.
    pub rows: &'a [Row<'a>],
    /// What decides which units and features are left out.
    pub seed: u64,
    /// How vectors and weights of features move.
    pub step: &'a Step<'a>,
    /// What looks at the margins.
    pub scorer: &'a Scorer,
}

/// What a child keeps between calls.
#[derive(Debug, Default)]
pub struct Workspace {
    layers: Buffers,
    scratch: Scratch,
    /// The input of the layers, and the loss's slopes by it.
    inputs: Vec<f32>,
    input_slopes: Vec<f32>,
    /// What stands beside the layers: its part of the margins, and the slopes by it.
    beside: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
    thinned: Thinned,
    /// What rows behind the first group add to the gradient.
    added: Vec<f32>,
}

/// Rows of which features were left out.
#[derive(Debug, Default)]
struct Thinned {
    ids: Vec<u32>,
    values: Vec<f32>,
    ends: Vec<usize>,
}

impl Workspace {
    /// The margins of the last rows, a stride each.
    pub fn margins(&self) -> &[f32] {
        self.layers.margins()
    }
}

impl Layered {
    /// The model of a configuration that has layers, of `features` features; none where it has no layers.
    pub fn new(backend: Backend, configuration: &Configuration, features: usize) -> Option<Self> {
        let layers = configuration.layers.as_ref()?;
        let fields = configuration.fields.as_ref().map_or(1, |fields| fields.names.len());
        let beside = configuration.has_weights();
        let network = configuration.network(features)?;
        let mut means = layers.means.clone();
        // Features that have come later are 0 in all that was learned before.
        means.resize(network.inputs(), 0.0);
        let embedding = Embedding { fields, meets: beside && layers.meets, weighs: beside };
        Some(Self {
            backend,
            network,
            embedding: configuration.kind.has_factors().then_some(embedding),
            objective: configuration.objective(),
            stride: configuration.stride(),
            means,
            written_out: layers.written_out,
            group: if configuration.kind == Kind::Text { GROUP_OF_TEXTS } else { GROUP },
            l2: if configuration.kind == Kind::Mlp { configuration.l2 } else { 0.0 },
            dropout: layers.dropout,
            feature_dropout: layers.feature_dropout,
        })
    }

    /// The layers.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Leaves the margins of `rows` in `space`.
    pub fn score(&self, view: LayeredView<'_>, rows: &[Row<'_>], space: &mut Workspace) {
        self.forward(view, rows, None, space);
    }

    /// Learns a batch, which has rows, up to the step of the layers: adds what its margins show to `tally`, writes the gradient of its mean
    /// loss by the layers, and, by the slopes that are known only now, changes vectors and weights in place. These go on after every few
    /// rows, whatever the size of the batch: a feature of many rows would overshoot by slopes that were all taken where it was before them.
    pub fn learn(
        &self,
        view: LayeredView<'_>,
        batch: Batch<'_>,
        gradient: &mut [f32],
        space: &mut Workspace,
        tally: &mut Tally,
    ) {
        let all = batch.rows.len();
        let group = if self.embedding.is_some() { self.group } else { all };
        let mut added = std::mem::take(&mut space.added);
        for (nth, rows) in batch.rows.chunks(group.max(1)).enumerate() {
            let group = Batch { rows, seed: batch.seed.wrapping_add((nth as u64) << 32), ..batch };
            if nth == 0 {
                self.learn_group(view, group, all, gradient, space, tally);
            } else {
                added.resize(gradient.len(), 0.0);
                self.learn_group(view, group, all, &mut added, space, tally);
                self.backend.add_scaled(1.0, &added, gradient);
            }
        }
        space.added = added;
        if self.l2 > 0.0 {
            // l2/2 · |w|² beside the mean loss; biases are free.
            for part in self.network.weights() {
                self.backend.add_scaled(self.l2, &view.weights[part.clone()], &mut gradient[part]);
            }
        }
    }

    /// The same for some rows of a batch of `all` rows; the gradient is what they add to it.
    fn learn_group(
        &self,
        view: LayeredView<'_>,
        group: Batch<'_>,
        all: usize,
        gradient: &mut [f32],
        space: &mut Workspace,
        tally: &mut Tally,
    ) {
        let (all, seed) = (all as f32, group.seed);
        let mut thinned = std::mem::take(&mut space.thinned);
        let kept = self.thin(group.rows, seed, &mut thinned);
        let rows = kept.as_deref().unwrap_or(group.rows);
        let dropout = (self.dropout > 0.0).then_some(Dropout { share: self.dropout, seed });
        self.forward(view, rows, dropout, space);

        let Workspace { layers, scratch, inputs, input_slopes, beside, targets, weights, .. } = space;
        targets.clear();
        targets.extend(rows.iter().map(|row| row.target));
        weights.clear();
        weights.extend(rows.iter().map(|row| row.weight));
        group.scorer.tally(tally, Scored { margins: layers.margins(), targets, weights });
        // The mean over the batch: rates are for that.
        weights.iter_mut().for_each(|weight| *weight /= all);
        let (margins, slopes) = layers.margins_and_slopes();
        self.backend.slopes(self.objective, margins, targets, weights, slopes);
        let wanted = self.embedding.is_some().then(|| {
            input_slopes.resize(inputs.len(), 0.0);
            &mut input_slopes[..]
        });
        self.network.backward(self.pass(view, rows, inputs, dropout), layers, gradient, wanted);
        if let Some(embedding) = self.embedding {
            // A row's own slopes move what is its own; only the layers, which all rows share, go by the mean.
            input_slopes.iter_mut().for_each(|slope| *slope *= all);
            beside.clear();
            beside.extend(layers.margin_slopes().chunks_exact(self.stride).map(|slopes| all * slopes[0]));
            let embedded = Embedded { inputs, slopes: beside, gradients: input_slopes };
            self.backend.learn_embedded(view.table, rows, embedding, embedded, group.step, scratch);
        }
        drop(kept);
        space.thinned = thinned;
    }

    fn forward(&self, view: LayeredView<'_>, rows: &[Row<'_>], dropout: Option<Dropout>, space: &mut Workspace) {
        let Workspace { layers, scratch, inputs, beside, .. } = space;
        let width = self.network.inputs();
        if let Some(embedding) = self.embedding {
            inputs.resize(rows.len() * width, 0.0);
            beside.resize(rows.len(), 0.0);
            self.backend.embed(view.table, rows, embedding, inputs, beside, scratch);
        } else if !self.takes_rows() {
            inputs.clear();
            for row in rows {
                let from = inputs.len();
                inputs.extend(self.means.iter().map(|mean| -mean));
                add_values(row, &mut inputs[from..]);
            }
        }
        self.network.forward(self.pass(view, rows, inputs, dropout), layers);
        if self.embedding.is_some_and(|embedding| embedding.weighs) {
            let margins = layers.margins_mut().chunks_exact_mut(self.stride);
            margins.zip(beside).for_each(|(margins, beside)| margins[0] += *beside);
        }
    }

    fn pass<'p>(
        &'p self,
        view: LayeredView<'p>,
        rows: &'p [Row<'p>],
        inputs: &'p [f32],
        dropout: Option<Dropout>,
    ) -> Pass<'p> {
        let input = if self.takes_rows() { Input::Sparse(rows, &self.means) } else { Input::Dense(inputs) };
        let (backend, stride) = (self.backend, self.stride);
        Pass { backend, weights: view.weights, input, rows: rows.len(), dropout, stride }
    }

    fn takes_rows(&self) -> bool {
        self.embedding.is_none() && !self.written_out
    }

    /// The rows with a share of their features left out, and the others made so much larger that a row is as long as before; none where
    /// all stay.
    fn thin<'t>(&self, rows: &[Row<'_>], seed: u64, thinned: &'t mut Thinned) -> Option<Vec<Row<'t>>> {
        if self.feature_dropout == 0.0 {
            return None;
        }
        let Thinned { ids, values, ends } = thinned;
        ids.clear();
        values.clear();
        ends.clear();
        // What is drawn for a feature of a row, from 0 to below 2³².
        let least = (f64::from(self.feature_dropout) * f64::from(u32::MAX)) as u64;
        for (nth, row) in rows.iter().enumerate() {
            let (from, seed) = (ids.len(), mix(mix(seed).wrapping_add(nth as u64)));
            let (all, own) = (row.ids().as_slice(), row.values());
            let kept = all.iter().enumerate().filter(|(_, id)| mix(seed ^ u64::from(**id)) >> 32 >= least);
            for (at, &id) in kept {
                ids.push(id);
                values.push(own.get(at).copied().unwrap_or(1.0));
            }
            let squares = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
            let all = if own.is_empty() { all.len() as f32 } else { squares(own) };
            let left = squares(&values[from..]);
            let by = if left > 0.0 { (all / left).sqrt() } else { 1.0 };
            values[from..].iter_mut().for_each(|value| *value *= by);
            ends.push(ids.len());
        }
        let limit = rows.iter().map(|row| row.ids().limit()).max().unwrap_or(0);
        let ids = Ids::check(ids, limit).unwrap_or_default();
        let mut from = 0;
        let thin = |(row, &end): (&Row<'_>, &usize)| {
            let thin = Row::new(ids.slice(from..end), &values[from..end], row.target).weighing(row.weight);
            from = end;
            thin
        };
        Some(rows.iter().zip(&*ends).map(thin).collect())
    }
}

/// Adds the values of a row where they belong.
fn add_values(row: &Row<'_>, input: &mut [f32]) {
    let ids = row.ids().as_slice();
    match row.values() {
        [] => ids.iter().for_each(|&id| input[id as usize] += 1.0),
        values => ids.iter().zip(values).for_each(|(&id, &value)| input[id as usize] += value),
    }
}
