//! Planted data: rows whose labels follow a model that is known, and with it the loss that no model can go below.
//!
//! What flows in: a [`Request`]. What flows out: files of text, `OUT.train.svm` and so on, and a line about each part. The same
//! request gives the same bytes, on every machine whose libm rounds alike. `sparse`, `ctr` and `ratings` are the kinds of data;
//! the random numbers of a batch of rows are drawn one after the other (`random`), while the batch before is judged and written
//! out (`text`) by all threads, into `files` that have their names once all are whole.

mod ctr;
mod files;
mod preset;
mod random;
mod ratings;
mod sparse;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;

use rayon::prelude::*;

pub use preset::Preset;
pub(crate) use random::{Random, Zipf};
pub use text::Text;

use crate::error::{Error, Result};
use crate::store::Store;
use crate::store::draft::{Draft, publish, refuse_existing};
use crate::sys::signal::StopRequest;

/// What to make.
#[derive(Clone, Debug)]
pub struct Request {
    /// The rows.
    pub data: Data,
    /// The only format to write; all that the kind of data has, if none is named.
    pub format: Option<Text>,
    /// What the names of the files begin with; `.train.svm` and the like follow.
    pub out: PathBuf,
    /// Files of these names may be replaced.
    pub overwrite: bool,
}

/// The rows to make. The same data has the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// What rows are like.
    pub kind: Kind,
    /// Rows to learn from.
    pub rows: u64,
    /// Rows to measure with; none gives no such file.
    pub test_rows: u64,
    /// Other seeds give other rows of the same truth.
    pub seed: u64,
}

/// What rows are like.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Rows of unit length over features of Zipf's law; two classes by a logistic model.
    Sparse {
        /// How many features there are, at most 2³¹.
        features: u64,
        /// Features of a row on average; a row has up to a third more or fewer.
        nonzeros: u64,
        /// The exponent of Zipf's law.
        zipf: f64,
    },
    /// One category of each of 24 columns; two classes by a factorization machine.
    Ctr {
        /// The exponent of Zipf's law, in every column.
        zipf: f64,
    },
    /// Half stars from users for items, by biases and eight factors.
    Ratings {
        /// How many users there are.
        users: u64,
        /// How many items there are.
        items: u64,
    },
}

/// One kind of data, ready to be made.
trait Planted: Sync {
    /// A row as far as it is drawn.
    type Row: Send + Sync;
    /// The formats it is written in.
    const TEXTS: &'static [Text];

    /// The line before the rows.
    fn header(&self, _text: Text) -> &'static [u8] {
        b""
    }

    /// Draws a row. What need not be known to find the next row is left to [`write`](Self::write).
    fn draw(&self, random: &mut Random) -> Self::Row;

    /// Adds the row to every text, and tells what [`report`](Self::report) sums over rows.
    fn write(&self, row: &Self::Row, out: &mut [(Text, Vec<u8>)]) -> Sums;

    /// The line about a part of so many rows.
    fn report(&self, rows: u64, sums: Sums) -> String;
}

/// What is summed over the rows of a part, in their order.
type Sums = [f64; 5];

/// Makes the files that `request` asks for, and returns a line about each part: what it holds, and the loss of its truth.
///
/// # Errors
/// [`Error::Usage`] for data that cannot be, a format that the kind does not have, or a file that exists; [`Error::Io`] where
/// one cannot be written; [`Error::Interrupted`]. Files have their names only when all are whole.
pub fn generate(request: &Request, store: &dyn Store, stop: &StopRequest) -> Result<String> {
    match request.data.kind {
        Kind::Sparse { features, nonzeros, zipf } => {
            if !(1..=sparse::MOST_FEATURES).contains(&features) || nonzeros == 0 {
                let most = sparse::MOST_FEATURES;
                return Err(Error::Usage(format!("sparse rows have 1 to {most} features and at least one nonzero")));
            }
            make(&sparse::Sparse::new(features, nonzeros, zipf)?, request, store, stop)
        }
        Kind::Ctr { zipf } => make(&ctr::Ctr::new(zipf), request, store, stop),
        Kind::Ratings { users, items } => {
            if users == 0 || items == 0 {
                return Err(Error::Usage("ratings need at least one user and one item".to_owned()));
            }
            make(&ratings::Ratings::new(users, items), request, store, stop)
        }
    }
}

fn make<P: Planted>(planted: &P, request: &Request, store: &dyn Store, stop: &StopRequest) -> Result<String> {
    let texts = match request.format {
        None => P::TEXTS.to_vec(),
        Some(text) if P::TEXTS.contains(&text) => vec![text],
        Some(text) => {
            let names: Vec<_> = P::TEXTS.iter().map(|text| text.name()).collect();
            return Err(Error::Usage(format!(
                "not written as {}: this kind of data has {}",
                text.name(),
                names.join(", ")
            )));
        }
    };
    let parts = [("train", request.data.rows), ("test", request.data.test_rows)].into_iter().filter(|part| part.1 > 0);
    let mut files = Vec::new();
    for (part, _) in parts.clone() {
        let targets = texts.iter().map(|text| files::target(&request.out, part, *text));
        files.push(targets.collect::<Result<Vec<_>>>()?);
    }
    if !request.overwrite {
        files.iter().flatten().try_for_each(|target| refuse_existing(target))?;
    }
    let (mut random, mut lines, mut whole) = (Random::new(request.data.seed), String::new(), Vec::new());
    for ((part, rows), targets) in parts.zip(files) {
        let mut drafts = targets.iter().map(|target| Draft::create(store, target)).collect::<Result<Vec<_>>>()?;
        let sums = write_rows(planted, &texts, &mut random, rows, &mut drafts, stop)?;
        lines += &format!("{}.{part} {}\n", request.out.display(), planted.report(rows, sums));
        whole.append(&mut drafts);
    }
    publish(store, whole)?;
    Ok(lines)
}

/// Rows that are drawn before they are written.
const BATCH: u64 = 8192;
/// Rows that a thread writes at a time.
const PIECE: usize = 256;

/// Writes `rows` rows into `drafts`, one for each of `texts`.
fn write_rows<P: Planted>(
    planted: &P,
    texts: &[Text],
    random: &mut Random,
    rows: u64,
    drafts: &mut [Draft<'_>],
    stop: &StopRequest,
) -> Result<Sums> {
    let mut left = rows;
    let mut draw = || {
        let batch = left.min(BATCH);
        left -= batch;
        (0..batch).map(|_| planted.draw(random)).collect::<Vec<_>>()
    };
    let write = |rows: &[P::Row]| {
        let mut out: Vec<_> = texts.iter().map(|&text| (text, Vec::new())).collect();
        let sums: Vec<Sums> = rows.iter().map(|row| planted.write(row, &mut out)).collect();
        (out, sums)
    };
    for (draft, text) in drafts.iter_mut().zip(texts) {
        draft.write(planted.header(*text))?;
    }
    let mut sums = Sums::default();
    let mut batch = draw();
    while !batch.is_empty() {
        if stop.requested() {
            return Err(Error::Interrupted { what: "interrupted: nothing was written".to_owned(), saved: false });
        }
        let (written, next) = rayon::join(|| batch.par_chunks(PIECE).map(write).collect::<Vec<_>>(), &mut draw);
        for (out, of_rows) in written {
            for (draft, (_, text)) in drafts.iter_mut().zip(out) {
                draft.write(&text)?;
            }
            for row in of_rows {
                sums.iter_mut().zip(row).for_each(|(sum, of_row)| *sum += of_row);
            }
        }
        batch = next;
    }
    Ok(sums)
}
