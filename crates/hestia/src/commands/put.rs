//! `hestia put`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::failure::{Failure, Outcome};
use crate::opening;

const AFTER_HELP: &str = "\
Examples:
  hestia put ages Ada 36
  hestia put visits '(7, \"home page\")' 'some bytes'
  hestia put notes -- --key-with-dashes value";

/// Store a value under a key, in place of what was there
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// The key, a text of the index's key type
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The value, a text of the index's value type
    #[arg(allow_negative_numbers = true)]
    value: OsString,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_writing()?;
    let codecs = opening::codecs(&index);
    let key = codecs.key.encode(arguments.key.as_bytes())?;
    let value = codecs.value.encode(arguments.value.as_bytes())?;
    index.put(&*key, &*value)?;
    index.close()?;
    Ok(Outcome::Done)
}
