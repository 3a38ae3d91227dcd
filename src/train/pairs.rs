//! Rows of one feature among rows of two: a user without an item, most likely.

use crate::data::DataFile;
use crate::error::Result;
use crate::report::format::number;

/// Where more than one row in so many lacks a feature, that is what the data is like.
const RARE: u64 = 20;

/// What is said of a file almost all of whose rows have two features of value 1, where some have fewer.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn lone(file: &DataFile) -> Result<Option<String>> {
    // What all rows lack together is known; which rows they are is looked for only where that is little.
    let lacking = (2 * file.rows()).saturating_sub(file.nonzeros());
    if file.longest_row() != 2 || !file.all_ones() || lacking == 0 || lacking * RARE > file.rows() {
        return Ok(None);
    }
    let (mut row, mut few, mut first) = (0u64, 0u64, None);
    let table = file.table();
    for block in 0..table.blocks() {
        let block = table.block(block)?;
        for at in 0..block.rows() {
            row += 1;
            if block.ids(at).as_slice().len() < 2 {
                few += 1;
                first = first.or(Some(row));
            }
        }
    }
    let (name, first, rows) = (file.name(), first.unwrap_or(row), number(few, "row"));
    let have = if few == 1 { "has" } else { "have" };
    Ok(Some(format!(
        "warning: {name}: {rows} {have} fewer than the two features of all others, the first is row {first}"
    )))
}
