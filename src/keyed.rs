//! Files of keys and values, as specs of models and spaces of a search are: TOML, read so that everything is known by its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How alike an unknown key and a known one are that may be mistaken for each other, as clap has it for flags.
const ALIKE: f64 = 0.7;

/// What is wrong with a file, after the place, `line` or `line:column`.
pub(crate) type Wrong = (String, String);

/// A key, its value and the line it stands in, from 1.
pub(crate) type Entry<'a, 't> = (&'a str, &'a Spanned<DeValue<'t>>, usize);

/// The table that `text` is; or what about it is no TOML.
pub(crate) fn parse(text: &str) -> Result<Spanned<DeTable<'_>>, Wrong> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let column = text[..at].chars().rev().take_while(|&char| char != '\n').count() + 1;
        let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        (format!("{}:{column}", line(text, at)), format!("not TOML: {what}"))
    })
}

/// What stands in a table of `text`, in the order of the file.
pub(crate) fn entries<'a, 't>(text: &str, table: &'a DeTable<'t>) -> Vec<Entry<'a, 't>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'t>>)| {
        (AsRef::<str>::as_ref(key.get_ref()), value, line(text, key.span().start))
    };
    entries.into_iter().map(entry).collect()
}

/// The line of the byte `at`, from 1.
pub(crate) fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// That of the `known` names that `wanted` was meant to be, if it is like one.
pub(crate) fn nearest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let wanted = wanted.replace('_', "-");
    let alike = known.into_iter().map(|name| (strsim::jaro(&wanted, name), name)).filter(|(alike, _)| *alike > ALIKE);
    // The later one where two are equally near.
    alike.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
}

/// A value as it would be typed; none for lists and tables.
pub(crate) fn typed(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // Other bases than ten are TOML's.
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number.to_string()),
            Err(_) => Some(number.to_string()),
        },
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Some(yes.to_string()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
