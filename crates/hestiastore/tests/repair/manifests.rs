//! Damaged, lost and stale manifests.

use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::repair::{Action, RepairOptions, repair};

use crate::store::{Author, Store, builder, everything, key, only, options, rich};

const MANIFEST: &str = "MANIFEST";

/// What a rebuilt store holds, when no file of a finished merge lay there any more.
#[track_caller]
fn assert_same_entries(store: &Store, what: &str) {
    let copy = store.copy();
    let report = copy.repair().unwrap();
    let index = builder(&copy.directory).open().unwrap_or_else(|error| panic!("{what}: {error}\n{report}"));
    let found = everything(&index);
    index.close().unwrap();
    assert!(found == store.newest(), "{what}: not the same entries\n{report}");
}

fn assert_rebuilt(store: &Store, what: &str) {
    assert_same_entries(store, what);
    let report = store.repaired(what);
    let rebuilt = report.findings.iter().any(|finding| finding.action == Action::ManifestRebuilt);
    assert!(rebuilt, "{what}: {report}");
    let expected = |finding: &hestiastore::repair::Finding| {
        // Logs below the floor that wait to be recycled, and runs that were merged.
        let put_away =
            matches!(finding.action, Action::Quarantined | Action::Kept) && finding.losses.is_empty();
        finding.file == MANIFEST || put_away
    };
    assert!(report.findings.iter().all(expected), "{what}: {report}");
}

/// Here nothing of the index whose manifest it is can be found, and all of another's.
#[test]
fn another_indexs_manifest_is_the_stray_and_not_the_files() {
    for (what, store) in [("closed", rich().close()), ("killed", rich().kill())] {
        let other = SimulatedDirectory::new();
        builder(&other).environment(Environment::repeatable(4711)).create().unwrap().close().unwrap();
        store.directory.write_all(MANIFEST, &other.read_all(MANIFEST).unwrap()).unwrap();
        let runs = store.files("run-").len();
        let report = store.repaired(what);
        let finding = report.findings.iter().find(|finding| finding.file == MANIFEST).unwrap();
        assert_eq!(finding.action, Action::ManifestRebuilt, "{what}: {report}");
        assert!(finding.damage.starts_with("it is of another index, "), "{what}: {report}");
        assert!(report.findings.iter().all(|finding| !finding.file.starts_with("run-")), "{what}: {report}");
        assert!(runs > 4);
    }
}

#[test]
fn a_lost_manifest_is_rebuilt_from_runs_and_log() {
    for (what, original) in [("closed", rich().close()), ("killed", rich().kill())] {
        let store = original.copy();
        store.directory.remove(MANIFEST).unwrap();
        assert_rebuilt(&store, &format!("{what}, without a manifest"));
        let store = original.copy();
        store.fill(MANIFEST, 0..64, 0);
        assert_rebuilt(&store, &format!("{what}, without a manifest's header"));
        let store = original.copy();
        store.directory.truncate(MANIFEST, 10).unwrap();
        assert_rebuilt(&store, &format!("{what}, with ten bytes of a manifest"));
    }
}

#[test]
fn a_lost_manifest_after_merges_and_splits() {
    let mut author = rich();
    author.settle();
    author.delete((0..600).step_by(5));
    author.put((0..600).step_by(6));
    author.flush();
    author.settle();
    author.put(650..660);
    let original = author.close();
    let store = original.copy();
    store.directory.remove(MANIFEST).unwrap();
    assert_rebuilt(&store, "after merges and splits");
}

#[test]
fn a_lost_manifest_after_each_step_of_a_long_life() {
    let mut author = Author::new();
    for step in 0..12u32 {
        author.put((0..500).filter(|n| (n * 7 + step) % 4 == 0));
        author.delete((0..500).filter(|n| (n * 11 + step) % 9 == 0));
        author.flush();
        match step % 4 {
            1 => author.settle(),
            3 => author.compact(),
            _ => {}
        }
        author.put((0..20).map(|n| n * 25 + step));
        let store = author.killed_now();
        store.directory.remove(MANIFEST).unwrap();
        assert_rebuilt(&store, &format!("step {step}"));
    }
    author.close();
}

#[test]
fn without_runs_the_types_must_be_given() {
    let mut author = Author::new();
    author.put(0..10);
    let store = author.close();
    store.directory.remove(MANIFEST).unwrap();
    let error = repair(&store.shared(), &RepairOptions::default()).unwrap_err();
    assert!(matches!(error, hestiastore::Error::InvalidConfig { .. }), "{error}");
    assert!(store.directory.read_all("quarantine/MANIFEST").is_none());
    repair(&store.shared(), &options()).unwrap();
    let index = builder(&store.directory).open().unwrap();
    assert!(everything(&index) == store.newest());
}

/// A run that is written anew names the edit that its original was begun at.
#[test]
fn d6_edits_are_counted_on_from_what_damaged_runs_name() {
    let mut author = Author::with_segments_of(16 << 20);
    for _ in 0..10 {
        author.put(0..200);
        author.flush();
        author.compact();
    }
    let store = author.close();
    let only_run = |store: &Store| {
        let runs = store.files("run-");
        assert_eq!((runs.len(), store.files("log-").len()), (1, 0), "{runs:?}");
        runs[0].clone()
    };
    store.fill(&only_run(&store), 4096 + 500..4096 + 600, 0xee);
    store.directory.remove(MANIFEST).unwrap();
    assert!(store.repair().unwrap().losses().count() > 1);
    let run = only_run(&store);
    let bytes = store.bytes(&run);
    let index = builder(&store.directory).open().unwrap();
    index.put(key(50), b"newer").unwrap();
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let killed = store.directory.kill();
    assert!(!killed.list().unwrap().contains(&run));
    // As if the process had died before the file went.
    killed.write_all(&run, &bytes).unwrap();
    assert!(builder(&killed).open().is_ok());
}

/// What it says of itself is there, though not all of its entries.
#[test]
fn d6_a_damaged_run_tells_that_the_manifest_lost_edits() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..100);
    author.flush();
    let older = author.directory().read_all(MANIFEST).unwrap();
    let before = author.killed_now().files("run-");
    author.put(0..300);
    author.flush();
    let store = author.close();
    let newer = store.files("run-").into_iter().find(|run| !before.contains(run)).unwrap();
    store.fill(&newer, 4096 + 500..4096 + 600, 0xee);
    store.directory.write_all(MANIFEST, &older).unwrap();
    let report = store.repaired("an older manifest, and the newest run damaged");
    let action_on = |file: &str| report.findings.iter().find(|finding| finding.file == file).unwrap().action;
    let actions = (action_on(MANIFEST), action_on(&newer));
    assert_eq!(actions, (Action::ManifestRebuilt, Action::RunSalvaged), "{report}");
}

/// The log goes on where the close left it, so that no file but itself tells of the open that is lost.
#[test]
fn l8_a_log_that_goes_on_behind_a_clean_close() {
    let mut author = rich();
    author.put(0..5);
    let closed = author.close();
    let older = closed.bytes(MANIFEST);
    let index = builder(&closed.directory).open().unwrap();
    index.put(key(3), b"after the close").unwrap();
    index.sync().unwrap();
    let mut store = Store { directory: closed.directory.kill(), ..closed.clone() };
    store.history.push((key(3), Some(b"after the close".to_vec())));
    store.directory.write_all(MANIFEST, &older).unwrap();
    assert_same_entries(&store, "with the manifest of the close");
    let report = store.repaired("with the manifest of the close");
    assert_eq!(
        (report.findings[0].action, report.is_lossy()),
        (Action::ManifestRewritten, false),
        "{report}"
    );
}

#[test]
fn a_damaged_copy_of_the_base_costs_nothing() {
    let store = rich().close();
    store.fill(MANIFEST, 100..110, 0x77);
    let report = store.repaired("a base copy");
    assert_eq!(
        (report.findings[0].action, report.is_lossy()),
        (Action::ManifestRewritten, false),
        "{report}"
    );
    assert!(store.directory.read_all("quarantine/MANIFEST").is_some());
}

#[test]
fn a_manifest_damaged_anywhere() {
    for (state, original) in [("closed", rich().close()), ("killed", rich().kill())] {
        let used = original.bytes(MANIFEST).iter().rposition(|byte| *byte != 0).unwrap() as u64;
        for at in (0..used).step_by(97) {
            let store = original.copy();
            store.fill(MANIFEST, at..at + 1, original.bytes(MANIFEST)[at as usize] ^ 0x20);
            let what = format!("{state}, at {at} of {used}");
            assert_same_entries(&store, &what);
            store.repaired(&what);
        }
        for length in (0..used).step_by(499) {
            let store = original.copy();
            store.directory.truncate(MANIFEST, length).unwrap();
            let what = format!("{state}, cut to {length}");
            assert_same_entries(&store, &what);
            store.repaired(&what);
        }
    }
}

#[test]
fn a_manifest_of_an_older_generation() {
    let mut author = rich();
    let mut older = vec![author.directory().read_all(MANIFEST).unwrap()];
    for step in 0..6 {
        match step % 3 {
            0 => author.settle(),
            1 => author.flush(),
            _ => author.compact(),
        }
        author.put((step * 50..step * 50 + 120).step_by(3));
        author.delete((step * 40..step * 40 + 100).step_by(9));
        older.push(author.directory().read_all(MANIFEST).unwrap());
    }
    author.flush();
    let original = author.close();
    for (age, manifest) in older.iter().enumerate() {
        let store = original.copy();
        store.directory.write_all(MANIFEST, manifest).unwrap();
        assert_same_entries(&store, &format!("manifest {age}"));
        store.repaired(&format!("manifest {age}"));
    }
}

/// The log that a clean close left went on, and no run and no other log tells of the edits that came first.
#[test]
fn a_manifest_of_the_clean_close_before_the_last_write() {
    let mut author = rich();
    author.close_and_open();
    let older = author.directory().read_all(MANIFEST).unwrap();
    author.put([7]);
    let store = author.kill();
    store.directory.write_all(MANIFEST, &older).unwrap();
    assert_same_entries(&store, "manifest of the clean close");
    let report = store.repaired("manifest of the clean close");
    assert!(only(&report).damage.contains("a clean close that left log"), "{report}");
}

/// What is there when a job is stopped at each operation in turn, with the manifest of before and without one.
#[track_caller]
fn stopped_everywhere(
    name: &str,
    automatic: bool,
    job: impl Fn(&crate::store::Index) -> hestiastore::Result<()>,
) {
    let original = rich().close();
    let before = original.bytes(MANIFEST);
    for count in 0.. {
        let store = original.copy();
        let index = builder(&store.directory).maintenance(|m| m.automatic(automatic)).open().unwrap();
        store.directory.fail_after(Some(store.directory.operation_count() + count));
        let outcome = job(&index);
        let mut image = store.clone();
        image.directory = store.directory.crash(CrashPolicy::KeepAll, count);
        drop(index);
        for manifest in [None, Some(&before)] {
            let what = format!("{name}, stopped at {count}, older manifest: {}", manifest.is_some());
            let store = image.copy();
            match manifest {
                Some(bytes) => store.directory.write_all(MANIFEST, bytes).unwrap(),
                None => store.directory.remove(MANIFEST).unwrap(),
            }
            assert_same_entries(&store, &what);
            if count % 10 == 0 {
                store.repaired(&what);
            }
        }
        if outcome.is_ok() {
            return;
        }
    }
}

#[test]
fn a_manifest_lost_at_any_moment_of_a_compaction() {
    stopped_everywhere("compaction", false, |index| index.compact_and_wait());
}

#[test]
fn a_manifest_lost_at_any_moment_of_merges_and_splits() {
    stopped_everywhere("merges and splits", true, |index| {
        // Nothing new, so that the entries are known whatever comes through.
        index.delete(b"never there".to_vec())?;
        index.flush_and_wait()?;
        index.wait_until_idle()?;
        index.compact_and_wait()
    });
}
