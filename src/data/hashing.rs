//! Keys by hash: which bucket a feature belongs to, and features that are products of two others.
//!
//! The hash of a feature is the xxh3 of its name under the seed of its namespace: 0 for the default one, the xxh3 of the
//! name for another. A column of a CSV file is a namespace, of words by their names, or of one feature without a name. A
//! feature whose value is a word is that word under the hash of its name, a libsvm index the name that its digits are, and a
//! libffm field the namespace that its digits are. The hash of a product is the xxh3 of both hashes, the smaller first. The lowest bits of a hash are its bucket.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::block::OwnedBlock;
use super::numbering::ChunkKeys;
use super::repeats::Repeats;

/// Buckets are 2 to the power of this where nobody says.
pub const BITS: u8 = 24;
/// The most products that one row may have.
const MOST_PRODUCTS: usize = 1 << 24;

/// That keys are hashed, and how: what a model must know of it to read other data alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashing {
    /// There are 2 to the power of this buckets; 1 to 31.
    pub bits: u8,
    /// Which features are multiplied.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub interactions: Vec<Interaction>,
    /// Namespaces (VW) that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ignored: Vec<String>,
}

/// Namespaces, or columns, whose features are multiplied, each with each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Interaction {
    /// Of any two namespaces.
    All,
    /// Of these two; of one with itself each pair of its features.
    Pair(String, String),
}

impl FromStr for Interaction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text == "::" => Ok(Self::All),
            Some((one, other)) if !other.contains(':') => Ok(Self::Pair(one.into(), other.into())),
            _ => Err("must be A:B, two namespaces or columns, or :: for any two".into()),
        }
    }
}

impl TryFrom<String> for Interaction {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Interaction> for String {
    fn from(interaction: Interaction) -> Self {
        interaction.to_string()
    }
}

impl fmt::Display for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("::"),
            Self::Pair(one, other) => write!(f, "{one}:{other}"),
        }
    }
}

impl Hashing {
    /// The bucket of a hash.
    #[inline(always)]
    pub(crate) fn bucket(&self, hash: u64) -> u32 {
        (hash & ((1 << self.bits) - 1)) as u32
    }

    /// The bucket of a libsvm index.
    pub(crate) fn number(&self, number: u32) -> u32 {
        self.bucket(key(0, number.to_string().as_bytes()))
    }

    /// The bucket of a libffm field and index, in digits.
    pub(crate) fn pair(&self, field: &[u8], index: &[u8]) -> u32 {
        self.bucket(key(seed(field), index))
    }
}

/// The seed of the namespace `name`.
pub(crate) fn seed(name: &[u8]) -> u64 {
    if name.is_empty() { 0 } else { xxh3_64(name) }
}

/// The hash of what is called `name` under `seed`.
#[inline(always)]
pub(crate) fn key(seed: u64, name: &[u8]) -> u64 {
    xxh3_64_with_seed(name, seed)
}

/// About how many different keys there are, if `taken` of `2^bits` buckets are taken; `None` where all are.
///
/// The share of buckets that n keys leave free is e^(-n / buckets), for keys that are scattered at random.
pub fn keys_of(taken: usize, bits: u8) -> Option<f64> {
    let buckets = (1u64 << bits) as f64;
    let free = 1.0 - taken as f64 / buckets;
    (free > 0.0).then(|| -buckets * free.ln())
}

/// Makes rows of features: the features themselves and their products, by bucket.
pub(crate) struct HashedRow<'p> {
    hashing: &'p Hashing,
    /// The pairs of namespaces, by their numbers, that are multiplied whatever `all` says.
    pairs: Vec<(usize, usize)>,
    /// Whether all namespaces are multiplied with each other.
    all: bool,
    /// Of each namespace, by its number, the features it has in this row: hash and value.
    features: Vec<Vec<(u64, f32)>>,
    /// The namespaces that have features in this row, as they appeared.
    present: Vec<usize>,
    repeats: Repeats,
}

impl<'p> HashedRow<'p> {
    /// `number` gives the number of a namespace that the interactions name.
    pub(crate) fn new(hashing: &'p Hashing, mut number: impl FnMut(&str) -> usize) -> Self {
        let all = hashing.interactions.contains(&Interaction::All);
        let mut pairs = Vec::new();
        for interaction in &hashing.interactions {
            if let Interaction::Pair(one, other) = interaction {
                let (one, other) = (number(one), number(other));
                let pair = (one.min(other), one.max(other));
                if !pairs.contains(&pair) && (one == other || !all) {
                    pairs.push(pair);
                }
            }
        }
        let repeats = Repeats::default();
        Self { hashing, pairs, all, features: Vec::new(), present: Vec::new(), repeats }
    }

    /// Begins a row.
    pub(crate) fn clear(&mut self) {
        self.present.drain(..).for_each(|namespace| self.features[namespace].clear());
    }

    /// Adds a feature of the namespace of this number.
    #[inline(always)]
    pub(crate) fn push(&mut self, namespace: usize, hash: u64, value: f32) {
        if namespace >= self.features.len() {
            self.features.resize(namespace + 1, Vec::new());
        }
        if self.features[namespace].is_empty() {
            self.present.push(namespace);
        }
        self.features[namespace].push((hash, value));
    }

    /// Fills the open row of `block`; how many ids there were before the products.
    ///
    /// # Errors
    /// In words, why the row cannot be.
    pub(crate) fn finish(&mut self, block: &mut OwnedBlock, keys: &mut ChunkKeys<'_>) -> Result<u64, String> {
        let Self { hashing, pairs, all, features, present, repeats } = self;
        let mut plain = 0;
        for &(hash, value) in present.iter().flat_map(|&namespace| &features[namespace]) {
            block.push(hashing.bucket(hash), value);
            plain += 1;
        }
        let mut products = 0;
        let mut multiply = |ones: &[(u64, f32)], others: &[(u64, f32)]| {
            products += ones.len() * others.len();
            if products > MOST_PRODUCTS {
                return Err(format!(
                    "more than {MOST_PRODUCTS} products of features in one row: give --interact less to do"
                ));
            }
            for &(one, left) in ones {
                for &(other, right) in others {
                    let value = left * right;
                    if !value.is_finite() {
                        return Err("the product of two features is more than a float holds".to_owned());
                    }
                    block.push(hashing.bucket(product(one, other)), value);
                }
            }
            Ok(())
        };
        if *all {
            for (nth, &one) in present.iter().enumerate() {
                present[nth + 1..].iter().try_for_each(|&other| multiply(&features[one], &features[other]))?;
            }
        }
        for &(one, other) in &*pairs {
            if let (Some(ones), Some(others)) = (features.get(one), features.get(other)) {
                if one == other {
                    (0..ones.len()).try_for_each(|nth| multiply(&ones[nth..=nth], &ones[nth + 1..]))?;
                } else {
                    multiply(ones, others)?;
                }
            }
        }
        if block.ids.len() > u32::MAX as usize / 2 {
            return Err("too many products of features: give --interact less to do".into());
        }
        keys.translate_row(block);
        block.check_repeated(repeats)?;
        Ok(plain)
    }
}

/// The hash of the product of two features.
#[inline(always)]
fn product(one: u64, other: u64) -> u64 {
    let pair = [one.min(other).to_le_bytes(), one.max(other).to_le_bytes()];
    xxh3_64(pair.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dictionary::Dictionary;

    fn hashing(interactions: &[&str]) -> Hashing {
        let interactions = interactions.iter().map(|text| text.parse().unwrap()).collect();
        Hashing { bits: 31, interactions, ignored: Vec::new() }
    }

    /// The values of a row whose features are 2, 3 and 5 in namespace 0 and 7 in namespace 1, without the first four.
    fn products(interactions: &[&str]) -> Vec<f32> {
        let (hashing, empty) = (hashing(interactions), Dictionary::numbers());
        let mut row = HashedRow::new(&hashing, |name| name.parse().unwrap());
        let (mut block, mut keys) = (OwnedBlock::new(0), ChunkKeys::new(&empty, true));
        for _ in 0..2 {
            row.clear();
            for (namespace, value) in [(0, 2.0), (0, 3.0), (1, 7.0), (0, 5.0)] {
                row.push(namespace, key(namespace as u64, &[value as u8]), value);
            }
            assert_eq!(row.finish(&mut block, &mut keys), Ok(4));
            block.end_row(1.0);
        }
        let half = block.ids.len() / 2;
        assert_eq!((&block.ids[..half], &block.values[..half]), (&block.ids[half..], &block.values[half..]));
        assert_eq!(block.values[..4], [2.0, 3.0, 5.0, 7.0]);
        block.values[4..half].to_vec()
    }

    #[test]
    fn products_are_those_that_were_asked_for() {
        assert_eq!(products(&[]), [0.0; 0]);
        assert_eq!(products(&["0:1"]), [14.0, 21.0, 35.0]);
        assert_eq!(products(&["1:0", "0:1"]), [14.0, 21.0, 35.0]);
        assert_eq!(products(&["0:0"]), [6.0, 10.0, 15.0]);
        assert_eq!(products(&["1:1", "2:0"]), [0.0; 0]);
        assert_eq!(products(&["::"]), [14.0, 21.0, 35.0]);
        assert_eq!(products(&["0:1", "0:0", "::"]), [14.0, 21.0, 35.0, 6.0, 10.0, 15.0]);
    }

    #[test]
    fn interactions_are_written_as_they_are_read() {
        for text in ["::", "a:b", ":b", "a:", ":"] {
            assert_eq!(text.parse::<Interaction>().unwrap().to_string(), text);
        }
        for text in ["", "a", "a:b:c", ":::"] {
            assert!(text.parse::<Interaction>().is_err(), "{text:?}");
        }
        let (json, all) = (r#"{"bits":31,"interactions":["a:b","::"]}"#, hashing(&["a:b", "::"]));
        assert_eq!((serde_json::to_string(&all).unwrap(), serde_json::from_str(json).unwrap()), (json.to_owned(), all));
    }

    #[test]
    fn hashes_stay_what_they_are() {
        // Models that are saved depend on them.
        assert_eq!((seed(b""), seed(b"user"), key(0, b"age")), (0, xxh3_64(b"user"), xxh3_64(b"age")));
        assert_eq!(key(seed(b"user"), b"age"), 2_907_288_282_647_567_497);
        assert_eq!(product(1, 2), product(2, 1));
        assert_eq!(product(2, 1), 571_542_372_673_154_031);
        assert_eq!(hashing(&[]).number(1234), hashing(&[]).bucket(key(0, b"1234")));
    }

    #[test]
    fn the_number_of_keys_is_told_from_the_buckets_they_take() {
        let mut taken = vec![false; 1 << 12];
        (0..10_000u64).for_each(|nth| taken[(key(0, &nth.to_le_bytes()) & 0xFFF) as usize] = true);
        let keys = keys_of(taken.iter().filter(|&&taken| taken).count(), 12).unwrap();
        assert!((keys - 10_000.0).abs() < 500.0, "{keys}");
        assert_eq!((keys_of(0, 12), keys_of(1 << 12, 12)), (Some(0.0), None));
    }
}
