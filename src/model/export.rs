//! A model's weights, factor vectors and layers alone, plainly named: as text, or as one safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::repeat;
use std::path::Path;

use rustc_hash::FxHashMap;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::configuration::Kind;
use super::network::Part;
use super::predictor::Model;
use crate::error::{Error, Result};
use crate::report::format::{count, sizes, skips};
use crate::store::Store;
use crate::store::draft::{Draft, publish, refuse_existing};

/// Text is handed to the file in pieces of about this many bytes.
const PIECE: usize = 1 << 20;

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line a feature: its name, its weights and its factor vectors, with tabs between; a line a row of the layers.
    Text,
    /// Tensors, with what prediction needs besides as metadata.
    Safetensors,
}

impl Form {
    /// The form that the name of a file asks for.
    pub fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|end| end == "safetensors") { Self::Safetensors } else { Self::Text }
    }
}

/// Writes the features that have a weight other than 0, or a number of a factor vector, and all layers to the file `out`; how many
/// features those are. A perceptron's are all written, and where rows are brought to a norm, for every one of them is part of it.
/// docs/formats.md describes both forms.
///
/// # Errors
/// [`Error::Usage`] where the file exists and is not to be replaced, [`Error::Io`] where it cannot be written; then nothing is.
pub fn export(model: &Model, out: &Path, form: Form, replace: bool, store: &dyn Store) -> Result<usize> {
    if !replace {
        refuse_existing(out)?;
    }
    let matters = |&row: &u32| {
        let row = row as usize;
        has_all(model) || model.weights(row).chain(model.factors(row)).any(|number| number != 0.0)
    };
    let rows: Vec<u32> = (0..model.features() as u32).filter(matters).collect();
    let mut draft = Draft::create(store, out)?;
    match form {
        Form::Text => text(model, &rows, &mut draft)?,
        Form::Safetensors => draft.write(&tensors(model, &rows)?)?,
    }
    publish(store, vec![draft])?;
    Ok(rows.len())
}

/// Whether each feature is part of what is made of a row: of its norm, or of the input of layers.
fn has_all(model: &Model) -> bool {
    let configuration = &model.configuration;
    configuration.norm() > 0.0 || configuration.text.is_some() || configuration.kind == Kind::Mlp
}

/// The layers, but for the first of a perceptron: a row of its weights is what stands for a feature.
fn layers(model: &Model) -> impl Iterator<Item = (Part, &[f32])> {
    let parts = model.layers().into_iter().flat_map(|(network, words)| {
        network.parts().map(move |part| {
            let words = &words[part.words.clone()];
            (part, words)
        })
    });
    parts.skip(usize::from(model.configuration.kind == Kind::Mlp))
}

fn text(model: &Model, rows: &[u32], draft: &mut Draft<'_>) -> Result<()> {
    let line = |text: &mut String, name: &str, numbers: &mut dyn Iterator<Item = f32>| {
        text.push_str(&escaped(name));
        numbers.for_each(|number| *text += &format!("\t{number}"));
        text.push('\n');
    };
    let mut text = "feature".to_owned();
    let classes = match model.configuration.has_weights() {
        true if model.parts() > 1 => model.classes(),
        true => &["weight".to_owned()],
        false => &[],
    };
    for name in classes.iter().cloned().chain(vector_names(model)) {
        text += &format!("\t{}", escaped(&name));
    }
    text.push('\n');
    if model.layers().is_none() {
        line(&mut text, "(intercept)", &mut model.bias());
    }
    for &row in rows {
        let vectors = model.factors(row as usize).chain(model.first_layer(row as usize).iter().copied());
        line(&mut text, &model.dictionary().name_of(row), &mut model.weights(row as usize).chain(vectors));
        if text.len() > PIECE {
            draft.write(text.as_bytes())?;
            text.clear();
        }
    }
    for (part, words) in layers(model) {
        for (row, words) in (1..).zip(words.chunks(part.width)) {
            let name = if part.rows > 1 { format!("({}:{row})", part.name) } else { format!("({})", part.name) };
            line(&mut text, &name, &mut words.iter().copied());
        }
    }
    draft.write(text.as_bytes())
}

/// What the numbers of a feature's vectors are called: `factor:1`, behind the class where there are several and the field where there is a
/// vector for each; of a perceptron `layer1.weight:1`.
fn vector_names(model: &Model) -> Vec<String> {
    if let (Kind::Mlp, Some((network, _))) = (model.configuration.kind, model.layers()) {
        let first = network.parts().next();
        return first.iter().flat_map(|part| (1..=part.width).map(|at| format!("{}:{at}", part.name))).collect();
    }
    let outputs: Vec<String> = match model.classes() {
        classes if model.parts() > 1 => classes.iter().map(|class| format!("{class}:")).collect(),
        _ => vec![String::new()],
    };
    let fields: Vec<String> = match &model.configuration.fields {
        Some(fields) if model.configuration.kind == Kind::Ffm => {
            fields.names.iter().map(|field| format!("{field}:")).collect()
        }
        _ => vec![String::new()],
    };
    let vectors = outputs.iter().flat_map(|output| fields.iter().map(move |field| format!("factor:{output}{field}")));
    vectors.flat_map(|vector| (1..=model.rank()).map(move |at| format!("{vector}{at}"))).collect()
}

/// A name that holds neither tab nor newline.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

/// Names, a newline between them.
fn listed(names: &[String]) -> String {
    names.iter().map(|name| escaped(name)).collect::<Vec<_>>().join("\n")
}

/// A tensor on its way into a file.
struct Tensor {
    name: Cow<'static, str>,
    shape: Vec<usize>,
    numbers: Numbers,
}

enum Numbers {
    Floats(Vec<f32>),
    Whole(Vec<i32>),
    Bytes(Vec<u8>),
}

impl Tensor {
    fn floats(name: impl Into<Cow<'static, str>>, shape: Vec<usize>, numbers: Vec<f32>) -> Self {
        Self { name: name.into(), shape, numbers: Numbers::Floats(numbers) }
    }

    fn view(&self) -> Result<TensorView<'_>, SafeTensorError> {
        let (dtype, bytes) = match &self.numbers {
            Numbers::Floats(floats) => (Dtype::F32, bytemuck::cast_slice(floats)),
            Numbers::Whole(whole) => (Dtype::I32, bytemuck::cast_slice(whole)),
            Numbers::Bytes(bytes) => (Dtype::U8, &bytes[..]),
        };
        TensorView::new(dtype, self.shape.clone(), bytes)
    }
}

fn tensors(model: &Model, rows: &[u32]) -> Result<Vec<u8>> {
    let features = rows.len();
    let mut names = Vec::new();
    for &row in rows {
        names.extend_from_slice(escaped(&model.dictionary().name_of(row)).as_bytes());
        names.push(b'\n');
    }
    let mut tensors =
        vec![Tensor { name: "features".into(), shape: vec![names.len()], numbers: Numbers::Bytes(names) }];
    if model.configuration.has_weights() {
        let weights = rows.iter().flat_map(|&row| model.weights(row as usize)).collect();
        tensors.push(Tensor::floats("weight", vec![features, model.parts()], weights));
    }
    if model.layers().is_none() {
        tensors.push(Tensor::floats("bias", vec![model.outputs()], model.bias().collect()));
    }
    for (part, words) in model.layers().into_iter().flat_map(|(network, words)| network.parts().zip(repeat(words))) {
        let shape = if part.name.ends_with("bias") { vec![part.width] } else { vec![part.rows, part.width] };
        tensors.push(Tensor::floats(part.name, shape, words[part.words].to_vec()));
    }
    if let Some(idf) = &model.dictionary().idf {
        let idf = rows.iter().map(|&row| idf[row as usize]).collect();
        tensors.push(Tensor::floats("idf", vec![features], idf));
    }
    if model.rank() > 0 {
        tensors.extend(factors(model, rows));
    }
    tensors.extend(units(model, rows));
    let views: Result<Vec<_>, _> = tensors.iter().map(|tensor| Ok((&tensor.name, tensor.view()?))).collect();
    views.and_then(|views| serialize(views, Some(metadata(model)))).map_err(|error| {
        Error::Engine(format!("cannot lay out {} features as safetensors: {error}", count(features as u64)))
    })
}

/// The tensors that a model with factors has besides.
fn factors(model: &Model, rows: &[u32]) -> Vec<Tensor> {
    let mut shape = vec![rows.len()];
    shape.extend((model.parts() > 1).then_some(model.parts()));
    let by_field = model.configuration.kind == Kind::Ffm;
    shape.extend(model.configuration.fields.as_ref().filter(|_| by_field).map(|fields| fields.names.len()));
    shape.push(model.rank());
    let vectors = rows.iter().flat_map(|&row| model.factors(row as usize)).collect();
    let mut tensors = vec![Tensor::floats("factors", shape, vectors)];
    if model.configuration.fields.is_some() {
        let fields = rows.iter().map(|&row| model.field(row as usize) as i32).collect();
        tensors.push(Tensor { name: "fields".into(), shape: vec![rows.len()], numbers: Numbers::Whole(fields) });
    }
    tensors
}

/// What is taken off the values of each feature, and what the rest is multiplied with.
fn units(model: &Model, rows: &[u32]) -> Vec<Tensor> {
    let Some(units) = model.units() else { return Vec::new() };
    let centres: FxHashMap<u32, f32> = units.centres().iter().copied().collect();
    // The means of a perceptron are taken off what has been multiplied, with powers of two.
    let means = model.configuration.layers.as_ref().map_or(&[][..], |layers| &layers.means);
    let mean = |row: u32| means.get(row as usize).map(|mean| mean / units.scales()[row as usize]);
    let centre = rows.iter().map(|&row| mean(row).or(centres.get(&row).copied()).unwrap_or(0.0)).collect();
    let scale = rows.iter().map(|&row| units.scales()[row as usize]).collect();
    vec![Tensor::floats("centre", vec![rows.len()], centre), Tensor::floats("scale", vec![rows.len()], scale)]
}

/// What prediction needs beside the tensors.
fn metadata(model: &Model) -> HashMap<String, String> {
    let configuration = &model.configuration;
    let mut metadata =
        vec![("kind", configuration.kind.name().to_owned()), ("loss", configuration.loss.name().to_owned())];
    if !model.classes().is_empty() {
        metadata.push(("classes", listed(model.classes())));
    }
    if let Some(text) = &configuration.text {
        metadata.push(("weighting", text.weighting.name().to_owned()));
        metadata.push(("ngrams", text.grams.words.to_string()));
        metadata.extend(text.grams.chars.map(|chars| ("chars", chars.to_string())));
    }
    if configuration.is_as_learned() {
        metadata.push(("unit", model.unit().to_string()));
        metadata.push(("norm", configuration.norm().to_string()));
    }
    if model.rank() > 0 {
        metadata.push(("rank", model.rank().to_string()));
    }
    if let Some(layers) = &configuration.layers {
        metadata.push(("hidden", sizes(&layers.hidden)));
        if !layers.skips.is_empty() {
            metadata.push(("skips", skips(&layers.skips)));
        }
        metadata.push(("activation", layers.activation.name().to_owned()));
        let meets =
            (configuration.kind == Kind::Deep).then(|| (layers.meets && configuration.has_weights()).to_string());
        metadata.extend(meets.map(|meets| ("meets", meets)));
    }
    if let Some(fields) = &configuration.fields {
        metadata.push(("field_names", listed(&fields.names)));
    }
    metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
