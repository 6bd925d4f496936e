//! Reading in order and the search behind the end.

use super::{assert_damage, three_records};
use crate::wal::search::Search;
use crate::wal::test_support::*;
use crate::wal::*;
use RecoveryPolicy::Fail;

#[test]
fn reader_tells_why_it_stops() {
    let stop_of = |log: &TestLog, bytes: Vec<u8>| {
        let dir = Memory::default();
        dir.put(&log_file_name(log.number), bytes);
        let (mut reader, _) = LogReader::open(&dir, log.number).unwrap();
        loop {
            if let Step::Stop(stop) = reader.next().unwrap() {
                return stop;
            }
        }
    };
    let (log, [second, third, end]) = three_records();
    let stop = stop_of(&log, log.bytes.clone());
    assert_eq!(stop, Stop { offset: end, reason: StopReason::EndOfFile });
    let mut bytes = log.bytes.clone();
    bytes.resize(4096, 0);
    assert_eq!(stop_of(&log, bytes).reason, StopReason::Zeros);
    let flipped = |at: u64| {
        let mut log = log.clone();
        log.flip(at);
        stop_of(&log, log.bytes.clone())
    };
    assert_eq!(flipped(second + 2), Stop { offset: second, reason: StopReason::HeaderCheck });
    assert!(matches!(flipped(second + 40).reason, StopReason::Crc { .. }));
    let short = stop_of(&log, log.bytes[..third as usize + 24].to_vec());
    assert!(matches!(short.reason, StopReason::TooLong { .. }), "{short:?}");
    let mut gap = TestLog::first(2);
    gap.puts(1).next_seq = 9;
    gap.puts(1);
    let stop = stop_of(&gap, gap.bytes.clone());
    assert_eq!(stop.reason, StopReason::Seq { expected: 2, found: 9 });
}

#[test]
fn every_flipped_bit_of_a_record_is_found() {
    let mut log = TestLog::first(1);
    let start = log.offset();
    let end = log.puts(1).offset();
    for bit in start * 8..end * 8 {
        let mut damaged = log.clone();
        damaged.bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        let dir = Memory::default();
        let replayed = run(&dir, &[damaged.store(&dir)], 0, Fail).unwrap();
        assert_eq!((replayed.seqs.len(), replayed.end.offset), (0, start), "bit {bit}");
    }
}

#[test]
fn records_longer_than_the_reading_piece_are_read_and_found() {
    let mut log = TestLog::first(1);
    let mut builder = RecordBuilder::new();
    for round in 0..4u8 {
        builder.clear();
        builder.push_put(&log.next_seq.to_be_bytes(), &vec![round; 700_000]).unwrap();
        log.append(&mut builder).puts(1);
    }
    let dir = Memory::default();
    let replayed = run(&dir, &[log.store(&dir)], 0, Fail).unwrap();
    assert_eq!(replayed.seqs, (1..=8).collect::<Vec<_>>());
    let (mut reader, _) = LogReader::open(&dir, 1).unwrap();
    let mut search = Search::new(&mut reader, 150);
    let mut seqs = Vec::new();
    while let Some(found) = search.next().unwrap() {
        seqs.push(found.first_seq);
    }
    assert_eq!(seqs, (2..=8).collect::<Vec<_>>());
}

#[test]
fn a_record_inside_a_value_is_not_found() {
    let mut log = TestLog::first(1);
    let inner_offset = log.offset();
    let mark = SyncMark { synced_seq: 1000, wall_micros: 0 };
    // At the offset where it will stand, but the record around it is valid and is passed over whole.
    let mut builder = RecordBuilder::new();
    let mut value = vec![0; 4];
    value.extend_from_slice(&mark.record(log.uid, inner_offset + 32, 0));
    builder.push_put(&1u64.to_be_bytes(), &value).unwrap();
    assert_eq!(&builder.seal(log.uid, inner_offset, 0)[32..64], &value[4..]);
    log.append(&mut builder);
    let dir = Memory::default();
    log.store(&dir);
    let (mut reader, _) = LogReader::open(&dir, 1).unwrap();
    let found = Search::new(&mut reader, inner_offset).next().unwrap().unwrap();
    assert_eq!((found.offset, found.kind), (inner_offset, RecordKind::Operations));
    // Copied from another place, it is not valid even where nothing passes over it.
    let mut copied = TestLog::first(1);
    copied.bytes.extend_from_slice(&mark.record(log.uid, 8, 0));
    copied.store(&dir);
    let (mut reader, _) = LogReader::open(&dir, 1).unwrap();
    assert_eq!(Search::new(&mut reader, inner_offset).next().unwrap(), None);
}

#[test]
fn search_over_overlapping_forged_records_stays_linear() {
    // Each header claims all that follows, with a good check and a bad CRC.
    let mut log = TestLog::first(1);
    let total = 1u64 << 20;
    while log.offset() < total {
        let offset = log.offset();
        let body = vec![0; (total - offset) as usize];
        let mut header = if offset.is_multiple_of(4096) {
            raw_record(log.uid, offset, 0, 1, 0, &body)[..16].to_vec()
        } else {
            vec![0; 16]
        };
        header[4] ^= 1;
        log.bytes.extend_from_slice(&header);
    }
    let mark_at = log.offset();
    log.sync_mark(5);
    let dir = Memory::default();
    let file = log.store(&dir);
    assert_damage(run(&dir, &[file], 0, Fail), &log_file_name(1), 144, &mark_at.to_string());
    assert!(dir.bytes_read(&log_file_name(1)) < 16 * total);
}
