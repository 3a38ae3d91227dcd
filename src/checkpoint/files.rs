//! The files of a generation: written and read in pieces, hashed on the way, in parallel over the shards.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::{io, panic, thread};

use xxhash_rust::xxh3::Xxh3Default;

use super::manifest::FileEntry;
use crate::error::{Error, Result};
use crate::store::Store;

/// Bytes in one write or read: enough for any disk, and hashed while they are in the cache.
const PIECE: usize = 8 << 20;

/// Writes the file `name` in `directory`: the parts one after the other, synced.
pub(super) fn write(store: &dyn Store, directory: &Path, name: String, parts: &[&[u8]]) -> Result<FileEntry> {
    let path = directory.join(&name);
    let mut sink = store.create(&path).map_err(|error| Error::io(&path, "create the file", error))?;
    let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
    for piece in parts.iter().flat_map(|part| part.chunks(PIECE)) {
        hash.update(piece);
        bytes += piece.len() as u64;
        sink.write_all(piece).map_err(|error| Error::io(&path, "write", error))?;
    }
    sink.sync().map_err(|error| Error::io(&path, "sync", error))?;
    Ok(FileEntry { name, bytes, xxh3: hash.digest() })
}

/// Opens a file of the generation in `directory`, if its size is what the manifest says.
pub(super) fn open(directory: &Path, entry: &FileEntry) -> Result<File> {
    let path = directory.join(&entry.name);
    let file = File::open(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::model(&path, "missing, but the manifest lists it"),
        _ => Error::io(&path, "open", error),
    })?;
    let bytes = file.metadata().map_err(|error| Error::io(&path, "open", error))?.len();
    if bytes != entry.bytes {
        let what = format!("{bytes} bytes stand there, {} were written: the file is damaged", entry.bytes);
        return Err(Error::model(path, what));
    }
    Ok(file)
}

/// Fills the parts from `file`, one after the other to its end, and checks the hash of all its bytes.
pub(super) fn read(directory: &Path, entry: &FileEntry, mut file: File, parts: &mut [&mut [u8]]) -> Result<()> {
    let path = directory.join(&entry.name);
    let mut hash = Xxh3Default::new();
    for piece in parts.iter_mut().flat_map(|part| part.chunks_mut(PIECE)) {
        file.read_exact(piece).map_err(|error| Error::io(&path, "read", error))?;
        hash.update(piece);
    }
    if hash.digest() == entry.xxh3 { Ok(()) } else { Err(Error::model(path, "checksum differs: the file is damaged")) }
}

/// Runs `work` on the item of every shard at once, a thread each; the results in order, or the first failure.
pub(super) fn per_shard<I, T>(items: Vec<I>, work: impl Fn(usize, I) -> Result<T> + Sync) -> Result<Vec<T>>
where
    I: Send,
    T: Send,
{
    let no_thread = |error: io::Error| Error::Engine(format!("cannot start a thread for a shard's files: {error}"));
    thread::scope(|scope| {
        let work = &work;
        let start = |(shard, item)| thread::Builder::new().spawn_scoped(scope, move || work(shard, item));
        let threads: Vec<_> = items.into_iter().enumerate().map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.map_err(no_thread)?.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
            .collect()
    })
}
