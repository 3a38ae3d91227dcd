//! Where a text is cut into chunks.
//!
//! It depends on the text alone, never on how its bytes arrive or who reads them, since rows of the model are numbered
//! by chunk.

use memchr::{memchr, memchr2, memrchr};

/// A line, record or image longer than this is refused.
pub(crate) const LONGEST: usize = 1 << 30;
/// A chunk has about this many bytes.
pub(crate) const CHUNK: usize = 4 << 20;

/// Where a text may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After any newline.
    Lines,
    /// After a newline outside of quotes; cells stand between delimiters such as this.
    Records(u8),
    /// After any image of this many bytes; how many images there have to be.
    Images { size: usize, count: u64 },
}

impl Cut {
    /// Where the first chunk of `text` ends; `None` where that takes more of it than has been read.
    pub(crate) fn chunk_end(self, text: &[u8], ended: bool) -> Option<usize> {
        if let Self::Images { size, .. } = self {
            let end = size.max(CHUNK / size * size);
            return (text.len() > end).then_some(end).or(ended.then_some(text.len()));
        }
        let mut window = CHUNK;
        while text.len() > window {
            if let Some(end) = self.last(&text[..window]) {
                return Some(end);
            }
            window *= 2;
        }
        ended.then_some(text.len())
    }

    /// What is wrong with a text whose next bytes, `from` to `to`, are all up to a cut, or to its end where there are none.
    pub(crate) fn fault(self, from: u64, to: u64) -> Option<String> {
        let Self::Images { size, count } = self else { return None };
        let images = format!("{count} images of {size} bytes that its header says");
        let whole = count * size as u64;
        if to > whole {
            Some(format!("goes on behind the {images}"))
        } else if !to.is_multiple_of(size as u64) || (from == to && to < whole) {
            Some(format!("ends after {} of the {images}: the file is cut short", to / size as u64))
        } else {
            None
        }
    }

    /// The last place where `text`, which begins a line, may be cut.
    pub(crate) fn last(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Records(delimiter) if memchr(b'"', text).is_some() => records(text, delimiter).0,
            Self::Images { size, .. } => Some(text.len() / size * size).filter(|&end| end > 0),
            _ => memrchr(b'\n', text).map(|at| at + 1),
        }
    }
}

/// True where `text`, which begins a record, ends within a quoted cell.
pub(crate) fn is_open(text: &[u8], delimiter: u8) -> bool {
    records(text, delimiter).1
}

/// The end of the last record that ends in `text`, and whether the text ends within a quoted cell. A quote opens one only
/// where the cell begins.
fn records(text: &[u8], delimiter: u8) -> (Option<usize>, bool) {
    let (mut at, mut last) = (0, None);
    while at < text.len() {
        if text[at] == b'"' {
            at += 1;
            loop {
                let Some(quote) = memchr(b'"', &text[at..]) else { return (last, true) };
                at += quote + 1;
                if text.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
        }
        let Some(end) = memchr2(delimiter, b'\n', &text[at..]) else { break };
        at += end + 1;
        if text[at - 1] == b'\n' {
            last = Some(at);
        }
    }
    (last, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_not_cut_within_quotes() {
        let last = |text: &str| Cut::Records(b',').last(text.as_bytes());
        assert_eq!(last("a,\"b\nc\",d\ne,f"), Some(10));
        assert_eq!(last("a,\"b\nc"), None);
        assert_eq!(last("\"a\"\"\n\"\"\",b\nc\n"), Some(13));
        assert_eq!(last("5\" pipe,x\n6\" pipe,y\nz"), Some(20), "a quote within a cell opens nothing");
        assert_eq!(last("\n\"\"\nx\n\"y"), Some(6));
        assert!(is_open(b"a,\"b\n", b',') && is_open(b"\"a\"\"", b','));
        assert!(!is_open(b"a,\"b\"", b',') && !is_open(b"5\" pipe", b','));
    }
}
