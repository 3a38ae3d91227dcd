//! Every memory mapping of the crate: files that are read, and the shared words that children race on.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicU32;

use hogback_kernels::Cells;
use memmap2::{Advice, Mmap, MmapOptions, MmapRaw, UncheckedAdvice};
use rustix::mm::{Advice as Wish, madvise};

/// A file mapped for reading.
///
/// Data files and caches are assumed not to be changed in place while they are mapped: caches are replaced by
/// rename, never rewritten, and a data file that is rewritten during a run is an error of its owner (reading it
/// may then fail with SIGBUS, as in every program that maps files).
#[derive(Debug)]
pub struct Map(Mmap);

impl Map {
    /// Maps the whole of `file`.
    ///
    /// # Errors
    /// The system's, where the file cannot be mapped (a pipe, a device).
    pub fn open(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is read-only, but shows what is written to the file: that nobody rewrites or truncates it
        // meanwhile is the documented assumption of this type, on which the checks of what was read rest.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self(map))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Gives back the pages within `part`, which are bytes of this map that are not needed any more; whoever looks at them
    /// nevertheless finds them as they were, a little later.
    pub fn let_go(&self, part: &[u8]) {
        const PAGE: usize = 4096;
        let at = (part.as_ptr() as usize).wrapping_sub(self.0.as_ptr() as usize);
        let from = at.next_multiple_of(PAGE);
        let to = at.saturating_add(part.len()).min(self.0.len()) / PAGE * PAGE;
        if from < to {
            // SAFETY: the range lies in the mapping, which is one of a file and read-only: its pages come back from the file.
            // Advice only: where it is not taken everything works, and takes more memory.
            let _ = unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        }
    }
}

/// An empty vector with room for `capacity` elements, on huge pages where it is large and the system has them: for tables
/// that are looked into all over.
pub fn with_huge_pages<T>(capacity: usize) -> Vec<T> {
    const HUGE: usize = 2 << 20;
    let mut vector = Vec::with_capacity(capacity);
    if let Some((start, bytes)) = whole_pages(vector.spare_capacity_mut(), HUGE) {
        // SAFETY: the range is whole pages of the allocation; the advice changes what backs it, and no byte.
        // Without huge pages everything works, a little slower.
        let _ = unsafe { madvise(start.cast(), bytes, Wish::LinuxHugepage) };
    }
    vector
}

/// Asks for the pages of the next `count` elements that `vector` has room for, all at once: faults one by one take half as long
/// again.
pub fn ask_for_pages<T>(vector: &mut Vec<T>, count: usize) {
    const PAGE: usize = 4096;
    let spare = vector.spare_capacity_mut();
    let count = count.min(spare.len());
    if let Some((start, bytes)) = whole_pages(&mut spare[..count], PAGE) {
        // SAFETY: the range is whole pages of the allocation; the advice changes what backs it, and no byte.
        // Where it is not taken, pages come when they are touched.
        let _ = unsafe { madvise(start.cast(), bytes, Wish::LinuxPopulateWrite) };
    }
}

/// Where the first whole page of `page` bytes within `spare` begins, and how many bytes all of them have; `None` where there is
/// none.
fn whole_pages<T>(spare: &mut [MaybeUninit<T>], page: usize) -> Option<(*mut u8, usize)> {
    let start = spare.as_mut_ptr().cast::<u8>();
    let to_first = start.align_offset(page);
    let bytes = size_of_val(spare).checked_sub(to_first)? / page * page;
    (bytes > 0).then(|| (start.wrapping_add(to_first), bytes))
}

/// Shared 32-bit words in anonymous memory, reserved once and zero until written.
///
/// Address space is taken at once, memory page by page as it is touched; nothing moves while the region lives.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
    words: usize,
}

impl Region {
    /// Reserves `words` words, all zero, with huge pages where the system has them.
    ///
    /// # Errors
    /// The system's, where so much address space is not to be had.
    pub fn reserve(words: usize) -> io::Result<Self> {
        let bytes = words.max(1).checked_mul(4).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let map = MmapRaw::from(MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?);
        if bytes >= 2 << 20 {
            // Advice only: without huge pages everything works, a little slower.
            let _ = map.advise(Advice::HugePage);
        }
        Ok(Self { map, words })
    }

    /// How many words are reserved.
    pub fn len(&self) -> usize {
        self.words
    }

    /// True where no word is reserved.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// All the words.
    pub fn cells(&self) -> Cells<'_> {
        let start = self.map.as_ptr().cast::<AtomicU32>();
        // SAFETY: the mapping is readable, writable, page-aligned, at least `words` words long, zero (a valid AtomicU32)
        // or written as AtomicU32, and lives as long as `self`; nothing ever makes a plain reference into it.
        Cells::new(unsafe { std::slice::from_raw_parts(start, self.words) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_let_go_is_found_as_it_was() {
        const LEN: usize = 9 * 4096 + 123;
        let bytes: Vec<u8> = (0..LEN).map(|at| (at * 31 + at / 4096) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let map = Map::open(&file).unwrap();
        assert!(map.bytes() == bytes);
        let pages = [0..LEN, 0..4096, 4096..3 * 4096];
        let unaligned = [1..4097, 4095..8193, 100..5 * 4096 + 7, 4097..4098, LEN - 1..LEN, 5000..LEN];
        let empty = [0..0, 4096..4096, 77..77, LEN..LEN];
        for part in pages.into_iter().chain(unaligned).chain(empty) {
            map.let_go(&map.bytes()[part.clone()]);
            assert!(map.bytes() == bytes, "{part:?}");
        }
        map.let_go(&[]);
        assert!(map.bytes() == bytes);
    }
}
