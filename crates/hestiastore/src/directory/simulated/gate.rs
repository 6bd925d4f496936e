//! The one door that every operation of a simulated directory passes: it numbers the changes, stops
//! everything at a chosen one, deals out faults, keeps the log of operations and the space account.

use std::io;

use super::fault::{Fault, FaultRule, Faults};
use super::operation::{Operation, Request};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// Whether anybody wants to see each operation; most directories are fast because nobody does.
    watched: AtomicBool,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    faults: Faults,
    /// The operations so far, if they are recorded.
    log: Option<Vec<Operation>>,
}

/// What the gate gives to an operation that it lets in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// Orders the changes. Zero for what changes nothing.
    pub(super) stamp: u64,
    pub(super) fault: Option<Fault>,
}

impl Pass {
    /// The outcome of an operation that has had its effect.
    pub(super) fn outcome<T>(self, value: T) -> io::Result<T> {
        match self.fault {
            Some(Fault::FailAfter(kind)) => Err(injected(kind)),
            _ => Ok(value),
        }
    }
}

impl Gate {
    pub(super) fn new() -> Self {
        Self::starting_at(0, NO_LIMIT)
    }

    /// For a copy: later stamps, the same capacity, nothing used yet, no faults.
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
            watched: AtomicBool::new(false),
            watch: Mutex::default(),
        }
    }

    /// Lets an operation in. For a change to be called under the lock of what is changed, so that
    /// stamps order the changes of each file and of the names.
    pub(super) fn admit(&self, request: Request<'_>) -> io::Result<Pass> {
        self.check()?;
        let stamp = if request.kind.changes() { self.stamp()? } else { 0 };
        let fault = self.watch(request);
        match fault {
            Some(Fault::FailBefore(kind)) => Err(injected(kind)),
            _ => Ok(Pass { stamp, fault }),
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(simulated_crash());
        }
        Ok(())
    }

    fn stamp(&self) -> io::Result<u64> {
        let stop = self.stop.load(Ordering::SeqCst);
        self.next
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |next| (next < stop).then_some(next + 1))
            .map_err(|_| {
                self.stopped.store(true, Ordering::SeqCst);
                simulated_crash()
            })
    }

    fn watch(&self, request: Request<'_>) -> Option<Fault> {
        if !self.watched.load(Ordering::SeqCst) {
            return None;
        }
        let mut watch = self.watch.lock();
        let fault = watch.faults.befall(&request);
        if let Some(log) = &mut watch.log {
            log.push(request.record(fault));
        }
        fault
    }

    pub(super) fn inject(&self, rule: FaultRule) {
        self.watch.lock().faults.add(rule);
        self.watched.store(true, Ordering::SeqCst);
    }

    pub(super) fn clear_faults(&self) {
        self.watch.lock().faults.clear();
    }

    pub(super) fn fault_count(&self) -> u64 {
        self.watch.lock().faults.count()
    }

    pub(super) fn record(&self, on: bool) {
        self.watch.lock().log = on.then(Vec::new);
        self.watched.store(true, Ordering::SeqCst);
    }

    pub(super) fn take_log(&self) -> Vec<Operation> {
        self.watch.lock().log.as_mut().map(std::mem::take).unwrap_or_default()
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

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::SeqCst)
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

pub(super) fn injected(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "injected fault")
}
