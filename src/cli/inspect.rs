//! `hogback inspect`.

use std::fmt::Display;

use clap::Args;
use serde::Serialize;

use super::values::whole;
use super::{ModelPath, kernels, print};
use crate::error::{Error, Result};
use crate::model::inspect::Inspection;
use crate::model::nearest::Nearest;
use crate::model::predictor::Model;

/// How much is shown where nobody says, and of each of several classes.
const TOP: usize = 20;
const TOP_OF_EACH: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// Show the features whose factor vectors are nearest to that of this one, by cosine
    #[arg(long, value_name = "NAME")]
    near: Option<String>,
    /// How many of the heaviest weights, or else of the longest vectors, to show, of each class [default: 20, of several classes 5], or of
    /// the nearest features
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let model = Model::open_on(&flags.model, kernels()?)?;
    let directory = flags.model.display().to_string();
    if let Some(name) = &flags.near {
        return show(&Nearest::new(directory, &model, name, flags.top.unwrap_or(TOP))?, flags.json);
    }
    let top = flags.top.unwrap_or(if model.parts() > 1 { TOP_OF_EACH } else { TOP });
    show(&Inspection::new(directory, &model, top), flags.json)
}

/// Prints what was found, for people or for scripts.
fn show(found: &(impl Display + Serialize), json: bool) -> Result<()> {
    if json {
        let json = serde_json::to_string(found).map_err(|error| Error::Engine(error.to_string()))?;
        print(&format!("{json}\n"))
    } else {
        print(&found.to_string())
    }
}
