//! `hogback search` as a user has it: what may end it, what is refused, the laws it keeps, and what it prints. Spaces and data are small.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

#[path = "../common/mod.rs"]
mod common;

mod bad;
mod data;
mod faults;
mod interrupts;
mod json;
mod kills;
mod laws;
mod time;

use std::collections::HashMap;
use std::env;

use common::Folder;
use serde_json::Value;

/// 2,475 perceptrons that learn @digits in a few milliseconds.
const SPACE: &str = r#"
kind = "mlp"
layers = [0, 1, 2]
width = { choice = [4, 8, 12, 16], when = { layers = [1, 2] } }
activation = { choice = ["relu", "tanh"], when = { layers = [1, 2] } }
optimizer = ["adam", "adagrad", "momentum"]
lr-factor = [0.25, 0.5, 1, 2, 4]
batch = [16, 32, 64, 128, 256]
dropout = { choice = [0, 0.1], when = { layers = [1, 2] } }
"#;

/// The same with twelve models.
const FEW: &str = r#"
kind = "mlp"
hidden = ["4", "8"]
lr-factor = [0.5, 1, 2]
optimizer = ["adam", "adagrad"]
"#;

/// A folder with `space.toml`, of [`SPACE`], and `few.toml`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("space.toml", SPACE);
    folder.write("few.toml", FEW);
    folder
}

/// `hogback search @digits --space space.toml --model m --quiet` and more words.
fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["search", "@digits", "--space", "space.toml", "--model", "m", "--quiet"], more].concat()
}

/// The trials of a log, of which every line must be whole.
fn trials(folder: &Folder, log: &str) -> Vec<Value> {
    let text = String::from_utf8(folder.read(log)).unwrap();
    assert!(text.ends_with('\n'), "{log} ends in the middle of a line");
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those of the budget: neither of the finals nor of what is compared with.
fn of_budget(trials: &[Value]) -> Vec<&Value> {
    trials.iter().filter(|trial| trial["finals"].is_null() && trial["control"].is_null()).collect()
}

/// How often each architecture is there on each rung.
fn times(trials: &[&Value]) -> HashMap<(String, u64), usize> {
    let mut times = HashMap::new();
    for trial in trials {
        *times.entry((trial["architecture"].to_string(), trial["rung"].as_u64().unwrap_or(0))).or_default() += 1;
    }
    times
}

/// Holds a log to have no trial and no architecture twice.
fn assert_each_once(trials: &[Value]) {
    let numbers = trials.iter().map(|trial| (trial["control"].as_bool(), trial["trial"].as_u64().unwrap()));
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "a trial twice: {numbers:?}");
    let twice: Vec<_> = times(&of_budget(trials)).into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// How often a test does what it does: `short` times, or as HOGBACK_LONG says (`tools/ci`).
fn count(short: u64) -> u64 {
    env::var("HOGBACK_LONG").map_or(short, |count| count.parse().expect("HOGBACK_LONG is a number"))
}

/// The seed of what a test draws by lot: HOGBACK_SEED, or 1.
fn seed() -> u64 {
    env::var("HOGBACK_SEED").map_or(1, |seed| seed.parse().expect("HOGBACK_SEED is a number"))
}

/// Numbers by lot (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31) % limit.max(1)
    }
}
