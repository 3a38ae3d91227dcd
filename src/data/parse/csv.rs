//! Records of cells between delimiters.

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use memchr::{memchr, memchr_iter};

use super::number::{is_rounded, parse as parse_number};
use super::{Context, Fault, Parsed};
use crate::data::columns::Header;
use crate::data::cut::{Cut, is_open};
use crate::data::hashing::{HashedRow, Hashing, key, seed};
use crate::data::input::excerpt;
use crate::data::numbering::{ChunkKeys, Mark};
use crate::data::repeats::Repeats;

/// How the records of a file are read: what each cell is.
pub(crate) struct Plan {
    pub(crate) header: Header,
    /// As many as columns in the file.
    pub(crate) roles: Vec<Role>,
    /// Whether keys are buckets, not names.
    pub(crate) hashing: Option<Hashing>,
}

/// What the cells of a column are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Ignored,
    /// The label.
    Label,
    /// Numbers, whose key is the column's name.
    Number,
    /// Words, whose key is the column's name and the word.
    Words,
}

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    /// Any number, finite or not.
    Number(f32),
    Word(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// What `cell` holds.
    pub(crate) fn of(cell: &'a [u8]) -> Self {
        let cell = cell.trim_ascii();
        let missing =
            matches!(cell, b"" | b"?") || [&b"NA"[..], b"N/A", b"NULL"].iter().any(|no| cell.eq_ignore_ascii_case(no));
        match missing {
            true => Self::Missing,
            false => parse_number(cell).map_or(Self::Word(cell), Self::Number),
        }
    }
}

/// The records of a text that are not blank, one after the other.
pub(crate) struct Records<'t> {
    text: &'t [u8],
    delimiter: u8,
    /// How many cells a record has to have, if that is known.
    cells: Option<usize>,
    /// Where in the text the reader begins.
    start: usize,
    reader: Reader<&'t [u8]>,
    record: ByteRecord,
    /// The record last read is not as it should be.
    odd: bool,
}

impl<'t> Records<'t> {
    pub(crate) fn new(text: &'t [u8], delimiter: u8, cells: Option<usize>) -> Self {
        let reader = reader(text, delimiter);
        Self { text, delimiter, cells, start: 0, reader, record: ByteRecord::new(), odd: false }
    }

    /// The next record, or what is wrong with its cells. What comes next after a wrong one begins on its second line: a
    /// quote that is never closed takes all lines up to the next quote along.
    pub(crate) fn next(&mut self) -> Option<Result<&ByteRecord, String>> {
        if std::mem::take(&mut self.odd) && has_newline(&self.record) {
            let begin = self.begin();
            let line = memchr(b'\n', &self.text[begin..]).map_or(self.text.len() - begin, |at| at + 1);
            self.start = begin + line;
            self.reader = reader(&self.text[self.start..], self.delimiter);
        }
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                Ok(true) if self.record.len() == 1 && self.record[0].trim_ascii().is_empty() => {}
                Ok(true) => break,
                // Which reading from memory does not have.
                Err(error) => {
                    (self.start, self.reader) = (self.text.len(), reader(&[], self.delimiter));
                    self.record.clear();
                    return Some(Err(error.to_string()));
                }
            }
        }
        let wrong = self.wrong();
        self.odd = wrong.is_some();
        Some(wrong.map_or(Ok(&self.record), Err))
    }

    /// The line, from 0, on which the record last read begins.
    pub(crate) fn line(&self) -> u64 {
        memchr_iter(b'\n', &self.text[..self.begin()]).count() as u64
    }

    /// Where the record last read begins.
    fn begin(&self) -> usize {
        let byte = self.start + self.record.position().map_or(0, |position| position.byte() as usize);
        // The reader counts the newlines that it skips before a record as part of it.
        byte + self.text[byte..].iter().take_while(|&&byte| matches!(byte, b'\n' | b'\r')).count()
    }

    /// What is wrong with the cells of the record last read.
    fn wrong(&self) -> Option<String> {
        let (cells, expected) = (self.record.len(), self.cells?);
        let ended = self.start + self.reader.position().byte() as usize >= self.text.len();
        if ended && is_open(&self.text[self.begin()..], self.delimiter) {
            return Some("a quote that begins a cell here is never closed".into());
        }
        (cells != expected).then(|| {
            let hint = if has_newline(&self.record) { " (is there a quote that is never closed?)" } else { "" };
            format!("{cells} cells, but {expected} columns were expected{hint}")
        })
    }
}

fn has_newline(record: &ByteRecord) -> bool {
    record.iter().any(|cell| cell.contains(&b'\n'))
}

/// A reader of the records in `text`, the blank lines among them included.
fn reader(text: &[u8], delimiter: u8) -> Reader<&[u8]> {
    // Only a newline ends a record, as only there chunks are cut; a carriage return before it is trimmed with its cell.
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter).terminator(Terminator::Any(b'\n'));
    builder.from_reader(text)
}

impl Plan {
    /// Where the file may be cut.
    pub(crate) fn cut(&self) -> Cut {
        Cut::Records(self.header.delimiter)
    }

    /// The place of the column called `name`; past the last one where there is none.
    fn place(&self, name: &str) -> usize {
        self.header.names.iter().position(|other| other == name).unwrap_or(self.header.names.len())
    }

    /// True where two cells of a record might have one key: column `a=b` beside a column `a` of words.
    fn may_repeat(&self) -> bool {
        let columns = || self.header.names.iter().zip(&self.roles);
        let words = columns().filter(|(_, role)| **role == Role::Words);
        let starts: Vec<String> = words.map(|(name, _)| format!("{name}=")).collect();
        columns().any(|(name, _)| starts.iter().any(|start| name.starts_with(start)))
    }
}

/// Parses whole records; the header is skipped in the `first` chunk.
pub(crate) fn parse(text: &[u8], first: bool, plan: &Plan, context: Context<'_>) -> Result<Parsed, Fault> {
    let mut rows = Rows {
        plan,
        learning: context.learning,
        may_repeat: plan.may_repeat(),
        repeats: Repeats::default(),
        columns: vec![None; plan.roles.len()],
        name: String::new(),
        hashed: plan.hashing.as_ref().map(|hashing| HashedRow::new(hashing, |name| plan.place(name))),
        seeds: plan.header.names.iter().map(|name| seed(name.as_bytes())).collect(),
        keys: ChunkKeys::new(context.keys, context.learning),
        classes: context.classes.map(|classes| ChunkKeys::new(classes, context.learning)),
        rounded: None,
        parsed: Parsed::with_room(text.len()),
    };
    let mut records = Records::new(text, plan.header.delimiter, Some(plan.roles.len()));
    let mut header = first && plan.header.named;
    while let Some(record) = records.next() {
        if std::mem::take(&mut header) {
            continue;
        }
        let before = (rows.keys.mark(), rows.classes.as_ref().map(ChunkKeys::mark));
        if let Err(what) = record.and_then(|record| rows.add(record)) {
            rows.parsed.skip(context, || Fault { line: records.line(), what })?;
            rows.back_to(before);
        }
        if let Some(label) = rows.rounded.take() {
            rows.parsed.rounded.get_or_insert_with(|| Fault { line: records.line(), what: label });
        }
    }
    rows.parsed.lines = memchr_iter(b'\n', text).count() as u64;
    Ok(rows.parsed.finish(rows.keys, rows.classes))
}

/// Turns records into rows.
struct Rows<'p> {
    plan: &'p Plan,
    learning: bool,
    may_repeat: bool,
    repeats: Repeats,
    /// The ids of the columns of numbers, once they are known.
    columns: Vec<Option<u32>>,
    hashed: Option<HashedRow<'p>>,
    /// What the hashes of each column begin with.
    seeds: Vec<u64>,
    /// Where the keys of words are put together.
    name: String,
    keys: ChunkKeys<'p>,
    classes: Option<ChunkKeys<'p>>,
    /// The label of the row just read, if it was rounded.
    rounded: Option<String>,
    parsed: Parsed,
}

impl Rows<'_> {
    fn add(&mut self, record: &ByteRecord) -> Result<(), String> {
        self.hashed.iter_mut().for_each(HashedRow::clear);
        let mut label = None;
        for (column, (cell, role)) in record.iter().zip(&self.plan.roles).enumerate() {
            let told = |what| format!("column {:?}: {what}", self.plan.header.names[column]);
            match role {
                Role::Ignored => {}
                Role::Label => label = self.label(cell).map_err(told)?,
                Role::Number => self.number(column, cell).map_err(told)?,
                Role::Words => self.word(column, cell).map_err(told)?,
            }
        }
        if let Some(hashed) = &mut self.hashed {
            self.parsed.plain += hashed.finish(&mut self.parsed.block, &mut self.keys)?;
        } else if self.may_repeat && self.parsed.block.fold_repeated(&mut self.repeats).is_err() {
            return Err("values of one key add up to more than a float holds".into());
        }
        self.parsed.unlabelled += u64::from(label.is_none());
        self.parsed.block.end_row(label.unwrap_or(f32::NAN));
        Ok(())
    }

    /// Forgets what a bad row has brought.
    fn back_to(&mut self, (keys, classes): (Mark, Option<Mark>)) {
        self.rounded = None;
        self.keys.back_to(keys);
        if let (Some(all), Some(mark)) = (&mut self.classes, classes) {
            all.back_to(mark);
        }
        for column in &mut self.columns {
            *column = column.filter(|&id| self.keys.has(id));
        }
    }

    /// The label that `cell` is, if there is one; NaN where it is not known.
    fn label(&mut self, cell: &[u8]) -> Result<Option<f32>, String> {
        match (Cell::of(cell), &mut self.classes) {
            (Cell::Missing, _) if self.learning => Err("no label: the cell is empty".into()),
            (Cell::Missing, _) => Ok(None),
            (_, Some(classes)) => {
                Ok(Some(classes.name(utf8(cell.trim_ascii())?).map_or(f32::NAN, |class| class as f32)))
            }
            (Cell::Number(label), None) => {
                if is_rounded(cell.trim_ascii(), label) {
                    self.rounded = Some(String::from_utf8_lossy(cell.trim_ascii()).into());
                }
                finite(label, cell).map(Some)
            }
            (Cell::Word(_), None) => Err(format!("the label {} is not a number", excerpt(cell))),
        }
    }

    fn number(&mut self, column: usize, cell: &[u8]) -> Result<(), String> {
        let value = match Cell::of(cell) {
            Cell::Missing => return Ok(()),
            Cell::Word(_) => return Err(format!("{} is not a number, as this column has", excerpt(cell))),
            Cell::Number(value) => finite(value, cell)?,
        };
        if value == 0.0 {
            return Ok(());
        }
        if let Some(hashed) = &mut self.hashed {
            hashed.push(column, key(self.seeds[column], b""), value);
        } else {
            if self.columns[column].is_none() {
                self.columns[column] = self.keys.name(&self.plan.header.names[column]);
            }
            if let Some(id) = self.columns[column] {
                self.parsed.block.push(id, value);
            }
        }
        Ok(())
    }

    fn word(&mut self, column: usize, cell: &[u8]) -> Result<(), String> {
        if Cell::of(cell) == Cell::Missing {
            return Ok(());
        }
        let word = utf8(cell.trim_ascii())?;
        if let Some(hashed) = &mut self.hashed {
            hashed.push(column, key(self.seeds[column], word.as_bytes()), 1.0);
        } else {
            self.name.clear();
            self.name.push_str(&self.plan.header.names[column]);
            self.name.push('=');
            self.name.push_str(word);
            if let Some(id) = self.keys.name(&self.name) {
                self.parsed.block.push(id, 1.0);
            }
        }
        Ok(())
    }
}

fn finite(value: f32, cell: &[u8]) -> Result<f32, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{} is not finite", excerpt(cell))) }
}

fn utf8(cell: &[u8]) -> Result<&str, String> {
    str::from_utf8(cell).map_err(|_| format!("{} is not UTF-8 text: convert the file", excerpt(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dictionary::Dictionary;

    /// Columns called a, b, …
    fn plan(roles: &[Role]) -> Plan {
        let names = (0..roles.len()).map(|at| char::from(b'a' + at as u8).to_string()).collect();
        Plan { header: Header { delimiter: b',', names, named: false }, roles: roles.to_vec(), hashing: None }
    }

    type Pairs = Vec<(String, f32)>;

    fn read(text: &str, plan: &Plan, words: bool) -> Result<(Parsed, Vec<Pairs>), Fault> {
        let empty = Dictionary::names();
        let classes = words.then_some(&empty);
        let parsed =
            parse(text.as_bytes(), true, plan, Context { keys: &empty, classes, learning: true, skip: false })?;
        let new = parsed.new_keys.as_ref().unwrap();
        let row = |at: &[u32]| {
            let range = at[0] as usize..at[1] as usize;
            let (ids, values) = (&parsed.block.ids[range.clone()], &parsed.block.values[range]);
            ids.iter().zip(values).map(|(&id, &value)| (new.name_of(id), value)).collect()
        };
        let rows = parsed.block.offsets.windows(2).map(row).collect();
        Ok((parsed, rows))
    }

    fn pairs(pairs: &[(&str, f32)]) -> Pairs {
        pairs.iter().map(|&(key, value)| (key.to_string(), value)).collect()
    }

    #[test]
    fn cells_become_keys_by_the_role_of_their_column() {
        let plan = plan(&[Role::Number, Role::Words, Role::Label, Role::Ignored]);
        let text = " 1.5,Oslo,1,x\r\n\r\n0,\"Bergen, \"\"B\"\"\nby\",-1,\n?,NA,2,y\nnull, 7 ,3,z";
        let (parsed, rows) = read(text, &plan, false).unwrap();
        assert_eq!(parsed.block.labels, [1.0, -1.0, 2.0, 3.0]);
        let expected =
            [vec![("a", 1.5), ("b=Oslo", 1.0)], vec![("b=Bergen, \"B\"\nby", 1.0)], vec![], vec![("b=7", 1.0)]];
        assert_eq!(rows, expected.map(|row| pairs(&row)));
    }

    #[test]
    fn words_as_labels_are_classes_as_they_appear() {
        let (parsed, _) = read("no\nyes\n no\n", &plan(&[Role::Label]), true).unwrap();
        assert_eq!(parsed.block.labels, [0.0, 1.0, 0.0]);
        assert_eq!(parsed.new_classes.unwrap().name_of(1), "yes");
    }

    #[test]
    fn two_columns_that_make_one_key_add_up() {
        let mut plan = plan(&[Role::Words, Role::Number]);
        plan.header.names[1] = "a=x".into();
        assert_eq!(read("x,2\n", &plan, false).unwrap().1, [pairs(&[("a=x", 3.0)])]);
    }

    #[test]
    fn faults_name_the_line_and_the_column() {
        let plan = plan(&[Role::Number, Role::Words, Role::Label]);
        for (record, what) in [
            ("1,x", "2 cells, but 3 columns were expected"),
            ("1,x,1,1", "4 cells, but 3 columns"),
            ("1,\"x,1\n1,y,1\n", "never closed"),
            ("1,x,\"1\n1,x,1\n", "a quote that begins a cell here is never closed"),
            ("one,x,1", "column \"a\": \"one\" is not a number"),
            ("nan,x,1", "column \"a\": \"nan\" is not finite"),
            ("1e99,x,1", "is not finite"),
            ("1,x,", "column \"c\": no label"),
            ("1,x,inf", "column \"c\": \"inf\" is not finite"),
            ("1,x,yes", "column \"c\": the label \"yes\" is not a number"),
        ] {
            for before in ["1,x,1\n\n", "1,\"x\ny\",1\n", "1,x,1\r\n\r\n"] {
                let fault = read(&format!("{before}{record}"), &plan, false).err().unwrap();
                assert!(fault.what.contains(what) && fault.line == 2, "{before:?} {record:?}: {fault:?}");
            }
        }
    }
}
