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
        let mut planes = self.planes.iter_mut().map(Aligned::cells);
        let Some(weights) = planes.next() else { return };
        let slots: Vec<Cells<'_>> = planes.collect();
        self.backend.dense_step(rule(self.steps.round().max(1.0) as u64), weights, &slots, self.gradient.as_slice());
    }
}
