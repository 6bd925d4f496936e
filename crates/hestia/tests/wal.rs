//! `hestia wal`: what a log holds and whether it is sound; damaged, cut, missing and recycled logs.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Ended, Place, assert_contains, flip, hestia};
use hestiastore::SegmentIndex;
use serde_json::Value;

/// An index of which every write is in one log, synced.
fn three_puts() -> (Place, PathBuf) {
    let place = Place::created("string", "u32");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        hestia(&["put", &place.index, key, value]).ok();
    }
    let log = place.files(".wal")[0].clone();
    (place, log)
}

fn offset_of(log: &PathBuf, bytes: &[u8]) -> usize {
    fs::read(log).unwrap().windows(bytes.len()).position(|window| window == bytes).unwrap()
}

fn verify(place: &Place) -> Ended {
    hestia(&["wal", "verify", &place.index])
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap()
}

fn lines_of(ended: &Ended) -> Vec<Value> {
    let text = std::str::from_utf8(&ended.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code 2 with what was found on standard output and one line on standard error.
#[track_caller]
fn damaged(ended: Ended, stdout: &str, stderr: &str) {
    assert_contains(&String::from_utf8_lossy(&ended.stdout), stdout);
    assert_contains(&ended.failed(), stderr);
}

#[test]
fn a_sound_log_is_verified() {
    let (place, log) = three_puts();
    let text = verify(&place).ok_text();
    assert_contains(&text, "3 operations, seqs 1 to 3");
    assert_contains(&text, "the tail: nothing but zeros");
    let report = json_of(&hestia(&["wal", "verify", &place.index, "--json"]));
    let first = &report["logs"][0];
    assert_eq!((&report["sound"], &report["damage"]), (&true.into(), &Value::Null));
    assert_eq!((&first["number"], &first["operations"]), (&1.into(), &3.into()));
    assert_eq!((&first["first_seq"], &first["last_seq"]), (&1.into(), &3.into()));
    assert_eq!((&first["predecessor"], &first["end"]["kind"]), (&Value::Null, &"tail".into()));
    assert!(first["sync_marks"].as_u64().unwrap() > 0);

    let copy = place.path("copy");
    fs::copy(&log, &copy).unwrap();
    assert_contains(&hestia(&["wal", "verify", copy.to_str().unwrap()]).ok_text(), "copy ");
    assert_eq!(hestia(&["get", &place.index, "c"]).ok(), b"3\n");
}

#[test]
fn an_index_without_a_log_is_sound() {
    let place = Place::created("string", "string");
    assert_eq!(verify(&place).ok(), b"no log is listed\n");
    assert_eq!(hestia(&["wal", "dump", &place.index]).ok(), b"");
}

#[test]
fn a_dump_shows_keys_and_values_of_their_types() {
    let (place, log) = three_puts();
    hestia(&["delete", &place.index, "b"]).ok();
    let text = hestia(&["wal", "dump", &place.index]).ok_text();
    for part in
        ["BEGIN after log 0000000000000000", "2  put \"b\" = 2\n", "4  delete \"b\"\n", "SYNC through 4"]
    {
        assert_contains(&text, part);
    }
    let path = log.to_str().unwrap();
    let name = log.file_name().unwrap().to_str().unwrap();
    for same in [
        &["wal", "dump", path][..],
        &["wal", "dump", &place.index, "1"],
        &["wal", "dump", &place.index, name],
    ] {
        // The second log, which is ready and not used yet, is left out.
        assert!(text.starts_with(&hestia(same).ok_text()));
    }
    assert_eq!(hestia(&["wal", "dump", &place.index, "--limit", "2"]).ok_text().lines().count(), 4);
    let failed = hestia(&["wal", "dump", &place.index, "99"]).failed();
    assert!(failed.starts_with("there is no log-00000000000000000099.wal in "), "{failed}");
    // Elsewhere nothing tells the types.
    let copy = place.path("copy");
    fs::copy(&log, &copy).unwrap();
    let text = hestia(&["wal", "dump", copy.to_str().unwrap()]).ok_text();
    assert_contains(&text, r#"put "b" = "\0\0\0\u{2}""#);
}

#[test]
fn a_dump_in_json_has_a_line_for_each_operation() {
    let (place, _) = three_puts();
    hestia(&["delete", &place.index, "b"]).ok();
    let lines = lines_of(&hestia(&["wal", "dump", &place.index, "--json"]));
    let of_kind = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("put").len(), 3);
    assert_eq!((&of_kind("put")[1]["key"], &of_kind("put")[1]["value"]), (&"b".into(), &"2".into()));
    assert_eq!((&of_kind("delete")[0]["key"], &of_kind("delete")[0]["seq"]), (&"b".into(), &4.into()));
    assert_eq!(of_kind("begin").len(), 1);
    assert_eq!(lines.first().unwrap()["kind"], "log");
    assert_eq!(lines.last().unwrap()["kind"], "end");
}

#[test]
fn damage_is_shown_behind_what_stands_before_it() {
    let (place, log) = three_puts();
    flip(&log, offset_of(&log, b"b\0\0\0\x02"));
    damaged(verify(&place), "1 operation, seqs 1 to 1", "is damaged at offset");
    let ended = hestia(&["wal", "verify", &place.index, "--json"]);
    let report = json_of(&ended);
    assert_eq!((&report["sound"], &report["logs"][0]["end"]["kind"]), (&false.into(), &"damage".into()));
    damaged(hestia(&["wal", "verify", log.to_str().unwrap()]), "is damaged at", "is damaged at offset");
    let ended = hestia(&["wal", "dump", &place.index]);
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(text.contains("put \"a\" = 1") && !text.contains("put \"c\""), "{text}");
    damaged(ended, "behind the end: seq", "is damaged at offset");
    let ended = hestia(&["wal", "dump", &place.index, "--json"]);
    // Another log may have been made ready behind the damaged one by now.
    let lines = lines_of(&ended);
    let of_the_log = lines.iter().enumerate().take_while(|(at, line)| *at == 0 || line["kind"] != "log");
    assert_eq!(of_the_log.last().unwrap().1["kind"], "damage");
    assert_eq!(ended.code, Some(2));
}

#[test]
fn a_cut_log_is_damage_where_it_was_synced_and_a_tail_where_not() {
    let (place, log) = three_puts();
    let whole = fs::read(&log).unwrap();
    // The manifest's CLOSE proves all three; of the file alone nothing behind the cut proves anything.
    fs::write(&log, &whole[..offset_of(&log, b"c\0\0\0\x03")]).unwrap();
    damaged(verify(&place), "2 operations", "which had been synced");
    let path = log.to_str().unwrap().to_owned();
    assert_contains(&hestia(&["wal", "verify", &path]).ok_text(), "2 operations, seqs 1 to 2");
    assert_contains(&hestia(&["wal", "dump", &path]).ok_text(), "ends here:");
    fs::write(&log, &whole[..40]).unwrap();
    damaged(verify(&place), "is damaged at 0", "header is gone");
    damaged(hestia(&["wal", "dump", &place.index]), "damage in log-", "header is gone");
}

#[test]
fn a_missing_log_is_damage() {
    let (place, log) = three_puts();
    fs::remove_file(&log).unwrap();
    damaged(verify(&place), "is damaged at 0", "missing");
    assert_contains(&hestia(&["wal", "dump", &place.index]).failed(), "cannot open");
    assert_contains(&hestia(&["wal", "dump", &place.index, "7"]).failed(), "log-00000000000000000007.wal");
}

/// A log that a recovery would take for another: the same name, another identity.
#[test]
fn a_log_of_another_index_is_damage() {
    let (place, log) = three_puts();
    let (_other, other_log) = three_puts();
    fs::copy(&other_log, &log).unwrap();
    damaged(verify(&place), "is damaged at 0", "the manifest lists log uid");
    damaged(hestia(&["wal", "dump", &place.index]), "damage in log-", "the manifest lists log uid");
}

/// Records of an earlier life of the file do not count: their checks are salted with another identity.
#[test]
fn what_an_earlier_log_left_in_a_recycled_file_is_no_record() {
    let (place, log) = three_puts();
    let (_other, other_log) = three_puts();
    let other = fs::read(other_log).unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 8 * 8 + 8;
    let left = &other[64..1024];
    bytes[end..end + left.len()].copy_from_slice(left);
    fs::write(&log, bytes).unwrap();
    assert_contains(&verify(&place).ok_text(), "3 operations, seqs 1 to 3");
    let text = hestia(&["wal", "dump", &place.index]).ok_text();
    assert_eq!(text.matches(" put ").count(), 3);
    assert!(!text.contains("behind the end"), "{text}");
}

/// What would be there if the process were killed now.
fn copy_of(place: &Place) -> Place {
    let copy = Place::new();
    fs::create_dir(&copy.index).unwrap();
    for path in common::names(place.index.as_ref()) {
        fs::copy(&path, PathBuf::from(&copy.index).join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn several_logs_are_told_one_after_the_other() {
    let place = Place::new();
    let builder = SegmentIndex::<u32, Vec<u8>>::builder(&place.index);
    let index = builder.log(|l| l.first_file_bytes(64 << 10).max_file_bytes(64 << 10)).create().unwrap();
    for n in 0..1000u32 {
        index.put(n, vec![7; 400]).unwrap();
    }
    index.sync().unwrap();
    let copy = copy_of(&place);
    assert_contains(&verify(&place).failed(), "is in use by");
    hestia(&["wal", "dump", &place.index, "--limit", "3"]).ok();
    index.close().unwrap();

    let report = json_of(&hestia(&["wal", "verify", &copy.index, "--json"]));
    let logs = report["logs"].as_array().unwrap();
    let ends: Vec<&str> = logs.iter().map(|log| log["end"]["kind"].as_str().unwrap()).collect();
    let tail = ends.iter().position(|end| *end == "tail").unwrap();
    assert!(tail > 2 && ends[..tail].iter().all(|end| *end == "followed"), "{ends:?}");
    assert!(ends[tail + 1..].iter().all(|end| *end == "unused"), "{ends:?}");
    for pair in logs[..=tail].windows(2) {
        assert_eq!(pair[1]["predecessor"], pair[0]["uid"]);
        assert_eq!(pair[1]["first_seq"].as_u64(), pair[0]["last_seq"].as_u64().map(|seq| seq + 1));
    }
    let operations: u64 = logs.iter().map(|log| log["operations"].as_u64().unwrap()).sum();
    assert_eq!(operations, 1000);
    let lines = lines_of(&hestia(&["wal", "dump", &copy.index, "--json"]));
    assert_eq!(lines.iter().filter(|line| line["kind"] == "put").count(), 1000);

    // Without the second all that follows is lost, and that is said of the second.
    fs::remove_file(&copy.files(".wal")[1]).unwrap();
    let ended = hestia(&["wal", "verify", &copy.index, "--json"]);
    let logs = json_of(&ended)["logs"].as_array().unwrap().clone();
    assert!(logs[2]["records"].is_null() && logs[2]["sync_marks"].is_null());
    assert_eq!((&logs[1]["end"]["kind"], &logs[2]["end"]["kind"]), (&"damage".into(), &"not reached".into()));
    damaged(ended, "", "missing");
}

#[test]
fn what_is_no_index_is_refused() {
    let place = Place::new();
    fs::create_dir(&place.index).unwrap();
    assert_contains(&verify(&place).failed(), "is not a HestiaStore index");
    assert!(common::names(place.index.as_ref()).is_empty(), "it left no lock file");
    assert_contains(&hestia(&["wal", "dump", &place.index]).failed(), "is not a HestiaStore index");
    assert_contains(&hestia(&["wal", "verify", "nowhere/at/all"]).failed(), "nowhere/at/all");
    assert_contains(&hestia(&["wal", "frobnicate"]).failed(), "frobnicate");
}
