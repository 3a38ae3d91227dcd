//! `hogback predict`.

use std::io::{self, BufWriter, Write};

use clap::Args;

use super::values::input;
use super::{ModelPath, Reading, ignored, kernels, say};
use crate::data::{CachePolicy, Input, LabelFile, stream};
use crate::error::{Error, Result};
use crate::model::predictor::Model;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// The data: a path, `-` for standard input, or a built-in set
    #[arg(value_parser = input)]
    data: Input,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let model = Model::open(&flags.model, kernels()?)?;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let (mut closed, mut row) = (false, 0u64);
    let live = flags.data == Input::Stdin;
    let options = flags.reading.options(LabelFile::Unwanted, CachePolicy::Off);
    let result = stream(&flags.data, &options, &model.known(), &say, &mut |block| {
        let written = model.margins(&block.as_block()).into_iter().try_for_each(|margin| {
            row += 1;
            writeln!(out, "{}", model.prediction(margin))
        });
        written.and_then(|()| if live { out.flush() } else { Ok(()) }).map_err(|error| {
            closed = error.kind() == io::ErrorKind::BrokenPipe;
            Error::io("standard output", "write the predictions", error)
        })
    });
    // Whoever read the predictions (head, for one) has seen enough.
    let seen = match result {
        Err(_) if closed => return Ok(()),
        other => other?,
    };
    match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.map_err(|error| Error::io("standard output", "write the predictions", error))?,
    }
    ignored(seen.unknown_keys);
    Ok(())
}
