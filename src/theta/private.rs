//! [`Private`]: dense tensors in memory of one's own: a child's copy of Θ, or a network that nobody shares.

use hogback_kernels::{Backend, Cells, DenseRule};

/// A row of words that begins on a cache line, as whole registers are loaded from.
#[derive(Debug, Default)]
pub struct Aligned {
    words: Vec<f32>,
    from: usize,
    len: usize,
}

impl Aligned {
    /// `len` words, all zero.
    pub fn new(len: usize) -> Self {
        let words = vec![0.0; len + 15];
        let from = words.as_ptr().align_offset(64).min(15);
        Self { words, from, len }
    }

    /// Makes it `len` words, all zero, in the memory that it has where that is enough.
    pub fn reset(&mut self, len: usize) {
        if self.words.len() < len + 15 {
            *self = Self::new(len);
        } else {
            self.len = len;
            self.as_mut_slice().fill(0.0);
        }
    }

    /// How many words.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The words.
    pub fn as_slice(&self) -> &[f32] {
        &self.words[self.from..self.from + self.len]
    }

    /// The words.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.words[self.from..self.from + self.len]
    }

    /// The words, as the kernels take those of Θ.
    pub fn cells(&mut self) -> Cells<'_> {
        Cells::from_mut(self.as_mut_slice())
    }
}

/// Weights, their optimiser slots, and the gradient that is to move them.
#[derive(Debug)]
pub struct Private {
    backend: Backend,
    /// The weights, then each slot.
    pub(super) planes: Vec<Aligned>,
    gradient: Aligned,
    /// How many steps the slots have seen: of a child's copy the mean over the children, hence no whole number.
    pub(super) steps: f32,
}

impl Private {
    /// `words` weights with `slots` optimiser slots each, all zero.
    pub fn new(backend: Backend, words: usize, slots: usize) -> Self {
        let planes = (0..=slots).map(|_| Aligned::new(words)).collect();
        Self { backend, planes, gradient: Aligned::new(words), steps: 0.0 }
    }

    /// Makes it `words` weights with `slots` optimiser slots each, all zero, in the memory that it has where that is enough.
    pub fn reset(&mut self, words: usize, slots: usize) {
        self.planes.resize_with(1 + slots, Aligned::default);
        self.planes.iter_mut().chain([&mut self.gradient]).for_each(|plane| plane.reset(words));
        self.steps = 0.0;
    }

    /// The weights.
    pub fn weights(&self) -> &[f32] {
        self.planes[0].as_slice()
    }

    /// The weights, to be set.
    pub fn weights_mut(&mut self) -> &mut [f32] {
        self.planes[0].as_mut_slice()
    }

    /// The weights, and where their gradient goes.
    pub fn parts(&mut self) -> (&[f32], &mut [f32]) {
        (self.planes[0].as_slice(), self.gradient.as_mut_slice())
    }

    /// Moves the weights by the gradient; `rule` says how, by the number of the step, from 1.
    ///
    /// # Panics
    /// Where the rule has other slots.
    pub fn step(&mut self, rule: impl FnOnce(u64) -> DenseRule) {
        self.steps += 1.0;
        let (rule, gradient) = (rule(self.steps.round().max(1.0) as u64), self.gradient.as_slice());
        match &mut self.planes[..] {
            [weights] => self.backend.dense_step(rule, weights.cells(), &[], gradient),
            [weights, slot] => self.backend.dense_step(rule, weights.cells(), &[slot.cells()], gradient),
            [weights, one, two] => {
                self.backend.dense_step(rule, weights.cells(), &[one.cells(), two.cells()], gradient);
            }
            other => unreachable!("{} planes of weights and slots", other.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theta::{BLOCK_ROWS, Class, TensorSpec, Theta};
    use hogback_kernels::Adam;

    #[test]
    fn words_begin_on_a_cache_line_and_are_zero() {
        for len in [0, 1, 15, 16, 17, 100, 4099] {
            let mut aligned = Aligned::new(len);
            assert_eq!((aligned.len(), aligned.as_slice()), (len, &vec![0.0; len][..]));
            assert_eq!(aligned.cells().len(), len);
            assert!(len == 0 || (aligned.as_slice().as_ptr() as usize).is_multiple_of(64), "{len}");
            aligned.as_mut_slice().fill(1.0);
            // Moved, it stays where it is.
            let moved = Box::new(aligned);
            assert!(moved.as_slice().iter().all(|&word| word == 1.0));
        }
        assert_eq!(Aligned::default().as_slice(), [0.0; 0]);
    }

    /// Step by step as Θ would, had it the same gradients: to the last bit, under every rule.
    #[test]
    fn a_network_of_ones_own_moves_as_theta_does() {
        let rules: [fn(u64) -> DenseRule; 4] = [
            |_| DenseRule::Sgd { rate: 0.05 },
            |_| DenseRule::Momentum { rate: 0.01, momentum: 0.8 },
            |_| DenseRule::Adagrad { rate: 0.3, floor: 1e-3 },
            |step| DenseRule::Adam(Adam::at(step, 0.02)),
        ];
        let words = BLOCK_ROWS + 13;
        for rule in rules {
            let slots = rule(1).slots();
            let backend = Backend::best();
            let spec = TensorSpec { name: "t", rows: words, capacity: words, width: 1, class: Class::Dense { slots } };
            let theta = Theta::reserve([spec], 2, backend).unwrap();
            let mut private = Private::new(backend, words, slots);
            private.weights_mut().iter_mut().enumerate().for_each(|(at, word)| *word = (at % 7) as f32);
            backend.copy_in(private.weights(), theta.tensors()[0].plane(0));
            for step in 1..=20 {
                let (weights, gradient) = private.parts();
                gradient.iter_mut().zip(weights).enumerate().for_each(|(at, (to, w))| *to = w - (at % 3) as f32);
                for block in 0..2 {
                    let from = block * BLOCK_ROWS;
                    theta.push(0, block, &gradient[from..(from + BLOCK_ROWS).min(words)], rule(step));
                }
                private.step(|nth| {
                    assert_eq!(nth, step);
                    rule(nth)
                });
            }
            for plane in 0..=slots {
                let cells = theta.tensors()[0].plane(plane);
                let same = |(at, word): (usize, &f32)| word.to_bits() == cells.get(at).to_bits();
                assert!(private.planes[plane].as_slice().iter().enumerate().all(same), "{:?} plane {plane}", rule(1));
            }
        }
    }

    #[test]
    #[should_panic(expected = "as many slot planes")]
    fn a_rule_of_other_slots_is_refused() {
        Private::new(Backend::best(), 16, 1).step(|_| DenseRule::Sgd { rate: 0.1 });
    }
}
