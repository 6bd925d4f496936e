//! Damaged, cut and missing logs.

use hestiastore::RecoveryPolicy;
use hestiastore::directory::Directory;
use hestiastore::repair::Action;

use crate::store::{Author, Store, builder, rich};

/// Several logs, with unflushed writes in all of them.
fn several_logs() -> Author {
    let mut author = Author::new();
    author.put(0..50);
    author.flush();
    author.put(0..2000);
    author.put(1000..1500);
    author
}

fn killed() -> Store {
    let author = several_logs();
    author.index.sync().unwrap();
    let mut store = author.kill();
    store.proven_seq = store.history.len() as u64;
    store
}

/// The witness of the last sync stands in the last log, and may be lost with what it tells of (L3). A log
/// behind it is ready and was not used yet.
fn without_witness(store: &Store, log: &str) -> Store {
    let mut copy = store.copy();
    if store.files("log-").iter().rev().take(2).any(|last| last == log) {
        copy.proven_seq = 50;
    }
    copy
}

#[test]
fn every_log_damaged_in_many_places() {
    let original = killed();
    assert!(original.files("log-").len() > 2, "{:?}", original.files(""));
    for log in original.files("log-") {
        let length = original.length(&log);
        for at in (0..length.saturating_sub(8)).step_by(3_001) {
            let store = without_witness(&original, &log);
            store.fill(&log, at..at + 8, 0x33);
            store.repaired(&format!("{log} at {at}"));
        }
    }
}

#[test]
fn a_log_is_cut_where_its_damage_begins() {
    let original = killed();
    let logs = original.files("log-");
    let store = original.copy();
    store.fill(&logs[0], 30_000..30_008, 0);
    let report = store.repaired("in the first log");
    let cut = &report.findings[0];
    assert_eq!((&*cut.file, cut.action), (&*logs[0], Action::LogCut), "{report}");
    assert_eq!(cut.losses.len(), 1, "{report}");
    assert!(cut.losses[0].seqs.0 > 100, "{report}");
    let told = format!("; given up behind it: {} records that could be read", cut.records_given_up);
    assert!(cut.records_given_up > 100 && cut.damage.contains(&told), "{report}");
    for log in logs.iter().filter(|log| report.findings.iter().any(|finding| finding.file == **log)) {
        assert!(store.directory.read_all(&format!("quarantine/{log}")).is_some(), "{log}");
    }
}

#[test]
fn every_log_missing_or_cut() {
    let original = killed();
    for log in original.files("log-") {
        let store = original.copy();
        store.directory.remove(&log).unwrap();
        store.repaired(&format!("without {log}"));
        for length in [0, 10, 63, 64, 100, 5_000, 40_000] {
            // A listed log had a header; what stood behind it may pass for its tail.
            let store = if length < 64 { original.copy() } else { without_witness(&original, &log) };
            store.directory.truncate(&log, length).unwrap();
            store.repaired(&format!("{log} cut to {length}"));
        }
        let store = original.copy();
        store.fill(&log, 0..64, 0);
        store.repaired(&format!("{log} without a header"));
    }
}

/// Without the manifest nothing says which logs there were.
#[test]
fn a_log_without_a_header_or_a_manifest() {
    let original = killed();
    for log in original.files("log-") {
        let store = original.copy();
        store.directory.remove("MANIFEST").unwrap();
        store.fill(&log, 0..64, 0);
        store.repaired(&format!("{log} without a header, no manifest"));
    }
}

/// The first write after an open that cut the logs, stopped anywhere: what opens by itself needs no repair.
#[test]
fn a_log_on_its_way_to_quarantine_is_not_missed() {
    let original = killed();
    original.fill(&original.files("log-")[0], 30_000..30_008, 0);
    let mut sound = 0;
    for count in 0.. {
        let store = original.copy();
        let cutting = builder(&store.directory).recovery(RecoveryPolicy::CutAtDamage);
        let index = cutting.open().unwrap();
        store.directory.fail_after(Some(store.directory.operation_count() + count));
        let outcome = index.put(b"key", b"value");
        let image = store.copy();
        drop(index);
        if builder(&image.copy().directory).open().is_ok() {
            let plan = image.plan().unwrap();
            assert!(plan.is_sound(), "stopped at {count}: {plan}");
            sound += 1;
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert!(sound > 1, "{sound}");
}

#[test]
fn runs_beyond_the_cut_are_kept_and_told() {
    let mut author = several_logs();
    author.put(3000..3010);
    author.index.sync().unwrap();
    let store = author.kill();
    let logs = store.files("log-");
    assert!(logs.len() > 1);
    store.fill(&logs[0], 3_000..3_100, 0x44);
    store.repaired("early");
}

#[test]
fn the_log_of_a_closed_store() {
    let original = rich().close();
    let logs = original.files("log-");
    assert!(!logs.is_empty());
    for log in logs {
        for at in (0..original.length(&log).min(20_000) - 16).step_by(499) {
            let store = original.copy();
            store.fill(&log, at..at + 16, 0x33);
            store.repaired(&format!("{log} at {at}"));
        }
        let store = original.copy();
        store.directory.remove(&log).unwrap();
        store.repaired(&format!("without {log}"));
    }
}
