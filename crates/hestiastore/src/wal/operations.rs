//! The body of a record of operations: a varint count, then one operation after the other.

use std::fmt;

use crate::bytes::{Reader, Short};
use crate::error::Error;

/// Kind bytes, shared with the entries of runs (F5). 2 and above are reserved.
pub(super) const PUT: u8 = 0;
pub(super) const DELETE: u8 = 1;

/// A kind and a key length: the least that an operation takes.
const MIN_OPERATION_BYTES: u64 = 2;

/// One operation, borrowed from the record that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationRef<'a> {
    Put { key: &'a [u8], value: &'a [u8] },
    Delete { key: &'a [u8] },
}

impl<'a> OperationRef<'a> {
    pub(crate) fn key(&self) -> &'a [u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Why a body with a valid CRC cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It contradicts itself: whoever wrote it was wrong.
    Malformed(&'static str),
    /// It holds what a later version may know.
    Unknown(String),
}

impl BodyError {
    /// The error that names the record.
    pub(crate) fn at(self, file: &str, offset: u64) -> Error {
        match self {
            Self::Malformed(detail) => Error::corruption(file, offset, detail),
            Self::Unknown(what) => Error::Unsupported {
                file: file.into(),
                detail: format!("{what} in the record at offset {offset}"),
            },
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(detail) => f.write_str(detail),
            Self::Unknown(what) => f.write_str(what),
        }
    }
}

impl From<Short> for BodyError {
    fn from(_: Short) -> Self {
        Self::Malformed("the operations run past the end of the record")
    }
}

/// The operations of one record, in order. Ends after the first error.
#[derive(Debug, Clone)]
pub(crate) struct Operations<'a> {
    rest: Reader<'a>,
    remaining: u64,
}

impl<'a> Operations<'a> {
    /// Reads the count only; each operation is checked when it comes up.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, BodyError> {
        let mut rest = Reader::new(body);
        let remaining = rest.varint()?;
        if remaining > rest.rest().len() as u64 / MIN_OPERATION_BYTES {
            return Err(BodyError::Malformed("more operations than the record has room for"));
        }
        Ok(Self { rest, remaining })
    }

    /// Operations that are still to come, and so the seqs that they take.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Goes through all that are left and says whether each can be read.
    pub(crate) fn check(&self) -> Result<(), BodyError> {
        self.clone().try_for_each(|operation| operation.map(drop))
    }

    fn read_one(&mut self) -> Result<OperationRef<'a>, BodyError> {
        let kind = self.rest.u8()?;
        match kind {
            PUT => {
                let key_length = self.length()?;
                let value_length = self.length()?;
                let key = self.rest.take(key_length)?;
                let value = self.rest.take(value_length)?;
                Ok(OperationRef::Put { key, value })
            }
            DELETE => {
                let key_length = self.length()?;
                let key = self.rest.take(key_length)?;
                Ok(OperationRef::Delete { key })
            }
            unknown => Err(BodyError::Unknown(format!("unknown operation kind {unknown}"))),
        }
    }

    fn length(&mut self) -> Result<usize, Short> {
        usize::try_from(self.rest.varint()?).map_err(|_| Short)
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Result<OperationRef<'a>, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            if self.rest.is_empty() {
                return None;
            }
            self.rest = Reader::new(&[]);
            return Some(Err(BodyError::Malformed("bytes behind the last operation")));
        }
        self.remaining -= 1;
        let operation = self.read_one();
        if operation.is_err() {
            self.remaining = 0;
            self.rest = Reader::new(&[]);
        }
        Some(operation)
    }
}
