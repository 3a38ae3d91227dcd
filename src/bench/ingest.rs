//! How fast is reading? libsvm text against counting its lines: the parser alone, and the way to a mapped cache.

use std::fs;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::contest::{Case, Threads, Unit, Way};
use super::{Bench, Planted, Question};
use crate::data::{CachePolicy, DataFile, Input, ReadOptions, parse_alone};
use crate::error::{Error, Result};
use crate::store::Disk;

/// Bytes that a thread counts at a time.
const PIECE: usize = 1 << 20;

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let planted = Planted::new(1 << 16, bench.size(100_000, 500), &bench.stop)?;
    let failed = |error| Error::io(&planted.text, "read", error);
    let text = fs::read(&planted.text).map_err(failed)?;
    let cache = planted.folder.path().join("cache");
    let options =
        ReadOptions { cache: CachePolicy::Dir(cache.clone()), kernels: Some(bench.backend), ..ReadOptions::default() };
    let read = || -> Result<DataFile> {
        DataFile::read(&Input::Path(planted.text.clone()), &options, &Disk, &|_| (), &bench.stop)
    };
    // Now there is a cache, which is removed before each time.
    read()?;
    let bytes = text.len() as f64;
    for threads in 1..=if bench.pair.is_some() { 2 } else { 1 } {
        let pool = pool(threads)?;
        let on = if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let count = || Way::new("counting lines", bytes, || _ = pool.install(|| lines(&text))).mostly_busy(threads);
        let parse = |times| {
            let begun = Instant::now();
            (0..times).try_for_each(|_| pool.install(|| parse_alone(&text, bench.backend)))?;
            Ok(begun.elapsed())
        };
        let parser = Way::fallible("parser", bytes, parse).mostly_busy(threads);
        each(case(format!("libsvm, parser alone, {on}"), Unit::Bytes, vec![parser, count()]))?;
        let anew = |times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                fs::remove_dir_all(&cache).map_err(|error| Error::io(&cache, "remove", error))?;
                let begun = Instant::now();
                pool.install(read)?;
                took += begun.elapsed();
            }
            Ok(took)
        };
        let reading = Way::fallible("parsed, numbered, cached", bytes, anew);
        each(case(format!("libsvm, reading, {on}"), Unit::Bytes, vec![reading, count()]))?;
    }
    let cached: Vec<u8> = match fs::read_dir(&cache).map_err(failed)?.next() {
        Some(entry) => fs::read(entry.map_err(failed)?.path()).map_err(failed)?,
        None => Vec::new(),
    };
    let open = |times| {
        let begun = Instant::now();
        (0..times).try_for_each(|_| read().map(drop))?;
        Ok(begun.elapsed())
    };
    let looking = Way::new("looking at every byte", 1.0, || _ = lines(&cached));
    each(case("opening the cache".to_owned(), Unit::Times, vec![Way::fallible("checked, mapped", 1.0, open), looking]))
}

fn pool(threads: u32) -> Result<ThreadPool> {
    let built = ThreadPoolBuilder::new().num_threads(threads as usize).build();
    built.map_err(|error| Error::Engine(format!("cannot start threads: {error}")))
}

fn case(name: String, unit: Unit, ways: Vec<Way<'_>>) -> Case<'_> {
    Case { question: Question::Ingest, name, threads: Threads::Own, unit, ways, ratios: vec![(0, 1)] }
}

/// The lines of `text`, counted by all threads.
fn lines(text: &[u8]) -> usize {
    text.par_chunks(PIECE).map(|piece| memchr::memchr_iter(b'\n', piece).count()).sum()
}
