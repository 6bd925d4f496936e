//! Notes of each operation when it was called and when it returned.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::checker::{Action, Held, Operation};

/// One for all threads.
#[derive(Debug, Default)]
pub struct Stamps(AtomicU64);

impl Stamps {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What one thread did.
#[derive(Debug)]
pub struct Recorder<'a> {
    stamps: &'a Stamps,
    pub operations: Vec<Operation>,
}

impl<'a> Recorder<'a> {
    pub fn new(stamps: &'a Stamps) -> Self {
        Self { stamps, operations: Vec::new() }
    }

    pub fn write(&mut self, written: Vec<(usize, Held)>, act: impl FnOnce()) {
        let called = self.stamps.next();
        act();
        let returned = self.stamps.next();
        self.operations.push(Operation { called, returned, action: Action::Write(written) });
    }

    /// `look` takes what is read at one moment, `tell` says later what it was.
    pub fn read<T>(&mut self, look: impl FnOnce() -> T, tell: impl FnOnce(T) -> Vec<(usize, Held)>) {
        let called = self.stamps.next();
        let seen = look();
        let returned = self.stamps.next();
        self.operations.push(Operation { called, returned, action: Action::Read(tell(seen)) });
    }
}
