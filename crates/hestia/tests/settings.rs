//! `--set` and `config`.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::path::Path;

use common::{Place, assert_contains, hestia, hestia_reading};

#[test]
fn all_problems_are_told_at_once() {
    let place = Place::new();
    let settings = ["--set", "cache.chunk_bytes=much", "--set", "log.colour=red", "--set", "nothing"];
    let create = ["create", &place.index, "--key", "text", "--value", "u7"];
    let error = hestia(&[&create[..], &settings].concat()).failed();
    for problem in
        ["5 problems", "\"text\"", "\"u7\"", "cache.chunk_bytes must be", "log.colour", "\"nothing\""]
    {
        assert_contains(&error, problem);
    }
    let error = hestia(&[&["load", &place.index, "/dev/null"], &settings[..]].concat()).failed();
    assert_contains(&error, "3 problems");
    assert!(!Path::new(&place.index).exists());
}

#[test]
fn settings_are_kept_and_shown() {
    let place = Place::new();
    let create = ["create", &place.index, "--key", "string", "--value", "string"];
    hestia(&[&create[..], &["--set", "cache.chunk_bytes=3MiB"]].concat()).ok();
    assert_contains(&hestia(&["config", &place.index]).ok_text(), "\ncache.chunk_bytes=3MiB\n");
    let defaults = hestia(&["config"]).ok_text();
    assert_contains(&defaults, "\nlog.durability=buffered\n");
    assert!(!defaults.contains("\ncache.chunk_bytes=3MiB\n"));
    hestia_reading(&["load", &place.index, "--set", "cache.chunk_bytes=5MiB"], b"a\tb\n").ok();
    assert_contains(&hestia(&["config", &place.index]).ok_text(), "\ncache.chunk_bytes=5MiB\n");
}
