//! Looking into an index, sound and damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, flip, hestia, hestia_reading};

/// An index with one run.
fn one_run() -> (Place, String) {
    let place = Place::new();
    let lines: String = (0..5000).map(|n| format!("key {n:05}\tvalue {n}\n")).collect();
    hestia_reading(&["load", &place.index], lines.as_bytes()).ok();
    hestia(&["compact", &place.index]).ok();
    let runs = place.files(".sst");
    assert_eq!(runs.len(), 1);
    let run = runs[0].to_str().unwrap().to_owned();
    (place, run)
}

#[test]
fn check_and_stats_of_a_sound_index() {
    let (place, _) = one_run();
    assert_contains(&hestia(&["check", &place.index]).ok_text(), "1 run, 5000 entries");
    let report: serde_json::Value =
        serde_json::from_slice(&hestia(&["check", &place.index, "--json"]).ok()).unwrap();
    assert_eq!((&report["clean"], &report["entries"]), (&true.into(), &5000.into()));
    let stats: serde_json::Value =
        serde_json::from_slice(&hestia(&["stats", &place.index, "--json"]).ok()).unwrap();
    assert_eq!((&stats["types"]["key"], &stats["segments"]["runs"]), (&"string".into(), &1.into()));
    assert_contains(&hestia(&["stats", &place.index]).ok_text(), "\nsegments.runs ");
    let segments: serde_json::Value =
        serde_json::from_slice(&hestia(&["stats", &place.index, "--segments", "--json"]).ok()).unwrap();
    assert_eq!((&segments[0]["entries"], &segments[0]["upper"]), (&5000.into(), &serde_json::Value::Null));
    let table = hestia(&["stats", &place.index, "--segments"]).ok_text();
    assert_eq!(table.lines().count(), 2, "{table}");
    assert_eq!(hestia(&["count", &place.index, "--approximate"]).ok_text(), "5000\n");
}

#[test]
fn what_the_engine_does_is_told_on_request() {
    let (place, _) = one_run();
    for arguments in [["-v", "count", &place.index], ["count", &place.index, "--log=info"]] {
        let ended = hestia(&arguments);
        assert_eq!((ended.code, ended.stdout.as_slice()), (Some(0), &b"5000\n"[..]));
        let name = place.index.rsplit('/').next().unwrap();
        assert_contains(&ended.stderr, format!("index=\"{name}\""));
        assert_contains(&ended.stderr, "closed");
    }
}

#[test]
fn check_finds_damage_and_answers_1() {
    let (place, run) = one_run();
    flip(run.as_ref(), 9000);
    let ended = hestia(&["check", &place.index]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert_contains(&String::from_utf8(ended.stdout).unwrap(), "is damaged at offset");
    let ended = hestia(&["check", &place.index, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["clean"]), (Some(1), &false.into()));
    assert_contains(report["problems"][0].as_str().unwrap(), "run-");
    assert_contains(&hestia(&["scan", &place.index]).failed(), "is damaged at offset");
}

#[test]
fn scrub_says_what_check_says() {
    let (place, run) = one_run();
    let text = hestia(&["scrub", &place.index, "--rate", "500MiB"]).ok_text();
    assert_eq!(text, hestia(&["check", &place.index]).ok_text());
    assert_contains(&hestia(&["scrub", &place.index, "--rate", "fast"]).failed(), "--rate must be");
    flip(run.as_ref(), 9000);
    let ended = hestia(&["scrub", &place.index, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["clean"]), (Some(1), &false.into()));
}

#[test]
fn check_of_what_cannot_be_opened_is_a_finding_too() {
    let (place, _) = one_run();
    let manifest = place.files("MANIFEST");
    let mut bytes = std::fs::read(&manifest[0]).unwrap();
    bytes[64..].fill(0x55);
    std::fs::write(&manifest[0], bytes).unwrap();
    let ended = hestia(&["check", &place.index]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    assert_contains(&String::from_utf8(ended.stdout).unwrap(), "MANIFEST is damaged");
}

#[test]
fn dump_of_a_run() {
    let (place, run) = one_run();
    let text = hestia(&["dump", "run", &run]).ok_text();
    assert_contains(&text, "\nentries         5000, 0 tombstones");
    assert_contains(&text, "put \"key 04999\" = \"value 4999\"");
    assert_eq!(text.matches(" put ").count(), 5000);
    assert_eq!(hestia(&["dump", "run", &run, "--limit", "3"]).ok_text().matches(" put ").count(), 3);
    // Under another name, elsewhere.
    let copy = place.path("copy");
    std::fs::copy(&run, &copy).unwrap();
    assert_eq!(hestia(&["dump", "run", copy.to_str().unwrap()]).ok_text(), text);

    flip(&copy, 9000);
    let ended = hestia(&["dump", "run", copy.to_str().unwrap()]);
    assert_contains(&String::from_utf8_lossy(&ended.stdout), "put \"key 00000\"");
    assert_contains(&ended.failed(), "copy is damaged at offset");
    flip(&copy, 20);
    assert_contains(&hestia(&["dump", "run", copy.to_str().unwrap()]).failed(), "copy is damaged at offset");
    assert_contains(&hestia(&["dump", "run", "nowhere/run"]).failed(), "nowhere");
}

#[test]
fn dump_of_a_manifest() {
    let place = Place::created("string", "u32");
    hestia(&["put", &place.index, "a", "1"]).ok();
    let manifest = place.files("MANIFEST")[0].to_str().unwrap().to_owned();
    let text = hestia(&["dump", "manifest", &manifest]).ok_text();
    assert_contains(&text, "types \"string\" -> \"u32\"");
    assert_contains(&text, "close at log 1");
    assert_contains(&hestia(&["dump", "run", &manifest]).failed(), "expected the magic");
}
