//! A second opener: handle, thread, process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hestiastore::Error;

use crate::support::Index;

const CHILD: &str = "HESTIA_TEST_SECOND_OPENER";

fn refused(outcome: Result<Index, Error>, holder: u32) {
    match outcome {
        Err(error @ Error::Locked { .. }) => {
            assert!(error.to_string().contains(&format!("process {holder} ")), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_handle_in_this_or_another_thread_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let index = Index::builder(place.path()).create().unwrap();
    let me = std::process::id();
    refused(Index::builder(place.path()).open(), me);
    refused(Index::builder(place.path()).open_or_create(), me);
    refused(Index::builder(place.path()).open_read_only(), me);
    std::thread::scope(|scope| {
        scope.spawn(|| refused(Index::builder(place.path()).open(), me));
    });
    index.put(b"still", b"mine").unwrap();
    index.close().unwrap();

    let readers = [(); 2].map(|()| Index::builder(place.path()).open_read_only().unwrap());
    let error = Index::builder(place.path()).open().unwrap_err();
    assert!(error.to_string().contains("readers"), "{error}");
    drop(readers);
    Index::builder(place.path()).open().unwrap();
}

/// Not a test of its own: what the other process of the next test does.
#[test]
fn other_process() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let index = Index::builder(path).open_or_create().unwrap();
    index.put(b"child", b"was here").unwrap();
    println!("\nopened");
    std::io::stdout().flush().unwrap();
    // Until the parent lets go, or kills.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

#[test]
fn a_second_process_is_refused_and_its_death_frees_the_directory() {
    let place = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "openers::other_process", "--nocapture"])
        .env(CHILD, place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "opened"));
    refused(Index::builder(place.path()).open(), child.id());
    refused(Index::builder(place.path()).open_read_only(), child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let index = Index::builder(place.path()).open().unwrap();
    assert_eq!(index.get(b"child").unwrap().as_deref(), Some(&b"was here"[..]));
}
