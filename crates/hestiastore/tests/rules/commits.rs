//! C: commit and visibility.

use std::sync::Arc;
use std::thread;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Error, IndexState, WriteBatch};

use crate::support::{Index, all, quiet, splitting, spread};

#[test]
fn c1_a_batch_takes_as_many_consecutive_seqs_as_it_has_operations() {
    let index = Index::in_memory().create().unwrap();
    let seq = || index.snapshot().unwrap().seq();
    let start = seq();
    index.put(1, b"one").unwrap();
    assert_eq!(seq(), start + 1);
    let mut batch = WriteBatch::new();
    for n in 0..10 {
        batch.put(n, b"ten").unwrap().delete(n + 100).unwrap();
    }
    index.write(batch).unwrap();
    assert_eq!(seq(), start + 21);
    index.write(WriteBatch::new()).unwrap();
    assert_eq!(seq(), start + 21);
    assert_eq!(index.metrics_snapshot().log.appended_records, 2, "a batch is one record");
}

#[test]
fn c4_a_put_is_visible_to_everybody_when_it_returns() {
    for durability in [Durability::Off, Durability::Buffered, Durability::GroupSync, Durability::Sync] {
        let index = quiet(&SimulatedDirectory::new()).log(|l| l.durability(durability)).create().unwrap();
        thread::scope(|scope| {
            for owner in 0..4u64 {
                let index = &index;
                scope.spawn(move || {
                    for n in 0..300 {
                        index.put(n * 4 + owner, n.to_be_bytes()).unwrap();
                        let found = thread::scope(|other| {
                            let read = || index.get(n * 4 + owner).unwrap();
                            if n % 50 == 0 { other.spawn(read).join().unwrap() } else { read() }
                        });
                        assert_eq!(found, Some(n.to_be_bytes().to_vec()));
                    }
                });
            }
        });
    }
}

#[test]
fn c5_who_finds_only_newer_versions_goes_on_to_older_layers() {
    let index = quiet(&SimulatedDirectory::new()).create().unwrap();
    index.put(1, b"older").unwrap();
    index.flush_and_wait().unwrap();
    let before = index.snapshot().unwrap();
    index.put(1, b"newer").unwrap();
    assert_eq!(before.get(1).unwrap().as_deref(), Some(&b"older"[..]));
    assert_eq!(before.iter().unwrap().next().unwrap().unwrap().1, b"older");
}

#[test]
fn c6_a_snapshot_shows_its_moment_through_flush_merge_and_split() {
    let directory = SimulatedDirectory::new();
    let index = splitting(&directory).create().unwrap();
    for n in 0..1_000 {
        index.put(spread(n), vec![1; 50]).unwrap();
    }
    index.flush_and_wait().unwrap();
    let before = index.snapshot().unwrap();
    let expected = all(&index);
    for n in 0..2_000 {
        index.put(spread(n), vec![2; 100]).unwrap();
        if n % 4 == 0 {
            index.delete(spread(n)).unwrap();
        }
    }
    let middle = index.snapshot().unwrap();
    let expected_in_the_middle = all(&index);
    for n in 0..2_000 {
        index.delete(spread(n)).unwrap();
    }
    for _ in 0..2 {
        index.compact_and_wait().unwrap();
        assert!(before.iter().unwrap().map(Result::unwrap).eq(expected.iter().cloned()));
        assert!(middle.iter().unwrap().map(Result::unwrap).eq(expected_in_the_middle.iter().cloned()));
        assert!(
            middle.iter().unwrap().rev().map(Result::unwrap).eq(expected_in_the_middle.iter().rev().cloned())
        );
        for (key, value) in expected.iter().step_by(10) {
            assert_eq!(before.get(key).unwrap().as_ref(), Some(value));
        }
        assert!(index.is_empty().unwrap());
    }
    assert!(index.metrics_snapshot().segments.splits > 0);
    drop((before, middle));
    index.put(1, b"so that there is something to merge").unwrap();
    index.compact_and_wait().unwrap();
    assert_eq!(index.check().unwrap().entries, 1, "what nobody can see goes");
}

#[test]
fn c7_closed_answers_closed() {
    let index = Arc::new(Index::in_memory().create().unwrap());
    index.put(1, b"one").unwrap();
    let snapshot = index.snapshot().unwrap();
    let mut entries = index.iter().unwrap();
    let mut cursor = index.cursor().unwrap();
    let other_handle = Arc::clone(&index);
    index.close().unwrap();
    assert_eq!(other_handle.state(), IndexState::Closed);
    let mut batch = WriteBatch::new();
    batch.put(1, b"two").unwrap();
    let closed = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Closed)), "{outcome:?}");
    closed(other_handle.put(1, b"two"));
    closed(other_handle.delete(1));
    closed(other_handle.write(batch));
    closed(other_handle.get(1).map(drop));
    closed(other_handle.get_ref(1).map(drop));
    closed(other_handle.contains_key(1).map(drop));
    closed(other_handle.get_many([1, 2]).map(drop));
    closed(other_handle.snapshot().map(drop));
    closed(other_handle.iter().map(drop));
    closed(other_handle.range(1..).map(drop));
    closed(other_handle.prefix(1).map(drop));
    closed(other_handle.cursor().map(drop));
    closed(other_handle.first().map(drop));
    closed(other_handle.last().map(drop));
    closed(other_handle.len().map(drop));
    closed(other_handle.is_empty().map(drop));
    closed(other_handle.sync());
    closed(other_handle.flush());
    closed(other_handle.flush_and_wait());
    closed(other_handle.compact());
    closed(other_handle.compact_and_wait());
    closed(other_handle.wait_until_idle());
    closed(other_handle.check().map(drop));
    closed(snapshot.get(1).map(drop));
    closed(snapshot.len().map(drop));
    closed(snapshot.range(1..).map(drop));
    closed(entries.next().unwrap().map(drop));
    closed(cursor.seek_to_first().map(drop));
    closed(cursor.prev().map(drop));
    // To look and to close again is fine.
    other_handle.close().unwrap();
    assert_eq!(other_handle.metrics_snapshot().state, "CLOSED");
    assert_eq!(other_handle.type_names(), ("u64", "bytes"));
}
