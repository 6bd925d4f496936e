//! The names of a directory in memory and what they lead to. Both such directories look up here, so
//! that they answer alike.
//!
//! Invariant of [`Entries`]: a name `folder/file` stands only beside its folder.

use std::collections::BTreeMap;
use std::io;

use super::name::check_name;

#[derive(Debug, Clone)]
pub(super) enum Node<F> {
    File(F),
    Folder,
}

pub(super) type Entries<F> = BTreeMap<String, Node<F>>;

pub(super) fn file<'a, F>(entries: &'a Entries<F>, name: &str) -> io::Result<&'a F> {
    check_folder_of(entries, name)?;
    match entries.get(name) {
        Some(Node::File(file)) => Ok(file),
        Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Checks that the folder in `name`, if there is one, exists.
pub(super) fn check_folder_of<F>(entries: &Entries<F>, name: &str) -> io::Result<()> {
    let Some(folder) = check_name(name)? else {
        return Ok(());
    };
    match entries.get(folder) {
        Some(Node::Folder) => Ok(()),
        Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Checks that a file can be made under `name`.
pub(super) fn check_free<F>(entries: &Entries<F>, name: &str) -> io::Result<()> {
    check_folder_of(entries, name)?;
    if entries.contains_key(name) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    Ok(())
}

/// Checks that the file `from` can be renamed to `to`, and says whether that changes anything.
pub(super) fn rename_changes<F>(entries: &Entries<F>, from: &str, to: &str) -> io::Result<bool> {
    file(entries, from)?;
    match file(entries, to) {
        Ok(_) => Ok(from != to),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_folder_of(entries, to).map(|()| true),
        Err(error) => Err(error),
    }
}

/// Whether the folder `name` is still to be made.
pub(super) fn folder_is_new<F>(entries: &Entries<F>, name: &str) -> io::Result<bool> {
    match entries.get(name) {
        Some(Node::Folder) => Ok(false),
        Some(Node::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
        None => Ok(true),
    }
}

/// The files that stand in no folder.
pub(super) fn top_files<F>(entries: &Entries<F>) -> Vec<String> {
    let files = entries.iter().filter(|(name, node)| matches!(node, Node::File(_)) && !name.contains('/'));
    files.map(|(name, _)| name.clone()).collect()
}
