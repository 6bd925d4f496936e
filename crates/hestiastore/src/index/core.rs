//! What all parts of an open index share: only bytes, no types.

use std::sync::Arc;

use super::budget::WriteBudget;
use super::counters::Counters;
use super::delta_cache::DeltaCache;
use super::first_write::{FirstWrite, Threads};
use super::health::{Health, IndexState};
use super::idle::IdleWork;
use super::keeper::Keeper;
use super::log_loss::LogLoss;
use super::log_upkeep::LogKeeper;
use super::publish::Publisher;
use super::readers::{Reader, ReaderPlace};
use super::refusal::{BackgroundFailures, RefusedWrites};
use super::retry::Retry;
use super::runtime::Runtime;
use super::scheduler::Scheduler;
use super::scrub::BackgroundScrub;
use super::section::Section;
use super::throttle::{Foreground, TokenBucket};
use crate::config::{Config, Durability};
use crate::directory::{Directory, DirectoryLock};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::registry::SegmentRegistry;
use crate::route::RouteMap;
use crate::run::RunSettings;
use crate::segment::write_buffer::SlabPool;
use crate::segment::{Graveyard, MergeLimits, Scratch};
use crate::sync::ArcSwap;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock, RwLock};

/// An open index.
///
/// Order of locks, outermost first: `route_publication`, a segment's `installing`, `manifest`,
/// `section`. The commit section is never held while another lock is taken.
pub(crate) struct Core {
    /// Of the index, for people: the last part of the directory's location.
    pub(crate) name: Box<str>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) environment: Environment,
    /// What the machine and its control groups allowed at the opening, if that is known.
    pub(crate) available_bytes: Option<u64>,
    /// As configured, whatever this machine has room for: it must not reshape the segments.
    pub(crate) stored_write_budget_bytes: u64,
    /// As stored, but for budgets that do not fit the memory that there is.
    pub(crate) config: Config,
    /// As it is to be stored.
    pub(crate) stored_config: Vec<u8>,
    pub(crate) run_settings: RunSettings,
    pub(crate) key_type: String,
    pub(crate) value_type: String,
    pub(crate) index_uuid: u128,
    pub(crate) hash_seed: u64,
    pub(crate) read_only: bool,
    pub(crate) health: Health,
    /// What recovery cut off, once it has.
    pub(crate) log_loss: OnceLock<LogLoss>,
    pub(crate) background_failures: BackgroundFailures,
    pub(crate) merge_retry: Retry,
    pub(crate) flush_retry: Retry,
    pub(crate) log_retry: Retry,
    /// Given up at the very end of `close`.
    pub(crate) directory_lock: Mutex<Option<Box<dyn DirectoryLock>>>,
    pub(crate) route: ArcSwap<RouteMap>,
    /// Held while a route map is replaced, and by a commit that was too slow for it twice.
    pub(crate) route_publication: Mutex<()>,
    pub(crate) registry: SegmentRegistry,
    pub(crate) section: Mutex<Section>,
    pub(crate) publisher: Publisher,
    pub(crate) budget: WriteBudget,
    /// What all write buffers are made of.
    pub(crate) slabs: Arc<SlabPool>,
    /// Memory of jobs at work.
    pub(crate) scratch: Scratch,
    pub(crate) refused_writes: RefusedWrites,
    /// Bytes of the write budget that are in frozen buffers.
    pub(crate) frozen_bytes: AtomicU64,
    pub(crate) logs: LogKeeper,
    pub(crate) manifest: Mutex<Keeper>,
    /// The OPEN edit of this open is written (PROTOCOL D6).
    pub(crate) opened_for_writing: AtomicBool,
    pub(crate) first_write: Mutex<FirstWrite>,
    /// The logs that this open found are on disk as they are read.
    pub(crate) listed_logs_renewed: AtomicBool,
    pub(crate) threads: Mutex<Threads>,
    /// Given up by `close`, so that its threads can end.
    pub(crate) runtime: Mutex<Option<Runtime>>,
    /// Held by the one who closes.
    pub(crate) closing: Mutex<()>,
    /// Shared by callers that do maintenance in their own threads; `close` waits for them.
    pub(crate) callers_at_work: RwLock<()>,
    pub(crate) next_segment_id: AtomicU64,
    pub(crate) graveyard: Arc<Graveyard>,
    pub(crate) delta_cache: Mutex<DeltaCache>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) foreground: Foreground,
    /// What merges may move by `maintenance.rate_bytes_per_second`, and for the sake of the foreground.
    pub(crate) limited: TokenBucket,
    pub(crate) slowed: TokenBucket,
    pub(crate) background_scrub: Mutex<BackgroundScrub>,
    pub(crate) idle_work: Mutex<IdleWork>,
    pub(crate) counters: Counters,
}

impl Core {
    pub(crate) fn durability(&self) -> Durability {
        self.config.log.durability
    }

    pub(crate) fn has_log(&self) -> bool {
        self.durability() != Durability::Off
    }

    /// A failure after which nothing may be written any more. Wakes everyone who waits.
    pub(crate) fn fail(&self, error: &Error) -> Error {
        if self.health.fail(&error.to_string()) {
            self.tell_failed(error);
        }
        self.registry.fail(self.health.refusal());
        self.publisher.fail();
        self.logs.fail();
        self.budget.stop();
        self.scheduler.wake_all();
        self.health.refusal()
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        match self.health.state() {
            IndexState::Ready | IndexState::Opening => Ok(()),
            _ => Err(self.health.refusal()),
        }
    }

    /// Random bits for a file's identity, never zero.
    pub(crate) fn new_uid(&self) -> u64 {
        self.environment.random.next_u64().max(1)
    }

    /// Stored bytes of all runs.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let route = self.route.load();
        let bytes = |version: &crate::segment::SegmentVersion| version.main_bytes() + version.delta_bytes();
        route.segments().iter().map(|segment| bytes(&segment.version())).sum()
    }

    /// The limits of merging as of now: a segment's target grows with the store, so that each segment
    /// has at least 1 MiB of write buffer (PROTOCOL D3).
    pub(crate) fn merge_limits(&self) -> MergeLimits {
        const LEAST_BUFFER_BYTES: u64 = 1 << 20;
        let most_segments = (self.stored_write_budget_bytes / LEAST_BUFFER_BYTES).max(1);
        MergeLimits {
            target_bytes: self.config.segment.target_bytes.max(self.stored_bytes() / most_segments),
            fan_in: self.config.segment.delta_fan_in as usize,
            main_percent: u64::from(self.config.segment.main_merge_percent),
        }
    }

    /// Bytes of the write budget in buffers that still take writes.
    pub(crate) fn active_bytes(&self) -> u64 {
        self.budget.used_bytes().saturating_sub(self.frozen_bytes.load(Ordering::Relaxed))
    }

    /// `visible` and the seqs in use, ascending, captured together (PROTOCOL C6).
    pub(crate) fn capture_readers(&self) -> (u64, Vec<u64>) {
        let mut seqs = Vec::new();
        loop {
            let section = self.section.lock();
            let count = section.readers.count();
            if count <= seqs.capacity() {
                seqs.extend(section.readers.seqs());
                return (self.publisher.visible(), seqs);
            }
            drop(section);
            seqs.reserve(count * 2);
        }
    }

    /// Takes a seq to read at, listed until [`Core::end_reading`].
    pub(crate) fn begin_reading(&self) -> (u64, ReaderPlace) {
        let since_micros = self.environment.clock.monotonic_micros();
        let mut spare = None;
        loop {
            let mut section = self.section.lock();
            let visible = self.publisher.visible();
            if let Some(place) = section.readers.begin(Reader { seq: visible, since_micros }) {
                return (visible, place);
            }
            let wanted = section.readers.wanted_room();
            let freed = spare.take().map(|larger| section.readers.make_room(larger));
            drop(section);
            drop(freed);
            spare = Some(Vec::with_capacity(wanted));
        }
    }

    pub(crate) fn end_reading(&self, place: ReaderPlace) {
        self.section.lock().readers.end(place);
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("directory", &self.directory.location())
            .field("state", &self.health.state())
            .finish_non_exhaustive()
    }
}
