//! Care for the log: the next file ready, syncs with their witness, old files recycled or deleted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::counters::add;
use super::health::IndexState;
use super::refusal::Need;
use super::retry::Retry;
use crate::config::Durability;
use crate::error::Result;
use crate::manifest::Change;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, thread};
use crate::wal::{
    BEGIN_RECORD_BYTES, LOG_HEADER_BYTES, LogFile, LogPlan, SYNC_RECORD_BYTES, SyncGate, SyncMark,
};

/// So many log files wait to be recycled at most.
const SPARE_FILES: usize = 2;
/// Capacities are multiples of this.
const CAPACITY_STEP_BYTES: u64 = 64 * 1024;

/// The live logs of an index and those who care for them.
#[derive(Debug)]
pub(crate) struct LogKeeper {
    /// Listed logs, oldest first; the last may be unused yet.
    live: Mutex<VecDeque<Arc<LogFile>>>,
    /// Names and capacities of files below the floor, to be recycled.
    spare: Mutex<Vec<(String, u64)>>,
    gate: SyncGate,
    /// Held by the one who makes a log ready.
    preparing: Mutex<()>,
    /// Held by the one who raises the floor: it may only rise.
    trimming: Mutex<()>,
    /// Number of the newest log there ever was.
    newest_number: AtomicU64,
    errand: Mutex<Errand>,
    called: Condvar,
}

/// What the log thread is asked for.
#[derive(Debug, Default)]
struct Errand {
    want_next: bool,
    /// Something has failed and is to be tried again, earlier than the thread may wake.
    look_again: bool,
    stop: bool,
}

impl LogKeeper {
    pub(crate) fn new() -> Self {
        Self {
            live: Mutex::default(),
            spare: Mutex::default(),
            gate: SyncGate::new(0),
            preparing: Mutex::new(()),
            trimming: Mutex::new(()),
            newest_number: AtomicU64::new(0),
            errand: Mutex::default(),
            called: Condvar::new(),
        }
    }

    /// Takes over what recovery found: the logs to go on with, and the last seq that is known to be on disk.
    pub(crate) fn adopt(&self, live: Vec<Arc<LogFile>>, synced_seq: u64) {
        *self.live.lock() = live.into();
        self.gate.reset(synced_seq);
    }

    /// Numbers up to this one were used: new logs get greater ones.
    pub(crate) fn note_numbers_through(&self, newest_number: u64) {
        self.newest_number.fetch_max(newest_number, Ordering::Relaxed);
    }

    pub(crate) fn synced_seq(&self) -> u64 {
        self.gate.synced_seq()
    }

    /// The index has failed: nobody is to wait for a sync.
    pub(crate) fn fail(&self) {
        self.gate.fail();
    }

    /// Number of live files and their bytes.
    pub(crate) fn live_size(&self) -> (u64, u64) {
        let live = self.live.lock();
        (live.len() as u64, live.iter().map(|log| log.capacity_bytes).sum())
    }

    /// Memory held for writes to come.
    pub(crate) fn ready_bytes(&self) -> u64 {
        self.live.lock().iter().map(|log| log.ready_bytes()).sum()
    }

    /// Asks the log thread for the next file. Called by the writer that began to use the last one.
    pub(crate) fn want_next(&self) {
        self.errand.lock().want_next = true;
        self.called.notify_all();
    }

    /// Lets the log thread see anew how long it may sleep.
    pub(crate) fn look_again(&self) {
        self.errand.lock().look_again = true;
        self.called.notify_all();
    }

    /// Waits for a log that is being made ready.
    pub(crate) fn wait_prepared(&self) {
        drop(self.preparing.lock());
    }

    /// Ends the log thread.
    pub(crate) fn stop(&self) {
        self.errand.lock().stop = true;
        self.called.notify_all();
    }

    fn wait_for_errand(&self, at_most: Duration) -> Errand {
        let mut errand = self.errand.lock();
        if !errand.stop && !errand.want_next && !errand.look_again {
            self.called.wait_for(&mut errand, at_most);
        }
        let stop = errand.stop;
        std::mem::replace(&mut *errand, Errand { stop, ..Errand::default() })
    }
}

/// What is due and was not done, as a flush that waits for a thread, is looked at no more often than this.
const LEAST_SLEEP: Duration = Duration::from_millis(50);

/// The log thread: prepares files and, in the mode `Buffered`, syncs now and then. Tries again what failed.
pub(crate) fn run_log_thread(core: &Core) {
    loop {
        let errand = core.logs.wait_for_errand(core.longest_sleep());
        if errand.stop {
            return;
        }
        if core.health.state() != IndexState::Ready {
            continue;
        }
        core.retry_failed_jobs();
        core.log_round(errand.want_next);
    }
}

impl Core {
    /// How long the log thread may sleep: until the next sync, or until something is to be tried again.
    fn longest_sleep(&self) -> Duration {
        let interval = self.config.log.sync_interval;
        let now_micros = self.environment.clock.monotonic_micros();
        let retries = [&self.log_retry, &self.flush_retry, &self.merge_retry];
        let due_micros = retries.into_iter().filter_map(Retry::due_micros).min();
        due_micros.map_or(interval, |due_micros| {
            let pause = Duration::from_micros(due_micros.saturating_sub(now_micros));
            pause.max(LEAST_SLEEP).min(interval)
        })
    }

    /// One part's failure does not keep the others from being done.
    fn log_round(&self, want_next: bool) {
        let retry = self.log_retry.is_due(self.environment.clock.monotonic_micros());
        if self.has_log() && (want_next || retry) {
            self.note_upkeep(self.prepare_next_log(0));
            self.press_oldest_buffers();
        }
        if self.durability() == Durability::Buffered {
            self.note_upkeep(self.sync_through(self.publisher.visible(), Duration::ZERO));
        }
    }

    fn note_upkeep(&self, outcome: Result<()>) {
        self.note_background_failure("upkeep of the log", &outcome);
    }

    /// Returns when everything through `seq` is on disk. A leader waits `delay` for company first.
    pub(crate) fn sync_through(&self, seq: u64, delay: Duration) -> Result<()> {
        if !self.has_log() {
            return Ok(());
        }
        let sync = || {
            if !delay.is_zero() {
                thread::sleep(delay);
            }
            self.sync_copied().map_err(|error| self.fail(&error))
        };
        self.logs.gate.sync_through(seq, sync, || self.health.refusal())
    }

    /// The leader's work: what is copied now, is on disk afterwards (PROTOCOL L2, L3).
    fn sync_copied(&self) -> Result<u64> {
        let through = self.publisher.visible();
        let logs: Vec<Arc<LogFile>> = {
            let live = self.logs.live.lock();
            live.iter().filter(|log| log.awaits_sync()).cloned().collect()
        };
        let start = self.environment.clock.monotonic_micros();
        for log in logs {
            // Sealed before the sync began, and all of it copied: nothing more will come.
            let complete = log.sealed_at().is_some_and(|last_seq| last_seq <= through);
            log.sync()?;
            if complete {
                log.retire();
            }
        }
        let took_micros = self.environment.clock.monotonic_micros() - start;
        self.counters.log_syncs.record(took_micros * 1_000, 1);
        self.append_mark(through, false)?;
        Ok(through)
    }

    /// Appends a SYNC mark, in the next log if this one is full or `turn` asks for it. Without a next log
    /// it is left out: the next sync brings another one.
    fn append_mark(&self, synced_seq: u64, turn: bool) -> Result<()> {
        let placed = loop {
            let mut section = self.section.lock();
            if !self.publisher.has_room(section.next_ticket) {
                drop(section);
                if self.health.has_failed() {
                    return Err(self.health.refusal());
                }
                thread::yield_now();
                continue;
            }
            if let Some(tail) = section.tail.as_mut().filter(|_| turn) {
                // The rest stays empty: the mark must go to the next log.
                tail.close_rest();
            }
            break section.place(0, Some(SYNC_RECORD_BYTES));
        };
        let Some(placed) = placed else { return Ok(()) };
        let Some(place) = &placed.log else { return Ok(()) };
        let mark = SyncMark { synced_seq, wall_micros: self.environment.clock.wall_micros() };
        let record = mark.record(place.log.uid, place.offset, place.log.seq_delta(placed.first_seq));
        place.write(placed.first_seq, &record)?;
        if place.begin.is_some() {
            self.logs.want_next();
        }
        self.publisher.complete(placed.ticket, placed.last_seq);
        place.make_ready_behind(SYNC_RECORD_BYTES);
        Ok(())
    }

    /// Makes sure that a next log with room for a record of `record_bytes` is ready (PROTOCOL L4 to L6).
    pub(crate) fn prepare_next_log(&self, record_bytes: u64) -> Result<()> {
        let _only_one = self.logs.preparing.lock();
        let needed = record_bytes + LOG_HEADER_BYTES + BEGIN_RECORD_BYTES;
        let (ready, base_seq) = {
            let section = self.section.lock();
            if !section.accepting {
                drop(section);
                return Err(self.health.refusal());
            }
            (section.next_log.as_ref().map(|log| log.capacity_bytes), section.next_seq)
        };
        match ready {
            Some(capacity) if capacity >= needed => {
                self.accept_writes(Need::Log);
                return Ok(());
            }
            // A log that is too small for this record is used up first, by a mark.
            Some(_) => self.append_mark(self.logs.synced_seq(), true).map_err(|error| self.fail(&error))?,
            None => {}
        }
        let capacity_bytes = self.next_capacity(needed);
        let recycled = self.take_spare(capacity_bytes);
        let plan = LogPlan {
            index_uuid: self.index_uuid,
            number: self.logs.newest_number.fetch_add(1, Ordering::Relaxed) + 1,
            uid: self.new_uid(),
            base_seq,
            capacity_bytes,
            io: self.config.log.io,
        };
        let prepared = match plan.prepare(&self.directory, recycled.as_deref()) {
            Err(error) if error.is_out_of_descriptors() && self.registry.unload_half() => {
                plan.prepare(&self.directory, None)
            }
            outcome => outcome,
        };
        let prepared = prepared.map_err(|error| self.judge(error))?;
        // If it fails the index has: the names of a flush beside this one may be lost with it.
        self.sync_directory()?;
        let listing = Change::AddLog { number: plan.number, uid: plan.uid };
        let committed = self.commit_edit(vec![listing]).map_err(|error| {
            // After a failed edit it is not known whether it lists the file: then the file stays.
            if !self.health.has_failed() {
                plan.abandon(&self.directory);
            }
            self.refuse_unless_over(Need::Log, error)
        })?;
        let log = prepared.listed(committed.edit_number);
        self.logs.live.lock().push_back(Arc::clone(&log));
        self.section.lock().next_log = Some(log);
        self.accept_writes(Need::Log);
        Ok(())
    }

    /// Sizes grow with the index, and stay well below the limit on all logs together.
    fn next_capacity(&self, needed: u64) -> u64 {
        let log = &self.config.log;
        let most = log.max_file_bytes.min(self.config.log_limit_bytes() / 4).max(log.first_file_bytes);
        let last = self.logs.live.lock().back().map_or(0, |log| log.capacity_bytes);
        let usual = (last * 2).clamp(log.first_file_bytes, most);
        if needed > usual { needed.next_multiple_of(CAPACITY_STEP_BYTES) } else { usual }
    }

    fn take_spare(&self, capacity_bytes: u64) -> Option<String> {
        let mut spare = self.logs.spare.lock();
        let place = spare.iter().position(|(_, capacity)| *capacity == capacity_bytes)?;
        Some(spare.swap_remove(place).0)
    }

    /// Gives up the logs that hold only flushed writes (PROTOCOL L5).
    pub(crate) fn trim_logs(&self) -> Result<()> {
        if !self.has_log() {
            return Ok(());
        }
        let _only_one = self.logs.trimming.lock();
        // In this order: what is synced, then the route map, then the buffers. All that is synced was visible
        // then; and a log whose first commit is not on disk may lack its BEGIN, and must not become the floor.
        let synced = self.logs.synced_seq();
        let route = self.route.load_full();
        let least = route.segments().iter().map(|segment| segment.version().least_unflushed_seq()).min();
        let floor_seq = least.unwrap_or(u64::MAX).min(synced);
        let live = self.logs.live.lock();
        let obsolete =
            live.iter().take_while(|log| log.sealed_at().is_some_and(|last| last < floor_seq)).count();
        let Some(floor) = live.get(obsolete).filter(|_| obsolete > 0).map(|log| log.number) else {
            return Ok(());
        };
        drop(live);
        self.commit_edit(vec![Change::LogFloor { number: floor }])?;
        let mut live = self.logs.live.lock();
        let gone: Vec<Arc<LogFile>> =
            std::iter::from_fn(|| live.pop_front_if(|log| log.number < floor)).collect();
        drop(live);
        for log in gone {
            self.retire_log(&log);
        }
        Ok(())
    }

    /// Keeps the file of a log below the floor for recycling, or deletes it.
    fn retire_log(&self, log: &LogFile) {
        let mut spare = self.logs.spare.lock();
        let of_use = log.capacity_bytes == self.next_capacity(0);
        if of_use && spare.len() < SPARE_FILES {
            spare.push((log.name().to_owned(), log.capacity_bytes));
            return;
        }
        drop(spare);
        if self.directory.remove(log.name()).is_err() {
            // Unlisted logs are deleted at the next writing open.
            add(&self.counters.deletions_failed, 1);
        }
    }

    /// When all logs together are over their limit, asks for a flush of the segments whose unflushed
    /// writes pin the oldest one.
    fn press_oldest_buffers(&self) {
        let limit_bytes = self.config.log_limit_bytes();
        let pinned_through = {
            let live = self.logs.live.lock();
            let total: u64 = live.iter().map(|log| log.capacity_bytes).sum();
            let mut over = total.saturating_sub(limit_bytes);
            let mut last_seq = 0;
            for log in live.iter() {
                if over == 0 {
                    break;
                }
                let Some(sealed) = log.sealed_at() else { break };
                over = over.saturating_sub(log.capacity_bytes);
                last_seq = sealed;
            }
            last_seq
        };
        for segment in self.route.load_full().segments() {
            if segment.version().least_unflushed_seq() <= pinned_through {
                self.scheduler.request_flush(segment, pinned_through);
            }
        }
    }

    /// Gives up all logs at the end, and the spare files: everything in them is flushed.
    pub(crate) fn drop_all_logs(&self) -> Result<()> {
        let mut section = self.section.lock();
        let (tail, next_log) = (section.tail.take(), section.next_log.take());
        drop(section);
        drop((tail, next_log));
        let live = std::mem::take(&mut *self.logs.live.lock());
        let Some(last) = live.back().map(|log| log.number) else { return Ok(()) };
        let names = live.iter().map(|log| Change::AddPendingDeletion { name: log.name().to_owned() });
        let changes = std::iter::once(Change::LogFloor { number: last + 1 }).chain(names).collect();
        self.commit_closing_edit(changes)?;
        let spare = std::mem::take(&mut *self.logs.spare.lock());
        let spare = spare.into_iter().map(|(name, _)| name);
        live.iter().map(|log| log.name().to_owned()).chain(spare).for_each(|name| self.graveyard.push(name));
        Ok(())
    }

    /// Bytes that a replay of all live logs would read.
    pub(crate) fn log_used_bytes(&self) -> u64 {
        let tail = self.section.lock().tail.as_ref().map(|tail| (tail.log.number, tail.offset));
        let live = self.logs.live.lock();
        let used = live.iter().filter(|log| log.is_in_use());
        used.map(|log| match tail {
            Some((number, offset)) if number == log.number => offset,
            _ => log.capacity_bytes,
        })
        .sum()
    }

    /// Ends the log for a clean close: nothing is placed in it any more, and all that was placed is
    /// written. The log in use and its end.
    pub(crate) fn end_log(&self) -> Result<Option<(Arc<LogFile>, u64)>> {
        let (end, tickets) = {
            let mut section = self.section.lock();
            section.next_log = None;
            (section.tail.take(), section.next_ticket)
        };
        self.publisher.wait_complete(tickets).map_err(|_| self.health.refusal())?;
        Ok(end.map(|tail| (tail.log, tail.offset)))
    }
}

#[cfg(test)]
mod tests {
    use crate::SegmentIndex;
    use crate::index::commit::Commit;
    use crate::index::commit::tests::place;

    /// One synced write, in a log of 16 KiB; the next one is ready.
    fn index() -> SegmentIndex<u64, Vec<u8>> {
        let index = SegmentIndex::in_memory()
            .maintenance(|m| m.automatic(false))
            .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(16 << 10))
            .create()
            .unwrap();
        index.put(0, b"first").unwrap();
        index.core.prepare_next_log(0).unwrap();
        index.sync().unwrap();
        index
    }

    #[test]
    fn l5_the_floor_stays_below_what_only_a_buffer_holds() {
        let index = index();
        for n in 1..20 {
            index.put(n, vec![1; 1_000]).unwrap();
        }
        index.sync().unwrap();
        let oldest = index.core.logs.live.lock()[0].number;
        assert!(index.core.logs.live.lock()[0].sealed_at().is_some());
        index.core.trim_logs().unwrap();
        assert_eq!(index.core.logs.live.lock()[0].number, oldest);
        index.flush_and_wait().unwrap();
        // The job lets go of the log after what a caller waits for.
        index.wait_until_idle().unwrap();
        assert!(index.core.logs.live.lock()[0].number > oldest);
    }

    #[test]
    fn l5_the_floor_does_not_pass_a_writer_under_way() {
        let index = index();
        let core = &index.core;
        index.flush_and_wait().unwrap();
        let oldest = core.logs.live.lock()[0].number;
        let begin = |value: &[u8]| {
            let mut commit = Commit::default();
            commit.put(b"slow", value).unwrap();
            let placed = place(core, &mut commit);
            (commit, placed)
        };
        let slow = begin(b"still on its way into the log");
        let next = begin(&[1; 16_180]);
        let is_left = core.logs.live.lock()[0].sealed_at().is_some();
        core.trim_logs().unwrap();
        let floor = core.logs.live.lock()[0].number;
        for (mut commit, placed) in [slow, next] {
            core.carry_out(&mut commit, &placed).unwrap();
        }
        assert_eq!((is_left, floor), (true, oldest));
        assert_eq!(index.check().unwrap().problems.len(), 0);
    }
}
