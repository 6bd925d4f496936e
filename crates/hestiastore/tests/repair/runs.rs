//! Damaged, cut, swapped and missing runs.

use hestiastore::repair::Action;

use crate::store::{Author, Store, builder, everything, only, rich};

/// One run with a log that no longer holds what is in it.
fn one_run() -> Store {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..200);
    author.put_large([50, 51, 150]);
    author.flush();
    author.close()
}

fn run_of(store: &Store) -> String {
    let runs = store.files("run-");
    assert_eq!(runs.len(), 1);
    runs[0].clone()
}

#[track_caller]
fn assert_whole(store: &Store, what: &str) {
    let index = builder(&store.directory).open().unwrap();
    let found = everything(&index);
    index.close().unwrap();
    assert!(found == store.newest(), "{what}");
}

/// Where the first bytes of a section's magic stand.
fn find(bytes: &[u8], magic: &[u8]) -> u64 {
    bytes.windows(magic.len()).rposition(|window| window == magic).unwrap() as u64
}

#[test]
fn footer_sections_and_header_are_derivable() {
    let original = one_run();
    let run = run_of(&original);
    let length = original.length(&run);
    let bytes = original.bytes(&run);
    let sections = find(&bytes, b"IDX\x03");
    let places = [
        ("footer", length - 64..length),
        ("header", 0..64),
        ("header page", 2000..2010),
        ("sparse index", sections..sections + 40),
        ("Bloom filter", find(&bytes, b"BLM\x03") + 8..find(&bytes, b"BLM\x03") + 30),
        ("properties", find(&bytes, b"PRP\x03")..find(&bytes, b"PRP\x03") + 30),
        ("properties and footer", find(&bytes, b"PRP\x03")..length),
        ("everything behind the data", sections..length),
        ("a block's header", 4096..4110),
    ];
    for (what, range) in places {
        let store = original.copy();
        store.fill(&run, range, 0x5a);
        assert_eq!(only(&store.plan().unwrap()).losses, [], "{what}");
        let untouched = store.copy();
        untouched.repair().unwrap();
        assert_whole(&untouched, what);
        let report = store.repaired(what);
        assert_eq!(only(&report).action, Action::RunRebuilt, "{what}: {report}");
        let name = format!("quarantine/{run}");
        assert!(store.directory.read_all(&name).is_some(), "{what}: {name}");
    }
}

#[test]
fn a_damaged_chunk_costs_its_entries_and_names_their_keys() {
    let original = one_run();
    let run = run_of(&original);
    let store = original.copy();
    let bytes = store.bytes(&run);
    let mut chunks = bytes.windows(3).enumerate().filter(|(_, window)| window == b"ENT");
    let place = chunks.nth(20).unwrap().0 as u64 + 40;
    store.fill(&run, place..place + 4, 0);
    let report = store.repaired("a chunk");
    let finding = only(&report);
    assert_eq!((finding.action, finding.losses.len()), (Action::RunSalvaged, 1), "{report}");
    let loss = &finding.losses[0];
    assert!(loss.entries_at_most.unwrap() <= 8, "{report}");
    assert!(!loss.older_may_return, "{report}");
    assert!(loss.keys.lower.starts_with(b"key 00") && loss.keys.upper.is_some(), "{report}");
}

#[test]
fn a_damaged_value_chunk_costs_one_entry() {
    let original = one_run();
    let run = run_of(&original);
    let bytes = original.bytes(&run);
    let place =
        bytes.windows(4).position(|window| window == b"VAL\x03" || window == b"VAL\x07").unwrap() as u64;
    let store = original.copy();
    store.fill(&run, place + 1000..place + 1001, bytes[place as usize + 1000] ^ 1);
    let report = store.repaired("a value");
    let loss = &only(&report).losses[0];
    assert_eq!((loss.entries_at_most, &*loss.keys.lower), (Some(1), &b"key 00050"[..]), "{report}");
    assert_eq!(loss.keys.upper.as_deref(), Some(&b"key 00050\0"[..]), "{report}");
}

#[test]
fn runs_cut_at_every_block_and_beyond() {
    let original = one_run();
    let run = run_of(&original);
    let length = original.length(&run);
    for cut in (0..length).step_by(9_973) {
        let store = original.copy();
        store.directory.truncate(&run, cut).unwrap();
        store.repaired(&format!("cut to {cut} of {length}"));
    }
}

#[test]
fn every_run_of_a_rich_store_damaged_in_its_sections() {
    let original = rich().close();
    for run in original.files("run-") {
        let store = original.copy();
        let length = store.length(&run);
        store.fill(&run, length - 400..length, 0xee);
        let report = store.repaired(&run);
        assert_eq!(only(&report).action, Action::RunRebuilt, "{report}");
        assert!(!report.is_lossy(), "{report}");
    }
}

#[test]
fn every_run_of_a_rich_store_damaged_in_the_middle() {
    for (state, original) in [("closed", rich().close()), ("killed", rich().kill())] {
        for run in original.files("run-") {
            for eighth in 0..8 {
                let store = original.copy();
                let at = 4096 + (store.length(&run) - 4200) * eighth / 8;
                store.fill(&run, at..at + 100, 0xee);
                store.repaired(&format!("{state}, {run} at {at}"));
            }
        }
    }
}

#[test]
fn every_run_of_a_rich_store_missing() {
    for (state, original) in [("closed", rich().close()), ("killed", rich().kill())] {
        for run in original.files("run-") {
            let store = original.copy();
            hestiastore::directory::Directory::remove(&store.directory, &run).unwrap();
            let report = store.repaired(&format!("{state}, without {run}"));
            assert!(report.findings.iter().any(|finding| finding.file == run), "{report}");
        }
    }
}

#[test]
fn what_the_log_still_holds_is_not_lost() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..100);
    author.flush();
    author.put(50..60);
    let store = author.close();
    assert!(!store.files("log-").is_empty(), "{:?}", store.files(""));
    let run = run_of(&store);
    hestiastore::directory::Directory::remove(&store.directory, &run).unwrap();
    let copy = store.copy();
    let report = store.repaired("a run that the log holds too");
    assert!(!report.is_lossy(), "{report}");
    copy.repair().unwrap();
    assert_whole(&copy, "a run that the log holds too");
}

#[test]
fn what_the_log_still_holds_of_several_runs_is_not_lost() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..100);
    author.flush();
    author.put(50..80);
    author.flush();
    author.put(60..70);
    let original = author.close();
    for run in original.files("run-") {
        let store = original.copy();
        hestiastore::directory::Directory::remove(&store.directory, &run).unwrap();
        let report = store.repaired(&format!("without {run}"));
        assert!(!report.is_lossy(), "{report}");
        let store = original.copy();
        store.fill(&run, 4096 + 200..4096 + 300, 0xee);
        let report = store.repaired(&format!("{run} damaged"));
        assert!(!report.is_lossy(), "{report}");
    }
}

/// What a log gives again would hide what is newer, or leave out what is older.
#[test]
fn a_run_that_the_log_holds_in_part_stays() {
    let mut author = Author::with_segments_of(16 << 20);
    author.put(0..1500);
    author.flush();
    let before = author.killed_now().files("run-");
    author.put(0..100);
    author.flush();
    let store = author.kill();
    let delta = store.files("run-").into_iter().find(|run| !before.contains(run)).unwrap();
    hestiastore::directory::Directory::remove(&store.directory, &delta).unwrap();
    let report = store.repaired("without the delta");
    assert_eq!(only(&report).file, delta, "{report}");
}

#[test]
fn swapped_runs_are_told_apart_by_their_headers() {
    let original = rich().close();
    let runs = original.files("run-");
    let (a, b) = (original.bytes(&runs[0]), original.bytes(&runs[1]));
    let store = original.copy();
    store.directory.write_all(&runs[0], &b).unwrap();
    store.directory.write_all(&runs[1], &a).unwrap();
    let report = store.repaired("swapped");
    assert!(!report.is_lossy(), "{report}");
    assert_eq!(report.findings.len(), 2, "{report}");
}

#[test]
fn a_run_of_another_index_goes_to_quarantine() {
    let store = one_run();
    let name = "run-0123456789abcdef.sst";
    let mut other = Author::new();
    other.put(0..10);
    other.flush();
    let other = other.close();
    // Another uuid in a header whose checksum fits.
    let mut bytes = other.bytes(&run_of(&other));
    bytes[24] ^= 0xff;
    let crc = crc32(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_be_bytes());
    store.directory.write_all(name, &bytes).unwrap();
    let report = store.repaired("a foreign run");
    assert_eq!((only(&report).action, report.is_lossy()), (Action::Quarantined, false), "{report}");
    assert!(store.directory.read_all(&format!("quarantine/{name}")).is_some());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}

#[test]
fn f6_the_last_run_of_a_merge_answers_to_the_end() {
    let mut author = Author::new();
    author.put(0..400);
    author.put_large([379]);
    author.flush();
    // The large one fills its run, and nothing is kept behind it.
    author.delete(380..400);
    author.compact();
    let store = author.close();
    let answered: Vec<String> = store.files("run-").iter().map(|run| answers_for(&store, run)).collect();
    let to_the_end = answered.iter().filter(|range| range.ends_with("to before the end")).count();
    assert_eq!(to_the_end, 1, "{answered:?}");
}

fn answers_for(store: &Store, run: &str) -> String {
    let mut text = Vec::new();
    hestiastore::inspect::dump_run(&store.shared(), run, Some(0), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.lines().find(|line| line.starts_with("answers for")).unwrap().to_owned()
}
