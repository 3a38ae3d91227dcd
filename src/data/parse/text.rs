//! `__label__NAME word word …`, as fastText reads it: a document a line, its label anywhere in it, words between blanks.
//!
//! A feature is a word, by itself; several in a row (n-grams) with a blank between any two; a piece of a word behind a blank,
//! which no word has. Its value is how often the line has it.

#[cfg(test)]
mod alike;

use std::ops::Range;

use hogback_kernels::{Backend, Lines};
use memchr::memchr;

use super::{Context, Fault, Parsed};
use crate::data::counted::Counted;
use crate::data::grams::Grams;
use crate::data::hashing::{Hashing, key};
use crate::data::input::{LABEL, excerpt};
use crate::data::numbering::ChunkKeys;
use crate::data::repeats::Repeats;

/// A line with n-grams may have so many at most.
const MOST_GRAMS: u64 = 1 << 28;

/// How the lines of a file are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the features are besides words.
    pub(crate) grams: Grams,
    /// Whether keys are buckets, not names.
    pub(crate) hashing: Option<Hashing>,
    /// What words are found with; they are the same, whatever it is.
    pub(crate) backend: Backend,
}

/// Parses whole lines.
pub(crate) fn parse(text: &[u8], plan: &Plan, context: Context<'_>) -> Result<Parsed, Fault> {
    let all_utf8 = str::from_utf8(text).is_ok();
    let mut rows = Rows {
        text,
        plan,
        learning: context.learning,
        keys: ChunkKeys::new(context.keys, context.learning),
        classes: context.classes.map(|classes| ChunkKeys::new(classes, context.learning)),
        names: Counted::default(),
        words: Vec::new(),
        joined: Vec::new(),
        marked: String::new(),
        repeats: Repeats::default(),
        parsed: Parsed::with_room(text.len()),
    };
    let mut lines = Lines::new(plan.backend, text);
    let mut start = 0;
    while start < text.len() {
        let quick = lines.as_mut().and_then(|lines| Some((lines.next_line()?, lines)));
        let end = match &quick {
            Some((line, _)) => line.end,
            None => memchr(b'\n', &text[start..]).map_or(text.len(), |at| start + at),
        };
        let (line, before) = (rows.parsed.lines, (rows.keys.mark(), rows.classes.as_ref().map(ChunkKeys::mark)));
        let is_text = all_utf8 || str::from_utf8(&text[start..end]).is_ok();
        let read = match &quick {
            _ if !is_text => Err("this is not UTF-8 text: convert the file".into()),
            Some((_, lines)) if lines.words().len() > 0 => rows.add(start, end, lines.words()),
            _ => rows.add(start, end, plain_words(text, start, end)),
        };
        if let Err(what) = read {
            rows.parsed.skip(context, || Fault { line, what })?;
            rows.keys.back_to(before.0);
            if let (Some(classes), Some(mark)) = (&mut rows.classes, before.1) {
                classes.back_to(mark);
            }
        }
        rows.parsed.lines += u64::from(end < text.len());
        start = end + 1;
    }
    Ok(rows.parsed.finish(rows.keys, rows.classes))
}

#[inline(always)]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The words from `start` to `end`, found byte by byte.
fn plain_words(text: &[u8], start: usize, end: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = start;
    std::iter::from_fn(move || {
        let from = at + text[at..end].iter().position(|&byte| !is_blank(byte))?;
        at = text[from..end].iter().position(|&byte| is_blank(byte)).map_or(end, |length| from + length);
        Some(from..at)
    })
}

/// Turns lines into rows.
struct Rows<'p> {
    text: &'p [u8],
    plan: &'p Plan,
    learning: bool,
    keys: ChunkKeys<'p>,
    classes: Option<ChunkKeys<'p>>,
    /// The names of the row, as many as it has ids so far; none where keys are hashed.
    names: Counted,
    /// The words of the line at hand, if they are not the only features.
    words: Vec<Range<usize>>,
    /// Words that do not stand side by side in the text, joined.
    joined: Vec<u8>,
    /// A word with its beginning and end marked.
    marked: String,
    repeats: Repeats,
    parsed: Parsed,
}

impl Rows<'_> {
    /// The line from `start` to `end` with these words, which may begin with blanks.
    #[inline(always)]
    fn add(&mut self, start: usize, end: usize, words: impl Iterator<Item = Range<usize>>) -> Result<(), String> {
        let text = self.text;
        self.names.clear();
        self.words.clear();
        let words_alone = self.plan.hashing.is_none() && self.plan.grams == Grams::default();
        let (mut label, mut labels, mut any) = (None, 0, false);
        for Range { start: mut from, end } in words {
            while is_blank(text[from]) {
                from += 1;
            }
            // The first byte tells of almost every word that it is no label.
            if text[from] == LABEL[0]
                && let Some(name) = text[from..end].strip_prefix(LABEL)
            {
                label.get_or_insert(name);
                labels += 1;
            } else if words_alone {
                any = true;
                self.names.push(text, from, end, &mut self.parsed.block);
            } else {
                any = true;
                self.words.push(from..end);
            }
        }
        if labels == 0 && !any && self.learning {
            return Ok(());
        }
        let label = match label {
            Some([]) => return Err("a label without a name: __label__NAME was expected".into()),
            Some(name) => self.class(name)?,
            None if self.learning => {
                let line = excerpt(text[start..end].trim_ascii());
                return Err(format!("no label: a word such as __label__NAME was expected, the line is {line}"));
            }
            None => None,
        };
        if !words_alone {
            self.grams(end - start)?;
        }
        let block = &mut self.parsed.block;
        if self.plan.hashing.is_some() {
            self.parsed.plain += block.open_row().len() as u64;
            block.fold_repeated(&mut self.repeats)?;
            self.keys.translate_row(block);
        } else {
            self.keys.name_row(&mut self.names.names, block);
        }
        self.parsed.empty += u64::from(!any);
        self.parsed.several += u64::from(labels > 1);
        self.parsed.unlabelled += u64::from(labels == 0);
        block.end_row(label.map_or(f32::NAN, |class| class as f32));
        Ok(())
    }

    /// The class called `name`, if it is known or collected.
    fn class(&mut self, name: &[u8]) -> Result<Option<u32>, String> {
        let name = str::from_utf8(name).map_err(|_| "the label is not UTF-8 text")?;
        Ok(self.classes.as_mut().and_then(|classes| classes.name(name)))
    }

    /// Adds the words of the line, which has `length` bytes, and what else is made of them.
    fn grams(&mut self, length: usize) -> Result<(), String> {
        let Grams { words: most, chars } = self.plan.grams;
        let text = self.text;
        if length as u64 * self.plan.grams.for_each_byte() > MOST_GRAMS {
            return Err(format!("the line has {length} bytes, too many to make n-grams of: is it one document?"));
        }
        let words = std::mem::take(&mut self.words);
        let mut joined = std::mem::take(&mut self.joined);
        for (nth, first) in words.iter().enumerate() {
            self.feature(text, first.clone());
            joined.clear();
            joined.extend_from_slice(&text[first.clone()]);
            for next in words[nth + 1..].iter().take(usize::from(most) - 1) {
                joined.push(b' ');
                joined.extend_from_slice(&text[next.clone()]);
                self.feature(&joined, 0..joined.len());
            }
        }
        if let Some(chars) = chars {
            let mut marked = std::mem::take(&mut self.marked);
            for word in &words {
                let word = str::from_utf8(&text[word.clone()]).map_err(|_| "this is not UTF-8 text")?;
                chars.of(word, &mut marked, |piece| {
                    joined.clear();
                    joined.push(b' ');
                    joined.extend_from_slice(piece.as_bytes());
                    self.feature(&joined, 0..joined.len());
                });
            }
            self.marked = marked;
        }
        (self.words, self.joined) = (words, joined);
        Ok(())
    }

    /// Adds the feature that stands in `text` at `name`.
    #[inline(always)]
    fn feature(&mut self, text: &[u8], name: Range<usize>) {
        match &self.plan.hashing {
            Some(hashing) => self.parsed.block.push(hashing.bucket(key(0, &text[name])), 1.0),
            None => self.names.push(text, name.start, name.end, &mut self.parsed.block),
        }
    }
}
