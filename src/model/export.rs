//! A model's weights and factor vectors alone, plainly named: as text, or as one safetensors file.

use std::collections::HashMap;
use std::path::Path;

use rustc_hash::FxHashMap;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::predictor::Model;
use crate::error::{Error, Result};
use crate::report::format::count;
use crate::store::Store;
use crate::store::draft::{Draft, publish, refuse_existing};

/// Text is handed to the file in pieces of about this many bytes.
const PIECE: usize = 1 << 20;

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line a feature: its name, its weights and its factor vectors, with tabs between.
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

/// Writes the features that have a weight other than 0, or a number of a factor vector, to the file `out`; how many those are. Where
/// rows are brought to a norm all are written, for every one of them is part of it. docs/formats.md describes both
/// forms.
///
/// # Errors
/// [`Error::Usage`] where the file exists and is not to be replaced, [`Error::Io`] where it cannot be written; then nothing is.
pub fn export(model: &Model, out: &Path, form: Form, replace: bool, store: &dyn Store) -> Result<usize> {
    if !replace {
        refuse_existing(out)?;
    }
    let matters = |&row: &u32| {
        let row = row as usize;
        is_normed(model) || model.weights(row).chain(model.factors(row)).any(|number| number != 0.0)
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

/// Whether rows are brought to a norm, which each of their features is part of.
fn is_normed(model: &Model) -> bool {
    model.configuration.norm() > 0.0 || model.configuration.text.is_some()
}

fn text(model: &Model, rows: &[u32], draft: &mut Draft<'_>) -> Result<()> {
    let line = |text: &mut String, name: &str, numbers: &mut dyn Iterator<Item = f32>| {
        text.push_str(&escaped(name));
        numbers.for_each(|number| *text += &format!("\t{number}"));
        text.push('\n');
    };
    let mut text = "feature".to_owned();
    let classes = if model.outputs() > 1 { model.classes() } else { &["weight".to_owned()] };
    for name in classes.iter().cloned().chain(factor_names(model)) {
        text += &format!("\t{}", escaped(&name));
    }
    text.push('\n');
    line(&mut text, "(intercept)", &mut model.bias());
    for &row in rows {
        let mut numbers = model.weights(row as usize).chain(model.factors(row as usize));
        line(&mut text, &model.dictionary().name_of(row), &mut numbers);
        if text.len() > PIECE {
            draft.write(text.as_bytes())?;
            text.clear();
        }
    }
    draft.write(text.as_bytes())
}

/// What the numbers of a feature's vectors are called: `factor:1`, behind the class where there are several and the field where fields
/// matter.
fn factor_names(model: &Model) -> Vec<String> {
    let outputs: Vec<String> = match model.classes() {
        classes if model.outputs() > 1 => classes.iter().map(|class| format!("{class}:")).collect(),
        _ => vec![String::new()],
    };
    let fields: Vec<String> = match &model.configuration.fields {
        Some(fields) => fields.names.iter().map(|field| format!("{field}:")).collect(),
        None => vec![String::new()],
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
    name: &'static str,
    shape: Vec<usize>,
    numbers: Numbers,
}

enum Numbers {
    Floats(Vec<f32>),
    Whole(Vec<i32>),
    Bytes(Vec<u8>),
}

impl Tensor {
    fn floats(name: &'static str, shape: Vec<usize>, numbers: Vec<f32>) -> Self {
        Self { name, shape, numbers: Numbers::Floats(numbers) }
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
    let (features, outputs) = (rows.len(), model.outputs());
    let mut names = Vec::new();
    for &row in rows {
        names.extend_from_slice(escaped(&model.dictionary().name_of(row)).as_bytes());
        names.push(b'\n');
    }
    let weights = rows.iter().flat_map(|&row| model.weights(row as usize)).collect();
    let mut tensors = vec![
        Tensor::floats("weight", vec![features, outputs], weights),
        Tensor::floats("bias", vec![outputs], model.bias().collect()),
        Tensor { name: "features", shape: vec![names.len()], numbers: Numbers::Bytes(names) },
    ];
    if let Some(idf) = &model.dictionary().idf {
        let idf = rows.iter().map(|&row| idf[row as usize]).collect();
        tensors.push(Tensor::floats("idf", vec![features], idf));
    }
    if model.rank() > 0 {
        tensors.extend(factors(model, rows));
    }
    let views: Result<Vec<_>, _> = tensors.iter().map(|tensor| Ok((tensor.name, tensor.view()?))).collect();
    views.and_then(|views| serialize(views, Some(metadata(model)))).map_err(|error| {
        Error::Engine(format!("cannot lay out {} features as safetensors: {error}", count(features as u64)))
    })
}

/// The tensors that a model with factors has besides.
fn factors(model: &Model, rows: &[u32]) -> Vec<Tensor> {
    let mut shape = vec![rows.len()];
    shape.extend((model.outputs() > 1).then_some(model.outputs()));
    shape.extend(model.configuration.fields.as_ref().map(|fields| fields.names.len()));
    shape.push(model.rank());
    let vectors = rows.iter().flat_map(|&row| model.factors(row as usize)).collect();
    let mut tensors = vec![Tensor::floats("factors", shape, vectors)];
    if model.configuration.fields.is_some() {
        let fields = rows.iter().map(|&row| model.field(row as usize) as i32).collect();
        tensors.push(Tensor { name: "fields", shape: vec![rows.len()], numbers: Numbers::Whole(fields) });
    }
    if let Some(units) = model.units() {
        let centres: FxHashMap<u32, f32> = units.centres().iter().copied().collect();
        let centre = rows.iter().map(|row| centres.get(row).copied().unwrap_or(0.0)).collect();
        tensors.push(Tensor::floats("centre", vec![rows.len()], centre));
        let scale = rows.iter().map(|&row| units.scales()[row as usize]).collect();
        tensors.push(Tensor::floats("scale", vec![rows.len()], scale));
    }
    tensors
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
    if model.rank() > 0 {
        metadata.push(("rank", model.rank().to_string()));
        metadata.push(("unit", model.unit().to_string()));
        metadata.push(("norm", configuration.norm().to_string()));
    }
    if let Some(fields) = &configuration.fields {
        metadata.push(("field_names", listed(&fields.names)));
    }
    metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
