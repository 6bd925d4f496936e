//! The `hestia` command: work with HestiaStore directories from a shell.
//!
//! [`run`] reads the arguments, runs one of `commands`, and turns its outcome into an exit code:
//! 0 done, 1 the answer is no, 2 wrong usage or a failure. Results go to standard output, everything
//! else to standard error, a failure as one line.
//!
//! Commands that only read open the index read-only: they change nothing, and several may run beside
//! each other.

mod arguments;
mod codec;
mod commands;
mod failure;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod key_range;
mod lines;
mod logging;
mod opening;
mod output;
mod progress;
mod settings;
mod type_names;

use std::ffi::OsString;
use std::process::ExitCode;

pub use failure::{Failure, Outcome};

/// Runs the command that the arguments name, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    arguments.logging.begin();
    match arguments.command.run() {
        Ok(outcome) => outcome.exit_code(),
        // Who reads our output has seen enough.
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            output::say(&failure);
            failure.exit_code()
        }
    }
}
