//! jsonl carries what tsv cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, hestia, hestia_reading};

#[test]
fn tsv_stops_at_what_it_cannot_carry() {
    for (key, value, problem) in [
        ("tab\there", "v", r#"the key "tab\there" has a tab in it"#),
        ("line\nend", "v", r#"the key "line\nend" has a newline in it"#),
        ("plain", "two\nlines", r#"the key "plain" has a value with a newline in it"#),
    ] {
        let place = Place::created("string", "string");
        hestia(&["put", &place.index, "a", "first"]).ok();
        hestia(&["put", &place.index, key, value]).ok();
        let ended = hestia(&["scan", &place.index]);
        assert_eq!(ended.stdout, b"a\tfirst\n", "what stands before is written");
        let error = ended.failed();
        assert_contains(&error, problem);
        assert_contains(&error, "--format jsonl");
    }
}

#[test]
fn awkward_bytes_survive() {
    let place = Place::created("bytes", "bytes");
    let input = [
        r#"{"key":"","value":"\u0000 tab\t newline\n quote\" ü"}"#,
        r#"{"key":"tab\tin\nkey","value":""}"#,
        r#"{"key":{"base64":"//7/"},"value":{"base64":"AP8K"}}"#,
    ]
    .join("\n")
        + "\n";
    hestia_reading(&["load", &place.index, "--format", "jsonl"], input.as_bytes()).ok();
    assert_eq!(hestia(&["scan", &place.index, "--format", "jsonl"]).ok_text(), input);
    assert_eq!(hestia(&["get", &place.index, "tab\tin\nkey", "-n"]).ok(), b"");
    assert_eq!(hestia(&["get", &place.index, ""]).ok(), "\0 tab\t newline\n quote\" ü\n".as_bytes());

    let copy = Place::created("bytes", "bytes");
    let dumped = hestia(&["scan", &place.index, "--format", "jsonl"]).ok();
    hestia_reading(&["load", &copy.index, "--format", "jsonl"], &dumped).ok();
    assert_eq!(hestia(&["scan", &copy.index, "--format", "jsonl"]).ok(), dumped);
}
