//! The advisory lock of a directory of the file system: `flock` on `.lock`.
//!
//! The kernel gives the lock up when the process dies, so nothing stale is left behind; the file
//! itself stays for ever, because removing it would let two holders lock two files of one name.
//! The lock belongs to the open file, so two handles in one process exclude each other too. The
//! text in the file only says who holds it and decides nothing.

use std::fs::{self, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::fs_file::check_size_limit;
use super::{DirectoryLock, LockMode};
use crate::obstacle::is_obstacle;

/// More than any text that [`holder_lines`] makes; a longer file was written by somebody else.
const MAX_TEXT_BYTES: usize = 512;

#[derive(Debug)]
pub(super) struct FsLock {
    file: fs::File,
    mode: LockMode,
}

impl DirectoryLock for FsLock {}

impl FsLock {
    /// `WouldBlock` with the holder's text if the lock is held.
    pub(super) fn take(file: fs::File, mode: LockMode) -> io::Result<Self> {
        let outcome = match mode {
            LockMode::Shared => file.try_lock_shared(),
            LockMode::Exclusive => file.try_lock(),
        };
        match outcome {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held_by(&holder(&file, mode))),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // From here on every way out drops the lock.
        let lock = Self { file, mode };
        if mode == LockMode::Exclusive {
            lock.write_text(&holder_lines())?;
        }
        Ok(lock)
    }

    /// A full disk is no reason to refuse the lock, for then nobody could make room.
    fn write_text(&self, text: &str) -> io::Result<()> {
        let written = check_size_limit(text.len() as u64)
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.write_all_at(text.as_bytes(), 0));
        match written {
            Err(error) if is_obstacle(&error) => Ok(()),
            outcome => outcome,
        }
    }
}

impl Drop for FsLock {
    fn drop(&mut self) {
        if self.mode == LockMode::Exclusive {
            // The text is of use only while the lock is held; if this fails it is merely old.
            let _ = self.file.set_len(0);
        }
        // Closing alone is too late if a child that is being forked still has a copy.
        let _ = self.file.unlock();
    }
}

/// What a refused lock answers, here and in memory.
pub(super) fn held_by(holder: &str) -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, holder.to_owned())
}

/// Who a set of shared holders is; they leave no text, for they may not be able to write.
pub(super) const READERS: &str = "one or more readers";

/// `process`, `on host` and `since`, a line each, so that joined they are half a sentence.
pub(super) fn holder_lines() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = utc(now.map_or(0, |now| now.as_secs()));
    format!("process {}\non host {}\nsince {since}\n", std::process::id(), host_name())
}

fn holder(file: &fs::File, wanted: LockMode) -> String {
    // The text is that of the last exclusive holder, who may be dead while readers hold the lock.
    // Looking takes the lock for a moment: another writer may be refused then, just as the last
    // reader leaves, and find it free when it tries again.
    if wanted == LockMode::Exclusive && file.try_lock_shared().is_ok() {
        let _ = file.unlock();
        return READERS.to_owned();
    }
    sentence(&read_text(file))
}

fn read_text(file: &fs::File) -> Vec<u8> {
    let mut text = vec![0; MAX_TEXT_BYTES];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    text.truncate(length);
    text
}

/// The lines of `text` as one, with nothing in it that could disturb a terminal.
pub(super) fn sentence(text: &[u8]) -> String {
    let text: String =
        String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.trim() {
        "" => "a process that has not said who it is".to_owned(),
        text => text.to_owned(),
    }
}

fn host_name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// RFC 3339 in UTC. Days to dates as in Howard Hinnant's `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
    }

    #[test]
    fn a_strange_text_is_made_harmless() {
        assert_eq!(sentence(b"process 1\non host a\n"), "process 1 on host a");
        assert_eq!(sentence(b"\x1b[2J\xff"), "[2J\u{fffd}");
        assert_eq!(sentence(b"\n"), "a process that has not said who it is");
    }
}
