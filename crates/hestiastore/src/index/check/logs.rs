//! The logs: replayed into nothing.

use super::CheckReport;
use crate::error::{Error, Result};
use crate::index::core::Core;
use crate::manifest::{LogState, ManifestState};
use crate::sync::atomic::Ordering;
use crate::wal::{
    Expectations, RecoveryPolicy, ReplayEnd, damaged_logs, listed_logs, log_file_name, replay,
    replay_beside_writers,
};

/// So often logs are read that are given up, or begun, meanwhile.
const ATTEMPTS: u32 = 5;

/// What was known before the logs were read.
struct Known {
    /// Fixed before `state`, so that its logs are among those of the state.
    synced_seq: u64,
    written_to: bool,
    state: ManifestState,
}

impl Core {
    /// Verifies every listed log and the chain that they form: through all that was proven to be on disk
    /// before there is no hole. Returns the bytes of all live logs.
    ///
    /// Writers and the log's upkeep go on meanwhile: what is found in a log that they have given up since is
    /// nothing, and is looked at again.
    pub(super) fn check_logs(&self, report: &mut CheckReport) -> u64 {
        for _ in 0..ATTEMPTS {
            let known = self.known_of_logs();
            let found = self.problems_of_logs(&known).unwrap_or_else(|problem| vec![problem]);
            if found.is_empty() {
                break;
            }
            if found.iter().any(Error::is_out_of_descriptors) && self.registry.unload_half() {
                continue;
            }
            let mut lasting = found.into_iter().filter(|problem| self.lasts(&known, problem)).peekable();
            if lasting.peek().is_some() {
                lasting.for_each(|problem| report.add(problem));
                break;
            }
        }
        self.logs.live_size().1
    }

    fn known_of_logs(&self) -> Known {
        let synced_seq = self.logs.synced_seq();
        let written_to = self.opened_for_writing.load(Ordering::Acquire);
        let state = self.manifest.lock().state.clone();
        Known { synced_seq: synced_seq.max(state.proven_synced_seq()), written_to, state }
    }

    fn problems_of_logs(&self, known: &Known) -> Result<Vec<Error>> {
        let listed = listed_logs(&known.state);
        let damaged = damaged_logs(&*self.directory, &listed)?;
        if !damaged.is_empty() || listed.is_empty() {
            return Ok(damaged);
        }
        let end = if known.written_to {
            replay_beside_writers(&*self.directory, &listed, known.synced_seq)?
        } else {
            let proven_synced_seq = known.state.proven_synced_seq();
            let expectations = Expectations { proven_synced_seq, policy: RecoveryPolicy::Fail };
            replay(&*self.directory, &listed, expectations, &mut |_, _| Ok(()))?
        };
        Ok(not_as_closed(&known.state, &end).into_iter().collect())
    }

    /// Whether the problem is one of logs that count still: neither the first write nor the upkeep has settled
    /// since where they begin and end.
    fn lasts(&self, known: &Known, problem: &Error) -> bool {
        let Some(_no_first_write) = self.first_write.try_lock() else { return false };
        if known.written_to != self.opened_for_writing.load(Ordering::Acquire) {
            return false;
        }
        let state = &self.manifest.lock().state;
        let file = match problem {
            Error::Corruption { file, .. } | Error::Unsupported { file, .. } | Error::Io { file, .. } => file,
            _ => return true,
        };
        let named = |log: &&LogState| log_file_name(log.number) == *file;
        let before = known.state.logs.iter().find(named);
        before.is_none() || before == state.logs.iter().find(named)
    }
}

fn not_as_closed(state: &ManifestState, end: &ReplayEnd) -> Option<Error> {
    let closed = state
        .closed
        .filter(|closed| (closed.log_number, closed.end_offset) != (end.log_number, end.offset))?;
    let detail = format!(
        "a clean close left log {} at offset {}, the logs end in log {} at offset {}",
        closed.log_number, closed.end_offset, end.log_number, end.offset
    );
    Some(Error::corruption(log_file_name(end.log_number), end.offset, detail))
}
