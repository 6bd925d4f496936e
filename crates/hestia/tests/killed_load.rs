//! Of a load that is killed a prefix of the file is there.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;

use common::{Place, command, hestia, joined, shuffled_lines, sorted};

/// What a pipe and the command's own buffer hold of what was written, at most.
const UNDERWAY_BYTES: usize = (1 << 20) + (1 << 16);

#[test]
fn a_killed_load_leaves_a_prefix() {
    let place = Place::new();
    let lines = shuffled_lines(200_000);
    let all = joined(&lines);
    for written_bytes in [3 << 20, all.len()] {
        let _ = std::fs::remove_dir_all(&place.index);
        let arguments = ["load", &place.index, "--set", "write_buffer.budget_bytes=1MiB"];
        let mut child = command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&all[..written_bytes]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let _ = hestia(&["check", &place.index]).ok();
        let found = hestia(&["scan", &place.index]).ok();
        let stored = prefix_of(&lines, &found);
        let least = all[..written_bytes - UNDERWAY_BYTES].iter().filter(|byte| **byte == b'\n').count();
        assert!(stored >= least, "{stored} of at least {least} lines");

        // And the same once recovery is written down.
        hestia(&["compact", &place.index]).ok();
        assert!(hestia(&["scan", &place.index]).ok() == found);
    }
    let file = place.write("lines.tsv", &all);
    hestia(&["load", &place.index, &file]).ok();
    assert!(hestia(&["scan", &place.index]).ok() == sorted(&lines));
}

/// How many of the first lines give exactly what was found.
fn prefix_of(lines: &[Vec<u8>], found: &[u8]) -> usize {
    let places: HashMap<&[u8], usize> = lines.iter().map(Vec::as_slice).zip(1..).collect();
    let found_lines = found.strip_suffix(b"\n").unwrap_or(found).split(|byte| *byte == b'\n');
    let count = found_lines.map(|line| places[line]).max().unwrap();
    assert!(sorted(&lines[..count]) == found, "not what the first {count} lines give");
    count
}
