//! `hestia stats`.

use hestiastore::metrics::SegmentFigures;

use crate::failure::{Failure, Outcome};
use crate::opening::{self, RawIndex};
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia stats words
  hestia stats words --json | jq .amplification
  hestia stats words --segments
  hestia stats words --segments --json | jq '.[] | {id, stored_bytes}'

Counters of operations count from the opening of the index, here from the start of this command.";

/// Show the figures of an index: segments, runs, bytes, log
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// As one JSON object, or a list of one for each segment
    #[arg(long)]
    json: bool,
    /// Of each segment: bounds, runs, bytes, reads and writes
    #[arg(long)]
    segments: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_reading()?;
    let mut output = Output::new()?;
    if arguments.segments {
        show_segments(&index.segment_metrics(), arguments.json, &mut output)?;
    } else {
        show_index(&index, arguments.json, &mut output)?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}

fn show_index(index: &RawIndex, json: bool, output: &mut Output) -> Result<(), Failure> {
    let (key_type, value_type) = index.type_names();
    let metrics = index.metrics_snapshot();
    if json {
        let types = serde_json::json!({ "key": key_type, "value": value_type });
        let members = metrics.to_json();
        let members = members.strip_prefix('{').unwrap_or(&members);
        return output.line(format_args!("{{\"types\":{types},{members}"));
    }
    output.line(format_args!("types  {key_type} -> {value_type}"))?;
    output.write(metrics.to_string().as_bytes())
}

fn show_segments(segments: &[SegmentFigures], json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        let objects: Vec<String> = segments.iter().map(SegmentFigures::to_json).collect();
        return output.line(format_args!("[{}]", objects.join(",\n")));
    }
    output.write(SegmentFigures::table(segments).as_bytes())
}
