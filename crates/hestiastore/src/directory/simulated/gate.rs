//! The one door that every operation of a memory directory passes: it numbers the changes, stops
//! everything at a chosen one, and keeps the space account.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const NO_LIMIT: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Gate {
    /// The stamp of the first change; a copy of a directory goes on where its original stood.
    first: u64,
    next: AtomicU64,
    /// The stamp of the change that is refused.
    stop: AtomicU64,
    stopped: AtomicBool,
    used_bytes: AtomicU64,
    capacity_bytes: AtomicU64,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self::starting_at(0, NO_LIMIT)
    }

    /// For a copy: later stamps, the same capacity, nothing used yet.
    pub(super) fn successor(&self) -> Self {
        Self::starting_at(self.next.load(Ordering::SeqCst), self.capacity_bytes.load(Ordering::SeqCst))
    }

    fn starting_at(first: u64, capacity_bytes: u64) -> Self {
        Self {
            first,
            next: AtomicU64::new(first),
            stop: AtomicU64::new(NO_LIMIT),
            stopped: AtomicBool::new(false),
            used_bytes: AtomicU64::new(0),
            capacity_bytes: AtomicU64::new(capacity_bytes),
        }
    }

    /// Lets a change in and gives its stamp. To be called under the lock of what is changed, so
    /// that stamps order the changes of each file and of the names.
    pub(super) fn admit(&self) -> io::Result<u64> {
        self.check()?;
        let stop = self.stop.load(Ordering::SeqCst);
        self.next
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |next| (next < stop).then_some(next + 1))
            .map_err(|_| {
                self.stopped.store(true, Ordering::SeqCst);
                simulated_crash()
            })
    }

    /// Lets in what changes nothing.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(simulated_crash());
        }
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.next.load(Ordering::SeqCst) - self.first
    }

    pub(super) fn stop_after(&self, count: Option<u64>) {
        let stop = count.map_or(NO_LIMIT, |count| self.first.saturating_add(count));
        self.stop.store(stop, Ordering::SeqCst);
        self.stopped.store(false, Ordering::SeqCst);
    }

    pub(super) fn set_capacity(&self, bytes: Option<u64>) {
        self.capacity_bytes.store(bytes.unwrap_or(NO_LIMIT), Ordering::SeqCst);
    }

    /// Takes space, or says that there is none. A change that takes none always succeeds.
    pub(super) fn reserve(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let capacity = self.capacity_bytes.load(Ordering::SeqCst);
        self.used_bytes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
                used.checked_add(bytes).filter(|&sum| sum <= capacity)
            })
            .map(|_| ())
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }

    /// Takes space whatever the capacity.
    pub(super) fn charge(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
    }
}

fn simulated_crash() -> io::Error {
    io::Error::other("simulated crash")
}
