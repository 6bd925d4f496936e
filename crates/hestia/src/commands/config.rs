//! `hestia config`.

use std::path::PathBuf;

use hestiastore::config::Config;

use crate::failure::{Failure, Outcome};
use crate::opening;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia config            # the defaults of a new index
  hestia config words      # the settings of an index";

/// Show all settings: values, defaults, what is allowed, what they do
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Directory of the index; the defaults if it is left out
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let config = match &arguments.directory {
        Some(directory) => opening::for_reading(directory, opening::Recovery::default())?.config().clone(),
        None => Config::default(),
    };
    let mut output = Output::new()?;
    for knob in config.knobs() {
        output.line(format_args!("# {}", knob.doc))?;
        output.line(format_args!("# allowed: {}; default: {}", knob.allowed, knob.default))?;
        output.line(format_args!("# a change holds {}", knob.reopen))?;
        output.line(format_args!("{}={}\n", knob.name, knob.value))?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
