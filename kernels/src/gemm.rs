//! Products of small matrices in private memory, by blocks of six rows that stay in registers.
//!
//! What flows in: two matrices, either as it lies or transposed. What flows out: their product, into a third or added to it.
//!
//! Every word of the product is one sum over k, from the first to the last, whatever block it falls into: of one backend a
//! product has the same bits whatever the number of rows or columns around a word.

use core::mem::MaybeUninit;

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::matrix::{Matrix, MatrixMut};

/// Does something for each number below `$count`, a constant of at most 8, in as many copies: a loop of so many instructions would not
/// be unrolled, and what is indexed by its counter would not stay in registers.
macro_rules! each {
    ($count:expr, $at:ident, $body:expr) => {
        each!(@ $count, $at, $body, 0 1 2 3 4 5 6 7)
    };
    (@ $count:expr, $at:ident, $body:expr, $($number:literal)*) => {
        $(
            if $number < $count {
                let $at: usize = $number;
                $body
            }
        )*
    };
}
pub(crate) use each;

/// Rows of a block.
const ROWS: usize = 6;
/// Registers of the widest block, that of a product of one row.
const WIDE: usize = 8;
/// Products of at most that many columns may be computed transposed.
const NARROW: usize = ROWS;
/// Words of a stretch of the right matrix that is packed at a time: with what else is touched it stays in a first-level cache.
const PACKED: usize = 6144;
/// Where a block is as wide as a cache line, the right matrix is packed for at least that many rows of the left one: its lines are
/// read again for every block, and lie so far apart that few of them fit a cache. Wider blocks do more with each, and gain nothing.
const PACK_FROM: usize = 128;

impl Backend {
    /// c = a·b, or c += a·b where `add`.
    ///
    /// # Panics
    /// Where the shapes do not fit each other.
    pub fn multiply(self, mut c: MatrixMut<'_>, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
        struct Multiply(Product);
        impl Work for Multiply {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                // SAFETY: the caller's promise; the shapes are checked below.
                unsafe { self.0.compute::<V>() }
            }
        }
        assert_eq!(a.columns(), b.rows(), "the columns of the left matrix against the rows of the right one");
        assert_eq!((c.rows(), c.columns()), (a.rows(), b.columns()), "a product of another shape");
        let [m, k, n] = [a.rows(), a.columns(), b.columns()];
        if k == 0 {
            if !add {
                c.each().for_each(|row| row.fill(0.0));
            }
            return;
        }
        if m == 0 || n == 0 {
            return;
        }
        let c_strides = [c.stride(), 1];
        let product = Product {
            shape: [m, k, n],
            c: c.start(),
            c_strides,
            a: a.start(),
            a_strides: a.strides,
            b: b.start(),
            b_strides: b.strides,
            add,
        };
        // Registers along so few columns would be mostly empty, and the other way words of `a` lie side by side.
        let turn = n <= NARROW && m > n && a.strides[0] == 1;
        self.run(Multiply(if turn { product.turned() } else { product }));
    }
}

/// m × n words that are, or grow by, the product of m × k and k × n words; none of the three is 0. Strides are those of rows and of
/// columns.
#[derive(Clone, Copy)]
struct Product {
    shape: [usize; 3],
    c: *mut f32,
    c_strides: [usize; 2],
    a: *const f32,
    a_strides: [usize; 2],
    b: *const f32,
    b_strides: [usize; 2],
    add: bool,
}

/// Room for a stretch of the right matrix.
#[repr(align(64))]
struct Packed(MaybeUninit<[f32; PACKED]>);

impl Product {
    /// The same product, transposed: bᵀ·aᵀ.
    fn turned(self) -> Self {
        let turn = |[row, column]: [usize; 2]| [column, row];
        let [m, k, n] = self.shape;
        Self {
            shape: [n, k, m],
            c_strides: turn(self.c_strides),
            a: self.b,
            a_strides: turn(self.b_strides),
            b: self.a,
            b_strides: turn(self.a_strides),
            ..self
        }
    }

    /// # Safety
    /// The instruction set of `V`, and matrices that hold what the shape says, `c` for this call alone.
    #[inline(always)]
    unsafe fn compute<V: Lane>(&self) {
        let [m, k, n] = self.shape;
        let contiguous = self.b_strides[1] == 1;
        let beside = if m == 1 && contiguous { WIDE } else { V::BESIDE };
        let direct = contiguous && (m < PACK_FROM || V::BESIDE > 2);
        let panel = beside * V::WORDS;
        let deep = if direct { k } else { PACKED / panel };
        let mut packed = Packed(MaybeUninit::uninit());
        let packed = packed.0.as_mut_ptr().cast::<f32>();
        for column in (0..n).step_by(panel) {
            let width = panel.min(n - column);
            let registers = width.next_multiple_of(V::WORDS);
            for from in (0..k).step_by(deep) {
                let depth = deep.min(k - from);
                // SAFETY: all offsets lie within the matrices; a packed stretch has `depth` rows of at most a panel, whose product
                // is at most `PACKED`.
                unsafe {
                    let b = self.b.add(from * self.b_strides[0] + column * self.b_strides[1]);
                    let (b, b_stride, b_width) = if direct {
                        (b, self.b_strides[0], width)
                    } else {
                        pack::<V>(b, self.b_strides, [depth, width], packed);
                        (packed.cast_const(), registers, registers)
                    };
                    for row in (0..m).step_by(ROWS) {
                        let block = Block {
                            depth,
                            a: self.a.add(row * self.a_strides[0] + from * self.a_strides[1]),
                            a_strides: self.a_strides,
                            b,
                            b_stride,
                            b_width,
                            c: self.c.add(row * self.c_strides[0] + column * self.c_strides[1]),
                            c_stride: self.c_strides[0],
                            width,
                            add: self.add || from > 0,
                        };
                        let rows = ROWS.min(m - row);
                        if self.c_strides[1] == 1 {
                            block.compute::<V>(rows);
                        } else {
                            block.compute_apart::<V>(rows, self.c_strides);
                        }
                    }
                }
            }
        }
    }
}

/// Copies `depth` rows of `width` words to `to`, whole registers of words each, with zeros behind.
///
/// # Safety
/// The instruction set of `V`; the words at `from`, one of whose strides is 1, and room at `to`.
#[inline(always)]
unsafe fn pack<V: Lane>(from: *const f32, strides: [usize; 2], [depth, width]: [usize; 2], to: *mut f32) {
    let stride = width.next_multiple_of(V::WORDS);
    // SAFETY: the caller's promise.
    unsafe {
        if strides[1] == 1 {
            let whole = width - width % V::WORDS;
            for row in 0..depth {
                let (from, to) = (from.add(row * strides[0]), to.add(row * stride));
                for at in (0..whole).step_by(V::WORDS) {
                    V::load_private(from.add(at)).store_private(to.add(at));
                }
                if whole < width {
                    V::load_first(from.add(whole), width - whole).store_private(to.add(whole));
                }
            }
            return;
        }
        // Squares of sixteen words, which the compiler turns in registers; then what is left.
        let [down, across] = [depth - depth % 4, width - width % 4];
        for column in (0..across).step_by(4) {
            let from = from.add(column * strides[1]);
            for row in (0..down).step_by(4) {
                let mut square = [[0.0f32; 4]; 4];
                each!(4, at, square[at] = from.add(at * strides[1] + row).cast::<[f32; 4]>().read_unaligned());
                let to = to.add(row * stride + column);
                each!(4, at, {
                    let turned = [square[0][at], square[1][at], square[2][at], square[3][at]];
                    to.add(at * stride).cast::<[f32; 4]>().write_unaligned(turned);
                });
            }
        }
        for column in 0..width {
            for row in if column < across { down } else { 0 }..depth {
                *to.add(row * stride + column) = *from.add(column * strides[1] + row);
            }
        }
        for (row, column) in (0..depth).flat_map(|row| (width..stride).map(move |column| (row, column))) {
            *to.add(row * stride + column) = 0.0;
        }
    }
}

/// At most six rows by a panel of the product.
struct Block {
    depth: usize,
    a: *const f32,
    a_strides: [usize; 2],
    b: *const f32,
    b_stride: usize,
    /// How many words of a row of `b` there are: the width, or whole registers.
    b_width: usize,
    c: *mut f32,
    c_stride: usize,
    /// Columns of `c`.
    width: usize,
    /// Whether the sums begin with what stands in `c`.
    add: bool,
}

impl Block {
    /// # Safety
    /// The instruction set of `V`; matrices that hold `rows` rows, `depth` and the width.
    #[inline(always)]
    unsafe fn compute<V: Lane>(&self, rows: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.width.div_ceil(V::WORDS) {
                1 => self.by_rows::<V, 1>(rows),
                2 => self.by_rows::<V, 2>(rows),
                3 if V::BESIDE > 2 => self.by_rows::<V, 3>(rows),
                4 if V::BESIDE > 2 => self.by_rows::<V, 4>(rows),
                // Only a product of one row has blocks that are wider.
                3 => self.sum::<V, 1, 3>(),
                4 => self.sum::<V, 1, 4>(),
                5 => self.sum::<V, 1, 5>(),
                6 => self.sum::<V, 1, 6>(),
                7 => self.sum::<V, 1, 7>(),
                _ => self.sum::<V, 1, WIDE>(),
            }
        }
    }

    /// [`Block::compute`] where `c` has its words `strides` apart.
    ///
    /// # Safety
    /// The same.
    #[inline(always)]
    unsafe fn compute_apart<V: Lane>(self, rows: usize, strides: [usize; 2]) {
        let mut words = [0.0f32; ROWS * 4 * 16];
        let c = self.c;
        let width = self.width;
        let places =
            |row: usize| (0..width).map(move |column| (row * width + column, row * strides[0] + column * strides[1]));
        debug_assert!(rows * width <= words.len());
        // SAFETY: the caller's promise; `words` holds six rows of four registers of sixteen, and so one row of eight, which is as wide as
        // a panel gets, and that for one row alone.
        unsafe {
            if self.add {
                for (here, there) in (0..rows).flat_map(places) {
                    words[here] = *c.add(there);
                }
            }
            Self { c: words.as_mut_ptr(), c_stride: width, ..self }.compute::<V>(rows);
            for (here, there) in (0..rows).flat_map(places) {
                *c.add(there) = words[here];
            }
        }
    }

    /// # Safety
    /// That of [`Block::compute`], and a width of `N` registers.
    #[inline(always)]
    unsafe fn by_rows<V: Lane, const N: usize>(&self, rows: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match rows {
                1 => self.sum::<V, 1, N>(),
                2 => self.sum::<V, 2, N>(),
                3 => self.sum::<V, 3, N>(),
                4 => self.sum::<V, 4, N>(),
                5 => self.sum::<V, 5, N>(),
                _ => self.sum::<V, ROWS, N>(),
            }
        }
    }

    /// `M` rows by `N` registers.
    ///
    /// # Safety
    /// That of [`Block::compute`], for exactly so many.
    #[inline(always)]
    unsafe fn sum<V: Lane, const M: usize, const N: usize>(&self) {
        let last = self.width - (N - 1) * V::WORDS;
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; M];
            if self.add {
                each!(M, row, {
                    let c = self.c.add(row * self.c_stride).cast_const();
                    each!(N, at, {
                        let c = c.add(at * V::WORDS);
                        sums[row][at] =
                            if at + 1 < N || last == V::WORDS { V::load_private(c) } else { V::load_first(c, last) };
                    });
                });
            }
            // Two loops, so that neither asks at every step.
            if self.b_width == N * V::WORDS {
                self.grow::<V, M, N, true>(&mut sums);
            } else {
                self.grow::<V, M, N, false>(&mut sums);
            }
            each!(M, row, {
                let c = self.c.add(row * self.c_stride);
                each!(N, at, {
                    let c = c.add(at * V::WORDS);
                    if at + 1 < N || last == V::WORDS {
                        sums[row][at].store_private(c);
                    } else {
                        sums[row][at].store_first(c, last);
                    }
                });
            });
        }
    }

    /// Adds all products to `sums`; `WHOLE` says that the last register of a row of `b` is.
    ///
    /// # Safety
    /// That of [`Block::sum`].
    #[inline(always)]
    unsafe fn grow<V: Lane, const M: usize, const N: usize, const WHOLE: bool>(&self, sums: &mut [[V; N]; M]) {
        let last = self.b_width - (N - 1) * V::WORDS;
        // SAFETY: the caller's promise.
        unsafe {
            let (mut a, mut b) = (self.a, self.b);
            let [down, along] = self.a_strides;
            for _ in 0..self.depth {
                let mut right = [V::splat(0.0); N];
                each!(N, at, {
                    let b = b.add(at * V::WORDS);
                    right[at] = if WHOLE || at + 1 < N { V::load_private(b) } else { V::load_first(b, last) };
                });
                each!(M, row, {
                    let left = V::splat(*a.add(row * down));
                    each!(N, at, sums[row][at] = left.fma(right[at], sums[row][at]));
                });
                a = a.wrapping_add(along);
                b = b.wrapping_add(self.b_stride);
            }
        }
    }
}
