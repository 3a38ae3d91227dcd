//! [`Fields`]: which field each key belongs to; [`FieldSource`]: how that is told from the key's name.
//!
//! A field is what stands before the first colon of a libffm key, a namespace of VW, a column of CSV. A name may be read in two
//! ways: `a^b^c` is feature `b^c` of the namespace `a`, or `c` of `a^b`. Where the data has both, the longest is meant.

use memchr::memrchr_iter;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{ColumnKind, DataFile, Dictionary};
use crate::error::{Error, Result};

/// More fields than this are refused: each key has a vector for every one.
pub const MOST_FIELDS: usize = 4096;

/// The fields of a dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The name of each field.
    pub names: Vec<String>,
    /// By row of the dictionary, its field.
    pub of: Vec<u16>,
}

/// The fields there are, and where they stand in the names of keys: what a model must know to find the field of each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSource {
    /// What fields are.
    pub kind: FieldKind,
    /// Their names; the default namespace has none. Those of libffm rise, others stand as they appeared.
    pub names: Vec<String>,
}

/// What fields are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// What the libffm format calls so.
    Libffm,
    /// Namespaces of VW.
    Vw,
    /// Columns of CSV.
    Csv,
}

impl FieldSource {
    /// The fields of `files` that have a key; `dictionary` holds those of all of them, and `who` is the kind that asks.
    ///
    /// # Errors
    /// [`Error::Usage`] where a file has none, or the files are of several formats; [`Error::Data`] where there are too many.
    pub fn of_files(who: &str, files: &[DataFile], dictionary: &Dictionary) -> Result<Self> {
        let mut all: Option<Self> = None;
        for file in files {
            let (kind, names) = candidates(who, file)?;
            let all = all.get_or_insert_with(|| Self { kind, names: Vec::new() });
            if kind != all.kind {
                let (first, one, other) = (files[0].name(), all.kind.name(), kind.name());
                let what = format!("{first} is {one} data, {} is {other} data: give data of one kind", file.name());
                return Err(Error::Usage(what));
            }
            all.names.extend(names);
        }
        let mut all = all.ok_or_else(|| Error::Usage("there is no data to take fields from".to_owned()))?;
        all.keep_those_of(dictionary);
        if all.names.len() > MOST_FIELDS {
            let (name, count) = (files.first().map(DataFile::name).unwrap_or_default(), all.names.len());
            let what = format!("has {count} fields: at most {MOST_FIELDS} can be learned, leave some out");
            return Err(Error::data(name, what));
        }
        Ok(all)
    }

    /// Leaves the names of fields that have a key in `dictionary`, each once; those of libffm are taken from it.
    fn keep_those_of(&mut self, dictionary: &Dictionary) {
        let keys = dictionary.each_name().into_iter().flatten();
        if self.kind == FieldKind::Libffm {
            let mut there = vec![false; 1 << 16];
            keys.filter_map(number).for_each(|field| there[usize::from(field)] = true);
            let there = there.iter().enumerate().filter(|(_, there)| **there);
            self.names = there.map(|(field, _)| field.to_string()).collect();
            return;
        }
        let finder = Finder::new(self);
        let mut there = vec![false; self.names.len()];
        keys.filter_map(|key| finder.field(key)).for_each(|field| there[field as usize] = true);
        let names = std::mem::take(&mut self.names).into_iter().zip(there);
        self.names = names.filter(|(_, there)| *there).map(|(name, _)| name).collect();
    }

    /// The field of each key of `dictionary`.
    ///
    /// # Errors
    /// In words, where a key is of none of these fields.
    pub fn fields(&self, dictionary: &Dictionary) -> Result<Fields, String> {
        let Some(keys) = dictionary.each_name() else {
            return Err("its keys are numbers, which have no fields".into());
        };
        if self.names.len() > MOST_FIELDS {
            return Err(format!("it has {} fields, more than {MOST_FIELDS}", self.names.len()));
        }
        let finder = Finder::new(self);
        let field = |key| {
            let field = finder.field(key).map(|field| field as u16);
            field.ok_or_else(|| format!("the key {:?} is of no field that is known", String::from_utf8_lossy(key)))
        };
        Ok(Fields { names: self.names.clone(), of: keys.map(field).collect::<Result<_, _>>()? })
    }

    /// Checks that `files` have no other fields than these.
    ///
    /// # Errors
    /// As [`FieldSource::of_files`] for each of them; [`Error::Data`] with the first field that is new.
    pub fn check(&self, who: &str, files: &[DataFile]) -> Result<()> {
        for file in files {
            let theirs = Self::of_files(who, std::slice::from_ref(file), file.dictionary())?;
            if theirs.kind != self.kind {
                let (here, there) = (theirs.kind.name(), self.kind.name());
                let what = format!("this is {here} data, but the model was trained on {there} data");
                return Err(Error::data(file.name(), what));
            }
            if let Some(new) = theirs.names.iter().find(|name| !self.names.contains(name)) {
                let what = format!(
                    "has {}, which the model has not: a model keeps the fields it began with, train a new one",
                    self.kind.field(new)
                );
                return Err(Error::data(file.name(), what));
            }
        }
        Ok(())
    }
}

impl FieldKind {
    /// The format that has such fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Libffm => "libffm",
            Self::Vw => "vw",
            Self::Csv => "csv",
        }
    }

    /// The field `name` in words.
    fn field(self, name: &str) -> String {
        match self {
            Self::Libffm => format!("field {name}"),
            Self::Vw if name.is_empty() => "features without a namespace".to_owned(),
            Self::Vw => format!("namespace {name:?}"),
            Self::Csv => format!("column {name:?}"),
        }
    }
}

/// What the fields of `file` are, and which there may be; of libffm its keys alone tell.
fn candidates(who: &str, file: &DataFile) -> Result<(FieldKind, Vec<String>)> {
    if file.dictionary().is_names() {
        if let Some(columns) = file.columns() {
            let features =
                columns.iter().filter(|column| matches!(column.kind, ColumnKind::Number | ColumnKind::Words));
            return Ok((FieldKind::Csv, features.map(|column| column.name.clone()).collect()));
        }
        return Ok(match file.namespaces() {
            Some(spaces) => (FieldKind::Vw, spaces.to_vec()),
            None => (FieldKind::Libffm, Vec::new()),
        });
    }
    if file.plain_nonzeros().is_some() {
        return Err(hashed_have_none(who));
    }
    let why = format!("{} is libsvm or IDX data, which has none: --kind fm learns without", file.name());
    Err(none(who, &why))
}

/// What is said to fields of keys that are hashed.
pub(crate) fn hashed_have_none(kind: &str) -> Error {
    none(kind, "hashed keys have none: leave out --bits and --interact")
}

fn none(kind: &str, why: &str) -> Error {
    Error::Usage(format!("--kind {kind} needs fields, those of libffm, VW namespaces or CSV columns; {why}"))
}

/// True where the keys are those of libffm text: those of other text have no colon, or a `^` or `=` before it.
pub(crate) fn is_libffm(dictionary: &Dictionary) -> bool {
    dictionary.each_name().and_then(|mut keys| keys.next()).is_some_and(|key| {
        let index = key.iter().position(|&byte| byte == b':').map(|colon| &key[colon + 1..]);
        number(key).is_some() && index.is_some_and(|index| index.iter().all(u8::is_ascii_digit))
    })
}

/// The field of a libffm key.
fn number(key: &[u8]) -> Option<u16> {
    let colon = key.iter().position(|&byte| byte == b':')?;
    str::from_utf8(&key[..colon]).ok()?.parse().ok()
}

/// Finds the fields of keys.
struct Finder<'s> {
    kind: FieldKind,
    /// Of each name the first place it has among the names.
    places: FxHashMap<&'s [u8], u32>,
}

impl<'s> Finder<'s> {
    fn new(source: &'s FieldSource) -> Self {
        let mut places = FxHashMap::default();
        for (place, name) in (0..).zip(&source.names) {
            places.entry(name.as_bytes()).or_insert(place);
        }
        Self { kind: source.kind, places }
    }

    fn field(&self, key: &[u8]) -> Option<u32> {
        let before = |at: usize| self.places.get(&key[..at]);
        let longest_before = |mark| memrchr_iter(mark, key).find_map(before);
        let place = match self.kind {
            FieldKind::Libffm => key.iter().position(|&byte| byte == b':').and_then(before),
            FieldKind::Vw => longest_before(b'^').or_else(|| before(0)),
            // The one feature of a column of numbers is called as the column.
            FieldKind::Csv => before(key.len()).or_else(|| longest_before(b'=')),
        };
        place.copied()
    }
}
