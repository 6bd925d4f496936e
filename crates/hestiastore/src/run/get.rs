//! The point lookup.

use std::sync::Arc;

use super::open::Run;
use super::settings::EntryKind;
use super::statistics::Count;
use super::value::{ChunkPin, ValueGuard, ValuePointer};
use crate::error::Result;
use crate::sync::Guard;

/// A version. Of a pointer, what it points to.
#[derive(Debug)]
pub(crate) struct Found {
    #[cfg_attr(
        not(any(test, feature = "fuzzing")),
        expect(dead_code, reason = "for transactions, which compare it")
    )]
    pub(crate) seq: u64,
    pub(crate) kind: EntryKind,
    /// Of a `PutExpiry` it begins with the expiry ([`super::split_expiry`]).
    pub(crate) value: ValueGuard,
}

impl Run {
    /// The newest version of `key` with a seq up to `snapshot_seq`. `hash` is the key's
    /// [`super::key_hash`] with the index's seed.
    #[inline]
    pub(crate) fn get(&self, key: &[u8], hash: u64, snapshot_seq: u64) -> Result<Option<Found>> {
        match &self.filter {
            Some(filter) if !filter.may_contain(hash) => {
                self.slots.counters.count(Count::Refused);
                return Ok(None);
            }
            Some(_) => self.slots.counters.count(Count::Positive),
            None => self.slots.counters.count(Count::Unfiltered),
        }
        let Some(at) = self.sparse.find(key, snapshot_seq) else {
            self.slots.counters.count(Count::NoRequest);
            return Ok(self.absent());
        };
        let pin = self.pin_chunk(at)?;
        let Some(chunk) = pin.chunk() else {
            return Ok(None);
        };
        match chunk.find(key, hash, snapshot_seq) {
            Some(i) => self.found(pin, i).map(Some),
            None if self.sparse.continues(at + 1, key) => self.get_in_next(at + 1, key, hash, snapshot_seq),
            None if chunk.find(key, hash, u64::MAX).is_some() => Ok(None),
            None => Ok(self.absent()),
        }
    }

    /// Loads an entry chunk without asking the cache, and offers it to the cache.
    #[cold]
    fn load_chunk(&self, at: usize) -> Result<ChunkPin> {
        self.slots.counters.count(Count::Miss);
        let expected = self.expected_chunk(at)?;
        let chunk = self.parse_chunk(expected.position, self.chunks.read(expected)?)?;
        Ok(ChunkPin::Owned(self.cache.insert(&self.slots, at, chunk)))
    }

    #[inline]
    fn pin_chunk(&self, at: usize) -> Result<ChunkPin> {
        match self.slots.get(at) {
            Some(guard) => Ok(ChunkPin::Cached(guard)),
            None => self.load_chunk(at),
        }
    }

    /// The key's versions go on in the next chunk, whose first entry is older than what was asked for.
    #[cold]
    fn get_in_next(&self, at: usize, key: &[u8], hash: u64, snapshot_seq: u64) -> Result<Option<Found>> {
        self.slots.counters.count(Count::Request);
        let pin = self.pin_chunk(at)?;
        match pin.chunk().and_then(|chunk| chunk.find(key, hash, snapshot_seq)) {
            Some(i) => self.found(pin, i).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn found(&self, pin: ChunkPin, i: usize) -> Result<Found> {
        let chunk = pin.chunk();
        let (seq, kind) = chunk.map_or((0, EntryKind::Put), |chunk| (chunk.seq(i), chunk.kind(i)));
        let range = chunk.map_or((0, 0), |chunk| chunk.value_range(i));
        if kind == EntryKind::ValuePointer {
            let stored = chunk.map_or(&[][..], |chunk| chunk.value(i));
            let pointer = self.pointer(stored)?;
            let value = ValueGuard::alone(self.load_value(&pointer)?);
            return Ok(Found { seq, kind: pointer.kind, value });
        }
        Ok(Found { seq, kind, value: ValueGuard::in_chunk(pin, range) })
    }

    #[cold]
    fn absent(&self) -> Option<Found> {
        if self.filter.is_some() {
            self.slots.counters.count(Count::FalsePositive);
        }
        None
    }

    pub(super) fn pointer(&self, stored: &[u8]) -> Result<ValuePointer> {
        let place = self.footer.first_section;
        ValuePointer::decode(stored)
            .ok_or_else(|| self.chunks.damaged(place, format!("a pointer to a value: {stored:02x?}")))
    }

    pub(super) fn load_value(&self, pointer: &ValuePointer) -> Result<Vec<u8>> {
        let value = self.chunks.read(self.expected_value(pointer)?)?;
        if value.len() == pointer.decoded_bytes as usize {
            return Ok(value);
        }
        let detail = format!("expected a value of {} bytes, found {}", pointer.decoded_bytes, value.len());
        Err(self.chunks.damaged(pointer.position, detail))
    }

    /// Pins a chunk for a cursor: out of the cache if it is there.
    pub(super) fn cached_chunk(&self, at: usize) -> Option<Arc<super::entries::EntryChunk>> {
        self.slots.get(at).and_then(Guard::into_inner)
    }
}
