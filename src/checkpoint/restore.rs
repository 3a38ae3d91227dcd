//! [`load`]: the current generation of a model, whole or not at all.

use std::fs;
use std::iter;
use std::mem;
use std::path::Path;

use super::TensorData;
use super::files::{open, per_shard, read};
use super::layout::{MANIFEST, generation_number, generation_path};
use super::manifest::{FileEntry, Kind, Manifest, TensorEntry};
use super::safetensors::{header, rows_of};
use crate::error::{Error, Result};

/// How often a reader starts over because a commit has removed what it was reading.
const ATTEMPTS: usize = 5;

/// A generation as it was committed, checked byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the model directory says about itself.
    pub manifest: Manifest,
    /// What predicting needs.
    pub weights: Vec<TensorData>,
    /// The optimiser's slots; empty after [`load_weights`].
    pub state: Vec<TensorData>,
    /// Keys → rows.
    pub dictionary: Vec<u8>,
    /// How the model was trained; empty after [`load_weights`], and of a model that has none.
    pub spec: Vec<u8>,
}

/// Reads all of the current generation of the model directory `model`.
///
/// A training run may commit meanwhile: what comes back is one of its generations.
///
/// # Errors
/// [`Error::Model`] where there is no model, or where a file of it is missing or damaged: it names the file and says
/// whether an earlier generation is whole. [`Error::Io`] where a file cannot be read.
pub fn load(model: &Path) -> Result<Loaded> {
    load_kinds(model, &[Kind::Weights, Kind::State])
}

/// Reads what predicting needs: everything but the optimiser's state and the spec, whose files are not even opened.
///
/// # Errors
/// As [`load`].
pub fn load_weights(model: &Path) -> Result<Loaded> {
    load_kinds(model, &[Kind::Weights])
}

fn load_kinds(model: &Path, kinds: &[Kind]) -> Result<Loaded> {
    let advise = |error| advise(model, error);
    let mut manifest = Manifest::read(model).map_err(advise)?;
    for _ in 1..ATTEMPTS {
        match read_generation(&manifest.directory(model), &manifest, kinds) {
            Ok(loaded) => return Ok(loaded),
            Err(error) => {
                let now = Manifest::read(model).map_err(advise)?;
                if now == manifest {
                    return Err(advise(error));
                }
                manifest = now;
            }
        }
    }
    read_generation(&manifest.directory(model), &manifest, kinds).map_err(advise)
}

/// Reads the generation in `directory`, which `manifest` describes.
fn read_generation(directory: &Path, manifest: &Manifest, kinds: &[Kind]) -> Result<Loaded> {
    let tensors = |kind| {
        if kinds.contains(&kind) { read_tensors(directory, manifest, kind) } else { Ok(Vec::new()) }
    };
    let dictionary = read_whole(directory, manifest.dictionary())?;
    let spec = manifest.spec().filter(|_| kinds.contains(&Kind::State));
    let spec = spec.map_or(Ok(Vec::new()), |entry| read_whole(directory, entry))?;
    let (weights, state) = (tensors(Kind::Weights)?, tensors(Kind::State)?);
    Ok(Loaded { manifest: manifest.clone(), weights, state, dictionary, spec })
}

/// Reads a file that is not of tensors.
fn read_whole(directory: &Path, entry: &FileEntry) -> Result<Vec<u8>> {
    let file = open(directory, entry)?;
    let mut bytes = vec![0; entry.bytes as usize];
    read(directory, entry, file, &mut [&mut bytes])?;
    Ok(bytes)
}

/// Reads all tensors of one kind, the shards in parallel.
fn read_tensors(directory: &Path, manifest: &Manifest, kind: Kind) -> Result<Vec<TensorData>> {
    let (entries, files, shards) = (manifest.tensors_of(kind), manifest.files_of(kind), manifest.shards);
    let mut opened = Vec::new();
    // Nothing is allocated for a tensor before the sizes of all files have proved to be right.
    for (shard, entry) in files.iter().enumerate() {
        let header = header(&entries, shard, shards);
        let numbers: usize = entries.iter().map(|tensor| numbers(tensor, shard, shards)).sum();
        if entry.bytes != (header.len() + 4 * numbers) as u64 {
            return Err(disagrees(directory, &entry.name));
        }
        opened.push((open(directory, entry)?, header));
    }
    let zeros = |tensor: &&TensorEntry| TensorData {
        name: tensor.name.clone(),
        rows: tensor.rows,
        width: tensor.width,
        data: vec![0.0; tensor.rows as usize * tensor.width as usize],
    };
    let mut tensors: Vec<_> = entries.iter().map(zeros).collect();
    let mut rest: Vec<_> = tensors.iter_mut().map(|tensor| &mut tensor.data[..]).collect();
    let mut work = Vec::new();
    for (shard, (file, header)) in opened.into_iter().enumerate() {
        let mut parts: Vec<&mut [f32]> = Vec::new();
        for (rest, tensor) in rest.iter_mut().zip(&entries) {
            let (part, after) = mem::take(rest).split_at_mut(numbers(tensor, shard, shards));
            *rest = after;
            parts.push(part);
        }
        work.push((file, header, parts));
    }
    per_shard(work, |shard, (file, expected, parts)| {
        let mut header = vec![0; expected.len()];
        let data = parts.into_iter().map(bytemuck::cast_slice_mut);
        let mut all: Vec<_> = iter::once(&mut header[..]).chain(data).collect();
        read(directory, &files[shard], file, &mut all)?;
        if header == expected { Ok(()) } else { Err(disagrees(directory, &files[shard].name)) }
    })?;
    Ok(tensors)
}

/// How many numbers of `tensor` stand in the file of `shard`.
fn numbers(tensor: &TensorEntry, shard: usize, shards: usize) -> usize {
    let rows = rows_of(tensor.rows, shard, shards);
    (rows.end - rows.start) as usize * tensor.width as usize
}

fn disagrees(directory: &Path, name: &str) -> Error {
    Error::model(directory.join(name), "its header or size is not that of the tensors in the manifest")
}

/// Adds to an error about a damaged file of a model what can be done: going back to the newest generation that is whole.
/// An error about the model as such stays as it is.
pub(super) fn advise(model: &Path, error: Error) -> Error {
    match error {
        Error::Model { path, what } if path.starts_with(model) && path != model => {
            let advice = match whole_generation(model) {
                Some(directory) => format!(
                    "{directory} is whole: cp {}/{directory}/{MANIFEST} {}/ goes back to it",
                    model.display(),
                    model.display()
                ),
                None => "no other generation is whole: train the model again".to_owned(),
            };
            Error::Model { path, what: format!("{what}; {advice}") }
        }
        other => other,
    }
}

/// The newest generation of `model` that is complete and undamaged.
fn whole_generation(model: &Path) -> Option<String> {
    let names = fs::read_dir(model).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers: Vec<_> = names.filter_map(|name| generation_number(&name)).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    let whole = |&number: &u64| {
        let directory = generation_path(model, number);
        let manifest = Manifest::read(&directory).ok()?;
        read_generation(&directory, &manifest, &[Kind::Weights, Kind::State]).ok()?;
        Some(generation_path(Path::new(""), number).display().to_string())
    };
    numbers.iter().find_map(whole)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{generation, holds, names};
    use super::super::{Existing, Generation, Writer};
    use super::*;
    use crate::store::Disk;
    use std::path::PathBuf;
    use tempfile::{TempDir, tempdir};

    fn committed(generations: u32, shards: usize) -> (TempDir, PathBuf) {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        for number in 1..=generations {
            writer.commit(&generation(number), shards).unwrap();
        }
        (folder, model)
    }

    fn said(model: &Path) -> String {
        match load(model).unwrap_err() {
            error @ Error::Model { .. } => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Every file of generation 1 with its bytes.
    fn files(model: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let directory = generation_path(model, 1);
        let paths = names(&directory).into_iter().filter(|name| name != MANIFEST).map(|name| directory.join(name));
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// The bytes of a file that are looked at one by one: all but most of the spaces that pad the header.
    fn positions(whole: &[u8]) -> impl Iterator<Item = usize> {
        (0..whole.len()).filter(|&at| at % 16 == 0 || whole[at - 1..=at] != *b"  ")
    }

    #[test]
    fn every_cut_and_every_extension_of_every_file_is_an_error() {
        let (_folder, model) = committed(1, 1);
        for (path, whole) in files(&model) {
            for length in positions(&whole) {
                fs::write(&path, &whole[..length]).unwrap();
                let error = said(&model);
                assert!(error.contains(path.to_str().unwrap()) && error.contains("bytes stand there"), "{error}");
            }
            fs::write(&path, [&whole[..], b"\0"].concat()).unwrap();
            assert!(said(&model).contains("bytes stand there"));
            fs::remove_file(&path).unwrap();
            assert!(said(&model).contains("missing"));
            fs::write(&path, whole).unwrap();
        }
        assert!(holds(&model, &generation(1)));
    }

    #[test]
    fn every_flipped_bit_is_an_error_that_names_the_file() {
        let (_folder, model) = committed(1, 1);
        for (path, whole) in files(&model) {
            for bit in positions(&whole).flat_map(|at| 8 * at..8 * at + 8) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(&path, bytes).unwrap();
                let error = said(&model);
                assert!(error.contains(path.to_str().unwrap()) && error.contains("checksum differs"), "{error}");
            }
            fs::write(&path, whole).unwrap();
        }
    }

    #[test]
    fn a_header_that_is_not_the_manifests_is_an_error_even_under_a_good_checksum() {
        let (_folder, model) = committed(1, 2);
        let mut manifest = Manifest::read(&model).unwrap();
        let mut refused = |change: fn(&mut Manifest)| {
            let original = manifest.clone();
            change(&mut manifest);
            fs::write(model.join(MANIFEST), manifest.encode()).unwrap();
            assert!(said(&model).contains("not that of the tensors in the manifest"));
            manifest = original;
        };
        refused(|m| m.tensors[0].name = "v".to_owned());
        refused(|m| m.tensors[0].rows = 8);
        refused(|m| m.tensors[0].rows = 1 << 50);
        refused(|m| m.tensors.swap(0, 1));
        refused(|m| m.files[0].bytes += 4096);
    }

    #[test]
    fn the_error_says_how_to_go_back_and_that_way_works() {
        let (_folder, model) = committed(2, 1);
        let file = model.join("gen-00002").join(Kind::Weights.file(0));
        fs::write(&file, "").unwrap();
        let error = said(&model);
        assert!(error.contains("gen-00001 is whole: cp ") && !error.contains('\n'), "{error}");
        fs::copy(model.join("gen-00001/manifest.json"), model.join("manifest.json")).unwrap();
        assert!(holds(&model, &generation(1)));
        // Training goes on from there, over the damaged one.
        Writer::new(&Disk, &model, Existing::Continue).unwrap().commit(&generation(3), 1).unwrap();
        assert!(holds(&model, &generation(3)));

        fs::write(model.join("manifest.json"), "{}").unwrap();
        assert!(said(&model).contains("gen-00002 is whole: cp "));
        fs::remove_dir_all(model.join("gen-00001")).unwrap();
        fs::remove_dir_all(model.join("gen-00002")).unwrap();
        assert!(said(&model).contains("no other generation is whole"));
    }

    #[test]
    fn predicting_needs_no_state_and_no_spec() {
        let (_folder, model) = committed(1, 2);
        fs::remove_file(model.join("gen-00001/spec.toml")).unwrap();
        for shard in 0..2 {
            fs::remove_file(model.join("gen-00001").join(Kind::State.file(shard))).unwrap();
        }
        let loaded = load_weights(&model).unwrap();
        assert_eq!((loaded.weights, loaded.state), (generation(1).weights, vec![]));
        assert_eq!(loaded.dictionary, generation(1).dictionary);
        assert!(said(&model).contains("missing"));
    }

    #[test]
    fn a_model_from_before_there_were_specs_is_whole() {
        let (_folder, model) = committed(1, 2);
        let mut manifest = Manifest::read(&model).unwrap();
        manifest.files.pop();
        fs::write(model.join(MANIFEST), manifest.encode()).unwrap();
        fs::remove_file(generation_path(&model, 1).join("spec.toml")).unwrap();
        assert!(holds(&model, &Generation { spec: Vec::new(), ..generation(1) }));
        Writer::new(&Disk, &model, Existing::Continue).unwrap().commit(&generation(2), 2).unwrap();
        assert!(holds(&model, &generation(2)));
    }

    #[test]
    fn readers_beside_a_writer_always_get_a_generation() {
        let (_folder, model) = committed(1, 2);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let now = load(&model).unwrap();
                    let number = now.manifest.generation as u32;
                    assert_eq!(now.weights, generation(number).weights);
                    assert!(number >= seen);
                    seen = number;
                }
            });
            let mut writer = Writer::new(&Disk, &model, Existing::Continue).unwrap();
            for number in 2..=40 {
                writer.commit(&generation(number), 2).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert!(holds(&model, &generation(40)));
    }
}
