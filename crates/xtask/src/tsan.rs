//! The engine's threads under ThreadSanitizer: it sees two threads touch the same memory without an order between them.
//!
//! It needs a nightly compiler with `rust-src`: the standard library is built with it too, for what it does not see
//! there would look like races. It does not understand fences and reports what they order as a race: a report
//! that rests on one is to be judged by hand. The engine has none outside of its dependencies.

use std::path::Path;
use std::process::Command;

use crate::cargo_test::WORKSPACE;
use crate::outcome::{Outcome, failure};

/// Test targets, and the tests of each by a part of their names.
const TARGETS: [(&[&str], &str); 3] =
    [(&["--lib"], "segment::write_buffer"), (&["--test", "threads"], ""), (&["--test", "concurrency"], "")];

pub(crate) fn run() -> Outcome<String> {
    for (target, filter) in TARGETS {
        // Of its own: everything is built with other flags.
        let folder = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| format!("{WORKSPACE}/target"));
        let mut command = Command::new("cargo");
        command.current_dir(WORKSPACE).args([
            "+nightly",
            "test",
            "--quiet",
            "-p",
            "hestiastore",
            "-Zbuild-std",
        ]);
        command.args(["--target", "x86_64-unknown-linux-gnu"]).args(target).args(["--", filter]);
        command.env("CARGO_TARGET_DIR", Path::new(&folder).join("tsan"));
        command.env("RUSTFLAGS", "-Zsanitizer=thread");
        // Every report fails the process, and more than the first one is shown.
        command.env("TSAN_OPTIONS", "halt_on_error=0 exitcode=66 second_deadlock_stack=1");
        let status = command.status()?;
        if !status.success() {
            return failure(format!("{} {filter} under ThreadSanitizer: {status}", target.join(" ")));
        }
    }
    Ok(format!("{} test targets", TARGETS.len()))
}
