//! `hogback predict`.

use std::io::{self, BufWriter, Write};

use clap::Args;

use super::values::{count, input};
use super::{ModelPath, Reading, ignored, kernels, say};
use crate::data::{CachePolicy, Input, LabelFile, stream};
use crate::error::{Error, Result};
use crate::model::configuration::LossKind;
use crate::model::predictor::Model;
use crate::report::format::bad_rows;
use crate::report::metrics::likeliest;
use crate::sys::signal::StopRequest;

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// The model directory
    model: ModelPath,
    /// The data: a path, `-` for standard input, or a built-in set
    #[arg(value_parser = input)]
    data: Input,
    /// The N likeliest classes a line, each with its probability (of a model by hinge loss its margin), with tabs between, instead of one name or number
    #[arg(long, value_name = "N", value_parser = count::<usize>)]
    top: Option<usize>,
    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(flags: &Flags) -> Result<()> {
    let model = Model::open_on(&flags.model, kernels()?)?;
    if flags.top.is_some() && model.classes().is_empty() {
        return Err(Error::Usage(format!("--top is for classes, and {} predicts numbers", flags.model.display())));
    }
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let mut closed = false;
    let live = flags.data == Input::Stdin;
    let options = flags.reading.options(LabelFile::Unwanted, CachePolicy::Off)?;
    let result = stream(&flags.data, &options, &model.known(), &say, &StopRequest::never(), &mut |block| {
        // A bad row has its line as well, so that lines and rows stay side by side.
        let mut skipped = block.skipped.iter().map(|&before| before as usize).peekable();
        let mut bad_before = |row: usize, out: &mut BufWriter<_>| {
            std::iter::from_fn(|| skipped.next_if_eq(&row)).try_for_each(|_| writeln!(out, "nan"))
        };
        let mut margins = model.margins(&block.as_block());
        let mut rows = margins.chunks_exact_mut(model.stride()).enumerate();
        let written = rows.try_for_each(|(row, margins)| {
            bad_before(row, &mut out)?;
            write(&mut out, &model, &mut margins[..model.outputs()], flags.top)
        });
        let written = written.and_then(|()| bad_before(block.rows(), &mut out));
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

/// Writes what the model says of a row: a number, the name of the likeliest class, or the `top` likeliest ones.
fn write(out: &mut impl Write, model: &Model, margins: &mut [f32], top: Option<usize>) -> io::Result<()> {
    model.predict(margins);
    let classes = model.classes();
    let Some(top) = top else {
        return match margins {
            [one] => writeln!(out, "{one}"),
            all => writeln!(out, "{}", classes[likeliest(all)]),
        };
    };
    let mut ranked: Vec<(f32, &str)> = match *margins {
        // One output tells of the second class; of the first it says the opposite.
        [one] if model.configuration.loss == LossKind::Hinge => vec![(-one, &classes[0]), (one, &classes[1])],
        [one] => vec![(1.0 - one, &classes[0]), (one, &classes[1])],
        ref all => all.iter().copied().zip(classes.iter().map(String::as_str)).collect(),
    };
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (at, (score, class)) in ranked.iter().take(top).enumerate() {
        write!(out, "{}{class}\t{score}", if at > 0 { "\t" } else { "" })?;
    }
    writeln!(out)
}
