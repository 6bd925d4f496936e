//! The logs: replayed into nothing.

use super::CheckReport;
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::index::recovery::listed_logs;
use crate::manifest::ManifestState;
use crate::wal::{Expectations, RecoveryPolicy, damaged_logs, log_file_name, replay};

/// So often a log is looked at before it counts as damaged.
const ATTEMPTS: u32 = 5;

impl Core {
    /// Verifies every listed log and the chain that they form: through all that is proven to be on disk there is
    /// no hole. Returns the bytes of all live logs.
    ///
    /// Writers and the log's upkeep go on meanwhile and can make a sound log look torn for a moment:
    /// only what stays wrong is a problem.
    pub(super) fn check_logs(&self, report: &mut CheckReport) -> u64 {
        let mut problems = Vec::new();
        for _ in 0..ATTEMPTS {
            let state = self.manifest.lock().state.clone();
            match self.problems_of_logs(&state) {
                Ok(found) if found.is_empty() => {
                    problems.clear();
                    break;
                }
                Ok(found) => problems = found,
                Err(problem) => problems = vec![problem],
            }
            std::thread::yield_now();
        }
        problems.into_iter().for_each(|problem| report.add(problem));
        self.logs.live_size().1
    }

    fn problems_of_logs(&self, state: &ManifestState) -> Result<Vec<Error>> {
        let listed = listed_logs(state);
        let damaged = damaged_logs(&*self.directory, &listed)?;
        if !damaged.is_empty() || listed.is_empty() {
            return Ok(damaged);
        }
        let expectations =
            Expectations { proven_synced_seq: state.proven_synced_seq(), policy: RecoveryPolicy::Fail };
        let end = replay(&*self.directory, &listed, expectations, &mut |_, _| Ok(()))?;
        let Some(closed) = state.closed else { return Ok(Vec::new()) };
        if (closed.log_number, closed.end_offset) == (end.log_number, end.offset) {
            return Ok(Vec::new());
        }
        let detail = format!(
            "a clean close left log {} at offset {}, the logs end in log {} at offset {}",
            closed.log_number, closed.end_offset, end.log_number, end.offset
        );
        Ok(vec![Error::corruption(log_file_name(end.log_number), end.offset, detail)])
    }
}
