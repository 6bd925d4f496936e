//! The command line: which command, and with what.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::commands::{
    bench, check, compact, config, count, create, delete, dump, get, load, put, repair, scan, scrub, stats,
    wal,
};
use crate::failure::{Failure, Outcome};
use crate::logging::Logging;
use crate::output::say;

const AFTER_HELP: &str = "\
Examples:
  hestia create ages --key string --value u32
  hestia put ages Ada 36
  hestia get ages Ada
  hestia load words words.tsv && hestia scan words --prefix ab --limit 10
  hestia bench

Keys and values are texts of the types that the index was created with: strings and byte strings as
they are, numbers in decimal, tuples as (7, \"apple\"). A key that begins with a dash goes behind --.

Exit codes:
  0  done; also when the reader of the output has closed it
  1  the answer is no: get found no such key, check or scrub found damage, repair could not save
     everything, bench read something wrong
  2  wrong usage, or a failure, told in one line on standard error; wal: also damage";

/// Work with HestiaStore directories: ordered, persistent key-value stores
#[derive(Debug, Parser)]
#[command(name = "hestia", version, after_help = AFTER_HELP, disable_help_subcommand = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) logging: Logging,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Arguments),
    Put(put::Arguments),
    Get(get::Arguments),
    Delete(delete::Arguments),
    Scan(scan::Arguments),
    Load(load::Arguments),
    Count(count::Arguments),
    Stats(stats::Arguments),
    Check(check::Arguments),
    Repair(repair::Arguments),
    Scrub(scrub::Arguments),
    Compact(compact::Arguments),
    Config(config::Arguments),
    Dump(dump::Arguments),
    Wal(wal::Arguments),
    Bench(bench::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        match self {
            Self::Create(arguments) => create::run(arguments),
            Self::Put(arguments) => put::run(arguments),
            Self::Get(arguments) => get::run(arguments),
            Self::Delete(arguments) => delete::run(arguments),
            Self::Scan(arguments) => scan::run(arguments),
            Self::Load(arguments) => load::run(arguments),
            Self::Count(arguments) => count::run(arguments),
            Self::Stats(arguments) => stats::run(arguments),
            Self::Check(arguments) => check::run(arguments),
            Self::Repair(arguments) => repair::run(arguments),
            Self::Scrub(arguments) => scrub::run(arguments),
            Self::Compact(arguments) => compact::run(arguments),
            Self::Config(arguments) => config::run(arguments),
            Self::Dump(arguments) => dump::run(arguments),
            Self::Wal(arguments) => wal::run(arguments),
            Self::Bench(arguments) => bench::run(arguments),
        }
    }
}

/// The arguments, or the exit code of an answer that was given here.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, ExitCode> {
    Arguments::try_parse_from(arguments).map_err(|error| answer(&error))
}

fn answer(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Who asks for help and closes the pipe has seen enough.
            let _ = write!(std::io::stdout(), "{}", error.render());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stderr(), "{}", error.render());
            ExitCode::from(2)
        }
        _ => {
            say(first_paragraph(&error.render().to_string()));
            ExitCode::from(2)
        }
    }
}

/// What is wrong, without the usage below it.
fn first_paragraph(rendered: &str) -> String {
    let lines = rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let joined = lines.collect::<Vec<_>>().join(" ");
    format!("{} (see hestia help)", joined.strip_prefix("error: ").unwrap_or(&joined))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_consistent() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn help_fits_on_a_terminal() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
            assert!(long.is_empty(), "{}: {long:#?}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&super::Arguments::command());
    }
}
