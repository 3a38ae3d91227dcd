//! [`Ring`]: small records from one thread to another, without a lock and in order.
//!
//! **Why nothing is lost.** One thread pushes, one pops. Record n lies in slot n mod room. Its first word is stored last (Release)
//! and has in its top bit whether the lap n / room is odd. Who pops looks for the bit of the lap that it is in (Acquire), and so sees
//! the whole record or none: until it is popped, the slot holds this record or that of the lap before, whose bit is the other. For
//! who pushes writes to a slot only when what was there has been popped. It knows from `popped`, which is stored (Release) when a
//! record has been read, and looked at (Acquire) when the last look leaves no room.
//!
//! **Why it is fast.** A cache line holds two rewards, or eight tasks, and nothing else goes to and fro for each of them: who pushes looks
//! at `popped` once in a lap, and who pops at no count at all.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

/// The bit of a record's first word that is the ring's.
const LAP: u64 = 1 << 63;
/// Words of a cache line.
const LINE: usize = 8;

/// Room for some records of `WORDS` words, a power of two up to 8, from one thread to another. The top bit of a record's first
/// word is lost.
///
/// Whoever pushes from two threads, or pops from two, loses records, and no more than that.
#[derive(Debug)]
pub(crate) struct Ring<const WORDS: usize> {
    lines: Box<[Line]>,
    /// How many records there is room for; a power of two.
    room: u64,
    /// Records popped.
    popped: CachePadded<AtomicU64>,
    pushed: CachePadded<Pushed>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

/// For the thread that pushes alone.
#[derive(Debug, Default)]
struct Pushed {
    /// Records pushed.
    records: AtomicU64,
    /// How many of them had been popped at the last look.
    popped: AtomicU64,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// Room for at least `room` records.
    pub(crate) fn new(room: usize) -> Self {
        const { assert!(WORDS.is_power_of_two() && WORDS <= LINE, "a record lies in one cache line") };
        // In a smaller one the other side's count would be looked at for every second record.
        let room = room.next_power_of_two().max(LINE);
        // What is never written has the bit of an odd lap, which no record of the first has.
        let word = |at: usize| AtomicU64::new(if at.is_multiple_of(WORDS) { LAP } else { 0 });
        let lines = (0..room * WORDS / LINE).map(|_| Line(std::array::from_fn(word))).collect();
        Self { lines, room: room as u64, popped: CachePadded::default(), pushed: CachePadded::default() }
    }

    /// Hands a record over; false where there is no room.
    pub(crate) fn push(&self, record: [u64; WORDS]) -> bool {
        let nth = self.pushed.records.load(Ordering::Relaxed);
        if nth - self.pushed.popped.load(Ordering::Relaxed) == self.room {
            let popped = self.popped.load(Ordering::Acquire);
            self.pushed.popped.store(popped, Ordering::Relaxed);
            if nth - popped == self.room {
                return false;
            }
        }
        let slot = self.slot(nth);
        for (to, word) in slot.iter().zip(record).skip(1) {
            to.store(word, Ordering::Relaxed);
        }
        slot[0].store(record[0] & !LAP | self.lap(nth), Ordering::Release);
        self.pushed.records.store(nth + 1, Ordering::Relaxed);
        true
    }

    /// The oldest record that has not been popped; none where there is none.
    pub(crate) fn pop(&self) -> Option<[u64; WORDS]> {
        let nth = self.popped.load(Ordering::Relaxed);
        let slot = self.slot(nth);
        let first = slot[0].load(Ordering::Acquire);
        if first & LAP != self.lap(nth) {
            return None;
        }
        let mut record = [first & !LAP; WORDS];
        for (word, from) in record.iter_mut().zip(slot).skip(1) {
            *word = from.load(Ordering::Relaxed);
        }
        self.popped.store(nth + 1, Ordering::Release);
        Some(record)
    }

    /// Whether a pop would find a record; for the thread that pops.
    pub(crate) fn waits(&self) -> bool {
        let nth = self.popped.load(Ordering::Relaxed);
        self.slot(nth)[0].load(Ordering::Acquire) & LAP == self.lap(nth)
    }

    /// The words of record number `nth`.
    fn slot(&self, nth: u64) -> &[AtomicU64] {
        let from = (nth & (self.room - 1)) as usize * WORDS;
        &self.lines[from / LINE].0[from % LINE..][..WORDS]
    }

    /// The bit of the lap of record number `nth`.
    fn lap(&self, nth: u64) -> u64 {
        if nth & self.room == 0 { 0 } else { LAP }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_ring_holds_what_it_has_room_for_and_gives_it_back_in_order() {
        for (asked, room) in [(1, 8), (8, 8), (9, 16)] {
            let ring = Ring::<4>::new(asked);
            for lap in 0..5 {
                assert!(!ring.waits() && ring.pop().is_none());
                assert!((0..room).all(|nth| ring.push([nth, lap, 1, 2])));
                assert!(ring.waits() && !ring.push([7; 4]), "{asked}");
                assert!((0..room).all(|nth| ring.pop() == Some([nth, lap, 1, 2])));
            }
        }
    }

    /// Both sides at full speed, and each in turn slower than the other: full rings and empty ones, met again and again.
    #[test]
    fn records_that_race_arrive_once_whole_and_in_order() {
        let records = if cfg!(miri) { 300 } else { 100_000u64 };
        for (room, slow) in [8, 16, 1024].into_iter().flat_map(|room| [0, 1, 2].map(|slow| (room, slow))) {
            let ring = Ring::<4>::new(room);
            let dawdle = |nth: u64, side: u64| {
                if slow == side && nth.is_multiple_of(64) {
                    thread::yield_now();
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| {
                    for nth in 0..records {
                        while !ring.push([nth, !nth, nth * 3, nth << 32]) {
                            thread::yield_now();
                        }
                        dawdle(nth, 1);
                    }
                });
                for nth in 0..records {
                    let record = loop {
                        match ring.pop() {
                            Some(record) => break record,
                            None => thread::yield_now(),
                        }
                    };
                    assert_eq!(record, [nth, !nth, nth * 3, nth << 32]);
                    dawdle(nth, 2);
                }
            });
            assert!(ring.pop().is_none());
        }
    }
}
