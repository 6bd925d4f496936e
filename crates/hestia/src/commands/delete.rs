//! `hestia delete`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::failure::{Failure, Outcome};
use crate::opening;

const AFTER_HELP: &str = "\
Example:
  hestia delete ages Ada";

/// Remove a key; fine if it is not there
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// The key, a text of the index's key type
    #[arg(allow_negative_numbers = true)]
    key: OsString,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_writing()?;
    let codecs = opening::codecs(&index);
    let key = codecs.key.encode(arguments.key.as_bytes())?;
    index.delete(&*key)?;
    index.close()?;
    Ok(Outcome::Done)
}
