//! 0 done, 1 the answer is no, 2 wrong usage or failure; failures are one line.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use common::{Place, assert_contains, hestia};

#[test]
fn get_of_an_absent_key_is_1_and_silent() {
    let place = Place::created("string", "string");
    hestia(&["put", &place.index, "here", ""]).ok();
    assert_eq!(hestia(&["get", &place.index, "here"]).ok(), b"\n");
    hestia(&["delete", &place.index, "here"]).ok();
    hestia(&["delete", &place.index, "never there"]).ok();
    for key in ["here", "never there"] {
        let ended = hestia(&["get", &place.index, key]);
        assert_eq!((ended.code, ended.stdout.as_slice(), ended.stderr.as_str()), (Some(1), &b""[..], ""));
    }
}

#[test]
fn wrong_usage_is_2_and_one_line() {
    for (arguments, problem) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["get"], "<DIR> <KEY>"),
        (&["create", "x"], "--key <TYPE> --value <TYPE>"),
        (&["scan", "x", "--format", "xml"], "xml"),
        (&["scan", "x", "--limit", "many"], "many"),
        (&["bench", "--n", "0"], "0"),
    ] {
        assert_contains(&hestia(arguments).failed(), problem);
    }
    let without_command = hestia(&[]);
    assert_eq!(without_command.code, Some(2));
    assert_contains(&without_command.stderr, "Usage: hestia [OPTIONS] <COMMAND>");
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = hestia(&["help"]).ok_text();
    assert_contains(&help, "Exit codes:");
    assert_eq!(hestia(&["--help"]).ok_text(), help);
    for command in [
        "create", "put", "get", "delete", "scan", "load", "count", "stats", "check", "compact", "config",
        "dump", "wal", "bench",
    ] {
        assert_contains(&help, format!("\n  {command} "));
        let own = hestia(&[command, "--help"]).ok_text();
        assert_contains(&own, "Example");
        assert_contains(&own, format!("\n  hestia {command} "));
    }
    assert_contains(&hestia(&["--version"]).ok_text(), "hestia ");
}

#[test]
fn a_key_that_begins_with_a_dash_goes_behind_two() {
    let place = Place::created("string", "string");
    hestia(&["put", &place.index, "--", "--key", "-v"]).ok();
    assert_eq!(hestia(&["get", &place.index, "--", "--key"]).ok_text(), "-v\n");
}
