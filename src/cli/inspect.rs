//! `hogback inspect`.

use clap::Args;

use super::values::whole;
use super::{ModelPath, kernels, print};
use crate::error::{Error, Result};
use crate::model::inspect::Inspection;
use crate::model::predictor::Model;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// How many of the heaviest weights to show, of each class [default: 20, of several classes 5]
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let model = Model::open_on(&flags.model, kernels()?)?;
    let top = flags.top.unwrap_or(if model.outputs() > 1 { 5 } else { 20 });
    let inspection = Inspection::new(flags.model.display().to_string(), &model, top);
    if flags.json {
        let json = serde_json::to_string(&inspection).map_err(|error| Error::Engine(error.to_string()))?;
        print(&format!("{json}\n"))
    } else {
        print(&inspection.to_string())
    }
}
