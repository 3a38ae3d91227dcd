//! [`Dictionary`]: which row of the model belongs to which key of the data.
//!
//! Its bytes, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `HOGKEYS` and a zero |
//! | 4 | version, 1 |
//! | 4 | flags: bit 0 the keys are names, bit 1 there are scales, bit 2 there are document frequencies |
//! | 8 | n, the number of keys |
//! | 8 | t, the bytes of all names together (0 for numbers) |
//! | 4n | numbers: the key of each row; names: the length of each row's name |
//! | t | the names, in UTF-8, one after the other |
//! | n, if there are scales | the scale of each row, signed |
//! | 4n, if there are document frequencies | the inverse document frequency of each row, f32 |
//! | 8 | xxh3 of all before |

use xxhash_rust::xxh3::xxh3_64;

use super::names::{NO_ROW, NameBatch, Names};
use super::numbers::Numbers;
use crate::error::{Error, Result};

/// More keys than this are refused, so that a row number always has room above it.
pub const MOST_KEYS: usize = 1 << 31;

const _: () = assert!(cfg!(target_endian = "little"), "keys are written as they stand in memory");

const MAGIC: [u8; 8] = *b"HOGKEYS\0";
const VERSION: u32 = 1;
const HEAD: usize = 32;

/// Keys and their rows, 0, 1, 2, … in the order in which they were added.
///
/// Keys are all numbers (libsvm indices) or all names (`age`, `city=Oslo`, `3:17` of libffm).
#[derive(Clone, Debug)]
pub struct Dictionary {
    keys: Keys,
    /// Exponents of two that training scales the values of each row by; a row past the end has 0.
    pub scales: Option<Vec<i8>>,
    /// The inverse document frequency of each row, where rows of data are weighed by them.
    pub idf: Option<Vec<f32>>,
}

#[derive(Clone, Debug)]
enum Keys {
    Numbers(Numbers),
    Names(Names),
}

impl Dictionary {
    /// No keys yet; they will be numbers.
    pub fn numbers() -> Self {
        Self::from(Keys::Numbers(Numbers::default()))
    }

    /// No keys yet; they will be names.
    pub fn names() -> Self {
        Self::from(Keys::Names(Names::default()))
    }

    fn from(keys: Keys) -> Self {
        Self { keys, scales: None, idf: None }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::Numbers(numbers) => numbers.len(),
            Keys::Names(names) => names.len(),
        }
    }

    /// True where there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where keys are names, false where they are numbers.
    pub fn is_names(&self) -> bool {
        matches!(self.keys, Keys::Names(_))
    }

    /// The row of the number `key`.
    #[inline(always)]
    pub fn number(&self, key: u32) -> Option<u32> {
        match &self.keys {
            Keys::Numbers(numbers) => numbers.get(key),
            Keys::Names(_) => None,
        }
    }

    /// The row of the name `key`.
    pub fn name(&self, key: &str) -> Option<u32> {
        match &self.keys {
            Keys::Numbers(_) => None,
            Keys::Names(names) => {
                let row = names.find(key.as_bytes());
                (row != NO_ROW).then_some(row)
            }
        }
    }

    /// Puts the row of each name of `batch` into `rows`, [`NO_ROW`] where there is none.
    pub(crate) fn find_all(&self, batch: &mut NameBatch, rows: &mut [u32]) {
        match &self.keys {
            Keys::Numbers(_) => rows.fill(NO_ROW),
            Keys::Names(names) => names.find_all(batch, rows),
        }
    }

    /// Puts rows in the place of `numbers`, as far as they are known, and the places of the others, which stay, at the end of
    /// `missed`.
    ///
    /// # Panics
    /// Where keys are names.
    pub(crate) fn find_numbers(&self, numbers: &mut [u32], missed: &mut Vec<u32>) {
        match &self.keys {
            Keys::Numbers(keys) => keys.find_all(numbers, missed),
            Keys::Names(_) => panic!("a number is looked up in a dictionary of names"),
        }
    }

    /// Puts the rows of those numbers in their place that stand at `places`; they are added where they are missing.
    ///
    /// # Errors
    /// Where there are too many keys.
    ///
    /// # Panics
    /// Where keys are names and there are such places.
    pub(crate) fn add_numbers(&mut self, numbers: &mut [u32], places: &[u32]) -> Result<()> {
        match &mut self.keys {
            Keys::Numbers(keys) => keys.add_all(numbers, places),
            Keys::Names(_) => assert!(places.is_empty(), "a number is added to a dictionary of names"),
        }
        self.check_size()
    }

    /// The row of a key in words, of either kind.
    pub fn find(&self, key: &str) -> Option<u32> {
        if self.is_names() { self.name(key) } else { self.number(key.parse().ok()?) }
    }

    /// The key of `row`, in words.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn name_of(&self, row: u32) -> String {
        match &self.keys {
            Keys::Numbers(numbers) => numbers.keys()[row as usize].to_string(),
            Keys::Names(names) => String::from_utf8_lossy(names.name(row)).into_owned(),
        }
    }

    /// The name of each row, where keys are names.
    pub(crate) fn each_name(&self) -> Option<impl Iterator<Item = &[u8]>> {
        match &self.keys {
            Keys::Numbers(_) => None,
            Keys::Names(names) => Some((0..names.len() as u32).map(|row| names.name(row))),
        }
    }

    /// The row of the number `key`, which is added where it is missing.
    ///
    /// # Panics
    /// Where keys are names.
    pub fn add_number(&mut self, key: u32) -> u32 {
        match &mut self.keys {
            Keys::Numbers(numbers) => numbers.add(key),
            Keys::Names(_) => panic!("a number is added to a dictionary of names"),
        }
    }

    /// The row of the name `key`, which is added where it is missing.
    ///
    /// # Panics
    /// Where keys are numbers.
    pub fn add_name(&mut self, key: &str) -> u32 {
        self.add_utf8(key.as_bytes())
    }

    /// [`Dictionary::add_name`] for bytes that are known to be UTF-8.
    pub(crate) fn add_utf8(&mut self, key: &[u8]) -> u32 {
        match &mut self.keys {
            Keys::Numbers(_) => panic!("a name is added to a dictionary of numbers"),
            Keys::Names(names) => names.add(key),
        }
    }

    /// Takes the keys that were added last away again, but for the first `length` ones.
    pub(crate) fn truncate(&mut self, length: usize) {
        match &mut self.keys {
            Keys::Numbers(numbers) => numbers.truncate(length),
            Keys::Names(names) => names.truncate(length),
        }
    }

    /// Adds the keys of `other` that are missing here, in its order; the row here of each of its rows.
    ///
    /// # Errors
    /// Where one holds names and the other numbers, or there would be too many keys.
    pub fn merge(&mut self, other: &Self) -> Result<Vec<u32>> {
        let here = match (&mut self.keys, &other.keys) {
            (Keys::Numbers(mine), Keys::Numbers(theirs)) => theirs.keys().iter().map(|&key| mine.add(key)).collect(),
            (Keys::Names(mine), Keys::Names(theirs)) => {
                (0..theirs.len() as u32).map(|row| mine.add(theirs.name(row))).collect()
            }
            _ => {
                return Err(Error::Usage(
                    "the keys of some of the data are libsvm numbers and of some are names: give data of one kind"
                        .into(),
                ));
            }
        };
        self.check_size().map(|()| here)
    }

    fn check_size(&self) -> Result<()> {
        if self.len() > MOST_KEYS {
            return Err(Error::Usage(format!("the data has more than {MOST_KEYS} different keys: hash them first")));
        }
        Ok(())
    }

    /// Numbers the rows anew: row `order[i]` becomes row i. `order` names each row once.
    pub(crate) fn reorder(&mut self, order: &[u32]) {
        match &mut self.keys {
            Keys::Numbers(numbers) => numbers.reorder(order),
            Keys::Names(names) => {
                let mut ordered = Names::default();
                order.iter().for_each(|&row| _ = ordered.add(names.name(row)));
                *names = ordered;
            }
        }
    }

    /// The keys of `rows`, which name each row once at most, in that order, without scales and document frequencies but for those they
    /// have.
    pub(crate) fn subset(&self, rows: &[u32]) -> Self {
        let mut kept = if self.is_names() { Self::names() } else { Self::numbers() };
        match (&self.keys, &mut kept.keys) {
            (Keys::Names(all), Keys::Names(kept)) => rows.iter().for_each(|&row| _ = kept.add(all.name(row))),
            (Keys::Numbers(all), Keys::Numbers(kept)) => {
                rows.iter().for_each(|&row| _ = kept.add(all.keys()[row as usize]));
            }
            _ => {}
        }
        kept.scales = self.scales.clone();
        kept.idf = self.idf.clone();
        kept
    }

    /// The dictionary in bytes, as the module's table says.
    pub fn to_bytes(&self) -> Vec<u8> {
        let flags =
            u32::from(self.is_names()) | u32::from(self.scales.is_some()) << 1 | u32::from(self.idf.is_some()) << 2;
        let text: usize = match &self.keys {
            Keys::Numbers(_) => 0,
            Keys::Names(names) => names.text().len(),
        };
        let mut bytes = Vec::with_capacity(HEAD + 9 * self.len() + text + 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend((self.len() as u64).to_le_bytes());
        bytes.extend((text as u64).to_le_bytes());
        match &self.keys {
            Keys::Numbers(numbers) => bytes.extend_from_slice(bytemuck::cast_slice(numbers.keys())),
            Keys::Names(names) => {
                bytes.extend(names.lengths().flat_map(u32::to_le_bytes));
                bytes.extend(names.text());
            }
        }
        if let Some(scales) = &self.scales {
            bytes.extend((0..self.len()).map(|row| scales.get(row).map_or(0, |&scale| scale as u8)));
        }
        if let Some(idf) = &self.idf {
            bytes.extend((0..self.len()).flat_map(|row| idf.get(row).copied().unwrap_or(0.0).to_le_bytes()));
        }
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// The dictionary that [`Dictionary::to_bytes`] wrote.
    ///
    /// # Errors
    /// In words, what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (body, hash) = bytes.split_last_chunk::<8>().ok_or("the dictionary is cut short")?;
        if body.len() < HEAD || body[..8] != MAGIC {
            return Err("this is not a dictionary".into());
        }
        if xxh3_64(body) != u64::from_le_bytes(*hash) {
            return Err("the dictionary is damaged: its checksum is wrong".into());
        }
        let (version, flags) = (word(&body[8..]), word(&body[12..]));
        if version != VERSION || flags > 7 {
            return Err(format!("the dictionary has version {version}, this program reads version {VERSION}"));
        }
        let (is_names, scaled, weighed) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let (count, text) = (long(&body[16..]), long(&body[24..]));
        // Nothing is allocated before the lengths are known to add up to what is there.
        let expected = u128::from(count) * (4 + u128::from(scaled) + 4 * u128::from(weighed)) + u128::from(text);
        if expected != (body.len() - HEAD) as u128 || count as usize > MOST_KEYS || (!is_names && text != 0) {
            return Err("the dictionary is damaged: its lengths do not add up".into());
        }
        let (words, rest) = body[HEAD..].split_at(4 * count as usize);
        let (text, rest) = rest.split_at(text as usize);
        let (scales, idf) = rest.split_at(if scaled { count as usize } else { 0 });
        let words = words.chunks_exact(4).map(word);
        let mut dictionary = if is_names { Self::names() } else { Self::numbers() };
        if is_names {
            let mut text = str::from_utf8(text).map_err(|_| "the dictionary is damaged: a name is not UTF-8")?;
            for length in words {
                let (name, rest) =
                    text.split_at_checked(length as usize).ok_or("the dictionary is damaged: a name is cut")?;
                dictionary.add_name(name);
                text = rest;
            }
        } else {
            for key in words {
                dictionary.add_number(key);
            }
        }
        if dictionary.len() as u64 != count {
            return Err("the dictionary is damaged: a key stands there twice".into());
        }
        dictionary.scales = scaled.then(|| scales.iter().map(|&scale| scale as i8).collect());
        dictionary.idf = weighed.then(|| idf.chunks_exact(4).map(|number| f32::from_bits(word(number))).collect());
        Ok(dictionary)
    }
}

/// The first four bytes.
fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |&four| u32::from_le_bytes(four))
}

/// The first eight bytes.
fn long(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |&eight| u64::from_le_bytes(eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_numbers(keys: &[u32]) -> Dictionary {
        let mut dictionary = Dictionary::numbers();
        for &key in keys {
            dictionary.add_number(key);
        }
        dictionary
    }

    fn of_names(keys: &[&str]) -> Dictionary {
        let mut dictionary = Dictionary::names();
        for key in keys {
            dictionary.add_name(key);
        }
        dictionary
    }

    fn keys(dictionary: &Dictionary) -> Vec<String> {
        (0..dictionary.len() as u32).map(|row| dictionary.name_of(row)).collect()
    }

    #[test]
    fn keys_get_rows_in_the_order_they_come() {
        let numbers = of_numbers(&[7, 1, u32::MAX, 7, 1 << 24, (1 << 24) - 1]);
        assert_eq!(keys(&numbers), ["7", "1", "4294967295", "16777216", "16777215"]);
        assert_eq!([7, 1, u32::MAX, 1 << 24, (1 << 24) - 1].map(|key| numbers.number(key)), [0, 1, 2, 3, 4].map(Some));
        assert_eq!((numbers.number(2), numbers.number(1 << 25), numbers.name("7")), (None, None, None));
        let names = of_names(&["age", "city=Oslo", "age", ""]);
        assert_eq!(keys(&names), ["age", "city=Oslo", ""]);
        assert_eq!((names.name("city=Oslo"), names.name("Oslo"), names.number(0)), (Some(1), None, None));
    }

    #[test]
    fn numbers_are_found_many_at_a_time_and_the_others_named() {
        let large = (0..300).map(|nth| (1 << 24) + nth * nth);
        let known: Vec<u32> = (0..500).map(|nth| 3 * nth).chain(large).collect();
        let dictionary = of_numbers(&known);
        for length in [0, 1, 255, 256, 257, 3000] {
            let all: Vec<u32> =
                (0..length).map(|at| if at % 7 == 0 { u32::MAX - at } else { 2 * at + at % 3 * (1 << 23) }).collect();
            let (mut rows, mut missed) = (all.clone(), vec![9]);
            dictionary.find_numbers(&mut rows, &mut missed);
            let places: Vec<u32> = (0..length).filter(|&at| dictionary.number(all[at as usize]).is_none()).collect();
            assert_eq!(missed[1..], places);
            let expected: Vec<u32> = all.iter().map(|&key| dictionary.number(key).unwrap_or(key)).collect();
            assert_eq!(rows, expected);
            let mut more = dictionary.clone();
            more.add_numbers(&mut rows, &places).unwrap();
            assert!(rows.iter().zip(&all).all(|(&row, &key)| more.number(key) == Some(row)));
        }
    }

    #[test]
    fn rows_can_be_numbered_anew() {
        let mut numbers = of_numbers(&[7, 1 << 30, 9]);
        numbers.reorder(&[2, 0, 1]);
        assert_eq!((keys(&numbers), numbers.number(9)), (["9", "7", "1073741824"].map(String::from).to_vec(), Some(0)));
        assert_eq!([7, 1 << 30, 8].map(|key| numbers.number(key)), [Some(1), Some(2), None]);
        let mut names = of_names(&["a", "b", "c"]);
        names.reorder(&[2, 0, 1]);
        assert_eq!((keys(&names).concat(), names.name("a"), names.add_name("d")), ("cab".to_owned(), Some(1), 3));
    }

    #[test]
    fn merging_adds_what_is_missing_and_says_where_all_went() {
        let mut mine = of_numbers(&[5, 6]);
        assert_eq!(mine.merge(&of_numbers(&[9, 6, 1])).unwrap(), [2, 1, 3]);
        assert_eq!(keys(&mine), ["5", "6", "9", "1"]);
        let mut mine = of_names(&["a"]);
        assert_eq!(mine.merge(&of_names(&["b", "a"])).unwrap(), [1, 0]);
        assert!(mine.merge(&of_numbers(&[1])).unwrap_err().to_string().contains("one kind"));
    }

    #[test]
    fn keys_that_are_taken_away_can_be_added_again() {
        let mut numbers = of_numbers(&[7, 1 << 30, 9, 1 << 31]);
        numbers.truncate(1);
        numbers.truncate(5);
        assert_eq!([7, 9, 1 << 30].map(|key| numbers.number(key)), [Some(0), None, None]);
        assert_eq!((numbers.add_number(1 << 31), numbers.add_number(9), numbers.len()), (1, 2, 3));
        let mut names = of_names(&["a", "b", "c"]);
        names.truncate(1);
        assert_eq!((names.name("a"), names.name("b"), names.add_name("c")), (Some(0), None, 1));
        // However the table of names has grown meanwhile.
        let name = |at: usize| format!("{at} {}", "-".repeat(at % 20));
        let mut names = Dictionary::names();
        for length in (0..300).step_by(7) {
            (names.len()..300).for_each(|at| _ = names.add_name(&name(at)));
            names.truncate(length);
            assert!((0..300).all(|at| names.name(&name(at)) == (at < length).then_some(at as u32)), "{length}");
        }
    }

    #[test]
    fn bytes_bring_back_the_same() {
        let mut scaled = of_numbers(&[3, 1, 1 << 30]);
        scaled.scales = Some(vec![-3, 4]);
        let mut weighed = of_names(&["a", "b"]);
        weighed.idf = Some(vec![1.5, 0.25]);
        for dictionary in
            [scaled, weighed, of_names(&["age", "", "naïve=ja"]), Dictionary::names(), Dictionary::numbers()]
        {
            let back = Dictionary::from_bytes(&dictionary.to_bytes()).unwrap();
            assert_eq!(keys(&back), keys(&dictionary));
            assert_eq!(back.is_names(), dictionary.is_names());
            assert_eq!(back.to_bytes(), dictionary.to_bytes());
            assert_eq!((back.scales.is_some(), back.idf), (dictionary.scales.is_some(), dictionary.idf));
        }
    }

    #[test]
    fn damaged_bytes_are_refused_whatever_is_damaged() {
        let mut dictionary = of_names(&["age", "city=Oslo"]);
        dictionary.scales = Some(vec![1, 2]);
        let good = dictionary.to_bytes();
        for length in 0..good.len() {
            assert!(Dictionary::from_bytes(&good[..length]).is_err(), "cut to {length}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(Dictionary::from_bytes(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn lengths_that_lie_under_a_right_checksum_are_refused() {
        let good = of_names(&["age", "city=Oslo"]).to_bytes();
        // The flags, the count, the bytes of text, the first length, and text that is no UTF-8.
        for at in [12, 16, 23, 24, 31, 32, 35, HEAD + 8] {
            let mut bad = good[..good.len() - 8].to_vec();
            bad[at] ^= 0x81;
            bad.extend(xxh3_64(&bad).to_le_bytes());
            assert!(Dictionary::from_bytes(&bad).is_err(), "byte {at}");
        }
        let mut twice = of_numbers(&[1, 2]).to_bytes();
        twice.truncate(twice.len() - 8);
        twice[HEAD + 4] = 1;
        twice.extend(xxh3_64(&twice).to_le_bytes());
        assert!(Dictionary::from_bytes(&twice).unwrap_err().contains("twice"));
    }
}
