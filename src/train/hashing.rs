//! Keys by hash: that the data has what the flags name, and what became of it.

use crate::data::{ColumnKind, DataFile, Hashing, Interaction, ReadOptions, alternatives, keys_of};
use crate::error::{Error, Result};
use crate::report::format::{bytes, count, prefixed};

/// Checks that the namespaces, or columns, that `--interact` and `--ignore` name are there.
///
/// # Errors
/// [`Error::Usage`] with the first one that is not.
pub(super) fn check(files: &[DataFile], options: &ReadOptions) -> Result<()> {
    let is_feature = |kind| matches!(kind, ColumnKind::Number | ColumnKind::Words);
    let columns = files.iter().filter_map(DataFile::columns).flatten();
    let columns = columns.filter(|column| is_feature(column.kind)).map(|column| column.name.as_str());
    let spaces = files.iter().filter_map(DataFile::namespaces).flatten().map(String::as_str);
    let there: Vec<&str> = columns.chain(spaces).collect();
    let in_columns = files[0].columns().is_some();
    let multiplied = options.hashing.iter().flat_map(|hashing| &hashing.interactions);
    let multiplied = multiplied.flat_map(|interaction| match interaction {
        Interaction::All => vec![],
        Interaction::Pair(one, other) => vec![("--interact", one), ("--interact", other)],
    });
    // Columns to be left out are looked for where the header is read.
    let ignored = options.ignore.iter().filter(|_| !in_columns).map(|name| ("--ignore", name));
    let Some((flag, name)) = ignored.chain(multiplied).find(|(_, name)| !there.contains(&name.as_str())) else {
        return Ok(());
    };
    let kind = if in_columns { "column of features" } else { "namespace" };
    let others = alternatives(name, &there);
    Err(Error::Usage(format!("{flag} {name:?}: {} has no such {kind}{others}", files[0].name())))
}

/// Says how many keys share buckets, and how many values became how many.
pub(super) fn tell(file: &DataFile, hashing: &Hashing, notice: &dyn Fn(&str)) {
    let (name, taken, buckets) = (file.name(), file.dictionary().len(), 1u64 << hashing.bits);
    let shared = match keys_of(taken, hashing.bits) {
        Some(keys) => format!(
            "about {} keys share {} of {} buckets, {:.2} each (estimated by how many are taken)",
            prefixed(keys.round()),
            prefixed(taken as f64),
            count(buckets),
            keys / taken.max(1) as f64
        ),
        None => format!("many more keys than buckets: all {} are taken", count(buckets)),
    };
    notice(&format!("note: {name}: {shared}"));
    if let (false, Some(plain)) = (hashing.interactions.is_empty(), file.plain_nonzeros()) {
        let a_row = |values: u64| prefixed(values as f64 / file.rows().max(1) as f64);
        let cache = match file.bytes_mapped() {
            0 => String::new(),
            mapped => format!("; the cache has {}", bytes(mapped)),
        };
        let (before, after) = (a_row(plain), a_row(file.nonzeros()));
        notice(&format!("note: {name}: --interact makes {after} values a row of {before}{cache}"));
    }
}
