//! The way of a write: room, commit section, log, buffers, publication (PROTOCOL C1 to C4).
//!
//! ```text
//! encode the record -> route -> take room -> [commit section: seq, ticket, log place, buffers]
//!     -> write the log -> insert -> complete the ticket -> wait until visible -> sync, if asked
//! ```
//!
//! A single put is a batch of one: there is one way in.

use std::sync::Arc;
use std::time::Instant;

use super::budget::NoRoom;
use super::core::Core;
use super::refusal::Need;
use super::section::Placed;
use super::stalls::StallCause;
use crate::config::Durability;
use crate::error::{Error, Result};
use crate::metrics::{SegmentCount, Stopwatch, Timed};
use crate::route::RouteMap;
use crate::run::{EntryKind, key_hash};
use crate::segment::write_buffer::{WriteBuffer, charge_bytes};
use crate::sync::thread;
use crate::wal::{OperationRef, RecordBuilder};

/// Longest key, in bytes as encoded.
pub const MAX_KEY_BYTES: usize = 65_535;
/// Longest value, in bytes as encoded: 1 GiB.
pub const MAX_VALUE_BYTES: usize = 1 << 30;

/// A write under way, and the memory that it needs. Reused by its thread.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    record: RecordBuilder,
    charge_bytes: u64,
    /// Bytes of keys and values.
    given_bytes: u64,
    /// For each operation the place of its segment in the route map.
    targets: Vec<usize>,
    /// The distinct places, ascending, and the buffer that each commit section found there.
    places: Vec<usize>,
    buffers: Vec<Arc<WriteBuffer>>,
}

/// What stood in the way in the commit section.
enum Obstacle {
    /// The route map has changed.
    Stale,
    /// The log is full and the next one is not ready.
    NoLog,
    /// Too many commits are under way.
    Crowded,
}

impl Commit {
    pub(crate) fn clear(&mut self) {
        const KEPT_OPERATIONS: usize = 1_024;
        self.record.clear();
        self.targets.clear();
        self.targets.shrink_to(KEPT_OPERATIONS);
        self.charge_bytes = 0;
        self.given_bytes = 0;
    }

    pub(crate) fn operation_count(&self) -> u64 {
        self.record.operation_count()
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_key(key)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLong { length: value.len(), limit: MAX_VALUE_BYTES });
        }
        self.record.push_put(key, value)?;
        self.charge_bytes += charge_bytes(key.len(), value.len());
        self.given_bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<()> {
        check_key(key)?;
        self.record.push_delete(key)?;
        self.charge_bytes += charge_bytes(key.len(), 0);
        self.given_bytes += key.len() as u64;
        Ok(())
    }

    /// Finds the segment of each operation.
    fn route(&mut self, route: &RouteMap) {
        self.targets.clear();
        for operation in self.record.operations() {
            self.targets.push(route.place_of(operation.key()));
        }
        self.places.clear();
        self.places.extend_from_slice(&self.targets);
        self.places.sort_unstable();
        self.places.dedup();
        self.buffers.clear();
        self.buffers.reserve(self.places.len());
    }

    /// Puts every operation into the buffer that the commit section named. Returns what the buffers are charged
    /// beyond `charge_bytes`.
    fn insert(&self, hash_seed: u64, first_seq: u64) -> u64 {
        let mut grown_bytes = 0;
        for (i, operation) in self.record.operations().enumerate() {
            let place = self.places.binary_search(&self.targets[i]).unwrap_or_default();
            let (key, kind, value) = match operation {
                OperationRef::Put { key, value } => (key, EntryKind::Put, value),
                OperationRef::Delete { key } => (key, EntryKind::Delete, &[][..]),
            };
            let seq = first_seq + i as u64;
            grown_bytes += self.buffers[place].insert(key, key_hash(hash_seed, key), seq, kind, value);
        }
        grown_bytes
    }
}

pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    if key.len() <= MAX_KEY_BYTES {
        return Ok(());
    }
    Err(Error::KeyTooLong { length: key.len(), limit: MAX_KEY_BYTES })
}

impl Core {
    /// Commits all operations of `commit` at once. Returns when they are visible, and safe as far as
    /// `durability` says.
    pub(crate) fn commit(
        self: &Arc<Self>,
        commit: &mut Commit,
        durability: Durability,
        kind: Timed,
    ) -> Result<()> {
        self.counters.count_write(kind, commit.operation_count(), commit.given_bytes);
        let mut stopwatch = Stopwatch::start(kind);
        let outcome = self.commit_timed(commit, durability, &mut stopwatch);
        self.counters.latencies.record(kind, stopwatch);
        outcome
    }

    fn commit_timed(
        self: &Arc<Self>,
        commit: &mut Commit,
        durability: Durability,
        stopwatch: &mut Stopwatch,
    ) -> Result<()> {
        self.check_writable()?;
        let synced = matches!(durability, Durability::GroupSync | Durability::Sync);
        if synced || !self.is_opened_for_writing() {
            stopwatch.note_wait();
        }
        self.ensure_opened_for_writing()?;
        if commit.operation_count() == 0 {
            return Ok(());
        }
        self.take_room(commit.charge_bytes, stopwatch)?;
        let _timed = self.foreground.time();
        commit.record.finish_body();
        let placed = match self.enter_section(commit, stopwatch) {
            Ok(placed) => placed,
            Err(error) => {
                self.budget.release(commit.charge_bytes);
                return Err(error);
            }
        };
        self.carry_out(commit, &placed)?;
        self.wake_flush_if_needed();
        self.wait_visible(placed.last_seq, stopwatch)?;
        if synced {
            let delay = if durability == Durability::GroupSync {
                self.config.log.group_delay
            } else {
                Default::default()
            };
            self.sync_through(placed.last_seq, delay)
                .map_err(|_| Error::Indeterminate { cause: self.health.cause() })?;
        }
        Ok(())
    }

    /// Takes room in the write budget, slowed or waiting in line where there is little or none (PROTOCOL C2).
    fn take_room(&self, bytes: u64, stopwatch: &mut Stopwatch) -> Result<()> {
        if self.budget.try_take(bytes) {
            return Ok(());
        }
        stopwatch.note_wait();
        let start = Instant::now();
        let ask_for_room = || {
            self.scheduler.ask_for_room();
            self.cause_of_full_budget()
        };
        let (taken, held_up_by) =
            self.budget.take(bytes, ask_for_room, || self.refused_writes.cause_of(Need::Flush));
        if let Some(cause) = held_up_by {
            self.counters.stalls.note(cause, start.elapsed());
            self.tell_stalled(start.elapsed());
        }
        taken.map_err(|no_room| match no_room {
            NoRoom::Refused(cause) if !self.health.has_failed() => Error::WritesRefused { cause },
            _ => self.health.refusal(),
        })
    }

    fn enter_section(&self, commit: &mut Commit, stopwatch: &mut Stopwatch) -> Result<Placed> {
        let mut stale = 0;
        loop {
            // After two times the route map is held still (PROTOCOL C2).
            let held = (stale >= 2).then(|| self.route_publication.lock());
            let route = self.route.load();
            commit.route(&route);
            match self.try_place(commit, &route)? {
                Ok(placed) => {
                    for target in &commit.targets {
                        route.segments()[*target].counters.count(SegmentCount::Writes);
                    }
                    return Ok(placed);
                }
                Err(Obstacle::Stale) => {
                    stale += 1;
                    debug_assert!(stale <= 2, "a route that is held still does not change");
                }
                Err(Obstacle::NoLog) => {
                    drop(held);
                    stopwatch.note_wait();
                    let start = Instant::now();
                    self.prepare_next_log(commit.record.record_bytes())?;
                    self.counters.stalls.note(StallCause::Log, start.elapsed());
                }
                Err(Obstacle::Crowded) => {
                    drop(held);
                    stopwatch.note_wait();
                    self.wait_for_other_commits()?;
                }
            }
        }
    }

    /// Waits until one more commit may be under way.
    fn wait_for_other_commits(&self) -> Result<()> {
        let start = Instant::now();
        loop {
            self.check_writable()?;
            thread::yield_now();
            let next_ticket = self.section.lock().next_ticket;
            if self.publisher.has_room(next_ticket) {
                break;
            }
        }
        self.counters.stalls.note(StallCause::Commits, start.elapsed());
        Ok(())
    }

    /// Waits until what was committed through `seq` can be read.
    fn wait_visible(&self, seq: u64, stopwatch: &mut Stopwatch) -> Result<()> {
        if self.publisher.is_visible_soon(seq) {
            return Ok(());
        }
        stopwatch.note_wait();
        let start = Instant::now();
        let visible = self.publisher.wait_visible(seq);
        self.counters.stalls.note(StallCause::Visibility, start.elapsed());
        visible.map_err(|_| Error::Indeterminate { cause: self.health.cause() })
    }

    /// The commit section.
    fn try_place(&self, commit: &mut Commit, route: &RouteMap) -> Result<Result<Placed, Obstacle>> {
        let record_bytes = self.has_log().then(|| commit.record.record_bytes());
        let operations = commit.operation_count();
        let mut section = self.section.lock();
        if !section.accepting {
            drop(section);
            return Err(self.health.refusal());
        }
        if section.route_generation != route.generation {
            return Ok(Err(Obstacle::Stale));
        }
        if !self.publisher.has_room(section.next_ticket) {
            return Ok(Err(Obstacle::Crowded));
        }
        let Some(placed) = section.place(operations, record_bytes) else {
            return Ok(Err(Obstacle::NoLog));
        };
        for place in &commit.places {
            commit.buffers.push(Arc::clone(&route.segments()[*place].version().active));
        }
        Ok(Ok(placed))
    }

    /// After the section: nothing may fail but I/O, and that ends the index (PROTOCOL C4).
    pub(super) fn carry_out(&self, commit: &mut Commit, placed: &Placed) -> Result<()> {
        let unfinished = Unfinished(self);
        if let Some(place) = &placed.log {
            let delta = place.log.seq_delta(placed.first_seq);
            let record = commit.record.seal(place.log.uid, place.offset, delta);
            if let Err(error) = place.write(placed.first_seq, record) {
                self.fail(&error);
                std::mem::forget(unfinished);
                return Err(Error::Indeterminate { cause: self.health.cause() });
            }
            if place.begin.is_some() {
                self.logs.want_next();
            }
        }
        let grown_bytes = commit.insert(self.hash_seed, placed.first_seq);
        // Before the write is visible: a flush, which waits for that, gives all of it back.
        if grown_bytes > 0 {
            self.budget.force(grown_bytes);
        }
        commit.buffers.clear();
        self.publisher.complete(placed.ticket, placed.last_seq);
        std::mem::forget(unfinished);
        if let Some(place) = &placed.log {
            place.make_ready_behind(commit.record.record_bytes());
        }
        Ok(())
    }

    /// Asks for flushes while active buffers hold too much.
    pub(crate) fn wake_flush_if_needed(&self) {
        if self.must_flush_active() {
            self.scheduler.signal_pressure();
        }
    }

    /// Active buffers are flushed, the fullest first, while they hold more than this.
    pub(crate) fn flush_trigger_bytes(&self) -> u64 {
        self.budget.limit_bytes() / 2
    }
}

/// A commit between its section and its completion. Dropped by a panic, it ends the index: its ticket
/// would never complete.
struct Unfinished<'a>(&'a Core);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.fail(&Error::Failed { cause: "a writer panicked".into() });
    }
}

#[cfg(test)]
pub(super) mod tests;
