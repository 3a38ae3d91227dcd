//! One more generation in a model directory.

use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::{per_shard, write};
use super::layout::{DICTIONARY, MANIFEST, SPEC, generation_number, generation_path, is_there};
use super::manifest::{DTYPE, FORMAT, FileEntry, Kind, Manifest, TensorEntry};
use super::safetensors::{header, name_in_file, rows_of};
use super::{Generation, TensorData};
use crate::error::{Error, Result};
use crate::store::Store;

/// What the names of unfinished files and directories in a model directory begin with.
const TEMPORARY: [&str; 3] = [".tmp-gen-", ".manifest.json.", ".latest."];

/// Adds generation `number` to the directory `model` and makes it current; the one before it stays.
///
/// The new manifest's rename is the commit. Each step before it only adds what no reader looks at, and is taken back
/// if a later one fails; each step after it is either repeated by the next commit or not needed.
pub(super) fn add_generation(
    store: &dyn Store,
    model: &Path,
    number: u64,
    generation: &Generation,
    shards: usize,
) -> Result<()> {
    tidy(store, model, 0);
    let written = write_generation(store, model, number, generation, shards)
        .and_then(|manifest| make_current(store, model, &manifest));
    if let Err(error) = written {
        tidy(store, model, 0);
        // Only if it is certain that the manifest has not come to name it.
        if Manifest::read(model).is_ok_and(|current| current.generation != number) {
            let _ = store.remove_dir_all(&generation_path(model, number));
        }
        return Err(error);
    }
    store.sync_dir(model).map_err(|error| Error::io(model, "make the new generation safe from a power cut", error))?;

    // The commit is done. `latest` is a convenience, and some file systems have no links; what cannot be removed now
    // is removed by the next commit.
    let _ = point_latest(store, model, number);
    tidy(store, model, number - 1);
    Ok(())
}

/// Refuses what could not be read back.
pub(super) fn check(generation: &Generation, shards: usize) -> Result<()> {
    if shards == 0 {
        return Err(Error::Engine("a model of 0 shards cannot be saved".to_owned()));
    }
    let mut names = Vec::new();
    for (entry, tensor) in entries(generation).iter().zip(generation.weights.iter().chain(&generation.state)) {
        let (name, numbers) = (name_in_file(entry), tensor.data.len());
        if tensor.rows.checked_mul(u64::from(tensor.width)) != Some(numbers as u64) {
            let TensorData { rows, width, .. } = tensor;
            let what = format!("tensor {name} of {rows} rows × {width} has {numbers} numbers and cannot be saved");
            return Err(Error::Engine(what));
        }
        if name == "__metadata__" || names.contains(&name) {
            return Err(Error::Engine(format!("a tensor {name} cannot be saved: the name is taken")));
        }
        names.push(name);
    }
    Ok(())
}

/// Writes the whole generation under a temporary name, then gives it its own.
fn write_generation(
    store: &dyn Store,
    model: &Path,
    number: u64,
    generation: &Generation,
    shards: usize,
) -> Result<Manifest> {
    let directory = temporary(model, &format!(".tmp-gen-{number:05}-"));
    store.create_dir(&directory).map_err(|error| Error::io(&directory, "create the directory", error))?;

    let tensors = entries(generation);
    let (weights, state): (Vec<_>, Vec<_>) = tensors.iter().partition(|tensor| tensor.kind == Kind::Weights);
    let pairs = per_shard(vec![(); shards], |shard, ()| {
        let write = |kind: Kind, entries: &[&TensorEntry], data: &[TensorData]| {
            write_tensors(store, &directory, kind.file(shard), entries, data, shard, shards)
        };
        Ok((write(Kind::Weights, &weights, &generation.weights)?, write(Kind::State, &state, &generation.state)?))
    })?;
    let (mut files, states): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    files.extend(states);
    files.push(write(store, &directory, DICTIONARY.to_owned(), &[&generation.dictionary])?);
    files.push(write(store, &directory, SPEC.to_owned(), &[&generation.spec])?);

    let manifest = Manifest {
        format: FORMAT,
        generation: number,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        configuration: generation.configuration.clone(),
        metrics: generation.metrics.clone(),
        position: generation.position.clone(),
        files,
        tensors,
        shards,
    };
    write(store, &directory, MANIFEST.to_owned(), &[&manifest.encode()])?;
    store.sync_dir(&directory).map_err(|error| Error::io(&directory, "sync", error))?;

    let name = generation_path(model, number);
    if is_there(&name) {
        // Of a run that died before its manifest named it.
        store.remove_dir_all(&name).map_err(|error| Error::io(&name, "remove what a dead run has left", error))?;
    }
    store.rename(&directory, &name).map_err(|error| Error::io(&name, "name the new generation", error))?;
    store.sync_dir(model).map_err(|error| Error::io(model, "sync", error))?;
    Ok(manifest)
}

/// Writes the rows of `shard`.
fn write_tensors(
    store: &dyn Store,
    directory: &Path,
    name: String,
    entries: &[&TensorEntry],
    tensors: &[TensorData],
    shard: usize,
    shards: usize,
) -> Result<FileEntry> {
    let header = header(entries, shard, shards);
    let data = tensors.iter().map(|tensor| {
        let (rows, width) = (rows_of(tensor.rows, shard, shards), tensor.width as usize);
        bytemuck::cast_slice(&tensor.data[rows.start as usize * width..rows.end as usize * width])
    });
    write(store, directory, name, &iter::once(&header[..]).chain(data).collect::<Vec<_>>())
}

/// Replaces the manifest of the model: the moment from which on readers see the new generation.
fn make_current(store: &dyn Store, model: &Path, manifest: &Manifest) -> Result<()> {
    let new = temporary(model, ".manifest.json.");
    let name = new.file_name().unwrap_or_default().to_string_lossy().into_owned();
    write(store, model, name, &[&manifest.encode()])?;
    let current = model.join(MANIFEST);
    store.rename(&new, &current).map_err(|error| Error::io(current, "replace the manifest", error))
}

fn point_latest(store: &dyn Store, model: &Path, number: u64) -> io::Result<()> {
    let link = temporary(model, ".latest.");
    store.symlink(&generation_path(Path::new(""), number), &link)?;
    store.rename(&link, &model.join("latest"))?;
    store.sync_dir(model)
}

/// Removes, as well as it can, temporaries and every generation before `oldest`.
///
/// Whoever commits holds the model's lock, so every temporary is of a dead run or of this one's failure.
fn tidy(store: &dyn Store, model: &Path, oldest: u64) {
    for entry in fs::read_dir(model).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let temporary = TEMPORARY.iter().any(|prefix| name.starts_with(prefix));
        if temporary || generation_number(&name).is_some_and(|number| number < oldest) {
            let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if directory { store.remove_dir_all(&entry.path()) } else { store.remove_file(&entry.path()) };
        }
    }
}

fn temporary(model: &Path, prefix: &str) -> PathBuf {
    model.join(format!("{prefix}{}", process::id()))
}

fn entries(generation: &Generation) -> Vec<TensorEntry> {
    let of = |kind| {
        move |tensor: &TensorData| TensorEntry {
            name: tensor.name.clone(),
            rows: tensor.rows,
            width: tensor.width,
            dtype: DTYPE.to_owned(),
            kind,
        }
    };
    let state = generation.state.iter().map(of(Kind::State));
    generation.weights.iter().map(of(Kind::Weights)).chain(state).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{generation, holds, names};
    use super::super::{Existing, Writer};
    use super::*;
    use crate::store::{Disk, Sink};
    use safetensors::SafeTensors;
    use tempfile::tempdir;

    #[test]
    fn what_is_committed_is_loaded_for_any_number_of_shards() {
        for shards in [1, 3, 5, 9] {
            let folder = tempdir().unwrap();
            let model = folder.path().join("m");
            let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
            assert_eq!(writer.commit(&generation(1), shards).unwrap(), 1);
            assert!(holds(&model, &generation(1)), "{shards} shards");
        }
    }

    #[test]
    fn every_file_is_a_safetensors_file_with_its_data_on_a_page() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        Writer::new(&Disk, &model, Existing::Refuse).unwrap().commit(&generation(1), 3).unwrap();
        let mut rows = Vec::new();
        for shard in 0..3 {
            let bytes = fs::read(model.join("latest").join(Kind::Weights.file(shard))).unwrap();
            assert_eq!((8 + u64::from_le_bytes(bytes[..8].try_into().unwrap())) % 4096, 0);
            let file = SafeTensors::deserialize(&bytes).unwrap();
            rows.extend_from_slice(file.tensor("w").unwrap().data());
            let state = fs::read(model.join("latest").join(Kind::State.file(shard))).unwrap();
            assert_eq!(SafeTensors::deserialize(&state).unwrap().names(), ["state.w"]);
        }
        assert_eq!(rows, bytemuck::cast_slice::<_, u8>(&generation(1).weights[0].data));
    }

    #[test]
    fn exactly_the_current_and_the_previous_generation_are_kept() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        for number in 1..=4 {
            assert_eq!(writer.commit(&generation(number), 2).unwrap(), u64::from(number));
            let former = if number > 1 { vec![format!("gen-{:05}", number - 1)] } else { vec![] };
            let kept =
                [former, vec![format!("gen-{number:05}"), "latest".to_owned(), "manifest.json".to_owned()]].concat();
            assert_eq!(names(&model), kept);
            assert_eq!(fs::read_link(model.join("latest")).unwrap(), Path::new(&format!("gen-{number:05}")));
            assert!(holds(&model, &generation(number)));
        }
    }

    #[test]
    fn what_dead_runs_left_is_removed_and_nothing_else() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        Writer::new(&Disk, &model, Existing::Refuse).unwrap().commit(&generation(1), 2).unwrap();
        let pid = process::id();
        for directory in [format!(".tmp-gen-00002-{pid}"), ".tmp-gen-00002-1".to_owned(), "gen-00002".to_owned()] {
            fs::create_dir(model.join(&directory)).unwrap();
            fs::write(model.join(&directory).join("weights-00007.safetensors"), "half a").unwrap();
        }
        for file in [format!(".manifest.json.{pid}"), ".manifest.json.1".to_owned(), "notes.txt".to_owned()] {
            fs::write(model.join(file), "mine").unwrap();
        }
        Disk.symlink(Path::new("gone"), &model.join(".latest.1")).unwrap();
        Writer::new(&Disk, &model, Existing::Continue).unwrap().commit(&generation(2), 2).unwrap();
        assert!(holds(&model, &generation(2)));
        assert_eq!(names(&model), ["gen-00001", "gen-00002", "latest", "manifest.json", "notes.txt"]);
        assert_eq!(names(&model.join("gen-00002")).len(), 7);
    }

    #[test]
    fn a_generation_that_could_not_be_read_back_is_refused() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        let mut writer = Writer::new(&Disk, &model, Existing::Refuse).unwrap();
        let mut refused = |change: fn(&mut Generation), what: &str| {
            let mut generation = generation(1);
            change(&mut generation);
            let error = writer.commit(&generation, 1).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            assert!(!model.exists());
        };
        refused(|g| g.weights[0].rows = 8, "tensor w of 8 rows × 3 has 21 numbers");
        refused(|g| g.weights[1].name = "w".to_owned(), "tensor w cannot be saved: the name is taken");
        refused(|g| g.weights[1].name = "state.w".to_owned(), "tensor state.w cannot");
        refused(|g| g.weights[1].name = "__metadata__".to_owned(), "the name is taken");
    }

    /// A disk, as some network file systems are, that renames a manifest and then says that it has not.
    struct Liar;

    impl Store for Liar {
        fn create_dir(&self, path: &Path) -> io::Result<()> {
            Disk.create_dir(path)
        }

        fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            Disk.create(path)
        }

        fn append(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
            Disk.append(path)
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            Disk.sync_dir(path)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            Disk.rename(from, to)?;
            if to.ends_with(MANIFEST) { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
        }

        fn exchange(&self, a: &Path, b: &Path) -> io::Result<()> {
            Disk.exchange(a, b)
        }

        fn symlink(&self, target: &Path, link: &Path) -> io::Result<()> {
            Disk.symlink(target, link)
        }

        fn remove_file(&self, path: &Path) -> io::Result<()> {
            Disk.remove_file(path)
        }

        fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
            Disk.remove_dir_all(path)
        }
    }

    #[test]
    fn a_generation_that_became_current_after_all_is_not_cleaned_away() {
        let folder = tempdir().unwrap();
        let model = folder.path().join("m");
        Writer::new(&Disk, &model, Existing::Refuse).unwrap().commit(&generation(1), 1).unwrap();
        let error = Writer::new(&Liar, &model, Existing::Continue).unwrap().commit(&generation(2), 1).unwrap_err();
        assert!(error.to_string().contains("cannot replace the manifest"), "{error}");
        assert!(holds(&model, &generation(2)));
    }
}
