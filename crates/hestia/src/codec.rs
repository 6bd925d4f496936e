//! Between text and the bytes that an index stores, by the type names stored in it.

use std::borrow::Cow;

use hestiastore::Result;
use hestiastore::types::TypeDescriptor;

use crate::output::say;

/// Keys or values of one stored type.
#[derive(Debug)]
pub(crate) enum Codec {
    /// Text and encoding are the same bytes, whatever they are.
    AsStored,
    /// The same, but UTF-8.
    Utf8(TypeDescriptor),
    /// The text of the type's own syntax.
    Text(TypeDescriptor),
}

impl Codec {
    /// By the stored name. What a program defined itself is taken as bytes, with a note.
    pub(crate) fn of(role: &str, type_name: &str) -> Self {
        let Ok(descriptor) = TypeDescriptor::parse(type_name) else {
            say(format_args!(
                "note: {type_name} is a program's own type; {role}s are read and written as stored bytes"
            ));
            return Self::AsStored;
        };
        match type_name {
            "bytes" | "*" => Self::AsStored,
            "string" => Self::Utf8(descriptor),
            _ => Self::Text(descriptor),
        }
    }

    /// The encoding of `text`. Allocates only for types with a syntax.
    #[inline]
    pub(crate) fn encode<'a>(&self, text: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        match self {
            Self::AsStored => Ok(Cow::Borrowed(text)),
            Self::Utf8(_) if std::str::from_utf8(text).is_ok() => Ok(Cow::Borrowed(text)),
            Self::Utf8(descriptor) | Self::Text(descriptor) => descriptor.parse_text(text).map(Cow::Owned),
        }
    }

    /// The text of `encoded`, which may be put into `space`.
    #[inline]
    pub(crate) fn text<'a>(&self, encoded: &'a [u8], space: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match self {
            Self::AsStored | Self::Utf8(_) => Ok(encoded),
            Self::Text(descriptor) => {
                space.clear();
                descriptor.write_text(encoded, space)?;
                Ok(space)
            }
        }
    }
}

/// The codecs of an index.
#[derive(Debug)]
pub(crate) struct Codecs {
    pub(crate) key: Codec,
    pub(crate) value: Codec,
}
