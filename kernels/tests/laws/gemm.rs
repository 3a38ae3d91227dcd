//! Products of matrices against the naive thing in f64: every shape, as it lies and transposed, in any place.

use ndarray::Array2;

use hogback_kernels::{Backend, Ids, Matrix, MatrixMut, Row, Turned};

use crate::ground::{Floats, Rng, bits, close};

/// Shapes m, k, n of every remainder that blocks can have, and of what is packed, narrow, or deep.
fn shapes() -> Vec<[usize; 3]> {
    let small: &[usize] = if cfg!(miri) { &[0, 1, 7] } else { &[0, 1, 2, 3, 5, 6, 7, 8, 13, 17] };
    let mut shapes = Vec::new();
    for (&m, &k) in small.iter().flat_map(|m| small.iter().map(move |k| (m, k))) {
        shapes.extend(small.iter().map(|&n| [m, k, n]));
    }
    if !cfg!(miri) {
        shapes.extend((1..=70).map(|n| [7, 9, n]));
        shapes.extend([
            [64, 64, 128],
            [64, 784, 10],
            [20, 400, 130],
            [1, 784, 256],
            [3, 500, 1],
            [200, 16, 1],
            [33, 97, 4],
        ]);
        shapes.extend([[16, 784, 65], [130, 70, 31], [11, 390, 48], [12, 385, 16], [5, 3, 300]]);
    }
    shapes
}

/// A matrix of numbers, its rows `more` words longer than its columns are many, at an offset; transposed where that is asked.
struct Given {
    floats: Floats,
    rows: usize,
    columns: usize,
    stride: usize,
    turned: bool,
}

impl Given {
    fn new(rng: &mut Rng, rows: usize, columns: usize, more: usize, turned: bool) -> Self {
        let (across, along) = if turned { (columns, rows) } else { (rows, columns) };
        let stride = along + more;
        let words = if across == 0 { 0 } else { (across - 1) * stride + along };
        // What lies between rows is as large as what they hold, so that it shows where it is read.
        let floats = Floats::new(&rng.floats(words, -1.0, 1.0), (rng.next() % 16) as usize);
        Self { floats, rows, columns, stride, turned }
    }

    fn matrix(&self) -> Matrix<'_> {
        let (across, along) = if self.turned { (self.columns, self.rows) } else { (self.rows, self.columns) };
        let matrix = Matrix::with_stride(self.floats.values(), across, along, self.stride);
        if self.turned { matrix.transposed() } else { matrix }
    }

    /// Its words, row by row.
    fn words(&self) -> Vec<f64> {
        let words = self.floats.values();
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        let turn = |(row, column)| if self.turned { (column, row) } else { (row, column) };
        places.map(turn).map(|(across, along)| words[across * self.stride + along].into()).collect()
    }
}

#[test]
fn a_product_is_that_of_the_naive_loops_in_every_shape_and_place() {
    let mut rng = Rng(31);
    for (nth, [m, k, n]) in shapes().into_iter().enumerate() {
        for turned in 0..4 {
            let more = [0, 3, 16][nth % 3];
            let a = Given::new(&mut rng, m, k, more, turned & 1 == 1);
            let b = Given::new(&mut rng, k, n, [0, 1, 5][(nth + turned) % 3], turned & 2 == 2);
            let (left, right) = (a.words(), b.words());
            let stride = n + [0, 2][(nth + turned) % 2];
            let words = if m == 0 { 0 } else { (m - 1) * stride + n };
            let before = rng.floats(words, -1.0, 1.0);
            for (backend, add) in Backend::all().flat_map(|backend| [false, true].map(|add| (backend, add))) {
                let mut c = Floats::new(&before, nth % 16);
                backend.multiply(MatrixMut::with_stride(c.slice(), m, n, stride), a.matrix(), b.matrix(), add);
                for (at, (&got, &before)) in c.values().iter().zip(&before).enumerate() {
                    let (row, column) = (at / stride.max(1), at % stride.max(1));
                    if column >= n {
                        assert_eq!(got, before, "a word between rows was written");
                        continue;
                    }
                    let terms = (0..k).map(|i| left[row * k + i] * right[i * n + column]);
                    let begun = if add { f64::from(before) } else { 0.0 };
                    let (want, size) = terms.fold((begun, begun.abs()), |(sum, size), x| (sum + x, size + x.abs()));
                    // A rounding of two for each term, of a sum that is at most as large as all of them.
                    let bound = 1.2e-7 * (2.0 + (k as f64).sqrt()) * size;
                    close(got, want, bound, || {
                        format!("{} {m}x{k}x{n} {turned} add {add}, row {row} column {column}", backend.name())
                    });
                }
            }
        }
    }
}

#[test]
fn a_word_of_a_product_has_the_same_bits_whatever_is_around_it() {
    let mut rng = Rng(32);
    let [m, k, n] = if cfg!(miri) { [8, 5, 7] } else { [40, 500, 70] };
    let (a, b) = (rng.floats(m * k, -1.0, 1.0), rng.floats(k * n, -1.0, 1.0));
    for backend in Backend::all() {
        let product = |rows: usize, columns: usize, add: bool| {
            let mut c = vec![0.0; rows * columns];
            let (a, b) = (Matrix::new(&a[..rows * k], rows, k), Matrix::with_stride(&b, k, columns, n));
            backend.multiply(MatrixMut::new(&mut c, rows, columns), a, b, add);
            c
        };
        let all = product(m, n, false);
        assert_eq!(bits(&all), bits(&product(m, n, false)));
        for (rows, columns) in [(1, n), (m, 1), (2, 3), (5, 5), (m, 4), (7, n - 1)] {
            let want: Vec<f32> = all.chunks(n).take(rows).flat_map(|row| row[..columns].to_vec()).collect();
            assert_eq!(bits(&product(rows, columns, true)), bits(&want), "{} {rows}x{columns}", backend.name());
        }
    }
}

#[test]
fn products_are_those_of_ndarray() {
    let mut rng = Rng(34);
    let shapes =
        if cfg!(miri) { vec![[3, 4, 5]] } else { vec![[64, 64, 128], [64, 128, 10], [16, 784, 65], [1, 50, 7]] };
    for [m, k, n] in shapes {
        let (a, b) = (rng.floats(m * k, -1.0, 1.0), rng.floats(k * n, -1.0, 1.0));
        let theirs = |words: &[f32], rows, columns| Array2::from_shape_vec((rows, columns), words.to_vec()).unwrap();
        let want = theirs(&a, m, k).dot(&theirs(&b, k, n));
        let want_turned = theirs(&a, k, m).t().dot(&theirs(&b, k, n));
        for backend in Backend::all() {
            for (want, left) in [(&want, Matrix::new(&a, m, k)), (&want_turned, Matrix::new(&a, k, m).transposed())] {
                let mut c = vec![f32::NAN; m * n];
                backend.multiply(MatrixMut::new(&mut c, m, n), left, Matrix::new(&b, k, n), false);
                for (&got, &want) in c.iter().zip(want) {
                    close(got, want.into(), 3e-7 * k as f64, || format!("{} {m}x{k}x{n}", backend.name()));
                }
            }
        }
    }
}

#[test]
fn an_empty_sum_is_0_or_what_was_there() {
    for backend in Backend::all() {
        let mut c = [1.0, 2.0, 9.0, 3.0, 4.0];
        let nothing = Matrix::new(&[], 2, 0);
        backend.multiply(MatrixMut::with_stride(&mut c, 2, 2, 3), nothing, nothing.transposed(), true);
        assert_eq!(c, [1.0, 2.0, 9.0, 3.0, 4.0]);
        backend.multiply(MatrixMut::with_stride(&mut c, 2, 2, 3), nothing, nothing.transposed(), false);
        assert_eq!(c, [0.0, 0.0, 9.0, 0.0, 0.0]);
    }
}

/// A batch of rows of which most features are 0; every third row has ones for values, and some are empty.
struct Batch {
    ids: Vec<Vec<u32>>,
    values: Vec<Vec<f32>>,
    features: usize,
}

impl Batch {
    fn new(rng: &mut Rng, rows: usize, features: usize) -> Self {
        let mut batch = Self { ids: Vec::new(), values: Vec::new(), features };
        for row in 0..rows {
            let mut ids: Vec<u32> =
                (0..features as u32).filter(|_| row % 5 != 4 && rng.next().is_multiple_of(4)).collect();
            rng.shuffle(&mut ids);
            batch.values.push(if row % 3 == 2 { Vec::new() } else { rng.floats(ids.len(), -1.0, 1.0) });
            batch.ids.push(ids);
        }
        batch
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let ids = self.ids.iter().map(|ids| Ids::check(ids, self.features as u32).unwrap_or_default());
        ids.zip(&self.values).map(|(ids, values)| Row::new(ids, values, 0.0)).collect()
    }

    fn dense(&self) -> Vec<f32> {
        let mut words = vec![0.0; self.ids.len() * self.features];
        for (row, (ids, values)) in self.ids.iter().zip(&self.values).enumerate() {
            for (at, &id) in ids.iter().enumerate() {
                words[row * self.features + id as usize] = values.get(at).copied().unwrap_or(1.0);
            }
        }
        words
    }
}

#[test]
fn products_with_sparse_rows_are_those_with_the_same_rows_written_out() {
    let mut rng = Rng(33);
    let mut turned = Turned::default();
    let most = if cfg!(miri) { 20 } else { 300 };
    for (rows, features, outputs) in [
        (0, 3, 2),
        (1, 1, 1),
        (7, 30, 10),
        (5, 40, 17),
        (16, 9, 128),
        (12, 50, 70),
        (9, 33, most),
        (3, 0, 4),
        (4, 6, 0),
    ] {
        let batch = Batch::new(&mut rng, rows, features);
        let (x, dense) = (batch.rows(), batch.dense());
        let x_dense = Matrix::new(&dense, rows, features);
        let (w, dy) = (rng.floats(features * outputs, -1.0, 1.0), rng.floats(rows * outputs, -1.0, 1.0));
        let (w, dy) = (Matrix::new(&w, features, outputs), Matrix::new(&dy, rows, outputs));
        let before = rng.floats(rows * outputs, -1.0, 1.0);
        turned.turn(&x, features);
        for backend in Backend::all() {
            let same = |got: &Floats, want: &[f32], what: &str| {
                for (at, (&got, &want)) in got.values().iter().zip(want).enumerate() {
                    close(got, want.into(), 1e-5, || {
                        format!("{} {what} {rows}x{features}x{outputs} word {at}", backend.name())
                    });
                }
            };
            let (mut got, mut want) = (Floats::new(&before, outputs % 16), before.clone());
            backend.multiply_rows(MatrixMut::new(got.slice(), rows, outputs), &x, w);
            backend.multiply(MatrixMut::new(&mut want, rows, outputs), x_dense, w, true);
            same(&got, &want, "outputs");
            let mut want = vec![f32::NAN; features * outputs];
            let mut got = Floats::new(&want, rows % 16);
            backend.multiply_turned(MatrixMut::new(got.slice(), features, outputs), &turned, dy);
            backend.multiply(MatrixMut::new(&mut want, features, outputs), x_dense.transposed(), dy, false);
            same(&got, &want, "gradient");
        }
    }
}
