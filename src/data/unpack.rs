//! Bytes that come as they are read: from a pipe, or out of gzip or zstd.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// What one read asks for.
pub(crate) const READ: usize = 256 << 10;

/// A text as far as it has been read and not been taken.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    packing: Packing,
    pub(crate) buffer: Vec<u8>,
    /// True where nothing comes after the buffer.
    pub(crate) ended: bool,
}

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// What begins with `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or a skippable one as parallel packers put first.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Why unpacking failed: the file or the system.
    fn fault(self, name: &Path, error: io::Error) -> Error {
        let kind = match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Plain => return Error::io(name, "read", error),
        };
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Error::data(name, format!("the {kind} data ends too early: the file is cut short"))
        } else if error.raw_os_error().is_some() {
            Error::io(name, "read", error)
        } else {
            Error::data(name, format!("the {kind} data is damaged: {error}"))
        }
    }
}

impl Stream {
    /// What `reader` brings, unpacked.
    ///
    /// # Errors
    /// Where the decoder cannot be set up.
    pub(crate) fn new(reader: impl BufRead + Send + 'static, packing: Packing) -> io::Result<Self> {
        let reader: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(reader),
            Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
                // Files packed with --long are read as well.
                decoder.window_log_max(31)?;
                Box::new(decoder)
            }
        };
        Ok(Self { reader, packing, buffer: Vec::new(), ended: false })
    }

    /// A stream whose first bytes tell how it is packed.
    pub(crate) fn sniffed(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut magic = Vec::new();
        // One byte tells plain text from the others, so that a short first line is not waited behind.
        reader.by_ref().take(1).read_to_end(&mut magic)?;
        if magic.iter().any(|&byte| byte == 0x1F || byte == 0x28 || (0x50..=0x5F).contains(&byte)) {
            reader.by_ref().take(3).read_to_end(&mut magic)?;
        }
        let packing = Packing::of(&magic);
        if packing == Packing::Plain {
            return Ok(Self { reader: Box::new(reader), packing, buffer: magic, ended: false });
        }
        Self::new(BufReader::with_capacity(READ, Cursor::new(magic).chain(reader)), packing)
    }

    /// Adds what one read brings.
    pub(crate) fn read_once(&mut self, name: &Path) -> Result<()> {
        let at = self.buffer.len();
        self.buffer.resize(at + READ, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[at..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(at + *read.as_ref().unwrap_or(&0));
        self.ended = matches!(read, Ok(0));
        read.map(drop).map_err(|error| self.packing.fault(name, error))
    }

    /// Reads until the buffer holds `length` bytes or the text has ended.
    pub(crate) fn read_up_to(&mut self, length: usize, name: &Path) -> Result<()> {
        let wanted = length.saturating_sub(self.buffer.len());
        let read = self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.buffer);
        self.ended = read.map_err(|error| self.packing.fault(name, error))? < wanted;
        Ok(())
    }

    /// Takes the first `length` bytes out of the buffer.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }
}
