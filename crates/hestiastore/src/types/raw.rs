//! Bytes in place of a type, for tools.

use super::KeyType;
use crate::Result;

/// The type name that stands for every type.
pub(super) const NAME: &str = "*";

/// The encoding itself, as key or value, whatever the type.
///
/// An index opens as an index of `Raw` whatever types it was created with. Who writes through it must write
/// bytes that are the encoding of those types; [`TypeDescriptor`](super::TypeDescriptor) makes such bytes from text.
///
/// ```
/// use hestiastore::types::{KeyType, Raw};
///
/// let key = Raw(vec![1, 2, 3]);
/// key.with_encoded(|bytes| assert_eq!(bytes, [1, 2, 3]));
/// assert_eq!(Raw::type_name(), "*");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Raw(pub Vec<u8>);

impl From<Vec<u8>> for Raw {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl KeyType for Raw {
    fn type_name() -> String {
        NAME.to_owned()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn with_encoded<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self(bytes.to_vec()))
    }
}
