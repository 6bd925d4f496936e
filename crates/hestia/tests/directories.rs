//! Directories that hold no index, or cannot be written.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Place, assert_contains, hestia, hestia_reading, names};

const NEED_AN_INDEX: [&[&str]; 8] = [
    &["get", "DIR", "k"],
    &["put", "DIR", "k", "v"],
    &["delete", "DIR", "k"],
    &["scan", "DIR"],
    &["count", "DIR"],
    &["stats", "DIR"],
    &["check", "DIR"],
    &["compact", "DIR"],
];

fn all_refuse(directory: &str, problem: &str) {
    for arguments in NEED_AN_INDEX {
        let arguments: Vec<&str> =
            arguments.iter().map(|part| if *part == "DIR" { directory } else { part }).collect();
        assert_contains(&hestia(&arguments).failed(), problem);
    }
}

#[test]
fn an_unknown_directory_is_not_made() {
    let place = Place::new();
    all_refuse(&place.index, "there is no such directory; make one with: hestia create");
    assert!(!Path::new(&place.index).exists());
}

#[test]
fn an_empty_directory_stays_empty_until_it_is_loaded() {
    let place = Place::new();
    std::fs::create_dir(&place.index).unwrap();
    all_refuse(&place.index, "it is empty; make one with: hestia create");
    assert!(names(Path::new(&place.index)).is_empty());
    hestia_reading(&["load", &place.index], b"a\tb\n").ok();
    assert_eq!(hestia(&["get", &place.index, "a"]).ok_text(), "b\n");
}

#[test]
fn somebody_elses_directory_is_left_alone() {
    let place = Place::new();
    let letter = place.write("letter.txt", b"dear all");
    let folder = place.folder.path().to_str().unwrap();
    all_refuse(folder, "it has no MANIFEST; it holds letter.txt");
    assert_contains(&hestia_reading(&["load", folder], b"a\tb\n").failed(), "it holds letter.txt");
    assert_eq!(names(place.folder.path()), [Path::new(&letter)]);
    all_refuse(&letter, "ot a directory");
}

#[test]
fn create_refuses_what_is_an_index() {
    let place = Place::created("string", "u8");
    let error = hestia(&["create", &place.index, "--key", "string", "--value", "u8"]).failed();
    assert_contains(&error, "holds an index already");
}

#[test]
fn a_read_only_directory_can_be_read() {
    let place = Place::created("string", "string");
    hestia(&["put", &place.index, "k", "v"]).ok();
    let set_mode = |mode| {
        std::fs::set_permissions(&place.index, std::fs::Permissions::from_mode(mode)).unwrap();
        for file in place.files("") {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
    };
    set_mode(0o555);
    let probe = Path::new(&place.index).join("probe");
    // The superuser may write everywhere.
    let enforced = std::fs::write(&probe, "").is_err();
    if enforced {
        assert_eq!(hestia(&["get", &place.index, "k"]).ok_text(), "v\n");
        let _ = hestia(&["check", &place.index]).ok();
        assert_contains(&hestia(&["put", &place.index, "k", "w"]).failed(), "ermission denied");
    }
    set_mode(0o755);
}
