//! The benchmark runs, verifies, and cleans up.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, command, hestia, names};

#[test]
fn a_small_bench() {
    let place = Place::new();
    let output = command(&["bench", "--n", "3000", "--threads", "2", "--value-bytes", "23"])
        .env("TMPDIR", place.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{text}");
    for phase in ["load", "settle", "read", "miss", "scan", "reopen", "verify", "check"] {
        assert_contains(&text, format!("\n{phase} "));
    }
    assert_contains(&text, "Everything read was right.");
    assert!(names(place.folder.path()).is_empty(), "the temporary directory is gone");

    let _ = hestia(&["bench", "--n", "100", "--dir", &place.index]).ok();
    assert_eq!(hestia(&["count", &place.index]).ok_text(), "100\n");
    assert_contains(&hestia(&["bench", "--dir", &place.index]).failed(), "holds an index already");
}
