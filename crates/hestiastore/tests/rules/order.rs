//! The order in which things reach the disk: each step is synced before the one that rests on it.

use hestiastore::directory::{CrashPolicy, SimulatedDirectory};

use crate::observed::{Observed, Operation};
use crate::support::{all, quiet, settled, wait_until, watched};

#[test]
fn d1_log_run_name_and_edit_are_synced_in_this_order() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = settled(&directory);
    index.put(1, b"one").unwrap();
    assert_eq!(directory.take_kinds(), ["write log"]);
    index.flush_and_wait().unwrap();
    let run = ["create run", "write run", "sync run", "rename run", "sync names"];
    let edit = ["write MANIFEST", "sync MANIFEST"];
    // The second write to the log is the SYNC mark.
    assert_eq!(directory.take_kinds(), [&["sync log", "write log"][..], &run, &edit].concat());

    index.put(1, b"two").unwrap();
    index.flush_and_wait().unwrap();
    directory.take();
    index.compact_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    let merge = directory.take_kinds();
    assert_eq!(merge[..7], [&run[..], &edit].concat());
    assert!(merge[7..].iter().all(|kind| kind == "remove run"), "{merge:?}");
}

#[test]
fn d1_the_runs_of_a_recovery_follow_the_same_order() {
    let memory = SimulatedDirectory::new();
    let index = quiet(&memory).create().unwrap();
    index.put(1, b"one").unwrap();
    let directory = Observed::new(&memory.kill());
    let index = watched(&directory).open().unwrap();
    assert_eq!(directory.take(), []);
    index.delete(7).unwrap();
    let done = directory.take_kinds();
    let new_manifest = ["create MANIFEST", "allocate MANIFEST", "write MANIFEST", "sync MANIFEST"];
    let open_edit = ["rename MANIFEST", "sync names", "write MANIFEST", "sync MANIFEST"];
    // Tidying syncs the names; the log that was replayed is synced before its entries are in a run.
    let flush = ["sync names", "sync log", "create run", "write run", "sync run", "rename run", "sync names"];
    let edit = ["write MANIFEST", "sync MANIFEST", "remove log"];
    let expected = [&new_manifest[..], &open_edit, &flush, &edit].concat();
    assert_eq!(done[..expected.len()], expected);
}

#[test]
fn d1_a_replay_that_outgrows_memory_follows_the_same_order() {
    let memory = SimulatedDirectory::new();
    let index = quiet(&memory).create().unwrap();
    for n in 0..2_000u64 {
        index.put(n, vec![1; 100]).unwrap();
    }
    let directory = Observed::new(&memory.kill());
    let index = watched(&directory).write_buffer(|w| w.budget_bytes(64 << 10)).open().unwrap();
    let done = directory.take_kinds();
    let renewal = ["write log", "sync log"];
    let flush = ["create run", "write run", "sync run", "rename run", "sync names"];
    let is_of_log = |kind: &&String| kind.ends_with(" log");
    let begin = done.iter().position(|kind| is_of_log(&kind)).unwrap();
    assert!(done[..begin].iter().all(|kind| kind.contains("MANIFEST") || kind == "sync names"), "{done:?}");
    let renewed = done[begin..].iter().take_while(is_of_log).count();
    assert!(done[begin..begin + renewed].iter().all(|kind| renewal.contains(&kind.as_str())), "{done:?}");
    assert_eq!(done[begin + renewed - 1], "sync log");
    // Once is enough.
    assert!(!done[begin + renewed..].iter().any(|kind| is_of_log(&kind)), "{done:?}");
    let begin = begin + renewed;
    assert_eq!(done[begin..begin + 7], [&flush[..], &["write MANIFEST", "sync MANIFEST"]].concat());
    assert_eq!(index.len().unwrap(), 2_000);
}

/// Every place in `done` where `wanted` was done.
fn places<'a>(done: &'a [Operation], wanted: impl Fn(&Operation) -> bool + 'a) -> Vec<usize> {
    (0..done.len()).filter(|place| wanted(&done[*place])).collect()
}

/// The kinds, in order and repetitions once, of what concerns log `name` and of what makes it known.
fn birth_of(done: &[Operation], name: &str) -> Vec<String> {
    let concerns = |operation: &&Operation| match operation {
        Operation::Create(log) | Operation::Allocate(log) | Operation::Write(log) | Operation::Sync(log) => {
            log == name || log.starts_with("MANIFEST")
        }
        Operation::Rename(_, log) => log == name,
        Operation::SyncNames => true,
        Operation::Remove(_) | Operation::Unlock => false,
    };
    let mut kinds: Vec<String> = done.iter().filter(concerns).map(Operation::kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn l6_a_new_log_is_whole_named_and_listed_before_its_first_record() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = watched(&directory).create().unwrap();
    directory.take();
    index.put(1, b"one").unwrap();
    let birth = birth_of(&directory.take(), "log-00000000000000000001.wal");
    let from = birth.iter().position(|kind| kind == "create log").unwrap();
    let expected = ["create log", "allocate log", "write log", "sync log", "sync names"];
    let listed = ["write MANIFEST", "sync MANIFEST", "write log"];
    assert_eq!(birth[from..from + 8], [&expected[..], &listed].concat());
}

#[test]
fn l6_a_recycled_log_has_its_new_identity_before_its_new_name() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = watched(&directory).create().unwrap();
    for n in 0..3_000u64 {
        index.put(n, vec![7; 100]).unwrap();
        if n % 300 == 299 {
            index.flush_and_wait().unwrap();
        }
    }
    let done = directory.take();
    let recycled = places(&done, |operation| operation.is("rename log"));
    assert!(recycled.len() > 2, "{}", recycled.len());
    for place in recycled {
        let Operation::Rename(from, to) = &done[place] else { panic!() };
        let before = birth_of(&done[..place], from);
        assert_eq!(before[before.len() - 2..], ["write log", "sync log"], "{before:?}");
        let after = birth_of(&done[place..], to);
        let first_record = after.iter().position(|kind| kind == "write log").unwrap_or(after.len());
        let listed = ["rename log", "sync names", "write MANIFEST", "sync MANIFEST"];
        let mut steps = listed.iter();
        let mut wanted = steps.next();
        for kind in &after[..first_record] {
            if wanted.is_some_and(|wanted| wanted == kind) {
                wanted = steps.next();
            }
        }
        assert_eq!(wanted, None, "{after:?}");
    }
}

/// A log goes only when no manifest that a crash may leave lists it. The names are taken as durable at
/// once, and no content but what was synced.
#[test]
fn l5_a_log_goes_only_after_the_edit_that_gives_it_up() {
    let memory = SimulatedDirectory::new();
    let image_of = memory.clone();
    let gone = |operation: &Operation| operation.is("rename log") || operation.is("remove log");
    let directory = Observed::with_hooks(
        &memory,
        |_| Ok(()),
        move |operation| {
            if gone(operation) {
                let image = image_of.crash(CrashPolicy::LoseContent, 1);
                quiet(&image).open_read_only().unwrap();
            }
        },
    );
    let index = watched(&directory).create().unwrap();
    for n in 0..3_000u64 {
        index.put(n % 200, vec![n as u8; 100]).unwrap();
        if n % 300 == 299 {
            index.flush_and_wait().unwrap();
        }
    }
    assert!(places(&directory.take(), gone).len() > 2);
    assert_eq!(all(&index).len(), 200);
    index.close().unwrap();
}

#[test]
fn l6_the_next_log_is_made_ready_before_anybody_needs_it() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = watched(&directory).create().unwrap();
    index.put(1, b"one").unwrap();
    // In the background: no further write asks for it.
    wait_until(|| index.metrics_snapshot().log.files == 2);
}

#[test]
fn d6_the_first_change_is_an_open_edit_in_a_new_manifest() {
    let memory = SimulatedDirectory::new();
    quiet(&memory).create().unwrap().close().unwrap();
    let directory = Observed::new(&memory);
    let index = watched(&directory).open().unwrap();
    assert_eq!(index.len().unwrap(), 0);
    assert_eq!(directory.take(), []);
    index.put(1, b"one").unwrap();
    let begun = directory.take_kinds();
    let new_manifest = ["create MANIFEST", "allocate MANIFEST", "write MANIFEST", "sync MANIFEST"];
    let open_edit = ["rename MANIFEST", "sync names", "write MANIFEST", "sync MANIFEST"];
    assert_eq!(begun[..8], [&new_manifest[..], &open_edit].concat());
}

#[test]
fn c7_nothing_changes_after_the_lock_is_given_up() {
    let directory = Observed::new(&SimulatedDirectory::new());
    let index = watched(&directory).maintenance(|m| m.automatic(true).threads(3)).create().unwrap();
    for n in 0..1_000u64 {
        index.put(n % 300, vec![n as u8; 100]).unwrap();
        if n % 50 == 0 {
            index.flush().unwrap();
        }
    }
    let mut reader = index.iter().unwrap();
    reader.next().unwrap().unwrap();
    let snapshot = index.snapshot().unwrap();
    index.compact().unwrap();
    index.close().unwrap();
    // What they kept from being deleted is deleted by the next open, not by them.
    drop((reader, snapshot));
    drop(index);
    assert_eq!(directory.take().last(), Some(&Operation::Unlock));
}
