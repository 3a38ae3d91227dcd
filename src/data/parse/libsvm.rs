//! `label index:value index:value … # comment`

#[cfg(test)]
pub(crate) mod alike;

use hogback_kernels::{Backend, Line, Lines};
use memchr::memchr;

use super::number::{float_at, integer_at, is_rounded, parse as parse_number};
use super::{Context, Fault, Parsed};
use crate::data::hashing::Hashing;
use crate::data::input::excerpt;
use crate::data::numbering::ChunkKeys;
use crate::data::repeats::Repeats;

/// How the lines of a file are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Whether keys are buckets, not numbers.
    pub(crate) hashing: Option<Hashing>,
    /// What they are read with; they come out the same, whatever it is.
    pub(crate) backend: Backend,
}

/// Parses whole lines.
pub(crate) fn parse(text: &[u8], plan: &Plan, context: Context<'_>) -> Result<Parsed, Fault> {
    let mut rows = Rows {
        text,
        hashing: plan.hashing.as_ref(),
        learning: context.learning,
        keys: ChunkKeys::new(context.keys, context.learning),
        repeats: Repeats::default(),
        parsed: Parsed::with_room(text.len()),
    };
    let mut lines = Lines::new(plan.backend, text);
    let mut start = 0;
    while start < text.len() {
        let (end, quick) = match lines.as_mut().and_then(|lines| Some((lines.next_line()?, lines))) {
            Some((line, lines)) => (line.end, rows.quick(lines, &line)),
            None => (memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at), None),
        };
        let (line, before) = (rows.parsed.lines, rows.keys.mark());
        if let Err(what) = rows.add(start, end, quick) {
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
    repeats: Repeats,
    parsed: Parsed,
}

/// A line whose pairs are in the block.
struct Row<'p> {
    /// NaN where there is none.
    label: f32,
    /// The label as it stands there.
    word: &'p [u8],
    /// No index is below one that comes before it or the same.
    rising: bool,
}

impl<'p> Rows<'p> {
    /// The line from `start` to `end`, which may have been read in the quick way.
    fn add(&mut self, start: usize, end: usize, quick: Option<Row<'p>>) -> Result<(), String> {
        let Some(row) = quick.map_or_else(|| self.plain(start, end), |row| Ok(Some(row)))? else { return Ok(()) };
        let parsed = &mut self.parsed;
        if !row.rising && parsed.block.check_repeated(&mut self.repeats).is_err() {
            return Err("an index stands there more than once, and its values add up to more than a float holds".into());
        }
        parsed.number_row(self.hashing, &mut self.keys, &mut self.repeats)?;
        parsed.unlabelled += u64::from(row.label.is_nan());
        parsed.block.end_row(row.label);
        if parsed.rounded.is_none() && is_rounded(row.word, row.label) {
            parsed.rounded = Some(Fault { line: parsed.lines, what: String::from_utf8_lossy(row.word).into() });
        }
        Ok(())
    }

    /// The `line` that `lines` has handed out last, many pairs at a time; `None` if there is anything about it that is for the
    /// plain way to read or to refuse.
    fn quick(&mut self, lines: &mut Lines<'_>, line: &Line) -> Option<Row<'p>> {
        let (text, pairs) = (self.text, line.pairs?);
        let word = &text[after_blanks(text, line.first.start, line.first.end)..line.first.end];
        let label = match word {
            [] if self.learning => return None,
            [] => f32::NAN,
            _ => finite(word).ok()?,
        };
        let block = &mut self.parsed.block;
        let (keys, values) = block.room(pairs.next_multiple_of(8));
        let mut read = lines.read(keys, values);
        let mut right = true;
        for (nth, word) in lines.odd() {
            let word = &text[after_blanks(text, word.start, word.end)..word.end];
            match pair(word) {
                Ok(pair) if !word.contains(&b'#') => (keys[nth], values[nth]) = pair,
                _ => right = false,
            }
            read.zeros |= values[nth] == 0.0;
        }
        if lines.odd().next().is_some() {
            read.rising = keys[..pairs].is_sorted_by(|a, b| a < b);
        }
        block.cut_row(if right { pairs } else { 0 });
        if read.zeros {
            block.retain_in_row(|_, value| value != 0.0);
        }
        right.then_some(Row { label, word, rising: read.rising })
    }

    /// The line from `start` to `end`, pair by pair; `None` where there is nothing on it.
    fn plain(&mut self, start: usize, end: usize) -> Result<Option<Row<'p>>, String> {
        let text = self.text;
        let mut at = after_blanks(text, start, end);
        if at == end || text[at] == b'#' {
            return Ok(None);
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
        let (mut least, mut rising) = (0, true);
        loop {
            at = after_blanks(text, at, end);
            if at == end || text[at] == b'#' {
                return Ok(Some(Row { label, word, rising }));
            }
            let (key, value);
            (key, value, at) = match quick_pair(text, at) {
                Some(pair) => pair,
                None => {
                    let token = token(text, at, end);
                    let (key, value) = pair(token).map_err(|what| format!("{} {what}", excerpt(token)))?;
                    (key, value, at + token.len())
                }
            };
            rising &= u64::from(key) >= least;
            least = u64::from(key) + 1;
            self.parsed.block.push(key, value);
        }
    }
}

/// The pair at `at` and where it ends, if it is one of the usual ones: few digits, and more text after it. It ends within
/// its line, since a newline ends a number.
#[inline(always)]
fn quick_pair(text: &[u8], at: usize) -> Option<(u32, f32, usize)> {
    let (key, colon) = integer_at(text, at)?;
    if text[colon] != b':' {
        return None;
    }
    let (value, end) = float_at(text, colon + 1)?;
    Some((key, value, end))
}

/// Any pair, or what is wrong with it.
fn pair(token: &[u8]) -> Result<(u32, f32), String> {
    let expected = "is not index:value";
    let colon = memchr(b':', token).ok_or(expected)?;
    let (index, value) = (&token[..colon], &token[colon + 1..]);
    if index == b"qid" {
        return Err("is a query: ranking files are not supported".into());
    }
    let digits = index.strip_prefix(b"-").unwrap_or(index);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || value.is_empty() {
        return Err(expected.into());
    }
    let index = str::from_utf8(index).ok().and_then(|index| index.parse().ok());
    let index = index.ok_or("has an index that is not within 0 and 4294967295")?;
    let value = finite(value).map_err(|fault| format!("has a value that {fault}"))?;
    Ok((index, value))
}

/// The number that `token` is, or what is wrong with it.
pub(super) fn finite(token: &[u8]) -> Result<f32, &'static str> {
    match parse_number(token) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err("is not finite"),
        None => Err("is not a number"),
    }
}

/// The first place from `at` on that is no blank.
#[inline(always)]
pub(super) fn after_blanks(text: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && matches!(text[at], b' ' | b'\t' | b'\r') {
        at += 1;
    }
    at
}

/// The token that begins at `at`; a comment ends it as well.
pub(super) fn token(text: &[u8], at: usize, end: usize) -> &[u8] {
    let rest = &text[at..end];
    let length = rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'#'));
    &rest[..length.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dictionary::Dictionary;

    type Read = (f32, Vec<(String, f32)>);

    fn plan(backend: Backend) -> Plan {
        Plan { hashing: None, backend }
    }

    fn rows(text: &str, learning: bool) -> Result<Vec<Read>, Fault> {
        let known = Dictionary::numbers();
        let context = Context { keys: &known, classes: None, learning, skip: false };
        let parsed = parse(text.as_bytes(), &plan(Backend::best()), context)?;
        // Numbers are looked up later.
        let block = parsed.block;
        let pair = |at: u32| (block.ids[at as usize].to_string(), block.values[at as usize]);
        let rows = block.offsets.windows(2).zip(&block.labels);
        Ok(rows.map(|(ends, &label)| (label, (ends[0]..ends[1]).map(pair).collect())).collect())
    }

    fn row(text: &str) -> Read {
        rows(text, true).unwrap().remove(0)
    }

    fn pairs(pairs: &[(&str, f32)]) -> Vec<(String, f32)> {
        pairs.iter().map(|&(key, value)| (key.to_string(), value)).collect()
    }

    #[test]
    fn the_usual_lines_are_read() {
        let text =
            "+1 0:0.5 20:-3 4294967295:1e-3 \r\n\n  # nothing\n-3.5e1\t7:.25\t8:1 # note 9:9\n2\n0 5:1#x\n1 16777216:2";
        assert_eq!(
            rows(text, true).unwrap(),
            [
                (1.0, pairs(&[("0", 0.5), ("20", -3.0), ("4294967295", 0.001)])),
                (-35.0, pairs(&[("7", 0.25), ("8", 1.0)])),
                (2.0, vec![]),
                (0.0, pairs(&[("5", 1.0)])),
                (1.0, pairs(&[("16777216", 2.0)])),
            ]
        );
    }

    #[test]
    fn zeros_go_and_repeated_indices_add_up() {
        assert_eq!(row("1 3:0 4:1 5:0.0 6:-0").1, pairs(&[("4", 1.0)]));
        assert_eq!(row("1 9:1 4:2 9:0.5").1, pairs(&[("9", 1.5), ("4", 2.0)]));
        assert_eq!(row("1 9:1 9:-1 4:2").1, pairs(&[("4", 2.0)]));
        assert_eq!(row("1 9:1e-60").1, pairs(&[]));
        assert_eq!(row("1 0:1 7:2 00:0.5 0:1e0").1, pairs(&[("0", 2.5), ("7", 2.0)]));
    }

    #[test]
    fn faults_name_the_line_and_the_token() {
        for (line, what) in [
            ("1 -0:1 2:1", "\"-0:1\" has an index that is not within 0 and 4294967295"),
            ("1 -3:1", "\"-3:1\" has an index that is not within"),
            ("1 4294967296:1", "has an index that is not within"),
            ("1 a:1", "\"a:1\" is not index:value"),
            ("1 :1", "is not index:value"),
            ("1 5", "\"5\" is not index:value"),
            ("1 5:", "is not index:value"),
            ("1 5:x 6:1 7:1 8:1", "\"5:x\" has a value that is not a number"),
            ("1 5:nan", "has a value that is not finite"),
            ("1 5:1e39", "has a value that is not finite"),
            ("1 5:1:2 6:1 7:1", "\"5:1:2\" has a value that is not a number"),
            ("1 qid:3 5:1", "ranking files are not supported"),
            ("one 5:1", "the label \"one\" is not a number"),
            ("inf 5:1", "the label \"inf\" is not finite"),
            ("5:1 6:1", "no label"),
            ("1 5:3e38 5:3e38", "add up to more"),
            ("1 5:\u{1}2 6:1 7:1", "is not a number"),
        ] {
            for text in [format!("1 1:1\n\n{line}\n1 x\n"), format!("1 1:1\r\n \r\n{line}")] {
                let fault = rows(&text, true).unwrap_err();
                assert!(fault.what.contains(what) && fault.line == 2, "{text:?}: {fault:?}");
            }
        }
    }

    #[test]
    fn a_label_may_be_missing_where_nothing_is_learned_and_unknown_keys_are_dropped() {
        let mut known = Dictionary::numbers();
        known.add_number(5);
        let context = Context { keys: &known, classes: None, learning: false, skip: false };
        let parsed = parse(b"5:1 6:1\n1 7:0 8:2 5:3\n", &plan(Backend::best()), context).unwrap();
        assert_eq!((parsed.unknown_keys, parsed.unlabelled, parsed.lines), (2, 1, 2));
        assert_eq!(parsed.block.ids, [0, 0]);
        assert_eq!(parsed.block.values, [1.0, 3.0]);
        assert!(parsed.block.labels[0].is_nan() && parsed.block.labels[1] == 1.0);
        assert!(parse(b"qid:1 5:1\n", &plan(Backend::best()), context).err().unwrap().what.contains("ranking"));
    }
}
