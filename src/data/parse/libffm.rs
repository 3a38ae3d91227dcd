//! `label field:index:value field:index:value … # comment`
//!
//! A key is a field and an index together, called `field:index`: where indices are hashes, one stands under several fields.

use memchr::memchr;

use super::libsvm::{after_blanks, finite, token};
use super::number::{digits_at, float_at, is_rounded};
use super::{Context, Fault, Parsed};
use crate::data::hashing::Hashing;
use crate::data::input::excerpt;
use crate::data::names::{NameBatch, Prefix};
use crate::data::numbering::ChunkKeys;
use crate::data::repeats::Repeats;

/// How the lines of a file are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whether keys are buckets, not names.
    pub(crate) hashing: Option<Hashing>,
}

/// Parses whole lines.
pub(crate) fn parse(text: &[u8], plan: &Plan, context: Context<'_>) -> Result<Parsed, Fault> {
    let mut rows = Rows {
        text,
        hashing: plan.hashing.as_ref(),
        learning: context.learning,
        keys: ChunkKeys::new(context.keys, context.learning),
        names: NameBatch::default(),
        no_prefix: Prefix::default(),
        repeats: Repeats::default(),
        parsed: Parsed::with_room(text.len()),
    };
    let mut start = 0;
    while start < text.len() {
        let end = memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at);
        let (line, before) = (rows.parsed.lines, rows.keys.mark());
        if let Err(what) = rows.add(start, end) {
            rows.parsed.skip(context, || Fault { line, what })?;
            rows.keys.back_to(before);
        }
        rows.parsed.lines += u64::from(end < text.len());
        start = end + 1;
    }
    Ok(rows.parsed.finish(rows.keys, None))
}

/// Turns lines into rows.
struct Rows<'p> {
    text: &'p [u8],
    hashing: Option<&'p Hashing>,
    learning: bool,
    keys: ChunkKeys<'p>,
    /// The names of the row, as many as it has ids so far; none where keys are hashed.
    names: NameBatch,
    no_prefix: Prefix,
    repeats: Repeats,
    parsed: Parsed,
}

impl Rows<'_> {
    /// The line from `start` to `end`.
    fn add(&mut self, start: usize, end: usize) -> Result<(), String> {
        let text = self.text;
        let mut at = after_blanks(text, start, end);
        if at == end || text[at] == b'#' {
            return Ok(());
        }
        let word = token(text, at, end);
        let label = if word.contains(&b':') {
            if self.learning {
                return Err(format!("no label: the line begins with {}, a number was expected", excerpt(word)));
            }
            f32::NAN
        } else {
            at += word.len();
            finite(word).map_err(|fault| format!("the label {} {fault}", excerpt(word)))?
        };
        let rising = self.triples(at, end)?;
        let block = &mut self.parsed.block;
        if self.hashing.is_some() {
            self.parsed.plain += block.open_row().len() as u64;
            self.keys.translate_row(block);
        } else {
            self.keys.name_row(&mut self.names, block);
        }
        if !rising || self.hashing.is_some() {
            block.check_repeated(&mut self.repeats)?;
        }
        self.parsed.unlabelled += u64::from(label.is_nan());
        block.end_row(label);
        if self.parsed.rounded.is_none() && is_rounded(word, label) {
            self.parsed.rounded =
                Some(Fault { line: self.parsed.lines, what: String::from_utf8_lossy(word).into_owned() });
        }
        Ok(())
    }

    /// The triples from `at` to `end`. Whether they are known to rise, so that none stands there twice.
    fn triples(&mut self, mut at: usize, end: usize) -> Result<bool, String> {
        let text = self.text;
        self.names.clear();
        let (mut last, mut rising) = ((0, 0), true);
        loop {
            at = after_blanks(text, at, end);
            if at == end || text[at] == b'#' {
                return Ok(rising);
            }
            if let Some(triple) = quick_triple(text, at) {
                rising &= triple.order > last;
                last = triple.order;
                let (field, index) = (&text[at..triple.colon], &text[triple.colon + 1..triple.name_end]);
                if let Some(hashing) = self.hashing {
                    self.parsed.block.push(hashing.pair(field, index), triple.value);
                } else if triple.value != 0.0 {
                    self.parsed.block.push(0, triple.value);
                    self.names.push(&self.no_prefix, text, at, triple.name_end);
                }
                at = triple.end;
                continue;
            }
            let token = token(text, at, end);
            let (field, index, value) = triple(token).map_err(|what| format!("{} {what}", excerpt(token)))?;
            let (field, index) = (field.to_string(), index.to_string());
            if let Some(hashing) = self.hashing {
                self.parsed.block.push(hashing.pair(field.as_bytes(), index.as_bytes()), value);
            } else if value != 0.0 {
                self.parsed.block.push(0, value);
                self.names.push_joined(&self.no_prefix, &[field.as_bytes(), b":", index.as_bytes()]);
            }
            rising = false;
            at += token.len();
        }
    }
}

/// One of the usual triples.
struct Quick {
    /// Of two of them that is larger whose field is, or else whose index is.
    order: (u64, u64),
    /// Where the first colon stands.
    colon: usize,
    /// Where the second one stands.
    name_end: usize,
    value: f32,
    end: usize,
}

/// The triple at `at`, if it is one of the usual ones: a small field, field and index written as the name has them, a value of few
/// digits, and more text after it. It ends within its line, since a newline ends a number.
#[inline(always)]
fn quick_triple(text: &[u8], at: usize) -> Option<Quick> {
    let field = digits_at(text, at)?;
    let colon = at + field.count;
    let index = digits_at(text, colon + 1)?;
    let name_end = colon + 1 + index.count;
    // Fields of up to four digits are below 65536.
    if field.count > 4 || field.has_zeros || index.has_zeros || text[colon] != b':' || text[name_end] != b':' {
        return None;
    }
    let (value, end) = match text.get(name_end + 1..)?.first_chunk()? {
        [b'1', b' ' | b'\n'] => (1.0, name_end + 2),
        _ => float_at(text, name_end + 1)?,
    };
    Some(Quick { order: (field.order, index.order), colon, name_end, value, end })
}

/// Field, index and value of any triple, or what is wrong with it.
fn triple(token: &[u8]) -> Result<(u16, u32, f32), String> {
    let mut parts = token.splitn(3, |&byte| byte == b':');
    let (Some(field), Some(index), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("is not field:index:value".into());
    };
    if field.is_empty() || index.is_empty() || value.is_empty() {
        return Err("is not field:index:value".into());
    }
    let field = whole(field).ok_or("has a field that is not a whole number within 0 and 65535")?;
    let index = whole(index).ok_or("has an index that is not a whole number within 0 and 4294967295")?;
    let value = finite(value).map_err(|fault| format!("has a value that {fault}"))?;
    Ok((field, index, value))
}

/// The whole number that `digits` are, if they are digits and it is not too large.
fn whole<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let digits = str::from_utf8(digits).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dictionary::Dictionary;
    use crate::data::hashing::{key, seed};
    use crate::data::parse::libsvm::alike::Random;

    type Read = (f32, Vec<(String, f32)>);

    const NAMES: Plan = Plan { hashing: None };

    fn rows(text: &str) -> Result<Vec<Read>, Fault> {
        let known = Dictionary::names();
        let context = Context { keys: &known, classes: None, learning: true, skip: false };
        let parsed = parse(text.as_bytes(), &NAMES, context)?;
        let (block, names) = (parsed.block, parsed.new_keys.unwrap());
        let pair = |at: u32| (names.name_of(block.ids[at as usize]), block.values[at as usize]);
        let rows = block.offsets.windows(2).zip(&block.labels);
        Ok(rows.map(|(ends, &label)| (label, (ends[0]..ends[1]).map(pair).collect())).collect())
    }

    fn pairs(pairs: &[(&str, f32)]) -> Vec<(String, f32)> {
        pairs.iter().map(|&(key, value)| (key.to_string(), value)).collect()
    }

    #[test]
    fn the_usual_lines_are_read() {
        let text = "1 0:0:0.5 1:20:-3 65535:4294967295:1e-3 \r\n\n  # nothing\n-3.5e1\t7:5:.25\t8:12345678:1 # note 9:9:9\n2\n\
                    0 5:1:1#x\n1 38:4294967295:2 39:1234567:3";
        assert_eq!(
            rows(text).unwrap(),
            [
                (1.0, pairs(&[("0:0", 0.5), ("1:20", -3.0), ("65535:4294967295", 0.001)])),
                (-35.0, pairs(&[("7:5", 0.25), ("8:12345678", 1.0)])),
                (2.0, vec![]),
                (0.0, pairs(&[("5:1", 1.0)])),
                (1.0, pairs(&[("38:4294967295", 2.0), ("39:1234567", 3.0)])),
            ]
        );
    }

    #[test]
    fn a_key_is_field_and_index_together_however_they_are_written() {
        let text = "1 1:7:1 2:7:1 01:7:1 1:007:1 11:7:1 1:17:1         \n";
        assert_eq!(rows(text).unwrap()[0].1, pairs(&[("1:7", 3.0), ("2:7", 1.0), ("11:7", 1.0), ("1:17", 1.0)]));
    }

    #[test]
    fn zeros_go_and_repeated_keys_add_up() {
        for end in ["", "         \n"] {
            let row = |text: &str| rows(&format!("{text}{end}")).unwrap().remove(0).1;
            assert_eq!(row("1 3:3:0 3:4:1 5:5:0.0 6:6:-0"), pairs(&[("3:4", 1.0)]));
            assert_eq!(row("1 9:9:1 4:4:2 9:9:0.5"), pairs(&[("9:9", 1.5), ("4:4", 2.0)]));
            assert_eq!(row("1 9:9:1 9:9:-1 9:10:2"), pairs(&[("9:10", 2.0)]));
        }
    }

    #[test]
    fn faults_name_the_line_and_the_token() {
        for (line, what) in [
            ("1 3:17", "\"3:17\" is not field:index:value"),
            ("1 3:17 1:1:1 2:2:2", "\"3:17\" is not field:index:value"),
            ("1 3::1", "\"3::1\" is not field:index:value"),
            ("1 3:17: 1:1:1", "\"3:17:\" is not field:index:value"),
            ("1 3:17:", "\"3:17:\" is not field:index:value"),
            ("1 :17:1 1:1:1", "\":17:1\" is not field:index:value"),
            ("1 3", "\"3\" is not field:index:value"),
            ("1 65536:1:1 1:1:1", "\"65536:1:1\" has a field that is not a whole number within 0 and 65535"),
            ("1 -1:1:1", "has a field that is not a whole number"),
            ("1 +1:1:1", "has a field that is not a whole number"),
            ("1 user:1:1", "\"user:1:1\" has a field that is not a whole number"),
            ("1 1:4294967296:1", "has an index that is not a whole number within 0 and 4294967295"),
            ("1 1:-3:1", "has an index that is not a whole number"),
            ("1 1:x:1", "has an index that is not a whole number"),
            ("1 1:1:x 2:2:2", "\"1:1:x\" has a value that is not a number"),
            ("1 1:1:1:1 2:2:2", "\"1:1:1:1\" has a value that is not a number"),
            ("1 1:1:nan", "has a value that is not finite"),
            ("1 1:1:1e39", "has a value that is not finite"),
            ("one 1:1:1", "the label \"one\" is not a number"),
            ("inf 1:1:1", "the label \"inf\" is not finite"),
            ("1:1:1 2:1:1", "no label: the line begins with \"1:1:1\""),
            ("1 1:1:3e38 1:1:3e38", "add up to more"),
        ] {
            for text in [format!("1 1:1:1\n\n{line}\n1 1:0:0\n"), format!("1 1:1:1\r\n \r\n{line}")] {
                let fault = rows(&text).unwrap_err();
                assert!(fault.what.contains(what) && fault.line == 2, "{text:?}: {fault:?}");
            }
        }
    }

    #[test]
    fn a_label_may_be_missing_where_nothing_is_learned_and_unknown_keys_are_dropped() {
        let mut known = Dictionary::names();
        known.add_name("5:1");
        let context = Context { keys: &known, classes: None, learning: false, skip: false };
        let parsed = parse(b"5:1:1 6:1:1\n1 7:0:1 8:2:1 5:1:3\n", &NAMES, context).unwrap();
        assert_eq!((parsed.unknown_keys, parsed.unlabelled, parsed.lines), (3, 1, 2));
        assert_eq!((parsed.block.ids, parsed.block.values), (vec![0, 0], vec![1.0, 3.0]));
        assert!(parsed.block.labels[0].is_nan() && parsed.block.labels[1] == 1.0);
    }

    #[test]
    fn a_bad_row_that_is_skipped_leaves_no_keys() {
        let known = Dictionary::names();
        let context = Context { keys: &known, classes: None, learning: true, skip: true };
        let parsed = parse(b"1 1:1:1\n1 2:2:1 3:3\n0 4:4:1\n", &NAMES, context).unwrap();
        let names = parsed.new_keys.unwrap();
        assert_eq!((names.len(), names.name_of(1), parsed.block.rows()), (2, "4:4".into(), 2));
        assert_eq!((parsed.block.skipped.len(), parsed.first_bad.unwrap().line), (1, 1));
    }

    #[test]
    fn hashed_keys_are_those_of_namespaces_that_are_called_as_the_fields() {
        let hashing = Hashing { bits: 31, interactions: Vec::new(), ignored: Vec::new() };
        let known = Dictionary::numbers();
        let context = Context { keys: &known, classes: None, learning: true, skip: false };
        let parsed = parse(b"1 3:17:1 03:017:2 4:17:1\n", &Plan { hashing: Some(hashing) }, context).unwrap();
        let bucket = |field: &[u8]| (key(seed(field), b"17") & ((1 << 31) - 1)) as u32;
        assert_eq!(parsed.block.ids, [bucket(b"3"), bucket(b"4")]);
        assert_eq!((parsed.block.values, parsed.plain), (vec![3.0, 1.0], 3));
    }

    /// The rows of `text`, word by word, or the first line that is wrong.
    fn plainly(text: &str) -> Result<Vec<Read>, u64> {
        let mut rows = Vec::new();
        for (nth, line) in (0u64..).zip(text.split('\n')) {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
            let Some(label) = words.next() else { continue };
            let mut row: Vec<(String, f32)> = Vec::new();
            for word in words {
                let (field, index, value) = triple(word.as_bytes()).map_err(|_| nth)?;
                let name = format!("{field}:{index}");
                match row.iter_mut().find(|(other, _)| *other == name) {
                    Some((_, sum)) => *sum += value,
                    None if value != 0.0 => row.push((name, value)),
                    None => {}
                }
            }
            row.retain(|&(_, value)| value != 0.0);
            let finite = row.iter().all(|(_, value)| value.is_finite());
            let label = super::finite(label.as_bytes()).ok().filter(|_| finite).ok_or(nth)?;
            rows.push((label, row));
        }
        Ok(rows)
    }

    #[test]
    fn the_quick_way_reads_what_the_plain_way_does() {
        let mut random = Random(5);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..4000 {
            let mut text = String::new();
            for _ in 0..random.below(4) {
                text += random.one(&["1", "0", "-1", " 2.5", "+1", "#"]);
                for field in 0..random.below(12) {
                    let blank = random.one(&[" ", " ", " ", "\t", "  ", " \t"]);
                    let field = if random.below(9) > 0 { field.to_string() } else { random.digits(1, 6) };
                    let index = if random.below(9) > 0 { random.below(999).to_string() } else { random.digits(1, 11) };
                    let value = if random.below(3) > 0 { "1".to_owned() } else { random.number() };
                    text += &format!("{blank}{field}:{index}:{value}");
                }
                text += random.one(&["\n", "\n", "\r\n", " \n", " # 1:2:3\n", "#\n", ""]);
            }
            let mut bytes = text.into_bytes();
            if random.below(4) == 0 && !bytes.is_empty() {
                let at = random.below(bytes.len() as u64) as usize;
                let noise = random.noise().into_iter().filter(u8::is_ascii);
                bytes.splice(at..at, noise);
            }
            let text = String::from_utf8(bytes).unwrap();
            let (read, plain) = (rows(&text).map_err(|fault| fault.line), plainly(&text));
            assert_eq!(read, plain, "{text:?}");
            *if read.is_ok() { &mut good } else { &mut bad } += 1;
        }
        assert!(good > 1000 && bad > 500, "{good} {bad}");
    }
}
