//! One dictionary for the model that is resumed and all data files, and what each file's ids are in it.
//!
//! What flows in: dictionaries, and of text the rows. What flows out: [`Keys`].

use std::borrow::Cow;

use rayon::prelude::*;

use super::resume::Resumed;
use crate::data::{DataFile, Dictionary, NO_ROW};
use crate::error::{Error, Result};
use crate::model::weighting::{Text, Weighting, idf};

/// The keys of all files.
pub(super) struct Keys<'d> {
    /// That of the one file there is, where nothing is added to it: a copy of a million keys takes longer than saving them.
    pub(super) dictionary: Cow<'d, Dictionary>,
    /// By file: the row of the dictionary of each of its ids, [`NO_ROW`] where it is left out; none where they are the same.
    pub(super) maps: Vec<Option<Vec<u32>>>,
    /// How many nonzeros of all files have a key that is not left out.
    pub(super) nonzeros: u64,
    /// How many keys were left out.
    pub(super) rare: usize,
}

/// One dictionary for the model and all files. A file whose keys are the dictionary's first needs no map.
pub(super) fn keys<'d>(files: &'d [DataFile], resumed: Option<&'d Resumed>) -> Result<Keys<'d>> {
    let mut dictionary = match resumed {
        Some(resumed) => Cow::Borrowed(&resumed.dictionary),
        None => Cow::Borrowed(files[0].dictionary()),
    };
    let mut maps = Vec::new();
    for (nth, file) in files.iter().enumerate() {
        if nth == 0 && resumed.is_none() {
            maps.push(None);
            continue;
        }
        let map = dictionary.to_mut().merge(file.dictionary())?;
        let same = map.iter().enumerate().all(|(id, &row)| id as u32 == row);
        maps.push((!same).then_some(map));
    }
    let nonzeros = files.iter().map(DataFile::nonzeros).sum();
    Ok(Keys { dictionary, maps, nonzeros, rare: 0 })
}

/// What the rows of the files say of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    /// How many rows have it.
    rows: u32,
    /// How often they have it, all together.
    times: u32,
}

impl Keys<'_> {
    /// Leaves out the features that the files have less often than `text` wants, but for those of the model that is resumed, the first
    /// `known`; and gives the others their inverse document frequencies, if they are weighed by them.
    ///
    /// # Errors
    /// [`Error::Usage`] where nothing would be left; a damaged block of a cache.
    pub(super) fn count(&mut self, files: &[DataFile], known: usize, text: &Text) -> Result<()> {
        let mut uses = self.uses(files)?;
        if text.min_count > 1 {
            self.leave_out_rare(&mut uses, known, text.min_count)?;
        }
        if text.weighting == Weighting::TfIdf {
            let rows = files.iter().map(DataFile::rows).sum();
            let dictionary = self.dictionary.to_mut();
            // What the model has learned is in units of what its features weighed.
            let mut all = dictionary.idf.take().unwrap_or_default();
            all.extend(uses[all.len()..].iter().map(|key| idf(rows, key.rows.into())));
            dictionary.idf = Some(all);
        }
        Ok(())
    }

    fn leave_out_rare(&mut self, uses: &mut Vec<Use>, known: usize, least: u32) -> Result<()> {
        let kept: Vec<u32> =
            (0..uses.len() as u32).filter(|&row| (row as usize) < known || uses[row as usize].times >= least).collect();
        self.rare = uses.len() - kept.len();
        if self.rare == 0 {
            return Ok(());
        }
        if kept.is_empty() {
            let most = uses.iter().map(|key| key.times).max().unwrap_or(0);
            return Err(Error::Usage(format!(
                "--min-count {least} leaves no feature: the most frequent one is there {most} times"
            )));
        }
        let mut rows = vec![NO_ROW; uses.len()];
        (0..).zip(&kept).for_each(|(row, &old)| rows[old as usize] = row);
        for map in &mut self.maps {
            match map {
                Some(map) => map.iter_mut().for_each(|row| *row = rows[*row as usize]),
                None => *map = Some(rows.clone()),
            }
        }
        self.dictionary = Cow::Owned(self.dictionary.subset(&kept));
        *uses = kept.iter().map(|&row| uses[row as usize]).collect();
        self.nonzeros = uses.iter().map(|key| u64::from(key.rows)).sum();
        Ok(())
    }

    /// What the rows of the files say of each key.
    fn uses(&self, files: &[DataFile]) -> Result<Vec<Use>> {
        let mut all = vec![Use::default(); self.dictionary.len()];
        for (file, map) in files.iter().zip(&self.maps) {
            let (table, keys, threads) = (file.table(), file.dictionary().len(), rayon::current_num_threads());
            let count = |nth: usize| {
                let mut uses = vec![Use::default(); keys];
                for block in (nth..table.blocks()).step_by(threads) {
                    let block = table.block(block)?;
                    for row in 0..block.rows() {
                        let values = block.values(row);
                        for (at, &id) in block.ids(row).as_slice().iter().enumerate() {
                            let key = &mut uses[id as usize];
                            key.rows += 1;
                            key.times = key.times.saturating_add(values.get(at).map_or(1, |&times| times as u32));
                        }
                    }
                }
                Ok(uses)
            };
            for uses in (0..threads.min(table.blocks())).into_par_iter().map(count).collect::<Result<Vec<_>>>()? {
                for (id, key) in uses.iter().enumerate() {
                    let here = &mut all[map.as_ref().map_or(id, |map| map[id] as usize)];
                    here.rows += key.rows;
                    here.times = here.times.saturating_add(key.times);
                }
            }
        }
        Ok(all)
    }
}
