//! `hestia scrub`.

use hestiastore::config::{Config, ConfigPatch};
use hestiastore::{Error, ScrubOptions};

use super::check;
use crate::failure::{Failure, Outcome};
use crate::opening;
use crate::progress::Progress;

const AFTER_HELP: &str = "\
Examples:
  hestia scrub words --rate 50MiB
  hestia scrub words --json | jq .clean

An index that is open for writing scrubs itself where maintenance.scrub_bytes_per_second is set.

Exit codes: 0 no problem, 1 problems were found, 2 it could not be scrubbed";

/// What the rate means, and how it is written.
const RATE_KNOB: &str = "maintenance.scrub_bytes_per_second";

/// Read everything and verify it, as check does, no faster than a given rate
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// Bytes to read from disk in a second, at most: 50MiB, 0 for no limit
    #[arg(long, value_name = "BYTES", default_value = "0")]
    rate: String,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let bytes_per_second = rate(&arguments.rate)?;
    let progress = Progress::new(Some(0));
    let report = check::or_finding(arguments.index.for_reading(), |index| {
        let options = ScrubOptions::default().bytes_per_second(bytes_per_second);
        index.scrub(options.on_progress(|so_far| progress.set(so_far.bytes, so_far.total_bytes)))
    })?;
    progress.end();
    check::tell(&report, arguments.json)
}

fn rate(given: &str) -> Result<u64, Failure> {
    let mut patch = ConfigPatch::default();
    match patch.set(RATE_KNOB, given) {
        Ok(()) => Ok(Config::default().patched(&patch).maintenance.scrub_bytes_per_second),
        Err(Error::InvalidConfig { problems }) => {
            Err(Failure::Message(problems.join("; ").replace(RATE_KNOB, "--rate")))
        }
        Err(other) => Err(other.into()),
    }
}
