//! [`Buffers`]: what passes through a network need beside its words, kept from batch to batch and from network to network.

use hogback_kernels::Turned;

use super::{Dropout, Network};

/// What passes through a network need beside its words.
#[derive(Debug, Default)]
pub struct Buffers {
    /// By hidden layer: what came out of it; what is kept for the way back; the slopes by what came out.
    pub(super) outputs: Vec<Vec<f32>>,
    pub(super) kept: Vec<Vec<f32>>,
    pub(super) slopes: Vec<Vec<f32>>,
    /// The margins, and the loss's slopes by them.
    pub(super) margins: Vec<f32>,
    pub(super) margin_slopes: Vec<f32>,
    /// The rows of a sparse batch by feature.
    pub(super) turned: Turned,
    /// What the means of sparse inputs come to, an output each.
    pub(super) centred: Vec<f32>,
}

impl Buffers {
    /// The margins of the last forward pass, a stride a row.
    pub fn margins(&self) -> &[f32] {
        &self.margins
    }

    /// The same, to be added to.
    pub fn margins_mut(&mut self) -> &mut [f32] {
        &mut self.margins
    }

    /// The margins, and where the slopes by them go before a backward pass.
    pub fn margins_and_slopes(&mut self) -> (&[f32], &mut [f32]) {
        (&self.margins, &mut self.margin_slopes)
    }

    /// The slopes by the margins.
    pub fn margin_slopes(&self) -> &[f32] {
        &self.margin_slopes
    }

    /// Makes room for a batch of `rows` rows whose margins begin `stride` words apart.
    pub(super) fn fit(&mut self, network: &Network, rows: usize, dropout: Option<Dropout>, stride: usize) {
        let hidden = &network.layers[..network.layers.len() - 1];
        for all in [&mut self.outputs, &mut self.kept, &mut self.slopes] {
            all.resize_with(hidden.len(), Vec::new);
        }
        for (nth, layer) in hidden.iter().enumerate() {
            let words = rows * layer.outputs;
            self.outputs[nth].resize(words, 0.0);
            self.slopes[nth].resize(words, 0.0);
            self.kept[nth].resize(if network.hidden.keeps(dropout) { words } else { 0 }, 0.0);
        }
        self.margins.clear();
        self.margins.resize(rows * stride, 0.0);
        self.margin_slopes.resize(rows * stride, 0.0);
    }
}
