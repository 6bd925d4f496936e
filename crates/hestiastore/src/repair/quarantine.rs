//! Moving files out of the way, and keeping copies, without ever replacing one that is there.

use std::io;

use crate::directory::{Directory, File, OpenMode, free_place, move_to_quarantine};
use crate::error::{Error, Result};
use crate::repair::RepairReport;

const PIECE_BYTES: usize = 1 << 20;
/// A piece that cannot be read is tried in parts of these sizes: a page, then what a disk loses at once.
const PART_BYTES: &[usize] = &[4096, 512];
const REPORT_NAME: &str = "repair-report.txt";

/// Whether a copy holds all that the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    Whole,
    /// Zeros stand for what could not be read. The file may give it another day: it must not be removed.
    InPart,
}

/// Copies a file into the quarantine; content and name are durable after the next sync of the directory.
pub(super) fn keep_copy(directory: &dyn Directory, name: &str) -> Result<Copied> {
    let place = free_place(directory, name).map_err(|error| cannot(name, error))?;
    let unfinished = format!("{place}.tmp");
    remove_if_there(directory, &unfinished)?;
    let outcome = copy(directory, name, &unfinished);
    outcome.and_then(|copied| rename(directory, &unfinished, &place).map(|()| copied)).inspect_err(|_| {
        // Half a copy is no use to anybody, and on a full disk it takes room.
        let _ = directory.remove(&unfinished);
    })
}

/// Writes a repair's report there, of the plan that the new manifest's edit carries out, and gives its place.
pub(super) fn keep_report(
    directory: &dyn Directory,
    report: &RepairReport,
    edit_number: u64,
) -> Result<String> {
    let place = free_place(directory, REPORT_NAME).map_err(|error| cannot(REPORT_NAME, error))?;
    let text = format!("This was done if the manifest has reached edit {edit_number}.\n{report}");
    let written = directory.create(&place).and_then(|file| {
        file.write_at(0, text.as_bytes())?;
        file.sync()
    });
    match written {
        Ok(()) => Ok(place),
        Err(error) => {
            let _ = directory.remove(&place);
            Err(Error::io("write", place, error))
        }
    }
}

/// Moves a file there.
pub(super) fn move_away(directory: &dyn Directory, name: &str) -> Result<()> {
    move_to_quarantine(directory, name).map_err(|error| cannot(name, error))
}

pub(super) fn remove_if_there(directory: &dyn Directory, name: &str) -> Result<()> {
    match directory.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", name, error)),
        _ => Ok(()),
    }
}

/// What cannot be read becomes zeros: the copy is of a damaged file.
fn copy(directory: &dyn Directory, from: &str, to: &str) -> Result<Copied> {
    let source = directory.open(from, OpenMode::Read).map_err(|error| Error::io("open", from, error))?;
    let length = source.len().map_err(|error| Error::io("measure", from, error))?;
    let target = directory.create(to).map_err(|error| Error::io("create", to, error))?;
    let mut piece = vec![0u8; PIECE_BYTES];
    let (mut at, mut copied) = (0, Copied::Whole);
    while at < length {
        let wanted = PIECE_BYTES.min(usize::try_from(length - at).unwrap_or(PIECE_BYTES));
        let part = piece.get_mut(..wanted).unwrap_or_default();
        if !read_or_zero(&*source, at, part, PART_BYTES) {
            copied = Copied::InPart;
        }
        target.write_at(at, part).map_err(|error| Error::io("write", to, error))?;
        at += wanted as u64;
    }
    target.sync().map_err(|error| Error::io("sync", to, error))?;
    Ok(copied)
}

/// Whether all could be read; what could not, in parts of the least of these sizes, becomes zeros.
fn read_or_zero(source: &dyn File, at: u64, buffer: &mut [u8], part_bytes: &[usize]) -> bool {
    if source.read_at(at, buffer).is_ok_and(|read| read == buffer.len()) {
        return true;
    }
    let Some((bytes, smaller)) = part_bytes.split_first() else {
        buffer.fill(0);
        return false;
    };
    let (mut at, mut is_whole) = (at, true);
    for part in buffer.chunks_mut(*bytes) {
        is_whole &= read_or_zero(source, at, part, smaller);
        at += part.len() as u64;
    }
    is_whole
}

fn rename(directory: &dyn Directory, from: &str, to: &str) -> Result<()> {
    directory.rename(from, to).map_err(|source| Error::io("rename", from, source))
}

fn cannot(name: &str, source: io::Error) -> Error {
    Error::io("move to quarantine", name, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Fault, FaultRule, OperationKind, SimulatedDirectory};

    fn with_log() -> (SimulatedDirectory, Vec<u8>) {
        let directory = SimulatedDirectory::new();
        let bytes: Vec<u8> = (0..3u32 << 18).flat_map(u32::to_be_bytes).collect();
        directory.write_all("log", &bytes).unwrap();
        (directory, bytes)
    }

    fn failing(from_nth: u64, times: u64) -> FaultRule {
        let fault = FaultRule::new(Fault::FailBefore(io::ErrorKind::Other));
        fault.on(&[OperationKind::Read]).names("log").from_nth(from_nth).times(times)
    }

    #[test]
    fn a_read_that_fails_once_costs_nothing() {
        let (directory, bytes) = with_log();
        directory.inject(failing(1, 2));
        assert_eq!(keep_copy(&directory, "log").unwrap(), Copied::Whole);
        assert!(directory.read_all("quarantine/log").unwrap() == bytes);
    }

    #[test]
    fn what_cannot_be_read_is_zero_and_no_more_than_that() {
        let (directory, bytes) = with_log();
        // The second piece, its first page, and the first two parts of that.
        directory.inject(failing(1, 4));
        assert_eq!(keep_copy(&directory, "log").unwrap(), Copied::InPart);
        let copy = directory.read_all("quarantine/log").unwrap();
        let hole = PIECE_BYTES..PIECE_BYTES + 1024;
        assert!(copy[hole.clone()].iter().all(|byte| *byte == 0));
        assert!(copy[..hole.start] == bytes[..hole.start] && copy[hole.end..] == bytes[hole.end..]);
    }
}
