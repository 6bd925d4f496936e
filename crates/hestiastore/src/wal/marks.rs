//! The records that hold no operations: SYNC and BEGIN. Both are of fixed length and take no seq.

use crate::bytes::{Reader, Short};

use super::operations::BodyError;
use super::record::{HEADER_LENGTH, RecordKind, SealPlace, seal_fixed};

const SYNC_BODY_LENGTH: usize = 16;
const BEGIN_BODY_LENGTH: usize = 64;
const SYNC_RECORD_LENGTH: usize = HEADER_LENGTH + SYNC_BODY_LENGTH;
const BEGIN_RECORD_LENGTH: usize = HEADER_LENGTH + BEGIN_BODY_LENGTH;

/// Length of a SYNC record in bytes.
pub(crate) const SYNC_RECORD_BYTES: u64 = SYNC_RECORD_LENGTH as u64;
/// Length of a BEGIN record in bytes.
pub(crate) const BEGIN_RECORD_BYTES: u64 = BEGIN_RECORD_LENGTH as u64;

/// Witness of a sync: every operation through `synced_seq`, in this log and all before it, was on
/// disk when it was written (L3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncMark {
    pub(crate) synced_seq: u64,
    /// Wall-clock time in microseconds since 1970-01-01 UTC.
    pub(crate) wall_micros: u64,
}

impl SyncMark {
    /// The whole record. `seq_delta` is that of the next operation.
    pub(crate) fn record(&self, log_uid: u64, offset: u64, seq_delta: u32) -> [u8; SYNC_RECORD_LENGTH] {
        let mut body = [0u8; SYNC_BODY_LENGTH];
        body[0..8].copy_from_slice(&self.synced_seq.to_be_bytes());
        body[8..16].copy_from_slice(&self.wall_micros.to_be_bytes());
        let place = SealPlace { log_uid, offset, seq_delta };
        seal_fixed(RecordKind::Sync, &body, place)
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, BodyError> {
        require_length(body, SYNC_BODY_LENGTH, "SYNC")?;
        let mut reader = Reader::new(body);
        Ok(Self { synced_seq: reader.u64()?, wall_micros: reader.u64()? })
    }
}

/// The first record of a log: what it follows, and which state of the manifest it belongs to (L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) index_uuid: u128,
    pub(crate) log_uid: u64,
    /// 0: there is none.
    pub(crate) predecessor_uid: u64,
    /// Where the predecessor ends: the offset behind its last record.
    pub(crate) predecessor_end: u64,
    /// The last seq in the predecessor.
    pub(crate) predecessor_last_seq: u64,
    /// The manifest's lineage, and the number of its last edit, when the log was first used.
    pub(crate) lineage: u64,
    pub(crate) edit_number: u64,
}

impl Begin {
    /// The whole record. `seq_delta` is that of the log's first operation.
    pub(crate) fn record(&self, log_uid: u64, offset: u64, seq_delta: u32) -> [u8; BEGIN_RECORD_LENGTH] {
        let mut body = [0u8; BEGIN_BODY_LENGTH];
        body[0..16].copy_from_slice(&self.index_uuid.to_be_bytes());
        body[16..24].copy_from_slice(&self.log_uid.to_be_bytes());
        body[24..32].copy_from_slice(&self.predecessor_uid.to_be_bytes());
        body[32..40].copy_from_slice(&self.predecessor_end.to_be_bytes());
        body[40..48].copy_from_slice(&self.predecessor_last_seq.to_be_bytes());
        body[48..56].copy_from_slice(&self.lineage.to_be_bytes());
        body[56..64].copy_from_slice(&self.edit_number.to_be_bytes());
        let place = SealPlace { log_uid, offset, seq_delta };
        seal_fixed(RecordKind::Begin, &body, place)
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, BodyError> {
        require_length(body, BEGIN_BODY_LENGTH, "BEGIN")?;
        Ok(Self::decode_fields(body)?)
    }

    fn decode_fields(body: &[u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(body);
        Ok(Self {
            index_uuid: u128::from(reader.u64()?) << 64 | u128::from(reader.u64()?),
            log_uid: reader.u64()?,
            predecessor_uid: reader.u64()?,
            predecessor_end: reader.u64()?,
            predecessor_last_seq: reader.u64()?,
            lineage: reader.u64()?,
            edit_number: reader.u64()?,
        })
    }
}

/// Another length is another set of fields: that of a later version.
fn require_length(body: &[u8], expected: usize, what: &str) -> Result<(), BodyError> {
    if body.len() == expected {
        return Ok(());
    }
    let found = body.len();
    Err(BodyError::Unknown(format!("a {what} of {found} bytes, known is {expected},")))
}
