//! Small planted data: Zipf features, values of unit rows, labels from a known logistic model.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use hogback::model::configuration::Kind;

/// splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What to plant.
pub(crate) struct Plant {
    pub(crate) rows: usize,
    pub(crate) features: u64,
    /// A feature of value 1 in every row.
    pub(crate) constant: bool,
}

/// Writes libsvm text into `folder`; 20 to 40 features a row, Zipf(1.1).
pub(crate) fn write(folder: &Path, plant: &Plant) -> PathBuf {
    let mut random = Random(7);
    let mut weights = Random(11);
    let weights: Vec<f64> = (0..plant.features).map(|_| 6.0 * (weights.unit() + weights.unit() - 1.0)).collect();
    let tail = |x: f64| (x.powf(-0.1) - 1.0) / -0.1;
    let (low, high) = (tail(0.5), tail(plant.features as f64 + 0.5));
    let mut text = String::new();
    for _ in 0..plant.rows {
        let wanted = 20 + (random.next() % 21) as usize;
        let mut ids: Vec<u64> = Vec::new();
        while ids.len() < wanted {
            let at = low + random.unit() * (high - low);
            let rank = (at * -0.1 + 1.0).powf(-10.0).round().clamp(1.0, plant.features as f64) as u64 - 1;
            // Hashed, so that numbers do not fall with frequency.
            let id = rank.wrapping_mul(0x9E37_79B1) % plant.features;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let value = (1e4 / (wanted as f64).sqrt()).round() / 1e4;
        let margin: f64 = ids.iter().map(|&id| weights[id as usize] * value).sum::<f64>() - 0.5;
        let label = if random.unit() < 1.0 / (1.0 + (-margin).exp()) { 1 } else { -1 };
        write!(text, "{label}").expect("a string");
        if plant.constant {
            write!(text, " {}:1", plant.features + 1).expect("a string");
        }
        for id in ids {
            write!(text, " {}:{value}", id + 1).expect("a string");
        }
        text.push('\n');
    }
    let path = folder.join("planted.svm");
    fs::write(&path, text).expect("room for planted data");
    path
}

/// The rows of a libsvm file as a model of this kind reads them: with fields, as text, or as they are.
pub(crate) fn suited(data: &Path, kind: Kind) -> PathBuf {
    match kind {
        Kind::Linear | Kind::Fm | Kind::Mlp => data.to_owned(),
        Kind::Ffm | Kind::Deep => with_fields(data),
        Kind::Text => as_text(data),
    }
}

/// Writes the rows of a libsvm file as text beside it, a word for each index.
fn as_text(data: &Path) -> PathBuf {
    let word = |(nth, word): (usize, &str)| match word.split_once(':') {
        _ if nth == 0 => format!("__label__{word}"),
        pair => format!("w{}", pair.map_or(word, |(index, _)| index)),
    };
    let text = fs::read_to_string(data).expect("planted data");
    let lines = text.lines().map(|line| line.split(' ').enumerate().map(word).collect::<Vec<_>>().join(" ") + "\n");
    let path = data.with_extension("txt");
    fs::write(&path, lines.collect::<String>()).expect("room for planted data");
    path
}

/// Writes the rows of a libsvm file as libffm text beside it, with three fields.
fn with_fields(data: &Path) -> PathBuf {
    let word = |word: &str| match word.split_once(':').and_then(|(index, _)| index.parse::<u64>().ok()) {
        Some(index) => format!("{}:{word}", index % 3),
        None => word.to_owned(),
    };
    let text = fs::read_to_string(data).expect("planted data");
    let lines = text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n");
    let path = data.with_extension("ffm");
    fs::write(&path, lines.collect::<String>()).expect("room for planted data");
    path
}
