//! `hestia check`.

use std::path::PathBuf;

use hestiastore::{CheckReport, Error};

use crate::failure::{Failure, Outcome};
use crate::opening;
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
    /// Directory of the index
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    recovery: opening::Recovery,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let report = check(arguments)?;
    let mut output = Output::new()?;
    if arguments.json {
        output.line(to_json(&report))?;
    } else {
        output.write(report.to_string().as_bytes())?;
    }
    output.finish()?;
    Ok(if report.is_clean() { Outcome::Done } else { Outcome::No })
}

/// Damage that does not even let the index open is a finding as well.
fn check(arguments: &Arguments) -> Result<CheckReport, Failure> {
    match opening::for_reading(&arguments.directory, arguments.recovery) {
        Ok(index) => Ok(index.check()?),
        Err(Failure::Index(problem @ Error::Corruption { .. })) => {
            let mut report = CheckReport::default();
            report.problems.push(problem);
            Ok(report)
        }
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
    })
}
