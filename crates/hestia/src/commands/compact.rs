//! `hestia compact`.

use crate::failure::{Failure, Outcome};
use crate::opening;

const AFTER_HELP: &str = "\
Example:
  hestia compact words && hestia stats words";

/// Merge all runs of every segment into its main ones
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_writing()?;
    index.compact_and_wait()?;
    index.close()?;
    Ok(Outcome::Done)
}
