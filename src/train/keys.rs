//! One dictionary for the model that is resumed and all data files, and what each file's ids are in it.
//!
//! What flows in: dictionaries. What flows out: [`Keys`].

use std::borrow::Cow;

use super::resume::Resumed;
use crate::data::{DataFile, Dictionary};
use crate::error::Result;

/// The keys of all files.
pub(super) struct Keys<'d> {
    /// That of the one file there is, where nothing is added to it: a copy of a million keys takes longer than saving them.
    pub(super) dictionary: Cow<'d, Dictionary>,
    /// By file: the row of the dictionary of each of its ids; none where they are the same.
    pub(super) maps: Vec<Option<Vec<u32>>>,
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
    Ok(Keys { dictionary, maps })
}
