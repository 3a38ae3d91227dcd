//! The columns of a CSV file: what they are called, which one is the label, which hold numbers and which words.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::ReadOptions;
use super::cut::Cut;
use super::parse::csv::{Cell, Plan, Records, Role};
use super::source::{Chunk, Source};
use crate::error::{Error, Result};

/// What a label is called where nobody says which column it is.
const LABEL_NAMES: [&str; 4] = ["label", "target", "class", "y"];

/// A column of the data a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name; its place, from 1, where the file has no header.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// The label.
    Label,
    /// Left out.
    Ignored,
    /// Numbers.
    Number,
    /// Words, each with a weight of its own.
    Words,
}

/// The first line of a file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// What stands between cells.
    pub(crate) delimiter: u8,
    /// The columns' names, each once.
    pub(crate) names: Vec<String>,
    /// True where the first record holds the names, false where it is data.
    pub(crate) named: bool,
}

/// What stands between the cells of a file that begins with `head`: what its first line has most of.
pub(crate) fn delimiter(head: &[u8]) -> u8 {
    let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(head);
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for &byte in line {
        quoted ^= byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte && !quoted) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|&(_, count)| count).max();
    counts.iter().find(|&&(_, count)| Some(count) == most).map_or(b',', |&(delimiter, _)| delimiter)
}

impl Header {
    /// The header of a file that begins with `text`. Its first record is data where every cell is a number, unless
    /// every one is the name of one of `known`.
    ///
    /// # Errors
    /// Where two columns have one name, or a name is not UTF-8.
    pub(crate) fn read(text: &[u8], delimiter: u8, known: &[Column], path: &Path) -> Result<Self> {
        let mut records = Records::new(text, delimiter, None);
        let record = records.next().ok_or_else(|| Error::data(path, "holds no rows"))?;
        let record = record.map_err(|what| Error::data(path, what))?;
        let numbers = record.iter().all(|cell| matches!(Cell::of(cell), Cell::Number(_)));
        let cells = record.iter().map(|cell| str::from_utf8(cell.trim_ascii()));
        let cells: Vec<&str> = cells
            .collect::<Result<_, _>>()
            .map_err(|_| Error::data(path, "the first line is not UTF-8 text: convert the file"))?;
        let is_name = |cell: &&str| known.iter().any(|column| column.name == **cell);
        if numbers && (is_positional(known) || !cells.iter().all(is_name)) {
            return Ok(Self { delimiter, names: (1..=cells.len()).map(|at| at.to_string()).collect(), named: false });
        }
        let name =
            |(at, cell): (usize, &&str)| if cell.is_empty() { format!("column{}", at + 1) } else { cell.to_string() };
        let names: Vec<String> = cells.iter().enumerate().map(name).collect();
        if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return Err(Error::data(path, format!("two columns are called {twice:?}: give each a name of its own")));
        }
        Ok(Self { delimiter, names, named: true })
    }

    /// The place of the column called `name`.
    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// The place of the column that the flag `flag` calls `name`.
    fn flagged(&self, flag: &str, name: &str, path: &Path) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let others = alternatives(name, &self.names);
            Error::Usage(format!("{flag} {name}: {} has no such column{others}", path.display()))
        })
    }

    fn list(&self) -> String {
        listed(&self.names)
    }
}

/// For a message that `name` is not there: which of `names` is nearest, and what there is.
pub(crate) fn alternatives(name: &str, names: &[impl AsRef<str>]) -> String {
    let near = names.iter().map(AsRef::as_ref).min_by_key(|other| distance(name, other));
    near.map_or(String::new(), |near| format!("; did you mean {near:?}? It has {}", listed(names)))
}

/// Names for a message, the first of them where they are many.
pub(crate) fn listed(names: &[impl AsRef<str>]) -> String {
    const MOST: usize = 12;
    let first: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// True for columns of a file without a header.
fn is_positional(columns: &[Column]) -> bool {
    columns.iter().enumerate().all(|(at, column)| column.name == (at + 1).to_string())
}

/// How many letters must be changed, added or left out to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let other = corner + usize::from(!x.eq_ignore_ascii_case(&y));
            corner = row[j + 1];
            row[j + 1] = other.min(corner + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

/// Goes through a file once to learn what its columns hold. The columns, and whether labels are words.
///
/// # Errors
/// Where the file cannot be read, or it is not clear which column is the label.
pub(crate) fn learn(source: &mut Source, options: &ReadOptions) -> Result<(Plan, Vec<Column>, bool)> {
    let path = source.name().to_path_buf();
    let delimiter = delimiter(source.head()?);
    let mut chunks = source.chunks(Cut::Records(delimiter), false);
    let mut batch = chunks.batch(1)?;
    let Some(first) = batch.first() else { return Err(Error::data(path, "holds no rows")) };
    let header = Header::read(&first.text, delimiter, &[], &path)?;
    let label = match &options.label {
        Some(name) => header.flagged("--label", name, &path)?,
        None => {
            let called = |label: &&str| header.names.iter().position(|name: &String| name.eq_ignore_ascii_case(label));
            LABEL_NAMES.iter().find_map(called).ok_or_else(|| {
                let columns = header.list();
                Error::Usage(format!(
                    "{}: which column is the label? Use --label with one of {columns}",
                    path.display()
                ))
            })?
        }
    };
    let mut roles = vec![Role::Number; header.names.len()];
    let said = [("--categorical", &options.categorical, Role::Words), ("--ignore", &options.ignore, Role::Ignored)];
    for (flag, names, role) in said {
        for name in names {
            let at = header.flagged(flag, name, &path)?;
            if at == label {
                return Err(Error::Usage(format!("{flag} {name}: this column is the label")));
            }
            roles[at] = role;
        }
    }
    let mut numeric: Vec<bool> = roles.iter().map(|role| *role == Role::Number).collect();
    while !batch.is_empty() {
        let width = 2 * rayon::current_num_threads();
        let (next, seen) = rayon::join(
            || chunks.batch(width),
            || {
                let look = |chunk: &Chunk<'_>| {
                    let columns = numeric_columns(&chunk.text, chunk.first && header.named, &header, &numeric);
                    chunk.let_go();
                    columns
                };
                batch.par_iter().map(look).collect::<Vec<_>>()
            },
        );
        for columns in seen {
            numeric.iter_mut().zip(columns).for_each(|(all, here)| *all &= here);
        }
        batch = next?;
    }
    for (role, numeric) in roles.iter_mut().zip(&numeric) {
        if *role == Role::Number && !numeric {
            *role = Role::Words;
        }
    }
    roles[label] = Role::Label;
    let column = |(name, role): (&String, &Role)| Column { name: name.clone(), kind: role.kind() };
    let columns = header.names.iter().zip(&roles).map(column).collect();
    Ok((Plan { header, roles, hashing: None }, columns, !numeric[label]))
}

/// For each column, whether all its cells in `text` that are not missing are numbers; columns that are not `open` are not
/// looked at.
fn numeric_columns(text: &[u8], skip_header: bool, header: &Header, open: &[bool]) -> Vec<bool> {
    let mut numeric = open.to_vec();
    let mut records = Records::new(text, header.delimiter, Some(open.len()));
    let mut skip = skip_header;
    while let Some(record) = records.next() {
        // What is wrong with a record is told when it is parsed; it says nothing about its columns.
        let (false, Ok(record)) = (std::mem::take(&mut skip), record) else { continue };
        for (numeric, cell) in numeric.iter_mut().zip(record).filter(|(numeric, _)| **numeric) {
            *numeric = !matches!(Cell::of(cell), Cell::Word(_));
        }
    }
    numeric
}

impl Role {
    fn kind(self) -> ColumnKind {
        match self {
            Self::Ignored => ColumnKind::Ignored,
            Self::Label => ColumnKind::Label,
            Self::Number => ColumnKind::Number,
            Self::Words => ColumnKind::Words,
        }
    }

    fn of(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Ignored => Self::Ignored,
            ColumnKind::Label => Self::Label,
            ColumnKind::Number => Self::Number,
            ColumnKind::Words => Self::Words,
        }
    }
}

/// How a file with this header is read for a model that was trained on `known`: by name, or by place without names.
///
/// # Errors
/// Where the file has no column that the model knows.
pub(crate) fn matched(
    mut header: Header,
    known: &[Column],
    label: Option<&str>,
    path: &Path,
    notice: &(dyn Fn(&str) + Sync),
) -> Result<Plan> {
    let mut roles;
    if header.named {
        roles = by_name(&header, known, path, notice)?;
    } else {
        // Its columns are called as in training, where a label may have stood before them.
        (header.names, roles) = by_place(&header, known, path)?;
    }
    if let Some(name) = label {
        let at = header.flagged("--label", name, path)?;
        roles.iter_mut().filter(|role| **role == Role::Label).for_each(|role| *role = Role::Ignored);
        roles[at] = Role::Label;
    }
    Ok(Plan { header, roles, hashing: None })
}

fn by_name(header: &Header, known: &[Column], path: &Path, notice: &(dyn Fn(&str) + Sync)) -> Result<Vec<Role>> {
    let column = |name: &String| known.iter().find(|column| column.name == *name);
    let is_feature = |column: &&Column| matches!(column.kind, ColumnKind::Number | ColumnKind::Words);
    let missing = known.iter().filter(is_feature).filter(|column| header.find(&column.name).is_none());
    let missing: Vec<&str> = missing.map(|column| column.name.as_str()).collect();
    let features = known.iter().filter(is_feature).count();
    if missing.len() == features && features > 0 {
        let what = format!(
            "no column that the model knows: it was trained on {}, here are {}",
            listed(&missing),
            header.list()
        );
        return Err(Error::data(path, what));
    }
    if !missing.is_empty() {
        notice(&format!("warning: {}: no column {}: its cells count as missing", path.display(), listed(&missing)));
    }
    let unknown: Vec<&str> = header.names.iter().filter(|name| column(name).is_none()).map(String::as_str).collect();
    if !unknown.is_empty() {
        notice(&format!("note: {}: the model does not know column {}: ignored", path.display(), listed(&unknown)));
    }
    Ok(header.names.iter().map(|name| column(name).map_or(Role::Ignored, |column| Role::of(column.kind))).collect())
}

fn by_place(header: &Header, known: &[Column], path: &Path) -> Result<(Vec<String>, Vec<Role>)> {
    let roles = known.iter().map(|column| (column.name.clone(), Role::of(column.kind)));
    let (here, all) = (header.names.len(), known.len());
    if here == all {
        Ok(roles.unzip())
    } else if here + 1 == all {
        Ok(roles.filter(|(_, role)| *role != Role::Label).unzip())
    } else {
        let what = format!("{here} columns and no header: the model was trained on {all}, the label among them");
        Err(Error::data(path, what))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn columns(columns: &[(&str, ColumnKind)]) -> Vec<Column> {
        columns.iter().map(|&(name, kind)| Column { name: name.into(), kind }).collect()
    }

    fn header(text: &str, known: &[Column]) -> Result<Header> {
        Header::read(text.as_bytes(), delimiter(text.as_bytes()), known, Path::new("t.csv"))
    }

    #[test]
    fn the_delimiter_is_what_the_first_line_has_most_of() {
        for (line, expected) in [("a,b", b','), ("\"a,b,c\";d", b';'), ("a\tb,c\td", b'\t'), ("a|b", b'|'), ("a", b',')]
        {
            assert_eq!(delimiter(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn a_first_line_of_numbers_is_data() {
        let data = header("1,2.5,-3\n", &[]).unwrap();
        assert_eq!((data.names, data.named), (vec!["1".into(), "2".into(), "3".into()], false));
        let names = header("\n a ,,\"b\nc\"\r\n1,2,3\n", &[]).unwrap();
        assert_eq!((names.names, names.named), (vec!["a".into(), "column2".into(), "b\nc".into()], true));
        let known = columns(&[("label", ColumnKind::Label), ("0", ColumnKind::Number), ("1", ColumnKind::Number)]);
        assert!(header("0,1\n5,6\n", &known).unwrap().named, "numbers that are the model's names are names");
        assert!(header("a,b,a\n", &[]).unwrap_err().to_string().contains("two columns are called \"a\""));
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let error =
            header("age,income,city\n", &[]).unwrap().flagged("--label", "incmoe", Path::new("t.csv")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("did you mean \"income\"? It has age, income, city"), "{error}");
        let wide: Vec<String> = (1..=1000).map(|at| format!("c{at}")).collect();
        assert!(listed(&wide).ends_with("c11, c12 and 988 more"));
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("A", "a")), (3, 2, 0));
    }

    #[test]
    fn columns_are_matched_by_name_in_any_order() {
        use ColumnKind::{Ignored, Label, Number, Words};
        let known = columns(&[("id", Ignored), ("y", Label), ("age", Number), ("city", Words)]);
        let notices = Mutex::new(Vec::new());
        let plan = |text: &str, label| {
            let notice = |text: &str| notices.lock().unwrap().push(text.to_string());
            matched(header(text, &known)?, &known, label, Path::new("t.csv"), &notice).map(|plan| plan.roles)
        };
        assert_eq!(plan("city,age,id,y", None).unwrap(), [Role::Words, Role::Number, Role::Ignored, Role::Label]);
        assert!(notices.lock().unwrap().is_empty());
        assert_eq!(plan("age,x,z", Some("z")).unwrap(), [Role::Number, Role::Ignored, Role::Label]);
        assert_eq!(
            *notices.lock().unwrap(),
            [
                "warning: t.csv: no column city: its cells count as missing",
                "note: t.csv: the model does not know column x, z: ignored"
            ]
        );
        assert!(plan("id,y,x", None).unwrap_err().to_string().contains("trained on age, city"));
        assert_eq!(plan("1,2,3", None).unwrap(), [Role::Ignored, Role::Number, Role::Words]);
        assert_eq!(plan("1,2,3,4", None).unwrap().len(), 4);
        assert!(plan("1,2", None).unwrap_err().to_string().contains("2 columns and no header"));
    }
}
