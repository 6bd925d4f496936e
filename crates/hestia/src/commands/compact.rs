//! `hestia compact`.

use std::path::PathBuf;

use crate::failure::{Failure, Outcome};
use crate::opening;

const AFTER_HELP: &str = "\
Example:
  hestia compact words && hestia stats words";

/// Merge all runs of every segment into its main ones
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Directory of the index
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    recovery: opening::Recovery,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = opening::for_writing(&arguments.directory, arguments.recovery)?;
    index.compact_and_wait()?;
    index.close()?;
    Ok(Outcome::Done)
}
