//! What the maintenance threads do next: flushes first, then structural jobs, then files to unlink, and when
//! nothing else is to be done a step of a scrub.
//!
//! One thread at least is always left for flushes: writers may wait for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use crate::environment::Clock;
use crate::segment::Segment;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// Jobs that wait, and those who wait for jobs.
#[derive(Debug)]
pub(crate) struct Scheduler {
    threads: usize,
    clock: Arc<dyn Clock>,
    /// Active buffers hold more than they should: flush the fullest.
    pressure: AtomicBool,
    /// How many flushes have failed.
    flush_failures: AtomicU64,
    jobs: Mutex<Jobs>,
    work: Condvar,
    /// Something was installed, or a job has ended.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct Jobs {
    /// With the seq through which each is to be flushed.
    flushes: VecDeque<(Arc<Segment>, u64)>,
    structural: VecDeque<Arc<Segment>>,
    /// Segments to be compacted whatever the policy says.
    compactions: VecDeque<Arc<Segment>>,
    structural_at_work: usize,
    at_work: usize,
    compactions_at_work: usize,
    /// When the next step of the background scrub is due; `None` while nobody is to scrub, or somebody is at it.
    scrub_due_micros: Option<u64>,
    /// The first compaction that failed since somebody asked.
    compaction_failure: Option<crate::Error>,
    stop: bool,
}

/// What a thread is to do.
#[derive(Debug)]
enum Job {
    Flush(Arc<Segment>, u64),
    FlushFullest,
    Structural(Arc<Segment>),
    Compact(Arc<Segment>),
    ScrubStep,
    Stop,
}

impl Scheduler {
    pub(crate) fn new(threads: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            threads: threads.max(1),
            clock,
            pressure: AtomicBool::new(false),
            flush_failures: AtomicU64::new(0),
            jobs: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    /// Asks for flushes of the fullest buffers, once until somebody looks.
    #[inline]
    pub(crate) fn signal_pressure(&self) {
        if !self.pressure.load(Ordering::Relaxed) && !self.pressure.swap(true, Ordering::AcqRel) {
            drop(self.jobs.lock());
            self.work.notify_one();
        }
    }

    /// The same from a writer that waits for room.
    pub(crate) fn ask_for_room(&self) {
        self.pressure.store(true, Ordering::Release);
        drop(self.jobs.lock());
        self.work.notify_all();
    }

    /// Asks for a flush of what the segment holds through `seq`. A job that comes after another one has done
    /// that finds nothing to do: it must not make a small run of what was written meanwhile.
    pub(crate) fn request_flush(&self, segment: &Arc<Segment>, seq: u64) {
        let mut jobs = self.jobs.lock();
        match jobs.flushes.iter_mut().find(|(waiting, _)| Arc::ptr_eq(waiting, segment)) {
            Some((_, through)) => *through = seq.max(*through),
            None => jobs.flushes.push_back((Arc::clone(segment), seq)),
        }
        drop(jobs);
        self.work.notify_one();
    }

    pub(crate) fn request_structural(&self, segment: &Arc<Segment>) {
        self.push(|jobs| &mut jobs.structural, segment);
    }

    pub(crate) fn request_compaction(&self, segment: &Arc<Segment>) {
        self.push(|jobs| &mut jobs.compactions, segment);
    }

    fn push(&self, queue: impl FnOnce(&mut Jobs) -> &mut VecDeque<Arc<Segment>>, segment: &Arc<Segment>) {
        let mut jobs = self.jobs.lock();
        let queue = queue(&mut jobs);
        if !queue.iter().any(|waiting| Arc::ptr_eq(waiting, segment)) {
            queue.push_back(Arc::clone(segment));
        }
        drop(jobs);
        self.work.notify_one();
    }

    pub(crate) fn wake_all(&self) {
        drop(self.jobs.lock());
        self.work.notify_all();
        self.progress.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.jobs.lock().stop = true;
        self.work.notify_all();
        self.progress.notify_all();
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

    /// How many flushes have failed so far.
    pub(crate) fn flush_failures(&self) -> u64 {
        self.flush_failures.load(Ordering::Acquire)
    }

    /// Whether no compaction asked for is waiting or at work.
    pub(crate) fn compactions_done(&self) -> bool {
        let jobs = self.jobs.lock();
        jobs.compactions.is_empty() && jobs.compactions_at_work == 0
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

    /// Whether nothing waits and nothing is at work.
    pub(crate) fn is_idle(&self) -> bool {
        let jobs = self.jobs.lock();
        let waiting = jobs.flushes.len() + jobs.structural.len() + jobs.compactions.len();
        waiting == 0 && jobs.at_work == 0 && !self.pressure.load(Ordering::Acquire)
    }

    /// Asks for a step of the background scrub at a time of the clock.
    pub(crate) fn schedule_scrub(&self, due_micros: u64) {
        self.jobs.lock().scrub_due_micros = Some(due_micros);
        self.work.notify_one();
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

    fn next_job(&self) -> Job {
        let mut jobs = self.jobs.lock();
        loop {
            if jobs.stop {
                return Job::Stop;
            }
            if let Some(job) = self.pick(&mut jobs) {
                jobs.at_work += usize::from(job.is_waited_for());
                return job;
            }
            self.wait_for_work(&mut jobs);
        }
    }

    /// Sleeps until there may be something to do.
    fn wait_for_work(&self, jobs: &mut MutexGuard<'_, Jobs>) {
        let Some(due_micros) = jobs.scrub_due_micros else { return self.work.wait(jobs) };
        let wait = Duration::from_micros(due_micros.saturating_sub(self.clock.monotonic_micros()));
        // A wait of that length counts, whatever the clock shows.
        if self.work.wait_for(jobs, wait).timed_out() && jobs.scrub_due_micros == Some(due_micros) {
            jobs.scrub_due_micros = Some(0);
        }
    }

    fn pick(&self, jobs: &mut Jobs) -> Option<Job> {
        if let Some((segment, seq)) = jobs.flushes.pop_front() {
            return Some(Job::Flush(segment, seq));
        }
        if self.pressure.swap(false, Ordering::AcqRel) {
            return Some(Job::FlushFullest);
        }
        let may_begin = self.threads == 1 || jobs.structural_at_work + 1 < self.threads;
        if may_begin && let Some(job) = pick_structural(jobs) {
            return Some(job);
        }
        self.pick_scrub(jobs)
    }

    fn pick_scrub(&self, jobs: &mut Jobs) -> Option<Job> {
        jobs.scrub_due_micros.take_if(|due_micros| *due_micros <= self.clock.monotonic_micros())?;
        Some(Job::ScrubStep)
    }

    fn done(&self, job: &Job) {
        let mut jobs = self.jobs.lock();
        jobs.at_work -= usize::from(job.is_waited_for());
        if matches!(job, Job::Structural(_) | Job::Compact(_)) {
            jobs.structural_at_work -= 1;
        }
        if matches!(job, Job::Compact(_)) {
            jobs.compactions_at_work -= 1;
        }
        drop(jobs);
        self.work.notify_all();
        self.progress.notify_all();
    }
}

impl Job {
    /// Whether who waits for maintenance to be done waits for this.
    fn is_waited_for(&self) -> bool {
        !matches!(self, Job::ScrubStep | Job::Stop)
    }
}

fn pick_structural(jobs: &mut Jobs) -> Option<Job> {
    let job = match jobs.compactions.pop_front() {
        Some(segment) => {
            jobs.compactions_at_work += 1;
            Job::Compact(segment)
        }
        None => Job::Structural(jobs.structural.pop_front()?),
    };
    jobs.structural_at_work += 1;
    Some(job)
}

/// A maintenance thread.
pub(crate) fn run_maintenance_thread(core: &Core) {
    loop {
        let job = core.scheduler.next_job();
        if matches!(job, Job::Stop) {
            return;
        }
        if !core.health.has_failed() {
            core.work(&job);
        }
        core.scheduler.done(&job);
    }
}

impl Core {
    fn work(&self, job: &Job) {
        let (name, outcome) = match job {
            Job::Flush(segment, seq) => ("flush", self.note_flush(self.flush_segment_through(segment, *seq))),
            Job::FlushFullest => ("flush", self.note_flush(self.flush_fullest())),
            Job::Structural(segment) if self.must_rest(segment) => ("merge", Ok(())),
            Job::Structural(segment) => ("merge", self.note_structural(segment, self.tend_segment(segment))),
            Job::Compact(segment) => {
                let outcome = self.note_structural(segment, self.compact_segment(segment));
                ("compaction", self.scheduler.note_compaction(outcome))
            }
            Job::ScrubStep => ("scrub", self.scrub_step()),
            Job::Stop => ("", Ok(())),
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

    fn note_flush(&self, outcome: crate::Result<()>) -> crate::Result<()> {
        if outcome.is_err() {
            self.scheduler.flush_failures.fetch_add(1, Ordering::AcqRel);
        }
        outcome
    }

    /// After a failed merge flushes must not wait for another one.
    fn note_structural(&self, segment: &Segment, outcome: crate::Result<()>) -> crate::Result<()> {
        let failed = matches!(&outcome, Err(error) if !matches!(error, crate::Error::Closed));
        segment.merges_fail.store(failed, Ordering::Release);
        if failed {
            self.plan_retry(&self.merge_retry);
        }
        self.wake_flush_if_needed();
        outcome
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

    /// Flushes what is frozen and nobody is at, then the fullest buffers until the active ones hold less
    /// than they may.
    fn flush_fullest(&self) -> crate::Result<()> {
        for segment in self.route.load_full().segments() {
            if segment.version().unflushed().next().is_some() {
                self.try_flush_segment(segment)?;
            }
        }
        while self.must_flush_active() {
            let route = self.route.load_full();
            let ready =
                |segment: &&Arc<Segment>| !segment.version().active.is_empty() && !self.is_crowded(segment);
            let mut filled: Vec<&Arc<Segment>> = route.segments().iter().filter(ready).collect();
            filled.sort_by_cached_key(|segment| std::cmp::Reverse(segment.version().active.charged_bytes()));
            let mut flushed = false;
            for segment in filled {
                flushed = self.try_flush_segment(segment)?;
                if flushed {
                    break;
                }
            }
            if !flushed {
                // Other threads are at it, and look again when they are done.
                break;
            }
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
