//! The commit section: the one place where the order of everything is decided (PROTOCOL C1, C2, C6).
//!
//! What runs under its lock is short and neither allocates, faults, waits nor does I/O: whoever needs
//! memory brings it. Invariants:
//! 1. Seqs, tickets and log bytes are handed out together, and nothing handed out is given up.
//! 2. A buffer that is frozen gets its cut here; so a commit's buffer is the one that its seq belongs to.
//! 3. `visible` and the list of snapshots are captured together here by whoever drops versions.

use std::sync::Arc;

use super::readers::Readers;
use crate::wal::{BEGIN_RECORD_BYTES, Begin, LOG_HEADER_BYTES, LogFile, LogPlace, LogTail, Predecessor};

/// See the module.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) next_seq: u64,
    pub(crate) next_ticket: u64,
    /// Tickets that went to marks.
    marks: u64,
    /// Cleared when the index closes: nothing more is handed out.
    pub(crate) accepting: bool,
    /// The generation of the route map in force.
    pub(crate) route_generation: u64,
    pub(crate) tail: Option<LogTail>,
    /// The log after the current one, made ready and listed.
    pub(crate) next_log: Option<Arc<LogFile>>,
    pub(crate) predecessor: Predecessor,
    /// Identity that each BEGIN repeats.
    pub(crate) index_uuid: u128,
    pub(crate) lineage: u64,
    pub(crate) readers: Readers,
}

/// What a commit was given.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) ticket: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// `None` without a log.
    pub(crate) log: Option<LogPlace>,
}

impl Section {
    pub(crate) fn new(index_uuid: u128, lineage: u64, route_generation: u64) -> Self {
        Self {
            next_seq: 1,
            next_ticket: 0,
            marks: 0,
            accepting: true,
            route_generation,
            tail: None,
            next_log: None,
            predecessor: Predecessor::default(),
            index_uuid,
            lineage,
            readers: Readers::default(),
        }
    }

    /// The last seq handed out.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> u64 {
        self.next_ticket - self.marks
    }

    /// Hands out everything for a commit of `operations` (none for a mark) whose record has so many
    /// bytes. `None` if the log has no room for it and no next log is ready.
    pub(crate) fn place(&mut self, operations: u64, record_bytes: Option<u64>) -> Option<Placed> {
        let log = match record_bytes {
            Some(bytes) => Some(self.place_in_log(bytes, operations)?),
            None => None,
        };
        let first_seq = self.next_seq;
        let ticket = self.next_ticket;
        self.next_seq += operations;
        self.next_ticket += 1;
        self.marks += u64::from(operations == 0);
        Some(Placed { ticket, first_seq, last_seq: self.last_seq(), log })
    }

    fn place_in_log(&mut self, bytes: u64, operations: u64) -> Option<LogPlace> {
        let fits = self.tail.as_ref().is_some_and(|tail| tail.fits(bytes, self.next_seq, operations));
        let begin = if fits { None } else { Some(self.turn_log(bytes, operations)?) };
        let tail = self.tail.as_mut()?;
        let offset = tail.offset;
        tail.offset += bytes;
        Some(LogPlace { log: Arc::clone(&tail.log), offset, begin })
    }

    /// Goes on in the next log, if it is ready and has room.
    pub(crate) fn turn_log(&mut self, bytes: u64, operations: u64) -> Option<Begin> {
        let offset = LOG_HEADER_BYTES + BEGIN_RECORD_BYTES;
        let next = LogTail::new(Arc::clone(self.next_log.as_ref()?), offset);
        if !next.fits(bytes, self.next_seq, operations) {
            return None;
        }
        self.next_log = None;
        next.log.begin_use();
        let begin_log_uid = next.log.uid;
        let edit_number = next.log.edit_number;
        if let Some(old) = self.tail.replace(next) {
            old.log.seal(self.next_seq - 1);
            self.predecessor = Predecessor { uid: old.log.uid, end: old.offset, last_seq: self.next_seq - 1 };
        }
        Some(Begin {
            index_uuid: self.index_uuid,
            log_uid: begin_log_uid,
            predecessor_uid: self.predecessor.uid,
            predecessor_end: self.predecessor.end,
            predecessor_last_seq: self.predecessor.last_seq,
            lineage: self.lineage,
            edit_number,
        })
    }
}
