//! Entries as lines of text.

mod jsonl;
mod tsv;

use std::borrow::Cow;

use clap::ValueEnum;

use crate::failure::Failure;

/// How entries are written as lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The key up to the first tab, the value up to the end of the line, both as they are
    Tsv,
    /// A JSON object a line, {"key": .., "value": ..}; bytes that are not UTF-8 as {"base64": ".."}
    Jsonl,
}

/// A text in JSON, as [`Format::Jsonl`] has it.
pub(crate) fn json_text(text: &[u8]) -> serde_json::Value {
    jsonl::value_of(text)
}

/// The texts of an entry.
pub(crate) type EntryText<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl Format {
    /// Appends a line. Without a value it holds the key alone.
    pub(crate) fn write(self, key: &[u8], value: Option<&[u8]>, line: &mut Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Tsv => tsv::write(key, value, line),
            Self::Jsonl => jsonl::write(key, value, line),
        }
    }

    /// Reads a line; the error says what is wrong with it.
    #[inline]
    pub(crate) fn read(self, line: &[u8]) -> Result<EntryText<'_>, String> {
        match self {
            Self::Tsv => tsv::read(line),
            Self::Jsonl => jsonl::read(line),
        }
    }
}
