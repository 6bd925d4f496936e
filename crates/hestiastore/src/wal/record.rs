//! One log record: its header with the two salted checks, and the builder of records of operations.
//!
//! The CRC runs over the padded body first and over its salt and the header last, so that all but
//! 28 bytes of it can be computed before the commit section, when seq and offset are not known yet.

use crc32fast::Hasher;

use super::operations::{OperationRef, Operations};
use crate::bytes::{put_varint, varint_len};
use crate::error::{Error, Result};

/// Length of a record's header in bytes.
pub(crate) const RECORD_HEADER_BYTES: u64 = 16;
/// Records begin at multiples of this.
pub(crate) const RECORD_ALIGNMENT_BYTES: u64 = 8;
/// The longest record, header and padding included: below 2 GiB (F7).
pub(crate) const MAX_RECORD_BYTES: u64 = (1 << 31) - RECORD_ALIGNMENT_BYTES;

pub(super) const HEADER_LENGTH: usize = RECORD_HEADER_BYTES as usize;

/// Operations take at least two bytes each, so a record holds less than 2^30: five bytes of varint.
const MAX_COUNT_LENGTH: usize = 5;
const BODY_START: usize = HEADER_LENGTH + MAX_COUNT_LENGTH;

/// A builder keeps no more than this when it is cleared, so that one large batch is not held forever.
const KEPT_CAPACITY_BYTES: usize = 1 << 20;

/// What a record holds. Zero is no kind, so that zeroed bytes are never a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// A batch of one or more operations.
    Operations = 1,
    /// A witness that everything through some seq is on disk.
    Sync = 2,
    /// The first record of a log.
    Begin = 3,
}

impl RecordKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Operations),
            2 => Some(Self::Sync),
            3 => Some(Self::Begin),
            _ => None,
        }
    }
}

/// The 16 bytes before each body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Length of the body in bytes, without its padding.
    pub(super) length: u32,
    pub(super) crc: u32,
    /// Seq of the first operation, or for SYNC and BEGIN the next one's, from the log's first seq.
    pub(super) seq_delta: u32,
    pub(super) check: u16,
    /// A [`RecordKind`], or one that is not known here.
    pub(super) kind: u8,
    pub(super) keyspace: u8,
}

/// What only the commit section says of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct SealPlace {
    pub(super) log_uid: u64,
    pub(super) offset: u64,
    pub(super) seq_delta: u32,
}

impl RecordHeader {
    /// The header of a record whose padded body has been hashed into `body_hash`.
    pub(super) fn seal(kind: RecordKind, length: u32, body_hash: Hasher, place: SealPlace) -> Self {
        Self::seal_raw(kind as u8, 0, length, body_hash, place)
    }

    /// [`RecordHeader::seal`] with any kind and keyspace.
    pub(super) fn seal_raw(kind: u8, keyspace: u8, length: u32, body_hash: Hasher, place: SealPlace) -> Self {
        let SealPlace { log_uid, offset, seq_delta } = place;
        let mut header = Self { length, crc: 0, seq_delta, check: 0, kind, keyspace };
        header.check = header.expected_check(log_uid, offset);
        header.crc = header.expected_crc(body_hash, log_uid, offset);
        header
    }

    pub(super) fn encode(&self) -> [u8; HEADER_LENGTH] {
        let mut out = [0u8; HEADER_LENGTH];
        out[0..4].copy_from_slice(&self.length.to_be_bytes());
        out[4..8].copy_from_slice(&self.crc.to_be_bytes());
        out[8..12].copy_from_slice(&self.seq_delta.to_be_bytes());
        out[12..14].copy_from_slice(&self.check.to_be_bytes());
        out[14] = self.kind;
        out[15] = self.keyspace;
        out
    }

    pub(super) fn decode(bytes: &[u8; HEADER_LENGTH]) -> Self {
        let b = bytes;
        Self {
            length: u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
            crc: u32::from_be_bytes([b[4], b[5], b[6], b[7]]),
            seq_delta: u32::from_be_bytes([b[8], b[9], b[10], b[11]]),
            check: u16::from_be_bytes([b[12], b[13]]),
            kind: b[14],
            keyspace: b[15],
        }
    }

    /// Length of the whole record in bytes, header and padding included.
    pub(super) fn record_bytes(&self) -> u64 {
        record_bytes(u64::from(self.length))
    }

    pub(super) fn check_holds(&self, log_uid: u64, offset: u64) -> bool {
        self.check == self.expected_check(log_uid, offset)
    }

    /// Over length, seq, kind, keyspace, offset and uid, at the price of two multiplications a mix.
    fn expected_check(&self, log_uid: u64, offset: u64) -> u16 {
        let kind = u64::from(self.kind) << 56 | u64::from(self.keyspace) << 48;
        let sizes = u64::from(self.length) << 32 | u64::from(self.seq_delta);
        (mix(mix(log_uid ^ offset ^ kind) ^ sizes) >> 48) as u16
    }

    /// Over the padded body, then uid, offset and every other field of the header.
    pub(super) fn expected_crc(&self, body_hash: Hasher, log_uid: u64, offset: u64) -> u32 {
        let mut salt = [0u8; 28];
        salt[0..8].copy_from_slice(&log_uid.to_be_bytes());
        salt[8..16].copy_from_slice(&offset.to_be_bytes());
        salt[16..20].copy_from_slice(&self.length.to_be_bytes());
        salt[20..24].copy_from_slice(&self.seq_delta.to_be_bytes());
        salt[24..26].copy_from_slice(&self.check.to_be_bytes());
        salt[26] = self.kind;
        salt[27] = self.keyspace;
        let mut hash = body_hash;
        hash.update(&salt);
        hash.finalize()
    }
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Length of a record with a body of this length.
pub(super) fn record_bytes(body_bytes: u64) -> u64 {
    RECORD_HEADER_BYTES + body_bytes.next_multiple_of(RECORD_ALIGNMENT_BYTES)
}

/// A record without operations, of fixed length `N` = header + padded body.
pub(super) fn seal_fixed<const N: usize>(kind: RecordKind, body: &[u8], place: SealPlace) -> [u8; N] {
    let mut out = [0u8; N];
    let (head, padded) = out.split_at_mut(HEADER_LENGTH);
    padded[..body.len()].copy_from_slice(body);
    let mut hash = Hasher::new();
    hash.update(padded);
    let length = body.len() as u32;
    let header = RecordHeader::seal(kind, length, hash, place);
    head.copy_from_slice(&header.encode());
    out
}

/// Builds a record of operations in a buffer that is used again.
///
/// Order of use: `clear`, any number of `push_…`, `finish_body` (before the commit section; hashes
/// the body), `record_bytes` (the room to take), and after the section `seal`.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    /// `BODY_START` bytes of room, the operations, and padding once finished. The count has a length
    /// that is known at the end only, so the record begins where that lets it begin.
    buffer: Vec<u8>,
    /// End of the operations in `buffer`.
    body_end: usize,
    operation_count: u64,
    finished: Option<Hasher>,
}

impl Default for RecordBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordBuilder {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BODY_START], body_end: BODY_START, operation_count: 0, finished: None }
    }

    pub(crate) fn clear(&mut self) {
        self.buffer.truncate(BODY_START);
        self.buffer.shrink_to(KEPT_CAPACITY_BYTES);
        self.body_end = BODY_START;
        self.operation_count = 0;
        self.finished = None;
    }

    /// Adds a put. [`Error::BatchTooLarge`] leaves the builder as it was.
    pub(crate) fn push_put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let lengths = varint_len(key.len() as u64) + varint_len(value.len() as u64);
        self.make_room(&[1 + lengths, key.len(), value.len()])?;
        self.buffer.push(super::operations::PUT);
        put_varint(&mut self.buffer, key.len() as u64);
        put_varint(&mut self.buffer, value.len() as u64);
        self.buffer.extend_from_slice(key);
        self.buffer.extend_from_slice(value);
        self.count_one();
        Ok(())
    }

    /// Adds a delete. [`Error::BatchTooLarge`] leaves the builder as it was.
    pub(crate) fn push_delete(&mut self, key: &[u8]) -> Result<()> {
        self.make_room(&[1 + varint_len(key.len() as u64), key.len()])?;
        self.buffer.push(super::operations::DELETE);
        put_varint(&mut self.buffer, key.len() as u64);
        self.buffer.extend_from_slice(key);
        self.count_one();
        Ok(())
    }

    /// How many seqs the record takes (C1).
    pub(crate) fn operation_count(&self) -> u64 {
        self.operation_count
    }

    /// The operations, in order; the body must be finished.
    pub(crate) fn operations(&self) -> impl Iterator<Item = OperationRef<'_>> {
        let start = BODY_START - varint_len(self.operation_count);
        let body = self.buffer.get(start..self.body_end).unwrap_or(&[]);
        // What was pushed here parses.
        Operations::new(body).into_iter().flatten().filter_map(Result::ok)
    }

    /// Length of the record in bytes, header and padding included; what `seal` returns has it.
    pub(crate) fn record_bytes(&self) -> u64 {
        record_bytes(self.body_length() as u64)
    }

    /// Completes and hashes the body. `seal` does it too, where it was left out.
    pub(crate) fn finish_body(&mut self) {
        self.finish();
    }

    /// Fills in what is known only after the commit section, and returns the record's bytes.
    ///
    /// `seq_delta` is the first operation's seq less the log's [`super::LogHeader::first_seq`].
    pub(crate) fn seal(&mut self, log_uid: u64, offset: u64, seq_delta: u32) -> &[u8] {
        let hash = self.finish();
        let length = self.body_length() as u32;
        let kind = RecordKind::Operations;
        let place = SealPlace { log_uid, offset, seq_delta };
        let header = RecordHeader::seal(kind, length, hash, place);
        let record = &mut self.buffer[MAX_COUNT_LENGTH - varint_len(self.operation_count)..];
        record[..HEADER_LENGTH].copy_from_slice(&header.encode());
        record
    }

    fn body_length(&self) -> usize {
        varint_len(self.operation_count) + self.body_end - BODY_START
    }

    fn make_room(&mut self, parts: &[usize]) -> Result<()> {
        let added = parts.iter().fold(0u64, |sum, &part| sum.saturating_add(part as u64));
        let operations = ((self.body_end - BODY_START) as u64).saturating_add(added);
        let body = operations.saturating_add(MAX_COUNT_LENGTH as u64);
        if body > MAX_RECORD_BYTES - RECORD_HEADER_BYTES {
            return Err(Error::BatchTooLarge {
                bytes: body.saturating_add(RECORD_HEADER_BYTES),
                limit: MAX_RECORD_BYTES,
            });
        }
        self.buffer.truncate(self.body_end);
        self.finished = None;
        self.buffer.reserve(added as usize + RECORD_ALIGNMENT_BYTES as usize);
        Ok(())
    }

    fn count_one(&mut self) {
        self.operation_count += 1;
        self.body_end = self.buffer.len();
    }

    fn finish(&mut self) -> Hasher {
        if let Some(hash) = &self.finished {
            return hash.clone();
        }
        let start = BODY_START - varint_len(self.operation_count);
        let mut rest = self.operation_count;
        for byte in &mut self.buffer[start..BODY_START] {
            *byte = rest as u8 & 0x7f | if rest >= 0x80 { 0x80 } else { 0 };
            rest >>= 7;
        }
        let padded = self.body_length().next_multiple_of(RECORD_ALIGNMENT_BYTES as usize);
        self.buffer.resize(start + padded, 0);
        let mut hash = Hasher::new();
        hash.update(&self.buffer[start..]);
        self.finished = Some(hash.clone());
        hash
    }
}
