//! `hestia count`.

use crate::failure::{Failure, Outcome};
use crate::opening;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia count words
  hestia count words --approximate";

/// Count the entries
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// Estimate without a scan; keys that are stored in several versions count several times
    #[arg(long)]
    approximate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_reading()?;
    let count = if arguments.approximate { index.approximate_len() } else { index.len()? };
    let mut output = Output::new()?;
    output.line(count)?;
    output.finish()?;
    Ok(Outcome::Done)
}
