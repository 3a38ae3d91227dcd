//! Slopes of losses by margins, for models that go back from there: the losses of `loss.rs`, over a batch.

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::group::Objective;
use crate::lane::Lane;
use crate::table::Layout;

impl Backend {
    /// The slopes of what rows cost by their margins, each times the weight of its row. `margins` and `slopes` have a stride of a
    /// [`Layout`] of the objective's outputs for each row; behind the outputs slopes are 0.
    ///
    /// # Panics
    /// Where the slices do not fit each other, or a target is not a class.
    pub fn slopes(self, objective: Objective, margins: &[f32], targets: &[f32], weights: &[f32], slopes: &mut [f32]) {
        struct Slopes<'a>(Objective, [&'a [f32]; 3], &'a mut [f32]);
        impl Work for Slopes<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let Self(objective, [margins, targets, weights], slopes) = self;
                match objective {
                    // SAFETY: the caller's promise.
                    Objective::One(loss) => unsafe { loss.slopes::<V>(margins, targets, weights, slopes) },
                    Objective::Classes { loss, classes } => {
                        let stride = stride_of(objective);
                        let rows = margins.chunks_exact(stride).zip(slopes.chunks_exact_mut(stride));
                        for (((margins, slopes), &target), &weight) in rows.zip(targets).zip(weights) {
                            // SAFETY: the caller's promise; a stride is at least as long as the classes are many.
                            unsafe { loss.slopes::<V>(&margins[..classes], target as usize, weight, slopes) };
                        }
                    }
                }
            }
        }
        let rows = targets.len();
        let words = rows.checked_mul(stride_of(objective));
        assert!(
            Some(margins.len()) == words && Some(slopes.len()) == words && weights.len() == rows,
            "margins and slopes of a stride, a target and a weight for each row"
        );
        if let Objective::Classes { classes, .. } = objective {
            let class = |&target: &f32| target >= 0.0 && (target as usize) < classes;
            assert!(targets.iter().all(class), "a target that is no class");
        }
        self.run(Slopes(objective, [margins, targets, weights], slopes));
    }
}

/// Margins of a row.
fn stride_of(objective: Objective) -> usize {
    Layout::new(objective.outputs(), 0).stride()
}
