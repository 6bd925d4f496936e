//! The first write of an open: the OPEN edit, what recovery left to do, tidying, and the threads
//! (PROTOCOL D6, D7). Until then an open index has changed nothing on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use super::core::Core;
use super::log_upkeep::{is_full, run_log_thread};
use super::open::{is_run_name, list, named_runs};
use super::scheduler::run_maintenance_thread;
use crate::directory::OpenMode;
use crate::error::{Error, Result};
use crate::manifest::{Change, Edit, MANIFEST_NAME, ManifestFile};
use crate::run::{ChunkCache, Run};
use crate::wal::parse_log_file_name;

/// Folder for files that are nobody's.
const QUARANTINE: &str = "quarantine";

/// What recovery found and left to the first write.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Least and greatest seq that was replayed.
    pub(crate) replayed_seqs: Option<(u64, u64)>,
    /// What was replayed may be on disk in the page cache only: it counts once flushed.
    pub(crate) flush_needed: bool,
}

/// State of the first write. Its lock is held while it goes on.
#[derive(Debug, Default)]
pub(crate) struct FirstWrite {
    pub(crate) recovered: Recovered,
}

/// The threads of an open index.
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
        if self.opened_for_writing.load(Ordering::Acquire) {
            return Ok(());
        }
        self.open_for_writing()
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
        self.write_open_edit()?;
        self.tidy(first.recovered.replayed_seqs)?;
        if first.recovered.flush_needed {
            self.flush_recovered()?;
            first.recovered.flush_needed = false;
        }
        self.start_threads()?;
        self.opened_for_writing.store(true, Ordering::Release);
        Ok(())
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
        let config = self.config.encode();
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
        for name in list(&*self.directory)? {
            let listed_log = |number| state.logs.iter().any(|log| log.number == number);
            let unlisted_log = parse_log_file_name(&name).is_some_and(|number| !listed_log(number));
            if name.ends_with(".tmp") || state.pending_deletions.contains(&name) || unlisted_log {
                self.remove(&name)?;
            } else if is_run_name(&name) && !named_runs.contains(&name) {
                if self.is_redundant(&name, &state, replayed_seqs) {
                    self.remove(&name)?;
                } else {
                    self.quarantine(&name)?;
                }
            }
        }
        self.sync_directory()?;
        self.manifest.lock().deleted.extend(state.pending_deletions);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.directory.remove(name).map_err(|source| Error::io("remove", name, source))
    }

    fn quarantine(&self, name: &str) -> Result<()> {
        let place = format!("{QUARANTINE}/{name}");
        let moved =
            self.directory.create_folder(QUARANTINE).and_then(|()| self.directory.rename(name, &place));
        moved.map_err(|source| Error::io("move to quarantine", name, source))?;
        self.count_quarantined();
        Ok(())
    }

    /// Whether an unnamed run's entries are elsewhere: in its inputs, or still in the log (PROTOCOL D7).
    fn is_redundant(
        &self,
        name: &str,
        state: &crate::manifest::ManifestState,
        replayed_seqs: Option<(u64, u64)>,
    ) -> bool {
        let uid = name.strip_prefix("run-").and_then(|rest| rest.strip_suffix(".sst"));
        let Some(uid) = uid.and_then(|digits| u64::from_str_radix(digits, 16).ok()) else { return false };
        let Ok(run) = Run::open(&self.directory, uid, self.index_uuid, ChunkCache::new(0)) else {
            return false;
        };
        let properties = run.properties();
        let inputs = &properties.identity.inputs;
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
        self.sync_listed_logs()?;
        self.section.lock().next_seq = seq + 1;
        self.publisher.reset(seq);
        let changes = self.flush_all_at_once()?;
        self.publish_all_at_once(changes, Vec::new())
    }

    /// Everything replayed goes into runs, and the logs that it came from go, in one edit.
    fn flush_recovered(&self) -> Result<()> {
        self.sync_listed_logs()?;
        let flushed = self.flush_all_at_once()?;
        let mut extra = Vec::new();
        let logs = self.manifest.lock().state.logs.clone();
        if let Some(last) = logs.iter().map(|log| log.number).max() {
            extra.push(Change::LogFloor { number: last + 1 });
            let names = logs.iter().map(|log| crate::wal::log_file_name(log.number));
            extra.extend(names.map(|name| Change::AddPendingDeletion { name }));
        }
        self.publish_all_at_once(flushed, extra)?;
        for log in logs {
            self.graveyard.push(crate::wal::log_file_name(log.number));
        }
        self.unlink_obsolete_files();
        // The chain of logs begins anew behind what is flushed.
        let mut section = self.section.lock();
        section.predecessor = crate::wal::Predecessor { last_seq: section.last_seq(), ..Default::default() };
        Ok(())
    }

    /// At the end of an open that wrote nothing: what a killed process left may be in the page cache
    /// only, and is on disk after this.
    pub(super) fn sync_recovered(&self) -> Result<()> {
        let unproven = self.manifest.lock().state.closed.is_none();
        if self.read_only || !unproven || self.health.has_failed() {
            return Ok(());
        }
        self.sync_listed_logs()?;
        self.sync_file(MANIFEST_NAME)?;
        self.sync_directory()
    }

    /// A sync of the logs that replay has read: runs may not get ahead of them (PROTOCOL D1).
    fn sync_listed_logs(&self) -> Result<()> {
        self.try_sync_listed_logs().map_err(|error| self.judge(error))
    }

    /// A failed write or sync of manifest or log is final; a full disk is not (PROTOCOL D8).
    fn judge(&self, error: Error) -> Error {
        match error {
            Error::WritesRefused { .. } => error,
            error if is_full(&error) => Error::WritesRefused { cause: error.to_string().into() },
            error => self.fail(&error),
        }
    }

    fn try_sync_listed_logs(&self) -> Result<()> {
        let logs = self.manifest.lock().state.logs.clone();
        logs.iter().try_for_each(|log| self.sync_file(&crate::wal::log_file_name(log.number)))
    }

    /// Syncs a file, if there is one.
    fn sync_file(&self, name: &str) -> Result<()> {
        match self.directory.open(name, OpenMode::ReadWrite) {
            Ok(file) => file.sync().map_err(|source| Error::io("sync", name, source)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::io("open", name, source)),
        }
    }

    fn start_threads(self: &Arc<Self>) -> Result<()> {
        let mut threads = self.threads.lock();
        for number in 1..=self.config.maintenance.threads.max(1) {
            threads.0.push(self.start(format!("hestia-maint-{number}"), run_maintenance_thread)?);
        }
        threads.0.push(self.start("hestia-log".to_owned(), run_log_thread)?);
        for segment in self.route.load().segments() {
            if !segment.version().layers.is_empty() {
                self.scheduler.request_structural(segment);
            }
        }
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
        let started = std::thread::Builder::new().name(name).spawn(guarded);
        started.map_err(|source| Error::io("start a thread for", self.directory.location(), source))
    }
}

/// Dropped by a panic in a background thread: the index ends.
struct Unexpected<'a>(&'a Core);

impl Drop for Unexpected<'_> {
    fn drop(&mut self) {
        self.0.fail(&Error::Failed { cause: "a background thread panicked".into() });
    }
}
