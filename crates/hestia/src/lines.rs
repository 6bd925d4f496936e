//! Lines of an input, without an allocation for each.

use std::io::{self, BufRead, BufReader, Read};

const BUFFER_BYTES: usize = 1 << 20;

/// More than the longest entry takes in any format that is written here. A longer line is refused
/// before it is held in memory.
const MAX_LINE_BYTES: usize = 2 << 30;

/// One line of the input, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// It was passed over.
    TooLong,
}

/// Lends one line after the other.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    buffer: Vec<u8>,
    number: u64,
    read_bytes: u64,
    max_line_bytes: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self::with_limit(input, MAX_LINE_BYTES)
    }

    fn with_limit(input: R, max_line_bytes: usize) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, input);
        Self { reader, buffer: Vec::new(), number: 0, read_bytes: 0, max_line_bytes }
    }

    /// The number of the line lent last, the first being 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of all lines so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next line; the end of the last one may be missing.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let most = self.max_line_bytes as u64 + 1;
        let read_bytes = (&mut self.reader).take(most).read_until(b'\n', &mut self.buffer)?;
        if read_bytes == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.read_bytes += read_bytes as u64;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() > self.max_line_bytes {
            self.buffer = Vec::new();
            self.read_bytes += self.reader.skip_until(b'\n')? as u64;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Whole(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_needs_no_end() {
        let mut lines = Lines::new(&b"a\n\nb\r\nc"[..]);
        for expected in [&b"a"[..], b"", b"b\r", b"c"] {
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!((lines.number(), lines.read_bytes()), (4, 7));
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over() {
        let mut lines = Lines::with_limit(&b"abcd\nabcde\nabcdefghij\nz\nabcdefg"[..], 4);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"abcd")));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"z")));
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!((lines.number(), lines.read_bytes()), (5, 31));
    }
}
