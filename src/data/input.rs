//! Which data is meant, and in which format it is written.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use memchr::memchr;

use super::idx;
use crate::error::{Error, Result};

/// The data sets that come with the program: their names, formats and zstd-compressed text.
///
/// Both are from the UCI Machine Learning Repository, under CC BY 4.0: Adult (as the LIBSVM set a9a) and Optical
/// Recognition of Handwritten Digits.
const BUILTINS: [(&str, Format, &[u8]); 2] = [
    ("@adult", Format::Libsvm, include_bytes!("builtin/adult.svm.zst")),
    ("@digits", Format::Csv, include_bytes!("builtin/digits.csv.zst")),
];

/// What labels of text begin with.
pub(crate) const LABEL: &[u8] = b"__label__";

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What is piped or typed in.
    Stdin,
    /// A file.
    Path(PathBuf),
    /// A set that comes with the program, by its name (`@adult`).
    Builtin(&'static str),
}

impl Input {
    /// `-` is standard input, `@name` a built-in set, everything else a path.
    ///
    /// # Errors
    /// Where there is no built-in set of that name.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self> {
        let text = text.as_ref();
        let bytes = text.as_encoded_bytes();
        if bytes == b"-" {
            return Ok(Self::Stdin);
        }
        if !bytes.starts_with(b"@") {
            return Ok(Self::Path(text.into()));
        }
        let names = BUILTINS.map(|(name, ..)| name);
        names.iter().find(|&&name| text == name).map(|name| Self::Builtin(name)).ok_or_else(|| {
            let (given, names) = (text.display(), names.join(", "));
            Error::Usage(format!("no such built-in data; there is {names} (a file of that name is ./{given})"))
        })
    }

    /// The compressed text of the built-in set `name`.
    pub(crate) fn builtin_text(name: &str) -> &'static [u8] {
        BUILTINS.iter().find(|(other, ..)| *other == name).map_or(&[], |&(.., text)| text)
    }

    /// The format that the name alone tells.
    pub(crate) fn named_format(&self) -> Option<Format> {
        match self {
            Self::Stdin => None,
            Self::Builtin(name) => BUILTINS.iter().find(|(other, ..)| other == name).map(|&(_, format, _)| format),
            Self::Path(path) => {
                let packed = path.extension().is_some_and(|end| end == "gz" || end == "zst");
                let name = if packed { path.file_stem().map(Path::new)? } else { path };
                if name.as_os_str().as_encoded_bytes().ends_with(b"-ubyte") {
                    return Some(Format::Idx);
                }
                match name.extension()?.to_str()?.to_ascii_lowercase().as_str() {
                    "csv" | "tsv" => Some(Format::Csv),
                    "svm" | "libsvm" | "svmlight" => Some(Format::Libsvm),
                    "ffm" | "libffm" => Some(Format::Libffm),
                    "idx" => Some(Format::Idx),
                    "vw" => Some(Format::Vw),
                    _ => None,
                }
            }
        }
    }
}

/// The name that messages use.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => path.display().fmt(f),
            Self::Builtin(name) => f.write_str(name),
        }
    }
}

/// How data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `label index:value index:value …`
    Libsvm,
    /// `label field:index:value field:index:value …`
    Libffm,
    /// Cells between commas, semicolons, tabs or bars.
    Csv,
    /// Images of an IDX file; their labels are in another.
    Idx,
    /// Vowpal Wabbit's `label importance 'tag|namespace feature:value …`
    Vw,
    /// fastText's `__label__NAME word word …`
    Text,
}

impl Format {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Libsvm => "libsvm",
            Self::Libffm => "libffm",
            Self::Csv => "csv",
            Self::Vw => "vw",
            Self::Text => "text",
            Self::Idx => "idx",
        }
    }

    /// The format of `input`: as `said`, by its name, or else by its first bytes, `head`.
    ///
    /// # Errors
    /// Where it looks like no format there is, or is not text though it is said to be.
    pub(crate) fn recognise(said: Option<Self>, input: &Input, head: &[u8]) -> Result<Self> {
        let named = said.or_else(|| input.named_format()).or_else(|| idx::is_magic(head).then_some(Self::Idx));
        if named == Some(Self::Idx) {
            return Ok(Self::Idx);
        }
        if let Some(at) = memchr(0, head) {
            let what = if idx::is_magic(head) {
                "is not text, but begins as IDX files do: give --format idx".into()
            } else {
                format!("is not text: byte {} is 0, the first ones are {}", at + 1, excerpt(head))
            };
            return Err(Error::data(input.to_string(), what));
        }
        if let Some(format) = named {
            return Ok(format);
        }
        head.split(|&byte| byte == b'\n').find_map(of_line).ok_or_else(|| {
            let line = head.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(head);
            let seen = excerpt(line);
            Error::data(
                input.to_string(),
                format!(
                    "neither libsvm (label index:value …) nor libffm (label field:index:value …) nor vw (label | feature:value …) \
                     nor text (__label__NAME word …) nor csv, as it begins with {seen}: give --format libsvm|libffm|vw|csv|text|idx"
                ),
            )
        })
    }
}

/// What a line says about its format; nothing where it could be of any.
fn of_line(line: &[u8]) -> Option<Format> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return None;
    }
    if line.starts_with(LABEL) {
        return Some(Format::Text);
    }
    if is_vw(line) {
        return Some(Format::Vw);
    }
    let mut tokens = line.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty());
    if tokens.by_ref().take(2).any(is_pair) {
        return Some(Format::Libsvm);
    }
    if is_libffm(line) {
        return Some(Format::Libffm);
    }
    line.iter().any(|byte| b",;\t|".contains(byte)).then_some(Format::Csv)
}

/// True where nothing but a label and a tag stand before the first bar, and the bars look like those of namespaces, not
/// like those between the cells of a table: a blank before each, and not after all of several.
fn is_vw(line: &[u8]) -> bool {
    let mut parts = line.split(|&byte| byte == b'|');
    let (label, mut spaces) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
    let mut words: Vec<_> = label.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let tagged = words.pop_if(|word| word.starts_with(b"'")).is_some();
    let is_number = |word: &&[u8]| {
        word.iter().any(u8::is_ascii_digit) && word.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE:".contains(byte))
    };
    let apart = |part: &[u8]| part.last().is_none_or(u8::is_ascii_whitespace);
    let last = spaces.pop();
    last.is_some()
        && words.iter().all(is_number)
        && (tagged || apart(label))
        && spaces.iter().all(|space| !space.is_empty() && apart(space))
        && (spaces.is_empty()
            || spaces
                .iter()
                .copied()
                .chain(last)
                .any(|space| space.first().is_some_and(|byte| !byte.is_ascii_whitespace())))
}

/// True where a pair behind a field, `digits:digits:…`, comes first or after a number. Between tabs all must be such: there it may
/// be a cell that holds a time of day, 10:30:00.
fn is_libffm(line: &[u8]) -> bool {
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut words = words.take_while(|word| !word.starts_with(b"#")).peekable();
    words.next_if(|word| str::from_utf8(word).is_ok_and(|word| word.parse::<f32>().is_ok()));
    let is_triple = |word: &[u8]| {
        let colon = word.iter().position(|byte| !byte.is_ascii_digit());
        colon.is_some_and(|colon| colon > 0 && word[colon] == b':' && is_pair(&word[colon + 1..]))
    };
    words.next().is_some_and(is_triple) && (!line.contains(&b'\t') || words.all(is_triple))
}

/// True for `digits:…`, and `qid:…`.
fn is_pair(token: &[u8]) -> bool {
    let Some(colon) = token.iter().position(|&byte| byte == b':') else { return false };
    let (index, value) = (&token[..colon], &token[colon + 1..]);
    let is_value = !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    is_value && (index == b"qid" || (!index.is_empty() && index.iter().all(u8::is_ascii_digit)))
}

/// The beginning of `bytes`, quoted, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!(Input::parse("-").unwrap(), Input::Stdin);
        assert_eq!(Input::parse("@adult").unwrap(), Input::Builtin("@adult"));
        assert_eq!(Input::parse("./@adult").unwrap(), Input::Path("./@adult".into()));
        let error = Input::parse("@adults").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("@adult, @digits"), "{error}");
    }

    fn of(name: &str, head: &str) -> Option<Format> {
        Format::recognise(None, &Input::parse(name).unwrap(), head.as_bytes()).ok()
    }

    #[test]
    fn the_name_tells_the_format() {
        for name in ["a.csv", "dir.svm/a.TSV.gz", "a.csv.zst", "@digits"] {
            assert_eq!(of(name, ""), Some(Format::Csv), "{name}");
        }
        for name in ["a.svm", "a.libsvm.gz", "b.csv/a.svmlight", "@adult"] {
            assert_eq!(of(name, ""), Some(Format::Libsvm), "{name}");
        }
        for name in ["t-images-idx3-ubyte", "a.csv/t.idx3-ubyte.gz", "a-ubyte.zst", "a.idx"] {
            assert_eq!(of(name, ""), Some(Format::Idx), "{name}");
        }
        for name in ["a.ffm", "a.csv/b.libffm.gz", "a.FFM.zst"] {
            assert_eq!(of(name, "1 2:3"), Some(Format::Libffm), "{name}");
        }
        assert_eq!((of("a.vw", "a,b"), of("a.VW.zst", "")), (Some(Format::Vw), Some(Format::Vw)));
    }

    #[test]
    fn else_the_first_lines_tell_it() {
        for head in ["1 3:1 4:2", "+1\t3:0.5", "3:1 4:1", "# x, y\n\n0\n1 7:1e-3\n", "2 qid:1 3:4", "-1 3:nan"] {
            assert_eq!(of("-", head), Some(Format::Libsvm), "{head:?}");
        }
        for head in [
            "1 0:3:1 1:4:2",
            "0\t0:3:0.5\t1:4:1 # x\ty",
            "0:3:1 1:4:1",
            "# x, y\n\n0\n1 7:7:1e-3\n",
            "1 0:3:1 4:1",
            "-1 3:1:nan",
        ] {
            assert_eq!(of("-", head), Some(Format::Libffm), "{head:?}");
        }
        let times = ["2024-01-01 10:30:00,5", "at 1:20:3, x", "5\t10:30:00\tx", "at\t10:30:00", "1 10:30:00,5"];
        for head in ["a,b\n1,2", "1;2", "a\tb", "x|y"].into_iter().chain(times) {
            assert_eq!(of("a.txt", head), Some(Format::Csv), "{head:?}");
        }
        for head in [
            "1 | 3:1 4:2",
            "-1 |a x |b y:2",
            "| x y",
            "|a x y |b z",
            "0 0.5 'tag|ns x",
            "'tag |x",
            "1\t|a b,c;d",
            "\n1:0.5 2:1 |a b",
            "1 |a",
            "1 | a |b c",
        ] {
            assert_eq!(of("a.txt", head), Some(Format::Vw), "{head:?}");
        }
        for head in ["1|2|3", "1 | 2 | 3", "|a|b", "| a | b |", "x | y", "age |city", "1|a b", "1 |2|3", "1;a |b"] {
            assert_eq!(of("a.txt", head), Some(Format::Csv), "{head:?}");
        }
        for head in ["__label__a b", "\n__label__a, b", "__label__", "__label__a 1:2 | 3"] {
            assert_eq!(of("a.txt", head), Some(Format::Text), "{head:?}");
        }
        assert_eq!(of("-", "1 3:1 4:2 # a | b"), Some(Format::Libsvm));
        assert_eq!(of("-", "\0\0\u{8}\u{3}\0\0"), Some(Format::Idx));
        assert_eq!(of("-", "hello world"), None);
        for (name, head, part) in [
            ("-", "PNG\0\u{1}\n1 2:3", "is not text: byte 4 is 0"),
            ("a.svm", "\0", "is not text: byte 1 is 0"),
            ("a.csv", "\0\0\u{8}\u{3}", "give --format idx"),
        ] {
            let error = Format::recognise(None, &Input::parse(name).unwrap(), head.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = Format::recognise(None, &Input::Stdin, b"\n\nhello world\n").unwrap_err().to_string();
        assert!(
            error.contains("\"hello world\"") && error.contains("--format libsvm|libffm|vw|csv|text|idx"),
            "{error}"
        );
    }
}
