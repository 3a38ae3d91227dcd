//! The rows of a table with factors as tensors of a model directory, and back.
//!
//! Where columns were scaled or centred, weights and vectors stand as they were learned, and prediction converts the values
//! ([`crate::model::factors::Units`]).

use hogback_kernels::{Cells, Layout};

use crate::checkpoint::TensorData;
use crate::model::factors::Fresh;

/// A tensor that is made of words of every row of the table.
pub(super) struct Plane {
    /// Its name.
    pub(super) name: &'static str,
    /// It is needed to predict; else only to go on learning.
    pub(super) is_weights: bool,
    /// The words, by their places in a row of the table.
    places: Vec<usize>,
}

/// The tensors of a table of this layout, which has factors, `has_weights` saying whether anything learns the weights beside them.
pub(super) fn planes(layout: Layout, has_weights: bool) -> Vec<Plane> {
    let Some(factors) = layout.factors() else { return Vec::new() };
    let parts = || (0..layout.outputs()).map(|output| output * layout.part());
    let slot = |name, is_weights, slot: usize| Plane {
        name,
        is_weights,
        places: parts().map(|part| part + layout.tail() + slot).collect(),
    };
    let vector = |from: usize| from..from + factors.rank;
    let vectors = |part: usize| (0..factors.fields).flat_map(move |field| vector(part + field * factors.stride()));
    let mut planes = Vec::new();
    if has_weights {
        planes.push(slot("weight", true, Layout::WEIGHT));
        planes.push(slot("weight.squares", false, Layout::WEIGHT_SQUARES));
    }
    planes.push(Plane { name: "factors", is_weights: true, places: parts().flat_map(vectors).collect() });
    planes.push(slot("factors.squares", false, Layout::FACTOR_SQUARES));
    if factors.fields > 1 {
        planes.push(slot("factors.own.squares", false, Layout::OWN_SQUARES));
    }
    planes
}

impl Plane {
    /// The tensor of the rows of `table`, `width` words each, with `prefix` before its name.
    pub(super) fn tensor(&self, table: &[f32], width: usize, prefix: &str) -> TensorData {
        let rows = table.chunks_exact(width);
        TensorData {
            name: format!("{prefix}{}", self.name),
            rows: rows.len() as u64,
            width: self.places.len() as u32,
            data: rows.flat_map(|row| self.places.iter().map(|&place| row[place])).collect(),
        }
    }

    /// Puts the rows of a tensor back, as many as there are.
    ///
    /// # Errors
    /// In words, where it is of another width or has more rows than the table.
    pub(super) fn restore(&self, tensor: &TensorData, table: Cells<'_>, width: usize) -> Result<(), String> {
        let fits =
            tensor.width as usize == self.places.len() && tensor.data.len() / self.places.len() * width <= table.len();
        if !fits {
            return Err(format!("tensor {} is not of the size that its settings call for", tensor.name));
        }
        for (row, words) in tensor.data.chunks_exact(self.places.len()).enumerate() {
            for (&place, &word) in self.places.iter().zip(words) {
                table.set(row * width + place, word);
            }
        }
        Ok(())
    }
}

/// Makes fresh ones of the rows of `table` from row `from` on; of those before it only what never changes is written.
pub(super) fn begin(fresh: &Fresh, layout: Layout, table: Cells<'_>, from: usize) {
    let width = layout.width();
    for row in 0..table.len() / width {
        let cells = table.slice(row * width..(row + 1) * width);
        if row < from { fresh.fix(row, cells) } else { fresh.begin(row, cells) }
    }
}
