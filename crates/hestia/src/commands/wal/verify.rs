//! `hestia wal verify`.

use std::path::PathBuf;
use std::sync::Arc;

use hestiastore::Error;
use hestiastore::directory::Directory;
use hestiastore::inspect::{self, LogEnd, LogFileReport};
use serde_json::{Value, json};

use super::hex;
use crate::commands::dump::{open_existing, open_folder};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia wal verify words
  hestia wal verify words --json | jq '.logs[].end'
  hestia wal verify /backup/log-00000000000000000007.wal

Goes through all logs that the manifest lists, as recovery would, and changes nothing. What a crash
left unfinished at the end is a tail and sound; it is told. A file by its path, also a copy, is
judged by itself alone.

Exit codes: 0 sound, 2 damage was found, or it could not be checked";

/// Read the whole log as recovery would and say whether it is sound
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Directory of the index, or a log file
    #[arg(value_name = "DIR")]
    place: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (logs, damage) = verify(arguments)?;
    let mut output = Output::new()?;
    if arguments.json {
        let logs: Vec<Value> = logs.iter().map(to_json).collect();
        let damage_text = damage.as_ref().map(Error::to_string);
        output.line(json!({ "sound": damage.is_none(), "logs": logs, "damage": damage_text }))?;
    } else if logs.is_empty() {
        output.line("no log is listed")?;
    } else {
        logs.iter().try_for_each(|log| output.line(log))?;
    }
    output.finish()?;
    match damage {
        None => Ok(Outcome::Done),
        Some(damage) => Err(damage.into()),
    }
}

fn verify(arguments: &Arguments) -> Result<(Vec<LogFileReport>, Option<Error>), Failure> {
    if !arguments.place.is_file() {
        let directory: Arc<dyn Directory> = Arc::new(open_existing(&arguments.place)?);
        let report = inspect::verify_logs(&directory)?;
        return Ok((report.logs, report.damage));
    }
    let (directory, name) = open_folder(&arguments.place)?;
    let report = inspect::verify_log_file(&*directory, &name)?;
    let damage = match &report.end {
        LogEnd::Damage { offset, detail } => {
            Some(Error::Corruption { file: name, offset: *offset, detail: detail.clone() })
        }
        _ => None,
    };
    Ok((vec![report], damage))
}

fn to_json(log: &LogFileReport) -> Value {
    let counted = |count: u64| (log.end != LogEnd::NotReached).then_some(count);
    json!({
        "name": log.name,
        "number": log.number,
        "uid": hex(log.uid),
        "predecessor": log.predecessor_uid.map(hex),
        "bytes": log.file_bytes,
        "records": counted(log.records),
        "operations": counted(log.operations),
        "first_seq": log.seqs.map(|(first, _)| first),
        "last_seq": log.seqs.map(|(_, last)| last),
        "sync_marks": counted(log.sync_marks),
        "synced_seq": log.synced_seq,
        "end": end_to_json(&log.end),
    })
}

fn end_to_json(end: &LogEnd) -> Value {
    match end {
        LogEnd::Followed { offset } => json!({ "kind": "followed", "offset": offset }),
        LogEnd::Named { offset } => json!({ "kind": "named", "offset": offset }),
        LogEnd::Tail { offset, reason } => json!({ "kind": "tail", "offset": offset, "reason": reason }),
        LogEnd::Damage { offset, detail } => json!({ "kind": "damage", "offset": offset, "detail": detail }),
        LogEnd::Unused => json!({ "kind": "unused" }),
        _ => json!({ "kind": "not reached" }),
    }
}
