//! `hestia check`.

use hestiastore::{CheckReport, Error};

use crate::failure::{Failure, Outcome};
use crate::opening::{self, RawIndex};
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia check words
  hestia check words --json | jq -r '.problems[]'

Exit codes: 0 no problem, 1 problems were found, 2 it could not be checked";

/// Read everything and verify it; changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let report = or_finding(arguments.index.for_reading(), |index| index.check())?;
    tell(&report, arguments.json)
}

/// Writes what was found, and answers whether that is nothing.
pub(super) fn tell(report: &CheckReport, as_json: bool) -> Result<Outcome, Failure> {
    let mut output = Output::new()?;
    if as_json {
        output.line(to_json(report))?;
    } else {
        output.write(report.to_string().as_bytes())?;
    }
    output.finish()?;
    Ok(if report.is_clean() { Outcome::Done } else { Outcome::No })
}

/// Damage that does not even let the index open is a finding as well.
pub(super) fn or_finding(
    opened: Result<RawIndex, Failure>,
    check: impl FnOnce(&RawIndex) -> hestiastore::Result<CheckReport>,
) -> Result<CheckReport, Failure> {
    match opened {
        Ok(index) => Ok(check(&index)?),
        Err(Failure::Index(problem @ Error::Corruption { .. })) => Ok(problem.into()),
        Err(failure) => Err(failure),
    }
}

fn to_json(report: &CheckReport) -> serde_json::Value {
    let problems: Vec<String> = report.problems.iter().map(Error::to_string).collect();
    serde_json::json!({
        "clean": report.is_clean(),
        "segments": report.segments,
        "runs": report.runs,
        "entries": report.entries,
        "bytes": report.bytes,
        "problems": problems,
        "unlisted_problems": report.unlisted_problems,
        "unnamed_files": report.unnamed_files,
    })
}
