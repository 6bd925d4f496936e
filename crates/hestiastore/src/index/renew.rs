//! What an earlier process wrote becomes durable, before anything rests on it (PROTOCOL D6).
//!
//! A sync alone does not do that. If a sync of that process failed, the system may count pages as clean that
//! never reached the disk (ext4 does): reads show them, a later sync finds nothing to do and succeeds, and a
//! power cut takes them. So the bytes are written anew, each to its place, and synced then. They are the same
//! bytes: a crash in the middle leaves nothing that it could not have left before.

use super::core::Core;
use crate::directory::{File, OpenMode};
use crate::error::{Error, Result};
use crate::manifest::MANIFEST_NAME;
use crate::obstacle::is_obstacle;
use crate::sync::atomic::Ordering;
use crate::wal::log_file_name;

const PIECE_BYTES: usize = 256 * 1024;

impl Core {
    /// At the end of an open that wrote nothing: what a killed process left may be in the page cache only,
    /// and is on disk after this.
    pub(super) fn renew_recovered(&self) -> Result<()> {
        let unproven = self.manifest.lock().state.closed.is_none();
        if self.read_only || !unproven || self.health.has_failed() {
            return Ok(());
        }
        self.renew_listed_logs()?;
        self.renew_file(MANIFEST_NAME)?;
        self.sync_directory()
    }

    /// The logs that replay reads, once in an open: runs that are installed beside them may not get ahead of
    /// them (PROTOCOL D1).
    pub(super) fn renew_listed_logs(&self) -> Result<()> {
        if self.listed_logs_renewed.load(Ordering::Acquire) {
            return Ok(());
        }
        let logs = self.manifest.lock().state.logs.clone();
        let renewed = logs.iter().try_for_each(|log| self.renew_file(&log_file_name(log.number)));
        renewed.map_err(|error| self.judge(error))?;
        self.listed_logs_renewed.store(true, Ordering::Release);
        Ok(())
    }

    /// Writes a file's bytes anew and syncs it, if there is one.
    fn renew_file(&self, name: &str) -> Result<()> {
        let io = |operation| move |source| Error::io(operation, name, source);
        let file = match self.directory.open(name, OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            // On a file system that is read-only by now nothing can be written anew; a sync is all there is.
            Err(error) if is_obstacle(&error) => return self.sync_file(name),
            Err(source) => return Err(io("open")(source)),
        };
        let mut piece = vec![0; PIECE_BYTES];
        let mut offset = 0;
        loop {
            let count = file.read_at(offset, &mut piece).map_err(io("read"))?;
            if count == 0 {
                break;
            }
            write_used(&*file, offset, &piece[..count]).map_err(io("write"))?;
            offset += count as u64;
        }
        file.sync().map_err(io("sync"))
    }
}

/// Writes `piece` without the zeros at its end: room that was reserved and is not used yet.
fn write_used(file: &dyn File, offset: u64, piece: &[u8]) -> std::io::Result<()> {
    match piece.iter().rposition(|&byte| byte != 0) {
        Some(last) => file.write_at(offset, &piece[..=last]),
        None => Ok(()),
    }
}
