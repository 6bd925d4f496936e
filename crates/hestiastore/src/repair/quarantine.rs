//! Moving files out of the way, and keeping copies, without ever replacing one that is there.

use std::io;

use crate::directory::{Directory, OpenMode, free_place, move_to_quarantine};
use crate::error::{Error, Result};
use crate::repair::RepairReport;

const PIECE_BYTES: usize = 1 << 20;
const REPORT_NAME: &str = "repair-report.txt";

/// Copies a file into the quarantine; content and name are durable after the next sync of the directory.
pub(super) fn keep_copy(directory: &dyn Directory, name: &str) -> Result<()> {
    let place = free_place(directory, name).map_err(|error| cannot(name, error))?;
    let unfinished = format!("{place}.tmp");
    remove_if_there(directory, &unfinished)?;
    let outcome = copy(directory, name, &unfinished);
    outcome.and_then(|()| rename(directory, &unfinished, &place)).inspect_err(|_| {
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
fn copy(directory: &dyn Directory, from: &str, to: &str) -> Result<()> {
    let source = directory.open(from, OpenMode::Read).map_err(|error| Error::io("open", from, error))?;
    let length = source.len().map_err(|error| Error::io("measure", from, error))?;
    let target = directory.create(to).map_err(|error| Error::io("create", to, error))?;
    let mut piece = vec![0u8; PIECE_BYTES];
    let mut at = 0;
    while at < length {
        let wanted = PIECE_BYTES.min(usize::try_from(length - at).unwrap_or(PIECE_BYTES));
        let part = piece.get_mut(..wanted).unwrap_or_default();
        if !source.read_at(at, part).is_ok_and(|read| read == wanted) {
            part.fill(0);
        }
        target.write_at(at, part).map_err(|error| Error::io("write", to, error))?;
        at += wanted as u64;
    }
    target.sync().map_err(|error| Error::io("sync", to, error))
}

fn rename(directory: &dyn Directory, from: &str, to: &str) -> Result<()> {
    directory.rename(from, to).map_err(|source| Error::io("rename", from, source))
}

fn cannot(name: &str, source: io::Error) -> Error {
    Error::io("move to quarantine", name, source)
}
