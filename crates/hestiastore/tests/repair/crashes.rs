//! A repair that is stopped at any I/O can be repeated, and comes to the same.

use hestiastore::directory::{CrashPolicy, Directory};
use hestiastore::repair::RepairReport;

use crate::store::{Store, builder, everything, rich};

fn damaged_in(what: &str) -> Store {
    let store = rich().kill();
    match what {
        "run" => {
            let run = store.files("run-")[1].clone();
            let middle = store.length(&run) / 2;
            store.fill(&run, middle..middle + 50, 0x11);
        }
        "footers" => {
            for run in store.files("run-") {
                let length = store.length(&run);
                store.fill(&run, length - 64..length, 0x11);
            }
        }
        "log" => {
            let log = store.files("log-")[0].clone();
            store.fill(&log, 3000..3010, 0x11);
        }
        "missing" => {
            let run = store.files("run-")[0].clone();
            store.directory.remove(&run).unwrap();
        }
        _ => {
            store.fill("MANIFEST", 0..64, 0x11);
            let run = store.files("run-")[1].clone();
            let length = store.length(&run);
            store.fill(&run, length - 64..length, 0x11);
        }
    }
    store
}

fn union(a: &RepairReport, b: &RepairReport) -> RepairReport {
    let mut both = a.clone();
    both.findings.extend(b.findings.iter().cloned());
    both
}

#[test]
fn a_crash_at_every_operation_leaves_the_one_store_or_the_other() {
    for what in ["run", "footers", "log", "missing", "manifest"] {
        let original = damaged_in(what);
        let undisturbed = original.copy();
        let report = undisturbed.repair().unwrap();
        let index = builder(&undisturbed.directory).open().unwrap();
        let expected = everything(&index);
        index.close().unwrap();
        for count in 0.. {
            let store = original.copy();
            store.directory.fail_after(Some(store.directory.operation_count() + count));
            let outcome = store.repair();
            for (seed, policy) in CrashPolicy::ALL.into_iter().enumerate() {
                let place = format!("{what}, stopped at {count}, {policy:?}");
                let image = store.directory.crash(policy, count * 7 + seed as u64);
                let image = Store { directory: image, ..original.clone() };
                let again = image.repair().unwrap_or_else(|error| panic!("{place}: {error}"));
                let index =
                    builder(&image.directory).open().unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(everything(&index) == expected, "{place}: {again}");
                index.close().unwrap();
                image.assert_right(&union(&report, &again), &place);
            }
            if outcome.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn the_report_is_there_before_the_new_manifest() {
    let original = damaged_in("run");
    let told = |store: &Store| {
        let report = store.directory.read_all("quarantine/repair-report.txt");
        report.is_some_and(|text| String::from_utf8(text).unwrap().contains("  lost: "))
    };
    for count in 0.. {
        let store = original.copy();
        store.directory.fail_after(Some(store.directory.operation_count() + count));
        let outcome = store.repair();
        let image =
            Store { directory: store.directory.crash(CrashPolicy::KeepAll, count), ..original.clone() };
        let is_repaired = image.bytes("MANIFEST") != original.bytes("MANIFEST");
        assert!(!is_repaired || told(&image), "stopped at {count}");
        if let Ok(report) = outcome {
            assert!(is_repaired);
            assert_eq!(report.kept_in.as_deref(), Some("quarantine/repair-report.txt"));
            break;
        }
    }
}

#[test]
fn a_full_disk_leaves_the_original() {
    for what in ["run", "footers", "log", "manifest"] {
        let original = damaged_in(what);
        let taken: u64 = original.files("").iter().map(|file| original.length(file)).sum();
        for room in [0, 1 << 10, 20 << 10, 70 << 10] {
            let store = original.copy();
            store.directory.set_capacity_bytes(Some(taken + room));
            let before = store.image();
            match store.repair() {
                Ok(_) => {}
                Err(error) => {
                    assert!(
                        error.to_string().contains("space") || error.to_string().contains("full"),
                        "{error}"
                    );
                    let after = store.image();
                    assert!(after == before, "{what}, {room} bytes: {:?}", after.keys());
                }
            }
            store.directory.set_capacity_bytes(None);
            store.repair().unwrap();
        }
    }
}
