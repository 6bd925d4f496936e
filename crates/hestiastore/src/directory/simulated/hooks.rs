//! What a test can ask of a simulated directory: copies as after a crash, a stop, a full disk, faults.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::crash;
use super::fault::FaultRule;
use super::gate::Gate;
use super::inode::{Content, Inode};
use super::names::{Entries, Names, Node};
use super::operation::Operation;
use super::{CrashPolicy, SimulatedDirectory};
use crate::sync::RwLockReadGuard;

impl SimulatedDirectory {
    /// The directory as it would be found after a power cut now: everything in it is durable,
    /// nobody holds its lock, no operation is counted or refused; the capacity is the same. This
    /// directory goes on unharmed. The same changes, policy and seed give the same result.
    ///
    /// Costs a reference for each page of 4 KiB, and a copy of the pending writes that survive.
    pub fn crash(&self, policy: CrashPolicy, seed: u64) -> SimulatedDirectory {
        let names = self.shared.names.lock();
        let entries = crash::survivors(&names, policy, seed);
        let copy = Names {
            durable: entries.clone(),
            current: entries,
            pending: Vec::new(),
            next_inode: names.next_inode + names.current.len() as u64,
        };
        Self::with(charged(self.shared.gate.successor(), &copy.current), copy)
    }

    /// The directory as it would be found after the death of the process now: everything written
    /// is there, and what was pending is pending still. Otherwise as [`SimulatedDirectory::crash`].
    pub fn kill(&self) -> SimulatedDirectory {
        let names = self.shared.names.lock();
        let files = names.reachable();
        // All at once, so that the copy is of one moment.
        let contents: Vec<(u64, RwLockReadGuard<'_, Content>)> =
            files.iter().map(|(id, inode)| (*id, inode.content.read())).collect();
        let copies: BTreeMap<u64, Arc<Inode>> =
            contents.iter().map(|(id, content)| (*id, Inode::new(*id, content.without_handles()))).collect();
        let copy = names.with_files(&copies);
        Self::with(charged(self.shared.gate.successor(), &copy.current), copy)
    }

    /// A hash of all names and contents as they are now, whether durable or not.
    pub fn fingerprint(&self) -> u64 {
        let names = self.shared.names.lock();
        let mut hash = Xxh3::new();
        for (name, node) in &names.current {
            hash.update(name.as_bytes());
            if let Node::File(inode) = node {
                inode.content.read().current().feed(&mut hash);
            }
        }
        hash.digest()
    }

    /// How many changing operations were begun: create, write, allocate, sync of a file, rename,
    /// remove, create folder, sync of the directory, also those that then failed.
    pub fn operation_count(&self) -> u64 {
        self.shared.gate.count()
    }

    /// Simulates a crash at the changing operation that would be counted after the first `count`
    /// of this directory: it has no effect and fails, and so does every operation of any kind
    /// after it. `None` ends this. [`SimulatedDirectory::crash`] works at all times.
    ///
    /// ```
    /// use hestiastore::directory::{Directory, SimulatedDirectory};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let directory = SimulatedDirectory::new();
    /// directory.fail_after(Some(1));
    /// let file = directory.create("a")?;
    /// assert!(file.write_at(0, b"x").is_err());
    /// assert!(directory.list().is_err());
    /// assert_eq!(directory.operation_count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_after(&self, count: Option<u64>) {
        self.shared.gate.stop_after(count);
    }

    /// Limits the sum of the lengths of all files that have a name or are open. What would exceed
    /// it fails with [`StorageFull`](std::io::ErrorKind::StorageFull) and changes nothing. `None` lifts the limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.shared.gate.set_capacity(capacity_bytes);
    }

    /// The sum of the lengths of all files that have a name or are open.
    pub fn used_bytes(&self) -> u64 {
        self.shared.gate.used_bytes()
    }

    /// Lets a fault befall the operations that the rule names, from now on. Where several rules
    /// name one operation, the first decides. Copies of a directory have no rules.
    pub fn inject(&self, rule: FaultRule) {
        self.shared.gate.inject(rule);
    }

    /// Takes all rules away.
    pub fn clear_faults(&self) {
        self.shared.gate.clear_faults();
    }

    /// How many operations a fault has befallen.
    pub fn fault_count(&self) -> u64 {
        self.shared.gate.fault_count()
    }

    /// Begins a log of all operations, or ends it.
    pub fn record_operations(&self, on: bool) {
        self.shared.gate.record(on);
    }

    /// The log of operations since it was begun or taken.
    pub fn take_operations(&self) -> Vec<Operation> {
        self.shared.gate.take_log()
    }
}

/// Charges a copy with the files in it.
fn charged(gate: Gate, entries: &Entries) -> Gate {
    for node in entries.values() {
        if let Node::File(inode) = node {
            gate.charge(inode.content.read().current().length());
        }
    }
    gate
}
