//! Files of a model and caches that are not as they were written: cut anywhere, any bit flipped. Each is reported.

use super::planted::{Plant, Random, suited, write};
use super::{Request, count, passes, run, seed, with_children};
use hogback::checkpoint::load;
use hogback::data::{CachePolicy, DataFile, Input, ReadOptions};
use hogback::model::configuration::Kind;
use hogback::model::predictor::Model;
use hogback::store::Disk;
use hogback::sys::signal::StopRequest;
use hogback::train::Settings;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::{TempDir, tempdir};

/// A trained model and the cache of its data.
struct Trained {
    _folder: TempDir,
    data: PathBuf,
    model: PathBuf,
    read: ReadOptions,
    cache: PathBuf,
}

impl Trained {
    fn new(kind: Kind) -> Self {
        let folder = tempdir().unwrap();
        let data = write(folder.path(), &Plant { rows: 60, features: 300, constant: true });
        let data = suited(&data, kind);
        let model = folder.path().join("m");
        let request = with_children(&data, model.clone(), 1);
        let read = ReadOptions { cache: CachePolicy::Beside, ..request.read.clone() };
        let rank = kind.has_factors().then_some(4);
        let hidden = (kind == Kind::Mlp || kind == Kind::Deep).then(|| vec![4, 3]);
        let settings = Settings { kind: Some(kind), rank, hidden, ..passes(2) };
        run(&Request { settings, read: read.clone(), ..request }).unwrap();
        let cache = data.with_added_extension("hogcache");
        Self { data, model, read, cache, _folder: folder }
    }

    /// The files of the model: weights, state, dictionary, spec, manifest.
    fn files(&self) -> [PathBuf; 5] {
        let latest = |name: &str| self.model.join("latest").join(name);
        [
            latest("weights-00000.safetensors"),
            latest("state-00000.safetensors"),
            latest("dictionary.bin"),
            latest("spec.toml"),
            self.model.join("manifest.json"),
        ]
    }

    /// Holds whoever reads the model to say that `file` is damaged.
    fn is_reported(&self, file: &Path, story: &str) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let loaded = catch_unwind(|| load(&self.model).map(drop)).unwrap_or_else(|_| panic!("{story}: a panic"));
        let error = loaded.expect_err(story).to_string();
        assert!(error.contains(name), "{story}: {error}");
        if !name.starts_with("state") && name != "spec.toml" {
            let opened = catch_unwind(|| Model::open(&self.model).map(drop));
            assert!(opened.unwrap_or_else(|_| panic!("{story}: a panic")).is_err(), "{story}");
        }
    }

    /// Reads the data through its cache: the sum of all it says of its rows, and what was said on the way.
    fn rows(&self) -> (u64, Vec<String>) {
        let notices = Mutex::new(Vec::new());
        let notice = |text: &str| notices.lock().unwrap().push(text.to_owned());
        let input = Input::Path(self.data.clone());
        let read = DataFile::read(&input, &self.read, &Disk, &notice, &StopRequest::never()).unwrap();
        let (table, mut sum) = (read.table(), 0u64);
        for b in 0..table.blocks() {
            let block = table.block(b).unwrap();
            for row in 0..block.rows() {
                let words =
                    block.ids(row).as_slice().iter().copied().chain(block.values(row).iter().map(|x| x.to_bits()));
                let words = words.chain([block.label(row).to_bits()]);
                sum =
                    words.fold(sum, |sum, word| sum.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(word)));
            }
        }
        drop(read);
        (sum, notices.into_inner().unwrap())
    }

    /// Holds the cache to be found damaged and written again as it was.
    fn cache_is_written_again(&self, whole: &[u8], sum: u64, story: &str) {
        let read = catch_unwind(AssertUnwindSafe(|| self.rows()));
        let (rows, notices) = read.unwrap_or_else(|_| panic!("{story}: a panic"));
        assert_eq!(rows, sum, "{story}: other rows");
        assert!(notices.len() == 1 && notices[0].contains("cannot be used"), "{story}: {notices:?}");
        assert!(fs::read(&self.cache).unwrap() == whole, "{story}");
    }
}

/// `whole` with one bit flipped.
fn flipped(whole: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_header_is_reported() {
    let trained = Trained::new(Kind::Linear);
    // In the suite one of so many: a prime, so that all bits of a byte have their turn.
    let stride = if count(0) > 0 { 1 } else { 37 };
    let (mut cuts, mut bits) = (0, 0);
    for file in trained.files() {
        let whole = fs::read(&file).unwrap();
        for length in (0..whole.len()).step_by(stride) {
            fs::write(&file, &whole[..length]).unwrap();
            trained.is_reported(&file, &format!("{} cut to {length}", file.display()));
            cuts += 1;
        }
        let header = if file.extension().is_some_and(|name| name == "safetensors") { 4096 } else { whole.len() };
        for bit in (0..8 * header).step_by(stride) {
            fs::write(&file, flipped(&whole, bit)).unwrap();
            trained.is_reported(&file, &format!("{}, bit {bit} flipped", file.display()));
            bits += 1;
        }
        fs::write(&file, whole).unwrap();
    }
    let (whole, (sum, notices)) = (fs::read(&trained.cache).unwrap(), trained.rows());
    assert!(notices.is_empty(), "{notices:?}");
    for length in (0..whole.len()).step_by(stride) {
        fs::write(&trained.cache, &whole[..length]).unwrap();
        trained.cache_is_written_again(&whole, sum, &format!("the cache cut to {length}"));
        cuts += 1;
    }
    // Its head, and what describes the rest, which stands at its end: index, facts, dictionary and footer.
    let index = whole.len() - 128 + 5 * 8;
    let index = u64::from_le_bytes(whole[index..index + 8].try_into().unwrap()) as usize;
    for bit in (0..64 * 8).chain(8 * index..8 * whole.len()).step_by(stride) {
        fs::write(&trained.cache, flipped(&whole, bit)).unwrap();
        trained.cache_is_written_again(&whole, sum, &format!("the cache, bit {bit} flipped"));
        bits += 1;
    }
    load(&trained.model).unwrap();
    println!("corrupt: {cuts} cuts and {bits} flipped bits of headers, all reported; 0 panics, 0 SIGBUS");
}

#[test]
fn flipped_bits_anywhere_are_reported() {
    flipped_anywhere(Kind::Linear, count(1000));
    for kind in [Kind::Ffm, Kind::Mlp, Kind::Deep, Kind::Text] {
        flipped_anywhere(kind, count(1000) / 5);
    }
}

/// Flips so many bits of a model of this kind and of the cache of its data.
fn flipped_anywhere(kind: Kind, flips: u64) {
    let (trained, seed) = (Trained::new(kind), seed());
    let mut random = Random(seed);
    let (cache, sum) = (fs::read(&trained.cache).unwrap(), trained.rows().0);
    let mut of_file = [0; 6];
    for _ in 0..flips {
        let which = random.below(6) as usize;
        of_file[which] += 1;
        if which == 5 {
            let bit = random.below(8 * cache.len() as u64) as usize;
            fs::write(&trained.cache, flipped(&cache, bit)).unwrap();
            trained.cache_is_written_again(&cache, sum, &format!("seed {seed}: the cache, bit {bit} flipped"));
        } else {
            let file = &trained.files()[which];
            let whole = fs::read(file).unwrap();
            let bit = random.below(8 * whole.len() as u64) as usize;
            fs::write(file, flipped(&whole, bit)).unwrap();
            trained.is_reported(file, &format!("seed {seed}: {}, bit {bit} flipped", file.display()));
            fs::write(file, whole).unwrap();
        }
    }
    load(&trained.model).unwrap();
    let [weights, state, dictionary, spec, manifest, cache] = of_file;
    println!(
        "corrupt: {flips} random flips of kind {} (seed {seed}): weights {weights}, state {state}, dictionary {dictionary}, spec {spec}, manifest {manifest}, cache {cache}, all reported; 0 panics, 0 SIGBUS",
        kind.name()
    );
}
