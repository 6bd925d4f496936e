//! Edits: what is committed at once.

use super::state::{Closed, RunReference};

/// Changes that happen all together or not at all, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) changes: Vec<Change>,
}

/// One change of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The uuid, once given, stays; a new lineage begins with a checkpoint.
    Identity {
        uuid: u128,
        lineage: u64,
        hash_seed: u64,
    },
    SetTypes {
        key_type: String,
        value_type: String,
    },
    SetConfig(Vec<u8>),
    /// Sets feature bits; none is ever cleared.
    Feature {
        incompatible: u32,
        compatible: u32,
    },
    /// Names a keyspace; a name, once given, stays.
    Keyspace {
        id: u8,
        name: String,
    },
    /// A writing open. The first change after a [`Change::Close`]; the epoch grows.
    Open {
        epoch: u64,
    },
    /// A clean close. Always the last change of its edit.
    Close(Closed),
    /// Raises the last seq; a smaller one changes nothing.
    LastSeq(u64),
    /// Raises the clock mark, in microseconds; a smaller one changes nothing.
    ClockMark(u64),
    /// Raises the next segment id.
    NextSegmentId(u64),
    /// Makes a segment, or changes one and leaves its runs.
    PutSegment {
        id: u64,
        lower: Vec<u8>,
        upper: Option<Vec<u8>>,
        flushed_seq: u64,
        next_rank: u64,
    },
    /// Removes a segment with the references it still has.
    DropSegment {
        id: u64,
    },
    /// Adds a reference, and raises the segment's next rank above its rank.
    AddRun {
        segment: u64,
        run: RunReference,
    },
    /// Removes the reference that has this uid and this lower bound.
    RemoveRun {
        segment: u64,
        uid: u64,
        lower: Vec<u8>,
    },
    /// Lists a log, with a number above all listed ones.
    AddLog {
        number: u64,
        uid: u64,
    },
    /// Removes all logs before this one (L5). It is listed, or beyond all that are.
    LogFloor {
        number: u64,
    },
    /// Says where a log ends and removes every later one (L4). An end, once given, stays.
    EndLog {
        number: u64,
        offset: u64,
        last_seq: u64,
    },
    /// A file without references that is to be deleted. Fine if it is listed already.
    AddPendingDeletion {
        name: String,
    },
    /// The deletion is done and durable. Fine if it is not listed.
    DonePendingDeletion {
        name: String,
    },
}

impl From<Vec<Change>> for Edit {
    fn from(changes: Vec<Change>) -> Self {
        Self { changes }
    }
}
