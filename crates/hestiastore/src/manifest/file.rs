//! The manifest file that is written to.
//!
//! A file is begun whole, under another name, and only then appended to, each time by one write and one
//! sync. So at most its last edit can be unfinished, and only while nobody was told that it is done.
//!
//! Failures (D8): a failed write or sync poisons the file, as what is on disk is not known any more.
//! A full disk is met before anything is written, in the reserve, and passes. The last part of the
//! reserve is kept for the edits of a close, so that a close succeeds on a full disk.

use std::io;
use std::sync::Arc;

use crate::directory::{Directory, File};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::obstacle::is_obstacle;

use super::decode::decode_edit;
use super::edit::Edit;
use super::encode::encode_edit;
use super::frame::{Header, Layout, RESERVE_STEP_BYTES, encode_frame, reserved};
use super::state::ManifestState;
use super::{MANIFEST_NAME, MANIFEST_TEMPORARY_NAME};

/// Of the reserve so much is left for the edits of a close.
const CLOSING_RESERVE_BYTES: u64 = 16 * 1024;

/// Which part of the reserve an edit may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EditKind {
    Ordinary,
    /// Part of a close: may use all of it.
    Closing,
}

/// An open manifest. Its owner serialises all calls.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    file: Arc<dyn File>,
    uid: u64,
    /// Number and CRC of the last edit, or of the base.
    number: u64,
    crc: u32,
    layout: Layout,
    end: u64,
    /// Length of the file: zeros from `end` on.
    allocated: u64,
    poison: Option<Arc<str>>,
}

impl ManifestFile {
    /// Writes a manifest that begins with `state` and gives it the name `MANIFEST`, in place of the
    /// one that may have it. When this returns, content and name are durable.
    ///
    /// # Errors
    /// `Failed` without a trace for a state that would not be read back; I/O errors. After an I/O error the
    /// directory's manifest is the old one or the new one.
    pub(crate) fn create(
        directory: &dyn Directory,
        environment: &Environment,
        state: &ManifestState,
    ) -> Result<Self> {
        let unnamed = Self::write_temporary(directory, environment, state)?;
        unnamed.give_name(directory)?;
        Ok(unnamed)
    }

    /// Goes on in a new manifest file that begins with `state`, the state after the last edit.
    ///
    /// # Errors
    /// If [`ManifestFile::is_poisoned`] is false after an error, as on a full disk, the old file goes
    /// on as if nothing had been tried. Otherwise it is not known which of the two files a later open
    /// would read, and nothing more is written to either.
    pub(crate) fn rewrite(
        &mut self,
        directory: &dyn Directory,
        environment: &Environment,
        state: &ManifestState,
    ) -> Result<()> {
        self.check_alive()?;
        self.check_number(state)?;
        let unnamed = Self::write_temporary(directory, environment, state)?;
        match unnamed.give_name(directory) {
            Ok(()) => {
                *self = unnamed;
                Ok(())
            }
            // The rename did not happen, so nobody can read the new file.
            Err(error @ Error::Io { operation: "rename", .. }) if error.is_obstacle() => {
                let _ = directory.remove(MANIFEST_TEMPORARY_NAME);
                Err(error)
            }
            Err(error) => Err(self.poison(&error)),
        }
    }

    /// Appends an edit and syncs; returns its number. The edit must apply to the state that this file
    /// holds: [`ManifestFile::commit`] sees to that.
    fn append(&mut self, edit: &Edit, kind: EditKind) -> Result<u64> {
        self.check_alive()?;
        let next = self.number.checked_add(1).ok_or_else(|| refused("edit numbers are used up"))?;
        let (frame, crc) = encode_frame(self.uid, next, self.crc, &encode_edit(edit))
            .ok_or_else(|| refused("the edit is too long"))?;
        let kept_back = match kind {
            EditKind::Ordinary => CLOSING_RESERVE_BYTES,
            EditKind::Closing => 0,
        };
        self.reserve(frame.len() as u64, kept_back)?;
        self.file.write_at(self.end, &frame).map_err(|source| self.poison_io("write", source))?;
        self.file.sync().map_err(|source| self.poison_io("sync", source))?;
        self.number = next;
        self.crc = crc;
        self.end += frame.len() as u64;
        self.reserve_ahead();
        Ok(next)
    }

    /// Applies an edit to `state` and appends it: both happen, or the state stays as it was.
    ///
    /// # Errors
    /// `Failed` for an edit that does not apply, with nothing written and no poison. `WritesRefused` if
    /// the disk is full; nothing was written, and a later try may succeed. `Failed` after any other
    /// failure, now and for ever.
    pub(crate) fn commit(&mut self, state: &mut ManifestState, edit: &Edit) -> Result<u64> {
        self.commit_as(EditKind::Ordinary, state, edit)
    }

    /// The same for an edit of a close, which may use up the reserve.
    ///
    /// # Errors
    /// Those of [`ManifestFile::commit`].
    pub(crate) fn commit_closing(&mut self, state: &mut ManifestState, edit: &Edit) -> Result<u64> {
        self.commit_as(EditKind::Closing, state, edit)
    }

    fn commit_as(&mut self, kind: EditKind, state: &mut ManifestState, edit: &Edit) -> Result<u64> {
        self.check_alive()?;
        self.check_number(state)?;
        let outcome =
            state.outcome(edit).map_err(|reason| failed(format!("an edit does not apply: {reason}")))?;
        let undo = state.install(outcome);
        self.append(edit, kind).inspect_err(|_| {
            state.install(undo);
        })
    }

    /// Makes room for `bytes` more, so that appending them cannot meet a full disk, and leaves
    /// `kept_back` behind them.
    fn reserve(&mut self, bytes: u64, kept_back: u64) -> Result<()> {
        let needed = self.end.saturating_add(bytes).saturating_add(kept_back);
        if needed <= self.allocated {
            return Ok(());
        }
        let length = reserved(needed);
        match self.file.allocate(length) {
            Ok(()) => self.allocated = length,
            Err(error) if is_obstacle(&error) => {
                return Err(refused(&format!("cannot extend {MANIFEST_NAME}: {error}")));
            }
            Err(error) => return Err(self.poison_io("extend", error)),
        }
        Ok(())
    }

    /// Tops the reserve up while it can still be done without need. A failure shows when the room is
    /// needed.
    fn reserve_ahead(&mut self) {
        let left = self.allocated.saturating_sub(self.end);
        let length = self.allocated.saturating_add(RESERVE_STEP_BYTES);
        if left < RESERVE_STEP_BYTES / 2 && self.file.allocate(length).is_ok() {
            self.allocated = length;
        }
    }

    /// Bytes in use: the offset of the next edit. The reserve behind it does not count.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Number of the last edit, or of the base state.
    #[cfg(test)]
    pub(crate) fn edit_number(&self) -> u64 {
        self.number
    }

    /// The edits have outgrown the base state: a [`ManifestFile::rewrite`] pays.
    pub(crate) fn should_rewrite(&self) -> bool {
        let base = self.layout.edits - self.layout.copies[1];
        self.end - self.layout.edits > base.max(RESERVE_STEP_BYTES)
    }

    /// A write or sync has failed; nothing more is written.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    fn check_alive(&self) -> Result<()> {
        match &self.poison {
            Some(cause) => Err(Error::Failed { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    fn check_number(&self, state: &ManifestState) -> Result<()> {
        let (stated, written) = (state.edit_number, self.number);
        if stated == written {
            return Ok(());
        }
        Err(failed(format!("the state is at edit {stated}, {MANIFEST_NAME} at {written}")))
    }

    fn poison_io(&mut self, operation: &'static str, source: io::Error) -> Error {
        self.poison(&Error::io(operation, MANIFEST_NAME, source))
    }

    fn poison(&mut self, error: &Error) -> Error {
        let cause: Arc<str> = error.to_string().into();
        self.poison = Some(Arc::clone(&cause));
        Error::Failed { cause }
    }

    /// A whole and synced file under the temporary name. After an error there is none.
    fn write_temporary(
        directory: &dyn Directory,
        environment: &Environment,
        state: &ManifestState,
    ) -> Result<Self> {
        let payload = encode_base(state)?;
        let header = Header {
            compatible: state.compatible_features,
            incompatible: state.incompatible_features,
            base_bytes: payload.len() as u32,
            index_uuid: state.index_uuid,
            file_uid: environment.random.next_u64(),
        };
        let (frame, crc) = encode_frame(header.file_uid, state.edit_number, 0, &payload)
            .ok_or_else(|| failed("the state is too long for a manifest".into()))?;
        let layout = header.layout();
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&frame);
        bytes.resize((layout.edits as usize).saturating_sub(frame.len()), 0);
        bytes.extend_from_slice(&frame);
        let file = write_synced(directory, &bytes, layout.least_length).inspect_err(|_| {
            // It is deleted at the next open otherwise.
            let _ = directory.remove(MANIFEST_TEMPORARY_NAME);
        })?;
        Ok(Self {
            file,
            uid: header.file_uid,
            number: state.edit_number,
            crc,
            layout,
            end: layout.edits,
            allocated: layout.least_length,
            poison: None,
        })
    }

    fn give_name(&self, directory: &dyn Directory) -> Result<()> {
        directory
            .rename(MANIFEST_TEMPORARY_NAME, MANIFEST_NAME)
            .map_err(|source| Error::io("rename", MANIFEST_TEMPORARY_NAME, source))?;
        directory.sync().map_err(|source| Error::io("sync", directory.location(), source))
    }
}

/// The payload of a base, once it is certain that reading it gives `state`.
fn encode_base(state: &ManifestState) -> Result<Vec<u8>> {
    let payload = encode_edit(&state.to_base_edit());
    let refuse = |reason: &str| failed(format!("the state is no state of an index: {reason}"));
    let edit = decode_edit(&payload).map_err(|_| refuse("it does not decode"))?;
    let mut again = ManifestState::default();
    again.apply(&edit).map_err(|reason| refuse(&reason))?;
    again.edit_number = state.edit_number;
    if state.segments.is_empty() {
        return Err(refuse("it has no segments"));
    }
    if state.incompatible_features & !super::KNOWN_INCOMPATIBLE_FEATURES != 0 {
        return Err(refuse("it has features that this version does not know"));
    }
    if again != *state {
        return Err(refuse("runs out of order, or a next id, next rank or last seq too low"));
    }
    Ok(payload)
}

fn write_synced(directory: &dyn Directory, bytes: &[u8], length: u64) -> Result<Arc<dyn File>> {
    let name = MANIFEST_TEMPORARY_NAME;
    match directory.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", name, error));
        }
        _ => {}
    }
    let file = directory.create(name).map_err(|source| Error::io("create", name, source))?;
    file.allocate(length).map_err(|source| Error::io("extend", name, source))?;
    file.write_at(0, bytes).map_err(|source| Error::io("write", name, source))?;
    file.sync().map_err(|source| Error::io("sync", name, source))?;
    Ok(file)
}

fn refused(cause: &str) -> Error {
    Error::WritesRefused { cause: cause.into() }
}

fn failed(cause: String) -> Error {
    Error::Failed { cause: cause.into() }
}
