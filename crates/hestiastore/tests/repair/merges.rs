//! Merges beside what went into them, where the manifest is lost: which of them count.

use std::collections::BTreeSet;

use hestiastore::directory::Directory;
use hestiastore::repair::{Finding, RepairReport};

use crate::store::{Author, Store, builder, everything};

fn one_segment() -> Author {
    Author::with_segments_of(16 << 20)
}

#[track_caller]
fn assert_same_entries(store: &Store, what: &str) -> RepairReport {
    let report = store.repair().unwrap();
    let index = builder(&store.directory).open().unwrap_or_else(|error| panic!("{what}: {error}\n{report}"));
    assert!(everything(&index) == store.newest(), "{what}: not the same entries\n{report}");
    index.close().unwrap();
    report
}

fn runs(store: &Store) -> BTreeSet<String> {
    store.files("run-").into_iter().filter(|name| name.ends_with(".sst")).collect()
}

/// It may be that nobody ever named it.
#[test]
fn f6_a_damaged_merge_costs_nothing_while_all_that_went_into_it_is_there() {
    let mut author = one_segment();
    author.put(0..200);
    author.flush();
    author.put((0..200).step_by(3));
    author.flush();
    let original = author.close();
    let inputs = runs(&original);
    let mut tried = 0;
    for count in 0.. {
        let store = original.copy();
        let index = builder(&store.directory).open().unwrap();
        store.directory.fail_after(Some(store.directory.operation_count() + count));
        let outcome = index.compact_and_wait();
        let image = store.copy();
        drop(index);
        let found = runs(&image);
        let outputs: Vec<&String> = found.difference(&inputs).collect();
        if found.is_superset(&inputs) && !outputs.is_empty() {
            for output in outputs {
                let middle = 4096 + (image.length(output) - 4096) / 4;
                image.fill(output, middle..middle + 100, 0xee);
            }
            image.directory.remove("MANIFEST").unwrap();
            let report = assert_same_entries(&image, &format!("stopped at {count}"));
            let of_manifest = |finding: &Finding| finding.file == "MANIFEST";
            let lost = report.findings.iter().filter(|finding| !finding.losses.is_empty());
            assert!(lost.into_iter().all(of_manifest), "stopped at {count}: {report}");
            tried += 1;
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert!(tried > 0);
}

/// Its deletion failed, or a copy came back.
#[test]
fn f6_what_went_into_a_merge_that_went_into_another_is_replaced() {
    let mut author = one_segment();
    author.put(0..100);
    author.flush();
    let first = author.killed_now();
    let name = runs(&first).pop_first().unwrap();
    author.delete(20..40);
    author.flush();
    author.compact();
    author.put(50..60);
    author.flush();
    author.compact();
    let store = author.close();
    assert_eq!(runs(&store).len(), 1);
    store.directory.write_all(&name, &first.bytes(&name)).unwrap();
    store.directory.remove("MANIFEST").unwrap();
    assert_same_entries(&store, "with a run of before");
}

/// Its seqs lie among those of the merge, and none of its keys went into it.
#[test]
fn f6_a_merge_does_not_answer_for_a_run_behind_it_that_stays() {
    let mut author = one_segment();
    author.put(0..20);
    author.flush();
    let merged = runs(&author.killed_now());
    author.put(100..120);
    author.flush();
    let stays: Vec<String> = runs(&author.killed_now()).difference(&merged).cloned().collect();
    author.put(0..60);
    author.flush();
    author.settle();
    let store = author.close();
    let left = runs(&store);
    assert!(left.is_disjoint(&merged) && stays.iter().all(|run| left.contains(run)), "{left:?}");
    store.directory.remove("MANIFEST").unwrap();
    assert_same_entries(&store, "after a merge before a main run");
}
