//! An input in, chunks of whole lines out: plain files mapped, pipes and packed files read as they come.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::cut::{CHUNK, Cut, LONGEST};
use super::idx;
use super::input::Input;
use super::spool::Keep;
use super::unpack::{Packing, READ, Stream};
use crate::error::{Error, Result};
use crate::sys::map::Map;
use crate::sys::signal::StopRequest;

/// As much is looked at to tell the format.
const HEAD: usize = 64 << 10;

/// An opened input.
pub(crate) struct Source {
    input: Input,
    name: PathBuf,
    text: Text,
    /// What has been taken off the beginning of a whole text.
    taken: usize,
    /// True for what is gone once it is read.
    once: bool,
    stop: StopRequest,
}

enum Text {
    Whole(Whole),
    Stream(Stream),
}

/// A text that is all there.
pub(crate) enum Whole {
    Map(Map),
    Memory(Vec<u8>),
}

/// Whole lines of a text, those of the first chunk without a byte order mark.
pub(crate) struct Chunk<'s> {
    pub(crate) text: Cow<'s, [u8]>,
    /// True for the first chunk of the text.
    pub(crate) first: bool,
    /// How many bytes of the text come before it.
    pub(crate) at: u64,
    /// The file it is mapped from, if it is.
    pub(crate) map: Option<&'s Map>,
}

impl Chunk<'_> {
    /// Says that nobody needs the text any more: what is mapped of a file counts as memory of the process, and to give it back at
    /// the end, all at once, takes longer.
    pub(crate) fn let_go(&self) {
        if let Some(map) = self.map {
            map.let_go(&self.text);
        }
    }
}

/// The chunks of a text, in order.
pub(crate) struct Chunks<'s> {
    name: &'s Path,
    stop: &'s StopRequest,
    text: Uncut<'s>,
    map: Option<&'s Map>,
    cut: Cut,
    first: bool,
    at: u64,
    live: bool,
    /// An error that comes after the chunks already handed out.
    held: Option<Error>,
}

enum Uncut<'s> {
    Whole(&'s [u8]),
    Stream(&'s mut Stream),
}

impl Source {
    /// Opens `input`.
    ///
    /// # Errors
    /// Where it cannot be opened, or is a directory.
    pub(crate) fn open(input: &Input, stop: &StopRequest) -> Result<Self> {
        let name = PathBuf::from(input.to_string());
        let failed = |error| Error::io(&name, "read", error);
        let mut once = false;
        let text = match input {
            Input::Builtin(set) => {
                let packed = Input::builtin_text(set);
                Text::Stream(Stream::new(packed, Packing::of(packed)).map_err(failed)?)
            }
            Input::Stdin => {
                once = true;
                Text::Stream(Stream::sniffed(io::stdin()).map_err(failed)?)
            }
            Input::Path(path) => {
                let file = File::open(path).map_err(|error| Error::io(path, "open", error))?;
                let kind = file.metadata().map_err(failed)?;
                if kind.is_dir() {
                    return Err(Error::data(path, "is a directory: a data file is expected"));
                }
                if kind.is_file() {
                    let map = Map::open(&file).map_err(failed)?;
                    match Packing::of(map.bytes()) {
                        Packing::Plain => Text::Whole(Whole::Map(map)),
                        packing => {
                            Text::Stream(Stream::new(BufReader::with_capacity(READ, file), packing).map_err(failed)?)
                        }
                    }
                } else {
                    once = true;
                    Text::Stream(Stream::sniffed(file).map_err(failed)?)
                }
            }
        };
        Ok(Self { input: input.clone(), name, text, taken: 0, once, stop: stop.clone() })
    }

    /// What was opened.
    pub(crate) fn input(&self) -> &Input {
        &self.input
    }

    /// What may end the reading.
    pub(crate) fn stop(&self) -> &StopRequest {
        &self.stop
    }

    /// The name that messages use.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The beginning of the text: at least its first line that is neither blank nor a comment, if that is not too long.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn head(&mut self) -> Result<&[u8]> {
        if let Text::Stream(stream) = &mut self.text {
            let is_enough = |text: &[u8]| text.len() >= HEAD || has_content_line(text) || idx::is_magic(text);
            while !stream.ended && !is_enough(&stream.buffer) {
                go_on(&self.stop)?;
                stream.read_once(&self.name)?;
            }
        }
        let head = match &self.text {
            Text::Whole(whole) => whole.bytes(),
            Text::Stream(stream) => &stream.buffer,
        };
        Ok(without_mark(&head[..head.len().min(HEAD)]))
    }

    /// Takes the next `bytes` bytes off the text, fewer at its end.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<Vec<u8>> {
        match &mut self.text {
            Text::Whole(whole) => {
                let rest = &whole.bytes()[self.taken..];
                let taken = rest[..bytes.min(rest.len())].to_vec();
                self.taken += taken.len();
                Ok(taken)
            }
            Text::Stream(stream) => {
                stream.read_up_to(bytes, &self.name)?;
                Ok(stream.take(bytes.min(stream.buffer.len())))
            }
        }
    }

    /// Reads a pipe to its end and keeps its text as `keep` says, so that it can be gone through twice.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn keep_if_once(&mut self, keep: &Keep<'_>) -> Result<()> {
        if let Text::Stream(stream) = &mut self.text
            && self.once
        {
            self.text = Text::Whole(keep.text(stream)?);
        }
        Ok(())
    }

    /// Goes back to the beginning; a pipe must have been kept.
    ///
    /// # Errors
    /// Where a packed file cannot be opened again.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        if let Text::Stream(_) = self.text {
            *self = Self::open(&self.input, &self.stop)?;
        }
        Ok(())
    }

    /// The chunks of the text that has not been taken; of a stream those that have not been handed out yet. `live` hands over what each read
    /// of a stream brings, as soon as it holds a whole line.
    pub(crate) fn chunks(&mut self, cut: Cut, live: bool) -> Chunks<'_> {
        let (text, map) = match &mut self.text {
            Text::Whole(Whole::Map(map)) => (Uncut::Whole(&map.bytes()[self.taken..]), Some(&*map)),
            Text::Whole(Whole::Memory(text)) => (Uncut::Whole(&text[self.taken..]), None),
            Text::Stream(stream) => (Uncut::Stream(stream), None),
        };
        Chunks { name: &self.name, stop: &self.stop, text, map, cut, first: true, at: 0, live, held: None }
    }
}

impl Whole {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Map(map) => map.bytes(),
            Self::Memory(text) => text,
        }
    }
}

impl<'s> Chunks<'s> {
    /// The next chunk, if there is one.
    ///
    /// # Errors
    /// Where the text cannot be read, a line is too long to be one, or the reading is to stop.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk<'s>>> {
        if let Some(error) = self.held.take() {
            return Err(error);
        }
        go_on(self.stop)?;
        let text = match &mut self.text {
            Uncut::Whole(text) => {
                let (chunk, rest) = text.split_at(self.cut.chunk_end(text, true).unwrap_or(text.len()));
                *text = rest;
                Cow::Borrowed(chunk)
            }
            Uncut::Stream(stream) => {
                let mut window = CHUNK;
                let end = loop {
                    let end = if self.live && !stream.ended {
                        self.cut.last(&stream.buffer)
                    } else {
                        self.cut.chunk_end(&stream.buffer, stream.ended)
                    };
                    if let Some(end) = end {
                        break end;
                    }
                    if stream.buffer.len() > LONGEST {
                        return Err(too_long(self.name));
                    }
                    go_on(self.stop)?;
                    if self.live {
                        stream.read_once(self.name)?;
                    } else {
                        while window < stream.buffer.len() {
                            window *= 2;
                        }
                        // One byte more shows whether the text goes on.
                        stream.read_up_to(window + 1, self.name)?;
                    }
                };
                Cow::Owned(stream.take(end))
            }
        };
        if text.len() > LONGEST {
            return Err(too_long(self.name));
        }
        let at = self.at;
        self.at += text.len() as u64;
        if let Some(what) = self.cut.fault(at, self.at) {
            return Err(Error::data(self.name, what));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let first = std::mem::replace(&mut self.first, false);
        let text = match text {
            text if !first || matches!(self.cut, Cut::Images { .. }) => text,
            Cow::Borrowed(text) => Cow::Borrowed(without_mark(text)),
            Cow::Owned(text) => Cow::Owned(without_mark(&text).to_vec()),
        };
        Ok(Some(Chunk { text, first, at, map: self.map }))
    }

    /// The next chunks, at most `most`; none at the end.
    ///
    /// # Errors
    /// Where not even one could be read; an error further on is held back until the next call.
    pub(crate) fn batch(&mut self, most: usize) -> Result<Vec<Chunk<'s>>> {
        let mut chunks = Vec::new();
        while chunks.len() < most {
            match self.next() {
                Ok(Some(chunk)) => chunks.push(chunk),
                Ok(None) => break,
                Err(error) if chunks.is_empty() => return Err(error),
                Err(error) => {
                    self.held = Some(error);
                    break;
                }
            }
        }
        Ok(chunks)
    }
}

fn too_long(name: &Path) -> Error {
    Error::data(name, "a line does not end within 1 GiB: is this text with one example a line?")
}

/// An error once the reading is to stop.
pub(crate) fn go_on(stop: &StopRequest) -> Result<()> {
    if stop.requested() { Err(Error::stopped_reading()) } else { Ok(()) }
}

/// `text` without the byte order mark that some programs put first.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// True where `text` holds a whole line that is neither blank nor a comment.
fn has_content_line(text: &[u8]) -> bool {
    let lines = without_mark(text).split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.map(<[u8]>::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Brings `text` in pieces of `step` bytes.
    struct Trickle {
        text: Vec<u8>,
        at: usize,
        step: usize,
    }

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.step.min(buffer.len()).min(self.text.len() - self.at);
            buffer[..length].copy_from_slice(&self.text[self.at..self.at + length]);
            self.at += length;
            Ok(length)
        }
    }

    fn stream(text: &[u8], step: usize) -> Source {
        let stream = Stream::sniffed(Trickle { text: text.to_vec(), at: 0, step }).unwrap();
        let (input, name, text) = (Input::Stdin, "test".into(), Text::Stream(stream));
        Source { input, name, text, taken: 0, once: true, stop: StopRequest::never() }
    }

    fn whole(text: &[u8]) -> Source {
        let text = Text::Whole(Whole::Memory(text.to_vec()));
        let (input, name) = (Input::Stdin, "test".into());
        Source { input, name, text, taken: 0, once: true, stop: StopRequest::never() }
    }

    fn all(mut source: Source, cut: Cut, live: bool) -> Result<Vec<Vec<u8>>> {
        let mut chunks = source.chunks(cut, live);
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next()? {
            assert_eq!(chunk.first, all.is_empty());
            all.push(chunk.text.into_owned());
        }
        Ok(all)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn cuts_depend_on_the_text_alone() {
        let mut texts = vec![b"1 2:3\n".repeat(2_000_000), b"x".repeat(CHUNK), b"x".repeat(3 * CHUNK)];
        texts.push([b"y".repeat(2 * CHUNK + 1), b"\nz\n".to_vec()].concat());
        texts.push([b"y".repeat(CHUNK - 1), b"\nz".to_vec()].concat());
        for text in texts {
            let expected = all(whole(&text), Cut::Lines, false).unwrap();
            assert_eq!(expected.concat(), text);
            assert!(expected[..expected.len() - 1].iter().all(|chunk| chunk.ends_with(b"\n")));
            for packed in [text.clone(), gzip(&text), zstd::encode_all(&*text, 1).unwrap()] {
                assert!(all(stream(&packed, 777_777), Cut::Lines, false).unwrap() == expected);
            }
        }
    }

    #[test]
    fn packed_streams_may_have_several_members() {
        let members = [gzip(b"1 1:1\n"), gzip(b"2 2:2\n")].concat();
        assert_eq!(all(stream(&members, 5), Cut::Lines, false).unwrap().concat(), b"1 1:1\n2 2:2\n");
        let frames = [zstd::encode_all(&b"a\n"[..], 1).unwrap(), zstd::encode_all(&b"b\n"[..], 1).unwrap()].concat();
        assert_eq!(all(stream(&frames, 5), Cut::Lines, false).unwrap().concat(), b"a\nb\n");
    }

    #[test]
    fn cut_or_damaged_packing_is_said_to_be() {
        let line = |i: u32| format!("1 {}:1\n", i.wrapping_mul(2_654_435_769)).into_bytes();
        let text: Vec<u8> = (0..200_000).flat_map(line).collect();
        let mut checked = zstd::Encoder::new(Vec::new(), 1).unwrap();
        checked.include_checksum(true).unwrap();
        checked.write_all(&text).unwrap();
        let fault = |packed: &[u8]| all(stream(packed, 4096), Cut::Lines, false).err().map(|error| error.to_string());
        for packed in [gzip(&text), checked.finish().unwrap()] {
            let cut = fault(&packed[..packed.len() / 2]).unwrap();
            assert!(cut.contains("cut short") && cut.starts_with("test: "), "{cut}");
            let mut bad = packed;
            let middle = bad.len() / 2;
            bad[middle..middle + 64].fill(0xFF);
            let damaged = fault(&bad).unwrap();
            assert!(damaged.contains("is damaged"), "{damaged}");
        }
    }

    #[test]
    fn an_error_comes_after_the_chunks_before_it() {
        let packed = gzip(&b"1 2:3\n".repeat(2_000_000));
        let mut source = stream(&packed[..packed.len() - 9], 4096);
        let mut chunks = source.chunks(Cut::Lines, false);
        assert!(chunks.batch(100).unwrap().len() >= 2);
        assert!(chunks.batch(100).err().unwrap().to_string().contains("cut short"));
    }

    #[test]
    fn live_chunks_are_what_each_read_brings() {
        let chunks = all(stream(b"ab\ncd\ne\nfgh", 4), Cut::Lines, true).unwrap();
        assert_eq!(chunks, [&b"ab\n"[..], b"cd\ne\n", b"fgh"]);
    }

    #[test]
    fn the_head_is_text_without_its_mark() {
        let mut marked = stream(b"\xEF\xBB\xBF# c\n\na,b\n1,2\n", 3);
        assert!(marked.head().unwrap().starts_with(b"# c\n\na,b\n"));
        assert_eq!(all(whole(b"\xEF\xBB\xBFa,b\n"), Cut::Lines, false).unwrap(), [b"a,b\n"]);
        let directory =
            Source::open(&Input::Path(std::env::temp_dir()), &StopRequest::never()).err().unwrap().to_string();
        assert!(directory.contains("is a directory"), "{directory}");
    }
}
