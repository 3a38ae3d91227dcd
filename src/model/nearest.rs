//! [`Nearest`]: the features whose factor vectors point where another's do.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::configuration::Kind;
use super::factors::Fresh;
use super::most::Most;
use super::predictor::Model;
use crate::data::Dictionary;
use crate::error::{Error, Result};
use crate::report::format::count;

/// Vectors not longer than so many fresh ones are left out: what few rows have moved points anywhere.
const FRESH: f32 = 2.0;
/// So are those of words shorter than this share of the vector of the one that is asked about. They begin at 0, and a word that is there
/// twice points to its text's class as exactly as one that stands for that class.
const SHORT: f32 = 0.5;
/// How many names are told where one is not known.
const ALIKE: usize = 3;

/// What is nearest to a feature, by the cosine of the angle between their factor vectors: those of all outputs and fields one after
/// the other.
#[derive(Debug, Serialize)]
pub struct Nearest {
    /// The directory.
    pub model: String,
    /// The feature.
    pub near: String,
    /// How many others there are with a vector that rows have moved far from where it began.
    pub compared: usize,
    /// The nearest of them with their cosines, the nearest first.
    pub nearest: Vec<(String, f32)>,
}

impl Nearest {
    /// The `top` features nearest to the one called `name`, in the model that was opened from `directory`.
    ///
    /// # Errors
    /// [`Error::Usage`] where the model has no factors or no such feature, or too few rows have moved its vector.
    pub fn new(directory: String, model: &Model, name: &str, top: usize) -> Result<Self> {
        if model.rank() == 0 {
            let kind = model.configuration.kind.name();
            let what = format!(
                "--near needs a model whose features have vectors, fm, ffm, deep or text; {directory} is {kind}"
            );
            return Err(Error::Usage(what));
        }
        let dictionary = model.dictionary();
        let row = dictionary.find(name).ok_or_else(|| {
            let alike: Vec<String> =
                alike(name, dictionary).map(|row| format!("{:?}", dictionary.name_of(row))).collect();
            Error::Usage(format!(
                "--near {name}: {directory} has no such feature; its most alike are {}",
                alike.join(", ")
            ))
        })? as usize;
        let least = FRESH * Fresh::new(&model.configuration, Vec::new(), Vec::new()).length();
        let vector: Vec<f32> = model.factors(row).collect();
        let (length, _) = against(vector.iter().copied(), &vector);
        if length <= least || !is_learned(model, row) {
            return Err(Error::Usage(format!(
                "--near {name}: too few rows have moved its vector, which is {length:.3} long, for it to be near to others"
            )));
        }
        let least = if model.configuration.kind == Kind::Text { least.max(SHORT * length) } else { least };
        let (mut most, mut compared) = (Most::new(top), 0);
        for other in (0..model.features()).filter(|&other| other != row && is_learned(model, other)) {
            let (theirs, product) = against(model.factors(other), &vector);
            if theirs > 0.0 && theirs >= least {
                compared += 1;
                most.offer(product / (theirs * length), other);
            }
        }
        let named = |(row, cosine): (usize, f32)| (dictionary.name_of(row as u32), cosine);
        Ok(Self { model: directory, near: name.to_owned(), compared, nearest: most.best().map(named).collect() })
    }
}

/// Whether a row has been learned with the feature, as far as its weights show it.
fn is_learned(model: &Model, row: usize) -> bool {
    !model.configuration.has_weights() || model.weights(row).any(|weight| weight != 0.0)
}

/// How long a vector is, and its product with `other`.
fn against(vector: impl Iterator<Item = f32>, other: &[f32]) -> (f32, f32) {
    let (squares, product) = vector.zip(other).fold((0.0f64, 0.0f64), |(squares, product), (a, &b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        (squares + a * a, product + a * b)
    });
    (squares.sqrt() as f32, product as f32)
}

/// The rows of the names most like `name`: first those that end with it, for a field, a namespace or a column may have been left out.
fn alike(name: &str, dictionary: &Dictionary) -> impl Iterator<Item = u32> {
    let mut most = Most::new(ALIKE);
    for row in 0..dictionary.len() {
        let other = dictionary.name_of(row as u32);
        let whole = if other.ends_with(name) { 1.0 } else { 0.0 };
        most.offer(whole + strsim::jaro(name, &other) as f32, row);
    }
    most.best().map(|(row, _)| row as u32)
}

impl Display for Nearest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (shown, all) = (self.nearest.len(), count(self.compared as u64));
        writeln!(f, "near {} by the cosine of their vectors, {shown} of {all}:", self.near)?;
        self.nearest.iter().try_for_each(|(name, cosine)| writeln!(f, "{cosine:>14.6}  {name}"))
    }
}
