//! The model that is resumed: what is taken from it, and what may not be said against it.
//!
//! What flows in: a request. What flows out: [`Resumed`], if the request goes on with a model, or what does not go together with it.

use std::path::Path;

use super::Request;
use super::position::Position;
use crate::checkpoint::{Existing, Loaded, load};
use crate::data::{Dictionary, ReadOptions};
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::report::format::{sizes, skips};

/// A model that is resumed.
pub(super) struct Resumed {
    pub(super) loaded: Loaded,
    pub(super) configuration: Configuration,
    pub(super) position: Position,
    pub(super) dictionary: Dictionary,
}

/// Loads the model that the request goes on with, if it does.
///
/// # Errors
/// [`Error::Model`] where it is damaged or of another kind.
pub(super) fn resumed(request: &Request) -> Result<Option<Resumed>> {
    if request.existing != Existing::Continue {
        return Ok(None);
    }
    let path: &Path = &request.model;
    let loaded = load(path)?;
    let wrong = |what: String| Error::model(path, what);
    let configuration = serde_json::from_value(loaded.manifest.configuration.clone())
        .map_err(|error| wrong(format!("cannot be resumed: {error}")))?;
    let position = serde_json::from_value(loaded.manifest.position.clone())
        .map_err(|error| wrong(format!("cannot be resumed: {error}")))?;
    let dictionary = Dictionary::from_bytes(&loaded.dictionary).map_err(wrong)?;
    Ok(Some(Resumed { loaded, configuration, position, dictionary }))
}

/// How data is read: as was said, and hashed as it was for the model that is resumed.
///
/// # Errors
/// [`Error::Usage`] where something else was said.
pub(super) fn reading(request: &Request, resumed: Option<&Resumed>) -> Result<ReadOptions> {
    let Some(Resumed { configuration, .. }) = resumed else { return Ok(request.read.clone()) };
    let hashing = configuration.hashing.clone();
    if request.read.hashing.is_some() && request.read.hashing != hashing {
        let what = "the model was trained with other --bits or --interact, or none: leave them out";
        return Err(Error::Usage(what.to_owned()));
    }
    let grams = configuration.text.map(|text| text.grams);
    if grams.is_some() && request.read.grams.is_some() && request.read.grams != grams {
        let what = "the model was trained with other --ngrams or --chars, or none: leave them out";
        return Err(Error::Usage(what.to_owned()));
    }
    Ok(ReadOptions { hashing, grams: grams.or(request.read.grams), ..request.read.clone() })
}

/// Checks that what was said of the model goes with its kind, and is what the model that is resumed was trained with.
///
/// # Errors
/// [`Error::Usage`] where it is not.
pub(super) fn agree(request: &Request, resumed: Option<&Resumed>) -> Result<()> {
    let Some(Resumed { configuration: old, .. }) = resumed else { return Ok(()) };
    let said = &request.settings;
    let other =
        |flag: &str, was: &str| Error::Usage(format!("the model was trained with {flag} {was}: leave out {flag}"));
    if said.kind.is_some_and(|kind| kind != old.kind) {
        return Err(other("--kind", old.kind.name()));
    }
    said.check(Some(old))?;
    if said.rank.is_some_and(|rank| rank != old.rank) {
        return Err(other(if old.kind == Kind::Text { "--dim" } else { "--rank" }, &old.rank.to_string()));
    }
    if let Some(layers) = &old.layers {
        if said.hidden.as_ref().is_some_and(|hidden| *hidden != layers.hidden) {
            return Err(other("--hidden", &sizes(&layers.hidden)));
        }
        if said.skips().is_some_and(|skips| skips != layers.skips) {
            return Err(match layers.skips[..] {
                [] => Error::Usage("the model was trained without --skips: leave out --skips".to_owned()),
                _ => other("--skips", &skips(&layers.skips)),
            });
        }
        if said.activation.is_some_and(|activation| activation != layers.activation) {
            return Err(other("--activation", layers.activation.name()));
        }
        if said.wide && layers.meets {
            return Err(Error::Usage("the model was trained without --wide: leave out --wide".to_owned()));
        }
    }
    if let (Some(least), Some(text)) = (said.min_count, old.text)
        && least != text.min_count
    {
        return Err(other("--min-count", &text.min_count.to_string()));
    }
    if said.loss.is_some_and(|loss| loss != old.loss) {
        return Err(other("--loss", old.loss.name()));
    }
    if said.optimizer.is_some_and(|optimizer| optimizer != old.optimizer) {
        return Err(other("--optimizer", old.optimizer.name()));
    }
    // Another penalty or another weighing is another problem, whose losses cannot be compared with those of before.
    for (flag, said, old) in [("--l1", said.l1, old.l1), ("--quantile", said.quantile, old.quantile)] {
        if said.is_some_and(|said| said != old) {
            return Err(other(flag, &old.to_string()));
        }
    }
    if said.class_weights.is_some() {
        return Err(Error::Usage("what classes weigh is part of the model: leave out --class-weight".to_owned()));
    }
    Ok(())
}
