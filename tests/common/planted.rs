//! Small data that linear models cannot learn, or not well, and how flags are written down in tests of it.

use std::fmt::Write as _;

/// Numbers that look random and are always the same.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.unit() * limit as f64) as usize
    }
}

/// Two numbers, each of which says nothing of the label: whether their signs are the same.
pub(crate) fn xor(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        writeln!(text, "{x:.3},{y:.3},{}", if x * y > 0.0 { "same" } else { "other" }).unwrap();
    }
    text
}

/// Three classes by the distance from a point far from 0, in columns of very different size.
pub(crate) fn circles(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        let ring = ["inner", "middle", "outer"][((x * x + y * y) * 2.0).min(2.9) as usize];
        writeln!(text, "{:.3},{:.6},{ring}", 5000.0 + 100.0 * x, 0.01 * y).unwrap();
    }
    text
}

/// A number that is a product: to a linear model all noise.
pub(crate) fn product(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = "x,y,label\n".to_owned();
    for _ in 0..rows {
        let (x, y) = (2.0 * numbers.unit() - 1.0, 2.0 * numbers.unit() - 1.0);
        writeln!(text, "{x:.3},{y:.3},{:.4}", 30.0 + 20.0 * x * y).unwrap();
    }
    text
}

/// Who clicks what: a user and an item of the same of four sorts, mostly; where it is shown matters a little.
pub(crate) fn clicks(rows: usize, seed: u64) -> Vec<(u8, [usize; 3])> {
    let mut numbers = Numbers(seed);
    let mut row = || {
        let (user, item, place) = (numbers.below(40), numbers.below(60), numbers.below(3));
        let probability = (if user % 4 == item % 4 { 0.85 } else { 0.1 }) + 0.05 * place as f64;
        (u8::from(numbers.unit() < probability), [user, item, place])
    };
    (0..rows).map(|_| row()).collect()
}

pub(crate) fn clicks_vw(rows: &[(u8, [usize; 3])]) -> String {
    let line = |(label, [user, item, place]): &(u8, [usize; 3])| {
        format!("{} |u u{user} |i i{item} |p p{place}\n", if *label == 1 { 1 } else { -1 })
    };
    rows.iter().map(line).collect()
}

pub(crate) fn clicks_csv(rows: &[(u8, [usize; 3])]) -> String {
    let line = |(label, [user, item, place]): &(u8, [usize; 3])| format!("u{user},i{item},p{place},{label}\n");
    "user,item,place,label\n".to_owned() + &rows.iter().map(line).collect::<String>()
}

/// Lines of four topics, some words of which are of all.
pub(crate) fn topics(rows: usize, seed: u64) -> String {
    let mut numbers = Numbers(seed);
    let mut text = String::new();
    for row in 0..rows {
        let topic = row % 4;
        write!(text, "__label__t{topic}").unwrap();
        for _ in 0..8 {
            let of = if numbers.unit() < 0.4 { topic } else { numbers.below(4) };
            write!(text, " w{}", 30 * of + numbers.below(30)).unwrap();
        }
        text.push('\n');
    }
    text
}

/// As many flags as words.
pub(crate) fn words(flags: &str) -> Vec<&str> {
    flags.split_whitespace().collect()
}
