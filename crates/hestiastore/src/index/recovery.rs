//! Recovery: the log is replayed into the write buffers, and it is settled where seqs and logs go on.
//! Nothing is changed on disk, unless the log outgrows the write budget; see [`super::first_write`].

use std::sync::Arc;
use std::time::Instant;

use super::core::Core;
use super::first_write::{LogCut, Recovered};
use super::log_loss::LogLoss;
use super::open::list;
use crate::error::{Error, Result};
use crate::manifest::{Closed, ManifestState};
use crate::route::RouteMap;
use crate::run::{EntryKind, key_hash};
use crate::segment::write_buffer::charge_bytes;
use crate::wal::{
    Expectations, LogFile, LogReader, LogTail, OperationRef, Predecessor, RecoveryPolicy, ReplayEnd,
    listed_logs, parse_log_file_name, read_begin, replay,
};

/// Replays the log into the buffers, and sets where seqs and the log go on.
pub(super) fn recover(core: &Arc<Core>, policy: RecoveryPolicy) -> Result<()> {
    let start = Instant::now();
    let _span = core.recovery_span().entered();
    let state = core.manifest.lock().state.clone();
    let proven_synced_seq = state.proven_synced_seq();
    let mut recovered = Recovered::default();
    let mut next_seq = 1 + proven_synced_seq.max(state.last_seq);
    if !state.logs.is_empty() {
        let end = replay_logs(core, &state, Expectations { proven_synced_seq, policy }, &mut recovered)?;
        next_seq = next_seq.max(end.next_seq);
        if let Some(report) = end.cut.clone() {
            // Not even what is given up lends its seqs to others.
            next_seq = next_seq.max(report.proven_synced_seq.max(report.later_seq) + 1);
            recovered.cut =
                Some(LogCut { log_number: end.log_number, offset: end.offset, last_seq: end.next_seq - 1 });
            let _ = core.log_loss.set(LogLoss::new(report, &state));
        }
        adopt_logs(core, &state, &end, &mut recovered)?;
    }
    let mut section = core.section.lock();
    section.next_seq = next_seq;
    drop(section);
    core.logs.note_numbers_through(newest_log_number(core, &state)?);
    core.publisher.reset(next_seq - 1);
    core.first_write.lock().recovered = recovered;
    core.tell_recovered(start.elapsed());
    Ok(())
}

fn replay_logs(
    core: &Arc<Core>,
    state: &ManifestState,
    expectations: Expectations,
    recovered: &mut Recovered,
) -> Result<ReplayEnd> {
    let listed = listed_logs(state);
    let route = core.route.load_full();
    let mut first_seq = None;
    // On a full disk the rest is held in memory: the index opens all the same.
    let mut flush_early = !core.read_only;
    let end = replay(&*core.directory, &listed, expectations, &mut |seq, operation| {
        first_seq.get_or_insert(seq);
        apply(core, &route, seq, operation);
        if flush_early && core.budget.used_bytes() > core.budget.limit_bytes() {
            match core.flush_replayed(seq) {
                Err(Error::WritesRefused { .. }) => flush_early = false,
                outcome => outcome?,
            }
        }
        Ok(())
    })?;
    recovered.replayed_seqs = first_seq.map(|first| (first, end.next_seq - 1));
    Ok(end)
}

fn apply(core: &Core, route: &RouteMap, seq: u64, operation: OperationRef<'_>) {
    let (key, kind, value) = match operation {
        OperationRef::Put { key, value } => (key, EntryKind::Put, value),
        OperationRef::Delete { key } => (key, EntryKind::Delete, &[][..]),
    };
    let version = route.find(key).version();
    if seq > version.flushed_seq {
        let grown_bytes = version.active.insert(key, key_hash(core.hash_seed, key), seq, kind, value);
        core.budget.force(charge_bytes(key.len(), value.len()) + grown_bytes);
    }
}

/// After a clean close the log goes on where it ended (PROTOCOL L8). After any other end what was
/// replayed is flushed before the first write, and a new log begins (PROTOCOL D6).
fn adopt_logs(core: &Core, state: &ManifestState, end: &ReplayEnd, recovered: &mut Recovered) -> Result<()> {
    let ended_in = state.logs.iter().find(|log| log.number == end.log_number);
    let predecessor =
        Predecessor { uid: ended_in.map_or(0, |log| log.uid), end: end.offset, last_seq: end.next_seq - 1 };
    core.section.lock().predecessor = predecessor;
    let closed_here =
        |closed: &Closed| closed.log_number == end.log_number && closed.end_offset == end.offset;
    let go_on = state.closed.as_ref().is_some_and(closed_here) && end.cut.is_none();
    if core.read_only || !go_on || !core.has_log() {
        recovered.flush_needed = true;
        core.logs.adopt(Vec::new(), end.synced_seq);
        return Ok(());
    }
    let mut live = Vec::new();
    for log in &state.logs {
        let (_, header) = LogReader::open(&*core.directory, log.number)?;
        let file =
            LogFile::reopen(&core.directory, log.number, &header, state.edit_number, core.config.log.io)?;
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
    core.logs.adopt(live, end.next_seq - 1);
    Ok(())
}

/// The greatest number that a log has, or had: a name that is still to be deleted, or that a file has which could
/// not be, must not come to stand for another log.
fn newest_log_number(core: &Core, state: &ManifestState) -> Result<u64> {
    let names = list(&*core.directory)?;
    let by_names = names.iter().chain(&state.pending_deletions).filter_map(|name| parse_log_file_name(name));
    Ok(state.logs.iter().map(|log| log.number).chain(by_names).max().unwrap_or(0))
}

/// The last seq of a log that another one follows, as that one's BEGIN names it.
fn last_seq_before(core: &Core, state: &ManifestState, number: u64) -> Result<u64> {
    let successor = state.logs.iter().map(|log| log.number).filter(|other| *other > number).min();
    let begin = successor.map(|next| read_begin(&*core.directory, next)).transpose()?.flatten();
    // Unknown: as if it held everything; then it stays until all is flushed.
    Ok(begin.map_or(u64::MAX - 1, |begin| begin.predecessor_last_seq))
}
