//! The runs, segment by segment in key order, whatever splits and merges do meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::CheckReport;
use super::overlap::OverlapCheck;
use super::references::{RunFacts, contradictions};
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::run::{ChunkCache, Run, RunCheck, run_file_name};
use crate::segment::{RunHandle, RunRef, Segment};
use crate::sync::atomic::Ordering;

/// Goes from segment to segment. What is replaced while it is in a segment was written since, and is left for
/// the next time.
#[derive(Debug)]
pub(super) struct RunsCheck {
    /// Runs are opened anew, so that their sections too come from the disk.
    cache: Arc<ChunkCache>,
    stretch: Option<Stretch>,
    /// Where the next stretch begins; `None` at the end of all keys.
    next_lower: Option<Box<[u8]>>,
    /// Of runs verified before: those of this stretch, and those that later segments share.
    verified: BTreeMap<u64, Verified>,
}

/// What a segment covered when the check came to it.
#[derive(Debug)]
struct Stretch {
    lower: Box<[u8]>,
    upper: Option<Box<[u8]>>,
    /// Runs that are still to be verified.
    uids: Vec<u64>,
    at_work: Option<AtWork>,
    overlaps: Option<OverlapCheck>,
}

/// The run that is being verified; its file stays as long as this holds it.
#[derive(Debug)]
struct AtWork {
    handle: Arc<RunHandle>,
    check: RunCheck,
}

/// What is known of a run that was read.
#[derive(Debug)]
struct Verified {
    facts: Option<RunFacts>,
    damaged: bool,
}

impl RunsCheck {
    pub(super) fn new() -> Self {
        Self {
            cache: ChunkCache::new(0),
            stretch: None,
            next_lower: Some(Box::default()),
            verified: BTreeMap::new(),
        }
    }

    /// The bytes that the step went through; `None` after the last segment.
    pub(super) fn step(&mut self, core: &Core, report: &mut CheckReport) -> Result<Option<u64>> {
        let Some(mut stretch) = self.stretch.take() else {
            let Some(lower) = self.next_lower.take() else { return Ok(None) };
            self.stretch = Some(Stretch::new(core, lower));
            return Ok(Some(0));
        };
        let bytes = if let Some(mut at_work) = stretch.at_work.take() {
            match at_work.check.step() {
                Some(bytes) => {
                    stretch.at_work = Some(at_work);
                    bytes
                }
                None => {
                    self.end_run(core, &stretch, at_work, report);
                    0
                }
            }
        } else if let Some(uid) = stretch.uids.pop() {
            self.begin_run(core, &mut stretch, uid, report)?;
            0
        } else {
            match self.overlaps(core, &mut stretch, report)? {
                Some(bytes) => bytes,
                None => {
                    self.end_stretch(core, stretch, report);
                    return Ok(Some(0));
                }
            }
        };
        self.stretch = Some(stretch);
        Ok(Some(bytes))
    }

    fn begin_run(
        &mut self,
        core: &Core,
        stretch: &mut Stretch,
        uid: u64,
        report: &mut CheckReport,
    ) -> Result<()> {
        if self.verified.contains_key(&uid) {
            return Ok(());
        }
        // If it is not there any more, a job has replaced it.
        let Some(handle) = stretch.find(core, uid) else { return Ok(()) };
        match Run::open(&core.directory, uid, core.index_uuid, Arc::clone(&self.cache)) {
            Ok(run) => stretch.at_work = Some(AtWork { handle, check: RunCheck::new(Arc::new(run)) }),
            Err(problem) if problem.is_out_of_descriptors() && core.registry.unload_half() => {
                stretch.uids.push(uid);
            }
            Err(problem) => {
                core.health.check_readable()?;
                let problem = missing_or(problem, uid);
                let damaged = is_damage(&problem);
                report.add(problem);
                if damaged {
                    stretch.mark_damaged(core, uid);
                }
                self.verified.insert(uid, Verified { facts: None, damaged });
            }
        }
        Ok(())
    }

    fn end_run(&mut self, core: &Core, stretch: &Stretch, at_work: AtWork, report: &mut CheckReport) {
        let run = Arc::clone(at_work.check.run());
        let uid = at_work.handle.uid;
        report.runs += 1;
        report.bytes += run.file_bytes();
        report.entries += run.properties().entries;
        let problems = at_work.check.finish();
        let damaged = problems.any(is_damage);
        report.add_all(problems);
        if damaged {
            stretch.mark_damaged(core, uid);
        }
        self.verified.insert(uid, Verified { facts: Some(RunFacts::of(&run)), damaged });
    }

    /// Compares runs that overlap, one pair a step.
    fn overlaps(&self, core: &Core, stretch: &mut Stretch, report: &mut CheckReport) -> Result<Option<u64>> {
        let mut overlaps = match stretch.overlaps.take() {
            Some(overlaps) => overlaps,
            None => OverlapCheck::new(stretch.segments(core), |uid| {
                self.verified.get(&uid).filter(|run| !run.damaged)?.facts.as_ref()
            }),
        };
        let stepped = overlaps.step(core, &self.cache, report)?;
        stretch.overlaps = Some(overlaps);
        Ok(stepped)
    }

    fn end_stretch(&mut self, core: &Core, stretch: Stretch, report: &mut CheckReport) {
        for segment in stretch.segments(core) {
            report.segments += 1;
            for run in segment.version().runs() {
                self.check_reference(core, &segment, run, report);
            }
        }
        let upper = stretch.upper.as_deref();
        self.verified.retain(|_, run| {
            let shared = |facts: &RunFacts| upper.is_some_and(|upper| *facts.last_key >= *upper);
            run.facts.as_ref().is_none_or(shared)
        });
        self.next_lower = stretch.upper;
    }

    fn check_reference(&self, core: &Core, segment: &Segment, run: &RunRef, report: &mut CheckReport) {
        let Some(verified) = self.verified.get(&run.handle.uid) else { return };
        if verified.damaged {
            segment.damaged.store(true, Ordering::Release);
        }
        let Some(facts) = &verified.facts else { return };
        for detail in contradictions(core, segment, run, facts) {
            report.add(Error::corruption(run_file_name(run.handle.uid), 0, detail));
        }
    }
}

impl Stretch {
    fn new(core: &Core, lower: Box<[u8]>) -> Self {
        let route = core.route.load_full();
        let segment = route.find(&lower);
        // What ends before it stood in a segment that was merged with this one since.
        let reaches_in = |run: &&Arc<RunRef>| *run.handle.largest_key >= *lower;
        let uids: BTreeSet<u64> =
            segment.version().runs().filter(reaches_in).map(|run| run.handle.uid).collect();
        Self {
            lower,
            upper: segment.upper.clone(),
            uids: uids.into_iter().collect(),
            at_work: None,
            overlaps: None,
        }
    }

    /// The segments that cover it now.
    fn segments(&self, core: &Core) -> Vec<Arc<Segment>> {
        let route = core.route.load_full();
        let from = route.place_of(&self.lower);
        let before_upper =
            |segment: &&Arc<Segment>| self.upper.as_deref().is_none_or(|upper| *segment.lower < *upper);
        route.segments().iter().skip(from).take_while(before_upper).cloned().collect()
    }

    fn find(&self, core: &Core, uid: u64) -> Option<Arc<RunHandle>> {
        self.segments(core).iter().find_map(|segment| {
            let version = segment.version();
            version.runs().map(|run| &run.handle).find(|handle| handle.uid == uid).cloned()
        })
    }

    /// A corrupt input stops the structural jobs of its segment (PROTOCOL D8).
    fn mark_damaged(&self, core: &Core, uid: u64) {
        for segment in self.segments(core) {
            if segment.version().runs().any(|run| run.handle.uid == uid) {
                segment.damaged.store(true, Ordering::Release);
            }
        }
    }
}

/// What jobs could not read either, unlike what stood in the way of this check alone.
fn is_damage(problem: &Error) -> bool {
    matches!(problem, Error::Corruption { .. } | Error::Unsupported { .. })
}

fn missing_or(problem: Error, uid: u64) -> Error {
    match problem {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            let detail = "the manifest refers to this run, but it is missing";
            Error::corruption(run_file_name(uid), 0, detail)
        }
        problem => problem,
    }
}
