//! What a repair writes must serve the next repair.

use hestiastore::directory::Directory;
use hestiastore::repair::Action;

use crate::store::{Author, Store, builder, everything, rich};

/// Repairs a copy, takes the manifest away, and repairs it again: nothing more may be lost.
#[track_caller]
pub fn assert_stays_without_manifest(store: &Store, what: &str) {
    let store = store.copy();
    let first = store.repair().unwrap_or_else(|error| panic!("{what}: {error}"));
    let entries = |report: &dyn std::fmt::Display| {
        let copy = store.copy();
        let index =
            builder(&copy.directory).open().unwrap_or_else(|error| panic!("{what}: {error}\n{report}"));
        everything(&index)
    };
    let before = entries(&first);
    store.directory.remove("MANIFEST").unwrap();
    let second = store.repair().unwrap_or_else(|error| panic!("{what}: {error}\n{first}"));
    let after = entries(&second);
    let count = (before.len(), after.len());
    // The log may give what a missing run held.
    let is_same = before == after || first.is_lossy();
    assert!(is_same, "{what}: entries before and after {count:?}\n{first}\n{second}");
    store.assert_covered(&after, &first, &format!("{what}, and without its manifest\n{second}"));
}

/// Footer, and the properties before it.
fn damage_end(store: &Store, run: &str) {
    let bytes = store.bytes(run);
    let footer = bytes.len() - 64;
    let used = bytes[..footer].iter().rposition(|byte| *byte != 0).unwrap();
    store.fill(run, used as u64 - 100..bytes.len() as u64, 0x11);
}

fn layers() -> Store {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..500);
    author.flush();
    author.put((0..500).step_by(3));
    author.flush();
    author.delete((0..500).step_by(5));
    author.flush();
    author.put((0..500).step_by(7));
    author.flush();
    author.close()
}

/// A run that a repair wrote stands for the one that was damaged, and replaces no other.
#[test]
fn f6_a_run_written_anew_is_no_merge() {
    for original in [layers(), rich().close(), rich().kill()] {
        for run in original.files("run-") {
            let store = original.copy();
            damage_end(&store, &run);
            assert_stays_without_manifest(&store, &format!("{run} without an end"));
        }
        let store = original.copy();
        original.files("run-").iter().for_each(|run| damage_end(&store, run));
        assert_stays_without_manifest(&store, "all without an end");
    }
}

/// Nor does a merge of it with others replace what never went into it.
#[test]
fn f6_a_merge_of_a_run_written_anew_replaces_what_went_into_it() {
    let original = layers();
    for run in original.files("run-") {
        let mut store = original.copy();
        damage_end(&store, &run);
        store.repair().unwrap();
        let index = builder(&store.directory).open().unwrap();
        for n in 0..40u32 {
            let key = crate::store::key(n * 9);
            index.put(&key, b"newer").unwrap();
            store.history.push((key, Some(b"newer".to_vec())));
        }
        index.flush_and_wait().unwrap();
        index.close().unwrap();
        let settling = builder(&store.directory).maintenance(|m| m.automatic(true)).open().unwrap();
        settling.put(b"one more", b"").unwrap();
        store.history.push((b"one more".to_vec(), Some(Vec::new())));
        settling.flush_and_wait().unwrap();
        settling.wait_until_idle().unwrap();
        settling.close().unwrap();
        assert_stays_without_manifest(&store, &format!("merged after {run}"));
    }
}

/// The types stand in the properties alone, once the manifest is gone.
#[test]
fn f6_a_run_that_lost_its_properties_gets_the_types_of_the_others() {
    let original = rich().close();
    for run in original.files("run-") {
        let store = original.copy();
        damage_end(&store, &run);
        store.directory.remove("MANIFEST").unwrap();
        let report = store.repaired(&format!("{run} without an end, no manifest"));
        let anew = |action| matches!(action, Action::RunRebuilt | Action::RunSalvaged);
        assert!(report.findings.iter().any(|finding| anew(finding.action)), "{report}");
    }
}

/// Two versions of a key, for the sake of a snapshot.
#[test]
fn an_older_version_in_the_same_run_may_return() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put_large([5]);
    let snapshot = author.index.snapshot().unwrap();
    author.put_large([5]);
    author.flush();
    drop(snapshot);
    let store = author.close();
    let run = store.files("run-")[0].clone();
    store.fill(&run, 4096 + 5_000..4096 + 5_100, 0xee);
    let report = store.repaired("the newer version damaged");
    let loss = report.losses().next().unwrap();
    assert!(loss.older_may_return, "{report}");
}

/// The manifest does not tell where a run begins; the layer below does.
#[test]
fn a_missing_run_is_told_from_the_layer_below_on() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..100);
    author.flush();
    let mut before = author.killed_now().files("run-");
    author.put(0..50);
    author.flush();
    before.extend(author.killed_now().files("run-"));
    author.put(0..20);
    author.flush();
    let store = author.close();
    let newest = store.files("run-").into_iter().find(|run| !before.contains(run)).unwrap();
    store.directory.remove(&newest).unwrap();
    let report = store.repaired("without the newest run");
    assert_eq!(report.losses().map(|loss| loss.seqs).collect::<Vec<_>>(), [(151, 170)], "{report}");
}

/// Seqs have no gaps.
#[test]
fn a_gap_between_runs_and_logs_is_told() {
    let mut author = Author::new();
    author.put(0..50);
    author.flush();
    author.put(0..2000);
    author.put(1000..1500);
    author.index.sync().unwrap();
    let store = author.kill();
    let first = store.files("log-")[0].clone();
    store.directory.remove(&first).unwrap();
    store.directory.remove("MANIFEST").unwrap();
    let report = store.repaired("without the first log and the manifest");
    let told = report.findings.iter().find(|finding| finding.action == Action::Told);
    let seqs = told.unwrap_or_else(|| panic!("{report}")).losses[0].seqs;
    assert!(seqs.0 == 51 && seqs.1 > 51, "{report}");
}
