//! `label importance 'tag|namespace:scale feature:value …|namespace …`, as Vowpal Wabbit 9 reads it.
//!
//! A feature of the default namespace is known by its name, one of another by `namespace^name`, and one whose value is a
//! word (`colour:red`) by `namespace^colour^red`, as Vowpal Wabbit's own audit prints them. The features of a namespace
//! that have no name (`:3`) are called 0, 1, …, by which they share weights there. Where Vowpal Wabbit warns and goes on
//! with something else (a label that is no number, a value that does not end as it begins), a line is wrong here.

#[cfg(test)]
mod alike;
mod label;
mod spaces;
mod value;

use hogback_kernels::{Backend, Line, Lines};
use memchr::{memchr, memchr2};

use super::number::{EXACT, float_at, is_rounded, word_end};
use super::{Context, Fault, Parsed};
use crate::data::hashing::{HashedRow, Hashing, key};
use crate::data::input::excerpt;
use crate::data::names::NameBatch;
use crate::data::numbering::ChunkKeys;
use crate::data::repeats::Repeats;

use label::{label, label_word, unlabelled};
use spaces::Spaces;
use value::{number_at, value_at};

/// How the lines of a file are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Namespaces that are left out.
    pub(crate) ignored: Vec<String>,
    /// Whether keys are buckets, not names.
    pub(crate) hashing: Option<Hashing>,
    /// What values are read with; they come out the same, whatever it is.
    pub(crate) backend: Backend,
}

/// Parses whole lines.
pub(crate) fn parse(text: &[u8], plan: &Plan, context: Context<'_>) -> Result<Parsed, Fault> {
    let all_utf8 = str::from_utf8(text).is_ok();
    let hashing = plan.hashing.as_ref();
    let mut spaces = Spaces::new([&plan.ignored, hashing.map_or(&[], |hashing| &hashing.ignored)]);
    let mut rows = Rows {
        text,
        hashed: hashing.map(|hashing| HashedRow::new(hashing, |name| spaces.number(name.as_bytes()))),
        spaces,
        learning: context.learning,
        keys: ChunkKeys::new(context.keys, context.learning),
        names: NameBatch::default(),
        repeats: Repeats::default(),
        parsed: Parsed::with_room(text.len()),
    };
    let mut lines = Lines::new(plan.backend, text).filter(|_| plan.hashing.is_none());
    let mut start = 0;
    while start < text.len() {
        let mut quick = lines.as_mut().and_then(|lines| Some((lines.next_line()?, lines)));
        let end = match &quick {
            Some((line, _)) => line.end,
            None => memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at),
        };
        let (line, before) = (rows.parsed.lines, rows.keys.mark());
        rows.spaces.begin_row();
        let is_text = all_utf8 || str::from_utf8(&text[start..end]).is_ok();
        let read = if is_text {
            rows.add(start, end, quick.as_mut())
        } else {
            Err("this is not UTF-8 text: convert the file".into())
        };
        if let Err(what) = read {
            rows.parsed.skip(context, || Fault { line, what })?;
            rows.keys.back_to(before);
            rows.spaces.forget_row();
        }
        rows.parsed.lines += u64::from(end < text.len());
        start = end + 1;
    }
    rows.parsed.spaces = rows.spaces.seen();
    Ok(rows.parsed.finish(rows.keys, None))
}

/// Turns lines into rows.
struct Rows<'p> {
    text: &'p [u8],
    spaces: Spaces,
    hashed: Option<HashedRow<'p>>,
    learning: bool,
    keys: ChunkKeys<'p>,
    /// The names of the row, as many as it has ids so far; none where keys are hashed.
    names: NameBatch,
    repeats: Repeats,
    parsed: Parsed,
}

impl Rows<'_> {
    /// The line from `start` to `end`, which `quick` may have found.
    fn add(&mut self, start: usize, mut end: usize, quick: Option<&mut (Line, &mut Lines<'_>)>) -> Result<(), String> {
        while end > start && self.text[end - 1] == b'\r' {
            end -= 1;
        }
        let line = &self.text[start..end];
        let Some(bar) = memchr(b'|', line) else {
            // An empty line ends an example of several lines, which there are none of here.
            return if line.trim_ascii().is_empty() {
                Ok(())
            } else {
                Err(format!("no bar: label | features was expected, the line begins with {}", excerpt(line)))
            };
        };
        let (label, weight) = label(&line[..bar])?;
        if label.is_none() && self.learning {
            return Err(unlabelled(&line[..bar]));
        }
        self.names.clear();
        self.hashed.iter_mut().for_each(HashedRow::clear);
        let mut at = start + bar;
        if !quick.is_some_and(|(line, lines)| self.quick(lines, line, at, end)) {
            while at < end {
                at = self.namespace(at + 1, end)?;
            }
        }
        if let Some(hashed) = &mut self.hashed {
            self.parsed.plain += hashed.finish(&mut self.parsed.block, &mut self.keys)?;
        } else {
            self.keys.name_row(&mut self.names, &mut self.parsed.block);
            self.parsed.block.check_repeated(&mut self.repeats)?;
        }
        self.parsed.unlabelled += u64::from(label.is_none());
        self.parsed.block.end_weighted_row(label.unwrap_or(f32::NAN), weight);
        if let Some(label) = label.filter(|label| label.abs() >= EXACT && self.parsed.rounded.is_none())
            && let Some(word) = label_word(&line[..bar])
            && is_rounded(word, label)
        {
            self.parsed.rounded = Some(Fault { line: self.parsed.lines, what: String::from_utf8_lossy(word).into() });
        }
        Ok(())
    }

    /// The `line` that `lines` has handed out last, up to `end`, if after its `bar` comes one namespace of features that all
    /// have a name and a value other than 0: many values at a time. False where it is for the plain way to read or to refuse.
    fn quick(&mut self, lines: &mut Lines<'_>, line: &Line, bar: usize, end: usize) -> bool {
        let (text, after) = (self.text, line.first.end);
        let (Some(pairs), Some(name)) = (line.pairs, text.get(bar + 1..after)) else { return false };
        let special = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'|' | b':');
        if name.iter().any(special) || memchr2(b'|', b'\r', &text[after..end]).is_some() {
            return false;
        }
        let block = &mut self.parsed.block;
        let zeros = lines.read_values(block.room(pairs.next_multiple_of(8)).1).zeros;
        block.cut_row(pairs);
        let mut right = !zeros && lines.odd().next().is_none();
        for name in lines.names() {
            let blank = matches!(text[name.start], b' ' | b'\t');
            right &= blank && !matches!(text[name.start + 1], b' ' | b'\t');
        }
        if !right {
            block.cut_row(0);
            return false;
        }
        let space = self.spaces.next(name);
        let of = self.spaces.at(space);
        if of.ignored {
            block.cut_row(0);
        } else {
            lines.names().for_each(|name| self.names.push(&of.prefix, text, name.start + 1, name.end));
        }
        true
    }

    /// The namespace whose bar is before `at`; where it ends, at the next bar or the end of the line.
    fn namespace(&mut self, start: usize, end: usize) -> Result<usize, String> {
        let text = self.text;
        let mut at = word_end(text, start, end);
        let name = &text[start..at];
        let mut scale = 1.0;
        if at < end && text[at] == b':' {
            if name.is_empty() {
                return Err("a namespace without a name: a name, or a blank, was expected between | and :".into());
            }
            let told = |fault| format!("the scale of the namespace {} {fault}", excerpt(name));
            let number = number_at(text, at + 1, end).map_err(told)?;
            (scale, at) = number.ok_or_else(|| told("is not a number"))?;
        }
        let space = self.spaces.next(name);
        let mut nameless = 0;
        while at < end && matches!(text[at], b' ' | b'\t') {
            at += 1;
            if at < end && !matches!(text[at], b' ' | b'\t' | b'|' | b'\r') {
                at = self.feature(at, end, space, scale, &mut nameless)?;
            }
        }
        match text[..end].get(at) {
            None | Some(b'|') => Ok(at),
            Some(b'\r') => Err("there is a carriage return within the line".into()),
            Some(_) => Err(format!("a blank or a bar was expected before {}", excerpt(&text[at..end]))),
        }
    }

    /// The feature at `start`; where it ends. `nameless` counts those of its namespace that have no name.
    #[inline(always)]
    fn feature(
        &mut self,
        start: usize,
        end: usize,
        space: usize,
        scale: f32,
        nameless: &mut u32,
    ) -> Result<usize, String> {
        let text = self.text;
        let told = |fault| {
            let whole = text[start..end].split(u8::is_ascii_whitespace).next().unwrap_or_default();
            format!("{} has a value that {fault}", excerpt(whole))
        };
        let name_end = word_end(text, start, end);
        let name = &text[start..name_end];
        let (mut value, mut word, mut at) = (scale, &[][..], name_end);
        if at < end && text[at] == b':' {
            (value, at) = match float_at(text, at + 1) {
                Some((number, at)) if at == end || matches!(text[at], b' ' | b'\t') => (scale * number, at),
                _ => {
                    let number;
                    (number, word, at) = value_at(text, name_end + 1, end).map_err(told)?;
                    (number.map_or(1.0, |number| scale * number), at)
                }
            };
            if !value.is_finite() {
                return Err(told("is not finite, times the scale of its namespace"));
            }
        }
        let of = self.spaces.at(space);
        if value != 0.0 && !of.ignored {
            if let Some(hashed) = &mut self.hashed {
                let hash = match (name, word) {
                    ([], []) => key(of.seed, nameless.to_string().as_bytes()),
                    (name, []) => key(of.seed, name),
                    (name, word) => key(key(of.seed, name), word),
                };
                hashed.push(space, hash, value);
            } else {
                self.parsed.block.push(0, value);
                match (name, word) {
                    ([], []) => self.names.push_joined(&of.prefix, &[nameless.to_string().as_bytes()]),
                    (_, []) => self.names.push(&of.prefix, text, start, name_end),
                    (name, word) => self.names.push_joined(&of.prefix, &[name, b"^", word]),
                }
            }
        }
        *nameless += u32::from(name.is_empty() && word.is_empty());
        Ok(at)
    }
}
