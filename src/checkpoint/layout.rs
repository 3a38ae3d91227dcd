//! The names of everything in a model directory and beside it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The manifest, in a model directory and in every generation's.
pub(super) const MANIFEST: &str = "manifest.json";

/// The dictionary in a generation's directory.
pub(super) const DICTIONARY: &str = "dictionary.bin";

/// How the model was trained, in a generation's directory.
pub(super) const SPEC: &str = "spec.toml";

/// Where generation `number` of `model` stands.
pub(super) fn generation_path(model: &Path, number: u64) -> PathBuf {
    model.join(format!("gen-{number:05}"))
}

/// The number in the name of a generation's directory.
pub(super) fn generation_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("gen-")?.parse().ok()?;
    (generation_path(Path::new(""), number) == Path::new(name)).then_some(number)
}

/// `.NAME.what` beside the model directory `NAME`.
pub(super) fn hidden(model: &Path, what: &str) -> PathBuf {
    beside(model, ".", &format!(".{what}"))
}

/// Where the model that was replaced is kept: `NAME.previous`.
pub(super) fn previous(model: &Path) -> PathBuf {
    beside(model, "", ".previous")
}

fn beside(model: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(model.file_name().unwrap_or_default());
    name.push(after);
    model.with_file_name(name)
}

/// True where something has this name, be it a broken link.
pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// True where `path` has a manifest.
pub(super) fn is_model(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

/// The one absolute path of the model directory `model`, which need not exist, whatever links lead to it: what is
/// beside it must be beside it for everybody.
pub(super) fn resolve(model: &Path) -> Result<PathBuf> {
    let no_place = |error| Error::io(model, "find the directory to put the model into", error);
    match (model.canonicalize(), model.file_name()) {
        (Ok(path), _) => Ok(path),
        (Err(_), Some(name)) => {
            let parent = model.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = parent.canonicalize().map_err(no_place)?;
            if !parent.is_dir() {
                return Err(Error::model(parent, "is not a directory: a model cannot be put there"));
            }
            Ok(parent.join(name))
        }
        (Err(error), None) => Err(no_place(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_generations_are_taken_for_them() {
        assert_eq!(generation_number("gen-00007"), Some(7));
        assert_eq!(generation_number("gen-123456"), Some(123_456));
        for name in ["gen-7", "gen-+0007", "gen-", "gen-00007x", ".tmp-gen-00007-1", "notes"] {
            assert_eq!(generation_number(name), None, "{name}");
        }
    }

    #[test]
    fn all_ways_to_a_model_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        fs::create_dir(home.join("m")).unwrap();
        std::os::unix::fs::symlink("m", home.join("link")).unwrap();
        for way in ["m", "link", "m/../m", "./m/"] {
            assert_eq!(resolve(&home.join(way)).unwrap(), home.join("m"), "{way}");
        }
        assert_eq!(resolve(&home.join("m/../new")).unwrap(), home.join("new"));
        assert_eq!(
            resolve(Path::new("new")).unwrap(),
            std::env::current_dir().unwrap().canonicalize().unwrap().join("new")
        );
        assert!(resolve(&home.join("none/m")).unwrap_err().to_string().contains("cannot find the directory"));
        assert_eq!(hidden(&home.join("m"), "lock"), home.join(".m.lock"));
    }
}
