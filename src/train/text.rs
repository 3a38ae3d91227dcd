//! What a run makes of text: what its features are, which of them count, and what they weigh.
//!
//! What flows in: files, the model that is resumed, what was said. What flows out: [`Text`], and [`Keys`] that are in line with it.

use super::Settings;
use super::keys::Keys;
use crate::data::{DataFile, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::model::weighting::Text;
use crate::report::format::number;

/// What is to be made of `files`, if they are text, which were read as `reading` says, where `said` had been said.
///
/// # Errors
/// [`Error::Usage`] where some files are text and some are not, or flags are for text and none is; [`Error::Data`] where the model that
/// is resumed is of other data.
pub(super) fn text(
    settings: &Settings,
    (said, reading): (&ReadOptions, &ReadOptions),
    old: Option<&Configuration>,
    files: &[DataFile],
) -> Result<Option<Text>> {
    let is_text = files[0].documents().is_some();
    if let Some(other) = files.iter().find(|file| file.documents().is_some() != is_text) {
        let (text, not) = if is_text { (&files[0], other) } else { (other, &files[0]) };
        let what = format!("{} is text, {} is not: give data of one kind", text.name(), not.name());
        return Err(Error::Usage(what));
    }
    if let Some(old) = old
        && old.text.is_some() != is_text
    {
        let not = if is_text {
            "text, and the model was trained on other data"
        } else {
            "not text, which the model was trained on"
        };
        return Err(Error::data(files[0].name(), format!("this is {not}: give data of that kind")));
    }
    if !is_text {
        let flags = [("--ngrams and --chars", said.grams.is_some()), ("--min-count", settings.min_count.is_some())];
        return match flags.iter().find(|(_, said)| *said) {
            Some((flags, _)) => {
                let what = format!("leave out {flags}, for text, which {} is not", files[0].name());
                Err(Error::Usage(what))
            }
            None => Ok(None),
        };
    }
    if let Some(old) = old {
        return Ok(old.text);
    }
    let kind = settings.kind.unwrap_or_default();
    if matches!(kind, Kind::Ffm | Kind::Deep) {
        let kind = kind.name();
        return Err(Error::Usage(format!("--kind {kind} needs fields, and text has none: --kind text is for it")));
    }
    Ok(Some(Text {
        grams: reading.grams.unwrap_or_default(),
        min_count: settings.min_count.unwrap_or(kind.min_count()),
        weighting: kind.weighting(),
    }))
}

/// Brings `keys` into line with `text`, of which the model that is resumed has the first `known`, and says what became of the files.
///
/// # Errors
/// As [`Keys::leave_out_rare`].
pub(super) fn weigh(
    text: &Text,
    keys: &mut Keys<'_>,
    known: usize,
    files: &[DataFile],
    notice: &dyn Fn(&str),
) -> Result<()> {
    for file in files {
        let name = file.name();
        let Some(documents) = file.documents() else { continue };
        if documents.several_labels > 0 {
            let rows = number(documents.several_labels, "row");
            notice(&format!("note: {name}: {rows} of several labels: the first of each counts"));
        }
        if documents.empty > 0 {
            notice(&format!("note: {name}: {} without a word", number(documents.empty, "row")));
        }
    }
    keys.count(files, known, text)?;
    if keys.rare > 0 {
        let rare = number(keys.rare as u64, "feature");
        notice(&format!("note: {rare} left out that are there less than {} times (--min-count)", text.min_count));
    }
    Ok(())
}
