//! What becomes of the logs: which of them count, how far, and what lies behind damage.

use super::report::{Action, KeyRange, Loss, RepairReport};
use super::survey::{FoundLog, Survey};
use crate::counted::Counted;
use crate::error::Result;
use crate::manifest::{LogEnd, LogState, SegmentState};
use crate::wal::{DamageReport, Expectations, ListedLog, RecoveryPolicy, ReplayEnd, log_file_name, replay};

/// More losses of one log than segments like these are told as one.
const LOSSES_TOLD: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct LogPlan {
    /// For the manifest, with the end where the history was cut.
    pub(super) listed: Vec<LogState>,
    /// Files that stay and of which a copy goes to quarantine: the log that was cut.
    pub(super) copied: Vec<String>,
    /// Files that go to quarantine.
    pub(super) given_up: Vec<String>,
    /// The seqs that the logs give, without a gap: the first, and one more than the last.
    pub(super) replayed: Option<(u64, u64)>,
    pub(super) next_seq: u64,
    /// Number and offset of the place where they end; 0 without logs.
    pub(super) end: (u64, u64),
    pub(super) cut: Option<DamageReport>,
}

impl LogPlan {
    /// Reads the logs that `listed` names, the floor first, and cuts their history at damage.
    /// `proven_synced_seq`: everything through it is known to have been in a log or a run.
    pub(super) fn make(survey: &Survey, listed: &[LogState], proven_synced_seq: u64) -> Result<Self> {
        let mut plan = Self {
            listed: listed.to_vec(),
            copied: Vec::new(),
            given_up: Vec::new(),
            replayed: None,
            next_seq: 1,
            end: (0, 0),
            cut: None,
        };
        if listed.is_empty() {
            return Ok(plan);
        }
        let logs: Vec<ListedLog> = listed.iter().map(ListedLog::from).collect();
        let expectations = Expectations { proven_synced_seq, policy: RecoveryPolicy::CutAtDamage };
        let mut replayed: Option<(u64, u64)> = None;
        let mut end = replay(&*survey.directory, &logs, expectations, &mut |seq, _| {
            match &mut replayed {
                Some((_, next)) if *next == seq => *next = seq + 1,
                _ => replayed = Some((seq, seq + 1)),
            }
            Ok(())
        })?;
        plan.replayed = replayed;
        plan.next_seq = end.next_seq;
        plan.end = (end.log_number, end.offset);
        plan.cut = end.cut.take();
        if plan.cut.is_some() {
            plan.cut_at(survey, &end);
        }
        Ok(plan)
    }

    /// Names the end of the log that was cut; what lies behind it goes.
    fn cut_at(&mut self, survey: &Survey, end: &ReplayEnd) {
        let usable = |log: &LogState| {
            let found = survey.logs.iter().find(|found| found.number == log.number);
            let beginning = found.and_then(|found| found.beginning);
            beginning.is_some_and(|beginning| beginning.uid == log.uid && beginning.first.is_some())
        };
        let (mut kept, gone): (Vec<LogState>, Vec<LogState>) = std::mem::take(&mut self.listed)
            .into_iter()
            .partition(|log| log.number <= end.log_number && usable(log));
        let named = LogEnd { offset: end.offset, last_seq: end.next_seq.saturating_sub(1) };
        if let Some(last) = kept.last_mut().filter(|last| last.number == end.log_number) {
            if last.end.is_none_or(|known| known != named) {
                self.copied.push(log_file_name(last.number));
            }
            last.end = Some(named);
        } else {
            // Replay ended in a log that cannot be used: the floor, before anything was read.
            self.given_up.extend(kept.drain(..).map(|log| log_file_name(log.number)));
        }
        let exists = |file: &String| survey.logs.iter().any(|found: &FoundLog| found.file == *file);
        self.given_up.extend(gone.iter().map(|log| log_file_name(log.number)).filter(exists));
        self.listed = kept;
    }

    /// Tells of the cut. `greatest_in_runs` may lie behind it.
    pub(super) fn tell<'s>(
        &self,
        segments: impl Iterator<Item = &'s SegmentState>,
        greatest_in_runs: u64,
        report: &mut RepairReport,
    ) {
        let Some(cut) = &self.cut else { return };
        let mut damage = format!("it is damaged at offset {}: {}", cut.offset, cut.detail);
        match cut.later_records {
            0 => {}
            count => {
                let records = Counted(count, "record", "records");
                damage += &format!("; given up behind it: {records} that could be read");
            }
        }
        if greatest_in_runs >= cut.lost_seq {
            damage += &format!(
                "; runs hold entries up to seq {greatest_in_runs}: what is left is no prefix of what was written"
            );
        }
        let finding = report.add(&*cut.file, damage, Action::LogCut);
        finding.losses = losses(cut.lost_seq, segments);
        finding.records_given_up = cut.later_records;
        for file in self.given_up.iter().filter(|file| **file != cut.file) {
            report.add(file, format!("it follows the damage in {}", cut.file), Action::Quarantined);
        }
    }

    /// Seqs have no gaps: what stands neither in runs nor in the logs behind them is gone.
    pub(super) fn tell_gap(&self, greatest_in_runs: u64, report: &mut RepairReport) {
        let next = greatest_in_runs.saturating_add(1);
        let Some((first, _)) = self.replayed.filter(|(first, _)| *first > next) else { return };
        let Some(log) = self.listed.first() else { return };
        let damage = format!(
            "the logs begin with seq {first}, but the runs end with seq {greatest_in_runs}: logs before it are gone"
        );
        let (keys, seqs) = (KeyRange::all(), (next, first - 1));
        let loss = Loss { keys, seqs, entries_at_most: None, older_may_return: true };
        report.add(log_file_name(log.number), damage, Action::Told).losses = vec![loss];
    }
}

/// Operations from the cut on that no run of their segment holds.
fn losses<'s>(lost_seq: u64, segments: impl Iterator<Item = &'s SegmentState>) -> Vec<Loss> {
    let loss = |segment: &SegmentState| Loss {
        keys: KeyRange::new(&segment.lower, segment.upper.as_deref()),
        seqs: (lost_seq.max(segment.flushed_seq.saturating_add(1)), u64::MAX),
        entries_at_most: None,
        older_may_return: true,
    };
    let all: Vec<Loss> = segments.map(loss).collect();
    if all.len() <= LOSSES_TOLD {
        return all;
    }
    let first = all.iter().map(|loss| loss.seqs.0).min().unwrap_or(lost_seq);
    let keys = KeyRange::all();
    vec![Loss { keys, seqs: (first, u64::MAX), entries_at_most: None, older_may_return: true }]
}
