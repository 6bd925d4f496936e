//! The system calls are those that the documents claim.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::Command;

#[test]
fn the_system_calls_are_those_that_are_claimed() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).arg("audit").output().unwrap();
    // Where strace is missing it says so, and the test is skipped.
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
