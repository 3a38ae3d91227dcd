//! [`Text`]: the formats of generated rows, and numbers as `{}` would print them.

use clap::ValueEnum;

/// How rows are written; also the end of the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Text {
    /// libsvm: `label index:value …`
    #[value(alias = "libsvm")]
    Svm,
    /// Vowpal Wabbit: `label |namespace feature:value …`
    Vw,
    /// libffm: `label field:index:value …`
    #[value(alias = "libffm")]
    Ffm,
    /// LIBMF: `user item rating`
    Mf,
    /// libFM: `rating index:1 …`, counted from 0
    Fm,
    /// CSV: `user,item,rating`, users and items as words
    Csv,
}

impl Text {
    /// The end of the names of such files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Svm => "svm",
            Self::Vw => "vw",
            Self::Ffm => "ffm",
            Self::Mf => "mf",
            Self::Fm => "fm",
            Self::Csv => "csv",
        }
    }
}

/// A whole number.
pub(super) fn whole(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A number of ten-thousandths: the shortest text that is read as the `f64` nearest to it.
pub(super) fn ten_thousandths(out: &mut Vec<u8>, number: u64) {
    whole(out, number / 10_000);
    let mut rest = number % 10_000;
    if rest == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = 1000;
    while rest > 0 {
        out.push(b'0' + (rest / unit) as u8);
        rest %= unit;
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousandths_are_as_rust_prints_them() {
        for number in (0..=20_000).chain([123_450_000, 999_999_999]) {
            let mut text = Vec::new();
            ten_thousandths(&mut text, number);
            assert_eq!(String::from_utf8(text).unwrap(), (number as f64 / 1e4).to_string());
        }
    }

    #[test]
    fn names_are_those_that_the_flag_takes() {
        for text in Text::value_variants() {
            assert_eq!(text.to_possible_value().unwrap().get_name(), text.name());
        }
    }
}
