//! `hestia repair`, on real files.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, flip, hestia, hestia_reading, mix};

/// Several runs, a log, and what a scan shows of them.
fn filled() -> (Place, Vec<u8>) {
    let place = Place::new();
    let lines: String =
        (0..40_000).map(|n| format!("key {n:05}\t{:016x}{:016x}\n", mix(n), mix(!n))).collect();
    hestia_reading(&["load", &place.index], lines.as_bytes()).ok();
    hestia(&["compact", &place.index]).ok();
    // More than a close leaves in the log, and too little to be merged at once.
    let large = "v".repeat(15_000);
    let more: String = (100..200).map(|n| format!("key {n:05}\tsecond {n} {large}\n")).collect();
    hestia_reading(&["load", &place.index], more.as_bytes()).ok();
    hestia(&["put", &place.index, "key 00007", "in the log"]).ok();
    let scan = hestia(&["scan", &place.index]).ok();
    assert!(place.files(".sst").len() > 1);
    (place, scan)
}

fn json(arguments: &[&str], code: i32) -> serde_json::Value {
    let ended = hestia(arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""));
    serde_json::from_slice(&ended.stdout).unwrap()
}

fn bytes_of(place: &Place) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = place.files("").into_iter().filter(|path| path.is_file() && !path.ends_with(".lock"));
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn a_sound_index_is_left_alone() {
    let (place, scan) = filled();
    let before = bytes_of(&place);
    assert_eq!(hestia(&["repair", &place.index]).ok_text(), "nothing to repair\n");
    assert_eq!(json(&["repair", &place.index, "--dry-run", "--json"], 0)["sound"], true);
    assert!(bytes_of(&place) == before);
    assert!(hestia(&["scan", &place.index]).ok() == scan);
}

#[test]
fn a_run_without_its_footer_loses_nothing() {
    let (place, scan) = filled();
    for run in place.files(".sst") {
        let bytes = std::fs::read(&run).unwrap();
        std::fs::write(&run, &bytes[..bytes.len() - 64]).unwrap();
    }
    let before = bytes_of(&place);
    // As a holder leaves it who was killed.
    let lock = place.write("index/.lock", b"process 1\non host a\n");
    let plan = json(&["repair", &place.index, "--dry-run", "--json"], 1);
    assert!(bytes_of(&place) == before);
    assert_eq!(std::fs::read(lock).unwrap(), b"process 1\non host a\n");
    assert_eq!((&plan["applied"], &plan["lossy"]), (&false.into(), &false.into()));
    assert_contains(&hestia(&["repair", &place.index]).ok_text(), "nothing is lost");
    assert!(hestia(&["scan", &place.index]).ok() == scan);
    assert_contains(&hestia(&["check", &place.index]).ok_text(), "no problem");
    assert!(!common::names(&place.path("index").join("quarantine")).is_empty());
}

#[test]
fn a_damaged_chunk_is_told_by_its_keys() {
    let (place, _) = filled();
    let run = place.files(".sst").into_iter().min_by_key(|path| path.metadata().unwrap().len()).unwrap();
    flip(&run, 9000);
    let report = json(&["repair", &place.index, "--json"], 1);
    let losses = report["findings"][0]["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 1);
    assert_contains(losses[0]["text"].as_str().unwrap(), "from \"key 0");
    hestia(&["check", &place.index]).ok();
    assert_eq!(hestia(&["repair", &place.index]).ok_text(), "nothing to repair\n");
}

/// Loses an entry, told on an output that takes nothing.
#[test]
fn a_loss_is_answered_and_kept_though_nobody_reads_it() {
    let (place, _) = filled();
    let run = place.files(".sst").into_iter().min_by_key(|path| path.metadata().unwrap().len()).unwrap();
    flip(&run, 9000);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = common::command(&["repair", &place.index]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_contains(&told, "the index is repaired, and the report is in its quarantine/repair-report.txt");
    let kept = place.path("index").join("quarantine/repair-report.txt");
    assert_contains(&std::fs::read_to_string(kept).unwrap(), "  lost: at most ");
    hestia(&["check", &place.index]).ok();
}

#[test]
fn a_closed_output_does_not_hide_a_loss() {
    let (place, _) = filled();
    let run = place.files(".sst").into_iter().min_by_key(|path| path.metadata().unwrap().len()).unwrap();
    flip(&run, 9000);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = common::command(&["repair", &place.index]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(1), &b""[..]));
}

#[test]
fn a_lost_manifest_is_rebuilt() {
    let (place, scan) = filled();
    std::fs::remove_file(place.path("index").join("MANIFEST")).unwrap();
    assert_contains(&hestia(&["get", &place.index, "key 00001"]).failed(), "is not a HestiaStore index");
    let report = json(&["repair", &place.index, "--json"], 1);
    let actions: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|found| &found["action"]).collect();
    assert!(actions.contains(&&"manifest-rebuilt".into()), "{report}");
    assert!(hestia(&["scan", &place.index]).ok() == scan);
    hestia(&["check", &place.index]).ok();
}

#[test]
fn types_that_nothing_tells_must_be_given() {
    let place = Place::created("u32", "string");
    hestia(&["put", &place.index, "7", "seven"]).ok();
    let manifest = place.path("index").join("MANIFEST");
    std::fs::write(&manifest, b"gone").unwrap();
    assert_contains(&hestia(&["repair", &place.index]).failed(), "--key-type");
    assert_eq!(std::fs::read(&manifest).unwrap(), b"gone");
    let repair = ["repair", &place.index, "--key-type", "u32", "--value-type", "string"];
    assert_eq!(hestia(&repair).code, Some(1));
    assert_eq!(hestia(&["get", &place.index, "7"]).ok_text(), "seven\n");
}

#[test]
fn given_types_are_tried() {
    let place = Place::created("(u32, u32)", "string");
    hestia(&["put", &place.index, "(7, 8)", "seven"]).ok();
    let repair =
        |key: &str, value: &str| hestia(&["repair", &place.index, "--key-type", key, "--value-type", value]);
    assert_contains(&repair("u33", "strin").failed(), "2 problems: --key-type \"u33\" is no type");
    let other = repair("u32", "string").failed();
    assert_eq!(other, "the index holds keys of type (u32, u32), not u32");
    let manifest = place.path("index").join("MANIFEST");
    std::fs::remove_file(&manifest).unwrap();
    assert_contains(
        &repair("u32", "string").failed(),
        "the key type given does not fit the log's operation 1",
    );
    assert_contains(&repair("u64", "u64").failed(), "the value type given does not fit");
    assert!(!manifest.exists());
    assert_eq!(repair("(u32,u32)", "string").code, Some(1));
    assert_eq!(hestia(&["get", &place.index, "(7, 8)"]).ok_text(), "seven\n");
}

#[test]
fn lost_settings_are_given_again() {
    let (place, scan) = filled();
    std::fs::remove_file(place.path("index").join("MANIFEST")).unwrap();
    let refused = hestia(&["repair", &place.index, "--set", "log.durability=never", "--set", "x"]).failed();
    assert_contains(&refused, "2 problems: ");
    let repair = ["repair", &place.index, "--set", "log.durability=sync", "--set", "chunk.max_keys=33"];
    assert_eq!(hestia(&repair).code, Some(1));
    let config = hestia(&["config", &place.index]).ok_text();
    assert_contains(&config, "\nchunk.max_keys=33\n");
    assert_contains(&config, "\nlog.durability=sync\n");
    assert!(hestia(&["scan", &place.index]).ok() == scan);
}

#[test]
fn what_is_no_index_is_a_failure() {
    let place = Place::new();
    assert_contains(&hestia(&["repair", &place.index]).failed(), "cannot open");
    std::fs::create_dir(place.path("index")).unwrap();
    assert_contains(&hestia(&["repair", &place.index]).failed(), "is not a HestiaStore index");
    assert!(place.files("").is_empty());
}
