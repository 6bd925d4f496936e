//! Edits as bytes: fields of a tag, a length and a value, two levels deep.
//!
//! A change is a field whose value is again a list of fields, its members. A tag is one byte: the
//! high bit says that a reader which does not know the number must refuse, the other seven are the
//! number. Members that are zero, empty or absent are left out. Integers are big-endian without
//! leading zeros; their length is the field's. `docs/format/manifest.md` has the tables.

use crate::bytes::put_prefixed;

use super::edit::{Change, Edit};
use super::state::RunReference;

/// A reader that does not know the field must refuse the edit.
pub(super) const CRITICAL: u8 = 0x80;

/// The numbers of the changes. Never reused.
pub(super) mod number {
    pub(in super::super) const IDENTITY: u8 = 1;
    pub(in super::super) const SET_TYPES: u8 = 2;
    pub(in super::super) const SET_CONFIG: u8 = 3;
    pub(in super::super) const FEATURE: u8 = 4;
    pub(in super::super) const KEYSPACE: u8 = 5;
    pub(in super::super) const OPEN: u8 = 6;
    pub(in super::super) const CLOSE: u8 = 7;
    pub(in super::super) const LAST_SEQ: u8 = 8;
    pub(in super::super) const CLOCK_MARK: u8 = 9;
    pub(in super::super) const NEXT_SEGMENT_ID: u8 = 10;
    pub(in super::super) const PUT_SEGMENT: u8 = 11;
    pub(in super::super) const DROP_SEGMENT: u8 = 12;
    pub(in super::super) const ADD_RUN: u8 = 13;
    pub(in super::super) const REMOVE_RUN: u8 = 14;
    pub(in super::super) const ADD_LOG: u8 = 15;
    pub(in super::super) const LOG_FLOOR: u8 = 16;
    pub(in super::super) const END_LOG: u8 = 17;
    pub(in super::super) const ADD_PENDING_DELETION: u8 = 18;
    pub(in super::super) const DONE_PENDING_DELETION: u8 = 19;
}

/// The payload of an edit.
pub(super) fn encode_edit(edit: &Edit) -> Vec<u8> {
    let mut out = Vec::new();
    let mut members = Members(Vec::new());
    for change in &edit.changes {
        members.0.clear();
        let number = encode_change(change, &mut members);
        put_field(&mut out, number, &members.0);
    }
    out
}

fn put_field(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    out.push(number | CRITICAL);
    put_prefixed(out, value);
}

/// The members of one change, as they are written.
struct Members(Vec<u8>);

impl Members {
    fn integer(&mut self, number: u8, value: u64) -> &mut Self {
        self.wide_integer(number, u128::from(value))
    }

    fn wide_integer(&mut self, number: u8, value: u128) -> &mut Self {
        let bytes = value.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes(number, bytes.get(zeros..).unwrap_or_default())
    }

    fn bytes(&mut self, number: u8, value: &[u8]) -> &mut Self {
        if !value.is_empty() {
            put_field(&mut self.0, number, value);
        }
        self
    }

    /// Absent and empty differ.
    fn optional(&mut self, number: u8, value: Option<&[u8]>) -> &mut Self {
        if let Some(value) = value {
            put_field(&mut self.0, number, value);
        }
        self
    }
}

/// Writes the members of `change` and returns its number.
fn encode_change(change: &Change, out: &mut Members) -> u8 {
    match change {
        Change::Identity { uuid, lineage, hash_seed } => {
            out.wide_integer(1, *uuid).integer(2, *lineage).integer(3, *hash_seed);
            number::IDENTITY
        }
        Change::SetTypes { key_type, value_type } => {
            out.bytes(1, key_type.as_bytes()).bytes(2, value_type.as_bytes());
            number::SET_TYPES
        }
        Change::SetConfig(config) => {
            out.bytes(1, config);
            number::SET_CONFIG
        }
        Change::Feature { incompatible, compatible } => {
            out.integer(1, (*incompatible).into()).integer(2, (*compatible).into());
            number::FEATURE
        }
        Change::Keyspace { id, name } => {
            out.integer(1, (*id).into()).bytes(2, name.as_bytes());
            number::KEYSPACE
        }
        Change::Open { epoch } => {
            out.integer(1, *epoch);
            number::OPEN
        }
        Change::Close(closed) => {
            out.integer(1, closed.log_number).integer(2, closed.end_offset).integer(3, closed.last_seq);
            number::CLOSE
        }
        Change::LastSeq(seq) => {
            out.integer(1, *seq);
            number::LAST_SEQ
        }
        Change::ClockMark(micros) => {
            out.integer(1, *micros);
            number::CLOCK_MARK
        }
        Change::NextSegmentId(id) => {
            out.integer(1, *id);
            number::NEXT_SEGMENT_ID
        }
        Change::PutSegment { id, lower, upper, flushed_seq, next_rank } => {
            out.integer(1, *id)
                .bytes(2, lower)
                .optional(3, upper.as_deref())
                .integer(4, *flushed_seq)
                .integer(5, *next_rank);
            number::PUT_SEGMENT
        }
        Change::DropSegment { id } => {
            out.integer(1, *id);
            number::DROP_SEGMENT
        }
        Change::AddRun { segment, run } => {
            out.integer(1, *segment);
            encode_run(run, out);
            number::ADD_RUN
        }
        Change::RemoveRun { segment, uid, lower } => {
            out.integer(1, *segment).integer(2, *uid).bytes(3, lower);
            number::REMOVE_RUN
        }
        Change::AddLog { number, uid } => {
            out.integer(1, *number).integer(2, *uid);
            number::ADD_LOG
        }
        Change::LogFloor { number } => {
            out.integer(1, *number);
            number::LOG_FLOOR
        }
        Change::EndLog { number, offset, last_seq } => {
            out.integer(1, *number).integer(2, *offset).integer(3, *last_seq);
            number::END_LOG
        }
        Change::AddPendingDeletion { name } => {
            out.bytes(1, name.as_bytes());
            number::ADD_PENDING_DELETION
        }
        Change::DonePendingDeletion { name } => {
            out.bytes(1, name.as_bytes());
            number::DONE_PENDING_DELETION
        }
    }
}

fn encode_run(run: &RunReference, out: &mut Members) {
    out.integer(2, run.uid)
        .bytes(3, &run.lower)
        .optional(4, run.upper.as_deref())
        .integer(5, run.rank)
        .integer(6, run.stored_bytes)
        .integer(7, run.entries)
        .integer(8, run.tombstones)
        .integer(9, run.file_bytes)
        .integer(10, run.max_seq)
        .bytes(11, &run.smallest_key)
        .bytes(12, &run.largest_key);
}
