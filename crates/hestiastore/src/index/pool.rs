//! The threads that do maintenance, for one index or for several.
//!
//! * A thread takes the most urgent job over all indexes; of equally urgent ones that of the index whose turn was
//!   longest ago.
//! * With two threads or more one is always left for flushes, since writers may wait for them. And where no
//!   thread is idle a structural job [gives way](Pool::give_way) to flushes between its steps, so that one thread is
//!   enough and a writer never waits for a merge to end.
//! * No thread waits for another job: what finds its place taken goes back to the jobs that wait.
//! * A job that panics ends its index, not the thread.
//!
//! The pool's lock is taken before that of a [`Scheduler`], and never held while a job is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::job::{Job, JobKind, Urgency};
use super::scheduler::Scheduler;
use super::throttle::TokenBucket;
use crate::environment::Clock;
use crate::error::Error;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    threads: usize,
    state: Mutex<State>,
    /// There may be something to do, or something to stop for.
    called: Condvar,
    pub(super) rate: Option<SharedRate>,
}

/// How fast the merges of all indexes together may go.
#[derive(Debug)]
pub(crate) struct SharedRate {
    pub(crate) bytes_per_second: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: TokenBucket,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Member>,
    running: Vec<JoinHandle<()>>,
    structural_at_work: usize,
    flushes_at_work: usize,
    idle: usize,
    turns: u64,
    stop: bool,
}

/// An index that the pool works for.
#[derive(Debug)]
struct Member {
    core: Arc<Core>,
    last_turn: u64,
}

impl Pool {
    pub(crate) fn new(threads: usize, rate: Option<SharedRate>) -> Self {
        Self { threads: threads.max(1), state: Mutex::default(), called: Condvar::new(), rate }
    }

    /// How long a merge that has moved `bytes` is to rest for the sake of the rate that all share.
    pub(super) fn rest_after(&self, bytes: u64) -> Duration {
        let Some(rate) = &self.rate else { return Duration::ZERO };
        let now_micros = rate.clock.monotonic_micros();
        let until_micros = rate.tokens.take(bytes, rate.bytes_per_second, now_micros);
        Duration::from_micros(until_micros - now_micros)
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Works for `core` from now on. The threads are started when there is an index to work for.
    pub(super) fn join(self: &Arc<Self>, core: &Arc<Core>) -> std::io::Result<()> {
        let mut state = self.state.lock();
        // Some may run already, if the system refused one the last time.
        while state.running.len() < self.threads {
            let pool = Arc::clone(self);
            let name = format!("hestia-maint-{}", state.running.len() + 1);
            let started = thread::Builder::new().name(name).spawn(move || pool.run());
            state.running.push(started?);
        }
        if !state.members.iter().any(|member| Arc::ptr_eq(&member.core, core)) {
            state.members.push(Member { core: Arc::clone(core), last_turn: 0 });
        }
        Ok(())
    }

    /// Works for `core` no more. Returns when no thread is in a job of it.
    pub(super) fn leave(&self, core: &Core) {
        core.scheduler.stop();
        let mut state = self.state.lock();
        let place = state.members.iter().position(|member| std::ptr::eq(&*member.core, core));
        let left = place.map(|place| state.members.swap_remove(place));
        drop(state);
        drop(left);
        core.scheduler.wait_until_left_alone();
    }

    /// Ends the threads: the last one who could bring work is gone.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.stop = true;
        let running = std::mem::take(&mut state.running);
        drop(state);
        self.called.notify_all();
        let own = thread::current().id();
        for thread in running.into_iter().filter(|thread| thread.thread().id() != own) {
            // A job's panic has ended its index; there is no more to say here.
            let _ = thread.join();
        }
    }

    /// Lets the threads look again.
    pub(super) fn wake(&self) {
        // Whoever has looked and found nothing sleeps by the time that this lock is free.
        drop(self.state.lock());
        self.called.notify_all();
    }

    fn run(&self) {
        while let Some((core, job)) = self.next_job() {
            self.carry_out(core, job);
        }
    }

    fn next_job(&self) -> Option<(Arc<Core>, Job)> {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return None;
            }
            if let Some(work) = self.pick(&mut state, Urgency::Scrub) {
                return Some(work);
            }
            state.idle += 1;
            self.sleep(&mut state);
            state.idle -= 1;
        }
    }

    /// Sleeps until there may be something to do.
    fn sleep(&self, state: &mut MutexGuard<'_, State>) {
        let due = state.members.iter().filter_map(|member| {
            let (due_micros, wait) = member.core.scheduler.next_due()?;
            Some((wait, due_micros, Arc::clone(&member.core.scheduler)))
        });
        let Some((wait, due_micros, scheduler)) = due.min_by_key(|(wait, ..)| *wait) else {
            return self.called.wait(state);
        };
        if self.called.wait_for(state, wait).timed_out() {
            scheduler.was_waited_for(due_micros);
        }
    }

    /// The next job, if one may begin that is at least so urgent.
    fn pick(&self, state: &mut State, least: Urgency) -> Option<(Arc<Core>, Job)> {
        let may_be_structural = self.threads == 1 || state.structural_at_work + 1 < self.threads;
        let urgent = |member: &Member| member.core.scheduler.most_urgent(may_be_structural);
        let waiting = state.members.iter_mut().filter_map(|member| Some((urgent(member)?, member)));
        let mut allowed: Vec<_> = waiting.filter(|(urgency, _)| *urgency <= least).collect();
        allowed.sort_by_key(|(urgency, member)| (*urgency, member.last_turn));
        // A place that was free a moment ago may be taken: then it is the next one's turn.
        let (urgency, member, job) = allowed.into_iter().find_map(|(urgency, member)| {
            let job = member.core.scheduler.take(urgency)?;
            Some((urgency, member, job))
        })?;
        state.turns += 1;
        member.last_turn = state.turns;
        let core = Arc::clone(&member.core);
        state.structural_at_work += usize::from(urgency.is_structural());
        state.flushes_at_work += usize::from(urgency == Urgency::Flush);
        Some((core, job))
    }

    /// Does a job, and lets go of the index before it is noted as done: whoever closes the index waits for that.
    fn carry_out(&self, core: Arc<Core>, job: Job) {
        let kind = JobKind::from(&job);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if !core.health.has_failed() {
                core.work(&job);
            }
        }));
        if outcome.is_err() {
            core.fail(&Error::Failed { cause: "a background thread panicked".into() });
        }
        let scheduler = Arc::clone(&core.scheduler);
        drop((core, job));
        self.done(&scheduler, kind);
    }

    fn done(&self, scheduler: &Scheduler, kind: JobKind) {
        let mut state = self.state.lock();
        state.structural_at_work -= usize::from(kind.urgency.is_structural());
        state.flushes_at_work -= usize::from(kind.urgency == Urgency::Flush);
        drop(state);
        scheduler.done(kind);
        self.called.notify_all();
    }

    /// Called by a structural job between its steps: does a flush that waits, if nobody else will in time.
    pub(super) fn give_way(&self) {
        let mut state = self.state.lock();
        if !must_give_way(&state) {
            return;
        }
        let Some((core, job)) = self.pick(&mut state, Urgency::Flush) else { return };
        drop(state);
        self.carry_out(core, job);
    }

    /// A structural job rests for so long, or until there may be something else to do; its permit is another's
    /// meanwhile. `stop` is asked under the pool's lock.
    pub(super) fn rest(&self, wait: Duration, stop: impl Fn() -> bool) {
        let mut state = self.state.lock();
        if must_give_way(&state) || stop() {
            return;
        }
        let had_permit = state.structural_at_work > 0;
        if had_permit {
            state.structural_at_work -= 1;
            self.called.notify_all();
        }
        self.called.wait_for(&mut state, wait);
        state.structural_at_work += usize::from(had_permit);
    }

    /// Whether a thread is at a flush.
    pub(super) fn is_flushing(&self) -> bool {
        self.state.lock().flushes_at_work > 0
    }

    /// Whether a job waits, of any index, that comes before idle work.
    pub(super) fn has_waiting(&self) -> bool {
        self.state.lock().members.iter().any(|member| member.core.scheduler.has_waiting())
    }
}

/// Whether a flush waits and no idle thread takes it; where another thread is at flushes already, only if a writer
/// waits for room.
fn must_give_way(state: &State) -> bool {
    let is_flush_waiting = |member: &Member| {
        let is_helped = state.flushes_at_work > 0 && !member.core.budget.is_waited_for();
        !is_helped && member.core.scheduler.most_urgent(false) == Some(Urgency::Flush)
    };
    !state.stop && state.idle == 0 && state.members.iter().any(is_flush_waiting)
}
