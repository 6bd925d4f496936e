//! Malformed lines are told with their number, and stop a load or are counted.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, hestia, hestia_reading};

#[test]
fn a_malformed_line_stops_the_load() {
    let place = Place::new();
    let error = hestia_reading(&["load", &place.index], b"a\t1\nb\t2\nno tab\nc\t3\n").failed();
    assert_contains(&error, "line 3 of standard input is malformed: there is no tab");
    assert_contains(&error, "the 2 lines before it were loaded");
    assert_eq!(hestia(&["scan", &place.index]).ok_text(), "a\t1\nb\t2\n");

    let file = place.write("words.tsv", b"\nd\t4\n");
    let error = hestia(&["load", &place.index, &file]).failed();
    assert_contains(&error, format!("line 1 of {file} is malformed"));
    assert_contains(&error, "nothing was loaded");
}

#[test]
fn skip_bad_counts_them() {
    let place = Place::new();
    let ended = hestia_reading(&["load", &place.index, "--skip-bad"], b"a\t1\n\xff\t2\nx\nb\t\xfe\nc\t3\n");
    assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b""[..]));
    assert_contains(&ended.stderr, "hestia: 3 malformed lines were skipped in standard input");
    assert_contains(&ended.stderr, "the first is line 2: its key is no string: invalid utf-8");
    assert_eq!(hestia(&["scan", &place.index]).ok_text(), "a\t1\nc\t3\n");
}

#[test]
fn keys_beyond_the_limit_are_malformed() {
    let place = Place::new();
    let long = |count: usize| [vec![b'k'; count], b"\tv\n".to_vec()].concat();
    hestia_reading(&["load", &place.index], &long(65_535)).ok();
    let error = hestia_reading(&["load", &place.index], &long(65_536)).failed();
    assert_contains(&error, "line 1 of standard input is malformed: a key of 65536 bytes is longer");
    assert_eq!(hestia(&["count", &place.index]).ok_text(), "1\n");
}

#[test]
fn malformed_jsonl_says_what_is_wrong() {
    let place = Place::created("u32", "string");
    for (line, reason) in [
        ("nonsense", "it is no JSON"),
        (r#"{"key":1}"#, "there is no \"value\""),
        (r#"{"key":"x","value":"v"}"#, "its key is no u32"),
        (r#"{"key":1,"value":{"base64":"/w=="}}"#, "its value is no string"),
    ] {
        let error = hestia_reading(&["load", &place.index, "--format", "jsonl"], line.as_bytes()).failed();
        assert_contains(&error, reason);
    }
    assert_eq!(hestia(&["count", &place.index]).ok_text(), "0\n");
}

#[test]
fn a_file_that_cannot_be_read_makes_no_index() {
    let place = Place::new();
    let error = hestia(&["load", &place.index, "/nonexistent/file"]).failed();
    assert_contains(&error, "cannot read /nonexistent/file");
    let error = hestia(&["load", &place.index, place.folder.path().to_str().unwrap()]).failed();
    assert_contains(&error, "is a directory");
    assert!(!std::path::Path::new(&place.index).exists());
}
