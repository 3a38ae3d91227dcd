//! Where a text is cut into chunks.
//!
//! It depends on the text alone, never on how its bytes arrive or who reads them, since rows of the model are numbered
//! by chunk.

use memchr::{memchr, memchr2, memrchr};

/// A chunk has about this many bytes.
pub(crate) const CHUNK: usize = 4 << 20;

/// Where a text may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After any newline.
    Lines,
    /// After a newline outside of quotes; cells stand between delimiters such as this.
    Records(u8),
}

impl Cut {
    /// Where the first chunk of `text` ends; `None` where that takes more of it than has been read.
    pub(crate) fn chunk_end(self, text: &[u8], ended: bool) -> Option<usize> {
        let mut window = CHUNK;
        while text.len() > window {
            if let Some(end) = self.last(&text[..window]) {
                return Some(end);
            }
            window *= 2;
        }
        ended.then_some(text.len())
    }

    /// The last place where `text`, which begins a line, may be cut.
    pub(crate) fn last(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Records(delimiter) if memchr(b'"', text).is_some() => last_record(text, delimiter),
            _ => memrchr(b'\n', text).map(|at| at + 1),
        }
    }
}

/// The end of the last record that ends in `text`. A quote opens a quoted cell only where the cell begins.
fn last_record(text: &[u8], delimiter: u8) -> Option<usize> {
    let (mut at, mut last) = (0, None);
    while at < text.len() {
        if text[at] == b'"' {
            at += 1;
            loop {
                let Some(quote) = memchr(b'"', &text[at..]) else { return last };
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
    last
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
    }
}
