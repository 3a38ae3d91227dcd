//! The rows a run learns from: one or more data files as one sequence, renumbered, scaled and with targets as the model wants them.

use std::hint::select_unpredictable;
use std::ops::Range;

use hogback_kernels::{DATA_AHEAD, Ids, Row};

use crate::data::order::{Holdout, Interleaved, Strips};
use crate::data::{Block, NO_ROW, Table};
use crate::error::{Error, Result};
use crate::model::weighting::Weighting;

/// Rows fetched at a time.
pub(super) const BATCH: usize = 256;

/// One or more data files as one sequence of rows.
pub(super) struct Corpus<'d> {
    parts: Vec<Part<'d>>,
    rows: u64,
    /// Every value of every part is 1, and none is scaled.
    ones: bool,
    /// Every row of every part has two features.
    pairs: bool,
    /// Rows of the model's tensor.
    limit: u32,
    /// By tensor row: what is taken off its values; empty if nothing is.
    centres: Vec<f32>,
    /// How many centres are not 0.
    centred: usize,
    /// By tensor row: what its values are multiplied with, once centred.
    factors: Option<Vec<f32>>,
    /// What counts of words weigh, and inverse document frequencies by tensor row; none where values are no such counts.
    counts: Option<(Weighting, Vec<f32>)>,
    /// By class: what the weights of its rows are multiplied with; empty for `weight_unit`.
    class_weights: Vec<f32>,
    /// What all weights are multiplied with.
    weight_unit: f32,
}

/// One data file of a corpus.
pub(super) struct Part<'d> {
    pub(super) source: Source<'d>,
    pub(super) rows: u64,
    pub(super) ones: bool,
    /// Every row has two features.
    pub(super) pairs: bool,
    /// By file-local id: the tensor row, [`NO_ROW`] where it is left out, which is so of counts only. None where they are the same.
    pub(super) map: Option<Vec<u32>>,
    pub(super) labels: LabelMap,
}

/// Where a part's blocks are.
pub(super) enum Source<'d> {
    /// A file that was read for training.
    Table(Table<'d>),
    /// Blocks read against the model's dictionary.
    Blocks(Vec<Block<'d>>),
}

/// From a part's labels to targets.
#[derive(Clone, Debug)]
pub(super) enum LabelMap {
    /// Target 1 for this label, -1 for the other.
    Positive(f32),
    /// The label times this.
    Times(f32),
    /// The class of each label; labels rise.
    Classes(Vec<(f32, f32)>),
}

impl LabelMap {
    /// The mapping of `labels`, each with its class, for one output (of two classes) or one for each class.
    pub(super) fn classes(labels: impl Iterator<Item = (f32, usize)>, outputs: usize) -> Self {
        let mut labels: Vec<(f32, f32)> = labels.map(|(label, class)| (label, class as f32)).collect();
        if outputs == 1 {
            // A file without a row of the positive class has no label for it.
            return Self::Positive(
                labels.iter().find(|(_, class)| *class == 1.0).map_or(f32::NAN, |&(label, _)| label),
            );
        }
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self::Classes(labels)
    }

    /// The target of a label. A label that is not known has the target of a negative row, or of the first class.
    pub(super) fn target(&self, label: f32) -> f32 {
        match self {
            // Labels come as they like: a branch would be wrong as often as not.
            Self::Positive(positive) => select_unpredictable(label == *positive, 1.0, -1.0),
            Self::Times(by) => label * by,
            Self::Classes(labels) => {
                // Adding 0 makes -0 and 0 the same label.
                let found = labels.binary_search_by(|(known, _)| known.total_cmp(&(label + 0.0)));
                found.map_or(0.0, |at| labels[at].1)
            }
        }
    }
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    part: u32,
    block: u32,
    at: u32,
}

/// `ids`, each of which names a row of a tensor of `limit` rows.
pub(super) fn checked(ids: &[u32], limit: u32) -> Result<Ids<'_>> {
    Ids::check(ids, limit).map_err(|_| Error::Engine("a row of data names a feature the model has not".to_owned()))
}

/// An emptied vector of rows to be filled anew: the allocation of one whose rows were borrowed from something else.
pub(super) fn recycled<'a>(mut rows: Vec<Row<'_>>) -> Vec<Row<'a>> {
    rows.clear();
    rows.into_iter().map(|_| Row::default()).collect()
}

/// Copies of rows that cannot be used where they lie. Private to a child, reused.
#[derive(Debug, Default)]
pub(super) struct Copies {
    ids: Vec<u32>,
    values: Vec<f32>,
    ends: Vec<usize>,
}

impl<'d> Corpus<'d> {
    /// The rows of `parts`, one after the other, for a tensor of `limit` rows.
    pub(super) fn new(parts: Vec<Part<'d>>, limit: u32) -> Self {
        let rows = parts.iter().map(|part| part.rows).sum();
        let ones = parts.iter().all(|part| part.ones);
        let pairs = parts.iter().all(|part| part.pairs);
        Self {
            parts,
            rows,
            ones,
            pairs,
            limit,
            centres: Vec::new(),
            centred: 0,
            factors: None,
            counts: None,
            class_weights: Vec::new(),
            weight_unit: 1.0,
        }
    }

    /// Takes each centre off the values of its tensor row.
    pub(super) fn centre(&mut self, centres: &[(u32, f32)]) {
        if centres.is_empty() {
            return;
        }
        self.ones = false;
        self.centred = centres.len();
        self.centres = vec![0.0; self.limit as usize];
        centres.iter().for_each(|&(row, centre)| self.centres[row as usize] = centre);
    }

    /// Multiplies the values of tensor row i with `factors[i]`.
    pub(super) fn scale(&mut self, factors: Vec<f32>) {
        self.ones = false;
        self.factors = Some(factors);
    }

    /// Weighs the values of each row, which are counts, by tensor row with `idf`.
    pub(super) fn weigh_counts(&mut self, weighting: Weighting, idf: Vec<f32>) {
        self.ones = false;
        self.counts = Some((weighting, idf));
    }

    /// Multiplies the weights of the rows of class i with `weights[i]`, where there are any, and all with 1 / `mean`: rates and penalties
    /// are for rows that weigh 1.
    pub(super) fn weigh(&mut self, weights: &[f32], mean: f64) {
        self.weight_unit = (1.0 / mean) as f32;
        self.class_weights = weights.iter().map(|weight| weight * self.weight_unit).collect();
    }

    /// Something is taken off the values of a column.
    pub(super) fn is_centred(&self) -> bool {
        self.centred > 0
    }

    /// Rows in all.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Every value is 1.
    pub(super) fn ones(&self) -> bool {
        self.ones
    }

    /// Every row has two features of value 1 that can be used where they lie: a user and an item, say.
    pub(super) fn has_pairs(&self) -> bool {
        self.pairs && self.ones && self.parts.iter().all(|part| self.as_it_lies(part))
    }

    /// Calls `each` with the features, the target and the weight of the rows `rows` of a corpus of pairs, those left out that `holdout`
    /// holds out.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn for_each_pair(
        &self,
        rows: Range<u64>,
        holdout: Option<Holdout>,
        mut each: impl FnMut([u32; 2], f32, f32),
    ) -> Result<()> {
        let mut row = rows.start;
        while row < rows.end {
            let (place, here) = self.locate(row)?;
            let part = &self.parts[place.part as usize];
            let block = self.block(place.part as usize, place.block as usize)?;
            let (from, to) = (place.at as usize, (rows.end.min(here.end) - here.start) as usize);
            for (at, &ids) in (from..to).zip(block.ids_of(from..to).as_slice().as_chunks().0) {
                if holdout.is_none_or(|holdout| !holdout.has(here.start + at as u64)) {
                    let target = part.labels.target(block.label(at));
                    each(ids, target, block.weight(at) * self.class_weight(target));
                }
            }
            row = here.end;
        }
        Ok(())
    }

    /// Rows of the model's tensor.
    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    fn block(&self, part: usize, block: usize) -> Result<&Block<'d>> {
        match &self.parts[part].source {
            Source::Table(table) => table.block(block),
            Source::Blocks(blocks) => Ok(&blocks[block]),
        }
    }

    /// Where row `row` stands, and which of the rows after it stand behind it in the same block.
    fn locate(&self, row: u64) -> Result<(Place, Range<u64>)> {
        let mut first = 0;
        let mut part = 0;
        while row - first >= self.parts[part].rows {
            first += self.parts[part].rows;
            part += 1;
        }
        let (block, at) = match &self.parts[part].source {
            Source::Table(table) => table.block_of(row - first),
            Source::Blocks(blocks) => {
                let block = blocks.partition_point(|block| block.first_row <= row - first) - 1;
                (block, (row - first - blocks[block].first_row) as usize)
            }
        };
        let rows = self.block(part, block)?.rows() as u64;
        let begin = row - at as u64;
        Ok((Place { part: part as u32, block: block as u32, at: at as u32 }, begin..begin + rows))
    }

    /// Fetches the rows at `places` into `out`, which is empty. Rows that need no change are used where they lie.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn fetch<'s>(&'s self, places: &[Place], copies: &'s mut Copies, out: &mut Vec<Row<'s>>) -> Result<()> {
        copies.ids.clear();
        copies.values.clear();
        copies.ends.clear();
        // Places come in runs within a block.
        let mut here: Option<(Place, &Part<'d>, &Block<'d>)> = None;
        for &place in places {
            let (part, block) = match here {
                Some((last, part, block)) if (last.part, last.block) == (place.part, place.block) => (part, block),
                _ => (&self.parts[place.part as usize], self.block(place.part as usize, place.block as usize)?),
            };
            let at = place.at as usize;
            if here.is_none_or(|(last, ..)| last.at + 1 != place.at) {
                block.prefetch_behind(at);
            }
            here = Some((place, part, block));
            let target = part.labels.target(block.label(at));
            let weight = block.weight(at) * self.class_weight(target);
            if self.as_it_lies(part) {
                let row = Row::new(block.ids(at), block.values(at), target).weighing(weight);
                // The row loop asks for the others ahead of use.
                if out.len() < DATA_AHEAD {
                    row.prefetch();
                }
                out.push(row);
            } else {
                self.copy(part, block, at, copies);
                out.push(Row::new(Ids::default(), &[], target).weighing(weight));
            }
        }
        if copies.ends.is_empty() {
            return Ok(());
        }
        let ids = checked(&copies.ids, self.limit)?;
        let mut from = 0;
        let copied = places.iter().zip(out).filter(|(place, _)| !self.as_it_lies(&self.parts[place.part as usize]));
        for ((_, row), &end) in copied.zip(&copies.ends) {
            let values = if self.ones { &[] } else { &copies.values[from..end] };
            *row = Row::new(ids.slice(from..end), values, row.target).weighing(row.weight);
            from = end;
        }
        Ok(())
    }

    /// The target and the weight of the row at `place`.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn target(&self, place: Place) -> Result<(f32, f32)> {
        let (part, at) = (place.part as usize, place.at as usize);
        let block = self.block(part, place.block as usize)?;
        let target = self.parts[part].labels.target(block.label(at));
        Ok((target, block.weight(at) * self.class_weight(target)))
    }

    fn class_weight(&self, target: f32) -> f32 {
        if self.class_weights.is_empty() {
            return self.weight_unit;
        }
        // A target is the number of the class, or -1 and 1 for the classes 0 and 1.
        self.class_weights.get(target.max(0.0) as usize).copied().unwrap_or(self.weight_unit)
    }

    /// Whether the rows of a part can be learned without a copy.
    fn as_it_lies(&self, part: &Part<'_>) -> bool {
        let changed = self.centred > 0 || self.factors.is_some() || self.counts.is_some();
        part.map.is_none() && !changed && part.ones == self.ones
    }

    fn copy(&self, part: &Part<'_>, block: &Block<'_>, at: usize, copies: &mut Copies) {
        let (ids, values) = (block.ids(at).as_slice(), block.values(at));
        let from = copies.ids.len();
        if let Some((weighting, idf)) = &self.counts {
            for (at, &id) in ids.iter().enumerate() {
                let row = part.map.as_ref().map_or(id, |map| map[id as usize]);
                if row != NO_ROW {
                    copies.ids.push(row);
                    copies.values.push(values.get(at).copied().unwrap_or(1.0));
                }
            }
            weighting.weigh(&copies.ids[from..], &mut copies.values[from..], idf);
            self.scale_values(from, copies);
            copies.ends.push(copies.ids.len());
            return;
        }
        match &part.map {
            Some(map) => copies.ids.extend(ids.iter().map(|&id| map[id as usize])),
            None => copies.ids.extend_from_slice(ids),
        }
        if !self.ones {
            if values.is_empty() {
                copies.values.resize(copies.ids.len(), 1.0);
            } else {
                copies.values.extend_from_slice(values);
            }
            if self.centred > 0 {
                self.take_off_centres(from, copies);
            }
            self.scale_values(from, copies);
        }
        copies.ends.push(copies.ids.len());
    }

    /// Brings the row that was copied to `from` and behind it into the units of learning.
    fn scale_values(&self, from: usize, copies: &mut Copies) {
        let Some(factors) = &self.factors else { return };
        for (value, &id) in copies.values[from..].iter_mut().zip(&copies.ids[from..]) {
            *value *= factors[id as usize];
        }
    }

    /// Centres the row that was copied to `from` and behind it.
    fn take_off_centres(&self, from: usize, copies: &mut Copies) {
        let mut met = 0;
        for (value, &id) in copies.values[from..].iter_mut().zip(&copies.ids[from..]) {
            let centre = self.centres[id as usize];
            *value -= centre;
            met += usize::from(centre != 0.0);
        }
        if met < self.centred {
            // A column that is not in a row is 0 there, and 0 is off centre as well.
            let end = copies.ids.len();
            for (id, &centre) in (0u32..).zip(&self.centres) {
                if centre != 0.0 && !copies.ids[from..end].contains(&id) {
                    copies.ids.push(id);
                    copies.values.push(-centre);
                }
            }
        }
    }

    /// Calls `each` with tensor rows and values of the rows `rows`, in order; the values of a part that is all ones are none.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn for_each(&self, rows: Range<u64>, mut each: impl FnMut(&[u32], &[f32])) -> Result<()> {
        let (mut copies, mut places) = (Copies::default(), [Place::default(); BATCH]);
        let mut walk = self.walk(vec![rows], None);
        loop {
            let n = walk.next_places(&mut places)?;
            if n == 0 {
                return Ok(());
            }
            let mut rows = Vec::with_capacity(n);
            self.fetch(&places[..n], &mut copies, &mut rows)?;
            for row in &rows {
                each(row.ids().as_slice(), row.values());
            }
        }
    }

    /// Walks the rows of `strips`, those left out that `holdout` holds out.
    pub(super) fn walk(&self, strips: Strips, holdout: Option<Holdout>) -> Walk<'_, 'd> {
        let cursors = vec![(Place::default(), 0..0); strips.len()];
        Walk { corpus: self, rows: Interleaved::new(strips), run: (0..0, 0), holdout, cursors }
    }

    /// The places of given rows, rising.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn places(&self, rows: &[u64], out: &mut [Place; BATCH]) -> Result<()> {
        let mut here = (Place::default(), 0..0);
        for (&row, place) in rows.iter().zip(out) {
            *place = self.advance(&mut here, row)?;
        }
        Ok(())
    }

    /// The place of `row`, looked up only where it is not in the block of the last one.
    fn advance(&self, here: &mut (Place, Range<u64>), row: u64) -> Result<Place> {
        if !here.1.contains(&row) {
            *here = self.locate(row)?;
        }
        here.0.at = (row - here.1.start) as u32;
        Ok(here.0)
    }
}

/// A walk through strips of a corpus.
pub(super) struct Walk<'c, 'd> {
    corpus: &'c Corpus<'d>,
    rows: Interleaved,
    /// What is left of the last run, and its strip.
    run: (Range<u64>, usize),
    holdout: Option<Holdout>,
    /// By strip: the last place, and the rows of its block.
    cursors: Vec<(Place, Range<u64>)>,
}

impl Walk<'_, '_> {
    /// The places of the next rows, as many as there is room for; how many there were.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn next_places(&mut self, out: &mut [Place]) -> Result<usize> {
        let mut n = 0;
        while n < out.len() {
            let Some(row) = self.run.0.next() else {
                match self.rows.next() {
                    Some(run) => self.run = run,
                    None => break,
                }
                continue;
            };
            if self.holdout.is_some_and(|holdout| holdout.has(row)) {
                continue;
            }
            out[n] = self.corpus.advance(&mut self.cursors[self.run.1], row)?;
            n += 1;
        }
        Ok(n)
    }
}
