//! Sums of losses over rows that have been scored.
//!
//! What flows in: margins, targets, weights. What flows out: sums, in 64 bits.

use crate::backend::Backend;
use crate::dispatch::Work;
use crate::lane::Lane;
use crate::loss::{ClassLoss, Loss, Sums};
use crate::table::Layout;

impl Backend {
    /// What rows cost by their margins and targets.
    ///
    /// # Panics
    /// Where the slices differ in length.
    pub fn sum_loss(self, loss: Loss, margins: &[f32], targets: &[f32], weights: &[f32]) -> Sums {
        struct Sum<'a>(Loss, [&'a [f32]; 3], &'a mut Sums);
        impl Work for Sum<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let [margins, targets, weights] = self.1;
                // SAFETY: the caller's promise.
                *self.2 = unsafe { self.0.sum::<V>(margins, targets, weights) };
            }
        }
        assert!(
            margins.len() == targets.len() && margins.len() == weights.len(),
            "a target and a weight for each margin"
        );
        let mut sums = Sums::default();
        self.run(Sum(loss, [margins, targets, weights], &mut sums));
        sums
    }

    /// The sum of a loss over rows of several classes, and how many of them have the largest margin at their class, each row times its
    /// weight. `margins` has a stride of a [`Layout`] of `classes` outputs for each row.
    ///
    /// # Panics
    /// Where the slices do not fit each other, or a target is not a class.
    pub fn sum_class_loss(
        self,
        loss: ClassLoss,
        classes: usize,
        margins: &[f32],
        targets: &[f32],
        weights: &[f32],
    ) -> (f64, f64) {
        struct Sum<'a>(ClassLoss, (&'a [f32], usize, usize), [&'a [f32]; 2], &'a mut (f64, f64));
        impl Work for Sum<'_> {
            #[inline(always)]
            unsafe fn run<V: Lane>(self) {
                let [targets, weights] = self.2;
                // SAFETY: the caller's promise.
                *self.3 = unsafe { self.0.sum::<V>(self.1, targets, weights) };
            }
        }
        let stride = Layout::new(classes, 0).stride();
        let rows = margins.len() / stride;
        assert!(targets.len() == rows && weights.len() == rows, "a target and a weight for each row of margins");
        let mut sums = (0.0, 0.0);
        self.run(Sum(loss, (margins, stride, classes), [targets, weights], &mut sums));
        sums
    }
}
