//! [`Quad`]: what an instruction set must offer to read text.

/// Four words of text of up to sixteen bytes, each in a lane of its own, which ends with its last byte.
///
/// # Safety
/// All functions are to be called where the instruction set is there, and pointers must be good for what is read and written.
pub(crate) trait Quad: Copy {
    /// A bit, or all ones, for each byte of four words.
    type Mask: Copy;
    /// The lengths of eight words.
    type Lengths: Copy;

    /// The blanks, colons and newlines among the 64 bytes at `text`; newlines are blanks as well.
    unsafe fn classes(text: *const u8) -> [u64; 3];

    /// Writes `from` plus the number of each bit of `mask` to `to`, one after the other; what is in the rest of 64
    /// words is lost.
    unsafe fn positions(mask: u64, from: u32, to: *mut u32);

    /// How many bytes lie between those of `after` and of `before`, eight positions each; the bits of those that are none or
    /// more than `most`.
    unsafe fn lengths(after: *const u32, before: *const u32, most: i32) -> (Self::Lengths, u8);

    /// The length of each word in all bytes of its lane: of words 0, 2, 4 and 6, and of words 1, 3, 5 and 7.
    unsafe fn spread(lengths: Self::Lengths) -> [Self; 2];

    /// The sixteen bytes before every other one of the eight positions at `ends`.
    unsafe fn load(text: *const u8, ends: *const u32) -> Self;

    /// The digits of keys, whose lengths are spread in `lengths`; zero before them. Where there is something else.
    unsafe fn key(self, lengths: Self) -> (Self, Self::Mask);

    /// The digits of values, and so on.
    unsafe fn value(self, lengths: Self) -> Values<Self>;

    /// The whole numbers that the digits make, words of `even` and `odd` in turn, to `to`; the bits of those that are above
    /// 2³² - 1.
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8;

    /// The numbers that the values are, words of `even` and `odd` in turn, to `to`; the bits of those that are 0, and of those
    /// that may be rounded wrongly or have two dots.
    unsafe fn store_values(even: Values<Self>, odd: Values<Self>, to: *mut f32) -> (u8, u8);

    /// Some byte is in some of `masks`.
    unsafe fn any(masks: [Self::Mask; 4]) -> bool;

    /// The bytes that are in one of two, sixteen bits a word.
    unsafe fn bits(a: Self::Mask, b: Self::Mask) -> u64;
}

/// Four values: digits, a dot, a minus before them.
#[derive(Clone, Copy)]
pub(crate) struct Values<Q: Quad> {
    /// The digits side by side, as if there were no dot; zero before them.
    pub(crate) digits: Q,
    /// In both halves of each lane: 0 where there is no dot, else 16 and how many digits come after it, more where there are
    /// several.
    pub(crate) dots: Q,
    /// The first byte, in all bytes of its lane.
    pub(crate) first: Q,
    /// Where there is something else.
    pub(crate) wrong: Q::Mask,
}

/// Ten to the power of how many digits come after the dot. All are exact.
pub(crate) static POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Of each byte of a lane, 16 and how many come after it.
pub(crate) static PLACES: [u8; 16] = [31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16];

/// Of each byte of a lane, how many come after it.
pub(crate) static AFTER: [u8; 16] = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];

/// The lowest bits of an `f64` that an `f32` has no place for.
pub(crate) const CUT: u64 = (1 << 29) - 1;
/// What they are where it lies in the middle between two of them.
pub(crate) const MIDDLE: u64 = 1 << 28;

/// In the place of the low half of each blank byte, the byte: looked up by its own low half, a byte is a blank if it finds
/// itself.
pub(crate) static BLANKS: [u8; 16] = [b' ', 0, 0, 0, 0, 0, 0, 0, 0, b'\t', b'\n', 0, 0, b'\r', 0, 0];
