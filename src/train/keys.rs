//! One dictionary for the model that is resumed and all data files, and what each file's ids are in it.
//!
//! What flows in: dictionaries. What flows out: [`Keys`].

use super::resume::Resumed;
use crate::data::{DataFile, Dictionary};
use crate::error::Result;

/// The keys of all files.
pub(super) struct Keys {
    pub(super) dictionary: Dictionary,
    /// By file: the row of the dictionary of each of its ids; none where they are the same.
    pub(super) maps: Vec<Option<Vec<u32>>>,
}

/// One dictionary for the model and all files. A file whose keys are the dictionary's first needs no map.
pub(super) fn keys(files: &[DataFile], resumed: Option<&Resumed>) -> Result<Keys> {
    let mut dictionary = match resumed {
        Some(resumed) => resumed.dictionary.clone(),
        None => files[0].dictionary().clone(),
    };
    let mut maps = Vec::new();
    for (nth, file) in files.iter().enumerate() {
        if nth == 0 && resumed.is_none() {
            maps.push(None);
            continue;
        }
        let map = dictionary.merge(file.dictionary())?;
        let same = map.iter().enumerate().all(|(id, &row)| id as u32 == row);
        maps.push((!same).then_some(map));
    }
    Ok(Keys { dictionary, maps })
}
