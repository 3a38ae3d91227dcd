//! The parts of a search, each by itself: on small spaces, with children that do nothing, and on boards that are filled by hand.

mod board;
mod child;
mod finals;
mod head;
mod job;
mod log;
mod plan;
mod saved;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hogback_kernels::Backend;

use super::Request;
use super::board::{Board, Outcome, Proposal};
use super::space::{Architecture, Decision, Space, Value};
use super::strategy::Strategies;
use crate::data::{CachePolicy, DataFile, Input, ReadOptions};
use crate::report::log::RunLog;
use crate::report::progress::{Progress, ProgressMode};
use crate::store::Disk;
use crate::sys::signal::StopRequest;
use crate::train::{self, Ears, read};

/// A space of `n` models: one decision, called `hidden`.
fn space(n: u8) -> Space {
    let values = (0..n).map(|nth| Value::Word(format!("{}", 2 + nth))).collect();
    let hidden = Decision { name: "hidden".to_owned(), values, is_ordered: true, when: None, skip: None };
    Space::new("toy".to_owned(), vec![hidden])
}

/// Model number `nth` of [`space`].
fn model(space: &Space, nth: usize) -> Architecture {
    space.all().nth(nth).unwrap()
}

/// A proposal of the first controller.
fn proposal(architecture: Architecture) -> Proposal {
    Proposal { architecture, controller: 0, seed: 1, rung: 0, finals: false }
}

/// What a trial came to that did not fail.
fn outcome(reward: f32, loss: f64) -> Outcome {
    Outcome { reward, skill: f64::from(reward).cbrt(), loss, passes: 2, seconds: 0.5, ..Outcome::default() }
}

/// What one came to that failed.
fn failed(why: &str) -> Outcome {
    Outcome { failed: Some(why.to_owned()), ..Outcome::default() }
}

/// Puts a trial up that is done.
fn put(board: &Board, number: usize, proposal: Proposal, outcome: Outcome) {
    board.propose(number, proposal);
    board.slot(number).outcome.set(outcome).unwrap();
}

/// A request for a search of this file, in its folder.
fn request(data: &Path) -> Request {
    let model = data.with_file_name("m");
    Request {
        train: train::Request { model, ..train::Request::new(vec![Input::Path(data.to_path_buf())], Backend::best()) },
        space: None,
        strategy: Strategies::Random,
        policy: None,
        budget: Some(10),
        time: None,
        halving: false,
        child_passes: None,
        child_time: None,
        power: 3.0,
        seeds: 1,
        control: false,
        log: None,
        resume: false,
    }
}

/// Writes a file into a folder.
fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Reads data without a cache.
fn files(input: &Input) -> Vec<DataFile> {
    let (progress, log, stop) = (Progress::new(ProgressMode::Quiet), RunLog::off(), StopRequest::never());
    let reading = ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() };
    let ears = Ears { progress: &progress, log: &log, stop: &stop };
    read(std::slice::from_ref(input), &reading, &Disk, ears).unwrap()
}

/// The digits, read once for all tests.
fn digits() -> &'static [Vec<DataFile>; 1] {
    static DIGITS: OnceLock<[Vec<DataFile>; 1]> = OnceLock::new();
    DIGITS.get_or_init(|| [files(&Input::parse("@digits").unwrap())])
}
