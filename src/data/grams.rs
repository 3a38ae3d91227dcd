//! [`Grams`]: which pieces of a text are features besides its words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// N-grams of longer spans are of no use, and rows become longer by each.
pub const MOST_WORDS: u8 = 10;
/// The same of characters.
const MOST_CHARS: u8 = 20;

/// Which pieces of a text are features: what a model must know to read other text alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grams {
    /// As many neighbouring words at most make a feature; 1 for words alone.
    #[serde(rename = "ngrams")]
    pub words: u8,
    /// The pieces of words, if these are features as well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chars: Option<Chars>,
}

impl Default for Grams {
    fn default() -> Self {
        Self { words: 1, chars: None }
    }
}

impl Grams {
    /// How many features a byte of text may begin.
    pub(crate) fn for_each_byte(&self) -> u64 {
        u64::from(self.words) + self.chars.map_or(0, |chars| u64::from(chars.most - chars.least + 1))
    }
}

/// What the features are, in words.
impl fmt::Display for Grams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("words")?;
        match self.words {
            1 => {}
            2 => f.write_str(", pairs of words")?,
            most => write!(f, ", 2 to {most} words in a row")?,
        }
        self.chars.map_or(Ok(()), |chars| write!(f, ", {chars} characters in a row"))
    }
}

/// Pieces of words, of so many characters; the word's beginning (`<`) and end (`>`) are characters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Chars {
    /// The fewest, from 1.
    pub(crate) least: u8,
    /// The most.
    pub(crate) most: u8,
}

impl Chars {
    /// Calls `each` with the pieces of `word`, where it begins and ends marked.
    pub(crate) fn of(self, word: &str, marked: &mut String, mut each: impl FnMut(&str)) {
        marked.clear();
        marked.extend(["<", word, ">"]);
        let mut from = 0;
        while from < marked.len() {
            let rest = &marked[from..];
            let ends = rest.char_indices().map(|(at, first)| at + first.len_utf8());
            for (nth, end) in (1..=self.most).zip(ends) {
                // The marks alone say nothing.
                let mark = nth == 1 && (from == 0 || from + end == marked.len());
                if nth >= self.least && !mark {
                    each(&rest[..end]);
                }
            }
            from += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
}

impl FromStr for Chars {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|number| (1..=MOST_CHARS).contains(number));
        let ends = text.split_once('-').and_then(|(least, most)| Some((number(least)?, number(most)?)));
        match ends {
            Some((least, most)) if least <= most => Ok(Self { least, most }),
            _ => Err(format!(
                "must be MIN-MAX, such as 3-6: pieces of words of so many characters, 1 to {MOST_CHARS}, MIN not above MAX"
            )),
        }
    }
}

impl fmt::Display for Chars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.least, self.most)
    }
}

impl TryFrom<String> for Chars {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Chars> for String {
    fn from(chars: Chars) -> Self {
        chars.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_word_are_those_of_fasttext() {
        let pieces = |chars: &str, word: &str| {
            let mut all = Vec::new();
            chars.parse::<Chars>().unwrap().of(word, &mut String::new(), |piece| all.push(piece.to_owned()));
            all
        };
        // fasttext print-subwords, with -minn 3 -maxn 4.
        assert_eq!(pieces("3-4", "the"), ["<th", "<the", "the", "the>", "he>"]);
        assert_eq!(pieces("1-2", "ab"), ["<a", "a", "ab", "b", "b>"]);
        assert_eq!(pieces("2-2", "é日"), ["<é", "é日", "日>"]);
        assert_eq!(pieces("5-6", "a"), [""; 0]);
    }

    #[test]
    fn spans_are_read_as_they_are_written() {
        for good in ["3-6", "1-20", "4-4"] {
            assert_eq!(good.parse::<Chars>().unwrap().to_string(), good);
        }
        for bad in ["", "3", "5-3", "0-2", "2-21", "a-b", "3-6-9", "-3-6"] {
            assert!(bad.parse::<Chars>().unwrap_err().contains("such as 3-6"), "{bad}");
        }
    }
}
