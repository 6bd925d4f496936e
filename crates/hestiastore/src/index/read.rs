//! Reading by key, and the points in history that readers read at.

use std::sync::Arc;

use super::core::Core;
use super::readers::ReaderPlace;
use crate::error::{Error, Result};
use crate::metrics::{SegmentCount, Stopwatch, Timed};
use crate::run::{EntryKind, ValueGuard, key_hash};
use crate::segment::write_buffer::PinnedValue;
use crate::segment::{Hit, search};

/// A point in history, listed while somebody reads at it (PROTOCOL C6).
#[derive(Debug)]
pub(crate) struct ReadPoint {
    pub(crate) core: Arc<Core>,
    pub(crate) seq: u64,
    /// Given back by the drop.
    place: Option<ReaderPlace>,
}

impl ReadPoint {
    /// Now.
    pub(crate) fn new(core: &Arc<Core>) -> Result<Arc<Self>> {
        core.health.check_readable()?;
        let (seq, place) = core.begin_reading();
        Ok(Arc::new(Self { core: Arc::clone(core), seq, place: Some(place) }))
    }
}

impl Drop for ReadPoint {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.core.end_reading(place);
        }
    }
}

/// A value where it was found, kept alive without a copy.
#[derive(Debug)]
pub(crate) enum Pinned {
    Buffered(PinnedValue),
    Stored(ValueGuard),
}

impl Pinned {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Buffered(value) => value.bytes(),
            Self::Stored(value) => value,
        }
    }
}

impl Core {
    /// Calls `found` with the value of `key` at `seq`, by default the newest.
    ///
    /// Takes no lock that all readers share, and allocates nothing on the way to a cached value.
    #[inline]
    pub(crate) fn get_with<R>(
        &self,
        key: &[u8],
        seq: Option<u64>,
        found: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        self.lookup(key, seq, |hit, _, _| match hit {
            Hit::Buffered(_, version) => Some(found(version.value)),
            Hit::Stored(stored) => Some(found(&stored.value)),
        })
    }

    /// The value of `key` at `seq`, pinned.
    pub(crate) fn get_pinned(&self, key: &[u8], seq: Option<u64>) -> Result<Option<Pinned>> {
        self.lookup(key, seq, |hit, hash, seq| match hit {
            Hit::Buffered(buffer, _) => PinnedValue::find(buffer, key, hash, seq).map(Pinned::Buffered),
            Hit::Stored(stored) => Some(Pinned::Stored(stored.value)),
        })
    }

    #[inline]
    fn lookup<R>(
        &self,
        key: &[u8],
        seq: Option<u64>,
        found: impl FnOnce(Hit<'_>, u64, u64) -> Option<R>,
    ) -> Result<Option<R>> {
        self.health.check_readable()?;
        let stopwatch = Stopwatch::start(Timed::Get);
        let value = self.find(key, seq, found);
        self.counters.latencies.record(Timed::Get, stopwatch);
        value
    }

    #[inline]
    fn find<R>(
        &self,
        key: &[u8],
        seq: Option<u64>,
        found: impl FnOnce(Hit<'_>, u64, u64) -> Option<R>,
    ) -> Result<Option<R>> {
        let _timed = self.foreground.time();
        let hash = key_hash(self.hash_seed, key);
        let route = self.route.load();
        let segment = route.find(key);
        segment.counters.count(SegmentCount::Reads);
        // First the version, then what is visible (PROTOCOL C5).
        let version = segment.version();
        let seq = seq.unwrap_or_else(|| self.publisher.visible());
        let Some(hit) = search(segment, &version, &self.registry, key, hash, seq)? else { return Ok(None) };
        let kind = match &hit {
            Hit::Buffered(_, version) => version.kind,
            Hit::Stored(stored) => stored.kind,
        };
        match kind {
            EntryKind::Put => {
                segment.counters.count(SegmentCount::Hits);
                Ok(found(hit, hash, seq))
            }
            EntryKind::Delete => Ok(None),
            other => Err(unknown_kind(other)),
        }
    }
}

/// An entry that this version never writes.
pub(crate) fn unknown_kind(kind: EntryKind) -> Error {
    Error::Unsupported { file: "a run".to_owned(), detail: format!("entries of kind {kind:?}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::directory::MemoryDirectory;
    use crate::{Error, SegmentIndex};

    /// A reader that was let in before the index failed, and then needs a run that is not loaded.
    #[test]
    fn d8_a_reader_that_meets_the_failure_half_way_is_told_of_it() {
        let directory = MemoryDirectory::new();
        let builder = || SegmentIndex::<u64, u64>::builder_in(Arc::new(directory.clone()));
        let index = builder().create().unwrap();
        index.put(1, 2).unwrap();
        index.flush_and_wait().unwrap();
        index.close().unwrap();
        let index = builder().open().unwrap();
        index.core.registry.fail(Error::Failed { cause: "disk gone".into() });
        let error = index.get(1).unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error}");
    }
}
