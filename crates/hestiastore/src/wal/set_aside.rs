//! Listed logs that are not there: taken by a recovery that cut the history, or given up by an edit.
//!
//! It matters where the manifest's last edit cannot be read (D6): should that have given logs up, they are gone
//! because all they held is in runs that the lost edit named. Both leave traces. An edit gives up the oldest logs
//! first (L5); a cut leaves those before it, and moves those behind it to the quarantine before its own edit.

use std::io;

use crate::directory::{Directory, OpenMode, quarantined};
use crate::error::{Error, Result};

use super::format::log_file_name;
use super::reader::LogReader;
use super::replay::ListedLog;

/// The files of `logs`, oldest first, that a lost edit may have given up.
pub(crate) fn logs_given_up(dir: &dyn Directory, logs: &[ListedLog]) -> Result<Vec<String>> {
    let Some((oldest, others)) = logs.split_first() else { return Ok(Vec::new()) };
    let is_cut_under_way = || -> Result<bool> {
        // The oldest is set aside only behind an edit that names its end.
        Ok(!is_set_aside(dir, oldest)? && any(others, |log| is_set_aside(dir, log))?)
    };
    if is_here(dir, oldest)? || is_cut_under_way()? {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    for log in logs {
        if !is_here(dir, log)? {
            missing.push(log_file_name(log.number));
        }
    }
    Ok(missing)
}

fn any(logs: &[ListedLog], holds: impl Fn(&ListedLog) -> Result<bool>) -> Result<bool> {
    for log in logs {
        if holds(log)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_here(dir: &dyn Directory, log: &ListedLog) -> Result<bool> {
    let name = log_file_name(log.number);
    match dir.open(&name, OpenMode::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::io("open", name, source)),
    }
}

fn places(dir: &dyn Directory, log: &ListedLog) -> Result<Vec<String>> {
    let name = log_file_name(log.number);
    quarantined(dir, &name).map_err(|source| Error::io("look in quarantine for", name, source))
}

/// Numbers come again, uids do not: an older log of the same number may lie there too.
fn is_set_aside(dir: &dyn Directory, log: &ListedLog) -> Result<bool> {
    for place in places(dir, log)? {
        match LogReader::open_named(dir, &place) {
            Ok((_, header)) if header.log_uid == log.uid => return Ok(true),
            Ok(_) | Err(Error::Corruption { .. } | Error::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
