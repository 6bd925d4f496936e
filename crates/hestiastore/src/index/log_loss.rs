//! What an open gave up at a damaged log.

use std::fmt;

use crate::manifest::ManifestState;
use crate::run::run_file_name;
use crate::wal::DamageReport;

/// What was lost by [`crate::RecoveryPolicy::CutAtDamage`]: where the log was cut, and what lay behind.
///
/// ```
/// use hestiastore::{RecoveryPolicy, SegmentIndex};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("index");
/// # SegmentIndex::<u64, u64>::builder(&path).create()?.close()?;
/// let index = SegmentIndex::<u64, u64>::builder(&path).recovery(RecoveryPolicy::CutAtDamage).open()?;
/// match index.log_loss() {
///     None => println!("the log was sound"),
///     Some(loss) if loss.is_prefix() => println!("everything before seq {}: {loss}", loss.first_lost_seq),
///     Some(loss) => println!("some later writes are there, others not: {:?}", loss.runs_beyond),
/// }
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLoss {
    /// The log that was cut.
    pub file: String,
    /// Where, in bytes.
    pub offset: u64,
    /// What was expected there and what was found.
    pub detail: String,
    /// The first write that may be lost. Everything before it is there.
    pub first_lost_seq: u64,
    /// Everything through this seq had been on disk, as marks in the logs and the manifest prove. What lies
    /// between it and the cut was promised and is lost.
    pub proven_synced_seq: u64,
    /// Valid records behind the cut that were given up with it.
    pub later_records: u64,
    /// Runs that hold entries of lost seqs all the same: they were flushed before the log was damaged.
    pub runs_beyond: Vec<RunBeyondCut>,
}

/// A run with entries that are newer than the cut of a damaged log.
///
/// ```
/// use hestiastore::RunBeyondCut;
///
/// fn tell(run: &RunBeyondCut) -> String {
///     format!("{} of segment {} goes up to seq {}", run.file, run.segment, run.greatest_seq)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunBeyondCut {
    /// The run's file.
    pub file: String,
    /// The segment that it belongs to.
    pub segment: u64,
    /// The least key in it, encoded.
    pub first_key: Vec<u8>,
    /// The greatest key in it, encoded.
    pub last_key: Vec<u8>,
    /// The greatest seq in it.
    pub greatest_seq: u64,
}

impl LogLoss {
    pub(super) fn new(report: DamageReport, state: &ManifestState) -> Self {
        let first_lost_seq = report.lost_seq;
        Self {
            file: report.file,
            offset: report.offset,
            detail: report.detail,
            first_lost_seq,
            proven_synced_seq: report.proven_synced_seq,
            later_records: report.later_records,
            runs_beyond: runs_beyond(state, first_lost_seq),
        }
    }

    /// Whether what is left is exactly what had been written before [`LogLoss::first_lost_seq`]. If not,
    /// [`LogLoss::runs_beyond`] says where later writes are.
    pub fn is_prefix(&self) -> bool {
        self.runs_beyond.is_empty()
    }
}

fn runs_beyond(state: &ManifestState, first_lost_seq: u64) -> Vec<RunBeyondCut> {
    let runs = state.segments.iter().flat_map(|(id, segment)| segment.runs.iter().map(move |run| (*id, run)));
    let beyond = runs.filter(|(_, run)| run.max_seq >= first_lost_seq);
    beyond
        .map(|(segment, run)| RunBeyondCut {
            file: run_file_name(run.uid),
            segment,
            first_key: run.smallest_key.clone(),
            last_key: run.largest_key.clone(),
            greatest_seq: run.max_seq,
        })
        .collect()
}

impl fmt::Display for LogLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the log was cut at damage in {} at offset {}: {}; writes from seq {} on are lost",
            self.file, self.offset, self.detail, self.first_lost_seq
        )?;
        if self.proven_synced_seq >= self.first_lost_seq {
            write!(f, ", though all through {} had been synced", self.proven_synced_seq)?;
        }
        write!(f, "; {} valid records behind the cut were given up", self.later_records)?;
        if self.is_prefix() {
            return Ok(());
        }
        let files: Vec<&str> = self.runs_beyond.iter().map(|run| run.file.as_str()).collect();
        write!(f, "; no prefix is left, for later writes are in {}", files.join(", "))
    }
}
