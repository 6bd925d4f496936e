//! Which names and offsets a directory takes. All directories ask here, so that they refuse alike.

use std::io;

/// The file of the advisory lock. It belongs to the lock: it is not listed and cannot be named.
pub(super) const LOCK_NAME: &str = ".lock";

/// What every common file system takes as one part of a path.
const MAX_PART_BYTES: usize = 255;

/// The greatest end of a file that a system's signed offsets can name.
const MAX_FILE_BYTES: u64 = i64::MAX as u64;

/// Checks `file` or `folder/file`, and gives the folder.
pub(super) fn check_name(name: &str) -> io::Result<Option<&str>> {
    match name.split_once('/') {
        None => check_top(name).map(|()| None),
        Some((folder, file)) => {
            check_top(folder)?;
            check_part(file)?;
            Ok(Some(folder))
        }
    }
}

/// Checks the name of a folder.
pub(super) fn check_folder(name: &str) -> io::Result<()> {
    check_top(name)
}

/// Checks that `length` bytes at `offset` lie where a file can have bytes.
pub(super) fn check_range(offset: u64, length: usize) -> io::Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= MAX_FILE_BYTES => Ok(()),
        _ => Err(invalid(format!(
            "{length} bytes at offset {offset} end behind the greatest offset of a file"
        ))),
    }
}

/// Checks that a file is open for writing.
pub(super) fn check_writable(writable: bool) -> io::Result<()> {
    if writable {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file was opened for reading only"))
}

fn check_top(part: &str) -> io::Result<()> {
    if part == LOCK_NAME {
        return Err(invalid(format!("{LOCK_NAME} belongs to the directory's lock")));
    }
    check_part(part)
}

fn check_part(part: &str) -> io::Result<()> {
    let legal =
        !matches!(part, "" | "." | "..") && part.len() <= MAX_PART_BYTES && !part.contains(['/', '\0']);
    if legal {
        return Ok(());
    }
    Err(invalid(format!("{part:?} cannot name a file in a directory")))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_directory_are_refused() {
        for name in ["", ".", "..", "/a", "a/", "../a", "a/..", "a/b/c", "a\0b", ".lock", ".lock/a"] {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
        assert!(check_name(&"x".repeat(256)).is_err());
        assert!(check_folder("a/b").is_err());
        assert_eq!(check_name("a").unwrap(), None);
        assert_eq!(check_name("..a").unwrap(), None);
        assert_eq!(check_name("quarantine/a").unwrap(), Some("quarantine"));
        assert!(check_name(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn ranges_end_within_signed_offsets() {
        assert!(check_range(i64::MAX as u64, 0).is_ok());
        assert!(check_range(i64::MAX as u64, 1).is_err());
        assert!(check_range(u64::MAX, 1).is_err());
    }
}
