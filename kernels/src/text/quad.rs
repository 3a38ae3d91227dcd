//! [`Quad`]: what an instruction set must offer to read text.

/// Four words of text of up to sixteen bytes, each in a lane of its own, its last byte first: in this order the first byte
/// that is no digit is a lowest bit, and digits have their places whatever the length.
///
/// Masks have a bit for each byte, sixteen bits a lane.
///
/// # Safety
/// All functions are to be called where the instruction set is there, and pointers must be good for what is read and written.
pub(crate) trait Quad: Copy {
    /// The blanks, colons and newlines among the 64 bytes at `text`; newlines are blanks as well.
    unsafe fn classes(text: *const u8) -> [u64; 3];

    /// Writes `from` plus the number of each bit of `mask` to `to`, one after the other; what is in the rest of 64
    /// words is lost.
    unsafe fn positions(mask: u64, from: u32, to: *mut u32);

    /// The sixteen bytes before each of `ends`.
    unsafe fn load(text: *const u8, ends: [u32; 4]) -> Self;

    /// Which bytes are `byte`.
    unsafe fn equal(self, byte: u8) -> u64;

    /// Which bytes are blanks: spaces, tabs, carriage returns and newlines.
    unsafe fn blanks(self) -> u64;

    /// All bytes less `b'0'`, and which of them are digits.
    unsafe fn digits(self) -> (Self, u64);

    /// Zero in the place of the bytes that are not in `mask`.
    unsafe fn keep(self, mask: u64) -> Self;

    /// The bytes in `below` as they are, in the place of each other the one after it in its lane, of the last one 0.
    unsafe fn close_gap(self, below: u64) -> Self;

    /// The whole numbers that the digits make, `even` of words 0, 2, 4 and 6, `odd` of words 1, 3, 5 and 7, to `to`; the bits
    /// of those that are 0 or above 2³² - 1.
    unsafe fn store_keys(even: Self, odd: Self, to: *mut u32) -> u8;

    /// The numbers that the digits make, over ten to the power of how many bits each lane of `below` has (fifteen meaning
    /// none), with a minus where `negative` has a bit, to `to`; which of them are 0, and which may be rounded wrongly.
    unsafe fn store_values(even: (Self, u64), odd: (Self, u64), negative: u8, to: *mut f32) -> (u8, u8);

    /// Of eight positions each, which of `at` do not lie between those of `after` and of `before`.
    unsafe fn outside(after: *const u32, at: *const u32, before: *const u32) -> u8;
}

/// Ten to the power of decimals; fifteen stand for none. All are exact.
pub(crate) static POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e0];

/// The lowest bits of an `f64` that an `f32` has no place for.
pub(crate) const CUT: u64 = (1 << 29) - 1;
/// What they are where it lies in the middle between two of them.
pub(crate) const MIDDLE: u64 = 1 << 28;

/// In the place of the low half of each blank byte, the byte: looked up by its own low half, a byte is a blank if it finds
/// itself.
pub(crate) static BLANKS: [u8; 16] = [b' ', 0, 0, 0, 0, 0, 0, 0, 0, b'\t', b'\n', 0, 0, b'\r', 0, 0];
