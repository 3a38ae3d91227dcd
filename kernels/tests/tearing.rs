//! The one assumption about hardware (see `cells.rs`): a 32-bit lane of a vector access does not tear.
//!
//! Threads store two bit patterns in turn, with copies of whole registers and with pairs, while another loads; a word that is
//! neither pattern would be torn. Slices begin on a cache line and one word past it, so that registers and pairs straddle
//! lines. For each backend and slice `HOGBACK_TEARING_STORES` words are stored (1000000000 makes a long run).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;

use hogback_kernels::{Backend, Cells, Ids, Learner, LearnerSpec, Loss, Objective, Row, Rule, Scratch, Step, Table};

/// Two positive floats; no byte of one is the same as in the other.
const PATTERNS: [u32; 2] = [0x3f3f_3f3f, 0x40c0_c0c0];

/// Words of a slice: eight lines of registers and some words that fill none, but whole pairs.
const WORDS: usize = 8 * 16 + 6;

/// How many words the copies into one slice store.
fn stores() -> u64 {
    let default = if cfg!(miri) {
        10_000
    } else if cfg!(debug_assertions) {
        10_000_000
    } else {
        200_000_000
    };
    std::env::var("HOGBACK_TEARING_STORES").map_or(default, |text| text.parse().expect("a number of stores"))
}

/// How the threads of a race tell each other to stop.
#[derive(Default)]
struct Flags {
    /// The reader has seen both patterns: storing may end when enough is stored.
    seen: AtomicBool,
    /// Storing has ended.
    done: AtomicBool,
}

/// What the reader saw.
#[derive(Debug, Default)]
struct Seen {
    /// Words of each pattern.
    whole: [u64; 2],
    /// Words of neither.
    torn: u64,
    /// Reads that found both patterns side by side: they met a store on its way.
    met: u64,
}

/// Stores each pattern in turn, `times` in all and on until the reader has seen both.
fn store(backend: Backend, cells: Cells<'_>, times: u64, flags: &Flags) {
    let patterns = PATTERNS.map(|pattern| [f32::from_bits(pattern); WORDS]);
    let mut time = 0;
    while time < times || !flags.seen.load(Relaxed) {
        backend.copy_in(&patterns[(time % 2) as usize], cells);
        time += 1;
    }
}

/// Loads pairs and stores them as they were, until storing ends: a row of zeros whose margin is its target.
fn restore_pairs(backend: Backend, cells: Cells<'_>, flags: &Flags) {
    let objective = Objective::One(Loss::Squared);
    let spec = LearnerSpec {
        objective,
        rule: Rule::Adagrad,
        head: false,
        ahead: false,
        ones: false,
        decay: true,
        factors: None,
    };
    let learner = Learner::new(backend, spec);
    let ids: Vec<u32> = (0..WORDS as u32 / 2).collect();
    let zeros = vec![0.0; ids.len()];
    let row = Row::new(Ids::check(&ids, WORDS as u32 / 2).expect("ids within the slice"), &zeros, 0.0);
    let step = Step { rate: 1.0, bias_rate: 1.0, floor: 1.0, decay: &zeros, l1: 0.0, norm: 0.0 };
    let bias = [const { AtomicU32::new(0) }; 2];
    let mut scratch = Scratch::default();
    while !flags.done.load(Relaxed) {
        let table = Table::whole(cells, learner.layout());
        learner.learn(&table, &[row], Cells::new(&bias), &step, &mut [0.0], &mut scratch);
    }
}

/// Reads by registers and word by word in turn, until storing ends.
fn read(backend: Backend, cells: Cells<'_>, flags: &Flags) -> Seen {
    let (mut seen, mut words) = (Seen::default(), [0.0; WORDS]);
    while !flags.done.load(Relaxed) {
        for by_registers in [true, false] {
            if by_registers {
                backend.copy_out(cells, &mut words);
            } else {
                words = std::array::from_fn(|at| cells.get(at));
            }
            let counts = PATTERNS.map(|pattern| words.iter().filter(|word| word.to_bits() == pattern).count() as u64);
            seen.torn += WORDS as u64 - counts[0] - counts[1];
            seen.met += u64::from(counts.iter().all(|&count| count > 0));
            seen.whole = std::array::from_fn(|i| seen.whole[i] + counts[i]);
        }
        flags.seen.store(seen.torn > 0 || seen.whole.iter().all(|&count| count > 0), Relaxed);
    }
    seen
}

/// Two threads storing, one restoring pairs, one reading.
fn race(backend: Backend, cells: Cells<'_>) -> Seen {
    let flags = Flags::default();
    let times = stores() / 2 / WORDS as u64;
    backend.copy_in(&[f32::from_bits(PATTERNS[0]); WORDS], cells);
    thread::scope(|scope| {
        let flags = &flags;
        let reading = scope.spawn(move || read(backend, cells, flags));
        scope.spawn(move || restore_pairs(backend, cells, flags));
        let storing = [0, 1].map(|_| scope.spawn(move || store(backend, cells, times, flags)));
        let stored = storing.map(thread::ScopedJoinHandle::join);
        flags.done.store(true, Relaxed);
        assert!(stored.iter().all(Result::is_ok), "a storing thread panicked");
        reading.join().expect("the reading thread ends well")
    })
}

#[test]
fn no_word_is_ever_torn() {
    for (backend, past) in Backend::all().flat_map(|backend| [(backend, 0), (backend, 1)]) {
        let words: Vec<_> = (0..WORDS + 17).map(|_| AtomicU32::new(0)).collect();
        let line = (words.as_ptr().addr().wrapping_neg() / 4) % 16;
        let Seen { whole, torn, met } = race(backend, Cells::new(&words[line + past..][..WORDS]));
        println!(
            "{}, {past} past a line: {} words stored, {} checked in {met} reads that met a store, {torn} torn",
            backend.name(),
            stores(),
            whole[0] + whole[1] + torn,
        );
        assert_eq!(torn, 0, "{} tears words {past} past a line", backend.name());
    }
}
