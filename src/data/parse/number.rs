//! Decimal numbers, read quickly and rounded exactly as the standard library rounds them.
//!
//! A decimal of at most seven digits m and k decimals is m / 10^k, where both sides are exact in an `f32`, so one
//! division rounds it correctly. Everything else goes to the standard library.

/// Powers of ten that are exact in an `f32`.
const POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// The number written in `token`, which may be infinite; `None` where it is none.
pub(crate) fn parse(token: &[u8]) -> Option<f32> {
    short(token).or_else(|| str::from_utf8(token).ok()?.parse().ok())
}

/// Up to here, on both sides of 0, an `f32` holds every whole number as it is.
pub(crate) const EXACT: f32 = (1 << 24) as f32;

/// True where `value` is what an `f32` holds of the number in `token`, which is beyond [`EXACT`], and is another number.
pub(crate) fn is_rounded(token: &[u8], value: f32) -> bool {
    let exactly = || {
        let text = str::from_utf8(token).ok()?;
        let whole = text.parse().map(|exact: i128| exact == value as i128).ok();
        whole.or_else(|| text.parse().map(|exact: f64| exact == f64::from(value)).ok())
    };
    value.abs() >= EXACT && exactly() == Some(false)
}

/// A number of few digits without an exponent; `None` where it takes more than that to read it.
fn short(token: &[u8]) -> Option<f32> {
    let (negative, digits) = match token {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, token),
    };
    if digits.len() > 18 {
        return None;
    }
    let mut mantissa = 0u64;
    let mut dot = None;
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if dot.is_none() => dot = Some(at),
            _ => return None,
        }
    }
    let decimals = dot.map_or(0, |at| digits.len() - at - 1);
    let has_digits = digits.len() > usize::from(dot.is_some());
    if !has_digits || mantissa >= 1 << 24 {
        return None;
    }
    let value = mantissa as f32 / POWERS.get(decimals)?;
    Some(if negative { -value } else { value })
}

/// Eight times the byte `byte`.
#[inline(always)]
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The eight bytes of `text` from `at` on, the first one lowest.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

/// The lowest `bytes` bytes of `word`; at most seven.
#[inline(always)]
fn lowest(word: u64, bytes: u32) -> u64 {
    word & !(u64::MAX << (8 * bytes))
}

/// The high bit of each byte that is not in 0..=9, right from the lowest one up to the first that is set.
#[inline(always)]
fn above_nine(bytes: u64) -> u64 {
    (bytes.wrapping_add(each(0x76)) | bytes) & each(0x80)
}

/// The value of eight decimal digits (0..=9), the lowest byte standing first.
#[inline(always)]
fn eight_digits(digits: u64) -> u32 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    (low.wrapping_add(high) >> 32) as u32
}

/// The whole number of one to seven digits at `at`, and where it ends. `None` means that the long way must be taken.
#[inline(always)]
pub(crate) fn integer_at(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let digits = word(text, at)? ^ each(b'0');
    let stop = above_nine(digits);
    let count = stop.trailing_zeros() / 8;
    if stop == 0 || count == 0 {
        return None;
    }
    Some((eight_digits(digits << (64 - 8 * count)), at + count as usize))
}

/// Digits of a whole number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits {
    pub(crate) count: usize,
    /// Larger where the number is.
    pub(crate) order: u64,
    /// The first one is a 0 and not the only one.
    pub(crate) has_zeros: bool,
}

/// The digits of a `u32` at `at`. `None` where there are none, or their number is larger, or the text ends soon.
#[inline(always)]
pub(crate) fn digits_at(text: &[u8], at: usize) -> Option<Digits> {
    let digits = word(text, at)? ^ each(b'0');
    let stop = above_nine(digits);
    if stop == 0 {
        return many_digits_at(text, at);
    }
    let count = stop.trailing_zeros() / 8;
    if count == 0 {
        return None;
    }
    let order = (digits << (64 - 8 * count)).swap_bytes();
    Some(Digits { count: count as usize, order, has_zeros: digits as u8 == 0 && count > 1 })
}

/// [`digits_at`] for eight or more.
fn many_digits_at(text: &[u8], at: usize) -> Option<Digits> {
    let count = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u32 = str::from_utf8(&text[at..at + count]).ok()?.parse().ok()?;
    text.get(at + count)?;
    // Above that of any seven digits, of which each takes a byte.
    Some(Digits { count, order: 1 << 63 | u64::from(number), has_zeros: text[at] == b'0' })
}

/// The number of at most seven digits and one dot at `at`, up to a blank or another control character, and where it
/// ends. `None` means that the long way must be taken.
#[inline(always)]
pub(crate) fn float_at(text: &[u8], at: usize) -> Option<(f32, usize)> {
    let negative = *text.get(at)? == b'-';
    let start = at + usize::from(negative);
    let word = word(text, start)?;
    // The classic "has a byte less than n"; exact for the lowest such byte.
    let blanks = word.wrapping_sub(each(b' ' + 1)) & !word & each(0x80);
    if blanks == 0 {
        return None;
    }
    let length = blanks.trailing_zeros() / 8;
    let token = lowest(word, length);
    let undotted = token ^ each(b'.');
    let dots = undotted.wrapping_sub(each(1)) & !undotted & each(0x80);
    let (digits, count, decimals) = if dots == 0 {
        (token, length, 0)
    } else {
        let dot = dots.trailing_zeros() / 8;
        let after = token >> (8 * dot) >> 8;
        (lowest(token, dot) | after << (8 * dot), length - 1, length - 1 - dot)
    };
    if count == 0 {
        return None;
    }
    let digits = digits ^ (each(b'0') >> (64 - 8 * count));
    if above_nine(digits) != 0 {
        return None;
    }
    let value = eight_digits(digits << (64 - 8 * count)) as f32 / POWERS[decimals as usize];
    Some((if negative { -value } else { value }, start + length as usize))
}

/// Where the word at `at` ends: at a blank, a carriage return, a colon, a bar, or at `end`.
#[inline(always)]
pub(crate) fn word_end(text: &[u8], mut at: usize, end: usize) -> usize {
    let is = |word: u64, byte: u8| {
        let same = word ^ each(byte);
        same.wrapping_sub(each(1)) & !same
    };
    while at < end {
        let Some(word) = word(text, at) else { break };
        let controls = word.wrapping_sub(each(b' ' + 1)) & !word;
        let stops = (controls | is(word, b':') | is(word, b'|')) & each(0x80);
        if stops == 0 {
            at += 8;
            continue;
        }
        at += stops.trailing_zeros() as usize / 8;
        if at >= end || ends_word(text[at]) {
            return at.min(end);
        }
        at += 1;
    }
    let rest = text.get(at..end).unwrap_or_default();
    at.min(end) + rest.iter().position(|&byte| ends_word(byte)).unwrap_or(rest.len())
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b':' | b'|')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small random generator (xorshift64*), enough to make strings.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
        }

        fn digits(&mut self, most: u64) -> String {
            (0..self.below(most + 1)).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
        }

        fn number(&mut self) -> String {
            let sign = ["", "", "-", "+"][self.below(4) as usize];
            let (whole, part) = (self.digits(8), self.digits(8));
            let dot = ["", "."][self.below(2) as usize];
            let exponent = match self.below(6) {
                0 => format!("e{}", self.below(60) as i64 - 30),
                1 => format!("E+{}", self.below(40)),
                _ => String::new(),
            };
            format!("{sign}{whole}{dot}{part}{exponent}")
        }
    }

    fn bits(token: &str) -> Option<u32> {
        token.parse::<f32>().ok().map(f32::to_bits)
    }

    #[test]
    fn agrees_with_the_standard_library_to_the_bit() {
        let mut random = Random(1);
        for _ in 0..400_000 {
            let token = random.number();
            assert_eq!(parse(token.as_bytes()).map(f32::to_bits), bits(&token), "{token:?}");
            let text = format!("{token} 12345678");
            if let Some((value, end)) = float_at(text.as_bytes(), 0) {
                assert_eq!(end, token.len(), "{token:?}");
                assert_eq!(Some(value.to_bits()), bits(&token), "{token:?}");
            }
        }
    }

    #[test]
    fn digits_are_in_the_order_of_their_numbers() {
        let mut random = Random(3);
        let mut all: Vec<u64> = (0..2000).map(|_| random.digits(10).parse().unwrap_or_default()).collect();
        all.extend([0, 9, 10, 9_999_999, 10_000_000, 99_999_999, u64::from(u32::MAX), 1 << 32, 99_999_999_999]);
        all.sort_unstable();
        let mut last = None;
        for number in all {
            let digits = digits_at(format!("{number}:and more").as_bytes(), 0);
            assert_eq!(digits.is_some(), u32::try_from(number).is_ok(), "{number}");
            let Some(digits) = digits else { continue };
            assert!(!digits.has_zeros && digits.count == number.to_string().len(), "{number}");
            let (before, order) = last.replace((number, digits.order)).unwrap_or((number, digits.order));
            assert_eq!(number.cmp(&before), digits.order.cmp(&order), "{before} {number}");
        }
        for (text, has_zeros) in
            [("0:1234567", false), ("00:1234567", true), ("012345678:", true), ("10:1234567", false)]
        {
            assert_eq!(digits_at(text.as_bytes(), 0).map(|digits| digits.has_zeros), Some(has_zeros), "{text}");
        }
        for text in [":1234567", "1", "1234567", "123456789", "x1234567"] {
            assert!(digits_at(text.as_bytes(), 0).is_none(), "{text}");
        }
    }

    #[test]
    fn every_short_decimal_takes_the_quick_way_and_is_right() {
        for m in (0..10_000_000u32).step_by(37) {
            for decimals in 0..=6 {
                let digits = format!("{m:07}");
                let token = format!("-{}.{}", &digits[..7 - decimals], &digits[7 - decimals..]);
                let token = token.trim_end_matches('.');
                assert_eq!(short(token.as_bytes()).map(f32::to_bits), bits(token), "{token:?}");
            }
        }
        let (value, end) = float_at(b"x0.0876\t5:1 ", 1).expect("quick");
        assert_eq!((value, end), (0.0876, 7));
        assert_eq!(float_at(b"-1234.567\n......", 0), None, "eight bytes after the sign hold no blank");
        assert_eq!(float_at(b"-123.456\n......", 0), Some((-123.456, 8)));
    }

    #[test]
    fn integers_end_where_the_digits_end() {
        assert_eq!(integer_at(b"1:2 3:4 5:6", 0), Some((1, 1)));
        assert_eq!(integer_at(b"x9999999:1", 1), Some((9_999_999, 8)));
        assert_eq!(integer_at(b"12345678:1", 0), None, "eight digits take the long way");
        assert_eq!(integer_at(b":1234567", 0), None);
        assert_eq!(integer_at(b"12:3", 0), None, "too near the end");
        assert_eq!(integer_at(b"12\xff34567", 0), Some((12, 2)));
    }

    #[test]
    fn whole_numbers_that_an_f32_does_not_hold_are_rounded() {
        for (token, rounded) in [
            ("16777216", false),
            ("16777217", true),
            ("-16777217", true),
            ("+16777218", false),
            ("16777217.0", true),
            ("1.6777217e7", true),
            ("1e30", true),
            ("1099511627776", false),
            ("1152921504606846977", true),
            ("0.1", false),
            ("123456.7", false),
        ] {
            let value = parse(token.as_bytes()).expect("a number");
            assert_eq!(is_rounded(token.as_bytes(), value), rounded, "{token}");
        }
    }

    #[test]
    fn words_end_where_they_end() {
        for word in ["", "a", "abcdefg", "abcdefgh", "abcdefghijklmno", "na\u{ef}ve \u{7}s", "a\u{b}b"] {
            let word = word.replace(' ', "");
            for stop in [" ", "\t", ":", "|", "\r", ""] {
                for rest in ["", "b", " and what comes after"] {
                    let text = format!("{word}{stop}{rest}");
                    let expected = if stop.is_empty() {
                        text.len().min(word.len() + rest.find(' ').unwrap_or(rest.len()))
                    } else {
                        word.len()
                    };
                    assert_eq!(word_end(text.as_bytes(), 0, text.len()), expected, "{text:?}");
                    assert_eq!(word_end(text.as_bytes(), 0, expected / 2), expected / 2, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for token in ["", ".", "-", "+.", "1.2.3", "1e", "0x10", "1,5", "--1", "1_0", "\u{663}"] {
            assert_eq!(parse(token.as_bytes()), None, "{token:?}");
            assert_eq!(float_at(format!("{token}        ").as_bytes(), 0), None, "{token:?}");
        }
        assert_eq!(parse(b"\xff1"), None);
    }
}
