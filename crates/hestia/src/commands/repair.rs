//! `hestia repair`.

use std::path::PathBuf;
use std::sync::Arc;

use hestiastore::Error;
use hestiastore::directory::{Directory, FsDirectory};
use hestiastore::repair::{Finding, KeyRange, Loss, RepairOptions, RepairReport, plan_repair, repair};

use crate::failure::{Failure, Outcome};
use crate::output::{Output, say};
use crate::{settings, type_names};

const AFTER_HELP: &str = "\
Damaged and replaced files are moved to quarantine/ in the directory, never deleted; the report is kept
there too. Nobody else may have the index open. docs/repair.md tells what each kind of damage leads to.

Examples:
  hestia repair words --dry-run
  hestia repair words
  hestia repair words --json | jq -r '.findings[] | .file + \": \" + .damage'

Exit codes:
  0  nothing to repair, or everything repaired and nothing lost
  1  something is lost, or may be; with --dry-run: there is something to repair
  2  it failed; the index is as it was, or repaired (then a report is in quarantine/)";

/// Repair a damaged index, and say what is lost
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Directory of the index
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Only say what would be done; change nothing
    #[arg(long)]
    dry_run: bool,
    /// As one JSON object
    #[arg(long)]
    json: bool,
    /// Type of the keys, if manifest and runs are all lost; as create takes it
    #[arg(long, value_name = "TYPE", requires = "value_type")]
    key_type: Option<String>,
    /// Type of the values, likewise
    #[arg(long, value_name = "TYPE", requires = "key_type")]
    value_type: Option<String>,
    /// A setting that is not to have its default, if the manifest is lost; may be given several times
    #[arg(long = "set", value_name = "GROUP.KNOB=VALUE")]
    settings: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let options = options(arguments)?;
    let directory = open(arguments)?;
    let report = match arguments.dry_run {
        true => plan_repair(&directory, &options),
        false => repair(&directory, &options),
    };
    let report = report.map_err(|error| with_advice(error, arguments))?;
    let is_no = if arguments.dry_run { !report.is_sound() } else { report.is_lossy() };
    match tell(&report, arguments.json) {
        // The answer stays, whoever reads it.
        Err(Failure::ClosedPipe) if is_no => {}
        Err(failure @ Failure::Io(..)) if report.applied => {
            let place = report.kept_in.as_deref().unwrap_or("quarantine");
            let message = format!("{failure}; the index is repaired, and the report is in its {place}");
            if !report.is_lossy() {
                return Err(Failure::Message(message));
            }
            say(message);
        }
        told => told?,
    }
    Ok(if is_no { Outcome::No } else { Outcome::Done })
}

fn options(arguments: &Arguments) -> Result<RepairOptions, Failure> {
    let mut problems = Vec::new();
    let mut options = RepairOptions::default();
    if let (Some(key_type), Some(value_type)) = (&arguments.key_type, &arguments.value_type) {
        let key_type = type_names::parse("--key-type", key_type, &mut problems);
        options = options.types(&key_type, &type_names::parse("--value-type", value_type, &mut problems));
    }
    let (patch, refused) = settings::parse(&arguments.settings);
    problems.extend(refused);
    problems.extend(settings::problems_together(&patch));
    settings::refuse(&problems)?;
    Ok(options.settings(patch))
}

fn tell(report: &RepairReport, as_json: bool) -> Result<(), Failure> {
    let mut output = Output::new()?;
    if as_json {
        output.line(to_json(report))?;
    } else {
        output.write(report.to_string().as_bytes())?;
    }
    output.finish()
}

fn open(arguments: &Arguments) -> Result<Arc<dyn Directory>, Failure> {
    let opened = FsDirectory::open(&arguments.directory);
    let cannot = |error| Failure::Io(format!("open {}", arguments.directory.display()), error);
    Ok(Arc::new(opened.map_err(cannot)?))
}

fn with_advice(error: Error, arguments: &Arguments) -> Failure {
    match &error {
        Error::InvalidConfig { .. } if arguments.key_type.is_none() => {
            Failure::Message(format!("{error}: --key-type TYPE --value-type TYPE"))
        }
        _ => error.into(),
    }
}

fn to_json(report: &RepairReport) -> serde_json::Value {
    serde_json::json!({
        "sound": report.is_sound(),
        "lossy": report.is_lossy(),
        "applied": report.applied,
        "kept_in": report.kept_in,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "file": finding.file,
        "damage": finding.damage,
        "action": finding.action.name(),
        "records_given_up": finding.records_given_up,
        "losses": finding.losses.iter().map(loss).collect::<Vec<_>>(),
    })
}

fn loss(loss: &Loss) -> serde_json::Value {
    let KeyRange { lower, upper, .. } = &loss.keys;
    let last_seq = (loss.seqs.1 != u64::MAX).then_some(loss.seqs.1);
    serde_json::json!({
        "text": loss.to_string(),
        "lower_hex": hex(lower),
        "upper_hex": upper.as_deref().map(hex),
        "first_seq": loss.seqs.0,
        "last_seq": last_seq,
        "entries_at_most": loss.entries_at_most,
        "older_may_return": loss.older_may_return,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
