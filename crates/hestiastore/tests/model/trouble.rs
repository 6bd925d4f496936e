//! Faults of the directory, and which errors they excuse.

use hestiastore::Error;
use hestiastore::directory::{Directory, Fault, FaultRule, OpenMode, SimulatedDirectory};

use crate::step::{Crash, Trouble};

/// What goes wrong, or went wrong in this life of the index.
#[derive(Debug, Default)]
pub struct Troubles {
    /// What follows if the index fails of it.
    crash: Option<Crash>,
    /// What is read may be wrong.
    flips: bool,
}

impl Troubles {
    pub fn begin(&mut self, directory: &SimulatedDirectory, trouble: &Trouble) {
        let rule = FaultRule::new(trouble.fault).on(&[trouble.on]).names(trouble.names);
        directory.inject(rule.from_nth(u64::from(trouble.spared)).times(u64::from(trouble.times)));
        self.flips |= trouble.fault == Fault::FlipBitOnRead;
        self.crash.get_or_insert_with(|| trouble.crash.clone());
    }

    pub fn fill_disk(&mut self, directory: &SimulatedDirectory, left_bytes: u64, crash: &Crash) {
        let names = directory.list().unwrap_or_default();
        let length =
            |name: &String| directory.open(name, OpenMode::Read).and_then(|file| file.len()).unwrap_or(0);
        let used: u64 = names.iter().map(length).sum();
        directory.set_capacity_bytes(Some(used + left_bytes));
        self.crash.get_or_insert_with(|| crash.clone());
    }

    /// Nothing goes wrong any more. What went wrong may still show.
    pub fn end(&mut self, directory: &SimulatedDirectory) {
        directory.clear_faults();
        directory.set_capacity_bytes(None);
    }

    /// The next life begins.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    pub fn crash(&self) -> Option<Crash> {
        self.crash.clone()
    }

    /// Whether a trouble can have brought about this error.
    pub fn excuse(&self, error: &Error) -> bool {
        match error {
            Error::Corruption { .. } => self.flips,
            Error::Io { .. }
            | Error::Failed { .. }
            | Error::Indeterminate { .. }
            | Error::WritesRefused { .. } => self.crash.is_some(),
            _ => false,
        }
    }
}
