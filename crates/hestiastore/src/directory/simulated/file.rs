//! A handle to a file of a simulated directory, and what faults do to its reads and writes.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::chance::Chance;
use super::fault::Fault;
use super::gate::{Gate, Pass, injected};
use super::inode::{Content, Inode};
use super::operation::{OperationKind, Request};
use crate::directory::File;
use crate::directory::name::{check_range, check_writable};
use crate::directory::read_fully::read_fully;

pub(super) struct SimulatedFile {
    inode: Arc<Inode>,
    gate: Arc<Gate>,
    /// The name that it was opened or made by.
    name: Box<str>,
    writable: bool,
}

impl SimulatedFile {
    /// To be called while the name that leads to `inode` cannot go.
    pub(super) fn new(inode: Arc<Inode>, gate: Arc<Gate>, name: &str, writable: bool) -> Self {
        inode.content.write().handles += 1;
        Self { inode, gate, name: name.into(), writable }
    }

    fn request(&self, kind: OperationKind, offset: u64, length: u64) -> Request<'_> {
        Request { kind, name: &self.name, offset, length }
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedFile").field("name", &self.name).field("writable", &self.writable).finish()
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut content = self.inode.content.write();
        content.handles -= 1;
        content.release_if_gone(&self.gate);
    }
}

impl File for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let pass = self.gate.admit(self.request(OperationKind::Length, 0, 0))?;
        pass.outcome(self.inode.content.read().current().length())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        check_range(offset, buffer.len())?;
        let pass = self.gate.admit(self.request(OperationKind::Read, offset, buffer.len() as u64))?;
        let count = read(&self.inode.content.read(), pass, offset, buffer)?;
        pass.outcome(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(offset, bytes.len())?;
        let mut content = self.inode.content.write();
        let pass = self.gate.admit(self.request(OperationKind::Write, offset, bytes.len() as u64))?;
        write(&mut content, &self.gate, pass, offset, bytes)?;
        pass.outcome(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        check_writable(self.writable)?;
        check_range(length, 0)?;
        let mut content = self.inode.content.write();
        let pass = self.gate.admit(self.request(OperationKind::Allocate, 0, length))?;
        content.extend(&self.gate, pass.stamp, length)?;
        pass.outcome(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut content = self.inode.content.write();
        let pass = self.gate.admit(self.request(OperationKind::SyncFile, 0, 0))?;
        match pass.fault {
            Some(Fault::LieAboutSync) => {}
            Some(Fault::FailSyncAndForget) => {
                content.forget_pending();
                return Err(injected(io::ErrorKind::Other));
            }
            _ => content.sync(),
        }
        pass.outcome(())
    }
}

fn read(content: &Content, pass: Pass, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let offset = misdirected(pass, offset, buffer.len())?;
    let mut short = pass.fault == Some(Fault::ShortRead);
    let mut interrupted = short;
    let count = read_fully(offset, buffer, |offset, rest| {
        if std::mem::take(&mut interrupted) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let part = if std::mem::take(&mut short) { rest.len().div_ceil(2) } else { rest.len() };
        Ok(content.current().read(offset, &mut rest[..part]))
    })?;
    if pass.fault == Some(Fault::FlipBitOnRead) {
        flip(&mut buffer[..count], offset);
    }
    Ok(count)
}

fn write(content: &mut Content, gate: &Gate, pass: Pass, offset: u64, bytes: &[u8]) -> io::Result<()> {
    match pass.fault {
        Some(Fault::LoseWrite) => content.extend(gate, pass.stamp, offset + bytes.len() as u64),
        Some(Fault::FlipBitOnWrite) => {
            let mut wrong = bytes.to_vec();
            flip(&mut wrong, offset);
            content.write(gate, pass.stamp, offset, &wrong)
        }
        _ => content.write(gate, pass.stamp, misdirected(pass, offset, bytes.len())?, bytes),
    }
}

fn misdirected(pass: Pass, offset: u64, length: usize) -> io::Result<u64> {
    let Some(Fault::Misdirect { by }) = pass.fault else {
        return Ok(offset);
    };
    let elsewhere = offset.saturating_add(by);
    check_range(elsewhere, length).map(|()| elsewhere)
}

/// Inverts one bit, chosen by `seed`.
fn flip(bytes: &mut [u8], seed: u64) {
    let bit = Chance::of(seed).below(bytes.len() as u64 * 8);
    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
        *byte ^= 1 << (bit % 8);
    }
}
