//! Values of features and scales of namespaces: numbers as Vowpal Wabbit reads them, and words.

use crate::data::parse::number::{parse as parse_number, word_end};

/// The value that begins at `at`, and where it ends: a number, or a word, which is empty where nothing but blanks follow.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn value_at(text: &[u8], at: usize, end: usize) -> Result<(Option<f32>, &[u8], usize), &'static str> {
    if let Some((value, after)) = number_at(text, at, end)? {
        return Ok((Some(value), &[], after));
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
    let line = &text[at..end];
    let Some(start) = line.iter().position(|byte| !is_blank(byte)) else { return Ok((None, &[], at)) };
    let word = &line[start..];
    let word = &word[..word.iter().position(is_blank).unwrap_or(word.len())];
    Ok((None, word, at + start + word.len()))
}

/// The number that begins at `at`, if one does, and where it ends.
///
/// There are two ways, as in Vowpal Wabbit. What has the form `-1.5e-7` up to a blank or the end of the line is a number
/// even where it lacks digits, blanks may stand before it, and a missing mantissa is 0. Everything else is what C's
/// `strtof` makes of it, but of that the numbers in hexadecimal digits.
///
/// # Errors
/// In words, what is wrong with what begins as a number.
pub(super) fn number_at(text: &[u8], at: usize, end: usize) -> Result<Option<(f32, usize)>, &'static str> {
    let line = &text[..end];
    let digits = |at: usize| at + line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = |at: usize| at + usize::from(line.get(at) == Some(&b'-'));
    let start = at + line[at..].iter().take_while(|&&byte| byte == b' ').count();
    let mut after = digits(sign(start));
    if line.get(after) == Some(&b'.') {
        after = digits(after + 1);
    }
    let mantissa = &line[start..after];
    if matches!(line.get(after), Some(b'e' | b'E')) {
        after = digits(sign(after + 1));
    }
    if after == end || matches!(line[after], b' ' | b'\t') {
        let number = || parse_number(&line[start..after]).or_else(|| parse_number(mantissa)).unwrap_or(0.0);
        return if after == at { Ok(None) } else { finite(number()).map(|number| Some((number, after))) };
    }
    let token = &line[start..word_end(text, start, end)];
    let unsigned = token.strip_prefix(b"-").or(token.strip_prefix(b"+")).unwrap_or(token);
    let in_digits = matches!(unsigned, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]);
    let in_words =
        [&b"inf"[..], b"nan"].iter().any(|word| unsigned.len() >= 3 && unsigned[..3].eq_ignore_ascii_case(word));
    if !in_digits && !in_words {
        return Ok(None);
    }
    let number = parse_number(token).ok_or("begins as a number and does not go on as one")?;
    finite(number).map(|number| Some((number, start + token.len())))
}

fn finite(number: f32) -> Result<f32, &'static str> {
    if number.is_finite() { Ok(number) } else { Err("is not finite") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<(Option<f32>, &str, &str), &'static str> {
        let (value, word, after) = value_at(text.as_bytes(), 0, text.len())?;
        Ok((value, str::from_utf8(word).unwrap(), &text[after..]))
    }

    #[test]
    fn numbers_are_those_of_vowpal_wabbit() {
        for (text, number, rest) in [
            ("1.5 x", 1.5, " x"),
            ("-2", -2.0, ""),
            (".5\ty", 0.5, "\ty"),
            ("5.|a", 5.0, "|a"),
            ("1e-3 ", 1e-3, " "),
            ("1E+2|", 100.0, "|"),
            ("+7:8", 7.0, ":8"),
            ("  3 4", 3.0, " 4"),
            // What lacks digits, but stands alone, is read as a number.
            ("- x", 0.0, " x"),
            ("e5", 0.0, ""),
            ("5e- x", 5.0, " x"),
            (". ", 0.0, " "),
            (" ", 0.0, ""),
        ] {
            assert_eq!(value(text), Ok((Some(number), "", rest)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_a_word() {
        for (text, word, rest) in [
            ("red x", "red", " x"),
            ("red:blue|b\tx", "red:blue|b", "\tx"),
            (" red", "red", ""),
            ("\t3", "3", ""),
            ("-red", "-red", ""),
            ("|b c", "|b", " c"),
            ("\t", "", "\t"),
            ("", "", ""),
        ] {
            assert_eq!(value(text), Ok((None, word, rest)), "{text:?}");
        }
    }

    #[test]
    fn what_begins_as_a_number_must_be_one() {
        for text in ["1x", "0x10", "1e|a", "1.2.3", "information", "nancy", "-.5a"] {
            assert_eq!(value(text), Err("begins as a number and does not go on as one"), "{text:?}");
        }
        for text in ["inf", "-NaN x", "1e99", "Infinity|a"] {
            assert_eq!(value(text), Err("is not finite"), "{text:?}");
        }
    }
}
