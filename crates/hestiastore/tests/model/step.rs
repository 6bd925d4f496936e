//! What may happen to an index.

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Fault, OperationKind};

use crate::settings::Settings;

/// Which key; see [`crate::data::key`].
pub type KeyNumber = u16;

/// Which value; see [`crate::data::value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueSpec {
    pub length: u32,
    pub plain: bool,
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Open,
    Including(KeyNumber),
    Excluding(KeyNumber),
}

/// One move of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Seek(KeyNumber),
    SeekBefore(KeyNumber),
    First,
    Last,
    Next(u8),
    Prev(u8),
}

/// Something to read, from the index or from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    Get(KeyNumber),
    GetMany(Vec<KeyNumber>),
    /// The bits of `turns` say from which end the next entry is taken.
    Range {
        lower: End,
        upper: End,
        turns: u64,
    },
    Prefix {
        key: KeyNumber,
        length: u8,
        turns: u64,
    },
    Cursor(Vec<Move>),
    Ends,
    Everything,
}

/// A power cut, or the death of the process, and what is found after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Crash {
    /// `None`: the process died, the disk did not.
    pub policy: Option<CrashPolicy>,
    pub seed: u64,
    /// A second power cut at this operation of the recovery that follows.
    pub again: Option<(u16, CrashPolicy)>,
    pub settings: Settings,
}

/// A fault, and what follows if the index fails of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trouble {
    pub fault: Fault,
    pub on: OperationKind,
    /// Of files whose names fit.
    pub names: &'static str,
    /// So many operations that fit are spared, and so many are then struck.
    pub spared: u16,
    pub times: u8,
    pub crash: Crash,
}

/// One step of a history. Steps that make no sense where they stand do nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Put(KeyNumber, ValueSpec),
    Delete(KeyNumber),
    /// Single puts of `count` keys from `start`, `stride` apart.
    Fill {
        start: KeyNumber,
        stride: u8,
        count: u16,
        value: ValueSpec,
    },
    /// Single deletes of `count` keys from `start` on.
    Clear {
        start: KeyNumber,
        count: u16,
    },
    Batch {
        operations: Vec<(KeyNumber, Option<ValueSpec>)>,
        durability: Option<Durability>,
    },
    Read(Read),
    OpenSnapshot,
    ReadSnapshot(u8, Read),
    CloseSnapshot(u8),
    OpenIterator {
        lower: End,
        upper: End,
    },
    AdvanceIterator {
        which: u8,
        count: u8,
        turns: u64,
    },
    CloseIterator(u8),
    Flush,
    Compact,
    FlushAndWait,
    CompactAndWait,
    CompactRange(End, End),
    WaitUntilIdle,
    Sync,
    Check,
    Reopen(Settings),
    Crash(Crash),
    /// A check, slowly; whoever is asked does not wait long.
    Scrub,
    /// Operations fail, or read what is not there, until [`Step::Heal`] or the next opening.
    Trouble(Trouble),
    /// The disk has so many bytes left, until [`Step::Heal`] or the next opening.
    FillDisk(u32, Crash),
    Heal,
    /// One byte of some run is damaged for a while: every answer is right or says so, and a check tells.
    Rot {
        file: u8,
        offset: u32,
        mask: u8,
    },
    /// Closed, opened for reading only with these settings, and opened again.
    ReadOnly(Settings),
    /// The directory fails for good after so many operations; the power is cut when that shows.
    FailAfter(u16, Crash),
}
