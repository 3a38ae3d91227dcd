//! Every backend reads every text as the plain way does: the same rows to the bit, or the same fault.

use hogback_kernels::Backend;

use super::*;
use crate::data::dictionary::Dictionary;

/// A small random generator (xorshift64*), enough to make text.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    pub(crate) fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    pub(crate) fn digits(&mut self, least: u64, most: u64) -> String {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| char::from(b'0' + self.below(10) as u8)).collect()
    }

    /// A number as files have them, and now and then one as few have them.
    pub(crate) fn number(&mut self) -> String {
        match self.below(24) {
            0 => format!("{}{}e{}", self.one(&["", "-"]), self.digits(1, 3), self.below(50) as i64 - 25),
            1 => format!("{}.{}", self.digits(0, 12), self.digits(0, 20)),
            2 => format!("{}", (1 << 24) + self.below(1 << 27)),
            3 => self
                .one(&["0", "-0", "0.0", "5.", ".5", "-.5", "+1", "1e-60", "16777217", "0.1e1", "00000000000001"])
                .into(),
            4 => format!("0.{}5", self.digits(6, 12)),
            _ => format!(
                "{}{}{}{}",
                self.one(&["", "", "-"]),
                self.digits(1, 4),
                self.one(&["", "."]),
                self.digits(0, 6)
            ),
        }
    }

    /// A line that is right, more or less as files have them.
    fn line(&mut self) -> String {
        let mut line = self.one(&["1", "-1", "+1", "0", "3.25", "-0.5", "1e2", "  1", "\t0"]).to_string();
        let (mut key, usual) = (self.below(2) * self.below(1000), self.below(3) > 0);
        for _ in 0..self.below(20) {
            if !usual && self.below(40) == 0 {
                key = self.below(30);
            }
            let blank = if usual { " " } else { self.one(&[" ", " ", "\t", "  ", " \t "]) };
            let zeros = if usual { "" } else { self.one(&["", "", "", "0", "000"]) };
            line += &format!("{blank}{zeros}{key}:{}", self.number());
            key += 1 + self.below(if usual { 1000 } else { 300_000_000 });
        }
        line + self.one(&["", "", "", " ", "\r", " # 1:2 x", "#y", "\t\r"])
    }

    /// Bytes that mean something, in no order.
    pub(crate) fn noise(&mut self) -> Vec<u8> {
        let some = b"0123456789::::  ..--++eE##\t\rnaninf\0\x0b\x7f\x80\xff\xc3\xa4;/";
        (0..self.below(60)).map(|_| some[self.below(some.len() as u64) as usize]).collect()
    }
}

/// What a text says: labels, offsets, ids, values, each to the bit, keys, the rows that were skipped, lines; or the fault.
type Said = Result<(Vec<u32>, Vec<u32>, Vec<u32>, Vec<u32>, Vec<u8>, Vec<u32>, [u64; 3]), (u64, String)>;

fn said(text: &[u8], backend: Backend, [learning, skip]: [bool; 2]) -> Said {
    let keys = Dictionary::numbers();
    let context = Context { keys: &keys, classes: None, learning, skip };
    let parsed = parse(text, &Plan { hashing: None, backend }, context).map_err(|fault| (fault.line, fault.what))?;
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let (block, new) = (&parsed.block, parsed.new_keys.as_ref().map_or(Vec::new(), Dictionary::to_bytes));
    let rounded = parsed.rounded.as_ref().map_or(u64::MAX, |rounded| rounded.line);
    let counts = [parsed.lines, parsed.unlabelled, rounded];
    let (labels, values) = (bits(&block.labels), bits(&block.values));
    Ok((labels, block.offsets.clone(), block.ids.clone(), values, new, block.skipped.clone(), counts))
}

/// The text as it is, and within others, so that it begins and ends anywhere.
fn check(text: &[u8]) {
    let scalar = Backend::named("scalar").expect("every machine has it");
    for backend in Backend::all().filter(|&backend| backend != scalar) {
        for how in [[true, false], [true, true], [false, true]] {
            let (plain, quick) = (said(text, scalar, how), said(text, backend, how));
            assert!(plain == quick, "{}: {:?}\n{plain:?}\n{quick:?}", backend.name(), String::from_utf8_lossy(text));
        }
    }
}

#[test]
fn usual_and_unusual_lines() {
    let mut random = Random(11);
    for lines in (0..400).map(|round| round % 40) {
        let newline = random.one(&["\n", "\n", "\r\n", "\n\n", " \n"]);
        let mut text: String = (0..lines).map(|_| random.line() + newline).collect();
        for _ in 0..random.below(3) {
            text.truncate(text.len().saturating_sub(1));
        }
        check(text.as_bytes());
    }
}

#[test]
fn every_length_and_every_place() {
    let mut random = Random(12);
    let line = "-1 0:0.0876 9913:-0.5 16665:7 4294967295:123456.7890123";
    for before in 0..70 {
        let text = format!("{}\n{line}\n{line}", "x".replace('x', &"#".repeat(before)));
        check(text.as_bytes());
    }
    let text: String = (0..6).map(|_| random.line() + "\n").collect();
    for end in 0..text.len() {
        check(&text.as_bytes()[..end]);
    }
}

#[test]
fn lines_longer_than_what_is_looked_at_together() {
    let mut random = Random(13);
    for pairs in [1000, 3000, 20_000] {
        let row: String = (0..pairs).map(|key| format!(" {key}:{}", random.below(1000) as f32 / 8.0)).collect();
        check(format!("1 1:1\n1{row}\n0{row}\n1 5:1").as_bytes());
    }
    let long = format!("1 1:1 2:2 3:3\n1 7:2{}8:1\n0 5:1 6:0.25\n", " ".repeat(33 << 20));
    check(long.as_bytes());
}

#[test]
fn noise_within_good_lines() {
    let mut random = Random(14);
    for _ in 0..3000 {
        let mut text = format!("1 1:1 2:1 3:1 4:1 5:1\n{}\n{}\n", random.line(), random.line()).into_bytes();
        if random.below(2) == 0 {
            let at = random.below(text.len() as u64) as usize;
            let noise = random.noise();
            text.splice(at..at, noise);
        } else {
            for _ in 0..1 + random.below(3) {
                let at = random.below(text.len() as u64) as usize;
                text[at] = random.noise().first().copied().unwrap_or(b':');
            }
        }
        check(&text);
    }
}

#[test]
fn short_decimals_are_those_of_the_standard_library() {
    let mut random = Random(15);
    for _ in 0..2000 {
        let values: Vec<String> = (0..24)
            .map(|_| {
                let digits = random.digits(1, 14);
                let dot = random.below(digits.len() as u64 + 1) as usize;
                format!("{}{}.{}", random.one(&["", "-"]), &digits[..dot], &digits[dot..])
            })
            .filter(|value| value.parse::<f32>().is_ok_and(|value| value != 0.0))
            .collect();
        let pairs: String = (1..).zip(&values).map(|(key, value)| format!(" {key}:{value}")).collect();
        for backend in Backend::all() {
            let read = said(format!("1 1:1 2:1 3:1 4:1\n1{pairs}\n").as_bytes(), backend, [true, false]).unwrap();
            let expected = values.iter().map(|value| value.parse::<f32>().expect("a number").to_bits());
            assert!(read.3[4..].iter().copied().eq(expected), "{}: {pairs}", backend.name());
        }
    }
}
