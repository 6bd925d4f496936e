//! The first write of an open: the OPEN edit, what recovery left to do, tidying, and the threads
//! (PROTOCOL D6, D7). Until then an open index has changed nothing on disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::counters::add;
use super::log_upkeep::run_log_thread;
use super::open::{is_run_name, list, named_runs, open_unnamed_run, run_uid};
use super::refusal::Need;
use crate::directory::OpenMode;
use crate::error::{Error, Result};
use crate::manifest::{Change, Edit, ManifestFile};
use crate::sync::atomic::Ordering;
use crate::sync::thread::{self, JoinHandle};
use crate::wal::{log_file_name, parse_log_file_name};

/// What recovery found and left to the first write.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Least and greatest seq that was replayed.
    pub(crate) replayed_seqs: Option<(u64, u64)>,
    /// What was replayed may be on disk in the page cache only: it counts once flushed.
    pub(crate) flush_needed: bool,
    /// Where a damaged log was cut.
    pub(crate) cut: Option<LogCut>,
}

/// The end that a recovery gave to a damaged log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogCut {
    pub(crate) log_number: u64,
    pub(crate) offset: u64,
    pub(crate) last_seq: u64,
}

/// State of the first write. Its lock is held while it goes on.
#[derive(Debug, Default)]
pub(crate) struct FirstWrite {
    pub(crate) recovered: Recovered,
}

/// The threads of an open index besides those of its runtime.
#[derive(Debug, Default)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits for all of them to end.
    pub(crate) fn join(&mut self) {
        for thread in self.0.drain(..) {
            // A thread that panicked has ended the index by its guard; there is no more to say here.
            let _ = thread.join();
        }
    }
}

impl Core {
    /// Does what comes before the first write, once.
    #[inline]
    pub(crate) fn ensure_opened_for_writing(self: &Arc<Self>) -> Result<()> {
        if self.is_opened_for_writing() {
            return Ok(());
        }
        self.open_for_writing()
    }

    #[inline]
    pub(super) fn is_opened_for_writing(&self) -> bool {
        self.opened_for_writing.load(Ordering::Acquire)
    }

    #[cold]
    fn open_for_writing(self: &Arc<Self>) -> Result<()> {
        self.check_writable()?;
        let mut first = self.first_write.lock();
        if self.opened_for_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        // `close` may have come between; it waits for this lock before it looks what there is to end.
        self.check_writable()?;
        // What fails here without ending the index is done again by the next write.
        let begun = self.begin_writing(&mut first.recovered);
        begun.map_err(|error| self.refuse_unless_over(Need::Log, error))?;
        self.accept_writes(Need::Log);
        self.accept_writes(Need::Flush);
        self.opened_for_writing.store(true, Ordering::Release);
        self.tell_opened_for_writing();
        Ok(())
    }

    fn begin_writing(self: &Arc<Self>, recovered: &mut Recovered) -> Result<()> {
        if recovered.flush_needed {
            self.rest_between_flushes()?;
        }
        self.write_open_edit()?;
        self.tidy(recovered.replayed_seqs)?;
        if recovered.flush_needed {
            let flushed = self.flush_recovered(&mut recovered.cut);
            flushed.map_err(|error| self.refuse_unless_over(Need::Flush, error))?;
            recovered.flush_needed = false;
        } else {
            self.reserve_logs()?;
        }
        self.start_threads()
    }

    /// What a refused flush of all that was replayed wrote is thrown away. Not every writer is to do that again
    /// on a full disk while the others wait: until the pause is over they are told why.
    fn rest_between_flushes(&self) -> Result<()> {
        match self.refused_writes.cause() {
            Some(cause) if self.flush_retry.must_wait(self.environment.clock.monotonic_micros()) => {
                Err(Error::WritesRefused { cause })
            }
            _ => Ok(()),
        }
    }

    /// The logs to go on in may lie in a copy of the index that was made without their unused parts.
    fn reserve_logs(&self) -> Result<()> {
        let (tail, next) = {
            let section = self.section.lock();
            (section.tail.as_ref().map(|tail| Arc::clone(&tail.log)), section.next_log.clone())
        };
        let logs = tail.iter().chain(&next);
        logs.into_iter().try_for_each(|log| log.reserve()).map_err(|error| self.judge(error))
    }

    /// A new manifest file that begins with the state as found, and the OPEN edit in it.
    pub(super) fn write_open_edit(&self) -> Result<()> {
        let mut keeper = self.manifest.lock();
        if keeper.file.is_some() {
            return Ok(());
        }
        let created = ManifestFile::create(&*self.directory, &self.environment, &keeper.state);
        let mut file = created.map_err(|error| self.judge(error))?;
        let mut changes = vec![Change::Open { epoch: keeper.state.epoch + 1 }];
        let config = self.stored_config.clone();
        if config != keeper.state.config {
            changes.push(Change::SetConfig(config));
        }
        changes.push(Change::LastSeq(self.section.lock().last_seq()));
        file.commit(&mut keeper.state, &Edit { changes }).map_err(|error| self.judge(error))?;
        keeper.file = Some(file);
        Ok(())
    }

    /// Removes what a crash left behind: half-written files, listed deletions, unlisted logs. A run that
    /// nobody names is deleted if nothing can be lost with it, and moved to quarantine otherwise.
    fn tidy(&self, replayed_seqs: Option<(u64, u64)>) -> Result<()> {
        let state = self.manifest.lock().state.clone();
        let named_runs = named_runs(&state);
        let mut left_over = BTreeSet::new();
        for name in list(&*self.directory)? {
            let listed_log = |number| state.logs.iter().any(|log| log.number == number);
            let number = parse_log_file_name(&name);
            if number.is_some_and(listed_log) {
                continue;
            }
            let unlisted_log = number.is_some();
            let mut outcome = Ok(());
            if name.ends_with(".tmp") || state.pending_deletions.contains(&name) || unlisted_log {
                outcome = self.remove(&name);
            } else if is_run_name(&name) && !named_runs.contains(&name) {
                outcome = match self.is_redundant(&name, &state, replayed_seqs) {
                    true => self.remove(&name),
                    false => self.quarantine(&name),
                };
            }
            if outcome.is_err() {
                // What cannot be tidied does no harm; the next open finds it again.
                self.note_background_failure("tidying", &outcome);
                left_over.insert(name);
            }
        }
        self.sync_directory()?;
        let gone = state.pending_deletions.into_iter().filter(|name| !left_over.contains(name));
        self.manifest.lock().deleted.extend(gone);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.directory.remove(name).map_err(|source| {
            add(&self.counters.deletions_failed, 1);
            Error::io("remove", name, source)
        })
    }

    /// Whether an unnamed run's entries are elsewhere: in the run that a repair took them from, in its inputs, or still
    /// in the log (PROTOCOL D7).
    fn is_redundant(
        &self,
        name: &str,
        state: &crate::manifest::ManifestState,
        replayed_seqs: Option<(u64, u64)>,
    ) -> bool {
        let run = run_uid(name).and_then(|uid| open_unnamed_run(&self.directory, uid, self.index_uuid));
        let Some(run) = run else { return false };
        let properties = run.properties();
        let inputs = &properties.identity.inputs;
        if properties.identity.salvaged_from.is_some_and(|original| state.references(original) > 0) {
            return true;
        }
        if !inputs.is_empty() {
            return inputs.iter().all(|input| state.references(*input) > 0);
        }
        match (properties.seqs, replayed_seqs) {
            (Some((least, greatest)), Some((first, last))) => first <= least && greatest <= last,
            _ => false,
        }
    }

    /// Flushes, during replay, what has been replayed so far, because it outgrows the write budget.
    pub(super) fn flush_replayed(&self, seq: u64) -> Result<()> {
        self.write_open_edit()?;
        self.renew_listed_logs()?;
        self.section.lock().next_seq = seq + 1;
        self.publisher.reset(seq);
        let flushed =
            self.flush_all_at_once().map_err(|error| self.refuse_unless_over(Need::Flush, error))?;
        self.publish_all_at_once(flushed, 0, Vec::new())
    }

    /// Everything replayed goes into runs, and the logs that it came from go, in one edit. If a damaged
    /// log was cut, that comes in an edit before.
    fn flush_recovered(&self, cut: &mut Option<LogCut>) -> Result<()> {
        self.sync_listed_logs()?;
        if let Some(at) = cut {
            self.end_damaged_log(at)?;
            *cut = None;
        }
        self.quarantine_ended_logs()?;
        let flushed = self.flush_all_at_once()?;
        let mut extra = Vec::new();
        let logs = self.manifest.lock().state.logs.clone();
        if let Some(last) = logs.last() {
            extra.push(Change::LogFloor { number: last.number + 1 });
        }
        let names: Vec<String> =
            logs.iter().filter(|log| log.end.is_none()).map(|log| log_file_name(log.number)).collect();
        extra.extend(names.iter().map(|name| Change::AddPendingDeletion { name: name.clone() }));
        self.publish_all_at_once(flushed, 0, extra)?;
        names.into_iter().for_each(|name| self.graveyard.push(name));
        self.unlink_obsolete_files();
        // The chain of logs begins anew behind what is flushed.
        let mut section = self.section.lock();
        section.predecessor = crate::wal::Predecessor { last_seq: section.last_seq(), ..Default::default() };
        Ok(())
    }

    /// Commits what was replayed, and with it where the damaged log ends (PROTOCOL L4). The logs behind it are
    /// set aside before, because the edit takes them off the list; without them a later open finds the
    /// same damage at the same place. The damaged log itself follows once it is needed no more.
    fn end_damaged_log(&self, cut: &LogCut) -> Result<()> {
        self.keep_seqs_given_up()?;
        let logs = self.manifest.lock().state.logs.clone();
        for log in logs.iter().filter(|log| log.number > cut.log_number) {
            self.quarantine(&log_file_name(log.number))?;
        }
        let flushed = self.flush_all_at_once()?;
        let (number, offset, last_seq) = (cut.log_number, cut.offset, cut.last_seq);
        self.publish_all_at_once(flushed, last_seq, vec![Change::EndLog { number, offset, last_seq }])
    }

    /// Not even what is given up lends its seqs to others, and only the logs that go now tell of them. The OPEN
    /// edit may not: a replay that outgrows memory writes it before it has read them all.
    fn keep_seqs_given_up(&self) -> Result<()> {
        let last_seq = self.section.lock().last_seq();
        if self.manifest.lock().state.last_seq >= last_seq {
            return Ok(());
        }
        self.commit_edit(vec![Change::LastSeq(last_seq)]).map(drop)
    }

    /// Logs that a recovery has cut hold nothing any more that is not in runs, and are not deleted.
    fn quarantine_ended_logs(&self) -> Result<()> {
        let logs = self.manifest.lock().state.logs.clone();
        let mut ended = logs.iter().filter(|log| log.end.is_some()).peekable();
        if ended.peek().is_none() {
            return Ok(());
        }
        ended.try_for_each(|log| self.quarantine(&log_file_name(log.number)))?;
        self.sync_directory()
    }

    /// A sync of the logs that replay has read: runs may not get ahead of them (PROTOCOL D1). They need not be
    /// renewed: the edit that installs the runs of what was read also takes the logs off the list.
    fn sync_listed_logs(&self) -> Result<()> {
        self.try_sync_listed_logs().map_err(|error| self.judge(error))
    }

    fn try_sync_listed_logs(&self) -> Result<()> {
        let logs = self.manifest.lock().state.logs.clone();
        logs.iter().try_for_each(|log| self.sync_file(&log_file_name(log.number)))
    }

    /// Syncs a file, if there is one. It need not be writable for that: the file system may not be any more.
    pub(super) fn sync_file(&self, name: &str) -> Result<()> {
        match self.directory.open(name, OpenMode::Read) {
            Ok(file) => file.sync().map_err(|source| Error::io("sync", name, source)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::io("open", name, source)),
        }
    }

    fn start_threads(self: &Arc<Self>) -> Result<()> {
        let joined = self.scheduler.pool().join(self);
        joined.map_err(|source| self.thread_refused(source))?;
        let log = self.start("hestia-log".to_owned(), run_log_thread)?;
        self.threads.lock().0.push(log);
        for segment in self.route.load().segments() {
            if !segment.version().layers.is_empty() {
                self.scheduler.request_structural(segment);
            }
        }
        self.look_for_small_neighbours();
        self.start_idle_work();
        self.start_scrubbing();
        Ok(())
    }

    fn start(self: &Arc<Self>, name: String, body: fn(&Core)) -> Result<JoinHandle<()>> {
        let core = Arc::clone(self);
        let guarded = move || {
            let unexpected = Unexpected(&core);
            body(&core);
            std::mem::forget(unexpected);
        };
        let started = thread::Builder::new().name(name).spawn(guarded);
        started.map_err(|source| self.thread_refused(source))
    }

    fn thread_refused(&self, source: std::io::Error) -> Error {
        Error::io("start a thread for", self.directory.location(), source)
    }
}

/// Dropped by a panic in a background thread: the index ends.
struct Unexpected<'a>(&'a Core);

impl Drop for Unexpected<'_> {
    fn drop(&mut self) {
        self.0.fail(&Error::Failed { cause: "a background thread panicked".into() });
    }
}
