//! How fast is a copy of Θ? Against `memcpy` between private slices, idle and while another core writes.

use hogback_kernels::{Cells, Ids};

use super::clock::repeat;
use super::contest::{Case, Threads, Unit, Way};
use super::{Bench, Private, Question};
use crate::error::Result;
use crate::generate::Random;
use crate::report::format::memory;
use crate::sys::map::Region;
use crate::train::out_of_memory;

/// Words that the writer changes between two looks at whether the copy is done.
const BURST: usize = 1024;

pub(super) fn ask(bench: &Bench, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    let bytes = bench.size(64 << 20, 64 << 10);
    let words = bytes / 4;
    let (theta, other) =
        (Region::reserve(words).map_err(out_of_memory)?, Region::reserve(words).map_err(out_of_memory)?);
    let (theta, other) = (theta.cells(), other.cells());
    (0..words).for_each(|at| [theta, other].into_iter().for_each(|cells| cells.set(at, 1.0)));
    let [from, mut to, mut out] = [(); 3].map(|()| Private::new(words, 1.0));
    let (from, to, out) = (from.words(), to.words_mut(), out.words_mut());

    each(Case {
        question: Question::Snapshot,
        name: format!("{}, idle", memory(bytes as u64)),
        threads: Threads::One,
        unit: Unit::Bytes,
        ways: vec![
            Way::new("copy_out", bytes as f64, || bench.backend.copy_out(theta, out)),
            Way::new("memcpy", bytes as f64, || to.copy_from_slice(from)),
        ],
        ratios: vec![(0, 1)],
    })?;

    let Some(pair) = bench.pair else { return Ok(()) };
    let mut random = Random::new(3);
    let places: Vec<u32> = (0..1 << 20).map(|_| (random.number() % words as u64) as u32).collect();
    let (mut at, mut beside) = (0, 0);
    let write = |cells: Cells<'_>, at: &mut usize| {
        *at = (*at + BURST) % places.len();
        // The places were drawn below it.
        let ids = Ids::check(&places[*at..*at + BURST], words as u32).unwrap_or_default();
        bench.backend.add_at::<1>(cells, ids, 1.0, 0);
    };
    each(Case {
        question: Question::Snapshot,
        name: format!("{}, under a writer", memory(bytes as u64)),
        threads: Threads::Two,
        unit: Unit::Bytes,
        ways: vec![
            Way::timed("copy_out", bytes as f64, |times| {
                let copy = || _ = repeat(times, || bench.backend.copy_out(theta, out));
                pair.beside(|| write(theta, &mut at), copy)
            })
            .busy(2),
            // Rust has no memcpy from words that are written: this writer has others, as many.
            Way::timed("memcpy", bytes as f64, |times| {
                let copy = || _ = repeat(times, || to.copy_from_slice(from));
                pair.beside(|| write(other, &mut beside), copy)
            })
            .busy(2),
        ],
        ratios: vec![(0, 1)],
    })
}
