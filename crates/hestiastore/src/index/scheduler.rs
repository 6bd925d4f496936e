//! What maintenance of an index waits to be done, those who wait for it, and how each job is done.
//!
//! The threads are those of the [`Pool`], which several indexes may share.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::job::{Job, JobKind, Jobs, Now, Urgency};
use super::pool::Pool;
use crate::environment::Clock;
use crate::segment::Segment;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};

/// Jobs that wait, and those who wait for jobs. Of the locks of maintenance the pool's is taken first.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    most_layers: usize,
    /// Active buffers hold more than they should: flush the fullest.
    pressure: AtomicBool,
    /// How many flushes have failed.
    flush_failures: AtomicU64,
    jobs: Mutex<Jobs>,
    /// Something was installed, or a job has ended.
    progress: Condvar,
}

impl Scheduler {
    /// A segment with more layers than `most_layers` is merged before all others.
    pub(crate) fn new(pool: Arc<Pool>, clock: Arc<dyn Clock>, most_layers: usize) -> Self {
        Self {
            pool,
            clock,
            most_layers,
            pressure: AtomicBool::new(false),
            flush_failures: AtomicU64::new(0),
            jobs: Mutex::default(),
            progress: Condvar::new(),
        }
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Asks for flushes of the fullest buffers, once until somebody looks.
    #[inline]
    pub(crate) fn signal_pressure(&self) {
        if !self.pressure.load(Ordering::Relaxed) && !self.pressure.swap(true, Ordering::AcqRel) {
            self.pool.wake();
        }
    }

    /// The same from a writer that waits for room.
    pub(crate) fn ask_for_room(&self) {
        self.pressure.store(true, Ordering::Release);
        self.pool.wake();
    }

    /// Asks for a flush of what the segment holds through `seq`. A job that comes after another one has done
    /// that finds nothing to do: it must not make a small run of what was written meanwhile.
    pub(crate) fn request_flush(&self, segment: &Arc<Segment>, seq: u64) {
        self.jobs.lock().add_flush(segment, seq);
        self.pool.wake();
    }

    pub(crate) fn request_structural(&self, segment: &Arc<Segment>) {
        self.jobs.lock().add_tend(segment);
        self.pool.wake();
    }

    /// Asks for a merge of small neighbours.
    pub(crate) fn request_neighbours(&self) {
        self.jobs.lock().neighbours = true;
        self.pool.wake();
    }

    pub(crate) fn request_compaction(&self, segment: &Arc<Segment>) {
        self.jobs.lock().add_compaction(segment);
        self.pool.wake();
    }

    /// Lets everyone look again: those who wait, and the threads of the pool.
    pub(crate) fn wake_all(&self) {
        drop(self.jobs.lock());
        self.progress.notify_all();
        self.pool.wake();
    }

    /// Nothing begins any more.
    pub(crate) fn stop(&self) {
        self.jobs.lock().stop = true;
        self.progress.notify_all();
        self.pool.wake();
    }

    /// Waits until `done`, which is asked again after each job.
    pub(crate) fn wait_until(&self, mut done: impl FnMut() -> bool) {
        let mut jobs = self.jobs.lock();
        loop {
            drop(jobs);
            if done() {
                return;
            }
            jobs = self.jobs.lock();
            if jobs.stop {
                return;
            }
            // A job may have ended between the question and the lock: do not rely on its call alone.
            self.progress.wait_for(&mut jobs, std::time::Duration::from_millis(20));
        }
    }

    /// Waits until no thread of the pool is in a job of this index. For after [`Scheduler::stop`].
    pub(crate) fn wait_until_left_alone(&self) {
        let mut jobs = self.jobs.lock();
        while !jobs.is_nobody_at_work() {
            self.progress.wait(&mut jobs);
        }
    }

    /// How many flushes have failed so far.
    pub(crate) fn flush_failures(&self) -> u64 {
        self.flush_failures.load(Ordering::Acquire)
    }

    /// Whether no compaction asked for is waiting or at work.
    pub(crate) fn compactions_done(&self) -> bool {
        self.jobs.lock().compactions_done()
    }

    fn note_compaction(&self, outcome: crate::Result<()>) -> crate::Result<()> {
        if let Err(failure) = &outcome {
            self.jobs.lock().compaction_failure.get_or_insert_with(|| failure.clone());
        }
        outcome
    }

    /// The first failure of a compaction since the last call.
    pub(crate) fn take_compaction_failure(&self) -> Option<crate::Error> {
        self.jobs.lock().compaction_failure.take()
    }

    /// Jobs that wait: flushes, merges and splits, compactions.
    pub(crate) fn waiting(&self) -> (u64, u64, u64) {
        self.jobs.lock().waiting()
    }

    /// Whether nothing that may begin waits, and nothing is at work.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.lock().is_idle() && !self.pressure.load(Ordering::Acquire)
    }

    /// Whether a job waits that comes before idle work.
    pub(crate) fn has_waiting(&self) -> bool {
        self.jobs.lock().has_waiting() || self.pressure.load(Ordering::Acquire)
    }

    /// From now on only flushes and what callers ask for begin, until as many calls of [`Scheduler::resume`].
    pub(crate) fn pause(&self) {
        self.jobs.lock().pauses += 1;
        self.progress.notify_all();
    }

    pub(crate) fn resume(&self) {
        self.jobs.lock().pauses -= 1;
        self.pool.wake();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.jobs.lock().pauses > 0
    }

    /// Has somebody look for idle work at a time of the clock.
    pub(crate) fn schedule_idle(&self, due_micros: u64) {
        self.jobs.lock().idle_due_micros = Some(due_micros);
        self.pool.wake();
    }

    /// Asks for a step of the background scrub at a time of the clock.
    pub(crate) fn schedule_scrub(&self, due_micros: u64) {
        self.jobs.lock().scrub_due_micros = Some(due_micros);
        self.pool.wake();
    }

    /// When to look for idle work or for the next step of the scrub, whichever comes first, and how long that is
    /// from now.
    pub(super) fn next_due(&self) -> Option<(u64, Duration)> {
        let due_micros = self.jobs.lock().next_due_micros()?;
        Some((due_micros, Duration::from_micros(due_micros.saturating_sub(self.clock.monotonic_micros()))))
    }

    /// A wait as long as until `due_micros` counts, whatever the clock shows.
    pub(super) fn was_waited_for(&self, due_micros: u64) {
        self.jobs.lock().let_come(due_micros);
    }

    /// Returns when the clock shows `due_micros`, or the wait took as long as that, or maintenance ends.
    pub(crate) fn pause_until(&self, clock: &dyn Clock, due_micros: u64) {
        let mut jobs = self.jobs.lock();
        while !jobs.stop {
            let wait_micros = due_micros.saturating_sub(clock.monotonic_micros());
            let wait = Duration::from_micros(wait_micros);
            if wait_micros == 0 || self.progress.wait_for(&mut jobs, wait).timed_out() {
                return;
            }
        }
    }

    fn now(&self, jobs: &Jobs) -> Now {
        Now {
            pressure: self.pressure.load(Ordering::Acquire),
            // A clock that counts its calls shows the same whatever threads look for work.
            monotonic_micros: jobs.scrub_due_micros.map_or(0, |_| self.clock.monotonic_micros()),
            most_layers: self.most_layers,
        }
    }

    /// The urgency of the next job, if there is one that may begin.
    pub(super) fn most_urgent(&self, may_be_structural: bool) -> Option<Urgency> {
        let jobs = self.jobs.lock();
        jobs.most_urgent(self.now(&jobs), may_be_structural)
    }

    /// Takes out the next job of an urgency; [`Scheduler::done`] is to be called when it has ended.
    pub(super) fn take(&self, urgency: Urgency) -> Option<Job> {
        let mut jobs = self.jobs.lock();
        let now = self.now(&jobs);
        let job = jobs.take(urgency, now);
        if matches!(job, Some(Job::FlushFullest)) {
            self.pressure.store(false, Ordering::Release);
        }
        job
    }

    pub(super) fn done(&self, kind: JobKind) {
        self.jobs.lock().end(kind);
        self.progress.notify_all();
    }
}

impl Core {
    /// Does a job. One that finds its place taken goes back to those that wait.
    pub(super) fn work(&self, job: &Job) {
        let (name, outcome) = match job {
            Job::Flush(segment, seq) => ("flush", self.note_flush(self.flush_if_free(segment, *seq))),
            Job::FlushFullest => ("flush", self.note_flush(self.flush_fullest())),
            Job::Tend(segment) if self.must_rest(segment) => ("merge", Ok(())),
            Job::Tend(segment) => {
                let outcome = self.note_structural(segment, self.tend_segment(segment));
                // Only now: a segment whose merges fail is left alone.
                self.look_for_small_neighbours();
                ("merge", outcome)
            }
            Job::Compact(segment) => {
                let outcome = self.note_structural(segment, self.compact_if_free(segment));
                ("compaction", self.scheduler.note_compaction(outcome))
            }
            Job::MergeNeighbours => ("merge of neighbours", self.merge_small_neighbours()),
            Job::Tidy => ("idle work", self.idle_step()),
            Job::ScrubStep => ("scrub", self.scrub_step()),
        };
        self.note_background_failure(name, &outcome);
        if outcome.is_err() {
            return;
        }
        // Another thread may have looked for a buffer to flush while this job held its slot.
        if !matches!(job, Job::FlushFullest) && self.must_flush_active() {
            self.scheduler.signal_pressure();
        }
        if !self.graveyard.is_empty() {
            self.unlink_obsolete_files();
        }
    }

    /// Whether active buffers hold more than they should, or so much that the writer who waits for room
    /// would not find it though all that is frozen were flushed.
    #[inline]
    pub(super) fn must_flush_active(&self) -> bool {
        let active_bytes = self.active_bytes();
        let in_the_way = |wanted: u64| active_bytes + wanted > self.budget.limit_bytes();
        active_bytes > self.flush_trigger_bytes()
            || (active_bytes > 0 && self.budget.wanted_bytes().is_some_and(in_the_way))
    }

    fn flush_if_free(&self, segment: &Arc<Segment>, seq: u64) -> crate::Result<()> {
        if !self.try_flush_segment_through(segment, seq)? {
            self.scheduler.request_flush(segment, seq);
        }
        Ok(())
    }

    fn compact_if_free(&self, segment: &Arc<Segment>) -> crate::Result<()> {
        if !self.try_compact_segment(segment)? {
            self.scheduler.request_compaction(segment);
        }
        Ok(())
    }

    fn note_flush(&self, outcome: crate::Result<()>) -> crate::Result<()> {
        if outcome.is_err() {
            self.scheduler.flush_failures.fetch_add(1, Ordering::AcqRel);
        }
        outcome
    }

    /// After a failed merge flushes must not wait for another one.
    pub(super) fn note_structural(&self, segment: &Segment, outcome: crate::Result<()>) -> crate::Result<()> {
        let failed = matches!(&outcome, Err(error) if !matches!(error, crate::Error::Closed));
        if failed {
            self.note_failed_merge(segment);
        } else {
            segment.merges_fail.store(false, Ordering::Release);
        }
        self.wake_flush_if_needed();
        outcome
    }

    /// It is tried again later; nobody is to be slowed down for merges that do not come.
    pub(super) fn note_failed_merge(&self, segment: &Segment) {
        segment.merges_fail.store(true, Ordering::Release);
        self.plan_retry(&self.merge_retry);
        self.note_crowding();
    }

    /// Whether the segment's merges failed so lately that another one would only fill the disk again.
    fn must_rest(&self, segment: &Segment) -> bool {
        segment.merges_fail.load(Ordering::Acquire)
            && self.merge_retry.must_wait(self.environment.clock.monotonic_micros())
    }

    /// Tries again what failed before and may succeed by now.
    pub(super) fn retry_failed_jobs(&self) {
        let now_micros = self.environment.clock.monotonic_micros();
        if self.refused_writes.is_without_room() && self.flush_retry.is_due(now_micros) {
            self.scheduler.ask_for_room();
        }
        if self.merge_retry.is_due(now_micros) {
            let route = self.route.load_full();
            let mut failing = route.segments().iter().filter(|segment| {
                segment.merges_fail.load(Ordering::Acquire) && !segment.damaged.load(Ordering::Acquire)
            });
            let first = failing.next();
            first.into_iter().chain(failing).for_each(|segment| self.scheduler.request_structural(segment));
            if first.is_none() {
                self.merge_retry.note_success();
            }
        }
    }

    /// Flushes what is frozen and nobody is at, then the fullest buffer if the active ones hold more than
    /// they may. Whoever has flushed one asks for the next: other indexes have their turn between.
    fn flush_fullest(&self) -> crate::Result<()> {
        for segment in self.route.load_full().segments() {
            if segment.version().unflushed().next().is_some() {
                self.try_flush_segment(segment)?;
            }
        }
        if !self.must_flush_active() {
            return Ok(());
        }
        let route = self.route.load_full();
        let ready =
            |segment: &&Arc<Segment>| !segment.version().active.is_empty() && !self.is_crowded(segment);
        let mut filled: Vec<&Arc<Segment>> = route.segments().iter().filter(ready).collect();
        filled.sort_by_cached_key(|segment| std::cmp::Reverse(segment.version().active.charged_bytes()));
        for segment in filled {
            if self.try_flush_segment(segment)? {
                break;
            }
            // Another thread is at it, and looks again when it is done.
        }
        Ok(())
    }

    /// Unlinks the files that nobody reads any more.
    pub(crate) fn unlink_obsolete_files(&self) {
        let mut gone = Vec::new();
        for name in self.graveyard.take() {
            match self.directory.remove(&name) {
                Ok(()) => gone.push(name),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => gone.push(name),
                // It stays listed and is deleted at the next open.
                Err(_) => super::counters::add(&self.counters.deletions_failed, 1),
            }
        }
        if !gone.is_empty() {
            self.manifest.lock().unlinked.extend(gone);
        }
    }
}
