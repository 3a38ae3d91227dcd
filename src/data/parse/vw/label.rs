//! What stands before the first bar: label, importance, base and tag.

use super::value::number_at;
use crate::data::input::excerpt;

/// The label of the part of a line before its first bar, if there is one, and the row's importance.
///
/// What comes before a tab is passed over, as Vowpal Wabbit does. The last word is a tag where it begins with a quote or
/// touches the bar.
///
/// # Errors
/// In words, what is wrong.
pub(super) fn label(part: &[u8]) -> Result<(Option<f32>, f32), String> {
    let mut words = words(part);
    if is_tag(part, words.last()) {
        words.pop();
    }
    let &[label, ref more @ ..] = &words[..] else { return Ok((None, 1.0)) };
    if more.len() > 2 {
        let part = excerpt(part);
        return Err(format!("{} words before the bar, {part}: label, importance and base were expected", words.len()));
    }
    let told = |what: &str, word: &[u8], fault: &str| {
        let others = if word.contains(&b':') || word.contains(&b',') {
            ": costs, actions and several labels are not supported"
        } else {
            ""
        };
        format!("the {what} {} {fault}{others}", excerpt(word))
    };
    let number = |what: &str, word: &[u8]| match number_at(word, 0, word.len()) {
        Ok(Some((number, end))) if end == word.len() => Ok(number),
        Err(fault @ "is not finite") => Err(told(what, word, fault)),
        _ => Err(told(what, word, "is not a number")),
    };
    let label = number("label", label)?;
    let weight = more.first().map_or(Ok(1.0), |word| number("importance", word))?;
    if weight < 0.0 {
        return Err(format!("the importance {weight} is below 0"));
    }
    let base = more.get(1).map_or(Ok(0.0), |word| number("base", word))?;
    if base != 0.0 {
        return Err(format!("the base {base}: predictions to begin from are not supported, but for 0"));
    }
    Ok((Some(label), weight))
}

/// The word that is the label of `part`, which has one.
pub(super) fn label_word(part: &[u8]) -> Option<&[u8]> {
    words(part).first().copied()
}

/// Why `part`, the part of a line before its first bar, has no label, in words.
pub(super) fn unlabelled(part: &[u8]) -> String {
    let words = words(part);
    let hint = match words.last() {
        Some(word) if words.len() == 1 && !word.starts_with(b"'") => {
            format!(": {} touches the bar, which makes it a tag; put a blank between", excerpt(word))
        }
        None if !part.is_empty() => ": before the bar, what comes before a tab is passed over".into(),
        _ => String::new(),
    };
    format!("no label{hint}")
}

fn words(part: &[u8]) -> Vec<&[u8]> {
    let tab = part.iter().position(|&byte| byte == b'\t');
    let part = &part[tab.map_or(0, |tab| tab + 1)..];
    part.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect()
}

/// Whether the last word of `part` is a tag.
fn is_tag(part: &[u8], last: Option<&&[u8]>) -> bool {
    last.is_some_and(|word| word.starts_with(b"'") || !part.ends_with(b" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(part: &str) -> Result<(Option<f32>, f32), String> {
        label(part.as_bytes())
    }

    #[test]
    fn labels_and_importances_are_told_from_tags() {
        for (part, expected) in [
            ("1 ", (Some(1.0), 1.0)),
            (" -1.5e1  0.5 ", (Some(-15.0), 0.5)),
            ("1 2 0 ", (Some(1.0), 2.0)),
            ("1 0 'tag ", (Some(1.0), 0.0)),
            ("1 2 'tag", (Some(1.0), 2.0)),
            ("1 2 0 tag", (Some(1.0), 2.0)),
            ("1 '", (Some(1.0), 1.0)),
            ("1 2", (Some(1.0), 1.0)),
            ("", (None, 1.0)),
            ("  ", (None, 1.0)),
            ("'tag ", (None, 1.0)),
            ("1", (None, 1.0)),
            ("junk\t1 ", (Some(1.0), 1.0)),
            ("1\t", (None, 1.0)),
        ] {
            assert_eq!(read(part), Ok(expected), "{part:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (part, what) in [
            ("yes ", "the label \"yes\" is not a number"),
            ("1x ", "the label \"1x\" is not a number"),
            ("nan ", "the label \"nan\" is not finite"),
            ("1e99 ", "the label \"1e99\" is not finite"),
            ("1 -2 ", "the importance -2 is below 0"),
            ("1 inf ", "the importance \"inf\" is not finite"),
            ("1 'a 'b ", "the importance \"'a\" is not a number"),
            ("1 1 0.5 ", "the base 0.5: predictions to begin from are not supported"),
            ("1 2 3 4 ", "4 words before the bar, \"1 2 3 4\""),
            ("1:0.5 2:1 ", "the label \"1:0.5\" is not a number: costs, actions and several labels are not supported"),
            ("1,2 ", "the label \"1,2\" is not a number: costs"),
        ] {
            let fault = read(part).unwrap_err();
            assert!(fault.starts_with(what), "{part:?}: {fault}");
        }
        for (part, what) in [("", ""), ("'a ", ""), ("1", ": \"1\" touches the bar"), ("1\t", ": before the bar, what")]
        {
            assert!(unlabelled(part.as_bytes()).starts_with(&format!("no label{what}")), "{part:?}");
        }
    }
}
