//! The folder for files that are nobody's, or damaged: they are never read, replaced or deleted there.

use std::io;

use super::{Directory, OpenMode};

const QUARANTINE: &str = "quarantine";

/// Moves a file to the quarantine; `NotFound` if there is none. Durable after the next sync of the directory.
pub(crate) fn move_to_quarantine(directory: &dyn Directory, name: &str) -> io::Result<()> {
    let place = free_place(directory, name)?;
    directory.rename(name, &place)
}

/// Where in the quarantine a file of this name may go: numbers of logs come again, and a rename would replace.
pub(crate) fn free_place(directory: &dyn Directory, name: &str) -> io::Result<String> {
    directory.create_folder(QUARANTINE)?;
    let mut place = format!("{QUARANTINE}/{name}");
    let mut number = 1u64;
    loop {
        match directory.open(&place, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(error),
            Ok(_) => place = format!("{QUARANTINE}/{name}.{number}"),
        }
        number += 1;
    }
}
