//! The point lookup.

use std::sync::Arc;

use super::open::Run;
use super::settings::EntryKind;
use super::value::{ChunkPin, ValueGuard, ValuePointer};
use crate::error::Result;
use crate::metrics::{SegmentCount, SegmentCounters};
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

/// A read by key on its way through the runs of a segment, and where it counts what it meets.
#[derive(Debug)]
pub(crate) struct Probe<'c> {
    counters: &'c SegmentCounters,
    /// It has loaded a chunk.
    went_to_disk: bool,
}

impl<'c> Probe<'c> {
    pub(crate) fn new(counters: &'c SegmentCounters) -> Self {
        Self { counters, went_to_disk: false }
    }

    fn note_chunk_read(&mut self) {
        self.counters.count(SegmentCount::ChunkReads);
        if !std::mem::replace(&mut self.went_to_disk, true) {
            self.counters.count(SegmentCount::ReadsFromDisk);
        }
    }
}

impl Run {
    /// The newest version of `key` with a seq up to `snapshot_seq`. `hash` is the key's
    /// [`super::key_hash`] with the index's seed. A `get` that finds its key in a cached chunk counts once.
    #[inline]
    pub(crate) fn get(
        &self,
        key: &[u8],
        hash: u64,
        snapshot_seq: u64,
        probe: &mut Probe<'_>,
    ) -> Result<Option<Found>> {
        match &self.filter {
            Some(filter) if !filter.may_contain(hash) => {
                probe.counters.count(SegmentCount::FilterRefused);
                return Ok(None);
            }
            Some(_) => probe.counters.count(SegmentCount::FilterPositive),
            None => probe.counters.count(SegmentCount::Unfiltered),
        }
        let Some(at) = self.sparse.find(key, snapshot_seq) else {
            probe.counters.count(SegmentCount::NoChunk);
            return Ok(self.absent(probe));
        };
        let pin = self.pin_chunk(at, probe)?;
        let Some(chunk) = pin.chunk() else {
            return Ok(None);
        };
        match chunk.find(key, hash, snapshot_seq) {
            Some(i) => self.found(pin, i).map(Some),
            None if self.sparse.continues(at + 1, key) => {
                self.get_in_next(at + 1, key, hash, snapshot_seq, probe)
            }
            None if chunk.find(key, hash, u64::MAX).is_some() => Ok(None),
            None => Ok(self.absent(probe)),
        }
    }

    /// A read by key of its own, which is counted nowhere.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn get_alone(&self, key: &[u8], snapshot_seq: u64) -> Result<Option<Found>> {
        let hash = super::key_hash(self.properties.hash_seed, key);
        self.get(key, hash, snapshot_seq, &mut Probe::new(&SegmentCounters::default()))
    }

    /// Loads an entry chunk without asking the cache, and offers it to the cache.
    #[cold]
    fn load_chunk(&self, at: usize, probe: &mut Probe<'_>) -> Result<ChunkPin> {
        probe.note_chunk_read();
        self.cache.note_miss();
        let expected = self.expected_chunk(at)?;
        let chunk = self.parse_chunk(expected.position, self.chunks.read(expected)?)?;
        Ok(ChunkPin::Owned(self.cache.insert(&self.slots, at, chunk)))
    }

    #[inline]
    fn pin_chunk(&self, at: usize, probe: &mut Probe<'_>) -> Result<ChunkPin> {
        match self.slots.get(at) {
            Some(guard) => Ok(ChunkPin::Cached(guard)),
            None => self.load_chunk(at, probe),
        }
    }

    /// The key's versions go on in the next chunk, whose first entry is older than what was asked for.
    #[cold]
    fn get_in_next(
        &self,
        at: usize,
        key: &[u8],
        hash: u64,
        snapshot_seq: u64,
        probe: &mut Probe<'_>,
    ) -> Result<Option<Found>> {
        self.cache.note_request();
        let pin = self.pin_chunk(at, probe)?;
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
    fn absent(&self, probe: &Probe<'_>) -> Option<Found> {
        if self.filter.is_some() {
            probe.counters.count(SegmentCount::FilterFalsePositive);
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
