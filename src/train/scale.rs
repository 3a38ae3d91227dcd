//! Column centres and scales, row norms and L2 factors: what the step rule needs to know of the data so that nobody has to tune it.

use std::ops::Range;

use rayon::prelude::*;

use super::corpus::Corpus;
use crate::error::Result;

/// Values whose sizes all lie within this factor of each other need no column scales, whatever column they are in.
const WIDE: f32 = 64.0;

/// Whether sizes of values from `least` to `most` could come from columns of very different scale, or from a scale far from 1, where
/// Adagrad's beginning would be too bold or too shy.
pub(super) fn may_need_scales(least: f32, most: f32) -> bool {
    most > 0.0 && (most / least > WIDE || !(1.0 / WIDE..=WIDE).contains(&most))
}

/// A column is centred if its mean is further from 0 than this many of its standard deviations.
const FAR: f64 = 1.0;
/// How many rows are looked at, first some, then more, for a column that all rows have.
const FIRST: [u64; 2] = [64, 8192];

/// What is known of a column.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    rows: u64,
    sum: f64,
    squares: f64,
    /// The least and the greatest value.
    least: f32,
    most: f32,
}

impl Column {
    /// The root mean square over the rows that have it.
    fn size(&self) -> f64 {
        (self.squares / self.rows as f64).sqrt()
    }
}

/// The tensor rows of columns that every row of data has, far from 0 with little spread (years, temperatures in kelvin), and their means.
/// Learned as it is, such a column is a second intercept: the steps that its mean causes drown what its spread tells.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn centres(corpus: &Corpus<'_>) -> Result<Vec<(u32, f32)>> {
    let all = corpus.rows();
    // Sparse data has no such column, and soon shows it.
    for first in FIRST.map(|rows| rows.min(all)) {
        if corpus.ones() || !columns(corpus, 0..first)?.iter().any(|column| column.rows == first) {
            return Ok(Vec::new());
        }
    }
    let centre = |(row, column): (u32, Column)| {
        let mean = column.sum / all as f64;
        let variance = column.squares / all as f64 - mean * mean;
        // A column of one value has nothing to tell, but for rounding.
        let varies = variance > 1e-12 * mean * mean;
        (column.rows == all && varies && mean * mean > FAR * FAR * variance).then_some((row, mean as f32))
    };
    Ok((0..).zip(columns(corpus, 0..all)?).filter_map(centre).collect())
}

/// By tensor row, the exponent of two that brings the column's root mean square (over the rows that have it) nearest to 1; nothing
/// where no scales are needed. Powers of two, so that weights go to raw units and back without rounding.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn exponents(corpus: &Corpus<'_>) -> Result<Option<Vec<i8>>> {
    let columns = columns(corpus, 0..corpus.rows())?;
    // Columns of a few rows have a root mean square by chance and no weight in the whole.
    let common = |column: &&Column| column.rows as f64 >= 1e-3 * corpus.rows() as f64 && column.squares > 0.0;
    let sizes = || columns.iter().filter(common).map(Column::size);
    let (least, most) = (sizes().fold(f64::MAX, f64::min), sizes().fold(0.0, f64::max));
    if !may_need_scales(least as f32, most as f32) {
        return Ok(None);
    }
    Ok(Some(columns.iter().map(|column| to_one(column.size())).collect()))
}

/// What is done to the columns of data that goes into layers.
#[derive(Clone, Debug, Default)]
pub(super) struct Standard {
    /// By tensor row, the exponent of two that brings the column's deviation near 1.
    pub(super) exponents: Vec<i8>,
    /// By tensor row, the mean in these units.
    pub(super) means: Vec<f32>,
    /// The mean squared norm of what is left of a row.
    pub(super) mean_square: f64,
    /// The share of all values that are not 0.
    pub(super) density: f64,
}

/// Every column is centred, absent values being 0, and brought to a deviation near 1, but for two sorts of columns, of which a rare value
/// would become a huge one: those of two values are brought to 1 and -1 less their mean; and where at least half of the others have the same least
/// and greatest value, as pixels do, all within these are brought to the same scale. Measured in docs/models.md.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn standard(corpus: &Corpus<'_>) -> Result<Standard> {
    let columns = columns(corpus, 0..corpus.rows())?;
    let all = corpus.rows().max(1) as f64;
    let spread: Vec<Spread> = columns.iter().map(|column| Spread::of(column, all)).collect();
    let several = || spread.iter().filter(|spread| spread.variance > 0.0 && !spread.is_of_two());
    let mut ranges: Vec<[f32; 2]> = several().map(|spread| spread.range).collect();
    ranges.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    let common = ranges.chunk_by(|one, other| one == other).max_by_key(|run| run.len());
    let common = common.filter(|run| run.len() > 1 && 2 * run.len() >= ranges.len()).map(|run| run[0]);
    let is_within =
        |spread: &Spread| common.is_some_and(|[least, most]| spread.range[0] >= least && spread.range[1] <= most);
    let pooled: Vec<f64> = several().filter(|spread| is_within(spread)).map(|spread| spread.variance).collect();
    let pooled = pooled.iter().sum::<f64>() / pooled.len().max(1) as f64;
    let size = |spread: &Spread| match spread {
        spread if spread.variance == 0.0 => 0.0,
        spread if spread.is_of_two() => f64::from(spread.range[1] - spread.range[0]) / 2.0,
        spread if is_within(spread) => pooled.sqrt(),
        spread => spread.variance.sqrt(),
    };
    let mut standard = Standard::default();
    for spread in &spread {
        let exponent = to_one(size(spread));
        standard.exponents.push(exponent);
        standard.means.push(spread.mean as f32 * power(exponent.into()));
        standard.mean_square += spread.variance * 4f64.powi(exponent.into());
    }
    let values: f64 = columns.iter().map(|column| column.rows as f64).sum();
    standard.density = values / (all * columns.len().max(1) as f64);
    Ok(standard)
}

/// By tensor row, the exponent of two that brings the values of a column, where a row has one, near 1 in the root mean square; for columns
/// that come later, of which nothing is taken off.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn sizes(corpus: &Corpus<'_>) -> Result<Vec<i8>> {
    Ok(columns(corpus, 0..corpus.rows())?.iter().map(|column| to_one(column.size())).collect())
}

/// How the values of a column are spread, absent ones being 0.
struct Spread {
    mean: f64,
    /// 0 but for rounding where all are the same.
    variance: f64,
    /// The least and the greatest.
    range: [f32; 2],
}

impl Spread {
    fn of(column: &Column, all: f64) -> Self {
        let (mean, squares) = (column.sum / all, column.squares / all);
        let variance = squares - mean * mean;
        let variance = if variance > 1e-12 * squares { variance } else { 0.0 };
        let absent = (column.rows as f64) < all;
        let range = if absent { [column.least.min(0.0), column.most.max(0.0)] } else { [column.least, column.most] };
        Self { mean, variance, range }
    }

    /// Of all numbers between the two ends and with this mean, only those that are one of the ends have the variance
    /// (most - mean) · (mean - least) (Bhatia & Davis 2000).
    fn is_of_two(&self) -> bool {
        let [least, most] = self.range.map(f64::from);
        let largest = (most - self.mean) * (self.mean - least);
        (largest - self.variance).abs() <= 1e-6 * largest
    }
}

/// The mean squared norm of the rows as they are learned.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn mean_square(corpus: &Corpus<'_>) -> Result<f64> {
    let squares: f64 = columns(corpus, 0..corpus.rows())?.iter().map(|column| column.squares).sum();
    Ok(squares / corpus.rows().max(1) as f64)
}

/// By tensor row, how many rows of data have it.
///
/// # Errors
/// A damaged block of a cache.
pub(super) fn uses(corpus: &Corpus<'_>) -> Result<Vec<u32>> {
    let (rows, threads) = (corpus.rows(), rayon::current_num_threads() as u64);
    let count = |nth: u64| {
        let mut counts = vec![0u32; corpus.limit() as usize];
        let rows = rows * nth / threads..rows * (nth + 1) / threads;
        corpus.for_each(rows, |ids, _| ids.iter().for_each(|&id| counts[id as usize] += 1))?;
        Ok(counts)
    };
    let mut counted = (0..threads).into_par_iter().map(count).collect::<Result<Vec<_>>>()?;
    let mut all = counted.pop().unwrap_or_default();
    for counts in counted {
        all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
    Ok(all)
}

/// By tensor row, the factor of its weight that is added to its gradient each time a row of data touches it, such that the
/// sum over a pass is that of the gradient of l2/2 · |w|² on the mean loss: l2 · rows / rows that touch it, `uses`.
pub(super) fn decays(uses: &[u32], rows: u64, l2: f32) -> Vec<f32> {
    let decay = |&count: &u32| if count == 0 { 0.0 } else { (f64::from(l2) * rows as f64 / f64::from(count)) as f32 };
    uses.iter().map(decay).collect()
}

/// The exponent of two that brings `size` nearest to 1; 0 of nothing.
fn to_one(size: f64) -> i8 {
    if size > 0.0 { (-size.log2()).round().clamp(-100.0, 100.0) as i8 } else { 0 }
}

/// 2^exponent.
pub(super) fn power(exponent: i32) -> f32 {
    2.0f32.powi(exponent.clamp(-126, 127))
}

fn columns(corpus: &Corpus<'_>, rows: Range<u64>) -> Result<Vec<Column>> {
    let mut columns = vec![Column::default(); corpus.limit() as usize];
    corpus.for_each(rows, |ids, values| {
        for (at, &id) in ids.iter().enumerate() {
            let value = values.get(at).copied().unwrap_or(1.0);
            let column = &mut columns[id as usize];
            (column.least, column.most) =
                if column.rows == 0 { (value, value) } else { (column.least.min(value), column.most.max(value)) };
            column.rows += 1;
            column.sum += f64::from(value);
            column.squares += f64::from(value) * f64::from(value);
        }
    })?;
    Ok(columns)
}
