//! What is loaded comes back byte for byte, sorted, of each key the last line.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, hestia, hestia_reading, joined, shuffled_lines, sorted};

/// Small enough that tens of thousands of lines are flushed, merged and split.
const SMALL: [&str; 4] = ["--set", "write_buffer.budget_bytes=1MiB", "--set", "segment.target_bytes=1MiB"];

#[test]
fn a_scan_is_the_sorted_input() {
    let place = Place::new();
    let lines = shuffled_lines(60_000);
    let file = place.write("lines.tsv", &joined(&lines));
    let loaded = hestia(&[&["load", &place.index, &file], &SMALL[..]].concat());
    assert!(loaded.ok().is_empty(), "quiet when piped");

    let expected = sorted(&lines);
    assert!(hestia(&["scan", &place.index]).ok() == expected);
    let count = expected.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(hestia(&["count", &place.index]).ok_text(), format!("{count}\n"));
    assert!(count < lines.len() * 3 / 4, "some keys come several times");
    let _ = hestia(&["check", &place.index]).ok();

    hestia(&["compact", &place.index]).ok();
    assert!(hestia(&["scan", &place.index]).ok() == expected);
    let _ = hestia(&["check", &place.index]).ok();

    let mut backwards: Vec<Vec<u8>> =
        expected.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    backwards.reverse();
    assert!(hestia(&["scan", &place.index, "--reverse"]).ok() == backwards.concat());
}

#[test]
fn a_part_of_the_keys_is_compacted() {
    let place = Place::new();
    hestia_reading(&["load", &place.index], b"a\t1\nb\t2\nc\t3\n").ok();
    let error = hestia(&["compact", &place.index, "--from", "c", "--to", "a"]).failed();
    assert_contains(&error, "--from lies behind --to");
    for range in [&["--from", "a", "--to", "b"][..], &["--to", "c"], &["--from", "b"]] {
        hestia_reading(&["load", &place.index], b"b\t4\n").ok();
        hestia(&[&["compact", &place.index], range].concat()).ok();
        assert_eq!(hestia(&["scan", &place.index]).ok_text(), "a\t1\nb\t4\nc\t3\n");
    }
    let _ = hestia(&["check", &place.index]).ok();
}

#[test]
fn a_second_load_adds_to_the_first() {
    let place = Place::new();
    hestia_reading(&["load", &place.index], b"b\t1\na\t1\n").ok();
    hestia_reading(&["load", &place.index, "-"], b"c\t2\na\t2").ok();
    assert_eq!(hestia(&["scan", &place.index]).ok_text(), "a\t2\nb\t1\nc\t2\n");
}

#[test]
fn ranges_prefixes_and_limits() {
    let place = Place::new();
    hestia_reading(&["load", &place.index], b"a\t1\nab\t2\nabc\t3\nb\t4\nba\t5\n\xc3\xbf\t6\n").ok();
    let keys = |options: &[&str]| {
        let arguments = [&["scan", &place.index, "--keys-only"], options].concat();
        hestia(&arguments).ok_text().lines().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&[]), "a ab abc b ba ÿ");
    assert_eq!(keys(&["--from", "ab", "--to", "ba"]), "ab abc b");
    assert_eq!(keys(&["--from", "aba", "--to", "b"]), "abc");
    assert_eq!(keys(&["--to", "ab", "--reverse"]), "a");
    assert_eq!(keys(&["--prefix", "ab"]), "ab abc");
    assert_eq!(keys(&["--prefix", "a", "--reverse", "--limit", "2"]), "abc ab");
    assert_eq!(keys(&["--prefix", "b", "--from", "a", "--to", "ba"]), "b");
    assert_eq!(keys(&["--prefix", "a", "--from", "b"]), "");
    assert_eq!(keys(&["--limit", "0"]), "");
    assert_eq!(keys(&["--prefix", "ÿ"]), "ÿ");
    let error = hestia(&["scan", &place.index, "--from", "b", "--to", "a"]).failed();
    common::assert_contains(&error, "--from lies behind --to");
}

#[test]
fn all_bytes_go_through_byte_strings() {
    let place = Place::created("bytes", "bytes");
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for byte in (0..=255u8).filter(|byte| !b"\t\n".contains(byte)) {
        lines.push(vec![byte, b'k', byte, b'\t', byte, b'\t', byte]);
    }
    lines.push(b"\t".to_vec());
    hestia_reading(&["load", &place.index], &joined(lines.iter().rev())).ok();
    assert_eq!(hestia(&["scan", &place.index]).ok(), sorted(&lines));
}
