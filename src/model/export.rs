//! A model's weights alone, plainly named: as text, or as one safetensors file.

use std::collections::HashMap;
use std::path::Path;

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
    /// A line a feature: its name and its weights, with tabs between.
    Text,
    /// Tensors `weight`, `bias` and `features`.
    Safetensors,
}

impl Form {
    /// The form that the name of a file asks for.
    pub fn of(path: &Path) -> Self {
        if path.extension().is_some_and(|end| end == "safetensors") { Self::Safetensors } else { Self::Text }
    }
}

/// Writes the features that have a weight other than 0 to the file `out`; how many those are.
///
/// Text: the line `feature` with the names of the outputs behind it (`weight`, or the classes), the line `(intercept)`, then a line a
/// feature. Safetensors: `weight` (features × outputs) and `bias` (outputs) of 32-bit floats, and `features`, the bytes of their names
/// in UTF-8 with a newline after each. Tabs, newlines and backslashes within names become `\t`, `\n` and `\\`.
///
/// # Errors
/// [`Error::Usage`] where the file exists and is not to be replaced, [`Error::Io`] where it cannot be written; then nothing is.
pub fn export(model: &Model, out: &Path, form: Form, replace: bool, store: &dyn Store) -> Result<usize> {
    if !replace {
        refuse_existing(out)?;
    }
    let rows: Vec<u32> =
        (0..model.features() as u32).filter(|&row| model.weights(row as usize).any(|w| w != 0.0)).collect();
    let mut draft = Draft::create(store, out)?;
    match form {
        Form::Text => text(model, &rows, &mut draft)?,
        Form::Safetensors => draft.write(&tensors(model, &rows)?)?,
    }
    publish(store, vec![draft])?;
    Ok(rows.len())
}

fn text(model: &Model, rows: &[u32], draft: &mut Draft<'_>) -> Result<()> {
    let line = |text: &mut String, name: &str, weights: &mut dyn Iterator<Item = f32>| {
        text.push_str(&escaped(name));
        weights.for_each(|weight| *text += &format!("\t{weight}"));
        text.push('\n');
    };
    let mut text = "feature".to_owned();
    let classes = if model.outputs() > 1 { model.classes() } else { &["weight".to_owned()] };
    for class in classes {
        text += &format!("\t{}", escaped(class));
    }
    text.push('\n');
    line(&mut text, "(intercept)", &mut model.bias());
    for &row in rows {
        line(&mut text, &model.dictionary().name_of(row), &mut model.weights(row as usize));
        if text.len() > PIECE {
            draft.write(text.as_bytes())?;
            text.clear();
        }
    }
    draft.write(text.as_bytes())
}

/// A name that holds neither tab nor newline.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn tensors(model: &Model, rows: &[u32]) -> Result<Vec<u8>> {
    let outputs = model.outputs();
    let weights: Vec<f32> = rows.iter().flat_map(|&row| model.weights(row as usize)).collect();
    let bias: Vec<f32> = model.bias().collect();
    let mut names = Vec::new();
    for &row in rows {
        names.extend_from_slice(escaped(&model.dictionary().name_of(row)).as_bytes());
        names.push(b'\n');
    }
    let failed = |error: safetensors::SafeTensorError| {
        Error::Engine(format!("cannot lay out {} features as safetensors: {error}", count(rows.len() as u64)))
    };
    let view = |dtype, shape: Vec<usize>, data| TensorView::new(dtype, shape, data).map_err(failed);
    let named = [
        ("weight", view(Dtype::F32, vec![rows.len(), outputs], bytemuck::cast_slice(&weights))?),
        ("bias", view(Dtype::F32, vec![outputs], bytemuck::cast_slice(&bias))?),
        ("features", view(Dtype::U8, vec![names.len()], &names)?),
    ];
    let classes = (!model.classes().is_empty()).then(|| {
        ("classes".to_owned(), model.classes().iter().map(|class| escaped(class)).collect::<Vec<_>>().join("\n"))
    });
    let kind = ("kind".to_owned(), model.configuration.kind.name().to_owned());
    let loss = ("loss".to_owned(), model.configuration.loss.name().to_owned());
    let metadata: HashMap<String, String> = [kind, loss].into_iter().chain(classes).collect();
    serialize(named, Some(metadata)).map_err(failed)
}
