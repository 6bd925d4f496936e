//! A position among a run's versions, moving both ways.

use std::borrow::Cow;
use std::sync::Arc;

use super::entries::EntryChunk;
use super::open::Run;
use super::read_ahead::{BlockCheck, Direction, ReadAhead};
use super::settings::EntryKind;
#[cfg(test)]
use super::settings::split_expiry;
use super::value::StoredValueChunk;
#[cfg(test)]
use super::value::{ChunkPin, ValueGuard};
use crate::error::Result;

/// What a cursor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorPurpose {
    /// Takes chunks from the cache. What is missing is read, ahead once the scan goes on, and only the first few
    /// chunks after a seek are put into the cache: short ranges stay there, long scans do not wash it out.
    Read,
    /// Around the cache, far ahead, with the blocks checked too.
    Merge,
}

/// Chunks after a seek that a `Read` cursor puts into the cache.
const CACHED_PER_SEEK: u32 = 4;
const FIRST_AHEAD_BYTES: usize = 32 << 10;
const MOST_AHEAD_BYTES: usize = 256 << 10;

/// Owns what it needs, and keeps its run open. Invalid before the first seek, beyond either end, and after an
/// error.
#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<Run>,
    purpose: CursorPurpose,
    place: Option<Place>,
    /// The whole key where the cursor stands.
    key: Vec<u8>,
    ahead: ReadAhead,
    /// Chunks loaded one after the other since the last seek.
    in_sequence: u32,
    most_ahead_bytes: usize,
}

#[derive(Debug)]
struct Place {
    chunk: Arc<EntryChunk>,
    /// Which of the run's chunks.
    at: usize,
    /// Which of its entries.
    entry: usize,
}

impl RunCursor {
    pub(super) fn new(run: Arc<Run>, purpose: CursorPurpose) -> Self {
        let check = match purpose {
            CursorPurpose::Read => BlockCheck::Unchecked,
            CursorPurpose::Merge => BlockCheck::Checked,
        };
        Self {
            run,
            purpose,
            place: None,
            key: Vec::new(),
            ahead: ReadAhead::new(check),
            in_sequence: 0,
            most_ahead_bytes: MOST_AHEAD_BYTES,
        }
    }

    /// Reads no more than so much ahead, or a little if that is less.
    pub(crate) fn reading_ahead(mut self, bytes: usize) -> Self {
        self.most_ahead_bytes = bytes.clamp(FIRST_AHEAD_BYTES, MOST_AHEAD_BYTES);
        self
    }

    /// Memory of the window and of the chunk that the cursor stands in.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let chunk = self.place.as_ref().map_or(0, |place| place.chunk.memory_bytes());
        self.ahead.memory_bytes() + chunk
    }

    pub(crate) fn seek_to_first(&mut self) -> Result<bool> {
        self.begin();
        self.enter(0, Direction::Forward)
    }

    pub(crate) fn seek_to_last(&mut self) -> Result<bool> {
        self.begin();
        match self.run.sparse.len().checked_sub(1) {
            Some(last) => self.enter(last, Direction::Backward),
            None => Ok(false),
        }
    }

    /// To the first entry at or behind (key, seq), where greater seqs come first.
    pub(crate) fn seek(&mut self, key: &[u8], seq: u64) -> Result<bool> {
        self.begin();
        let at = self.run.sparse.find(key, seq).unwrap_or(0);
        if !self.enter(at, Direction::Forward)? {
            return Ok(false);
        }
        let bound = self.place.as_ref().map_or(0, |place| place.chunk.lower_bound(key, seq));
        self.stand_at(at, bound)
    }

    /// To the last entry with a smaller key.
    pub(crate) fn seek_before(&mut self, key: &[u8]) -> Result<bool> {
        self.begin();
        let Some(at) = self.run.sparse.find(key, u64::MAX) else {
            return Ok(false);
        };
        if !self.enter(at, Direction::Backward)? {
            return Ok(false);
        }
        let bound = self.place.as_ref().map_or(0, |place| place.chunk.lower_bound_key(key));
        match bound.checked_sub(1) {
            Some(last) => self.stand_at(at, last),
            None => self.leave_backward(at),
        }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<bool> {
        let Some(place) = &mut self.place else {
            return Ok(false);
        };
        if place.entry + 1 < place.chunk.len() {
            place.entry += 1;
            self.read_key();
            return Ok(true);
        }
        let next = place.at + 1;
        self.enter(next, Direction::Forward)
    }

    #[inline]
    pub(crate) fn prev(&mut self) -> Result<bool> {
        let Some(place) = &mut self.place else {
            return Ok(false);
        };
        if let Some(entry) = place.entry.checked_sub(1) {
            place.entry = entry;
            self.read_key();
            return Ok(true);
        }
        let at = place.at;
        self.leave_backward(at)
    }

    /// How many entries behind the one stood on lie in the same chunk, are no deletions, and have keys less than `limit`.
    pub(crate) fn puts_ahead(&self, limit: Option<&[u8]>) -> usize {
        let Some(Place { chunk, entry, .. }) = &self.place else { return 0 };
        if chunk.has_kinds() {
            return 0;
        }
        let end = limit.map_or(chunk.len(), |limit| chunk.lower_bound_key(limit));
        end.saturating_sub(entry + 1)
    }

    /// The same backward: how many before it have keys not less than `least`.
    pub(crate) fn puts_behind(&self, least: &[u8]) -> usize {
        let Some(Place { chunk, entry, .. }) = &self.place else { return 0 };
        if chunk.has_kinds() {
            return 0;
        }
        entry.saturating_sub(chunk.lower_bound_key(least))
    }

    /// [`Self::next`], when [`Self::puts_ahead`] said that the entry lies in the chunk.
    #[inline]
    pub(crate) fn next_in_chunk(&mut self) {
        if let Some(place) = &mut self.place {
            place.entry += 1;
            self.read_key();
        }
    }

    /// [`Self::prev`], when [`Self::puts_behind`] said that the entry lies in the chunk.
    #[inline]
    pub(crate) fn prev_in_chunk(&mut self) {
        if let Some(place) = &mut self.place {
            place.entry = place.entry.saturating_sub(1);
            self.read_key();
        }
    }

    #[inline]
    #[cfg(test)]
    pub(crate) fn valid(&self) -> bool {
        self.place.is_some()
    }

    /// Empty if the cursor is not valid.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    #[inline]
    pub(crate) fn seq(&self) -> u64 {
        self.place.as_ref().map_or(0, |place| place.chunk.seq(place.entry))
    }

    /// The entry's own kind, also where its value is a chunk of its own.
    #[inline]
    pub(crate) fn kind(&self) -> EntryKind {
        let Some(place) = &self.place else {
            return EntryKind::Delete;
        };
        match place.chunk.kind(place.entry) {
            EntryKind::ValuePointer => {
                let pointer = self.run.pointer(place.chunk.value(place.entry));
                pointer.map_or(EntryKind::Put, |pointer| pointer.kind)
            }
            kind => kind,
        }
    }

    /// When the entry expires, in wall-clock microseconds. Loads nothing.
    #[cfg(test)]
    pub(crate) fn expiry_micros(&self) -> Option<u64> {
        let place = self.place.as_ref()?;
        let stored = place.chunk.value(place.entry);
        match place.chunk.kind(place.entry) {
            EntryKind::PutExpiry => split_expiry(stored).map(|(expiry, _)| expiry),
            EntryKind::ValuePointer => {
                let pointer = self.run.pointer(stored).ok()?;
                (pointer.kind == EntryKind::PutExpiry).then_some(pointer.expiry_micros)
            }
            _ => None,
        }
    }

    /// The value; owned only if it had to be loaded from a chunk of its own.
    #[inline]
    pub(crate) fn value(&self) -> Result<Cow<'_, [u8]>> {
        let Some(place) = &self.place else {
            return Ok(Cow::Borrowed(&[]));
        };
        let stored = place.chunk.value(place.entry);
        if place.chunk.kind(place.entry) != EntryKind::ValuePointer {
            return Ok(Cow::Borrowed(stored));
        }
        let pointer = self.run.pointer(stored)?;
        Ok(Cow::Owned(self.run.load_value(&pointer)?))
    }

    /// The value, independent of the cursor.
    #[cfg(test)]
    pub(crate) fn value_guard(&self) -> Result<ValueGuard> {
        let Some(place) = &self.place else {
            return Ok(ValueGuard::alone(Vec::new()));
        };
        if place.chunk.kind(place.entry) == EntryKind::ValuePointer {
            return Ok(ValueGuard::alone(self.value()?.into_owned()));
        }
        let pin = ChunkPin::Owned(Arc::clone(&place.chunk));
        Ok(ValueGuard::in_chunk(pin, place.chunk.value_range(place.entry)))
    }

    /// The value as it is stored, if it is a chunk of its own: for [`super::RunWriter::add_value_chunk`].
    pub(crate) fn stored_value_chunk(&self) -> Result<Option<StoredValueChunk>> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        if place.chunk.kind(place.entry) != EntryKind::ValuePointer {
            return Ok(None);
        }
        let pointer = self.run.pointer(place.chunk.value(place.entry))?;
        let chunk = self.run.chunks.read_stored(self.run.expected_value(&pointer)?)?;
        Ok(Some(StoredValueChunk {
            kind: pointer.kind,
            expiry_micros: pointer.expiry_micros,
            chunk,
            pipeline: self.run.chunks.pipeline().clone(),
        }))
    }

    fn begin(&mut self) {
        self.in_sequence = 0;
        self.invalidate();
    }

    fn invalidate(&mut self) {
        self.place = None;
        self.key.clear();
    }

    /// Stands at an entry of the chunk that was entered, or at the first of the next chunk.
    fn stand_at(&mut self, at: usize, entry: usize) -> Result<bool> {
        match &mut self.place {
            Some(place) if entry < place.chunk.len() => {
                place.entry = entry;
                self.read_key();
                Ok(true)
            }
            _ => self.enter(at + 1, Direction::Forward),
        }
    }

    fn leave_backward(&mut self, at: usize) -> Result<bool> {
        match at.checked_sub(1) {
            Some(before) => self.enter(before, Direction::Backward),
            None => {
                self.invalidate();
                Ok(false)
            }
        }
    }

    /// Loads chunk `at` and stands at its first entry, or going backward at its last.
    fn enter(&mut self, at: usize, direction: Direction) -> Result<bool> {
        self.invalidate();
        if at >= self.run.sparse.len() {
            return Ok(false);
        }
        let chunk = self.load(at, direction)?;
        self.in_sequence = self.in_sequence.saturating_add(1);
        let entry = match direction {
            Direction::Forward => 0,
            Direction::Backward => chunk.len().saturating_sub(1),
        };
        self.key.extend_from_slice(chunk.prefix());
        self.place = Some(Place { chunk, at, entry });
        self.read_key();
        Ok(true)
    }

    fn load(&mut self, at: usize, direction: Direction) -> Result<Arc<EntryChunk>> {
        if self.purpose == CursorPurpose::Read {
            self.run.cache.note_request();
            if let Some(chunk) = self.run.cached_chunk(at) {
                return Ok(chunk);
            }
            self.run.cache.note_miss();
        }
        let expected = self.run.expected_chunk(at)?;
        let ahead_bytes = self.ahead_bytes();
        let raw =
            self.ahead.chunk(&self.run, expected.position, expected.stored_bytes, direction, ahead_bytes)?;
        let payload = self.run.chunks.decode(expected, raw)?;
        let chunk = self.run.parse_chunk(expected.position, payload)?;
        if self.purpose == CursorPurpose::Read && self.in_sequence < CACHED_PER_SEEK {
            return Ok(self.run.cache.insert(&self.run.slots, at, chunk));
        }
        Ok(Arc::new(chunk))
    }

    fn ahead_bytes(&self) -> usize {
        match (self.purpose, self.in_sequence) {
            (CursorPurpose::Merge, _) => self.most_ahead_bytes,
            (CursorPurpose::Read, 0) => 0,
            (CursorPurpose::Read, n) => (FIRST_AHEAD_BYTES << n.min(8)).min(self.most_ahead_bytes),
        }
    }

    /// Puts the entry's suffix behind the chunk's prefix.
    #[inline]
    fn read_key(&mut self) {
        if let Some(place) = &self.place {
            let suffix = place.chunk.suffix(place.entry);
            let prefix_len = place.chunk.prefix_len();
            match self.key.get_mut(prefix_len..) {
                // Keys are often of one length.
                Some(before) if before.len() == suffix.len() => before.copy_from_slice(suffix),
                _ => {
                    self.key.truncate(prefix_len);
                    self.key.extend_from_slice(suffix);
                }
            }
        }
    }
}
