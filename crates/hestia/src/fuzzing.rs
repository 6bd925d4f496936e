//! Entry points for fuzzers, as in `hestiastore::fuzzing`.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use crate::format::Format;
use crate::lines::{Line, Lines};

/// Bytes as the file that `load` reads, in each format; what is read is written again and read.
pub fn load_formats(data: &[u8]) {
    for format in [Format::Tsv, Format::Jsonl] {
        let mut lines = Lines::new(data);
        while let Some(line) = lines.next().unwrap() {
            if let Line::Whole(line) = line {
                one_line(format, line);
            }
        }
        assert_eq!(lines.read_bytes(), data.len() as u64);
    }
}

fn one_line(format: Format, line: &[u8]) {
    let Ok((key, value)) = format.read(line) else { return };
    let mut written = Vec::new();
    format.write(&key, Some(&value), &mut written).unwrap();
    let again = written.strip_suffix(b"\n").unwrap();
    if format == Format::Tsv {
        assert_eq!(again, line);
    }
    assert_eq!(format.read(again).unwrap(), (key, value));
}

#[cfg(test)]
mod tests {
    #[test]
    fn load_formats_takes_its_corpus_and_mutations_of_it() {
        hestiastore::fuzzing::corpus::check("load_formats", super::load_formats, 3000);
    }
}
