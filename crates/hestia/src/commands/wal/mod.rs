//! `hestia wal`: the write-ahead log.

mod dump;
mod verify;

use clap::Subcommand;

use crate::failure::{Failure, Outcome};

const AFTER_HELP: &str = "\
Examples:
  hestia wal verify words && echo sound
  hestia wal dump words --limit 20

Exit codes: 0 done, 2 damage was found (what stands before it is shown), or a failure";

/// Look at the write-ahead log
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Arguments),
    Dump(dump::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.command {
        Command::Verify(arguments) => verify::run(arguments),
        Command::Dump(arguments) => dump::run(arguments),
    }
}

/// How identities are written, as in the names of runs.
fn hex(uid: u64) -> String {
    format!("{uid:016x}")
}
