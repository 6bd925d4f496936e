//! Keys and values as text, of types that are known only at run time. For the command-line tool.
//!
//! A [`TypeDescriptor`] is read from a persisted type name and translates between encodings and text.
//! The syntax stands there. Neither direction allocates more than a small multiple of its input, and
//! nesting is at most [`names::DEPTH_MAX`] deep.

mod names;
mod parse;
mod quoted;
mod write;

use std::fmt;

use super::{KeyType, decode_error};
use crate::{Error, Result};
use names::Shape;

/// A built-in key or value type, known by its name: translates between encodings and text.
///
/// At the outside `string`, `bytes`, `char` and `*` are raw: their text is the value itself. Everything
/// else, and everything inside a tuple, array or option, is written so:
///
/// | type | text |
/// |---|---|
/// | integers | decimal: `-5` |
/// | `f32`, `f64` | decimal, shortest that reads back the same: `1.5`, `-0.0`, `1e300`, `inf`, `NaN`; other NaNs by their bits: `NaN:fff8000000000000` |
/// | `bool` | `true`, `false` |
/// | `char` | `'x'`, with the escapes below |
/// | `string` | `"a\n\"b\""`; escapes `\n \r \t \0 \\ \" \'`, `\u{1b}`, `\x1b` |
/// | `bytes`, `*` | `b"a\xff"`, same escapes |
/// | `unit` | `()` |
/// | `[u8; N]` | `0x` and `N` pairs of hexadecimal digits |
/// | `[T; N]` | `[1, 2, 3]` |
/// | tuples | `(1, "a")`; of one: `(1,)` |
/// | `option<T>` | `none`, `some(1)` |
///
/// White space between tokens is free when text is read.
///
/// ```
/// use hestiastore::types::{KeyType, TypeDescriptor};
///
/// let descriptor = TypeDescriptor::parse("(u32, string)")?;
/// let encoded = descriptor.parse_text(br#"(7, "apple")"#)?;
/// assert_eq!(<(u32, String)>::decode(&encoded)?, (7, "apple".to_owned()));
///
/// let mut text = Vec::new();
/// descriptor.write_text(&encoded, &mut text)?;
/// assert_eq!(text, br#"(7, "apple")"#);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescriptor {
    shape: Shape,
}

impl TypeDescriptor {
    /// Finds the type that a persisted name means.
    ///
    /// # Errors
    /// [`Error::InvalidText`] for a name that is no built-in's, such as that of a program's own type;
    /// [`TypeDescriptor::bytes`] shows such keys and values as they are stored.
    pub fn parse(name: &str) -> Result<Self> {
        names::parse(name).map(|shape| Self { shape })
    }

    /// The descriptor that takes encodings as they are.
    pub fn bytes() -> Self {
        Self { shape: Shape::Bytes }
    }

    /// Translates text to the encoding.
    ///
    /// # Errors
    /// [`Error::InvalidText`] if the text is no value of this type.
    pub fn parse_text(&self, text: &[u8]) -> Result<Vec<u8>> {
        parse::whole(&self.shape, text).map_err(|detail| Error::InvalidText {
            expected: self.to_string(),
            detail: format!("{detail}, in {}", excerpt(text)),
        })
    }

    /// Translates an encoding to text, appended to `out`.
    ///
    /// # Errors
    /// [`Error::Decode`] if the bytes are not of this type; `out` is as before then.
    pub fn write_text(&self, encoded: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let length = out.len();
        let result = write::whole(&self.shape, encoded, out);
        if result.is_err() {
            out.truncate(length);
        }
        result
    }
}

/// Writes the name that is persisted.
impl fmt::Display for TypeDescriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shape.fmt(formatter)
    }
}

/// The beginning of a text, for messages.
fn excerpt(text: &[u8]) -> String {
    const SHOWN_BYTES: usize = 60;
    match text.split_at_checked(SHOWN_BYTES) {
        Some((head, [_, ..])) => format!("\"{}...\"", head.escape_ascii()),
        _ => format!("\"{}\"", text.escape_ascii()),
    }
}
