//! The `SegmentRegistry`: the life of what is loaded of a segment.
//!
//! Always resident are a segment's bounds, buffers and run references. Sparse indexes, Bloom filters and
//! file handles are loaded on first use and evicted by bytes, least recently used first (PROTOCOL M1).
//! A reader reaches a loaded run by one pointer and never asks the registry; it comes here only for a
//! run that is not loaded.
//!
//! Thread safety: one lock over the table, never held over I/O. Of several readers that miss the same
//! run one loads it, the others wait for that.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::run::{ChunkCache, Run};
use crate::segment::{LoadRuns, RunHandle, Segment};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The registry as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegistryState {
    /// Loading and evicting.
    Ready,
    /// Nothing is loaded or evicted until it is READY again; loads wait.
    Freeze,
    /// Ended: loads are refused.
    Closed,
    /// The index has failed: loads are refused, what is loaded stays readable.
    Error,
}

impl RegistryState {
    /// The state's name, in the reference's capitals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Freeze => "FREEZE",
            Self::Closed => "CLOSED",
            Self::Error => "ERROR",
        }
    }
}

/// What is loaded of one run.
enum EntryState {
    /// One reader is at it; others wait.
    Loading,
    /// There, and counted.
    Ready { bytes: u64 },
    /// Being taken away; a load waits until it is gone.
    Unloading,
}

struct Entry {
    state: EntryState,
    handle: Weak<RunHandle>,
    /// The segment that asked for it.
    segment_id: u64,
}

struct Table {
    state: RegistryState,
    /// Why nothing is loaded any more, once the index has failed.
    failure: Option<Error>,
    entries: HashMap<u64, Entry>,
    /// How many runs are loaded, or being loaded, of each segment.
    runs_of_segment: HashMap<u64, usize>,
    loaded_bytes: u64,
    evictions: u64,
    loads: u64,
    load_failures: u64,
    /// Readers that wait now for a run that another one loads, or for the end of a freeze.
    waiting: u64,
}

/// See the module.
pub(crate) struct SegmentRegistry {
    directory: Arc<dyn Directory>,
    index_uuid: u128,
    cache: Arc<ChunkCache>,
    budget_bytes: AtomicU64,
    /// Of all runs that it has loaded and that somebody still holds.
    alive_bytes: Arc<AtomicU64>,
    /// At most so many segments have anything loaded.
    segment_limit: Option<usize>,
    table: Mutex<Table>,
    changed: Condvar,
}

/// Figures of the registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RegistryStatistics {
    pub(crate) state: RegistryState,
    pub(crate) budget_bytes: u64,
    pub(crate) loaded_bytes: u64,
    /// Of runs that were given up and that a reader still holds.
    pub(crate) pinned_bytes: u64,
    pub(crate) loaded_segments: u64,
    pub(crate) loaded_runs: u64,
    pub(crate) evictions: u64,
    pub(crate) loads: u64,
    pub(crate) load_failures: u64,
    pub(crate) waiting: u64,
}

impl SegmentRegistry {
    pub(crate) fn new(
        directory: Arc<dyn Directory>,
        index_uuid: u128,
        cache: Arc<ChunkCache>,
        budget_bytes: u64,
        segment_limit: Option<usize>,
    ) -> Self {
        Self {
            directory,
            index_uuid,
            cache,
            budget_bytes: AtomicU64::new(budget_bytes),
            alive_bytes: Arc::default(),
            segment_limit,
            table: Mutex::new(Table {
                state: RegistryState::Ready,
                failure: None,
                entries: HashMap::new(),
                runs_of_segment: HashMap::new(),
                loaded_bytes: 0,
                evictions: 0,
                loads: 0,
                load_failures: 0,
                waiting: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn cache(&self) -> &Arc<ChunkCache> {
        &self.cache
    }

    /// Goes to another state; CLOSED and ERROR are final.
    pub(crate) fn set_state(&self, next: RegistryState) {
        let mut table = self.table.lock();
        if matches!(table.state, RegistryState::Ready | RegistryState::Freeze) {
            table.state = next;
        }
        drop(table);
        self.changed.notify_all();
    }

    /// Goes to ERROR: loads answer `failure` from now on.
    pub(crate) fn fail(&self, failure: Error) {
        self.table.lock().failure.get_or_insert(failure);
        self.set_state(RegistryState::Error);
    }

    pub(crate) fn statistics(&self) -> RegistryStatistics {
        let table = self.table.lock();
        RegistryStatistics {
            state: table.state,
            budget_bytes: self.budget_bytes.load(Ordering::Relaxed),
            loaded_bytes: table.loaded_bytes,
            pinned_bytes: self.alive_bytes.load(Ordering::Relaxed).saturating_sub(table.loaded_bytes),
            loaded_segments: table.runs_of_segment.len() as u64,
            loaded_runs: table.entries.len() as u64,
            evictions: table.evictions,
            loads: table.loads,
            load_failures: table.load_failures,
            waiting: table.waiting,
        }
    }

    /// Forgets a run whose file is obsolete.
    pub(crate) fn forget(&self, handle: &RunHandle) {
        let forgotten = unload(&mut self.table.lock(), handle.uid);
        drop(forgotten);
    }

    fn load_missing(&self, segment: &Segment, handle: &Arc<RunHandle>) -> Result<Arc<Run>> {
        if let Some(run) = self.claim(segment, handle)? {
            return Ok(run);
        }
        let open = || Run::open(&self.directory, handle.uid, self.index_uuid, Arc::clone(&self.cache));
        let mut loaded = open();
        while loaded.as_ref().is_err_and(Error::is_out_of_descriptors) && self.unload_half() {
            loaded = open();
        }
        let mut evicted = Vec::new();
        let mut table = self.table.lock();
        let outcome = match loaded {
            Ok(mut run) => {
                run.charge_to(&self.alive_bytes);
                let run = Arc::new(run);
                let bytes = run.memory_bytes();
                handle.loaded.store(Some(Arc::clone(&run)));
                table.loads += 1;
                if handle.is_obsolete() {
                    // It goes with its last reader, and has been forgotten already.
                    table.remove(handle.uid);
                } else {
                    if let Some(entry) = table.entries.get_mut(&handle.uid) {
                        entry.state = EntryState::Ready { bytes };
                    }
                    table.loaded_bytes += bytes;
                    evicted = self.evict(&mut table, handle.uid);
                }
                Ok(run)
            }
            Err(error) => {
                table.load_failures += 1;
                table.remove(handle.uid);
                Err(error)
            }
        };
        drop(table);
        drop(evicted);
        self.changed.notify_all();
        outcome
    }

    /// Waits until the run is loaded by somebody, or makes the caller the one who loads it (`None`).
    fn claim(&self, segment: &Segment, handle: &Arc<RunHandle>) -> Result<Option<Arc<Run>>> {
        let mut table = self.table.lock();
        loop {
            match table.state {
                RegistryState::Ready => {}
                RegistryState::Freeze => {
                    self.wait_for_change(&mut table);
                    continue;
                }
                RegistryState::Closed => return Err(Error::Closed),
                RegistryState::Error => return Err(table.failure.clone().unwrap_or(Error::Closed)),
            }
            if let Some(run) = handle.loaded.load_full() {
                return Ok(Some(run));
            }
            match table.entries.get(&handle.uid).map(|entry| &entry.state) {
                Some(EntryState::Loading | EntryState::Unloading) => self.wait_for_change(&mut table),
                Some(EntryState::Ready { .. }) | None => break,
            }
        }
        let entry =
            Entry { state: EntryState::Loading, handle: Arc::downgrade(handle), segment_id: segment.id };
        table.insert(handle.uid, entry);
        Ok(None)
    }

    fn wait_for_change(&self, table: &mut MutexGuard<'_, Table>) {
        table.waiting += 1;
        self.changed.wait(table);
        table.waiting -= 1;
    }

    /// Unloads half of the runs, for their files: the process has too many open. `false` if none is loaded.
    pub(crate) fn unload_half(&self) -> bool {
        let mut table = self.table.lock();
        let is_ready = |entry: &Entry| matches!(entry.state, EntryState::Ready { .. });
        let loaded: Vec<u64> =
            table.entries.iter().filter(|(_, entry)| is_ready(entry)).map(|(uid, _)| *uid).collect();
        let half = loaded.len().div_ceil(2);
        let unloaded: Vec<Arc<Run>> =
            loaded.iter().take(half).filter_map(|uid| unload(&mut table, *uid)).collect();
        table.evictions += unloaded.len() as u64;
        drop(table);
        half > 0
    }

    /// Takes away what was not used lately until everything fits, sparing `newest`. What is taken is
    /// given back, to be dropped without the lock.
    fn evict(&self, table: &mut Table, newest: u64) -> Vec<Arc<Run>> {
        let budget_bytes = self.budget_bytes.load(Ordering::Relaxed);
        let mut evicted = Vec::new();
        if table.loaded_bytes <= budget_bytes && !self.too_many_segments(table) {
            return evicted;
        }
        let candidates: Vec<u64> = table.entries.keys().copied().filter(|uid| *uid != newest).collect();
        // Three rounds of the clock: the first clears the marks of use, the second finds the unused, the third
        // takes what readers beside it have marked again.
        for (step, uid) in candidates.iter().cycle().take(3 * candidates.len()).enumerate() {
            if table.loaded_bytes <= budget_bytes && !self.too_many_segments(table) {
                break;
            }
            let Some(entry) = table.entries.get(uid) else { continue };
            let spared = step < 2 * candidates.len()
                && entry.handle.upgrade().is_some_and(|handle| handle.take_use_mark());
            if !spared && matches!(entry.state, EntryState::Ready { .. }) {
                evicted.extend(unload(table, *uid));
                table.evictions += 1;
            }
        }
        evicted
    }

    fn too_many_segments(&self, table: &Table) -> bool {
        self.segment_limit.is_some_and(|limit| table.runs_of_segment.len() > limit)
    }
}

/// Takes a loaded run out of the table.
fn unload(table: &mut Table, uid: u64) -> Option<Arc<Run>> {
    let entry = table.entries.get_mut(&uid)?;
    let EntryState::Ready { bytes } = entry.state else { return None };
    entry.state = EntryState::Unloading;
    let run = entry.handle.upgrade().and_then(|handle| handle.loaded.swap(None));
    table.loaded_bytes -= bytes;
    table.remove(uid);
    run
}

impl Table {
    fn insert(&mut self, uid: u64, entry: Entry) {
        *self.runs_of_segment.entry(entry.segment_id).or_default() += 1;
        if let Some(replaced) = self.entries.insert(uid, entry) {
            self.forget_one_of(replaced.segment_id);
        }
    }

    fn remove(&mut self, uid: u64) {
        if let Some(entry) = self.entries.remove(&uid) {
            self.forget_one_of(entry.segment_id);
        }
    }

    fn forget_one_of(&mut self, segment_id: u64) {
        if let Some(count) = self.runs_of_segment.get_mut(&segment_id) {
            *count -= 1;
            if *count == 0 {
                self.runs_of_segment.remove(&segment_id);
            }
        }
    }
}

impl LoadRuns for SegmentRegistry {
    fn load(&self, segment: &Segment, handle: &Arc<RunHandle>) -> Result<Arc<Run>> {
        handle.touch();
        match handle.loaded.load_full() {
            Some(run) => Ok(run),
            None => self.load_missing(segment, handle),
        }
    }
}
