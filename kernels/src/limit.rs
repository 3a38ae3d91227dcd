//! What the rules of this crate are measured against: the least that any update has to do, and nothing else. No run calls this.

use core::sync::atomic::Ordering::Relaxed;

use crate::ahead::ask;
use crate::backend::Backend;
use crate::cells::Cells;
use crate::dispatch::Work;
use crate::gemm::each;
use crate::lane::Lane;
use crate::rows::Ids;

impl Backend {
    /// c = a·b of m × k and k × n words, each row behind the one before, by blocks of six rows and no more than that: `b` is read where
    /// it lies, however large it is. With `turned`, `a` is k × m, and its columns are taken for rows.
    ///
    /// # Panics
    /// Where the slices are not as long as the shape says.
    pub fn multiply_plainly(self, c: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3], turned: bool) {
        struct Plainly<'a>(&'a mut [f32], &'a [f32], &'a [f32], [usize; 3], bool);
        impl Work for Plainly<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(c, a, b, shape, turned) = self;
                // SAFETY: the instruction set by contract; the lengths are checked below.
                unsafe {
                    plainly::<V>(c, a, b, shape, turned);
                }
            }
        }
        assert_eq!([c.len(), a.len(), b.len()], [m * n, m * k, k * n], "slices of another shape");
        self.run(Plainly(c, a, b, [m, k, n], turned));
    }

    /// Products and sums of so many registers, `rounds` times twelve, that depend on nothing but the twelfth before each: as many as the
    /// machine can. How many operations on floats that were.
    pub fn multiply_nothing(self, rounds: usize) -> usize {
        struct Nothing<'a>(usize, &'a mut usize);
        impl Work for Nothing<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise.
                unsafe {
                    let (half, mut sums) =
                        (V::splat(core::hint::black_box(0.5)), [V::splat(core::hint::black_box(1.0)); 12]);
                    for _ in 0..self.0 {
                        sums.iter_mut().for_each(|sum| *sum = sum.fma(half, half));
                    }
                    core::hint::black_box(sums.iter().fold(0.0, |all, sum| all + sum.sum()));
                }
                *self.1 = self.0 * 24 * V::WORDS;
            }
        }
        let mut operations = 0;
        self.run(Nothing(rounds, &mut operations));
        operations
    }

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

/// # Safety
/// The instruction set of `V`, and slices as long as the shape says.
#[inline(always)]
unsafe fn plainly<V: Lane>(c: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3], turned: bool) {
    let [down, along] = if turned { [1, m] } else { [k, 1] };
    for column in (0..n).step_by(V::BESIDE * V::WORDS) {
        let words = (n - column).min(V::BESIDE * V::WORDS);
        for row in (0..m).step_by(6) {
            // SAFETY: the caller's promise; blocks end where the matrices do.
            unsafe {
                let (a, b) = ((a.as_ptr().add(row * down), down, along), b.as_ptr().add(column));
                let c = c.as_mut_ptr().add(row * n + column);
                match words.div_ceil(V::WORDS) {
                    1 => plain_rows::<V, 1>(c, a, b, [m - row, k, n], words),
                    2 => plain_rows::<V, 2>(c, a, b, [m - row, k, n], words),
                    3 if V::BESIDE > 2 => plain_rows::<V, 3>(c, a, b, [m - row, k, n], words),
                    _ if V::BESIDE > 2 => plain_rows::<V, 4>(c, a, b, [m - row, k, n], words),
                    _ => {}
                }
            }
        }
    }
}

/// # Safety
/// That of [`plainly`], for a block of `N` registers.
#[inline(always)]
unsafe fn plain_rows<V: Lane, const N: usize>(
    c: *mut f32,
    a: (*const f32, usize, usize),
    b: *const f32,
    [rows, k, n]: [usize; 3],
    words: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match rows {
            1 => plain_block::<V, 1, N>(c, a, b, [k, n], words),
            2 => plain_block::<V, 2, N>(c, a, b, [k, n], words),
            3 => plain_block::<V, 3, N>(c, a, b, [k, n], words),
            4 => plain_block::<V, 4, N>(c, a, b, [k, n], words),
            5 => plain_block::<V, 5, N>(c, a, b, [k, n], words),
            _ => plain_block::<V, 6, N>(c, a, b, [k, n], words),
        }
    }
}

/// # Safety
/// That of [`plainly`], for a block of `M` rows and `N` registers.
#[inline(always)]
unsafe fn plain_block<V: Lane, const M: usize, const N: usize>(
    c: *mut f32,
    (a, down, along): (*const f32, usize, usize),
    b: *const f32,
    [k, n]: [usize; 2],
    words: usize,
) {
    let last = words - (N - 1) * V::WORDS;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; M];
        for at in 0..k {
            let mut right = [V::splat(0.0); N];
            each!(N, i, {
                let b = b.add(at * n + i * V::WORDS);
                right[i] = if i + 1 < N || last == V::WORDS { V::load_private(b) } else { V::load_first(b, last) };
            });
            each!(M, row, {
                let left = V::splat(*a.add(row * down + at * along));
                each!(N, i, sums[row][i] = left.fma(right[i], sums[row][i]));
            });
        }
        each!(M, row, {
            each!(N, i, {
                let c = c.add(row * n + i * V::WORDS);
                if i + 1 < N || last == V::WORDS {
                    sums[row][i].store_private(c);
                } else {
                    sums[row][i].store_first(c, last);
                }
            });
        });
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
    fn the_limit_of_products_is_a_product() {
        for backend in Backend::all() {
            for ([m, k, n], turned) in
                [([6, 3, 5], false), ([7, 4, 70], true), ([16, 2, 64], false), ([3, 5, 33], true)]
            {
                let whole = |len: usize| (0..len).map(|at| (at * 7 % 11) as f32 - 5.0).collect::<Vec<_>>();
                let (a, b, mut c) = (whole(m * k), whole(k * n), whole(m * n));
                backend.multiply_plainly(&mut c, &a, &b, [m, k, n], turned);
                let left = |row: usize, at: usize| if turned { a[at * m + row] } else { a[row * k + at] };
                for (place, &got) in c.iter().enumerate() {
                    let want: f32 = (0..k).map(|at| left(place / n, at) * b[at * n + place % n]).sum();
                    assert_eq!(got, want, "{} {m}x{k}x{n} word {place}", backend.name());
                }
            }
            assert_eq!(backend.multiply_nothing(10) % 480, 0);
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
