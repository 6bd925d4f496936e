//! Replay: every operation of the listed logs in seq order, and what to make of the place where they end.
//!
//! A log ends where no valid record stands. That place is the *tail*, and what lies behind it was
//! never promised to anybody, unless something proves that the lost records had been synced: then it
//! is *damage* (L3). This is what counts as proof that all through seq S had been on disk:
//! * a valid SYNC mark with `synced_seq` >= S, anywhere in the rest of the log or in a log not entered:
//!   it was written after a sync of everything through its seq, whichever logs that was in (L2);
//! * `proven_synced_seq` >= S: a run is installed only after a sync of the log through its greatest
//!   seq (D1), and a CLOSE is written after a sync of everything (L8).
//!
//! And this does not, for the kernel writes a mapping's pages in any order and at any time: a valid record
//! of operations behind the place; a valid BEGIN of a later log, which is no more than the first bytes
//! behind its predecessor's last; the manifest's end of a log, which fixes what was *read* after a crash (D6).
//!
//! Where an edit names a log's end, bytes behind it were given up by that edit and are not looked at.

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::manifest::{LogState, ManifestState};

use super::evidence::{conclude, conclude_beside_writers};
use super::format::LOG_HEADER_BYTES;
use super::marks::SyncMark;
use super::operations::{OperationRef, Operations};
use super::reader::{LogReader, Record, Step};
use super::record::RecordKind;
use super::survey::{FirstRecord, Surveyed, survey};

/// A log as the manifest lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListedLog {
    pub(crate) number: u64,
    pub(crate) uid: u64,
    /// Offset and last seq, where an edit has named them. No record behind it counts.
    pub(crate) end: Option<(u64, u64)>,
}

impl From<&LogState> for ListedLog {
    fn from(log: &LogState) -> Self {
        Self { number: log.number, uid: log.uid, end: log.end.map(|end| (end.offset, end.last_seq)) }
    }
}

/// The logs as replay wants them.
pub(crate) fn listed_logs(state: &ManifestState) -> Vec<ListedLog> {
    state.spent_and_needed_logs().1.iter().map(ListedLog::from).collect()
}

/// What an open does about a damaged log. A torn tail, which a crash leaves, is no damage: only
/// what is proven to have been on disk and is not there any more.
///
/// It is chosen anew at each open and stored nowhere.
///
/// ```
/// use hestiastore::{RecoveryPolicy, SegmentIndex};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("index");
/// # SegmentIndex::<u64, u64>::builder(&path).create()?.close()?;
/// let index = SegmentIndex::<u64, u64>::builder(&path).recovery(RecoveryPolicy::CutAtDamage).open()?;
/// if let Some(loss) = index.log_loss() {
///     eprintln!("{loss}");
/// }
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecoveryPolicy {
    /// Refuse to open, with [`Error::Corruption`].
    #[default]
    Fail,
    /// End the history before the damage, and say what was lost ([`crate::LogLoss`]). The damaged log and
    /// those behind it are moved to `quarantine/` by the first write.
    CutAtDamage,
}

/// What the caller knows from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectations {
    /// Greatest *logged* seq that the manifest proves to have been synced: of installed runs and of a
    /// CLOSE edit. 0: none.
    pub(crate) proven_synced_seq: u64,
    pub(crate) policy: RecoveryPolicy,
}

/// Where replay ended, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplayEnd {
    /// The log that replay ended in. Only after a clean close may it be written on at `offset`:
    /// otherwise valid records of the lost tail may stand behind it, and an edit must end it there (L4).
    /// 0 if no log is listed.
    pub(crate) log_number: u64,
    pub(crate) offset: u64,
    /// One more than the last seq visited, or than what the logs say came before the first.
    pub(crate) next_seq: u64,
    /// Everything through this seq is proven to have been synced. Less than `next_seq`.
    pub(crate) synced_seq: u64,
    pub(crate) records: u64,
    pub(crate) operations: u64,
    /// What was lost, under [`RecoveryPolicy::CutAtDamage`].
    pub(crate) cut: Option<DamageReport>,
}

/// Where the history was cut, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DamageReport {
    pub(crate) file: String,
    pub(crate) offset: u64,
    /// The first seq that may be lost.
    pub(crate) lost_seq: u64,
    /// Everything through this seq had been synced.
    pub(crate) proven_synced_seq: u64,
    /// Valid records that were found behind the cut and given up.
    pub(crate) later_records: u64,
    /// No operation of those has a greater seq, as far as their logs can be read.
    pub(crate) later_seq: u64,
    pub(crate) detail: String,
}

/// Visits every operation with its seq; the first log is the floor, the others follow in any order.
///
/// A record is visited only once all of it has been checked. After an error of the visitor or of I/O
/// replay may be run anew from the start.
pub(crate) fn replay(
    dir: &dyn Directory,
    logs: &[ListedLog],
    expectations: Expectations,
    visit: &mut dyn FnMut(u64, OperationRef<'_>) -> Result<()>,
) -> Result<ReplayEnd> {
    let surveyed = survey(dir, logs)?;
    if expectations.policy == RecoveryPolicy::Fail {
        refuse_damaged(&surveyed)?;
    }
    follow(dir, &surveyed, visit, |walk, halt| conclude(walk, halt, expectations))
}

/// Replays the logs of an open index into nothing, beside its writers. All through `synced_seq` had been synced
/// before the call, in logs that `logs` lists.
///
/// # Errors
/// Damage; also for a log that is given up meanwhile.
pub(crate) fn replay_beside_writers(
    dir: &dyn Directory,
    logs: &[ListedLog],
    synced_seq: u64,
) -> Result<ReplayEnd> {
    let surveyed = survey(dir, logs)?;
    refuse_damaged(&surveyed)?;
    follow(dir, &surveyed, &mut |_, _| Ok(()), |walk, halt| conclude_beside_writers(walk, halt, synced_seq))
}

fn refuse_damaged(logs: &[Surveyed]) -> Result<()> {
    match logs.iter().find_map(|log| Some((&log.file, log.damage()?))) {
        Some((file, (offset, detail))) => Err(Error::corruption(&**file, offset, detail)),
        None => Ok(()),
    }
}

fn follow(
    dir: &dyn Directory,
    logs: &[Surveyed],
    visit: &mut dyn FnMut(u64, OperationRef<'_>) -> Result<()>,
    conclude: impl FnOnce(&Walk<'_>, Halt<'_>) -> Result<ReplayEnd>,
) -> Result<ReplayEnd> {
    let Some(floor) = logs.first() else {
        return Ok(no_logs());
    };
    let mut walk = Walk {
        dir,
        logs,
        visit,
        visited: vec![false; logs.len()],
        greatest_mark: 0,
        records: 0,
        operations: 0,
    };
    let halt = walk.follow_chain(floor)?;
    conclude(&walk, halt)
}

fn no_logs() -> ReplayEnd {
    ReplayEnd { log_number: 0, offset: 0, next_seq: 1, synced_seq: 0, records: 0, operations: 0, cut: None }
}

/// How far replay has come.
pub(super) struct Walk<'a> {
    pub(super) dir: &'a dyn Directory,
    pub(super) logs: &'a [Surveyed],
    visit: &'a mut dyn FnMut(u64, OperationRef<'_>) -> Result<()>,
    /// Logs that replay has been in.
    pub(super) visited: Vec<bool>,
    /// Greatest `synced_seq` of the SYNC marks passed.
    pub(super) greatest_mark: u64,
    pub(super) records: u64,
    pub(super) operations: u64,
}

/// A place in a log, between two records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) log: &'a Surveyed,
    pub(super) offset: u64,
    pub(super) next_seq: u64,
}

/// Why replay went no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// At the end that an edit named, and no log follows.
    NamedEnd,
    /// No valid record stands here: tail or damage, as the evidence says.
    NoRecord(String),
    /// Valid records or edits contradict each other.
    Contradiction(String),
}

/// The end of replay, before it is judged.
#[derive(Debug)]
pub(super) struct Halt<'a> {
    pub(super) place: Place<'a>,
    pub(super) cause: Cause,
}

/// Where a log must end to be left for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    offset: u64,
    last_seq: u64,
    /// By an edit; otherwise by the successor's BEGIN.
    by_edit: bool,
}

impl<'a> Walk<'a> {
    fn follow_chain(&mut self, floor: &'a Surveyed) -> Result<Halt<'a>> {
        let mut place = Place {
            log: floor,
            offset: LOG_HEADER_BYTES,
            next_seq: floor.first().map_or(floor.least_seq(), |first| first.first_seq),
        };
        loop {
            self.mark_visited(place.log);
            match self.finish_log(&mut place)? {
                Ok(Some(next)) => place = next,
                Ok(None) => {
                    return Ok(Halt { place, cause: Cause::NamedEnd });
                }
                Err(cause) => return Ok(Halt { place, cause }),
            }
        }
    }

    /// Replays the log of `place` to its end and says where to go on: `None` if no log follows.
    fn finish_log(&mut self, place: &mut Place<'a>) -> Result<std::result::Result<Option<Place<'a>>, Cause>> {
        let successor = match self.successor(place.log) {
            Ok(successor) => successor,
            Err(contradiction) => return Ok(Err(Cause::Contradiction(contradiction))),
        };
        let limit = limit(place.log, successor);
        Ok(match self.replay_log(place, limit)? {
            Some(cause) => Err(cause),
            None => enter(place, successor),
        })
    }

    fn mark_visited(&mut self, log: &Surveyed) {
        for (visited, each) in self.visited.iter_mut().zip(self.logs) {
            *visited |= std::ptr::eq(each, log);
        }
    }

    /// The log whose BEGIN names `log` as its predecessor.
    fn successor(
        &self,
        log: &Surveyed,
    ) -> std::result::Result<Option<(&'a Surveyed, &'a FirstRecord)>, String> {
        let mut found = None;
        for (candidate, visited) in self.logs.iter().zip(&self.visited) {
            let follows = |first: &&FirstRecord| first.begin.predecessor_uid == log.listed.uid;
            let Some(first) = candidate.first().filter(follows) else {
                continue;
            };
            if *visited {
                continue;
            }
            if let Some((other, _)) = found.replace((candidate, first)) {
                let other: &Surveyed = other;
                return Err(format!("both {} and {} follow this log", other.file, candidate.file));
            }
        }
        Ok(found)
    }

    /// `None` once the limit is reached, and otherwise why not.
    fn replay_log(&mut self, place: &mut Place<'a>, limit: Option<Limit>) -> Result<Option<Cause>> {
        if let Some(cause) = self.without_begin(place, limit) {
            return Ok(cause);
        }
        let (mut reader, _) = LogReader::open(self.dir, place.log.listed.number)?;
        reader.seek(place.offset, Some(place.next_seq));
        loop {
            if let Some(limit) = limit.filter(|limit| limit.offset == place.offset) {
                return at_limit(place, limit, &mut reader);
            }
            let record = match reader.next() {
                Ok(Step::Record(record)) => record,
                Ok(Step::Stop(stop)) => return Ok(Some(Cause::NoRecord(stop.reason.to_string()))),
                Err(Error::Corruption { detail, .. }) => {
                    return Ok(Some(Cause::Contradiction(detail)));
                }
                Err(other) => return Err(other),
            };
            if let Some(contradiction) = misplaced(&record, limit) {
                return Ok(Some(Cause::Contradiction(contradiction)));
            }
            if let Some(malformed) = self.take(&record, &place.log.file)? {
                return Ok(Some(Cause::Contradiction(malformed)));
            }
            place.offset = record.end;
            place.next_seq = record.first_seq + record.operation_count;
        }
    }

    /// For a log without a BEGIN, which only the floor can be: the cause, or `None` if an edit ended it
    /// before its first use.
    fn without_begin(&self, place: &mut Place<'a>, limit: Option<Limit>) -> Option<Option<Cause>> {
        if place.log.first().is_some() {
            return None;
        }
        match limit {
            Some(limit) if limit.offset == LOG_HEADER_BYTES => {
                place.next_seq = limit.last_seq.saturating_add(1);
                Some(None)
            }
            _ => Some(Some(Cause::NoRecord("the log has no BEGIN".into()))),
        }
    }

    /// Visits a record's operations, all of them or, if it cannot be read, none.
    fn take(&mut self, record: &Record<'_>, file: &str) -> Result<Option<String>> {
        let read = |error: super::operations::BodyError| match error.at(file, record.offset) {
            Error::Corruption { detail, .. } => Ok(Some(detail)),
            other => Err(other),
        };
        match record.kind {
            RecordKind::Operations => {
                let operations = match Operations::new(record.body).and_then(|operations| {
                    operations.check()?;
                    Ok(operations)
                }) {
                    Ok(operations) => operations,
                    Err(error) => return read(error),
                };
                for (seq, operation) in (record.first_seq..).zip(operations.flatten()) {
                    (self.visit)(seq, operation)?;
                }
            }
            RecordKind::Sync => match SyncMark::decode(record.body) {
                Ok(mark) => self.greatest_mark = self.greatest_mark.max(mark.synced_seq),
                Err(error) => return read(error),
            },
            RecordKind::Begin => {}
        }
        self.records += 1;
        self.operations += record.operation_count;
        Ok(None)
    }
}

/// What must hold where a log is left for the next, or for good.
fn at_limit(place: &Place<'_>, limit: Limit, reader: &mut LogReader) -> Result<Option<Cause>> {
    let last_seq = place.next_seq.saturating_sub(1);
    if last_seq != limit.last_seq {
        let detail = format!("the log ends at seq {last_seq}, but is said to end at {}", limit.last_seq);
        return Ok(Some(Cause::Contradiction(detail)));
    }
    if limit.by_edit {
        return Ok(None);
    }
    // Without an edit nobody gave up what stands behind the end, so nothing may stand there.
    match reader.next() {
        Ok(Step::Stop(_)) => Ok(None),
        Ok(Step::Record(_)) | Err(Error::Corruption { .. }) => {
            let detail = "the log goes on behind the end that the next log's BEGIN names";
            Ok(Some(Cause::Contradiction(detail.into())))
        }
        Err(other) => Err(other),
    }
}

/// Where `log` must end: as an edit says, and otherwise as its successor says.
fn limit(log: &Surveyed, successor: Option<(&Surveyed, &FirstRecord)>) -> Option<Limit> {
    let by_edit = |(offset, last_seq)| Limit { offset, last_seq, by_edit: true };
    let by_begin = |(_, first): (&Surveyed, &FirstRecord)| Limit {
        offset: first.begin.predecessor_end,
        last_seq: first.begin.predecessor_last_seq,
        by_edit: false,
    };
    log.listed.end.map(by_edit).or_else(|| successor.map(by_begin))
}

/// The beginning of the next log, if that log says that it begins here (L4).
fn enter<'a>(
    end: &Place<'a>,
    successor: Option<(&'a Surveyed, &'a FirstRecord)>,
) -> std::result::Result<Option<Place<'a>>, Cause> {
    let Some((log, first)) = successor else {
        return Ok(None);
    };
    let named = (first.begin.predecessor_end, first.begin.predecessor_last_seq);
    let reached = (end.offset, end.next_seq.saturating_sub(1));
    if named != reached || first.first_seq < end.next_seq {
        return Err(Cause::Contradiction(format!(
            "this log ends at offset {}, seq {}, but {} begins with seq {} behind offset {}, seq {}",
            reached.0, reached.1, log.file, first.first_seq, named.0, named.1
        )));
    }
    let (offset, next_seq) = (LOG_HEADER_BYTES, first.first_seq);
    Ok(Some(Place { log, offset, next_seq }))
}

/// What a valid record may not do.
fn misplaced(record: &Record<'_>, limit: Option<Limit>) -> Option<String> {
    if let Some(limit) = limit.filter(|limit| record.end > limit.offset) {
        return Some(format!(
            "a record of seq {} runs past the log's end at offset {}",
            record.first_seq, limit.offset
        ));
    }
    let misplaced = record.kind == RecordKind::Begin && record.offset != LOG_HEADER_BYTES;
    misplaced.then(|| "a second BEGIN".into())
}
