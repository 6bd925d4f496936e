//! The judgement on the place where replay ended: the tail, or damage (L3).

use crate::error::{Error, Result};

use super::format::LOG_HEADER_BYTES;
use super::reader::LogReader;
use super::replay::{Cause, DamageReport, Expectations, Halt, RecoveryPolicy, ReplayEnd, Walk};
use super::search::Search;
use super::survey::{Condition, Surveyed};

/// What the search behind the end of replay found.
#[derive(Debug)]
struct Evidence {
    /// Everything through this seq had been synced.
    synced_seq: u64,
    /// Who says so.
    witness: String,
    later_records: u64,
    later_seq: u64,
}

/// Searches what replay left out, and ends it or calls it damage.
pub(super) fn conclude(walk: &Walk<'_>, halt: Halt<'_>, expectations: Expectations) -> Result<ReplayEnd> {
    let evidence = gather(walk, &halt, expectations.proven_synced_seq)?;
    let place = halt.place;
    let (log, offset, next_seq) = (place.log, place.offset, place.next_seq);
    let detail = damage(walk, &halt, &evidence);
    if let (Some(detail), RecoveryPolicy::Fail) = (&detail, expectations.policy) {
        return Err(Error::corruption(&*log.file, offset, detail.clone()));
    }
    Ok(ReplayEnd {
        log_number: log.listed.number,
        offset,
        next_seq,
        synced_seq: evidence.synced_seq.min(next_seq.saturating_sub(1)),
        records: walk.records,
        operations: walk.operations,
        cut: detail.map(|detail| DamageReport {
            file: log.file.clone(),
            offset,
            lost_seq: next_seq,
            proven_synced_seq: evidence.synced_seq,
            later_records: evidence.later_records,
            later_seq: evidence.later_seq,
            detail,
        }),
    })
}

fn gather(walk: &Walk<'_>, halt: &Halt<'_>, proven_synced_seq: u64) -> Result<Evidence> {
    let mut evidence = Evidence {
        synced_seq: proven_synced_seq,
        witness: "the manifest".into(),
        later_records: 0,
        later_seq: 0,
    };
    if walk.greatest_mark > evidence.synced_seq {
        evidence.synced_seq = walk.greatest_mark;
        evidence.witness = "a SYNC mark before it".into();
    }
    if halt.cause != Cause::NamedEnd {
        search(walk, halt.place.log, halt.place.offset, &mut evidence)?;
    }
    for log in not_entered(walk) {
        search(walk, log, LOG_HEADER_BYTES, &mut evidence)?;
    }
    Ok(evidence)
}

fn not_entered<'w>(walk: &'w Walk<'_>) -> impl Iterator<Item = &'w Surveyed> {
    let pairs = walk.logs.iter().zip(&walk.visited);
    pairs.filter(|(_, visited)| !**visited).map(|(log, _)| log)
}

fn search(walk: &Walk<'_>, log: &Surveyed, from: u64, evidence: &mut Evidence) -> Result<()> {
    let mut reader = match log.condition {
        Condition::Missing => return Ok(()),
        Condition::Readable { .. } => LogReader::open(walk.dir, log.listed.number)?.0,
        Condition::Damaged { .. } => LogReader::open_headless(walk.dir, &log.file, log.listed.uid)?,
    };
    let mut search = Search::new(&mut reader, from);
    while let Some(found) = search.next()? {
        evidence.later_records += 1;
        // Each operation takes a byte at least.
        evidence.later_seq = evidence.later_seq.max(found.first_seq.saturating_add(found.end - found.offset));
        if let Some(mark) = found.sync.filter(|mark| mark.synced_seq > evidence.synced_seq) {
            evidence.synced_seq = mark.synced_seq;
            evidence.witness = format!("the SYNC mark at offset {} of {}", found.offset, log.file);
        }
    }
    Ok(())
}

/// All that makes the end of replay more than a tail.
fn damage(walk: &Walk<'_>, halt: &Halt<'_>, evidence: &Evidence) -> Option<String> {
    let mut problems = Vec::new();
    if let Cause::Contradiction(detail) = &halt.cause {
        problems.push(detail.clone());
    }
    if let Some(lost_seq) = lost_seq(walk, halt).filter(|&lost| lost <= evidence.synced_seq) {
        let why = match &halt.cause {
            Cause::NoRecord(reason) => format!(" ({reason})"),
            Cause::NamedEnd | Cause::Contradiction(_) => String::new(),
        };
        problems.push(format!(
            "expected seq {lost_seq} and all through {}, which had been synced as {} says, found none{why}",
            evidence.synced_seq, evidence.witness
        ));
        // It may be these that are damaged, and not the log that replay ended in.
        let blank = not_entered(walk).filter(|log| log.first().is_none());
        problems.extend(blank.map(|log| format!("{} is unused, or its beginning is lost", log.file)));
    }
    for log in walk.logs {
        if let Some((offset, detail)) = log.damage() {
            problems.push(format!("{} at offset {offset}: {detail}", log.file));
        }
    }
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// The least seq that may be lost; `None` if none can be.
fn lost_seq(walk: &Walk<'_>, halt: &Halt<'_>) -> Option<u64> {
    let next_seq = halt.place.next_seq.max(1);
    match halt.cause {
        // What stood behind the named end was given up; what is lost now began in a later log.
        Cause::NamedEnd => not_entered(walk).map(|log| log.least_seq().max(next_seq)).min(),
        Cause::NoRecord(_) | Cause::Contradiction(_) => Some(next_seq),
    }
}
