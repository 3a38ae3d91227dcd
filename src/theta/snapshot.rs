//! [`Snapshot`]: blocks of Θ copied at one moment.

use hogback_kernels::Cells;

use super::Theta;

/// A private copy of all planes of all tensors.
///
/// Children may go on writing while it is taken: each word is one that some child wrote, words of one row may be of different
/// moments. That is the staleness every Hogwild reader lives with.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// By tensor, then by plane.
    planes: Vec<Vec<Vec<f32>>>,
}

impl Theta {
    /// Copies all of Θ.
    pub fn snapshot(&self) -> Snapshot {
        let copy = |cells: Cells<'_>| {
            let mut words = vec![0.0; cells.len()];
            self.backend().copy_out(cells, &mut words);
            words
        };
        let planes = self.tensors().iter().map(|t| (0..t.planes()).map(|plane| copy(t.plane(plane))).collect());
        Snapshot { planes: planes.collect() }
    }

    /// True where every word is a finite number, each as some child wrote it.
    pub fn is_finite(&self) -> bool {
        self.tensors().iter().all(|tensor| {
            let mut planes = (0..tensor.planes()).map(|plane| tensor.plane(plane));
            planes.all(|cells| (0..cells.len()).all(|at| cells.get(at).is_finite()))
        })
    }

    /// Makes every word zero again. Nobody may train meanwhile.
    pub fn clear(&self) {
        for tensor in self.tensors() {
            for plane in 0..tensor.planes() {
                let cells = tensor.plane(plane);
                (0..cells.len()).for_each(|at| cells.set(at, 0.0));
            }
        }
    }

    /// Puts a snapshot of this Θ back; rows that have appeared since keep what they hold. Nobody may train meanwhile, or a mixture results.
    ///
    /// # Panics
    /// Where the snapshot is of another Θ.
    pub fn restore(&self, snapshot: &Snapshot) {
        assert_eq!(snapshot.planes.len(), self.tensors().len(), "a snapshot of another Θ");
        for (tensor, planes) in self.tensors().iter().zip(&snapshot.planes) {
            for (plane, words) in planes.iter().enumerate() {
                self.backend().copy_in(words, tensor.plane(plane).slice(0..words.len()));
            }
        }
    }
}

/// True where every word is a finite number.
pub(crate) fn all_finite(words: &[f32]) -> bool {
    // Within a piece without a branch a word, so that vectors can do it.
    words.chunks(4096).all(|piece| piece.iter().fold(true, |finite, word| finite & word.is_finite()))
}

impl Snapshot {
    /// The words of a plane of a tensor.
    pub fn plane(&self, tensor: usize, plane: usize) -> &[f32] {
        &self.planes[tensor][plane]
    }

    /// True where every word is a finite number.
    pub fn is_finite(&self) -> bool {
        self.planes.iter().flatten().all(|words| all_finite(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theta::{Class, TensorSpec};
    use hogback_kernels::Backend;

    #[test]
    fn what_a_snapshot_holds_comes_back() {
        let specs = [
            TensorSpec { name: "weight", rows: 5000, capacity: 5000, width: 2, class: Class::Sparse },
            TensorSpec { name: "layer", rows: 33, capacity: 33, width: 7, class: Class::Dense { slots: 2 } },
        ];
        let theta = Theta::reserve(specs, 2, Backend::best()).unwrap();
        for (t, tensor) in theta.tensors().iter().enumerate() {
            for plane in 0..tensor.planes() {
                let cells = tensor.plane(plane);
                (0..cells.len()).for_each(|at| cells.set(at, (at + 10 * plane + 100 * t) as f32));
            }
        }
        let snapshot = theta.snapshot();
        assert!(snapshot.is_finite() && theta.is_finite());
        for (tensor, plane, at) in [(1, 2, 3), (0, 0, 0), (0, 0, 9999), (1, 0, 230)] {
            theta.tensors()[tensor].plane(plane).set(at, f32::NAN);
            assert!(!theta.snapshot().is_finite() && !theta.is_finite());
            theta.restore(&snapshot);
        }
        theta.restore(&snapshot);
        assert_eq!(theta.tensors()[1].plane(2).get(3), 123.0);
        assert_eq!(snapshot.plane(0, 0)[9999], 9999.0);
    }
}
