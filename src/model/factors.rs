//! What a row of a table with factors begins with, and the values that a model with factors takes rows by.

use hogback_kernels::{Cells, Layout};

use super::chance::deviate;
use super::configuration::{Configuration, Kind};
use crate::data::Dictionary;

/// What the numbers of fresh vectors are spread by, where rows have a mean squared norm of 1; small, for what a vector that few rows
/// have seen begins with is noise.
const SPREAD: f64 = 0.05;

/// What the rows of a table begin with.
#[derive(Clone, Debug)]
pub struct Fresh {
    layout: Layout,
    /// By row, the L2 factor; empty for 0.
    decays: Vec<f32>,
    /// By row, the number of its field; empty for 0.
    fields: Vec<u16>,
    spread: f32,
    seed: u64,
}

impl Fresh {
    /// The rows of a model of this configuration, whose L2 factors and fields these are by row.
    pub fn new(configuration: &Configuration, decays: Vec<f32>, fields: Vec<u16>) -> Self {
        let size = if configuration.mean_square > 0.0 { configuration.mean_square.sqrt() } else { 1.0 };
        // Of words most are rare: what theirs begin with would be noise, and a layer whose weights are not 0 tells them apart anyway. But
        // behind a hidden one nothing comes back through units that are all 0.
        let straight = configuration.layers.as_ref().is_some_and(|layers| layers.hidden.is_empty());
        let spread = if configuration.kind == Kind::Text && straight { 0.0 } else { (SPREAD / size) as f32 };
        Self { layout: configuration.layout(), decays, fields, spread, seed: configuration.seed }
    }

    /// How long the vectors of a fresh row are together, in the root mean square.
    pub fn length(&self) -> f32 {
        let numbers = self.layout.factors().map_or(0, |factors| self.layout.outputs() * factors.fields * factors.rank);
        self.spread * (numbers as f32).sqrt()
    }

    /// Makes row `row`, all zeros, a fresh one: vectors near 0, alike for all fields, from the seed; what never changes.
    pub fn begin(&self, row: usize, cells: Cells<'_>) {
        let Some(factors) = self.layout.factors() else { return };
        for output in 0..self.layout.outputs() {
            let part = output * self.layout.part();
            for at in 0..factors.rank {
                let drawn =
                    self.spread * deviate(self.seed, (row * self.layout.outputs() + output) * factors.rank + at);
                (0..factors.fields).for_each(|field| cells.set(part + field * factors.stride() + at, drawn));
            }
        }
        self.fix(row, cells);
    }

    /// Writes into row `row` what never changes.
    pub fn fix(&self, row: usize, cells: Cells<'_>) {
        for output in 0..self.layout.outputs() {
            let tail = output * self.layout.part() + self.layout.tail();
            cells.set(tail + Layout::DECAY, self.decays.get(row).copied().unwrap_or(0.0));
            if self.layout.has_field() {
                cells.set(tail + Layout::FIELD, f32::from(self.fields.get(row).copied().unwrap_or(0)));
            }
        }
    }
}

/// The values that a model with factors takes rows by, where they are not those of the data: centres taken off, in units of powers of
/// two. A linear model's weights are brought into the units of the data instead; vectors cannot be, for they meet.
#[derive(Clone, Debug)]
pub struct Units {
    centres: Vec<(u32, f32)>,
    /// By row.
    factors: Vec<f32>,
}

impl Units {
    /// Those of a model, if it has any.
    pub fn of(configuration: &Configuration, dictionary: &Dictionary) -> Option<Self> {
        if configuration.centres.is_empty() && dictionary.scales.is_none() {
            return None;
        }
        let factors = match &dictionary.scales {
            Some(exponents) => exponents.iter().map(|&exponent| 2f32.powi(exponent.into())).collect(),
            None => vec![1.0; dictionary.len()],
        };
        Some(Self { centres: configuration.centres.clone(), factors })
    }

    /// What the values of each row less their centre are multiplied with.
    pub fn scales(&self) -> &[f32] {
        &self.factors
    }

    /// Rows whose values have something taken off, and what.
    pub fn centres(&self) -> &[(u32, f32)] {
        &self.centres
    }

    /// Makes the row of ids and values that stands in `out` from `from` on what the model takes.
    pub fn convert(&self, out: &mut (Vec<u32>, Vec<f32>), from: usize) {
        for &(row, centre) in &self.centres {
            // A column that is not in a row is 0 there, and 0 is off centre as well.
            match out.0[from..].iter().position(|&id| id == row) {
                Some(at) => out.1[from + at] -= centre,
                None => {
                    out.0.push(row);
                    out.1.push(-centre);
                }
            }
        }
        for (value, &id) in out.1[from..].iter_mut().zip(&out.0[from..]) {
            *value *= self.factors[id as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_numbers_have_mean_0_and_deviation_1() {
        let numbers: Vec<f64> = (0..100_000).map(|nth| f64::from(deviate(3, nth))).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let deviation = (numbers.iter().map(|number| number * number).sum::<f64>() / 1e5).sqrt();
        assert!(mean.abs() < 0.01 && (deviation - 1.0).abs() < 0.01, "{mean} {deviation}");
        assert_ne!(deviate(3, 1), deviate(4, 1));
    }

    #[test]
    fn rows_are_centred_and_scaled_whether_or_not_a_column_is_there() {
        let units = Units { centres: vec![(1, 10.0)], factors: vec![2.0, 0.5, 1.0] };
        let mut out = (vec![0, 1], vec![3.0, 12.0]);
        units.convert(&mut out, 0);
        out.0.push(2);
        out.1.push(1.0);
        units.convert(&mut out, 2);
        assert_eq!(out, (vec![0, 1, 2, 1], vec![6.0, 1.0, 1.0, -5.0]));
    }
}
