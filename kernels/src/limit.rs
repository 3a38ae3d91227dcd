//! What the rules of this crate are measured against: the least that any update has to do, and nothing else. No run calls this.

use core::sync::atomic::Ordering::Relaxed;

use crate::ahead::ask;
use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::rows::Ids;

impl Backend {
    /// Adds `by` to each of the `WIDTH` words of the rows `ids` of `table`, one row after the other, asking for a row `ahead` ids
    /// before it is needed; with 0 nothing is asked for.
    ///
    /// # Panics
    /// Where the table has fewer rows than the limit of `ids`.
    pub fn add_at<const WIDTH: usize>(self, table: Cells<'_>, ids: Ids<'_>, by: f32, ahead: usize) {
        struct AddAt<'a, const WIDTH: usize>(Cells<'a>, &'a [u32], f32, usize);
        impl<const WIDTH: usize> Work for AddAt<'_, WIDTH> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(table, ids, by, ahead) = self;
                let add = |id: u32| {
                    for at in 0..WIDTH {
                        // SAFETY: ids are below the limit, and the table has as many whole rows: that is checked below.
                        let word = unsafe { table.words().get_unchecked(id as usize * WIDTH + at) };
                        let sum = f32::from_bits(word.load(Relaxed)) + by;
                        word.store(sum.to_bits(), Relaxed);
                    }
                };
                if ahead == 0 {
                    ids.iter().for_each(|&id| add(id));
                    return;
                }
                let coming = ids.get(ahead..).unwrap_or_default();
                for (&id, &next) in ids.iter().zip(coming) {
                    ask(table.start().wrapping_add(next as usize * WIDTH));
                    add(id);
                }
                ids[coming.len()..].iter().for_each(|&id| add(id));
            }
        }
        let words = (ids.limit() as usize).checked_mul(WIDTH);
        assert!(words.is_some_and(|words| words <= table.len()), "ids made for a larger table");
        self.run(AddAt::<WIDTH>(table, ids.as_slice(), by, ahead));
    }

    /// Adds `by` to all words of the rows `ids` of `table`, `width` words each, by registers, one row after the other; a row is asked for
    /// `ahead` ids before it is needed; with 0 nothing is asked for.
    ///
    /// # Panics
    /// Where rows are not of a multiple of 8 words, or the table has fewer of them than the limit of `ids`.
    pub fn add_to_rows(self, table: Cells<'_>, ids: Ids<'_>, width: usize, by: f32, ahead: usize) {
        struct AddToRows<'a>(Cells<'a>, &'a [u32], usize, f32, usize);
        impl Work for AddToRows<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                /// Words in a cache line.
                const LINE: usize = 16;
                let Self(table, ids, width, by, ahead) = self;
                for (at, &id) in ids.iter().enumerate() {
                    if ahead > 0
                        && let Some(&next) = ids.get(at + ahead)
                    {
                        let row = table.start().wrapping_add(next as usize * width);
                        (0..width).step_by(LINE).for_each(|word| ask(row.wrapping_add(word)));
                    }
                    // SAFETY: the instruction set by contract; the row lies in the table, in whole half registers: that is checked below.
                    unsafe {
                        let (row, by) = (table.start().add(id as usize * width), V::Half::splat(by));
                        for word in (0..width).step_by(V::Half::WORDS) {
                            V::Half::load(row.add(word)).add(by).store(row.add(word));
                        }
                    }
                }
            }
        }
        assert!(width > 0 && width.is_multiple_of(8), "rows of {width} words are no half registers");
        let words = (ids.limit() as usize).checked_mul(width);
        assert!(words.is_some_and(|words| words <= table.len()), "ids made for a larger table");
        self.run(AddToRows(table, ids.as_slice(), width, by, ahead));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::sync::atomic::AtomicU32;
    use std::vec::Vec;

    #[test]
    fn limits_do_the_work_that_they_are_said_to_do() {
        let zeros = |words: usize| (0..words).map(|_| AtomicU32::new(0)).collect::<Vec<_>>();
        let ids = [3, 0, 3, 4, 3];
        let ids = Ids::check(&ids, 5).unwrap();
        for backend in Backend::all() {
            for ahead in [0, 1, 4, 5, 100] {
                let words = zeros(10);
                backend.add_at::<2>(Cells::new(&words), ids, 1.0, ahead);
                let sums: Vec<f32> = (0..10).map(|at| Cells::new(&words).get(at)).collect();
                assert_eq!(sums, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 1.0, 1.0], "{} {ahead}", backend.name());
                let words = zeros(5 * 24);
                backend.add_to_rows(Cells::new(&words), ids, 24, 1.0, ahead);
                let times = |at: usize| [1.0, 0.0, 0.0, 3.0, 1.0][at / 24];
                assert!((0..5 * 24).all(|at| Cells::new(&words).get(at) == times(at)), "{} {ahead}", backend.name());
            }
        }
    }

    #[test]
    #[should_panic(expected = "ids made for a larger table")]
    fn ids_beyond_the_table_are_refused() {
        let words = [AtomicU32::new(0), AtomicU32::new(0)];
        Backend::best().add_at::<2>(Cells::new(&words), Ids::check(&[1], 2).unwrap(), 1.0, 0);
    }

    #[test]
    #[should_panic(expected = "ids made for a larger table")]
    fn ids_beyond_wide_rows_are_refused() {
        let words = [const { AtomicU32::new(0) }; 15];
        Backend::best().add_to_rows(Cells::new(&words), Ids::check(&[1], 2).unwrap(), 8, 1.0, 0);
    }

    #[test]
    #[should_panic(expected = "no half registers")]
    fn rows_that_registers_do_not_divide_are_refused() {
        let words = [const { AtomicU32::new(0) }; 24];
        Backend::best().add_to_rows(Cells::new(&words), Ids::check(&[1], 2).unwrap(), 12, 1.0, 0);
    }
}
