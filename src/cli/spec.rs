//! `--spec`: a model written down.
//!
//! A key is a long flag of train and stands for it: what flows in is the command line as it was typed and the file, what flows out
//! is the command line with the keys of the file in it, as clap and the checks of train have let it pass. So a new flag is a key
//! as soon as it is a flag, and what is refused there is refused here, with the line it stands in.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::de::DeValue;

use crate::error::{Error, Result};
use crate::keyed::{self, Entry, Wrong};

/// Flags that are no keys: what is to become of a model that is there, and what is shown, is said of a run.
const TYPED_ONLY: [&str; 6] = ["help", "spec", "resume", "overwrite", "json", "quiet"];

/// The key of the data, which on the command line has no flag.
const DATA: &str = "data";

/// A key of a spec.
struct Key<'a> {
    /// The flag.
    arg: &'a Arg,
    /// Where it stands, from 1.
    line: usize,
    /// What would be typed.
    arguments: Vec<OsString>,
}

/// The command line with the keys of the spec `path` in it, and what keys were left out for flags, a line each. `typed`, whose
/// second word is the `train` that `matches` is of, comes first: its flags replace their keys, and keys that they do not go with.
/// `parse` is what clap and train make of a command line.
///
/// # Errors
/// [`Error::Usage`] with file and line for what no flag may say, [`Error::Io`] where the file cannot be read.
pub(super) fn with_spec(
    path: &Path,
    typed: &[OsString],
    matches: &ArgMatches,
    train: &Command,
    parse: impl Fn(&[OsString]) -> Result<ArgMatches>,
) -> Result<(ArgMatches, Vec<String>)> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, "read the spec", error))?;
    let at = |line: usize, what: &str| Error::Usage(format!("{}:{line}: {what}", path.display()));
    let keys =
        read(&text, train).map_err(|(place, what)| Error::Usage(format!("{}:{place}: {what}", path.display())))?;

    // By itself first: a key that is wrong is wrong whatever the flags say.
    let mut spec = OsString::from("--spec=");
    spec.push(path);
    let bare = [&typed[..2], &[spec]].concat();
    let alone = |keys: &[Key<'_>]| parse(&joined(&bare, keys)).map(drop);
    if alone(&keys).is_err() {
        alone(&[])?;
        for (nth, key) in keys.iter().enumerate() {
            alone(&keys[..=nth]).map_err(|error| at(key.line, &error.to_string()))?;
        }
    }

    let is_typed = |key: &Key<'_>| matches.value_source(key.arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let mut keys: Vec<_> = keys.into_iter().filter(|key| !is_typed(key)).collect();
    let mut notes = Vec::new();
    loop {
        let error = match parse(&joined(typed, &keys)) {
            Ok(matches) if matches.subcommand().is_some_and(|(_, train)| !train.contains_id(DATA)) => {
                let what = format!("{} has no {DATA}: name the data there or on the command line", path.display());
                return Err(Error::Usage(what));
            }
            Ok(matches) => return Ok((matches, notes)),
            Err(error) => error.to_string(),
        };
        // Whose fault it is: that without which all is well, or at least something else is wrong.
        let without = |nth: usize| parse(&joined(typed, keys[..nth].iter().chain(&keys[nth + 1..])));
        let says = |nth: &usize| without(*nth).map_or_else(|error| error.to_string(), |_| String::new());
        let wrong = (0..keys.len()).rev().find(|nth| says(nth).is_empty());
        let wrong = wrong.or_else(|| (0..keys.len()).rev().find(|nth| says(nth) != error));
        let Some(wrong) = wrong else { return Err(Error::Usage(error)) };
        let Key { arg, line, .. } = keys.remove(wrong);
        notes.push(format!("note: {}:{line}: {} is left out for the flags: {error}", path.display(), name(arg)));
    }
}

/// A command line with keys in it; data comes last, where it cannot be taken for flags.
fn joined<'k>(typed: &[OsString], keys: impl IntoIterator<Item = &'k Key<'k>>) -> Vec<OsString> {
    let (data, flags): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.arg.is_positional());
    let arguments = |keys: Vec<&Key<'_>>| keys.into_iter().flat_map(|key| key.arguments.clone()).collect::<Vec<_>>();
    let (data, flags) = (arguments(data), arguments(flags));
    let ended = data.is_empty() || typed.iter().any(|word| word == "--");
    let end: &[OsString] = if ended { &[] } else { &["--".into()] };
    [&typed[..2], &flags, &typed[2..], end, &data].concat()
}

/// The keys in the order of the file; or, with its place, what is wrong.
fn read<'a>(text: &str, train: &'a Command) -> Result<Vec<Key<'a>>, Wrong> {
    let table = keyed::parse(text)?;
    let key = |(name, value, line): Entry<'_, '_>| {
        let read = flag(name, value.get_ref(), train).and_then(|arg| Ok((arg, arguments(arg, value.get_ref())?)));
        match read {
            Ok((arg, arguments)) => Ok(Key { arg, line, arguments }),
            Err(what) => Err((line.to_string(), what)),
        }
    };
    keyed::entries(text, table.get_ref()).into_iter().map(key).collect()
}

/// The name of a key.
fn name(arg: &Arg) -> &str {
    arg.get_long().unwrap_or(DATA)
}

/// The flag that the key `wanted` stands for.
fn flag<'a>(wanted: &str, value: &DeValue<'_>, train: &'a Command) -> Result<&'a Arg, String> {
    if value.is_table() {
        return Err(format!(
            "`{wanted}` is a section or a table, and a spec has none: its keys are the flags of train"
        ));
    }
    if TYPED_ONLY.contains(&wanted) {
        return Err(format!("`{wanted}` is said of a run, not of a model: give --{wanted} on the command line"));
    }
    let known = || train.get_arguments().filter(|arg| !TYPED_ONLY.contains(&name(arg)));
    if let Some(arg) = known().find(|arg| name(arg) == wanted) {
        return Ok(arg);
    }
    Err(match keyed::nearest(wanted, known().map(name)) {
        Some(nearest) => format!("unknown key `{wanted}`: did you mean `{nearest}`?"),
        None => format!("unknown key `{wanted}`: keys are `{DATA}` and the long flags of hogback train"),
    })
}

/// What would be typed to say `value` by the flag `arg`.
fn arguments(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    let name = name(arg);
    let said = |value: &DeValue<'_>| {
        let text = keyed::typed(value)
            .ok_or_else(|| format!("`{name}` is a list of lists or tables: a list of text was expected"))?;
        Ok(if arg.is_positional() { text.into() } else { format!("--{name}={text}").into() })
    };
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(yes)) => {
            Ok(yes.then(|| format!("--{name}").into()).into_iter().collect())
        }
        (ArgAction::SetTrue, _) => Err(format!("`{name}` must be true or false")),
        (ArgAction::Append, DeValue::Array(list)) => list.iter().map(|value| said(value.get_ref())).collect(),
        (_, DeValue::Array(_)) => Err(format!("`{name}` is a list: one value was expected")),
        _ => said(value).map(|argument| vec![argument]),
    }
}
