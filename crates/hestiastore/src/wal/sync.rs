//! One sync for many: leader and followers (PROTOCOL L1, L2).
//!
//! Whoever needs seq S on disk becomes the leader if nobody is, and syncs outside of the lock; the
//! others wait for a sync that began after their seq was copied.

use crate::error::Result;
use crate::sync::{Condvar, Mutex};

/// What is known to be on disk, and who is at work.
#[derive(Debug)]
pub(crate) struct SyncGate {
    state: Mutex<SyncState>,
    done: Condvar,
}

#[derive(Debug)]
struct SyncState {
    synced_seq: u64,
    leader_at_work: bool,
    failed: bool,
}

impl SyncGate {
    pub(crate) fn new(synced_seq: u64) -> Self {
        Self {
            state: Mutex::new(SyncState { synced_seq, leader_at_work: false, failed: false }),
            done: Condvar::new(),
        }
    }

    /// The last seq that is known to be on disk.
    pub(crate) fn synced_seq(&self) -> u64 {
        self.state.lock().synced_seq
    }

    /// Starts over after recovery.
    pub(crate) fn reset(&self, synced_seq: u64) {
        self.state.lock().synced_seq = synced_seq;
    }

    /// Nothing is ever synced again: wakes everyone who waits.
    pub(crate) fn fail(&self) {
        self.state.lock().failed = true;
        self.done.notify_all();
    }

    /// Returns when `seq` is on disk. `sync` syncs everything copied at its start and returns the last
    /// seq of that; it runs without any lock, in one thread at a time. After it has failed once, every
    /// call fails with `failure`.
    pub(crate) fn sync_through(
        &self,
        seq: u64,
        sync: impl FnOnce() -> Result<u64>,
        failure: impl Fn() -> crate::Error,
    ) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            if state.synced_seq >= seq {
                return Ok(());
            }
            if state.failed {
                return Err(failure());
            }
            if !state.leader_at_work {
                break;
            }
            self.done.wait(&mut state);
        }
        state.leader_at_work = true;
        drop(state);
        let leader = Leader(self);
        let outcome = sync();
        std::mem::forget(leader);
        let mut state = self.state.lock();
        state.leader_at_work = false;
        match &outcome {
            Ok(synced) => state.synced_seq = state.synced_seq.max(*synced),
            // Never retried: a second sync may succeed without the lost pages.
            Err(_) => state.failed = true,
        }
        drop(state);
        self.done.notify_all();
        outcome.map(|_| ())
    }
}

/// The one who syncs. Dropped by a panic, it lets nobody wait for ever.
struct Leader<'a>(&'a SyncGate);

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.0.state.lock().leader_at_work = false;
        self.0.fail();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Error;

    #[test]
    fn l2_followers_share_a_sync_and_nobody_returns_too_early() {
        let gate = SyncGate::new(0);
        let copied = AtomicU64::new(0);
        let on_disk = AtomicU64::new(0);
        let syncs = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let seq = copied.fetch_add(1, Ordering::SeqCst) + 1;
                        let sync = || {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            let through = copied.load(Ordering::SeqCst);
                            on_disk.store(through, Ordering::SeqCst);
                            Ok(through)
                        };
                        gate.sync_through(seq, sync, || Error::Closed).unwrap();
                        assert!(on_disk.load(Ordering::SeqCst) >= seq);
                    }
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) <= 2_000);
    }

    #[test]
    fn l2_a_sync_that_began_before_is_none_for_who_comes_later() {
        let gate = SyncGate::new(0);
        let (led, later) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let sync = || {
                    led.store(1, Ordering::SeqCst);
                    // Until the other is at the gate, and most likely waits there.
                    while later.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    (0..1_000).for_each(|_| std::thread::yield_now());
                    Ok(1)
                };
                gate.sync_through(1, sync, || Error::Closed).unwrap();
            });
            while led.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            later.store(1, Ordering::SeqCst);
            gate.sync_through(2, || Ok(2), || Error::Closed).unwrap();
            assert_eq!(gate.synced_seq(), 2);
        });
    }

    #[test]
    fn d8_a_failed_sync_is_final() {
        let gate = SyncGate::new(0);
        assert!(gate.sync_through(1, || Err(Error::ReadOnly), || Error::Closed).is_err());
        let again = gate.sync_through(1, || Ok(1), || Error::Closed);
        assert!(matches!(again, Err(Error::Closed)));
    }
}
