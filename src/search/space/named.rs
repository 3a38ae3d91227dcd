//! Spaces by name and by file.

use std::fs;
use std::path::Path;

use super::key::Key;
use super::{Decision, Space, Value, file, resolve};
use crate::error::{Error, Result};
use crate::model::configuration::Kind;

/// Spaces that come with hogback; each is a file that can be changed and read.
const PRESETS: [(&str, &str); 2] = [("mlp", include_str!("mlp.toml")), ("sparse", include_str!("sparse.toml"))];

impl Space {
    /// The space that is meant by `wanted`: a preset, or a file.
    ///
    /// # Errors
    /// As [`Space::named`] and [`Space::read`].
    pub fn open(wanted: &Path) -> Result<Self> {
        let is_file = wanted.extension().is_some() || wanted.components().count() > 1;
        match wanted.to_str().filter(|_| !is_file) {
            Some(name) => Self::named(name),
            None => Self::read(wanted),
        }
    }

    /// The preset called `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none.
    pub fn named(name: &str) -> Result<Self> {
        if let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) {
            return Self::parse(text, Path::new(name));
        }
        let presets: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        let presets = presets.join(" and ");
        Err(Error::Usage(match name {
            "conv" => format!("the space conv is not there yet: spaces are {presets}, or a file such as ./space.toml"),
            _ => format!("there is no space {name:?}: spaces are {presets}, or a file such as ./space.toml"),
        }))
    }

    /// The space of the file `path`.
    ///
    /// # Errors
    /// [`Error::Usage`] with file and line for what is no space, [`Error::Io`] where the file cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, "read the space", error))?;
        Self::parse(&text, path)
    }

    /// The space of the text of `path`, which is called as the file unless the text says how.
    ///
    /// # Errors
    /// [`Error::Usage`] with the line of what is no space.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let parsed = file::read(text).and_then(|(name, items)| {
            let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            resolve::space(&name.unwrap_or_else(stem), &items)
        });
        parsed.map_err(|(place, what)| Error::Usage(format!("{}:{place}: {what}", path.display())))
    }

    /// The part of it without products of features.
    ///
    /// # Errors
    /// [`Error::Usage`] where nothing is left to choose.
    pub fn without_products(&self) -> Result<Self> {
        let part = self.narrowed(|nth, at| {
            let decision = &self.decisions[nth];
            let none = Value::Word("none".to_owned());
            Key::named(&decision.name) != Some(Key::Interact) || decision.values[at] == none
        });
        if part.size() < 2 {
            let name = &self.name;
            return Err(Error::Usage(format!(
                "the space {name} is for data with VW namespaces or CSV columns, and this has fields without names"
            )));
        }
        Ok(part)
    }

    /// The part of it that data without fields can be searched in: without the kinds that need some, and without products of features.
    ///
    /// # Errors
    /// [`Error::Usage`] where nothing is left to choose.
    pub fn without_fields(&self) -> Result<Self> {
        let needs_fields = |name: &str, value: &Value| match (Key::named(name), value) {
            (Some(Key::Kind), Value::Word(word)) => [Kind::Ffm, Kind::Deep].iter().any(|kind| kind.name() == word),
            (Some(Key::Interact), Value::Word(word)) => word != "none",
            _ => false,
        };
        let part = self.narrowed(|nth, at| {
            let decision = &self.decisions[nth];
            !needs_fields(&decision.name, &decision.values[at])
        });
        let is_fixed =
            |fixed: &Decision| Key::named(&fixed.name) == Some(Key::Kind) && needs_fields("kind", &fixed.values[0]);
        if part.size() < 2 || self.fixed.iter().any(is_fixed) {
            let name = &self.name;
            return Err(Error::Usage(format!(
                "the space {name} is for data with fields, those of libffm, VW namespaces or CSV columns, and this has none"
            )));
        }
        Ok(part)
    }
}
