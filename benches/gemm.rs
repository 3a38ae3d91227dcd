//! How fast are products of small matrices? `src/bench/gemm.rs` says against what; beside them stand those of `ndarray`, whose products are
//! `matrixmultiply`'s.

mod drive;

use criterion::{BenchmarkId, Criterion};
use hogback_kernels::{Backend, Matrix, MatrixMut};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};

fn main() {
    drive::ask(hogback::bench::Question::Gemm);
    beside_ndarray();
}

/// Layers and a gradient, by both.
fn beside_ndarray() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("gemm beside ndarray");
    group.sample_size(10);
    let shapes = [(64, 64, 128, false), (64, 128, 10, false), (64, 784, 256, false), (64, 256, 10, false)];
    let more = [(1, 784, 256, false), (16, 784, 256, false), (256, 784, 256, false), (784, 64, 256, true)];
    for (m, k, n, turned) in shapes.into_iter().chain(more) {
        let (a, b, mut c) = (vec![0.5; m * k], vec![0.25; k * n], vec![0.0; m * n]);
        let name = format!("{m} x {k} -> {n}");
        let left = if turned { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
        group.bench_function(BenchmarkId::new("hogback", &name), |bencher| {
            let right = Matrix::new(&b, k, n);
            bencher.iter(|| Backend::best().multiply(MatrixMut::new(&mut c, m, n), left, right, false));
        });
        group.bench_function(BenchmarkId::new("ndarray", &name), |bencher| {
            let mut product = Array2::zeros((m, n));
            let view = |words, rows, columns| ArrayView2::from_shape((rows, columns), words);
            let (Ok(stored), Ok(right)) =
                (view(&a, if turned { k } else { m }, if turned { m } else { k }), view(&b, k, n))
            else {
                return;
            };
            let left = if turned { stored.t() } else { stored };
            bencher.iter(|| general_mat_mul(1.0, &left, &right, 0.0, &mut product));
        });
    }
    group.finish();
    criterion.final_summary();
}
