//! A missing run, log or manifest is told when the index is opened, by name.

use hestiastore::Error;
use hestiastore::directory::{Directory, SimulatedDirectory};

use crate::support::{Bytes, copy, entries, file_with, model, small};

/// With a manifest, a run, and a log that holds unflushed writes.
fn filled(clean: bool) -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let index = small(&directory).create().unwrap();
    for (key, value) in model(50) {
        index.put(key, value).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.put(b"in the log", b"yes").unwrap();
    index.sync().unwrap();
    if clean {
        index.close().unwrap();
        return directory;
    }
    directory.kill()
}

fn names_the_missing(prefix: &str) {
    for clean in [true, false] {
        let original = filled(clean);
        let names = original.list().unwrap();
        let missing = file_with(&names, prefix);
        for read_only in [false, true] {
            let directory = copy(&original);
            directory.remove(missing).unwrap();
            let outcome =
                if read_only { small(&directory).open_read_only() } else { small(&directory).open() };
            match outcome {
                Err(error @ Error::Corruption { .. }) => {
                    assert!(error.to_string().contains(missing), "{error}");
                }
                other => panic!("{missing}, clean {clean}, read only {read_only}: {other:?}"),
            }
            // Nothing was changed: with the file back, everything is back.
            directory.write_all(missing, &original.read_all(missing).unwrap()).unwrap();
            let index = small(&directory).open().unwrap();
            let mut expected = model(50);
            expected.insert(b"in the log".to_vec(), b"yes".to_vec());
            let expected: Vec<(Bytes, Bytes)> = expected.into_iter().collect();
            assert!(entries(&index).unwrap() == expected);
        }
    }
}

#[test]
fn a_missing_run_is_told_at_open() {
    names_the_missing("run-");
}

#[test]
fn l5_a_missing_log_is_told_at_open() {
    names_the_missing("log-");
}

#[test]
fn a_missing_manifest_is_told_and_not_taken_for_a_new_index() {
    let directory = filled(true);
    directory.remove("MANIFEST").unwrap();
    let before = directory.list().unwrap().len();
    match small(&directory).open() {
        Err(error @ Error::NotAnIndex { .. }) => assert!(error.to_string().contains("MANIFEST"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(small(&directory).create(), Err(Error::AlreadyExists { .. })));
    assert!(matches!(small(&directory).open_or_create(), Err(Error::AlreadyExists { .. })));
    assert_eq!(directory.list().unwrap().len(), before);
}
