//! `hestia get`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::failure::{Failure, Outcome};
use crate::opening;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia get ages Ada
  hestia get pictures cat.png -n > cat.png
  hestia get ages Bob || echo nobody

Exit codes: 0 found, 1 no such key (nothing is written), 2 failure";

/// Write the value of a key
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    index: opening::Existing,
    /// The key, a text of the index's key type
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// Write no newline behind the value
    #[arg(short, long)]
    no_newline: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let index = arguments.index.for_reading()?;
    let codecs = opening::codecs(&index);
    let key = codecs.key.encode(arguments.key.as_bytes())?;
    let Some(value) = index.get_ref(&*key)? else { return Ok(Outcome::No) };
    let mut space = Vec::new();
    let mut output = Output::new()?;
    output.write(codecs.value.text(&value, &mut space)?)?;
    if !arguments.no_newline {
        output.write(b"\n")?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
