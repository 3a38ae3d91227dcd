//! [`Model`]: a trained model, opened to predict.

use std::path::Path;
use std::sync::atomic::AtomicU32;

use hogback_kernels::{Backend, Cells, Factors, Ids, Layout, Row, Rule, Scratch, Step, Table};

use super::configuration::{Configuration, Kind, LossKind, Target};
use super::factors::{Fresh, Units};
use super::labels::KnownLabels;
use super::layered::{Layered, LayeredView, Workspace};
use super::network::Network;
use super::weighting::Weighting;
use crate::checkpoint::{Loaded, Manifest, load_weights};
use crate::data::{Block, Dictionary, Known};
use crate::error::{Error, Result};
use crate::sys::map::Region;

/// A trained model.
#[derive(Debug)]
pub struct Model {
    /// What it is.
    pub configuration: Configuration,
    /// What its directory says about itself.
    pub manifest: Manifest,
    dictionary: Dictionary,
    labels: KnownLabels,
    layout: Layout,
    /// The values that it takes rows by, where those are not the data's.
    units: Option<Units>,
    weights: Region,
    bias: Vec<AtomicU32>,
    /// What it does with layers, and these, where it has any.
    layers: Option<(Layered, Vec<f32>)>,
    backend: Backend,
}

/// Rows that go through layers at a time.
const SCORED: usize = 256;
/// What scoring needs to be told of a step; weights as they are saved stand for themselves.
const PLAIN: Step<'_> = Step { rate: 1.0, bias_rate: 1.0, floor: 1.0, decay: &[], l1: 0.0, norm: 0.0 };

/// Where the weight of an output stands in a row.
fn weight_at(layout: Layout, output: usize) -> usize {
    if layout.factors().is_some() { output * layout.part() + layout.tail() + Layout::WEIGHT } else { output }
}

/// Where the vector of an output for a field begins in a row.
fn vector_at(layout: Layout, factors: Factors, output: usize, field: usize) -> usize {
    output * layout.part() + field * factors.stride()
}

impl Model {
    /// Opens the current generation of a model directory; every file that is read is checked.
    ///
    /// # Errors
    /// [`Error::Model`] where it is absent, damaged or of a kind this version does not know.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_on(path.as_ref(), Backend::best())
    }

    /// [`Model::open`], to score with the given instruction set.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(path: &Path, backend: Backend) -> Result<Self> {
        let loaded = load_weights(path)?;
        Self::from_loaded(loaded, backend).map_err(|what| Error::model(path, what))
    }

    fn from_loaded(loaded: Loaded, backend: Backend) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_value(loaded.manifest.configuration.clone())
            .map_err(|error| format!("was made by another version of hogback: {error}"))?;
        let dictionary = Dictionary::from_bytes(&loaded.dictionary)?;
        let weighed = configuration.text.is_some_and(|text| text.weighting == Weighting::TfIdf);
        if weighed != dictionary.idf.is_some() {
            return Err("its dictionary and its manifest do not agree on document frequencies".into());
        }
        let tensor = |name: &str, rows: usize, width: usize| {
            let found = loaded.weights.iter().find(|tensor| tensor.name == name);
            let fits = |data: &Vec<f32>| data.len() == rows * width;
            let found = found.map(|tensor| &tensor.data).filter(|data| fits(data));
            found.ok_or(format!("has no tensor {name} of {rows} × {width} numbers"))
        };
        let rows = configuration.table_rows(dictionary.len());
        let layout = match configuration.factors() {
            Some(_) => configuration.layout(),
            None => Layout::new(configuration.layout().outputs(), 0),
        };
        let outputs = layout.outputs();
        let weights =
            Region::reserve(rows * layout.width()).map_err(|error| format!("does not fit into memory: {error}"))?;
        let rows_of = |row: usize| weights.cells().slice(row * layout.width()..(row + 1) * layout.width());
        if configuration.has_weights() {
            for (row, words) in tensor("weight", rows, outputs)?.chunks(outputs).enumerate() {
                words.iter().enumerate().for_each(|(output, &word)| rows_of(row).set(weight_at(layout, output), word));
            }
        }
        if let Some(factors) = configuration.factors() {
            let width = outputs * factors.fields * factors.rank;
            let fields = configuration.fields.as_ref().map(|source| source.fields(&dictionary)).transpose()?;
            let fresh = Fresh::new(&configuration, Vec::new(), fields.map_or(Vec::new(), |fields| fields.of));
            for (row, words) in tensor("factors", rows, width)?.chunks(width).enumerate() {
                let cells = rows_of(row);
                fresh.fix(row, cells);
                for (nth, vector) in words.chunks(factors.rank).enumerate() {
                    let from = vector_at(layout, factors, nth / factors.fields, nth % factors.fields);
                    backend.copy_in(vector, cells.slice(from..from + factors.rank));
                }
            }
        }
        let bias: Vec<AtomicU32> = (0..layout.intercept().width()).map(|_| AtomicU32::new(0)).collect();
        let layered = Layered::new(backend, &configuration, dictionary.len());
        let layers = match layered {
            Some(layered) => {
                let mut words = vec![0.0; layered.network().words()];
                for part in layered.network().parts() {
                    words[part.words].copy_from_slice(tensor(&part.name, part.rows, part.width)?);
                }
                Some((layered, words))
            }
            None => {
                backend.copy_in(tensor("bias", 1, outputs)?, Cells::new(&bias).slice(0..outputs));
                None
            }
        };
        let labels = KnownLabels::of(&configuration.target, configuration.loss);
        let units = configuration.is_as_learned().then(|| Units::of(&configuration, &dictionary)).flatten();
        let manifest = loaded.manifest;
        Ok(Self { configuration, manifest, dictionary, labels, layout, units, weights, bias, layers, backend })
    }

    /// What reading data for this model needs.
    pub fn known(&self) -> Known<'_> {
        let label_names = match &self.configuration.target {
            Target::Classes { names, words: true } => names,
            _ => &[][..],
        };
        Known {
            dictionary: &self.dictionary,
            columns: self.configuration.columns.as_deref(),
            label_names,
            hashing: self.configuration.hashing.as_ref(),
            grams: self.configuration.text.map(|text| text.grams),
        }
    }

    /// How many features it knows.
    pub fn features(&self) -> usize {
        self.dictionary.len()
    }

    /// The names of its features, in the order of the rows of its weights.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The names of its classes; none where it predicts a number.
    pub fn classes(&self) -> &[String] {
        match &self.configuration.target {
            Target::Classes { names, .. } => names,
            Target::Number { .. } => &[],
        }
    }

    /// The instruction set it scores with.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// How many outputs it has: one, or one for each class.
    pub fn outputs(&self) -> usize {
        self.configuration.outputs()
    }

    /// How far apart the rows of [`Model::margins`] begin.
    pub fn stride(&self) -> usize {
        self.configuration.stride()
    }

    /// How many times a feature has what it has: once for each output, or, before layers, once for all.
    pub fn parts(&self) -> usize {
        self.layout.outputs()
    }

    /// The weights of feature `row`, one for each part; none where features have no weights.
    ///
    /// # Panics
    /// Where there is no such feature.
    pub fn weights(&self, row: usize) -> impl Iterator<Item = f32> + '_ {
        let parts = if self.configuration.has_weights() { self.parts() } else { 0 };
        (0..parts).map(move |output| self.row(row).get(weight_at(self.layout, output)))
    }

    /// How many numbers a factor vector has; 0 where there are none.
    pub fn rank(&self) -> usize {
        self.layout.factors().map_or(0, |factors| factors.rank)
    }

    /// The factor vectors of feature `row`, part by part, and of each field by field; none in a linear model and a perceptron.
    ///
    /// # Panics
    /// Where there is no such feature.
    pub fn factors(&self, row: usize) -> impl Iterator<Item = f32> + '_ {
        let layout = self.layout;
        layout.factors().into_iter().flat_map(move |factors| {
            let cells = self.row(row);
            let vectors =
                (0..layout.outputs()).flat_map(move |output| (0..factors.fields).map(move |field| (output, field)));
            vectors.flat_map(move |(output, field)| {
                let from = vector_at(layout, factors, output, field);
                (from..from + factors.rank).map(move |at| cells.get(at))
            })
        })
    }

    /// What the first layer of a perceptron makes of feature `row`, in the units of learning; none in other models.
    ///
    /// # Panics
    /// Where there is no such feature.
    pub fn first_layer(&self, row: usize) -> &[f32] {
        match self.layers().and_then(|(network, words)| Some((network.parts().next()?, words))) {
            Some((part, words)) if self.configuration.kind == Kind::Mlp => {
                &words[part.words][row * part.width..(row + 1) * part.width]
            }
            _ => &[],
        }
    }

    /// The layers and their words, where there are any.
    pub fn layers(&self) -> Option<(&Network, &[f32])> {
        self.layers.as_ref().map(|(layered, words)| (layered.network(), &words[..]))
    }

    /// The number of the field that feature `row` is of; 0 where fields do not matter.
    ///
    /// # Panics
    /// Where there is no such feature.
    pub fn field(&self, row: usize) -> usize {
        match self.layout.factors() {
            Some(_) if self.layout.has_field() => self.row(row).get(self.layout.tail() + Layout::FIELD) as usize,
            _ => 0,
        }
    }

    /// The values that it takes rows by, where those are not the data's.
    pub fn units(&self) -> Option<&Units> {
        self.units.as_ref()
    }

    /// What margins are to be multiplied with to be in the units of labels; a linear model's weights are in these units.
    pub fn unit(&self) -> f64 {
        if self.configuration.is_as_learned() { self.configuration.unit() } else { 1.0 }
    }

    fn row(&self, row: usize) -> Cells<'_> {
        let width = self.layout.width();
        self.weights.cells().slice(row * width..(row + 1) * width)
    }

    /// The intercepts, one for each output; none where there are layers, which have biases of their own.
    pub fn bias(&self) -> impl Iterator<Item = f32> + '_ {
        let outputs = if self.layers.is_some() { 0 } else { self.outputs() };
        (0..outputs).map(|output| Cells::new(&self.bias).get(output))
    }

    /// The margins of a block's rows, read with [`Model::known`]: for each row a stride, whose first places are the outputs'.
    pub fn margins(&self, block: &Block<'_>) -> Vec<f32> {
        let empty = Ids::check(&[], 0);
        let row = |at: usize| match empty {
            Ok(empty) if block.ids(at).as_slice().is_empty() => Row::new(empty, &[], 0.0),
            _ => Row::new(block.ids(at), block.values(at), 0.0),
        };
        let rows: Vec<Row<'_>> = (0..block.rows()).map(row).collect();
        self.score(&rows)
    }

    fn score(&self, rows: &[Row<'_>]) -> Vec<f32> {
        if self.units.is_none() && self.configuration.text.is_none() {
            return self.score_converted(rows);
        }
        let (mut converted, mut ends) = ((Vec::new(), Vec::new()), vec![0]);
        for row in rows {
            self.convert(row.ids().as_slice(), row.values(), &mut converted);
            ends.push(converted.0.len());
        }
        let ids = Ids::check(&converted.0, self.dictionary.len() as u32).unwrap_or_default();
        let row = |ends: &[usize]| Row::new(ids.slice(ends[0]..ends[1]), &converted.1[ends[0]..ends[1]], 0.0);
        self.score_converted(&ends.windows(2).map(row).collect::<Vec<_>>())
    }

    /// The row of `ids` and `values` (none where all are 1) as the model takes it, behind what stands in `out`.
    fn convert(&self, ids: &[u32], values: &[f32], out: &mut (Vec<u32>, Vec<f32>)) {
        let from = out.0.len();
        out.0.extend_from_slice(ids);
        out.1.extend_from_slice(values);
        out.1.resize(out.0.len(), 1.0);
        if let Some(text) = &self.configuration.text {
            let idf = self.dictionary.idf.as_deref().unwrap_or_default();
            text.weighting.weigh(&out.0[from..], &mut out.1[from..], idf);
        }
        if let Some(units) = &self.units {
            units.convert(out, from);
        }
    }

    /// The margins of rows whose values are as the model takes them.
    fn score_converted(&self, rows: &[Row<'_>]) -> Vec<f32> {
        let mut margins = vec![0.0; rows.len() * self.stride()];
        let (table, bias) = (Table::whole(self.weights.cells(), self.layout), Cells::new(&self.bias));
        if let Some((layered, weights)) = &self.layers {
            let (view, mut space) = (LayeredView { weights, table: &table }, Workspace::default());
            for (rows, margins) in rows.chunks(SCORED).zip(margins.chunks_mut(SCORED * self.stride())) {
                layered.score(view, rows, &mut space);
                margins.copy_from_slice(space.margins());
            }
        } else {
            let rule = if self.layout.factors().is_some() { Rule::Adagrad } else { Rule::Sgd };
            let step = Step { norm: self.configuration.norm(), ..PLAIN };
            self.backend.score((rule, &step), &table, rows, bias, &mut margins, &mut Scratch::default());
        }
        let unit = self.unit() as f32;
        if unit != 1.0 {
            margins.iter_mut().for_each(|margin| *margin *= unit);
        }
        margins
    }

    /// Turns the margins of a row, one for each output, into what the model predicts: the probability of the positive class
    /// (logistic), probabilities of all (softmax), margins (hinge), the mean of a count (Poisson), a number.
    pub fn predict(&self, margins: &mut [f32]) {
        match self.configuration.loss {
            LossKind::Logistic => {
                margins.iter_mut().for_each(|m| *m = (1.0 / (1.0 + (-f64::from(*m)).exp())) as f32);
            }
            LossKind::Softmax => {
                let most = margins.iter().fold(f32::MIN, |most, &m| most.max(m));
                let sum: f64 = margins.iter().map(|m| f64::from(m - most).exp()).sum();
                margins.iter_mut().for_each(|m| *m = (f64::from(*m - most).exp() / sum) as f32);
            }
            LossKind::Poisson => margins.iter_mut().for_each(|m| *m = f64::from(*m).exp() as f32),
            LossKind::Hinge | LossKind::Squared | LossKind::Quantile => {}
        }
    }

    /// What the model predicts for a row of named values; names that it does not know count as absent, and of one that stands there
    /// twice the values add up. One number (see [`Model::predict`]), or one for each of [`Model::classes`].
    ///
    /// A name is what the data calls a feature: `"7"` in libsvm, `"age"` or `"city=Oslo"` in CSV, `"namespace^feature"` in VW, `"3:17"` (field and index) in libffm.
    ///
    /// # Errors
    /// [`Error::Usage`] where the model knows features by hash, not by name.
    pub fn predict_row(&self, values: &[(&str, f32)]) -> Result<Vec<f32>> {
        if self.configuration.hashing.is_some() {
            return Err(Error::Usage("a model of hashed features cannot be asked by their names".to_owned()));
        }
        let find = |&(name, value): &(&str, f32)| Some((self.dictionary.find(name)?, value));
        let mut known: Vec<(u32, f32)> = values.iter().filter_map(find).collect();
        known.sort_by_key(|&(row, _)| row);
        known.dedup_by(|next, first| {
            let same = next.0 == first.0;
            first.1 += if same { next.1 } else { 0.0 };
            same
        });
        let (ids, values): (Vec<u32>, Vec<f32>) = known.into_iter().unzip();
        let ids = Ids::check(&ids, self.dictionary.len() as u32).unwrap_or_default();
        let mut margins = self.score(&[Row::new(ids, &values, 0.0)]);
        margins.truncate(self.outputs());
        self.predict(&mut margins);
        Ok(margins)
    }

    /// The target of a label as [`crate::data::stream`] gave it: -1 or 1 or the number of its class, or the number itself; none for a
    /// label that is missing or that the model was not trained on.
    pub fn target(&self, label: f32) -> Option<f32> {
        let known = self.labels.find(label)?;
        // Of two classes with one output the first is -1.
        Some(if self.outputs() == 1 && !self.classes().is_empty() { 2.0 * known - 1.0 } else { known })
    }
}
