//! `hogback export`.

use std::path::PathBuf;

use clap::Args;

use super::{ModelPath, kernels, say};
use crate::error::Result;
use crate::model::export::{Form, export};
use crate::model::predictor::Model;
use crate::report::format::{count, number};
use crate::store::Disk;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// Where the weights and layers go: one safetensors file if it ends in .safetensors, else text
    out: PathBuf,
    /// Replace a file of this name
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let model = Model::open_on(&flags.model, kernels()?)?;
    let written = export(&model, &flags.out, Form::of(&flags.out), flags.overwrite, &Disk)?;
    let (written, all) = (number(written as u64, "feature"), count(model.features() as u64));
    let out = flags.out.display();
    let which = match model.layers() {
        Some((network, _)) => {
            let parameters = number(network.parameters() as u64, "parameter");
            say(&format!("{written} of {all}, and layers of {parameters}, in {out}"));
            return Ok(());
        }
        None if model.rank() > 0 => "weight or a vector",
        None => "weight",
    };
    say(&format!("{written} of {all} in {out}: those that have a {which} other than 0"));
    Ok(())
}
