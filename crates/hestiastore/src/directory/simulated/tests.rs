//! What survives of what, under each policy.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const SEEDS: std::ops::Range<u64> = 0..64;

fn file_with(directory: &SimulatedDirectory, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = directory.create(name).unwrap();
    file.write_at(0, bytes).unwrap();
    file
}

fn durable_file(directory: &SimulatedDirectory, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = file_with(directory, name, bytes);
    file.sync().unwrap();
    directory.sync().unwrap();
    file
}

fn after(directory: &SimulatedDirectory, policy: CrashPolicy, name: &str) -> Option<Vec<u8>> {
    directory.crash(policy, 0).read_all(name)
}

/// Everything that `name` can be after a crash under `policy`.
fn outcomes(directory: &SimulatedDirectory, policy: CrashPolicy, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    SEEDS.map(|seed| directory.crash(policy, seed).read_all(name)).collect()
}

#[test]
fn what_was_synced_survives_every_policy() {
    let directory = SimulatedDirectory::new();
    directory.create_folder("f").unwrap();
    durable_file(&directory, "f/a", b"in a folder");
    let file = durable_file(&directory, "a", &[1; 5000]);
    file.allocate(1 << 40).unwrap();
    file.sync().unwrap();
    for policy in CrashPolicy::ALL {
        for seed in SEEDS {
            let crashed = directory.crash(policy, seed);
            assert_eq!(crashed.read_all("f/a").unwrap(), b"in a folder");
            let file = crashed.open("a", OpenMode::Read).unwrap();
            let mut bytes = [9; 6000];
            assert_eq!(file.len().unwrap(), 1 << 40);
            assert_eq!(file.read_at(0, &mut bytes).unwrap(), 6000);
            assert_eq!(bytes[..5000], [1; 5000]);
            assert_eq!(bytes[5000..], [0; 1000]);
        }
    }
}

#[test]
fn content_and_names_are_durable_apart() {
    use CrashPolicy::*;
    let directory = SimulatedDirectory::new();
    file_with(&directory, "unsynced name", b"x").sync().unwrap();
    assert_eq!(after(&directory, LoseAll, "unsynced name"), None);
    assert_eq!(after(&directory, LoseNames, "unsynced name"), None);
    assert_eq!(after(&directory, LoseContent, "unsynced name"), Some(b"x".to_vec()));
    assert_eq!(after(&directory, KeepAll, "unsynced name"), Some(b"x".to_vec()));

    let file = file_with(&directory, "unsynced content", b"old");
    directory.sync().unwrap();
    assert_eq!(after(&directory, LoseAll, "unsynced content"), Some(vec![]));
    assert_eq!(after(&directory, LoseAll, "unsynced name"), Some(b"x".to_vec()));
    file.sync().unwrap();
    file.write_at(2, b"der").unwrap();
    assert_eq!(after(&directory, LoseAll, "unsynced content"), Some(b"old".to_vec()));
    assert_eq!(after(&directory, LoseNames, "unsynced content"), Some(b"older".to_vec()));
    assert_eq!(directory.read_all("unsynced content"), Some(b"older".to_vec()));
}

#[test]
fn a_rename_before_the_content_is_durable_loses_the_content() {
    use CrashPolicy::*;
    let directory = SimulatedDirectory::new();
    durable_file(&directory, "current", b"old");
    file_with(&directory, "tmp", b"new");
    directory.rename("tmp", "current").unwrap();
    assert_eq!(after(&directory, LoseAll, "current"), Some(b"old".to_vec()));
    assert_eq!(after(&directory, LoseContent, "current"), Some(vec![]));
    assert!(outcomes(&directory, RandomSectors, "current").contains(&Some(vec![])));
    directory.sync().unwrap();
    assert_eq!(after(&directory, LoseAll, "current"), Some(vec![]));
    assert_eq!(after(&directory, LoseAll, "tmp"), None);
}

#[test]
fn a_rename_is_seen_whole_or_not_at_all() {
    let directory = SimulatedDirectory::new();
    durable_file(&directory, "current", b"old");
    durable_file(&directory, "tmp", b"new");
    directory.rename("tmp", "current").unwrap();
    for policy in CrashPolicy::ALL.into_iter().filter(|policy| *policy != CrashPolicy::HalfRenames) {
        for seed in SEEDS {
            let crashed = directory.crash(policy, seed);
            let found = (crashed.read_all("current"), crashed.read_all("tmp"));
            let before = (Some(b"old".to_vec()), Some(b"new".to_vec()));
            assert!(found == before || found == (Some(b"new".to_vec()), None), "{found:?}");
        }
    }
    assert_eq!(outcomes(&directory, CrashPolicy::Prefix, "tmp").len(), 2);
    assert_eq!(outcomes(&directory, CrashPolicy::RandomSectors, "tmp").len(), 2);
}

#[test]
fn a_removed_name_comes_back_with_its_content() {
    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", b"1");
    directory.remove("a").unwrap();
    file.write_at(1, b"2").unwrap();
    durable_names_of_another(&directory);
    assert_eq!(after(&directory, CrashPolicy::LoseAll, "a"), None);

    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", b"1");
    directory.remove("a").unwrap();
    file.write_at(1, b"2").unwrap();
    assert_eq!(after(&directory, CrashPolicy::LoseAll, "a"), Some(b"1".to_vec()));
    assert_eq!(after(&directory, CrashPolicy::LoseNames, "a"), Some(b"12".to_vec()));
    assert_eq!(after(&directory, CrashPolicy::KeepAll, "a"), None);
}

fn durable_names_of_another(directory: &SimulatedDirectory) {
    durable_file(directory, "another", b"");
}

#[test]
fn prefix_keeps_the_order_across_files_and_names() {
    let directory = SimulatedDirectory::new();
    let first = file_with(&directory, "first", b"");
    let second = file_with(&directory, "second", b"");
    directory.sync().unwrap();
    for round in 1..=5u8 {
        first.write_at(u64::from(round) - 1, &[round]).unwrap();
        second.write_at(0, &[round]).unwrap();
        directory.create(&format!("round {round}")).unwrap();
    }
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let crashed = directory.crash(CrashPolicy::Prefix, seed);
        let first = crashed.read_all("first").unwrap().len();
        let second = crashed.read_all("second").unwrap().first().copied().unwrap_or(0) as usize;
        let rounds = crashed.list().unwrap().len() - 2;
        assert!(first >= second && second >= rounds && rounds + 1 >= first);
        seen.insert((first, second, rounds));
    }
    assert_eq!(seen.len(), 16);
}

#[test]
fn random_sectors_tear_writes_at_sectors_only() {
    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", &[0; 2048]);
    file.write_at(100, &[1; 1500]).unwrap();
    file.write_at(0, &[2; 200]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let bytes = directory.crash(CrashPolicy::RandomSectors, seed).read_all("a").unwrap();
        assert_eq!(bytes.len(), 2048);
        let first = match (bytes[0], bytes[150], bytes[300]) {
            (0, 0, 0) => 0,
            (0, 1, 1) => 1,
            (2, 2, 1) => 2,
            other => panic!("a sector that never was: {other:?}"),
        };
        for sector in [&bytes[512..1024], &bytes[1024..1536]] {
            assert!(sector.iter().all(|&b| b == sector[0]));
        }
        seen.insert((first, bytes[512], bytes[1024], bytes[1599]));
    }
    assert_eq!(seen.len(), 24);
}

#[test]
fn random_sectors_part_length_from_content() {
    let directory = SimulatedDirectory::new();
    let file = directory.create("a").unwrap();
    directory.sync().unwrap();
    file.write_at(0, &[1; 1024]).unwrap();
    let seen = outcomes(&directory, CrashPolicy::RandomSectors, "a");
    assert!(seen.contains(&Some(vec![])), "content without length");
    assert!(seen.contains(&Some(vec![0; 1024])), "length without content");
    assert!(seen.contains(&Some(vec![1; 1024])));
    assert_eq!(seen.len(), 5);
}

#[test]
fn random_names_rest_on_what_survived() {
    let directory = SimulatedDirectory::new();
    durable_file(&directory, "a", b"first");
    directory.create_folder("f").unwrap();
    directory.rename("a", "f/a").unwrap();
    directory.create("a").unwrap();
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let crashed = directory.crash(CrashPolicy::RandomSectors, seed);
        let folder = crashed.create("f").is_err();
        let (top, inner) = (crashed.read_all("a"), crashed.read_all("f/a"));
        assert!(folder || inner.is_none());
        assert_eq!(inner.is_some(), top != Some(b"first".to_vec()), "the file is in one place");
        seen.insert((folder, top, inner));
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_crash_is_repeatable_and_apart_from_the_original() {
    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", &[1; 9000]);
    for i in 0..100u64 {
        file.write_at(i * 77, &[i as u8; 50]).unwrap();
    }
    let lock = directory.lock(LockMode::Exclusive).unwrap();
    let before = directory.read_all("a");
    let one = directory.crash(CrashPolicy::RandomSectors, 7);
    let two = directory.crash(CrashPolicy::RandomSectors, 7);
    assert_eq!(one.read_all("a"), two.read_all("a"));
    assert_ne!(one.read_all("a"), directory.crash(CrashPolicy::RandomSectors, 8).read_all("a"));

    assert_eq!(one.operation_count(), 0);
    drop(one.lock(LockMode::Exclusive).unwrap());
    one.remove("a").unwrap();
    two.open("a", OpenMode::ReadWrite).unwrap().write_at(0, &[9; 9000]).unwrap();
    assert_eq!(directory.read_all("a"), before);
    file.sync().unwrap();
    assert_eq!(after(&directory, CrashPolicy::LoseAll, "a"), before);
    drop(lock);

    let found = two.read_all("a");
    assert_eq!(after(&two, CrashPolicy::KeepAll, "a"), found);
    assert_ne!(after(&two, CrashPolicy::LoseAll, "a"), found, "what was found is durable");
}

#[test]
fn a_kill_keeps_what_was_written_and_what_is_pending() {
    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", b"synced");
    file.write_at(6, b" written").unwrap();
    directory.rename("a", "b").unwrap();
    let _lock = directory.lock(LockMode::Exclusive).unwrap();

    let killed = directory.kill();
    drop(killed.lock(LockMode::Exclusive).unwrap());
    assert_eq!(killed.read_all("b"), Some(b"synced written".to_vec()));
    assert_eq!(after(&killed, CrashPolicy::LoseAll, "a"), Some(b"synced".to_vec()));
    assert_eq!(after(&killed, CrashPolicy::LoseNames, "a"), Some(b"synced written".to_vec()));

    let file = killed.open("b", OpenMode::ReadWrite).unwrap();
    file.write_at(0, b"S").unwrap();
    file.sync().unwrap();
    assert_eq!(killed.operation_count(), 2);
    assert_eq!(after(&killed, CrashPolicy::LoseAll, "a"), Some(b"Synced written".to_vec()));
    assert_eq!(directory.read_all("b"), Some(b"synced written".to_vec()));
}

#[test]
fn a_crash_during_writes_is_one_moment_for_all_files() {
    let directory = SimulatedDirectory::new();
    let (a, b) = (file_with(&directory, "a", &[0; 8]), file_with(&directory, "b", &[0; 8]));
    directory.sync().unwrap();
    let done = AtomicBool::new(false);
    let number = |copy: &SimulatedDirectory, name: &str| {
        let bytes = copy.read_all(name).unwrap();
        bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 1u64.. {
                a.write_at(0, &i.to_be_bytes()).unwrap();
                b.write_at(0, &i.to_be_bytes()).unwrap();
                if i % 50 == 0 {
                    a.sync().unwrap();
                    b.sync().unwrap();
                }
                if done.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let mut wrong = Vec::new();
        for seed in 0..1000 {
            for copy in [directory.crash(CrashPolicy::KeepAll, seed), directory.kill()] {
                let (a, b) = (number(&copy, "a"), number(&copy, "b"));
                wrong.extend((a != b && a != b + 1).then_some((a, b)));
            }
            let copy = directory.crash(CrashPolicy::Prefix, seed);
            let (a, b) = (number(&copy, "a"), number(&copy, "b"));
            wrong.extend((a < b).then_some((a, b)));
        }
        done.store(true, Ordering::SeqCst);
        assert_eq!(wrong, []);
    });
}

#[test]
fn length_and_content_can_survive_without_each_other() {
    use CrashPolicy::*;
    let directory = SimulatedDirectory::new();
    let file = durable_file(&directory, "a", b"old");
    file.write_at(0, b"newer").unwrap();
    assert_eq!(after(&directory, LengthWithoutContent, "a"), Some(b"old\0\0".to_vec()));
    assert_eq!(after(&directory, ContentWithoutLength, "a"), Some(b"new".to_vec()));
}

#[test]
fn only_the_last_write_is_torn() {
    let directory = SimulatedDirectory::new();
    let first = file_with(&directory, "first", b"first");
    file_with(&directory, "second", b"second");
    first.write_at(5, b"last").unwrap();
    let seen = outcomes(&directory, CrashPolicy::TornLastWrite, "first");
    let expected = (5..9).map(|length| Some(b"firstlast"[..length].to_vec()));
    assert_eq!(seen, expected.collect());
    assert_eq!(outcomes(&directory, CrashPolicy::TornLastWrite, "second").len(), 1);
}

#[test]
fn half_renames_leave_both_names_or_neither() {
    let directory = SimulatedDirectory::new();
    durable_file(&directory, "current", b"old");
    durable_file(&directory, "tmp", b"new");
    directory.rename("tmp", "current").unwrap();
    let mut seen = BTreeSet::new();
    for seed in SEEDS {
        let crashed = directory.crash(CrashPolicy::HalfRenames, seed);
        seen.insert((crashed.read_all("current"), crashed.read_all("tmp")));
        let _ = crashed.remove("tmp");
        assert!(crashed.read_all("current").is_some());
    }
    let (old, new) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    assert_eq!(seen, BTreeSet::from([(old, None), (new.clone(), new)]));
}

#[test]
fn a_fingerprint_is_of_names_and_content() {
    let (one, two) = (SimulatedDirectory::new(), SimulatedDirectory::new());
    for directory in [&one, &two] {
        durable_file(directory, "a", &[1; 5000]);
    }
    assert_eq!(one.fingerprint(), two.fingerprint());
    let file = two.open("a", OpenMode::ReadWrite).unwrap();
    file.allocate(20_000).unwrap();
    assert_ne!(one.fingerprint(), two.fingerprint());
    one.open("a", OpenMode::ReadWrite).unwrap().write_at(15_000, &[0; 5000]).unwrap();
    assert_eq!(one.fingerprint(), two.fingerprint(), "zeros are zeros, written or not");
    one.rename("a", "b").unwrap();
    assert_ne!(one.fingerprint(), two.fingerprint());
}
