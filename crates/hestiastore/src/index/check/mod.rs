//! Verification of everything on disk, without changing it: all at once ([`Core::check`]), slowly
//! ([`super::scrub`]), or in the background.
//!
//! All of them take the steps of one [`IndexCheck`]. It reads around the caches, holds one run at a time (an
//! obsolete file is not kept for the length of a scrub), and goes on behind damage.

mod files;
mod logs;
mod overlap;
mod references;
mod report;
mod runs;
#[cfg(test)]
mod tests;

use super::core::Core;
use super::counters::add;
use crate::error::Result;

pub use report::CheckReport;
use runs::RunsCheck;

/// A verification of an open index, taken step by step.
#[derive(Debug)]
pub(super) struct IndexCheck {
    stage: Stage,
    report: CheckReport,
}

#[derive(Debug)]
enum Stage {
    Files,
    Logs,
    Runs(Box<RunsCheck>),
    Done,
}

impl IndexCheck {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Files, report: CheckReport::default() }
    }

    /// Verifies the next part. About how many bytes were read for it, or `None` if all is done.
    ///
    /// # Errors
    /// `Closed` and `Failed` if the index has ended; whatever else goes wrong is in the report.
    pub(super) fn step(&mut self, core: &Core) -> Result<Option<u64>> {
        core.health.check_readable()?;
        let before = self.report.problem_count();
        let outcome = match &mut self.stage {
            Stage::Files => {
                let bytes = core.check_files(&mut self.report);
                self.stage = Stage::Logs;
                Ok(Some(bytes))
            }
            Stage::Logs => {
                let bytes = core.check_logs(&mut self.report);
                self.stage = Stage::Runs(Box::new(RunsCheck::new()));
                Ok(Some(bytes))
            }
            Stage::Runs(runs) => {
                let outcome = runs.step(core, &mut self.report);
                if matches!(outcome, Ok(None)) {
                    self.stage = Stage::Done;
                }
                outcome
            }
            Stage::Done => Ok(None),
        };
        // What the end of the index brings about is no finding.
        core.health.check_readable()?;
        add(&core.counters.scrub_problems, self.report.problem_count() - before);
        if let Ok(Some(bytes)) = outcome {
            add(&core.counters.scrubbed_bytes, bytes);
        }
        outcome
    }

    /// What was found so far.
    pub(super) fn into_report(self) -> CheckReport {
        self.report
    }
}

impl Core {
    pub(crate) fn check(&self) -> Result<CheckReport> {
        let _span = self.check_span().entered();
        let mut check = IndexCheck::new();
        while check.step(self)?.is_some() {}
        self.note_scrubbed();
        Ok(check.into_report())
    }
}
