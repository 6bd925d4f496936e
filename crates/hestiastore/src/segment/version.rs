//! What a segment holds at one moment.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::write_buffer::WriteBuffer;
use crate::run::{Run, run_file_name};
use crate::sync::ArcSwapOption;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Names of files that nothing refers to any more, on their way to being unlinked (PROTOCOL D7).
///
/// Whoever drops the last handle of an obsolete run puts its name here, without any I/O; a maintenance
/// thread unlinks it.
#[derive(Debug, Default)]
pub(crate) struct Graveyard {
    names: Mutex<Vec<String>>,
    /// Bytes of obsolete files that a reader still has open.
    pinned_bytes: AtomicU64,
}

impl Graveyard {
    pub(crate) fn push(&self, name: String) {
        self.names.lock().push(name);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.names.lock())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.lock().is_empty()
    }

    /// Bytes of obsolete files that readers keep from being unlinked.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.pinned_bytes.load(Ordering::Relaxed)
    }
}

/// A run file, loaded or not. References of several segments may share one.
#[derive(Debug)]
pub(crate) struct RunHandle {
    pub(crate) uid: u64,
    pub(crate) file_bytes: u64,
    /// Greatest seq covered, also when the entries' seqs were zeroed.
    pub(crate) max_seq: u64,
    /// Bytes of overwritten versions that the job which wrote the run kept for readers. Not known of runs of an
    /// earlier open: whoever they were kept for is gone.
    pub(crate) kept_bytes: u64,
    pub(crate) smallest_key: Box<[u8]>,
    pub(crate) largest_key: Box<[u8]>,
    /// One pointer away for a reader (PROTOCOL M1); the registry fills and empties it.
    pub(crate) loaded: ArcSwapOption<Run>,
    /// Set by reads, cleared by the registry's hand: what is used is evicted last.
    recently_used: AtomicBool,
    obsolete: AtomicBool,
    graveyard: Arc<Graveyard>,
}

impl RunHandle {
    pub(crate) fn new(
        uid: u64,
        file_bytes: u64,
        max_seq: u64,
        (smallest_key, largest_key): (Box<[u8]>, Box<[u8]>),
        kept_bytes: u64,
        graveyard: &Arc<Graveyard>,
    ) -> Arc<Self> {
        Arc::new(Self {
            uid,
            file_bytes,
            max_seq,
            kept_bytes,
            smallest_key,
            largest_key,
            loaded: ArcSwapOption::empty(),
            recently_used: AtomicBool::new(false),
            obsolete: AtomicBool::new(false),
            graveyard: Arc::clone(graveyard),
        })
    }

    /// Marks the run as used, without writing to a shared line when it is marked already.
    #[inline]
    pub(crate) fn touch(&self) {
        if !self.recently_used.load(Ordering::Relaxed) {
            self.recently_used.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the mark of use away; whether it was there.
    pub(crate) fn take_use_mark(&self) -> bool {
        self.recently_used.swap(false, Ordering::Relaxed)
    }

    /// The manifest refers to the file no longer: it goes when the last reader lets go.
    pub(crate) fn mark_obsolete(&self) {
        if !self.obsolete.swap(true, Ordering::AcqRel) {
            self.graveyard.pinned_bytes.fetch_add(self.file_bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_obsolete(&self) -> bool {
        self.obsolete.load(Ordering::Acquire)
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            // Closed before anybody can unlink it: the last close of an unlinked file frees its blocks, and a reader
            // would wait for that.
            self.loaded.store(None);
            self.graveyard.pinned_bytes.fetch_sub(self.file_bytes, Ordering::Relaxed);
            self.graveyard.push(run_file_name(self.uid));
        }
    }
}

/// A part of a run that a segment refers to (PROTOCOL D2).
#[derive(Debug, Clone)]
pub(crate) struct RunRef {
    pub(crate) handle: Arc<RunHandle>,
    pub(crate) lower: Box<[u8]>,
    pub(crate) upper: Option<Box<[u8]>>,
    pub(crate) rank: u64,
    /// Stored bytes between the bounds.
    pub(crate) stored_bytes: u64,
    /// Entries between the bounds, tombstones included; an estimate for a part of a file.
    pub(crate) entries: u64,
    pub(crate) tombstones: u64,
}

impl RunRef {
    /// Whether `key` can be among the entries referred to.
    #[inline]
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        key >= &*self.handle.smallest_key && key <= &*self.handle.largest_key && self.within_bounds(key)
    }

    pub(crate) fn within_bounds(&self, key: &[u8]) -> bool {
        key >= &*self.lower && self.upper.as_deref().is_none_or(|upper| key < upper)
    }

    /// The first key that the reference can hold.
    pub(crate) fn first_key(&self) -> &[u8] {
        (&*self.lower).max(&*self.handle.smallest_key)
    }

    /// Whether the file holds keys outside of the bounds.
    pub(crate) fn is_clipped(&self) -> bool {
        !self.within_bounds(&self.handle.smallest_key) || !self.within_bounds(&self.handle.largest_key)
    }

    /// Whether the keys that the reference can hold meet the range from `first` to `last`, both included.
    pub(crate) fn overlaps(&self, first: &[u8], last: &[u8]) -> bool {
        self.first_key() <= last
            && &*self.handle.largest_key >= first
            && self.upper.as_deref().is_none_or(|upper| first < upper)
    }
}

/// What stands at one rank above the main runs: a frozen buffer, its delta run, or both forms of the
/// same entries (the *delta cache*: reads take the buffer, merges the run).
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) rank: u64,
    pub(crate) buffer: Option<Arc<WriteBuffer>>,
    /// Key-disjoint, in key order; usually one. Empty until the buffer is flushed.
    pub(crate) runs: Vec<Arc<RunRef>>,
}

impl Layer {
    pub(crate) fn is_flushed(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.stored_bytes).sum()
    }
}

/// Rank of the main runs: the oldest.
pub(crate) const MAIN_RANK: u64 = 0;

/// See the module.
///
/// Invariants: layers stand newest first, by strictly falling rank, all above [`MAIN_RANK`]; those
/// that are not flushed come before all that are; main runs are key-disjoint and in key order.
#[derive(Debug, Clone)]
pub(crate) struct SegmentVersion {
    pub(crate) active: Arc<WriteBuffer>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) main: Vec<Arc<RunRef>>,
    /// Every seq of this segment up to here is in a run.
    pub(crate) flushed_seq: u64,
    pub(crate) next_rank: u64,
}

impl SegmentVersion {
    pub(crate) fn main_bytes(&self) -> u64 {
        self.main.iter().map(|run| run.stored_bytes).sum()
    }

    pub(crate) fn delta_bytes(&self) -> u64 {
        self.layers.iter().map(Layer::stored_bytes).sum()
    }

    /// All run references, newest rank first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Arc<RunRef>> {
        self.layers.iter().flat_map(|layer| &layer.runs).chain(&self.main)
    }

    /// Bytes of the write budget in buffers that no run holds yet.
    pub(crate) fn buffered_bytes(&self) -> u64 {
        let frozen = self.unflushed().filter_map(|layer| layer.buffer.as_ref());
        frozen.chain([&self.active]).map(|buffer| buffer.charged_bytes()).sum()
    }

    /// The places of the layers that runs hold.
    pub(crate) fn flushed_layers(&self) -> std::ops::Range<usize> {
        let first = self.layers.iter().position(Layer::is_flushed).unwrap_or(self.layers.len());
        first..self.layers.len()
    }

    /// Frozen buffers that no run holds yet, oldest first.
    pub(crate) fn unflushed(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().rev().filter(|layer| !layer.is_flushed())
    }

    /// The layers that the next flush writes out, oldest first: the oldest one, and those frozen at the same cut.
    /// The latter come from a merge of neighbours; no two of them hold keys between each other's.
    pub(crate) fn next_to_flush(&self) -> Vec<Layer> {
        let cut = |layer: &Layer| layer.buffer.as_ref().and_then(|buffer| buffer.cut());
        let Some(oldest) = self.unflushed().next() else { return Vec::new() };
        self.unflushed().take_while(|layer| cut(layer) == cut(oldest)).cloned().collect()
    }

    /// The least seq that only a buffer holds, `u64::MAX` for none (PROTOCOL L5).
    pub(crate) fn least_unflushed_seq(&self) -> u64 {
        let frozen = self.unflushed().filter_map(|layer| layer.buffer.as_ref());
        frozen.chain([&self.active]).map(|buffer| buffer.least_seq()).min().unwrap_or(u64::MAX)
    }

    /// The main run whose range holds `key`, if any does.
    #[inline]
    pub(crate) fn main_for(&self, key: &[u8]) -> Option<&Arc<RunRef>> {
        let after = match self.main.len() {
            0 => return None,
            1 => 1,
            _ => self.main.partition_point(|run| run.first_key() <= key),
        };
        self.main.get(after.wrapping_sub(1)).filter(|run| run.covers(key))
    }

    /// Adds key-disjoint runs to the main ones.
    pub(crate) fn add_to_main(&mut self, runs: Vec<Arc<RunRef>>) {
        self.main.extend(runs);
        self.main.sort_by(|a, b| a.first_key().cmp(b.first_key()));
    }

    /// The next version after freezing `active` as a new layer.
    pub(crate) fn frozen(&self, next_active: Arc<WriteBuffer>) -> Self {
        let mut next = self.clone();
        let frozen = std::mem::replace(&mut next.active, next_active);
        let layer = Layer { rank: next.next_rank, buffer: Some(frozen), runs: Vec::new() };
        next.next_rank += 1;
        next.layers.insert(0, layer);
        next
    }
}
