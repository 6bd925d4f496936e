//! One writer, or any number of readers.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Place, assert_contains, command, hestia};
use hestiastore::SegmentIndex;
use hestiastore::types::Raw;

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let place = Place::new();
    let mut holder = command(&["load", &place.index]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = holder.stdin.take().unwrap();
    // More than a pipe holds: when it is written the holder reads, so it has opened the index.
    stdin.write_all("key\tvalue\n".repeat(100_000).as_bytes()).unwrap();
    let said = format!("is in use by process {}", holder.id());
    for arguments in [
        &["get", &place.index, "key"][..],
        &["scan", &place.index],
        &["count", &place.index],
        &["stats", &place.index],
        &["check", &place.index],
        &["put", &place.index, "a", "b"],
        &["delete", &place.index, "a"],
        &["compact", &place.index],
        &["load", &place.index, "/dev/null"],
        &["create", &place.index, "--key", "u8", "--value", "u8"],
    ] {
        assert_contains(&hestia(arguments).failed(), &said);
    }
    drop(stdin);
    assert!(holder.wait().unwrap().success());
    assert_eq!(hestia(&["get", &place.index, "key"]).ok_text(), "value\n");
}

#[test]
fn readers_run_beside_each_other_and_change_nothing() {
    let place = Place::created("string", "string");
    hestia(&["put", &place.index, "key", "value"]).ok();
    let reader = SegmentIndex::<Raw, Raw>::builder(&place.index).open_read_only().unwrap();
    let before = content(&place);
    assert_eq!(hestia(&["get", &place.index, "key"]).ok_text(), "value\n");
    assert_eq!(hestia(&["count", &place.index]).ok_text(), "1\n");
    for arguments in [["scan", &place.index], ["stats", &place.index], ["check", &place.index]] {
        let _ = hestia(&arguments).ok();
    }
    assert_contains(&hestia(&["put", &place.index, "a", "b"]).failed(), "is in use by one or more readers");
    assert!(content(&place) == before);
    drop(reader);
    hestia(&["put", &place.index, "a", "b"]).ok();
}

fn content(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    place.files("").into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}
