//! Tables as files: compressed by zstd, a line of JSON that says what it is a table of, and then for each architecture, in the order of
//! the space, by seed the accuracy on validation rows and on test rows, each a little-endian 16-bit number of 50,000ths.

use std::path::Path;

use hogback::error::Error;
use hogback::search::space::Space;
use hogback::search::table::Worth;
use serde::{Deserialize, Serialize};

use crate::table::{SEEDS, Table};

/// So many of a file's units are an accuracy of 1.
const UNITS: f64 = 50_000.0;
/// How hard the file is compressed.
const LEVEL: i32 = 19;

/// What a table is of.
#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    /// The text of the space.
    pub(crate) space: String,
    /// The data.
    pub(crate) data: String,
    /// Passes of each model.
    pub(crate) passes: u32,
    /// The shares of rows that the accuracies are of.
    pub(crate) valid: f64,
    pub(crate) test: f64,
}

/// Writes a table.
pub(crate) fn write(path: &Path, head: &Head, worths: &[[Worth; SEEDS]]) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec(head).map_err(|error| Error::io(path, "write the table", error.into()))?;
    bytes.push(b'\n');
    for worth in worths.iter().flatten() {
        for share in [worth.valid, worth.test] {
            bytes.extend(((share * UNITS).round() as u16).to_le_bytes());
        }
    }
    zstd::encode_all(&bytes[..], LEVEL)
        .and_then(|bytes| std::fs::write(path, bytes))
        .map_err(|error| Error::io(path, "write the table", error))
}

/// Reads a table.
pub(crate) fn read(path: &Path) -> Result<Table, Error> {
    let wrong = |what: &str| Error::Usage(format!("{} is no table: {what}; make it again", path.display()));
    let bytes = std::fs::File::open(path)
        .and_then(zstd::decode_all)
        .map_err(|error| Error::io(path, "read the table", error))?;
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| wrong("it has no head"))?;
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|error| wrong(&error.to_string()))?;
    let space = Space::parse(&head.space, path)?;
    let all: Vec<_> = space.all().collect();
    let numbers: Vec<f64> =
        bytes[end + 1..].chunks_exact(2).map(|two| f64::from(u16::from_le_bytes([two[0], two[1]])) / UNITS).collect();
    let rows = numbers.chunks_exact(2 * SEEDS);
    if rows.len() != all.len() {
        return Err(wrong("it has another number of rows than its space has architectures"));
    }
    let worths = rows.map(|row| std::array::from_fn(|seed| Worth { valid: row[2 * seed], test: row[2 * seed + 1] }));
    Ok(Table::new(space, all.into_iter().zip(worths).collect()))
}
