//! The linear search for valid records behind a place where none stands (L3).
//!
//! Cost: one pass over the file. SYNC and BEGIN records, which alone are evidence, are short and always
//! verified in full; the CRCs of longer ones draw on a budget, so that a forged file of overlapping
//! records cannot make the search quadratic.

use crate::error::Result;

use super::marks::{BEGIN_RECORD_BYTES, SyncMark};
use super::reader::{LogReader, align_up, known_kind};
use super::record::{HEADER_LENGTH, RECORD_ALIGNMENT_BYTES, RECORD_HEADER_BYTES, RecordHeader, RecordKind};

/// Verified records are passed over whole, so that honest files use up about one file length.
const BUDGET_FILE_LENGTHS: u64 = 4;

/// A valid record behind the place where reading in order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: u64,
    pub(crate) end: u64,
    /// As in [`super::Record`].
    pub(crate) first_seq: u64,
    pub(crate) kind: RecordKind,
    pub(crate) sync: Option<SyncMark>,
}

/// A search in progress.
#[derive(Debug)]
pub(crate) struct Search<'r> {
    reader: &'r mut LogReader,
    offset: u64,
    budget_bytes: u64,
}

impl<'r> Search<'r> {
    pub(crate) fn new(reader: &'r mut LogReader, from: u64) -> Self {
        let budget_bytes = reader.file_bytes().saturating_mul(BUDGET_FILE_LENGTHS);
        Self { reader, offset: align_up(from), budget_bytes }
    }

    /// The next valid record. [`crate::Error::Unsupported`] if it is of a kind that is not known (F1).
    pub(crate) fn next(&mut self) -> Result<Option<Found>> {
        while let Some((offset, header)) = self.next_candidate()? {
            if self.verify(&header, offset)? {
                self.offset = offset + header.record_bytes();
                return self.describe(&header, offset).map(Some);
            }
            self.offset = offset + RECORD_ALIGNMENT_BYTES;
        }
        Ok(None)
    }

    /// The next place whose header check holds.
    fn next_candidate(&mut self) -> Result<Option<(u64, RecordHeader)>> {
        while let Some((window, log_uid, file_bytes)) = self.reader.window_from(self.offset)? {
            let mut rest = window;
            while let Some(bytes) = rest.first_chunk::<HEADER_LENGTH>() {
                if let Some(header) = plausible(bytes, log_uid, self.offset, file_bytes) {
                    return Ok(Some((self.offset, header)));
                }
                self.offset += RECORD_ALIGNMENT_BYTES;
                rest = rest.get(RECORD_ALIGNMENT_BYTES as usize..).unwrap_or(&[]);
            }
        }
        Ok(None)
    }

    fn verify(&mut self, header: &RecordHeader, offset: u64) -> Result<bool> {
        let bytes = header.record_bytes();
        if bytes > BEGIN_RECORD_BYTES {
            match self.budget_bytes.checked_sub(bytes) {
                Some(left) => self.budget_bytes = left,
                None => return Ok(false),
            }
        }
        self.reader.crc_holds(header, offset)
    }

    fn describe(&mut self, header: &RecordHeader, offset: u64) -> Result<Found> {
        let kind = known_kind(header, self.reader.name(), offset)?;
        let mut sync = None;
        if kind == RecordKind::Sync {
            let name = self.reader.name().to_owned();
            let body = self.reader.bytes_at(offset + RECORD_HEADER_BYTES, header.length as usize)?;
            let mark = SyncMark::decode(body.unwrap_or(&[]));
            sync = Some(mark.map_err(|error| error.at(&name, offset))?);
        }
        let base_seq = self.reader.base_seq();
        Ok(Found {
            offset,
            end: offset + header.record_bytes(),
            first_seq: base_seq.saturating_add(u64::from(header.seq_delta)),
            kind,
            sync,
        })
    }
}

fn plausible(
    bytes: &[u8; HEADER_LENGTH],
    log_uid: u64,
    offset: u64,
    file_bytes: u64,
) -> Option<RecordHeader> {
    let header = RecordHeader::decode(bytes);
    let fits = header.record_bytes() <= file_bytes.saturating_sub(offset);
    (header.kind != 0 && fits && header.check_holds(log_uid, offset)).then_some(header)
}
