//! The names of the files of a set.

use std::path::{Path, PathBuf};

use super::text::Text;
use crate::error::{Error, Result};

/// The file of one part and format: `OUT.PART.FORMAT`.
///
/// # Errors
/// [`Error::Usage`] where `out` does not end in a name.
pub(super) fn target(out: &Path, part: &str, text: Text) -> Result<PathBuf> {
    let ends_in_a_name = !out.as_os_str().as_encoded_bytes().ends_with(b"/");
    let Some(name) = out.file_name().filter(|_| ends_in_a_name) else {
        let what = format!("{}: give what the names of the files shall begin with, as in data/p20", out.display());
        return Err(Error::Usage(what));
    };
    let mut name = name.to_owned();
    name.push(format!(".{part}.{}", text.name()));
    Ok(out.with_file_name(name))
}
