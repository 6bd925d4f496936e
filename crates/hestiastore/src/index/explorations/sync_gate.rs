//! One sync for many: leader and followers (PROTOCOL L1, L2).

use std::sync::Arc;

use shuttle::thread;

use super::Note;
use crate::error::Error;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::explore;
use crate::wal::SyncGate;

/// A log of numbers in place of bytes.
struct Log {
    gate: SyncGate,
    /// Raised by writers as they copy.
    copied: AtomicU64,
    on_disk: Note,
    at_work: Note,
    syncs: Note,
    /// The sync of this number fails.
    fails_at: Option<u64>,
}

impl Log {
    fn new(fails_at: Option<u64>) -> Self {
        Self {
            gate: SyncGate::new(0),
            copied: AtomicU64::new(0),
            on_disk: Note::default(),
            at_work: Note::default(),
            syncs: Note::default(),
            fails_at,
        }
    }

    fn sync_through(&self, seq: u64) -> crate::Result<()> {
        self.gate.sync_through(seq, || self.sync(), || failure("an earlier sync"))
    }

    fn sync(&self) -> crate::Result<u64> {
        assert_eq!(self.at_work.add(1), 0, "two threads sync at once");
        let copied = self.copied.load(Ordering::SeqCst);
        let number = self.syncs.add(1);
        // The disk takes its time: others come meanwhile.
        thread::sleep(Default::default());
        self.at_work.set(0);
        if self.fails_at == Some(number) {
            return Err(failure("this sync"));
        }
        self.on_disk.raise(copied);
        Ok(copied)
    }
}

fn failure(cause: &str) -> Error {
    Error::Failed { cause: Arc::from(cause) }
}

#[test]
fn l2_a_sync_counts_for_what_was_copied_when_it_began() {
    explore("l2_a_sync_counts_for_what_was_copied_when_it_began", || {
        let log = Log::new(None);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let seq = log.copied.fetch_add(1, Ordering::SeqCst) + 1;
                        log.sync_through(seq).unwrap();
                        assert!(log.on_disk.get() >= seq, "{seq} is not on disk");
                    }
                });
            }
        });
        assert!(log.syncs.get() <= 8, "more syncs than commits");
    });
}

/// After a failed sync nobody is told that anything more is on disk, and nobody waits.
#[test]
fn l1_everyone_is_told_of_a_failed_sync() {
    explore("l1_everyone_is_told_of_a_failed_sync", || {
        let log = Log::new(Some(1));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let seq = log.copied.fetch_add(1, Ordering::SeqCst) + 1;
                        let outcome = log.sync_through(seq);
                        assert_eq!(outcome.is_ok(), log.on_disk.get() >= seq, "of {seq}: {outcome:?}");
                    }
                });
            }
        });
        assert!(log.syncs.get() <= 2, "a sync was tried again after a failure");
    });
}
