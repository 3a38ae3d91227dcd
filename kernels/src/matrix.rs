//! Matrices in private memory, as products take them: checked once.

/// Rows and columns of private floats, to be read; contiguous along one of the two.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    words: &'a [f32],
    rows: usize,
    columns: usize,
    /// Words from one row to the next, and from one column to the next; one of them is 1.
    pub(crate) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// The matrix of `rows` rows of `columns` words each, one behind the other.
    ///
    /// # Panics
    /// Where `words` is of another length.
    pub fn new(words: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(Some(words.len()), rows.checked_mul(columns), "words that are no {rows} rows of {columns}");
        Self { words, rows, columns, strides: [columns, 1] }
    }

    /// The matrix of `rows` rows of `columns` words each, which begin `stride` words apart.
    ///
    /// # Panics
    /// Where rows overlap, or `words` ends before the last of them.
    pub fn with_stride(words: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(words.len(), rows, columns, stride);
        Self { words, rows, columns, strides: [stride, 1] }
    }

    /// Its rows as columns; nothing is moved.
    #[must_use]
    pub fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { words: self.words, rows: self.columns, columns: self.rows, strides: [column, row] }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the words of a row lie side by side.
    pub(crate) fn contiguous(&self) -> bool {
        self.strides[1] == 1 || self.columns <= 1
    }

    /// The rows, one after the other, where they are contiguous.
    pub(crate) fn each(&self) -> impl Iterator<Item = &'a [f32]> {
        let columns = self.columns;
        let rows = if columns == 0 { 0 } else { self.rows };
        self.words.chunks(self.strides[0].max(1)).take(rows).map(move |row| &row[..columns])
    }

    /// Its words, from the first on.
    pub(crate) fn start(&self) -> *const f32 {
        self.words.as_ptr()
    }
}

/// Rows of private floats, to be written.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    words: &'a mut [f32],
    rows: usize,
    columns: usize,
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// The matrix of `rows` rows of `columns` words each, one behind the other.
    ///
    /// # Panics
    /// Where `words` is of another length.
    pub fn new(words: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(Some(words.len()), rows.checked_mul(columns), "words that are no {rows} rows of {columns}");
        Self { words, rows, columns, stride: columns }
    }

    /// The matrix of `rows` rows of `columns` words each, which begin `stride` words apart; what lies between is not touched.
    ///
    /// # Panics
    /// Where rows overlap, or `words` ends before the last of them.
    pub fn with_stride(words: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(words.len(), rows, columns, stride);
        Self { words, rows, columns, stride }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Words from one row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The rows, one after the other.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let columns = self.columns;
        let rows = if columns == 0 { 0 } else { self.rows };
        self.words.chunks_mut(self.stride.max(1)).take(rows).map(move |row| &mut row[..columns])
    }

    /// Its words, from the first on.
    pub(crate) fn start(&mut self) -> *mut f32 {
        self.words.as_mut_ptr()
    }
}

fn check(words: usize, rows: usize, columns: usize, stride: usize) {
    assert!(columns <= stride || rows <= 1, "rows of {columns} words that begin {stride} apart");
    let needed = if rows == 0 { Some(0) } else { stride.checked_mul(rows - 1).and_then(|at| at.checked_add(columns)) };
    assert!(needed.is_some_and(|needed| needed <= words), "{words} words end before the last of {rows} rows");
}
