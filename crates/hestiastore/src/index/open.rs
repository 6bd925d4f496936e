//! Opening: lock, manifest, types, configuration, segments, replay. Opening alone changes nothing on
//! disk; the first write does (see [`super::first_write`]).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::budget::WriteBudget;
use super::core::Core;
use super::counters::Counters;
use super::delta_cache::DeltaCache;
use super::first_write::{FirstWrite, Recovered};
use super::health::{Health, IndexState};
use super::keeper::Keeper;
use super::log_upkeep::LogKeeper;
use super::publish::Publisher;
use super::refusal::RefusedWrites;
use super::scheduler::Scheduler;
use super::section::Section;
use crate::config::{Config, ConfigPatch, merge_at_open};
use crate::directory::{Directory, DirectoryLock, LockMode};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::manifest::{
    MANIFEST_NAME, ManifestFile, ManifestState, ReadManifest, RunReference, SegmentState, confirm_torn_tail,
    not_an_index, read_manifest,
};
use crate::registry::SegmentRegistry;
use crate::route::RouteMap;
use crate::run::{
    BloomSettings, ChunkCache, EntryKind, FilterPipeline, RunSettings, key_hash, run_file_name,
};
use crate::segment::write_buffer::{WriteBuffer, charge_bytes};
use crate::segment::{Graveyard, Layer, MAIN_RANK, RunHandle, RunRef, Segment, SegmentVersion};
use crate::types::names_match;
use crate::wal::{
    DamagePolicy, Expectations, ListedLog, LogFile, LogReader, LogTail, OperationRef, Predecessor, ReplayEnd,
    parse_log_file_name, read_begin, replay,
};

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
}

/// Opens or creates.
pub(crate) fn open(mut request: OpenRequest) -> Result<Arc<Core>> {
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
    confirm_end(&*request.directory, &read)?;
    request.environment = request.environment.in_epoch(read.state.epoch);
    let core = build(request, config, read.state, lock)?;
    recover(&core)?;
    core.health.advance(IndexState::Ready);
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

/// Writes the manifest of an empty index: one segment that owns every key.
fn create(request: &OpenRequest) -> Result<()> {
    if request.read_only {
        return Err(Error::ReadOnly);
    }
    let config = Config::default().patched(&request.patch);
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
pub(super) fn confirm_end(directory: &dyn Directory, read: &ReadManifest) -> Result<()> {
    let names = list(directory)?;
    confirm_torn_tail(read, highest_edit_named(directory, &names), &missing_runs(&read.state, &names))
}

/// The greatest manifest edit that any log's BEGIN names, of the logs that can be read at all.
fn highest_edit_named(directory: &dyn Directory, names: &[String]) -> Option<u64> {
    let logs = names.iter().filter_map(|name| parse_log_file_name(name));
    let begins = logs.filter_map(|number| read_begin(directory, number).ok().flatten());
    begins.map(|begin| begin.edit_number).max()
}

fn missing_runs(state: &ManifestState, names: &[String]) -> Vec<String> {
    let mut missing = named_runs(state);
    for name in names {
        missing.remove(name);
    }
    missing.into_iter().collect()
}

/// The names of the run files that the state refers to.
pub(super) fn named_runs(state: &ManifestState) -> BTreeSet<String> {
    let runs = state.segments.values().flat_map(|segment| &segment.runs);
    runs.map(|run| run_file_name(run.uid)).collect()
}

fn build(
    request: OpenRequest,
    config: Config,
    state: ManifestState,
    lock: Box<dyn DirectoryLock>,
) -> Result<Arc<Core>> {
    let graveyard = Arc::new(Graveyard::default());
    let segments = segments(&state, &graveyard);
    let cache = ChunkCache::new(config.cache.chunk_bytes);
    let registry = SegmentRegistry::new(
        Arc::clone(&request.directory),
        state.index_uuid,
        cache,
        config.cache.loaded_bytes,
        config.cache.segments.map(|limit| limit as usize),
    );
    Ok(Arc::new(Core {
        run_settings: run_settings(&config, state.hash_seed)?,
        key_type: state.key_type.clone(),
        value_type: state.value_type.clone(),
        index_uuid: state.index_uuid,
        hash_seed: state.hash_seed,
        read_only: request.read_only,
        health: Health::new(),
        directory_lock: Mutex::new(Some(lock)),
        route: ArcSwap::from_pointee(RouteMap::new(1, segments)),
        route_publication: Mutex::new(()),
        registry,
        section: Mutex::new(Section::new(state.index_uuid, state.lineage, 1)),
        publisher: Publisher::new(0),
        budget: WriteBudget::new(config.write_buffer.budget_bytes),
        refused_writes: RefusedWrites::default(),
        frozen_bytes: AtomicU64::new(0),
        logs: LogKeeper::new(),
        next_segment_id: AtomicU64::new(state.next_segment_id),
        manifest: Mutex::new(Keeper::new(state)),
        opened_for_writing: AtomicBool::new(false),
        first_write: Mutex::new(FirstWrite::default()),
        threads: Mutex::default(),
        closing: Mutex::new(()),
        graveyard,
        delta_cache: Mutex::new(DeltaCache::default()),
        scheduler: Scheduler::new(config.maintenance.threads as usize),
        counters: Counters::default(),
        directory: request.directory,
        environment: request.environment,
        config,
    }))
}

fn run_settings(config: &Config, hash_seed: u64) -> Result<RunSettings> {
    let names: Vec<&str> = config.chunk.filters.iter().collect();
    let bloom = match (config.bloom.enabled, config.bloom.size_bytes) {
        (false, _) => BloomSettings::Off,
        (true, None) => BloomSettings::Rate(config.bloom.false_positive_rate),
        (true, Some(bytes)) => BloomSettings::Fixed { bytes, hashes: config.bloom.hashes.unwrap_or(7) },
    };
    Ok(RunSettings {
        block_bytes: config.io.block_bytes as u32,
        buffer_bytes: config.io.buffer_bytes.max(config.io.block_bytes) as u32,
        chunk_max_keys: config.chunk.max_keys,
        chunk_max_bytes: config.chunk.max_bytes as u32,
        pipeline: FilterPipeline::from_names(&names)?,
        bloom,
        hash_seed,
    })
}

fn segments(state: &ManifestState, graveyard: &Arc<Graveyard>) -> Vec<Arc<Segment>> {
    let mut handles: HashMap<u64, Arc<RunHandle>> = HashMap::new();
    let mut in_order: Vec<(&u64, &SegmentState)> = state.segments.iter().collect();
    in_order.sort_by(|a, b| a.1.lower.cmp(&b.1.lower));
    let mut segments = Vec::with_capacity(in_order.len());
    for (id, stored) in in_order {
        let mut version = SegmentVersion {
            active: Arc::new(WriteBuffer::new(0)),
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
    RunHandle::new(run.uid, run.file_bytes, run.max_seq, keys, graveyard)
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

/// Replays the log into the buffers, and sets where seqs and the log go on.
fn recover(core: &Arc<Core>) -> Result<()> {
    let state = core.manifest.lock().state.clone();
    let proven_synced_seq = state.proven_synced_seq();
    let mut recovered = Recovered::default();
    let mut next_seq = 1 + proven_synced_seq.max(state.last_seq);
    if !state.logs.is_empty() {
        let end = replay_logs(core, &state, proven_synced_seq, &mut recovered)?;
        next_seq = next_seq.max(end.next_seq);
        adopt_logs(core, &state, &end, &mut recovered)?;
    }
    let mut section = core.section.lock();
    section.next_seq = next_seq;
    drop(section);
    core.publisher.reset(next_seq - 1);
    core.first_write.lock().recovered = recovered;
    Ok(())
}

fn replay_logs(
    core: &Arc<Core>,
    state: &ManifestState,
    proven_synced_seq: u64,
    recovered: &mut Recovered,
) -> Result<ReplayEnd> {
    let listed = listed_logs(state);
    let expectations = Expectations { proven_synced_seq, policy: DamagePolicy::Fail };
    let route = core.route.load_full();
    let mut first_seq = None;
    let end = replay(&*core.directory, &listed, expectations, &mut |seq, operation| {
        first_seq.get_or_insert(seq);
        apply(core, &route, seq, operation);
        if !core.read_only && core.budget.used_bytes() > core.budget.limit_bytes() {
            core.flush_replayed(seq)?;
        }
        Ok(())
    })?;
    recovered.replayed_seqs = first_seq.map(|first| (first, end.next_seq - 1));
    Ok(end)
}

/// The logs as replay wants them.
pub(super) fn listed_logs(state: &ManifestState) -> Vec<ListedLog> {
    let listed = |log: &crate::manifest::LogState| ListedLog {
        number: log.number,
        uid: log.uid,
        end: log.end.map(|end| (end.offset, end.last_seq)),
    };
    state.logs.iter().map(listed).collect()
}

fn apply(core: &Core, route: &RouteMap, seq: u64, operation: OperationRef<'_>) {
    let (key, kind, value) = match operation {
        OperationRef::Put { key, value } => (key, EntryKind::Put, value),
        OperationRef::Delete { key } => (key, EntryKind::Delete, &[][..]),
    };
    let version = route.find(key).version();
    if seq > version.flushed_seq {
        core.budget.force(charge_bytes(key.len(), value.len()));
        version.active.insert(key, key_hash(core.hash_seed, key), seq, kind, value);
    }
}

/// After a clean close the log goes on where it ended (PROTOCOL L8). After any other end what was
/// replayed is flushed before the first write, and a new log begins (PROTOCOL D6).
fn adopt_logs(core: &Core, state: &ManifestState, end: &ReplayEnd, recovered: &mut Recovered) -> Result<()> {
    let newest_number = state.logs.iter().map(|log| log.number).max().unwrap_or(0);
    let ended_in = state.logs.iter().find(|log| log.number == end.log_number);
    let predecessor =
        Predecessor { uid: ended_in.map_or(0, |log| log.uid), end: end.offset, last_seq: end.next_seq - 1 };
    core.section.lock().predecessor = predecessor;
    let closed_here = |closed: &crate::manifest::Closed| {
        closed.log_number == end.log_number && closed.end_offset == end.offset
    };
    if core.read_only || !state.closed.as_ref().is_some_and(closed_here) || !core.has_log() {
        recovered.flush_needed = true;
        core.logs.adopt(Vec::new(), newest_number, end.synced_seq);
        return Ok(());
    }
    let mut live = Vec::new();
    for log in &state.logs {
        let (_, header) = LogReader::open(&*core.directory, log.number)?;
        let file = LogFile::reopen(&core.directory, log.number, &header, state.edit_number)?;
        match log.number.cmp(&end.log_number) {
            std::cmp::Ordering::Less => file.seal_synced(last_seq_before(core, state, log.number)?),
            std::cmp::Ordering::Equal => {
                file.begin_use();
                core.section.lock().tail = Some(LogTail::new(Arc::clone(&file), end.offset));
            }
            std::cmp::Ordering::Greater => core.section.lock().next_log = Some(Arc::clone(&file)),
        }
        live.push(file);
    }
    core.logs.adopt(live, newest_number, end.next_seq - 1);
    Ok(())
}

/// The last seq of a log that another one follows, as that one's BEGIN names it.
fn last_seq_before(core: &Core, state: &ManifestState, number: u64) -> Result<u64> {
    let successor = state.logs.iter().map(|log| log.number).filter(|other| *other > number).min();
    let begin = successor.map(|next| read_begin(&*core.directory, next)).transpose()?.flatten();
    // Unknown: as if it held everything; then it stays until all is flushed.
    Ok(begin.map_or(u64::MAX - 1, |begin| begin.predecessor_last_seq))
}

impl Core {
    /// Sets the counter of runs moved to quarantine.
    pub(super) fn count_quarantined(&self) {
        self.counters.quarantined_files.fetch_add(1, Ordering::Relaxed);
    }
}
