//! Verification of everything on disk, without changing it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::core::Core;
use super::recovery::listed_logs;
use crate::error::{Error, Result};
use crate::manifest::{MANIFEST_NAME, read_manifest};
use crate::run::run_file_name;
use crate::segment::{LoadRuns, RunRef, Segment};
use crate::wal::{Expectations, RecoveryPolicy, replay};

/// What a check went through and what it found.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// index.put(&1, &2)?;
/// index.flush_and_wait()?;
/// let report = index.check()?;
/// assert!(report.is_clean());
/// assert_eq!(report.runs, 1);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Segments gone through.
    pub segments: u64,
    /// Run files verified whole.
    pub runs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Entries in them, old versions and tombstones included.
    pub entries: u64,
    /// Everything that is wrong.
    pub problems: Vec<Error>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} segments, {} runs, {} entries, {} bytes: {}",
            self.segments,
            self.runs,
            self.entries,
            self.bytes,
            if self.is_clean() {
                "no problem".to_owned()
            } else {
                format!("{} problems", self.problems.len())
            }
        )?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))
    }
}

impl Core {
    pub(crate) fn check(&self) -> Result<CheckReport> {
        self.health.check_readable()?;
        let mut report = CheckReport::default();
        let mut verified = BTreeSet::new();
        let route = self.route.load_full();
        for segment in route.segments() {
            self.health.check_readable()?;
            report.segments += 1;
            let version: Arc<_> = segment.version().clone();
            for run in version.runs() {
                if verified.insert(run.handle.uid) {
                    self.check_run(segment, run, &mut report)?;
                }
            }
        }
        self.check_manifest(&mut report);
        self.check_logs(&mut report);
        Ok(report)
    }

    fn check_run(&self, segment: &Segment, run: &RunRef, report: &mut CheckReport) -> Result<()> {
        let name = run_file_name(run.handle.uid);
        let loaded = match self.registry.load(segment, &run.handle) {
            Ok(loaded) => loaded,
            // That the index ended meanwhile is no problem of the run.
            Err(ended @ (Error::Closed | Error::Failed { .. })) => return Err(ended),
            Err(problem) => {
                report.problems.push(problem);
                return Ok(());
            }
        };
        report.problems.extend(loaded.verify());
        let properties = loaded.properties();
        report.runs += 1;
        report.bytes += loaded.file_bytes();
        report.entries += properties.entries;
        let recorded = (run.handle.file_bytes, &*run.handle.smallest_key, &*run.handle.largest_key);
        let found = (loaded.file_bytes(), &*properties.first_key, &*properties.last_key);
        if recorded != found {
            let detail =
                format!("the manifest records length and keys {recorded:02x?}, the file holds {found:02x?}");
            report.problems.push(Error::corruption(name, 0, detail));
        }
        Ok(())
    }

    /// Replays the listed logs into nothing. Writers and the log's upkeep go on meanwhile and can make a
    /// sound log look torn for a moment: only what stays wrong is a problem.
    fn check_logs(&self, report: &mut CheckReport) {
        const ATTEMPTS: u32 = 5;
        let mut problem = None;
        for _ in 0..ATTEMPTS {
            let listed = listed_logs(&self.manifest.lock().state);
            let expectations = Expectations { proven_synced_seq: 0, policy: RecoveryPolicy::Fail };
            match replay(&*self.directory, &listed, expectations, &mut |_, _| Ok(())) {
                Ok(_) => return,
                Err(error) => problem = Some(error),
            }
            std::thread::yield_now();
        }
        report.problems.extend(problem);
    }

    fn check_manifest(&self, report: &mut CheckReport) {
        // Nobody appends meanwhile.
        let keeper = self.manifest.lock();
        match read_manifest(&*self.directory) {
            Err(problem) => report.problems.push(problem),
            Ok(read) => {
                if let Some(copy) = read.damaged_copy {
                    report.problems.push(Error::corruption(MANIFEST_NAME, copy.offset, copy.detail));
                }
                if read.state != keeper.state {
                    let detail = "the file holds another state than the open index";
                    report.problems.push(Error::corruption(MANIFEST_NAME, read.end_offset, detail));
                }
            }
        }
    }
}
