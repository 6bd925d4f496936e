//! `hestia stats`.

use crate::failure::{Failure, Outcome};
use crate::opening;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia stats words
  hestia stats words --json | jq .segments

Counters of operations count from the opening of the index, here from the start of this command.";

/// Show the figures of an index: segments, runs, bytes, log
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
    let index = arguments.index.for_reading()?;
    let (key_type, value_type) = index.type_names();
    let metrics = index.metrics_snapshot();
    let mut output = Output::new()?;
    if arguments.json {
        let types = serde_json::json!({ "key": key_type, "value": value_type });
        let members = metrics.to_json();
        let members = members.strip_prefix('{').unwrap_or(&members);
        output.line(format_args!("{{\"types\":{types},{members}"))?;
    } else {
        output.line(format_args!("types  {key_type} -> {value_type}"))?;
        output.write(metrics.to_string().as_bytes())?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
