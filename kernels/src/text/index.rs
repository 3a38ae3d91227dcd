//! [`Lines`]: the lines of a text, and where in each its words and colons are.

use alloc::vec::Vec;
use core::ops::Range;
use core::ptr;

use super::pairs::pairs;
use super::quad::Quad;
use super::{Line, Pairs};
use crate::backend::{Backend, Kind};

/// As many bytes of text are indexed at once, if so many whole lines fill them: what is found in them stays in the cache.
const STRETCH: usize = 16 << 10;
/// A line that is longer is not indexed.
const LONGEST: usize = 16 << 20;
/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// So far before the end of a word a [`Quad`] looks.
const REACH: usize = 16;
/// So many pairs are read together.
const EIGHT: usize = 8;

/// The lines of a text, one after the other.
#[derive(Debug)]
pub struct Lines<'t> {
    text: &'t [u8],
    run: fn(&mut Self, Job<'_>),
    /// Where the next stretch begins, which is a line.
    next: usize,
    /// Where words end; the first one stands for what is before the stretch. All are below the text's length or equal to it.
    ends: Vec<u32>,
    /// Where colons stand; all are below the text's length.
    colons: Vec<u32>,
    lines: Vec<Place>,
    /// How many of `lines` have been handed out.
    done: usize,
    odd: Vec<u32>,
}

/// Where a line is, and its words and colons among those of the stretch.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    words: (u32, u32),
    colons: (u32, u32),
}

/// What is to be done by the instruction set.
enum Job<'j> {
    Index { to: usize },
    Read { keys: Option<&'j mut [u32]>, values: &'j mut [f32], read: &'j mut Pairs },
}

impl<'t> Lines<'t> {
    /// The lines of `text`, if `backend` has vectors to find and read them with.
    ///
    /// # Panics
    /// Where the text has 2³¹ bytes or more.
    pub fn new(backend: Backend, text: &'t [u8]) -> Option<Self> {
        assert!(text.len() < 1 << 31, "a text of 2 GiB or more");
        let run: fn(&mut Self, Job<'_>) = match backend.0 {
            // SAFETY: a `Backend` exists only where its instruction set does.
            Kind::Avx2 => |lines, job| unsafe { avx2(lines, job) },
            // SAFETY: as above.
            Kind::Avx512 => |lines, job| unsafe { avx512(lines, job) },
            Kind::Scalar => return None,
        };
        let (ends, colons, lines, odd) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Some(Self { text, run, next: 0, ends, colons, lines, done: 0, odd })
    }

    /// The next line.
    pub fn next_line(&mut self) -> Option<Line> {
        if self.done == self.lines.len() {
            let mut length = STRETCH;
            while self.done == self.lines.len() && self.next < self.text.len() {
                if length > LONGEST {
                    self.pass_over();
                    break;
                }
                let to = (self.next + length).min(self.text.len());
                (self.run)(self, Job::Index { to });
                length *= 2;
            }
        }
        let place = *self.lines.get(self.done)?;
        self.done += 1;
        let pairs = place.pairs();
        let first = match pairs {
            Some(count) if count < place.count() => self.ends[place.before()] as usize,
            _ => place.start,
        };
        Some(Line { start: place.start, end: place.end, first: place.start..first, pairs })
    }

    /// Makes the next line one that is to be read in another way.
    fn pass_over(&mut self) {
        let (start, text) = (self.next, self.text);
        let end = text[start..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| start + at);
        (self.done, self.next) = (0, end + 1);
        self.lines.clear();
        self.lines.push(Place { start, end, words: (0, 0), colons: (0, 0) });
    }

    /// Reads the pairs of the line that was handed out last, which must have some or none, to the beginning of `keys` and
    /// `values`: keys of up to ten digits from 0 to 2³² - 1, values of up to fourteen digits without an exponent, correctly
    /// rounded. All others are left to whoever asks, see [`Lines::odd`]; what stands in their places is nothing.
    ///
    /// # Panics
    /// Where it is no line of pairs, or `keys` or `values` have no room for its pairs, rounded up to eights.
    pub fn read(&mut self, keys: &mut [u32], values: &mut [f32]) -> Pairs {
        let mut read = Pairs::default();
        (self.run)(self, Job::Read { keys: Some(keys), values, read: &mut read });
        read
    }

    /// [`Lines::read`], but of pairs of names and values: the names, which may be anything, are left to whoever asks, see
    /// [`Lines::names`].
    ///
    /// # Panics
    /// As there.
    pub fn read_values(&mut self, values: &mut [f32]) -> Pairs {
        let mut read = Pairs::default();
        (self.run)(self, Job::Read { keys: None, values, read: &mut read });
        read
    }

    /// Where the names are in the pairs of the line that was handed out last, blanks before them included.
    pub fn names(&self) -> impl Iterator<Item = Range<usize>> {
        let place = self.done.checked_sub(1).and_then(|line| self.lines.get(line)).copied();
        let (ends, colons) = place.map_or((&[][..], &[][..]), |place| {
            let colons = &self.colons[place.colons.0 as usize..place.colons.1 as usize];
            (&self.ends[place.before()..], colons)
        });
        let start = place.map_or(0, |place| place.start);
        ends.iter().zip(colons).map(move |(&end, &colon)| start.max(end as usize)..colon as usize)
    }

    /// Where the words are of the line that was handed out last, blanks before them included; none where it must be read in
    /// another way.
    pub fn words(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        let place = self.done.checked_sub(1).and_then(|line| self.lines.get(line)).copied();
        let (start, ends) = place.map_or((0, &[][..]), |place| {
            let words = place.words.0 as usize..place.words.1 as usize;
            (place.start, if words.is_empty() { &[][..] } else { &self.ends[words.start - 1..words.end] })
        });
        ends.windows(2).map(move |ends| start.max(ends[0] as usize)..ends[1] as usize)
    }

    /// Which pairs were not read when [`Lines::read`] was called last, and where their words are, blanks before them included.
    pub fn odd(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let place = self.done.checked_sub(1).and_then(|line| self.lines.get(line)).copied();
        let (start, before) = place.map_or((0, 0), |place| (place.start, place.before()));
        self.odd.iter().map(move |&pair| {
            let at = before + pair as usize;
            (pair as usize, start.max(self.ends[at] as usize)..self.ends[at + 1] as usize)
        })
    }

    /// # Safety
    /// The instruction set of `Q`.
    #[inline(always)]
    unsafe fn work<Q: Quad>(&mut self, job: Job<'_>) {
        match job {
            // SAFETY: the caller's promise.
            Job::Index { to } => unsafe { self.index::<Q>(to) },
            Job::Read { keys, values, read } => {
                let place = self.done.checked_sub(1).map(|line| self.lines[line]);
                let Some((place, count)) = place.and_then(|place| Some((place, place.pairs()?))) else {
                    panic!("there is no line of pairs to be read");
                };
                let room = count.next_multiple_of(EIGHT);
                let has_room = values.len() >= room && keys.as_ref().is_none_or(|keys| keys.len() >= room);
                assert!(has_room, "no room for the pairs of a line");
                let (ends, colons) =
                    (&self.ends[place.before()..][..room + 1], &self.colons[place.colons.0 as usize..][..room]);
                let (lists, text) = ((ends.as_ptr(), colons.as_ptr()), self.text.as_ptr());
                let odd = &mut self.odd;
                odd.clear();
                let odd = |pair| odd.push(pair as u32);
                let mut rising = true;
                // SAFETY: the slices hold what `pairs` reads and writes. Positions are places of the text or its end, by what
                // `index` makes, and from the beginning of this line on not below 16; only the first end may be before that.
                let found = unsafe {
                    match keys {
                        Some(keys) => {
                            let to = (keys.as_mut_ptr(), values.as_mut_ptr());
                            let found = pairs::<Q, true>(text, lists, count, to, odd);
                            rising = rise(&keys[..count]);
                            found
                        }
                        None => pairs::<Q, false>(text, lists, count, (ptr::null_mut(), values.as_mut_ptr()), odd),
                    }
                };
                *read = Pairs { rising, zeros: found };
            }
        }
    }

    /// Indexes the text up to `to`; the next stretch begins behind the last newline before, if there is one, and the lines are
    /// those up to there. At the end of the text the last line may be without a newline.
    ///
    /// # Safety
    /// The instruction set of `Q`.
    #[inline(always)]
    unsafe fn index<Q: Quad>(&mut self, to: usize) {
        let Self { text, next: from, ends, colons, lines, done, .. } = self;
        *done = 0;
        lines.clear();
        ends.clear();
        colons.clear();
        let room = to - *from + 2 * BLOCK;
        ends.reserve(room);
        colons.reserve(room);
        ends.push(*from as u32);
        let mut start = (*from, 1, 0);
        // What comes before a line is as good as a blank.
        let mut blank = 1;
        let mut at = *from;
        while at < to {
            let mut tail = [b' '; BLOCK];
            let block = match text.get(at..at + BLOCK) {
                Some(block) => block.as_ptr(),
                None => {
                    tail[..text.len() - at].copy_from_slice(&text[at..]);
                    tail.as_ptr()
                }
            };
            // SAFETY: the block has 64 bytes.
            let [blanks, mut here, mut newlines] = unsafe { Q::classes(block) };
            let mut stops = blanks & !(blanks << 1 | blank);
            blank = blanks >> 63;
            if at + BLOCK > to {
                let within = u64::MAX >> (at + BLOCK - to);
                (here, newlines, stops) = (here & within, newlines & within, stops & within);
            }
            while newlines != 0 {
                let newline = newlines.trailing_zeros();
                newlines &= newlines - 1;
                let upto = u64::MAX >> (63 - newline);
                let words = ends.len() as u32 + (stops & upto).count_ones();
                let marks = colons.len() as u32 + (here & upto).count_ones();
                let end = at + newline as usize;
                lines.push(Place { start: start.0, end, words: (start.1, words), colons: (start.2, marks) });
                start = (end + 1, words, marks);
            }
            // SAFETY: of a block there are at most 64 positions of each kind, and blocks not more than there is room for.
            unsafe {
                append::<Q>(ends, at, stops);
                append::<Q>(colons, at, here);
            }
            at += BLOCK;
        }
        if to == text.len() && start.0 < to {
            // The last word may end with the text.
            if !matches!(text[to - 1], b' ' | b'\t' | b'\r' | b'\n') {
                ends.push(to as u32);
            }
            let (words, marks) = (ends.len() as u32, colons.len() as u32);
            lines.push(Place { start: start.0, end: to, words: (start.1, words), colons: (start.2, marks) });
            start.0 = to;
        }
        if !lines.is_empty() {
            *from = start.0;
        }
        // So that eight can be read wherever one is.
        for list in [ends, colons] {
            let last = list.last().copied().unwrap_or_default();
            list.extend([last; EIGHT]);
        }
    }
}

impl Place {
    /// How many words.
    fn count(&self) -> usize {
        (self.words.1 - self.words.0) as usize
    }

    /// How many pairs, as [`Line::pairs`] says.
    fn pairs(&self) -> Option<usize> {
        let (words, colons) = (self.count(), (self.colons.1 - self.colons.0) as usize);
        (self.start >= REACH && words > 0 && words >= colons).then_some(colons)
    }

    /// Which end, of those of the stretch, comes before the first pair.
    fn before(&self) -> usize {
        (self.words.1 - (self.colons.1 - self.colons.0) - 1) as usize
    }
}

/// Whether each key is above the one before.
///
/// Without iterators: what is handed to them would not be compiled for the instruction set of whoever this is inlined into.
#[inline(always)]
fn rise(keys: &[u32]) -> bool {
    let (mut falls, mut at) = (0, 1);
    while at < keys.len() {
        falls |= u32::from(keys[at - 1] >= keys[at]);
        at += 1;
    }
    falls == 0
}

/// Appends the positions of the bits of `mask`, counted from `from`.
///
/// # Safety
/// The instruction set of `Q`, and room for 64 more.
#[inline(always)]
unsafe fn append<Q: Quad>(list: &mut Vec<u32>, from: usize, mask: u64) {
    let length = list.len();
    // SAFETY: the caller's promise; as many words as the mask has bits are written, and the others lie within the 64 there is
    // room for.
    unsafe {
        Q::positions(mask, from as u32, list.as_mut_ptr().add(length));
        list.set_len(length + mask.count_ones() as usize);
    }
}

/// # Safety
/// The instruction set.
#[target_feature(enable = "avx2,fma,bmi1,bmi2,popcnt")]
unsafe fn avx2(lines: &mut Lines<'_>, job: Job<'_>) {
    // SAFETY: the caller's promise.
    unsafe { lines.work::<super::avx2::Avx2>(job) }
}

/// # Safety
/// The instruction set.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi1,bmi2,popcnt")]
unsafe fn avx512(lines: &mut Lines<'_>, job: Job<'_>) {
    // SAFETY: the caller's promise.
    unsafe { lines.work::<super::avx512::Avx512>(job) }
}
