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
    let taken = quarantined(directory, name)?;
    Ok(place(name, taken.len() as u64))
}

/// The files in the quarantine that had this name, the first to come first.
pub(crate) fn quarantined(directory: &dyn Directory, name: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for number in 0.. {
        let place = place(name, number);
        match directory.open(&place, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
            Ok(_) => found.push(place),
        }
    }
    Ok(found)
}

fn place(name: &str, number: u64) -> String {
    match number {
        0 => format!("{QUARANTINE}/{name}"),
        _ => format!("{QUARANTINE}/{name}.{number}"),
    }
}
