//! The content of a file, which belongs to no name: what is read now, what is durable, and every
//! change between the two.
//!
//! Invariants: applying `pending` to `durable` gives `current`, unless a failed sync has forgotten
//! what was pending; stamps in `pending` ascend; a file
//! that has neither a name nor a handle takes no space.

use std::io;
use std::sync::Arc;

use super::gate::Gate;
use crate::directory::image::{Image, PAGE_BYTES, pieces};
use crate::sync::RwLock;

/// A buffer of pending bytes that is larger than this is given back at a sync.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) id: u64,
    pub(super) content: RwLock<Content>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    current: Image,
    durable: Image,
    pending: Vec<Pending>,
    /// The bytes of all pending writes, one after the other.
    pending_bytes: Vec<u8>,
    pub(super) handles: usize,
    linked: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) stamp: u64,
    pub(super) change: Change,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// `length` bytes at `offset`, kept at `kept_at` in the file's pending bytes.
    Write {
        offset: u64,
        kept_at: usize,
        length: usize,
    },
    Extend {
        length: u64,
    },
}

impl Change {
    /// The length that a file has at least after this.
    pub(super) fn end(self) -> u64 {
        match self {
            Change::Write { offset, length, .. } => offset + length as u64,
            Change::Extend { length } => length,
        }
    }
}

impl Inode {
    pub(super) fn new(id: u64, content: Content) -> Arc<Self> {
        Arc::new(Self { id, content: RwLock::new(content) })
    }

    /// To be called when the last name of the file goes.
    pub(super) fn unlink(&self, gate: &Gate) {
        let mut content = self.content.write();
        content.linked = false;
        content.release_if_gone(gate);
    }
}

impl Content {
    /// The content of a file that has a name, and all of it durable.
    pub(super) fn of(image: Image) -> Self {
        Self { current: image.clone(), durable: image, linked: true, ..Self::default() }
    }

    /// The same content in another directory, where no handle is open.
    pub(super) fn without_handles(&self) -> Self {
        Self { handles: 0, ..self.clone() }
    }

    pub(super) fn current(&self) -> &Image {
        &self.current
    }

    pub(super) fn durable(&self) -> &Image {
        &self.durable
    }

    pub(super) fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// The bytes from `kept_at` on of the pending writes.
    pub(super) fn kept(&self, kept_at: usize, length: usize) -> &[u8] {
        &self.pending_bytes[kept_at..][..length]
    }

    pub(super) fn write(&mut self, gate: &Gate, stamp: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let change = Change::Write { offset, kept_at: self.pending_bytes.len(), length: bytes.len() };
        if bytes.is_empty() {
            return Ok(());
        }
        gate.reserve(change.end().saturating_sub(self.current.length()))?;
        self.current.write(offset, bytes);
        self.pending_bytes.extend_from_slice(bytes);
        self.pending.push(Pending { stamp, change });
        Ok(())
    }

    pub(super) fn extend(&mut self, gate: &Gate, stamp: u64, length: u64) -> io::Result<()> {
        let growth = length.saturating_sub(self.current.length());
        if growth == 0 {
            return Ok(());
        }
        gate.reserve(growth)?;
        self.current.extend(length);
        self.pending.push(Pending { stamp, change: Change::Extend { length } });
        Ok(())
    }

    /// Costs a page reference for each page written since the last sync.
    pub(super) fn sync(&mut self) {
        let mut previous = None;
        for pending in self.pending.drain(..) {
            let Change::Write { offset, length, .. } = pending.change else {
                continue;
            };
            for piece in pieces(offset, length, PAGE_BYTES) {
                if previous != Some(piece.unit) {
                    self.durable.share_page(&self.current, piece.unit);
                    previous = Some(piece.unit);
                }
            }
        }
        self.durable.set_length(self.current.length());
        self.forget_pending();
    }

    /// Forgets what is pending: it never becomes durable, unless its pages are written again.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
        if self.pending_bytes.capacity() > KEPT_BUFFER_BYTES {
            self.pending_bytes = Vec::new();
        }
        self.pending_bytes.clear();
    }

    /// Changes the content past all rules, and makes it durable as it is then.
    pub(super) fn tamper(&mut self, gate: &Gate, change: impl FnOnce(&mut Image)) {
        let before = self.current.length();
        change(&mut self.current);
        self.durable = self.current.clone();
        self.forget_pending();
        gate.release(before);
        gate.charge(self.current.length());
    }

    pub(super) fn release_if_gone(&self, gate: &Gate) {
        if self.handles == 0 && !self.linked {
            gate.release(self.current.length());
        }
    }
}
