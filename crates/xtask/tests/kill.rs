//! A short form of the kill torture. The long one is `cargo xtask kill`.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::process::Command;

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).args(["kill", "--kills", "24"]).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}
