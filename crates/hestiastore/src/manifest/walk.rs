//! Walking through the bytes of a manifest file, frame by frame, up to its end or its damage.
//!
//! What is decided here is which bytes count (D6). At the first place without a valid edit:
//! - zeros to the end of the file are the reserve: the end;
//! - a valid edit, or the head of one, further on proves that the lost edit had been synced, because
//!   the next is only written after that: damage;
//! - anything else is an edit that was being written: a torn tail.

use crate::directory::{Directory, File, OpenMode};
use crate::error::{Error, Result};

use super::KNOWN_INCOMPATIBLE_FEATURES;
use super::decode::{DecodeError, decode_edit};
use super::edit::Edit;
use super::frame::{FRAME_BYTES, Frame, Header, Layout, find_head, read_frame};

/// How a manifest ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing follows the last edit.
    Clean,
    /// Bytes of no valid edit follow the last edit, and nothing valid follows them.
    Torn { offset: u64, bytes: u64 },
}

/// A base copy that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DamagedCopy {
    pub(crate) offset: u64,
    pub(crate) detail: String,
}

/// The base state as it is stored.
pub(super) struct Base<'a> {
    pub(super) frame: Frame<'a>,
    /// Where the copy stands that is used.
    pub(super) offset: u64,
    pub(super) damaged_copy: Option<DamagedCopy>,
}

/// Where a walk stands, and what the next edit must say to belong there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Number and CRC of the edit, or base, before.
    pub(super) number: u64,
    pub(super) crc: u32,
}

pub(super) enum Step<'a> {
    Edit { frame: Frame<'a>, next: Place },
    End(Tail),
}

/// The contents of a manifest file whose header is valid.
pub(super) struct Walk {
    file: String,
    bytes: Vec<u8>,
    pub(super) header: Header,
    pub(super) layout: Layout,
}

impl Walk {
    pub(super) fn load(directory: &dyn Directory, name: &str) -> Result<Self> {
        let bytes = directory
            .open(name, OpenMode::Read)
            .map_err(|source| Error::io("open", name, source))
            .and_then(|file| read_all(&*file, name))?;
        let header = Header::decode(&bytes, name, KNOWN_INCOMPATIBLE_FEATURES)?;
        Ok(Self { file: name.into(), layout: header.layout(), bytes, header })
    }

    pub(super) fn corruption(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::corruption(&self.file, offset, detail)
    }

    pub(super) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The base state from its first good copy.
    pub(super) fn base(&self) -> Result<Base<'_>> {
        let least = self.layout.least_length;
        if self.length() < least {
            let detail = format!("expected at least {least} bytes, found {}", self.length());
            return Err(self.corruption(self.length(), detail));
        }
        let [first_offset, second_offset] = self.layout.copies;
        let (frame, offset, damage) = match (self.base_copy(first_offset), self.base_copy(second_offset)) {
            (Ok(first), Ok(second)) if first != second => {
                let detail = "the two copies of the base state differ";
                return Err(self.corruption(second_offset, detail));
            }
            (Ok(first), Ok(_)) => (first, first_offset, None),
            (Ok(first), Err(detail)) => (first, first_offset, Some((second_offset, detail))),
            (Err(detail), Ok(second)) => (second, second_offset, Some((first_offset, detail))),
            (Err(first), Err(second)) => {
                let detail = format!("both base states are damaged: {first}; {second}");
                return Err(self.corruption(first_offset, detail));
            }
        };
        let damaged_copy = damage.map(|(offset, detail)| DamagedCopy { offset, detail });
        Ok(Base { frame, offset, damaged_copy })
    }

    /// A good copy of the base state in a file that may have lost its end.
    pub(super) fn any_base(&self) -> Result<Base<'_>> {
        let [first, second] = self.layout.copies;
        let (frame, offset) = match self.base_copy(first) {
            Ok(frame) => (frame, first),
            Err(_) => (self.base_copy(second).map_err(|detail| self.corruption(second, detail))?, second),
        };
        Ok(Base { frame, offset, damaged_copy: None })
    }

    fn base_copy(&self, offset: u64) -> std::result::Result<Frame<'_>, String> {
        let frame = read_frame(self.header.file_uid, self.from(offset)).map_err(|fault| fault.to_string())?;
        if frame.head.length != self.header.base_bytes {
            let (expected, found) = (self.header.base_bytes, frame.head.length);
            return Err(format!("expected a base of {expected} bytes, found {found}"));
        }
        Ok(frame)
    }

    /// Where the edits begin.
    pub(super) fn first_place(&self, base: &Base<'_>) -> Place {
        Place { offset: self.layout.edits, number: base.frame.head.number, crc: base.frame.head.crc }
    }

    /// What stands at a place.
    pub(super) fn step(&self, at: &Place) -> Result<Step<'_>> {
        let rest = self.from(at.offset);
        let head_is_zero = rest.iter().take(FRAME_BYTES).all(|byte| *byte == 0);
        if head_is_zero && rest.iter().all(|byte| *byte == 0) {
            return Ok(Step::End(Tail::Clean));
        }
        match read_frame(self.header.file_uid, rest) {
            // An edit's number is never 0, so a head of zeros is none even if its check holds.
            Ok(frame) if !head_is_zero => {
                self.check_chain(at, frame.head.number, frame.head.previous_crc)?;
                let next = Place {
                    offset: at.offset + frame.bytes(),
                    number: frame.head.number,
                    crc: frame.head.crc,
                };
                Ok(Step::Edit { frame, next })
            }
            Ok(_) => self.tail(at, rest, "a hole of zeros"),
            Err(fault) => {
                if let Some(head) = fault.head().filter(|_| !head_is_zero) {
                    self.check_chain(at, head.number, head.previous_crc)?;
                }
                self.tail(at, rest, &fault.to_string())
            }
        }
    }

    fn check_chain(&self, at: &Place, number: u64, previous_crc: u32) -> Result<()> {
        if Some(number) != at.number.checked_add(1) {
            let detail = format!("expected the edit after {}, found edit {number}", at.number);
            return Err(self.corruption(at.offset, detail));
        }
        if previous_crc != at.crc {
            let detail =
                format!("edit {number} follows an edit with CRC {previous_crc:08x}, not {:08x}", at.crc);
            return Err(self.corruption(at.offset, detail));
        }
        Ok(())
    }

    /// A torn tail, unless something valid follows.
    fn tail(&self, at: &Place, rest: &[u8], fault: &str) -> Result<Step<'_>> {
        let most_edits = (rest.len() / FRAME_BYTES) as u64 + 1;
        let first = at.number.saturating_add(1);
        let numbers = first..first.saturating_add(most_edits);
        let behind = rest.get(1..).unwrap_or_default();
        if let Some((place, number)) = find_head(self.header.file_uid, behind, numbers) {
            let offset = at.offset + 1 + place as u64;
            let detail = format!("{fault}; it is no torn tail, as edit {number} follows at {offset}");
            return Err(self.corruption(at.offset, detail));
        }
        let bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        let offset = at.offset;
        Ok(Step::End(Tail::Torn { offset, bytes }))
    }

    /// The edit of a frame. A valid CRC with contents that are not known is never a tail (F1).
    pub(super) fn decode(&self, offset: u64, frame: &Frame<'_>) -> Result<Edit> {
        decode_edit(frame.payload).map_err(|error| match error {
            DecodeError::Unsupported(detail) => self.unsupported(detail),
            DecodeError::Malformed(detail) => {
                let number = frame.head.number;
                self.corruption(offset, format!("edit {number} makes no sense: {detail}"))
            }
        })
    }

    pub(super) fn unsupported(&self, detail: String) -> Error {
        let file = self.file.clone();
        Error::Unsupported { file, detail }
    }

    fn from(&self, offset: u64) -> &[u8] {
        usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..)).unwrap_or_default()
    }
}

/// The whole file; a length that memory has no room for is an error.
fn read_all(file: &dyn File, name: &str) -> Result<Vec<u8>> {
    let fail = |source| Error::io("read", name, source);
    let too_large = || std::io::Error::from(std::io::ErrorKind::OutOfMemory);
    let length = file.len().map_err(fail)?;
    let length = usize::try_from(length).map_err(|_| fail(too_large()))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| fail(too_large()))?;
    bytes.resize(length, 0);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(filled as u64, rest).map_err(fail)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
