//! A run answers as a sorted list does.

use std::sync::Arc;

use super::support::*;
use crate::metrics::SegmentCounters;
use crate::run::*;

/// The newest version up to the snapshot.
fn expected_get<'a>(versions: &'a [Version], key: &[u8], snapshot: u64) -> Option<&'a Version> {
    versions.iter().find(|version| version.key == key && version.seq <= snapshot)
}

fn check_get(run: &Run, versions: &[Version], key: &[u8], snapshot: u64) {
    let found = run.get_alone(key, snapshot).unwrap();
    match (expected_get(versions, key, snapshot), found) {
        (None, None) => {}
        (Some(expected), Some(found)) => {
            assert_eq!((found.seq, found.kind), (expected.seq, expected.kind), "{key:02x?}");
            assert_eq!(*found.value, *expected.value);
        }
        (expected, found) => panic!("{key:02x?} at {snapshot}: {expected:?}, found {found:?}"),
    }
}

fn current(cursor: &RunCursor) -> Version {
    Version {
        key: cursor.key().to_vec(),
        seq: cursor.seq(),
        kind: cursor.kind(),
        value: cursor.value().unwrap().into_owned(),
    }
}

fn check_place(cursor: &RunCursor, moved: bool, expected: Option<&Version>) {
    assert_eq!(moved, cursor.valid());
    assert_eq!(cursor.valid().then(|| current(cursor)).as_ref(), expected);
    if let Some(expected) = expected {
        assert_eq!(*cursor.value_guard().unwrap(), *expected.value);
        let expiry =
            (expected.kind == EntryKind::PutExpiry).then(|| split_expiry(&expected.value).unwrap().0);
        assert_eq!(cursor.expiry_micros(), expiry);
    }
}

fn check_both_ways(run: &Arc<Run>, versions: &[Version], purpose: CursorPurpose) {
    let mut cursor = run.cursor(purpose);
    let mut moved = cursor.seek_to_first().unwrap();
    for version in versions {
        check_place(&cursor, moved, Some(version));
        moved = cursor.next().unwrap();
    }
    check_place(&cursor, moved, None);
    moved = cursor.seek_to_last().unwrap();
    for version in versions.iter().rev() {
        check_place(&cursor, moved, Some(version));
        moved = cursor.prev().unwrap();
    }
    check_place(&cursor, moved, None);
}

fn check_seeks(run: &Arc<Run>, versions: &[Version], probes: &[(Vec<u8>, u64)], purpose: CursorPurpose) {
    let mut cursor = run.cursor(purpose);
    for (key, seq) in probes {
        let wanted = (key.clone(), u64::MAX - seq);
        let at = versions.partition_point(|v| (v.key.clone(), u64::MAX - v.seq) < wanted);
        let moved = cursor.seek(key, *seq).unwrap();
        check_place(&cursor, moved, versions.get(at));
        if moved {
            let moved = cursor.prev().unwrap();
            check_place(&cursor, moved, at.checked_sub(1).map(|before| &versions[before]));
        }
        let before = versions.partition_point(|v| v.key < *key);
        let moved = cursor.seek_before(key).unwrap();
        check_place(&cursor, moved, before.checked_sub(1).map(|at| &versions[at]));
        if moved {
            let moved = cursor.next().unwrap();
            check_place(&cursor, moved, versions.get(before));
        }
    }
}

fn check_all(versions: &[Version], settings: &RunSettings, random: &mut Random) {
    let written = write(versions, settings);
    let run = written.open_with(ChunkCache::new(8 << 10)).unwrap();
    assert!(problems_of(&run).is_empty(), "{:?}", problems_of(&run));
    let mut probes = Vec::new();
    for version in versions {
        let mut longer = version.key.clone();
        longer.push(0);
        let shorter = version.key[..version.key.len().saturating_sub(1)].to_vec();
        for key in [version.key.clone(), longer, shorter] {
            for seq in [0, version.seq - 1, version.seq, version.seq + 1, u64::MAX] {
                check_get(&run, versions, &key, seq);
                if random.below(8) == 0 {
                    probes.push((key.clone(), seq));
                }
            }
        }
    }
    probes.push((Vec::new(), u64::MAX));
    probes.push((vec![0xff; 40], 0));
    for purpose in [CursorPurpose::Read, CursorPurpose::Merge] {
        check_both_ways(&run, versions, purpose);
        check_seeks(&run, versions, &probes, purpose);
    }
}

#[test]
fn f4_a_run_answers_as_a_sorted_list() {
    let mut random = Random(1);
    for round in 0..60 {
        let versions = {
            let keys = random.below(250);
            random.versions(keys)
        };
        let settings = RunSettings {
            chunk_max_keys: [1, 2, 3, 16, 128][round % 5],
            chunk_max_bytes: [64, 1000, 16 << 10][round % 3],
            block_bytes: [4096, 8192][round % 2],
            bloom: [BloomSettings::Rate(0.01), BloomSettings::Off][round / 2 % 2],
            ..settings()
        };
        check_all(&versions, &settings, &mut random);
    }
}

#[test]
fn f4_versions_of_a_key_over_many_chunks() {
    let mut versions = vec![version(b"a", 5, b"1")];
    versions.extend((1..1000).rev().map(|seq| version(b"b", seq * 3, &seq.to_be_bytes())));
    versions.push(version(b"c", 9, b"2"));
    let settings = RunSettings { chunk_max_keys: 7, ..settings() };
    check_all(&versions, &settings, &mut Random(2));
}

#[test]
fn f4_long_keys_and_long_values() {
    let mut random = Random(3);
    let mut versions = Vec::new();
    for i in 0..6u8 {
        let mut key = vec![b'k'; 65_535];
        key[65_534 - usize::from(i)] = i;
        let length = [0, 65_536, 65_537, 1 << 20, 70_000, 3][usize::from(i)];
        versions.push(version(&key, 7, &random.bytes(length)));
    }
    versions.push(version(b"z", 6, &vec![7; 1 << 20]));
    versions.push(Version { kind: EntryKind::PutExpiry, ..version(b"zz", 6, &vec![8; 1 << 17]) });
    versions.sort_by(|a, b| a.key.cmp(&b.key));
    let written = write(&versions, &settings());
    let run = written.open().unwrap();
    assert_eq!(run.properties().value_chunks, 5);
    assert_eq!(run.properties().least_expiry_micros, Some(u64::from_be_bytes([8; 8])));
    for version in &versions {
        check_get(&run, &versions, &version.key, 8);
    }
    check_both_ways(&run, &versions, CursorPurpose::Read);
    check_both_ways(&run, &versions, CursorPurpose::Merge);
    assert!(problems_of(&run).is_empty(), "{:?}", problems_of(&run));
}

#[test]
fn f4_value_chunks_are_copied_verbatim_or_coded_anew() {
    let versions = [
        version(b"a", 3, &vec![1; 1 << 18]),
        Version { kind: EntryKind::PutExpiry, ..version(b"b", 2, &vec![2; 1 << 17]) },
    ];
    let from = write(&versions, &settings()).open().unwrap();
    for pipeline in [FilterPipeline::default(), FilterPipeline::from_names(&["pass-through"]).unwrap()] {
        let target = write(&[], &settings());
        let settings = RunSettings { pipeline, ..settings() };
        let directory = target.directory();
        let mut writer = RunWriter::create(&directory, &settings, identity(9)).unwrap();
        let mut cursor = from.cursor(CursorPurpose::Merge);
        let mut more = cursor.seek_to_first().unwrap();
        while more {
            let stored = cursor.stored_value_chunk().unwrap().unwrap();
            writer.add_value_chunk(cursor.key(), cursor.seq(), &stored).unwrap();
            more = cursor.next().unwrap();
        }
        let summary = writer.finish().unwrap();
        assert_eq!(summary.properties.value_chunks, 2);
        let run = Arc::new(Run::open(&directory, 9, UUID, ChunkCache::new(1 << 20)).unwrap());
        check_both_ways(&run, &versions, CursorPurpose::Read);
        assert_eq!(run.properties().least_expiry_micros, Some(u64::from_be_bytes([2; 8])));
        assert!(problems_of(&run).is_empty(), "{:?}", problems_of(&run));
    }
}

#[test]
fn f4_disorder_is_an_error() {
    let written = write(&[], &settings());
    let directory = written.directory();
    let mut writer = RunWriter::create(&directory, &settings(), identity(5)).unwrap();
    writer.add(b"b", 5, EntryKind::Put, b"").unwrap();
    for (key, seq) in [(b"a", 9), (b"b", 5), (b"b", 6)] {
        assert!(writer.add(key, seq, EntryKind::Put, b"").is_err());
    }
    assert!(writer.add(b"c", 1, EntryKind::RangeDelete, b"").is_err());
    assert!(writer.add(b"c", 1, EntryKind::ValuePointer, b"").is_err());
    assert!(writer.add(b"c", 1, EntryKind::PutExpiry, b"1234567").is_err());
    assert!(writer.add(&vec![0; 65_536], 1, EntryKind::Put, b"").is_err());
    writer.add(b"b", 4, EntryKind::Put, b"").unwrap();
    drop(writer);
    let names = written.files.content(&written.name());
    assert!(!names.is_empty());
    assert_eq!(directory.list().unwrap(), [written.name()]);
}

#[test]
fn f6_properties_tell_what_was_covered() {
    let written = write(&[], &settings());
    let directory = written.directory();
    let mut writer = RunWriter::create(&directory, &settings(), identity(5)).unwrap();
    writer.cover_seqs(10, 90);
    assert_eq!(writer.entry_count(), 0);
    writer.finish().unwrap();
    let run = Arc::new(Run::open(&directory, 5, UUID, ChunkCache::new(0)).unwrap());
    assert_eq!(run.properties().seqs, Some((10, 90)));
    assert!(run.get_alone(b"", 9).unwrap().is_none());
    check_both_ways(&run, &[], CursorPurpose::Merge);

    let mut writer = RunWriter::create(&directory, &settings(), identity(6)).unwrap();
    writer.add(b"a", 0, EntryKind::Put, b"zeroed").unwrap();
    writer.add(b"b", 7, EntryKind::Delete, b"").unwrap();
    let properties = writer.finish().unwrap().properties;
    assert_eq!(properties.seqs, Some((7, 7)));
    assert_eq!((properties.keys, properties.tombstones), (2, 1));
    assert_eq!((properties.first_key.as_slice(), properties.last_key.as_slice()), (&b"a"[..], &b"b"[..]));
    let run = Run::open(&directory, 6, UUID, ChunkCache::new(0)).unwrap();
    assert_eq!(*run.properties(), properties);
    assert_eq!(properties.identity, identity(6));
}

#[test]
fn sizes_between_bounds_add_up() {
    let versions: Vec<_> = (0..4000u32).map(|i| version(&i.to_be_bytes(), 1, &[0; 50])).collect();
    let run = write(&versions, &settings()).open().unwrap();
    let (total, entries) = run.bytes_between(None, None);
    assert_eq!(entries, 4000);
    for split in [0u32, 1, 777, 2000, 3999, 5000] {
        let key = split.to_be_bytes();
        let (left, left_entries) = run.bytes_between(None, Some(&key));
        let (right, _) = run.bytes_between(Some(&key), None);
        assert_eq!(left + right, total);
        assert!(left_entries.abs_diff(u64::from(split.min(4000))) <= 20, "{split}: {left_entries}");
    }
    assert_eq!(run.bytes_between(Some(&9u32.to_be_bytes()), Some(&1u32.to_be_bytes())), (0, 0));
    let separators: Vec<_> = run.separators().collect();
    assert_eq!(separators.len() as u64, run.properties().entry_chunks);
    assert!(separators.is_sorted());
}

#[test]
fn a_point_read_is_one_read_and_a_cached_one_none() {
    let versions: Vec<_> = (0..4000u32).map(|i| version(&i.to_be_bytes(), 1, &[0; 50])).collect();
    let written = write(&versions, &settings());
    let run = written.open().unwrap();
    let before = written.files.reads(&written.name());
    let counters = SegmentCounters::default();
    for key in [77u32, 78] {
        let key = key.to_be_bytes();
        let found = run.get(&key, key_hash(SEED, &key), 5, &mut Probe::new(&counters)).unwrap();
        assert_eq!(found.map(|found| found.seq), expected_get(&versions, &key, 5).map(|found| found.seq));
        assert_eq!(written.files.reads(&written.name()), before + 1);
    }
    let sums = counters.sums();
    assert_eq!((sums.filter_positives, sums.chunk_requests), (2, 2));
    assert_eq!((sums.chunk_reads, sums.reads_from_disk), (1, 1));
    assert_eq!(run.cache.statistics().misses, 1);
}

#[test]
fn m2_a_long_scan_leaves_the_cache_alone() {
    let versions: Vec<_> = (0..40_000u32).map(|i| version(&i.to_be_bytes(), 1, &[0; 50])).collect();
    let written = write(&versions, &settings());
    let run = written.open().unwrap();
    check_both_ways(&run, &versions, CursorPurpose::Read);
    let largest = u64::from(run.properties().largest_decoded_chunk) + 256;
    assert!(run.cache.statistics().bytes <= 8 * largest);
    let reads = written.files.reads(&written.name());
    assert!(reads < 60, "{reads} reads for {} chunks", run.properties().entry_chunks);
}
