//! The command under the limits of a shell: file size and open files.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::{Ended, Place, assert_contains, hestia, joined, shuffled_lines, sorted};

/// The command in a shell that has set a limit.
fn limited(limit: &str, arguments: &[&str]) -> Ended {
    let script = format!("ulimit {limit} || exit 99; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_hestia")]).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.signal(), None, "killed by a signal, as SIGXFSZ does");
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Many small segments.
const SMALL: [&str; 4] = ["--set", "segment.target_bytes=16384", "--set", "chunk.max_bytes=4096"];

#[test]
fn d8_a_file_size_limit_refuses_writes_and_passes() {
    let place = Place::new();
    let lines = shuffled_lines(150_000);
    let input = place.write("lines", &joined(&lines));
    hestia(&["create", &place.index, "--key", "string", "--value", "string"]).ok();
    // In units of 512 or 1024 bytes: the first logs fit, a later one does not.
    let refused = limited("-f 4000", &["load", &place.index, &input]).failed();
    assert_contains(&refused, "writes are refused for now: cannot extend log-");
    assert_contains(&refused, "File too large");
    // What was taken is there, and everything else still works, under the limit too.
    let found = limited("-f 4000", &["scan", &place.index]).ok();
    let taken = limited("-f 4000", &["check", &place.index]).ok_text();
    assert_contains(&taken, "no problem");
    let seen = joined(&lines).len();
    assert!(!found.is_empty() && found.len() < seen);
    // The limit is gone, and so is the refusal.
    hestia(&["load", &place.index, &input]).ok();
    assert!(hestia(&["scan", &place.index]).ok() == sorted(&lines));
    assert_contains(&hestia(&["check", &place.index]).ok_text(), "no problem");
}

#[test]
fn d8_a_limit_below_every_file_of_an_index_is_told() {
    let place = Place::new();
    hestia(&["create", &place.index, "--key", "string", "--value", "u32"]).ok();
    hestia(&["put", &place.index, "Ada", "36"]).ok();
    let refused = limited("-f 8", &["put", &place.index, "Grace", "85"]).failed();
    assert_contains(&refused, "File too large");
    assert_eq!(limited("-f 8", &["get", &place.index, "Ada"]).ok(), b"36\n");
    let other = place.path("other");
    let refused =
        limited("-f 8", &["create", other.to_str().unwrap(), "--key", "u32", "--value", "u32"]).failed();
    assert_contains(&refused, "File too large");
    hestia(&["put", &place.index, "Grace", "85"]).ok();
    assert_eq!(hestia(&["count", &place.index]).ok(), b"2\n");
}

/// Runs are opened one after the other, and others closed for them.
#[test]
fn d8_few_open_files_are_enough() {
    let place = Place::new();
    let lines = shuffled_lines(60_000);
    let input = place.write("lines", &joined(&lines));
    limited("-n 32", &[&["load", &place.index, &input], &SMALL[..]].concat()).ok();
    assert!(place.files(".sst").len() > 40, "{} runs", place.files(".sst").len());
    assert_contains(&limited("-n 32", &["check", &place.index]).ok_text(), "no problem");
    limited("-n 32", &["put", &place.index, "key", "value"]).ok();
    assert_eq!(limited("-n 32", &["get", &place.index, "key"]).ok(), b"value\n");
    // A scan needs all runs of a segment at once: it says so, or does it.
    assert_contains(&limited("-n 32", &["scan", &place.index]).failed(), "Too many open files");
    hestia(&["delete", &place.index, "key"]).ok();
    assert!(hestia(&["scan", &place.index]).ok() == sorted(&lines));
}
