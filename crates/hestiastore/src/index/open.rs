//! Opening: lock, manifest, types, configuration, segments, replay. Opening alone changes nothing on
//! disk; the first write does (see [`super::first_write`]).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::WriteBudget;
use super::core::Core;
use super::counters::Counters;
use super::delta_cache::DeltaCache;
use super::first_write::FirstWrite;
use super::health::{Health, IndexState};
use super::keeper::Keeper;
use super::log_upkeep::LogKeeper;
use super::publish::Publisher;
use super::recovery::recover;
use super::refusal::{BackgroundFailures, RefusedWrites};
use super::retry::Retry;
use super::runtime::Runtime;
use super::scheduler::Scheduler;
use super::section::Section;
use super::tell::{name_of, opening_span};
use super::throttle::{Foreground, TokenBucket};
use crate::config::{Config, ConfigPatch, merge_at_open};
use crate::directory::{Directory, DirectoryLock, LockMode, MeteredDirectory};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::manifest::{
    MANIFEST_NAME, ManifestFile, ManifestState, ReadManifest, RunReference, SegmentState, confirm_torn_tail,
    not_an_index, read_manifest,
};
use crate::registry::SegmentRegistry;
use crate::route::RouteMap;
use crate::run::{ChunkCache, Run, RunSettings, run_file_name};
use crate::segment::write_buffer::{SlabPool, WriteBuffer};
use crate::segment::{
    Graveyard, LAYERS_PER_FAN_IN, Layer, MAIN_RANK, RunHandle, RunRef, Scratch, Segment, SegmentVersion,
};
use crate::sync::ArcSwap;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, OnceLock, RwLock};
use crate::types::names_match;
use crate::wal::{RecoveryPolicy, listed_logs, logs_given_up, parse_log_file_name, read_begin};

/// Whether there must be an index already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existence {
    MustNot,
    Must,
    May,
}

/// What an index is opened with.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) environment: Environment,
    pub(crate) patch: ConfigPatch,
    pub(crate) key_type: String,
    pub(crate) value_type: String,
    pub(crate) existence: Existence,
    pub(crate) read_only: bool,
    pub(crate) recovery: RecoveryPolicy,
    /// Whose threads do its maintenance; its own by default.
    pub(crate) runtime: Option<Runtime>,
}

/// Opens or creates.
pub(crate) fn open(mut request: OpenRequest) -> Result<Arc<Core>> {
    let start = Instant::now();
    let _span = opening_span(&name_of(&request.directory.location())).entered();
    let counters = Counters::default();
    request.directory = Arc::new(MeteredDirectory::new(request.directory, Arc::clone(&counters.io)));
    if request.existence == Existence::Must {
        refuse_foreign(&*request.directory)?;
    }
    let mode = if request.read_only { LockMode::Shared } else { LockMode::Exclusive };
    let lock = take_lock(&*request.directory, mode)?;
    let names = list(&*request.directory)?;
    let exists = names.iter().any(|name| name == MANIFEST_NAME);
    match request.existence {
        Existence::MustNot => refuse_existing(&request, &names)?,
        Existence::May if !exists => refuse_existing(&request, &names)?,
        _ => {}
    }
    if request.existence != Existence::Must && !exists {
        create(&request)?;
    }
    let read = read_manifest(&*request.directory)?;
    check_types(&read.state, &request)?;
    let stored = Config::decode(&read.state.config)?;
    let config = merge_at_open(&stored, &request.patch)?;
    confirm_end(&request.directory, &read)?;
    request.environment = request.environment.in_epoch(read.state.epoch);
    let policy = request.recovery;
    let core = build(request, config, read.state, lock, counters)?;
    recover(&core, policy)?;
    core.health.advance(IndexState::Ready);
    core.tell_opened(start.elapsed());
    Ok(core)
}

/// Refuses a directory without a manifest before the lock leaves a file in what is somebody else's.
pub(super) fn refuse_foreign(directory: &dyn Directory) -> Result<()> {
    let names = list(directory)?;
    if names.iter().any(|name| name == MANIFEST_NAME) {
        return Ok(());
    }
    Err(not_an_index(directory))
}

pub(super) fn take_lock(directory: &dyn Directory, mode: LockMode) -> Result<Box<dyn DirectoryLock>> {
    let location = directory.location();
    directory.lock(mode).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { directory: location, holder: error.to_string() },
        _ => Error::io("lock", location, error),
    })
}

pub(super) fn list(directory: &dyn Directory) -> Result<Vec<String>> {
    directory.list().map_err(|source| Error::io("list", directory.location(), source))
}

/// PROTOCOL D9: `create` refuses a directory that holds an index, runs or logs.
fn refuse_existing(request: &OpenRequest, names: &[String]) -> Result<()> {
    let ours =
        |name: &&String| *name == MANIFEST_NAME || is_run_name(name) || parse_log_file_name(name).is_some();
    match names.iter().find(ours) {
        Some(found) => {
            Err(Error::AlreadyExists { directory: request.directory.location(), found: found.clone() })
        }
        None => Ok(()),
    }
}

pub(super) fn is_run_name(name: &str) -> bool {
    name.starts_with("run-") && name.ends_with(".sst")
}

/// The uid that a run's name says.
pub(super) fn run_uid(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("run-")?.strip_suffix(".sst")?;
    u64::from_str_radix(digits, 16).ok()
}

/// Writes the manifest of an empty index: one segment that owns every key.
fn create(request: &OpenRequest) -> Result<()> {
    if request.read_only {
        return Err(Error::ReadOnly);
    }
    let config = Config::default().configured(&request.patch);
    config.validate()?;
    if [&request.key_type, &request.value_type].iter().any(|name| *name == "*") {
        let problem = "a new index needs the names of its key and value types".to_owned();
        return Err(Error::InvalidConfig { problems: vec![problem] });
    }
    let random = &request.environment.random;
    let segment = SegmentState {
        lower: Vec::new(),
        upper: None,
        flushed_seq: 0,
        next_rank: MAIN_RANK + 1,
        runs: Vec::new(),
    };
    let state = ManifestState {
        index_uuid: (u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())).max(1),
        lineage: random.next_u64(),
        key_type: request.key_type.clone(),
        value_type: request.value_type.clone(),
        hash_seed: random.next_u64(),
        config: config.encode(),
        next_segment_id: 2,
        segments: [(1, segment)].into(),
        keyspaces: [(0, "default".to_owned())].into(),
        ..ManifestState::default()
    };
    ManifestFile::create(&*request.directory, &request.environment, &state).map(drop)
}

fn check_types(state: &ManifestState, request: &OpenRequest) -> Result<()> {
    let check = |role, stored: &String, requested: &String| {
        if names_match(stored, requested) {
            return Ok(());
        }
        Err(Error::TypeMismatch { role, stored: stored.clone(), requested: requested.clone() })
    };
    check("key", &state.key_type, &request.key_type)?;
    check("value", &state.value_type, &request.value_type)
}

/// What the manifest alone cannot tell about its end (D6).
pub(super) fn confirm_end(directory: &Arc<dyn Directory>, read: &ReadManifest) -> Result<()> {
    let names = list(&**directory)?;
    let missing = missing_files(directory, read, &names)?;
    confirm_torn_tail(read, highest_edit_named(directory, &read.state, &names), &missing)
}

/// The greatest manifest edit that any log's BEGIN names, or any run that the state does not know, of those
/// that can be read at all.
pub(super) fn highest_edit_named(
    directory: &Arc<dyn Directory>,
    state: &ManifestState,
    names: &[String],
) -> Option<u64> {
    let logs = names.iter().filter_map(|name| parse_log_file_name(name));
    let begins = logs.filter_map(|number| read_begin(&**directory, number).ok().flatten());
    let known = named_runs(state);
    let unknown = names.iter().filter(|name| !known.contains(*name)).filter_map(|name| run_uid(name));
    let runs = unknown.filter_map(|uid| open_unnamed_run(directory, uid, state.index_uuid));
    let edits_of_runs = runs.map(|run| run.properties().identity.edit_number);
    begins.map(|begin| begin.edit_number).chain(edits_of_runs).max()
}

/// A run that no edit names, if it is a whole one of this index.
pub(super) fn open_unnamed_run(directory: &Arc<dyn Directory>, uid: u64, index_uuid: u128) -> Option<Run> {
    Run::open(directory, uid, index_uuid, ChunkCache::new(0)).ok()
}

/// The files of the state that are not there: runs, and logs too where the manifest's last edit may be lost,
/// which may be the one that gave them up. Otherwise replay speaks of missing logs.
fn missing_files(
    directory: &Arc<dyn Directory>,
    read: &ReadManifest,
    names: &[String],
) -> Result<Vec<String>> {
    let mut missing = named_runs(&read.state);
    for name in names {
        missing.remove(name);
    }
    if read.ends_torn() {
        missing.extend(logs_given_up(&**directory, &listed_logs(&read.state))?);
    }
    Ok(missing.into_iter().collect())
}

/// The names of the run files that the state refers to.
pub(super) fn named_runs(state: &ManifestState) -> BTreeSet<String> {
    let runs = state.segments.values().flat_map(|segment| &segment.runs);
    runs.map(|run| run_file_name(run.uid)).collect()
}

fn build(
    mut request: OpenRequest,
    config: Config,
    state: ManifestState,
    lock: Box<dyn DirectoryLock>,
    counters: Counters,
) -> Result<Arc<Core>> {
    let stored_config = config.encode();
    let stored_write_budget_bytes = config.write_buffer.budget_bytes;
    let available_bytes = request.environment.memory.limit_bytes();
    let config = config.fitted_to_processors(request.environment.processors).fitted_to(available_bytes);
    let graveyard = Arc::new(Graveyard::default());
    let slabs = SlabPool::new(config.spare_slab_bytes());
    let segments = segments(&state, &graveyard, &slabs);
    let cache = ChunkCache::new(config.cache.chunk_bytes);
    let registry = SegmentRegistry::new(
        Arc::clone(&request.directory),
        state.index_uuid,
        cache,
        config.cache.loaded_bytes,
        config.cache.segments.map(|limit| limit as usize),
    );
    let runtime = request.runtime.take().unwrap_or_else(|| Runtime::of_one_index(&config));
    let scheduler = Scheduler::new(
        Arc::clone(runtime.pool()),
        Arc::clone(&request.environment.clock),
        config.segment.delta_fan_in as usize * LAYERS_PER_FAN_IN,
    );
    Ok(Arc::new(Core {
        available_bytes,
        stored_write_budget_bytes,
        name: name_of(&request.directory.location()).into(),
        run_settings: RunSettings::of(&config, state.hash_seed)?,
        key_type: state.key_type.clone(),
        value_type: state.value_type.clone(),
        index_uuid: state.index_uuid,
        hash_seed: state.hash_seed,
        read_only: request.read_only,
        health: Health::new(),
        log_loss: OnceLock::new(),
        background_failures: BackgroundFailures::default(),
        merge_retry: Retry::new(Duration::from_secs(1), Duration::from_secs(60)),
        flush_retry: Retry::new(Duration::from_millis(100), Duration::from_secs(2)),
        log_retry: Retry::new(Duration::from_millis(100), Duration::from_secs(2)),
        directory_lock: Mutex::new(Some(lock)),
        route: ArcSwap::from_pointee(RouteMap::new(1, segments)),
        route_publication: Mutex::new(()),
        registry,
        section: Mutex::new(Section::new(state.index_uuid, state.lineage, 1)),
        publisher: Publisher::new(0),
        budget: WriteBudget::new(config.write_buffer.budget_bytes, Arc::clone(&request.environment.clock)),
        slabs,
        scratch: Scratch::default(),
        refused_writes: RefusedWrites::default(),
        frozen_bytes: AtomicU64::new(0),
        logs: LogKeeper::new(),
        next_segment_id: AtomicU64::new(state.next_segment_id),
        manifest: Mutex::new(Keeper::new(state)),
        opened_for_writing: AtomicBool::new(false),
        first_write: Mutex::new(FirstWrite::default()),
        listed_logs_renewed: AtomicBool::new(false),
        threads: Mutex::default(),
        runtime: Mutex::new(Some(runtime)),
        closing: Mutex::new(()),
        callers_at_work: RwLock::new(()),
        graveyard,
        delta_cache: Mutex::new(DeltaCache::default()),
        scheduler: Arc::new(scheduler),
        foreground: Foreground::new(config.maintenance.latency_target),
        limited: TokenBucket::default(),
        slowed: TokenBucket::default(),
        background_scrub: Mutex::default(),
        idle_work: Mutex::default(),
        counters,
        directory: request.directory,
        environment: request.environment,
        config,
        stored_config,
    }))
}

fn segments(state: &ManifestState, graveyard: &Arc<Graveyard>, slabs: &Arc<SlabPool>) -> Vec<Arc<Segment>> {
    let mut handles: HashMap<u64, Arc<RunHandle>> = HashMap::new();
    let mut in_order: Vec<(&u64, &SegmentState)> = state.segments.iter().collect();
    in_order.sort_by(|a, b| a.1.lower.cmp(&b.1.lower));
    let mut segments = Vec::with_capacity(in_order.len());
    for (id, stored) in in_order {
        let mut version = SegmentVersion {
            active: Arc::new(WriteBuffer::in_pool(0, slabs)),
            layers: Vec::new(),
            main: Vec::new(),
            flushed_seq: stored.flushed_seq,
            next_rank: stored.next_rank,
        };
        for run in &stored.runs {
            let handle = handles.entry(run.uid).or_insert_with(|| handle(run, graveyard));
            add_reference(&mut version, run, handle);
        }
        version.layers.sort_by_key(|layer| std::cmp::Reverse(layer.rank));
        let upper = stored.upper.clone().map(Into::into);
        segments.push(Segment::new(*id, stored.lower.clone().into(), upper, version));
    }
    segments
}

fn handle(run: &RunReference, graveyard: &Arc<Graveyard>) -> Arc<RunHandle> {
    let keys = (run.smallest_key.clone().into(), run.largest_key.clone().into());
    RunHandle::new(run.uid, run.file_bytes, run.max_seq, keys, 0, graveyard)
}

fn add_reference(version: &mut SegmentVersion, run: &RunReference, handle: &Arc<RunHandle>) {
    let reference = Arc::new(RunRef {
        handle: Arc::clone(handle),
        lower: run.lower.clone().into(),
        upper: run.upper.clone().map(Into::into),
        rank: run.rank,
        stored_bytes: run.stored_bytes,
        entries: run.entries,
        tombstones: run.tombstones,
    });
    if run.rank == MAIN_RANK {
        version.add_to_main(vec![reference]);
        return;
    }
    match version.layers.iter_mut().find(|layer| layer.rank == run.rank) {
        Some(layer) => {
            layer.runs.push(reference);
            layer.runs.sort_by(|a, b| a.first_key().cmp(b.first_key()));
        }
        None => version.layers.push(Layer { rank: run.rank, buffer: None, runs: vec![reference] }),
    }
}
