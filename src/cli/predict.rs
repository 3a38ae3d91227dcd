//! `hogback predict`.

use std::io::{self, BufWriter, Write};

use clap::Args;

use super::values::input;
use super::{ModelPath, Reading, ignored, kernels, say};
use crate::data::{CachePolicy, Input, LabelFile, stream};
use crate::error::{Error, Result};
use crate::model::predictor::Model;
use crate::report::format::bad_rows;

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
    let mut closed = false;
    let live = flags.data == Input::Stdin;
    let options = flags.reading.options(LabelFile::Unwanted, CachePolicy::Off);
    let result = stream(&flags.data, &options, &model.known(), &say, &mut |block| {
        // A bad row has its line as well, so that lines and rows stay side by side.
        let mut skipped = block.skipped.iter().map(|&before| before as usize).peekable();
        let mut bad_before = |row: usize, out: &mut BufWriter<_>| {
            std::iter::from_fn(|| skipped.next_if_eq(&row)).try_for_each(|_| writeln!(out, "nan"))
        };
        let margins = model.margins(&block.as_block());
        let mut rows = margins.iter().enumerate();
        let written = rows.try_for_each(|(row, &margin)| {
            bad_before(row, &mut out)?;
            writeln!(out, "{}", model.prediction(margin))
        });
        let written = written.and_then(|()| bad_before(margins.len(), &mut out));
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
    if let Some(skipped) = &seen.skipped {
        say(&bad_rows(&flags.data.to_string(), skipped));
    }
    Ok(())
}
