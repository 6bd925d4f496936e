//! The jobs that wait in an index, and which of them is to be done next.
//!
//! Urgency goes before all: flushes, for which writers may wait; merges and splits; then what only makes the index
//! smaller or tidier; then the scrub. Among flushes the fullest buffer comes first. A segment with so many layers
//! that writers may come to wait for its merge goes before those that were asked for earlier.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::segment::Segment;

/// What a thread is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// What the segment holds through a seq.
    Flush(Arc<Segment>, u64),
    FlushFullest,
    /// Merge and split the segment as its policy says.
    Tend(Arc<Segment>),
    /// Merge the segment into main runs: somebody asked for it.
    Compact(Arc<Segment>),
    MergeNeighbours,
    /// What is done when nothing is asked.
    Tidy,
    ScrubStep,
}

/// Most urgent first. Each kind of job has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    Flush,
    Compaction,
    Neighbours,
    Idle,
    Scrub,
}

impl Urgency {
    /// Whether it is for the threads that are not kept for flushes. Idle work gives way to whatever comes.
    pub(crate) fn is_structural(self) -> bool {
        matches!(self, Self::Compaction | Self::Neighbours)
    }
}

impl Job {
    pub(crate) fn urgency(&self) -> Urgency {
        match self {
            Self::Flush(..) | Self::FlushFullest => Urgency::Flush,
            Self::Tend(_) | Self::Compact(_) => Urgency::Compaction,
            Self::MergeNeighbours => Urgency::Neighbours,
            Self::Tidy => Urgency::Idle,
            Self::ScrubStep => Urgency::Scrub,
        }
    }

    /// Whether who waits for maintenance to be done waits for this.
    fn is_waited_for(&self) -> bool {
        !matches!(self, Self::Tidy | Self::ScrubStep)
    }
}

/// What of a job is to be noted when it ends; the job and what it holds are gone by then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobKind {
    pub(crate) urgency: Urgency,
    is_waited_for: bool,
    is_compaction: bool,
}

impl From<&Job> for JobKind {
    fn from(job: &Job) -> Self {
        Self {
            urgency: job.urgency(),
            is_waited_for: job.is_waited_for(),
            is_compaction: matches!(job, Job::Compact(_)),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// With the seq through which each is to be flushed.
    flushes: VecDeque<(Arc<Segment>, u64)>,
    tends: VecDeque<Arc<Segment>>,
    compactions: VecDeque<Arc<Segment>>,
    /// There may be small neighbours to be merged.
    pub(crate) neighbours: bool,
    /// When to look again for work to do when idle; `None` while nobody is to, or somebody is at it.
    pub(crate) idle_due_micros: Option<u64>,
    /// When the next step of the background scrub is due; `None` while nobody is to scrub, or somebody is at it.
    pub(crate) scrub_due_micros: Option<u64>,
    /// How many keep maintenance from beginning anything but flushes and what callers ask for.
    pub(crate) pauses: usize,
    /// The first compaction that failed since somebody asked.
    pub(crate) compaction_failure: Option<crate::Error>,
    pub(crate) stop: bool,
    waited_for_at_work: usize,
    compactions_at_work: usize,
    at_work: usize,
}

/// What decides besides the jobs themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The fullest buffer is to be flushed.
    pub(crate) pressure: bool,
    pub(crate) monotonic_micros: u64,
    /// A segment with more layers than this goes first.
    pub(crate) most_layers: usize,
}

impl Jobs {
    pub(crate) fn add_flush(&mut self, segment: &Arc<Segment>, seq: u64) {
        match self.flushes.iter_mut().find(|(waiting, _)| Arc::ptr_eq(waiting, segment)) {
            Some((_, through)) => *through = seq.max(*through),
            None => self.flushes.push_back((Arc::clone(segment), seq)),
        }
    }

    pub(crate) fn add_tend(&mut self, segment: &Arc<Segment>) {
        add_once(&mut self.tends, segment);
    }

    pub(crate) fn add_compaction(&mut self, segment: &Arc<Segment>) {
        add_once(&mut self.compactions, segment);
    }

    /// The urgency of the job that [`Jobs::take`] would give.
    pub(crate) fn most_urgent(&self, now: Now, may_be_structural: bool) -> Option<Urgency> {
        if self.stop {
            return None;
        }
        let is_due = |due: Option<u64>| due.is_some_and(|due| due <= now.monotonic_micros);
        if now.pressure || self.next_flush().is_some() {
            Some(Urgency::Flush)
        } else if may_be_structural && (self.next_tend(now).is_some() || self.next_compaction().is_some()) {
            Some(Urgency::Compaction)
        } else if may_be_structural && self.neighbours_wait() {
            Some(Urgency::Neighbours)
        } else if is_due(self.idle_due_micros()) {
            Some(Urgency::Idle)
        } else if self.pauses == 0 && is_due(self.scrub_due_micros) {
            Some(Urgency::Scrub)
        } else {
            None
        }
    }

    /// Takes out the next job of an urgency; it counts as at work from now on.
    pub(crate) fn take(&mut self, urgency: Urgency, now: Now) -> Option<Job> {
        let job = match urgency {
            Urgency::Flush => self.take_flush(),
            Urgency::Compaction => self.take_structural(now)?,
            Urgency::Neighbours => {
                self.neighbours = false;
                Job::MergeNeighbours
            }
            Urgency::Idle => {
                self.idle_due_micros.take()?;
                Job::Tidy
            }
            Urgency::Scrub => {
                self.scrub_due_micros.take()?;
                Job::ScrubStep
            }
        };
        let kind = JobKind::from(&job);
        self.at_work += 1;
        self.waited_for_at_work += usize::from(kind.is_waited_for);
        self.compactions_at_work += usize::from(kind.is_compaction);
        Some(job)
    }

    pub(crate) fn end(&mut self, kind: JobKind) {
        self.at_work -= 1;
        self.waited_for_at_work -= usize::from(kind.is_waited_for);
        self.compactions_at_work -= usize::from(kind.is_compaction);
    }

    /// Whether no thread is in any job.
    pub(crate) fn is_nobody_at_work(&self) -> bool {
        self.at_work == 0
    }

    /// Whether nothing that may begin waits, and nothing that anybody waits for is at work.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_waiting() && self.waited_for_at_work == 0
    }

    /// Segments that wait: to be flushed, to be merged or split, to be compacted.
    pub(crate) fn waiting(&self) -> (u64, u64, u64) {
        (self.flushes.len() as u64, self.tends.len() as u64, self.compactions.len() as u64)
    }

    /// Whether a job that may begin waits that comes before idle work.
    pub(crate) fn has_waiting(&self) -> bool {
        let tends = if self.pauses > 0 { 0 } else { self.tends.len() };
        self.flushes.len() + tends + self.compactions.len() > 0 || self.neighbours_wait()
    }

    fn neighbours_wait(&self) -> bool {
        self.neighbours && self.pauses == 0
    }

    /// While a job waits or is at work nothing is idle; its end lets everybody look again.
    fn idle_due_micros(&self) -> Option<u64> {
        self.idle_due_micros.filter(|_| self.pauses == 0 && self.is_idle())
    }

    /// When something is due that waits for a time.
    pub(crate) fn next_due_micros(&self) -> Option<u64> {
        let scrub = self.scrub_due_micros.filter(|_| self.pauses == 0);
        scrub.into_iter().chain(self.idle_due_micros()).min().filter(|_| !self.stop)
    }

    /// What is due then is due at once.
    pub(crate) fn let_come(&mut self, due_micros: u64) {
        for due in [&mut self.scrub_due_micros, &mut self.idle_due_micros].into_iter().flatten() {
            if *due == due_micros {
                *due = 0;
            }
        }
    }

    pub(crate) fn compactions_done(&self) -> bool {
        self.compactions.is_empty() && self.compactions_at_work == 0
    }

    /// The flush of the fullest buffer is what is left when nobody asked for one of its own.
    fn take_flush(&mut self) -> Job {
        match self.next_flush().and_then(|place| self.flushes.remove(place)) {
            Some((segment, seq)) => Job::Flush(segment, seq),
            None => Job::FlushFullest,
        }
    }

    /// A segment that a flush is at already is left to it: no thread is to wait there.
    fn next_flush(&self) -> Option<usize> {
        let free = self.flushes.iter().enumerate().filter(|(_, (segment, _))| !segment.flush_slot.is_taken());
        let of_age = |&(place, (segment, _)): &(usize, &(Arc<Segment>, u64))| {
            (segment.version().buffered_bytes(), std::cmp::Reverse(place))
        };
        free.max_by_key(of_age).map(|(place, _)| place)
    }

    fn take_structural(&mut self, now: Now) -> Option<Job> {
        let crowded = self.next_tend(now).filter(|(_, excess)| *excess > 0);
        if crowded.is_none()
            && let Some(place) = self.next_compaction()
        {
            return self.compactions.remove(place).map(Job::Compact);
        }
        let (place, _) = self.next_tend(now)?;
        self.tends.remove(place).map(Job::Tend)
    }

    fn next_compaction(&self) -> Option<usize> {
        self.compactions.iter().position(|segment| !segment.structural_slot.is_taken())
    }

    /// With the number of layers that it has too many.
    fn next_tend(&self, now: Now) -> Option<(usize, usize)> {
        if self.pauses > 0 {
            return None;
        }
        let free = self.tends.iter().enumerate().filter(|(_, segment)| !segment.structural_slot.is_taken());
        let excess = |segment: &Segment| segment.version().layers.len().saturating_sub(now.most_layers);
        let placed = free.map(|(place, segment)| (place, excess(segment)));
        placed.max_by_key(|(place, excess)| (*excess, std::cmp::Reverse(*place)))
    }
}

fn add_once(queue: &mut VecDeque<Arc<Segment>>, segment: &Arc<Segment>) {
    if !queue.iter().any(|waiting| Arc::ptr_eq(waiting, segment)) {
        queue.push_back(Arc::clone(segment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::EntryKind;
    use crate::segment::write_buffer::WriteBuffer;
    use crate::segment::{Layer, SegmentVersion};

    const NOW: Now = Now { pressure: false, monotonic_micros: 1_000, most_layers: 3 };

    fn segment(id: u64, layers: u64, buffered: usize) -> Arc<Segment> {
        let active = WriteBuffer::new(0);
        let _ = active.insert(b"key", 1, id, EntryKind::Put, &vec![0; buffered]);
        let layer = |rank| Layer { rank, buffer: None, runs: Vec::new() };
        let version = SegmentVersion {
            active: Arc::new(active),
            layers: (1..=layers).rev().map(layer).collect(),
            main: Vec::new(),
            flushed_seq: 0,
            next_rank: layers + 1,
        };
        Segment::new(id, Box::default(), None, version)
    }

    /// Takes everything out, one after the other.
    fn order(jobs: &mut Jobs, mut now: Now) -> Vec<(&'static str, u64)> {
        let mut order = Vec::new();
        while let Some(urgency) = jobs.most_urgent(now, true) {
            let job = jobs.take(urgency, now).unwrap();
            assert_eq!(job.urgency(), urgency);
            now.pressure &= !matches!(job, Job::FlushFullest);
            order.push(match &job {
                Job::Flush(segment, _) => ("flush", segment.id),
                Job::FlushFullest => ("flush the fullest", 0),
                Job::Tend(segment) => ("tend", segment.id),
                Job::Compact(segment) => ("compact", segment.id),
                Job::MergeNeighbours => ("merge neighbours", 0),
                Job::Tidy => ("tidy", 0),
                Job::ScrubStep => ("scrub", 0),
            });
            jobs.end(JobKind::from(&job));
        }
        order
    }

    fn all_kinds() -> Jobs {
        let due_micros = Some(1_000);
        let mut jobs = Jobs {
            neighbours: true,
            idle_due_micros: due_micros,
            scrub_due_micros: due_micros,
            ..Jobs::default()
        };
        for (id, layers) in [(1, 0), (2, 4), (3, 3), (4, 9)] {
            jobs.add_tend(&segment(id, layers, 1));
        }
        jobs.add_compaction(&segment(5, 0, 1));
        for (id, buffered) in [(6, 10), (7, 1_000), (8, 10)] {
            jobs.add_flush(&segment(id, 0, buffered), u64::MAX);
        }
        jobs
    }

    #[test]
    fn the_most_urgent_job_comes_first_and_the_most_needed_of_its_kind() {
        let mut jobs = all_kinds();
        let now = Now { pressure: true, ..NOW };
        let flushes = [("flush", 7), ("flush", 6), ("flush", 8), ("flush the fullest", 0)];
        let structural = [("tend", 4), ("tend", 2), ("compact", 5), ("tend", 1), ("tend", 3)];
        let rest = [("merge neighbours", 0), ("tidy", 0), ("scrub", 0)];
        let expected: Vec<_> = flushes.into_iter().chain(structural).chain(rest).collect();
        assert_eq!(order(&mut jobs, now), expected);
        assert!(jobs.is_idle() && jobs.is_nobody_at_work());
    }

    #[test]
    fn a_pause_leaves_flushes_and_what_is_asked_for() {
        let mut jobs = all_kinds();
        jobs.pauses = 1;
        let expected = [("flush", 7), ("flush", 6), ("flush", 8), ("compact", 5)];
        assert_eq!(order(&mut jobs, NOW), expected);
        assert!(jobs.is_idle(), "what is paused is not waited for");
        jobs.pauses = 0;
        assert!(!jobs.is_idle());
        assert_eq!(order(&mut jobs, NOW).len(), 7);
    }

    #[test]
    fn d2_no_thread_is_sent_where_a_job_is_under_way() {
        let mut jobs = Jobs::default();
        let busy = segment(1, 0, 1);
        jobs.add_flush(&busy, 1);
        jobs.add_tend(&busy);
        jobs.add_compaction(&busy);
        let flush = busy.flush_slot.try_take().unwrap();
        let structural = busy.structural_slot.try_take().unwrap();
        assert_eq!(order(&mut jobs, NOW), []);
        assert!(!jobs.is_idle());
        drop((flush, structural));
        assert_eq!(order(&mut jobs, NOW), [("flush", 1), ("compact", 1), ("tend", 1)]);
    }

    #[test]
    fn threads_kept_for_flushes_are_given_no_merge() {
        let mut jobs = Jobs::default();
        jobs.add_tend(&segment(1, 0, 1));
        assert_eq!(jobs.most_urgent(NOW, false), None);
        jobs.add_flush(&segment(2, 0, 1), 1);
        assert_eq!(jobs.most_urgent(NOW, false), Some(Urgency::Flush));
        jobs.stop = true;
        assert_eq!(jobs.most_urgent(NOW, true), None);
    }
}
