//! A reader that has seen enough is no failure.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod common;

use std::io::{BufRead, BufReader, Read};

use common::{Place, command, hestia_reading, joined, shuffled_lines, sorted};

#[test]
fn a_closed_output_ends_a_command_quietly() {
    let place = Place::new();
    let lines = shuffled_lines(100_000);
    hestia_reading(&["load", &place.index], &joined(&lines)).ok();
    let run = std::fs::read_dir(&place.index).unwrap().map(|entry| entry.unwrap().path());
    let log = run.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "wal")).min();
    let mut commands =
        vec![vec!["scan", place.index.as_str()], vec!["scan", &place.index, "--format", "jsonl"]];
    if let Some(log) = log.as_ref().and_then(|log| log.to_str()) {
        commands.push(vec!["dump", "wal", log]);
    }
    for arguments in commands {
        let mut child = command(&arguments).spawn().unwrap();
        let mut first = Vec::new();
        BufReader::new(child.stdout.take().unwrap()).read_until(b'\n', &mut first).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!first.is_empty());
        if arguments.len() == 2 {
            assert!(sorted(&lines).starts_with(&first));
        }
    }
}
