//! The `hestia` command: everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    hestia::run(std::env::args_os())
}
