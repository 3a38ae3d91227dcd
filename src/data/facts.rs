//! [`Facts`]: what is known of a file beside its rows and its keys.

use serde::{Deserialize, Serialize};

use super::block::OwnedBlock;
use super::columns::Column;
use super::labels::{LabelSums, Labels};
use super::skipped::Skipped;

/// What is known of a file beside its rows and its keys; the meaning of each is told at the methods of
/// [`super::DataFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) rows: u64,
    pub(crate) nonzeros: u64,
    pub(crate) all_ones: bool,
    pub(crate) sum_squares: f64,
    pub(crate) least_value: f32,
    pub(crate) most_value: f32,
    pub(crate) longest_row: usize,
    pub(crate) labels: Labels,
    pub(crate) columns: Option<Vec<Column>>,
    pub(crate) skipped: Option<Skipped>,
    pub(crate) namespaces: Option<Vec<String>>,
    pub(crate) plain_nonzeros: Option<u64>,
    pub(crate) documents: Option<Documents>,
}

/// What is known of the rows of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documents {
    /// How many have several labels, of which the first counts.
    pub several_labels: u64,
    /// How many have no word.
    pub empty: u64,
}

/// Sums over blocks, from which [`Facts`] are made.
///
/// Each block is summed up by itself and the sums are put together in the order of the file, so that the last digit
/// does not depend on the number of threads.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) rows: u64,
    nonzeros: u64,
    all_ones: bool,
    squares: f64,
    least: f32,
    most: f32,
    longest_row: u32,
    labels: LabelSums,
}

impl Sums {
    /// Of nothing.
    pub(crate) fn new() -> Self {
        let labels = LabelSums::new();
        Self {
            rows: 0,
            nonzeros: 0,
            all_ones: true,
            squares: 0.0,
            least: f32::INFINITY,
            most: 0.0,
            longest_row: 0,
            labels,
        }
    }

    /// Of one block, whose ones are not kept.
    pub(crate) fn of(block: &OwnedBlock) -> Self {
        let nonzeros = block.ids.len() as u64;
        let longest_row = block.offsets.windows(2).map(|row| row[1] - row[0]).max().unwrap_or(0);
        let all_ones = block.values.is_empty();
        let (mut squares, mut least, mut most) = (0.0, f32::INFINITY, 0f32);
        if all_ones && nonzeros > 0 {
            (squares, least, most) = (nonzeros as f64, 1.0, 1.0);
        }
        if !all_ones {
            (squares, least, most) = of_values(&block.values);
        }
        let (rows, labels) = (block.rows() as u64, LabelSums::of(&block.labels, &block.weights));
        Self { rows, nonzeros, all_ones, squares, least, most, longest_row, labels }
    }

    /// Adds the block that `next` was made of.
    pub(crate) fn absorb(&mut self, next: &Self) {
        self.rows += next.rows;
        self.nonzeros += next.nonzeros;
        self.all_ones &= next.all_ones;
        self.squares += next.squares;
        self.least = self.least.min(next.least);
        self.most = self.most.max(next.most);
        self.longest_row = self.longest_row.max(next.longest_row);
        self.labels.absorb(&next.labels);
    }

    /// The facts, of labels whose classes are called `names`, the first one that was rounded, and of these columns.
    pub(crate) fn finish(
        self,
        names: Vec<String>,
        rounded: Option<(u64, String)>,
        columns: Option<Vec<Column>>,
    ) -> Facts {
        Facts {
            rows: self.rows,
            nonzeros: self.nonzeros,
            all_ones: self.all_ones,
            sum_squares: self.squares,
            least_value: if self.nonzeros > 0 { self.least } else { 0.0 },
            most_value: self.most,
            longest_row: self.longest_row as usize,
            labels: self.labels.finish(names, rounded),
            columns,
            skipped: None,
            namespaces: None,
            plain_nonzeros: None,
            documents: None,
        }
    }
}

/// The sum of the squares, the smallest and the largest distance from 0.
fn of_values(values: &[f32]) -> (f64, f32, f32) {
    // Eight sums side by side, so that none waits for the addition before; each is put together in the same order always.
    let (mut squares, mut least, mut most) = ([0.0f64; 8], [f32::INFINITY; 8], [0f32; 8]);
    let (eights, rest) = values.as_chunks::<8>();
    let add = |squares: &mut f64, least: &mut f32, most: &mut f32, value: f32| {
        let (exact, distance) = (f64::from(value), value.abs());
        *squares += exact * exact;
        *least = if distance < *least { distance } else { *least };
        *most = if distance > *most { distance } else { *most };
    };
    for eight in eights {
        for nth in 0..8 {
            add(&mut squares[nth], &mut least[nth], &mut most[nth], eight[nth]);
        }
    }
    for &value in rest {
        add(&mut squares[0], &mut least[0], &mut most[0], value);
    }
    let fold = |all: [f32; 8], of: fn(f32, f32) -> f32| all.into_iter().reduce(of).unwrap_or_default();
    (squares.iter().sum(), fold(least, f32::min), fold(most, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(values: &[f32]) -> OwnedBlock {
        let mut block = OwnedBlock::new(100);
        for (id, &value) in values.iter().enumerate() {
            block.push(id as u32, value);
        }
        block.end_row(1.0);
        block.drop_ones();
        block
    }

    #[test]
    fn sums_of_blocks_make_the_facts_of_a_file() {
        let mut sums = Sums::new();
        for values in [&[1.0, 1.0, 1.0][..], &[], &[-2.0, 0.5]] {
            sums.absorb(&Sums::of(&block(values)));
        }
        let facts = sums.finish(Vec::new(), None, None);
        assert_eq!((facts.rows, facts.nonzeros, facts.all_ones, facts.longest_row), (3, 5, false, 3));
        assert_eq!((facts.sum_squares, facts.least_value, facts.most_value), (7.25, 0.5, 2.0));
        let empty = Sums::of(&block(&[])).finish(Vec::new(), None, None);
        assert_eq!((empty.all_ones, empty.least_value, empty.most_value), (true, 0.0, 0.0));
    }

    #[test]
    fn facts_come_back_from_json_to_the_bit() {
        let mut sums = Sums::of(&block(&[0.1, 0.3]));
        sums.absorb(&Sums::of(&block(&[0.7])));
        let facts = sums.finish(vec!["yes".into()], Some((7, "16777217".into())), None);
        assert_eq!(serde_json::from_slice::<Facts>(&serde_json::to_vec(&facts).unwrap()).unwrap(), facts);
    }
}
