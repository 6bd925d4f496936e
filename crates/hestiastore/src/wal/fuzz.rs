//! The log under a fuzzer: records, files, and the replay of several logs.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::ops::ControlFlow;

use super::record::{RecordHeader, SealPlace};
use super::*;
use crate::Error;
use crate::directory::{Directory, MemoryDirectory};
use crate::fuzz_input::Input;

const INDEX_UUID: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
const MAX_LOGS: u64 = 5;

/// Bytes as a log's file: as they are, behind a good header, and as bodies in records that fit.
pub fn log(data: &[u8]) {
    read_file(data);
    let header = LogHeader::new(1, INDEX_UUID, 0xabcd, 1).encode();
    read_file(&[&header[..], data].concat());
    let mut input = Input::new(data);
    let mut log = Written::new(1, 1);
    log.begin(None);
    log.steps(&mut input);
    read_file(&log.bytes);
}

fn read_file(bytes: &[u8]) {
    let directory = MemoryDirectory::new();
    let name = log_file_name(1);
    directory.create(&name).unwrap().write_at(0, bytes).unwrap();
    let mut shown = 0;
    let _ = read_log(&directory, &name, None, &mut |item| {
        if let LogItem::Record(LogRecord { content: LogContent::Operations(operations), .. }) = item {
            let said = operations.remaining();
            assert_eq!(operations.count() as u64, said);
            shown += said;
        }
        Ok(ControlFlow::Continue(()))
    });
    let _ = read_begin(&directory, 1);
    for operation in Operations::new(bytes).into_iter().flatten() {
        let _ = operation.map(|operation| operation.key().len());
    }
    let Ok((mut reader, _)) = LogReader::open(&directory, 1) else { return };
    let mut offset = LOG_HEADER_BYTES;
    while let Ok(Step::Record(record)) = reader.next() {
        assert_eq!(record.offset, offset);
        assert!(record.end > offset && record.end <= bytes.len() as u64);
        offset = record.end;
    }
    assert_eq!(reader.offset(), offset);
}

/// Several logs that the input describes, replayed.
pub fn replays(data: &[u8]) {
    let mut input = Input::new(data);
    let directory = MemoryDirectory::new();
    let proven_synced_seq = u64::from(input.u8());
    let mut listed = Vec::new();
    let mut before: Option<Written> = None;
    while !input.is_empty() && (listed.len() as u64) < MAX_LOGS {
        let number = listed.len() as u64 + 1;
        let log = next_log(&mut input, number, before.as_ref(), &directory);
        listed.push(log.listed);
        before = Some(log);
    }
    let replay = |policy| {
        let mut seqs = Vec::new();
        let expectations = Expectations { proven_synced_seq, policy };
        let end = replay(&directory, &listed, expectations, &mut |seq, operation| {
            let _ = operation.key();
            seqs.push(seq);
            Ok(())
        });
        (seqs, end)
    };
    let (seqs, strict) = replay(RecoveryPolicy::Fail);
    let (cut_seqs, cut) = replay(RecoveryPolicy::CutAtDamage);
    assert!(cut_seqs.is_sorted_by(|a, b| a < b));
    assert!(!matches!(cut, Err(Error::Corruption { .. })), "{cut:?}");
    match (&strict, &cut) {
        (Ok(strict), Ok(cut)) => {
            assert_eq!(strict, cut);
            assert_eq!(seqs, cut_seqs);
            assert!(strict.cut.is_none());
        }
        (Err(Error::Corruption { .. }), Ok(cut)) => assert!(cut.cut.is_some()),
        _ => assert!(strict.is_err() && cut.is_err(), "{strict:?}, but {cut:?}"),
    }
}

/// One more log, with what is wrong with it, in the directory.
fn next_log(
    input: &mut Input<'_>,
    number: u64,
    before: Option<&Written>,
    directory: &MemoryDirectory,
) -> Written {
    let flags = input.u8();
    let gap = if flags & 1 == 0 { 0 } else { u64::from(input.u8()) };
    let mut log = Written::new(number, before.map_or(1, |before| before.next_seq + gap));
    if flags & 2 == 0 {
        log.begin(before);
    }
    log.steps(input);
    if flags & 4 != 0 {
        log.listed.end = Some((log.bytes.len() as u64, log.next_seq - 1));
        log.steps(input);
    }
    if flags & 8 != 0 {
        log.bytes.resize(log.bytes.len().next_multiple_of(4096), 0);
    }
    match flags >> 4 {
        1 => log.bytes[..64].fill(0),
        2 => log.bytes[30] ^= 1,
        3 => log.listed.uid ^= 1,
        4 => log.bytes.truncate(input.u16().into()),
        5 => return log,
        _ => {}
    }
    directory.create(&log_file_name(number)).unwrap().write_at(0, &log.bytes).unwrap();
    log
}

/// A log that is written record by record.
struct Written {
    listed: ListedLog,
    base_seq: u64,
    next_seq: u64,
    bytes: Vec<u8>,
}

impl Written {
    fn new(number: u64, base_seq: u64) -> Self {
        let uid = 0xabcd_0000 + number;
        Self {
            listed: ListedLog { number, uid, end: None },
            base_seq,
            next_seq: base_seq,
            bytes: LogHeader::new(number, INDEX_UUID, uid, base_seq).encode().to_vec(),
        }
    }

    fn place(&self) -> SealPlace {
        let seq_delta = (self.next_seq - self.base_seq) as u32;
        SealPlace { log_uid: self.listed.uid, offset: self.bytes.len() as u64, seq_delta }
    }

    fn begin(&mut self, before: Option<&Self>) {
        let begin = Begin {
            index_uuid: INDEX_UUID,
            log_uid: self.listed.uid,
            predecessor_uid: before.map_or(0, |before| before.listed.uid),
            predecessor_end: before.map_or(0, Self::end),
            predecessor_last_seq: before.map_or(0, |before| before.next_seq - 1),
            lineage: 5,
            edit_number: 9,
        };
        let place = self.place();
        self.bytes.extend_from_slice(&begin.record(place.log_uid, place.offset, place.seq_delta));
    }

    fn end(&self) -> u64 {
        self.listed.end.map_or(self.bytes.len() as u64, |(offset, _)| offset)
    }

    /// Adds what the input says, up to a zero or its end.
    fn steps(&mut self, input: &mut Input<'_>) {
        while !input.is_empty() {
            match input.u8() % 16 {
                0 => return,
                1..=5 => self.operations(input),
                6 => self.raw(RecordKind::Operations as u8, 0, input.short()),
                7 => self.sync(u64::from(input.u8()), input.u64()),
                8 => self.raw(input.u8(), input.u8() & 1, input.short()),
                9 => self.bytes.extend_from_slice(input.short()),
                10 => self.bytes.resize(self.bytes.len() + 8 * usize::from(input.u8()), 0),
                11 => {
                    let at = self.bytes.len().saturating_sub(1 + usize::from(input.u8()));
                    self.bytes[at] ^= input.u8();
                }
                12 => self.begin(None),
                13 => self.next_seq += u64::from(input.u8()),
                14 => self.bytes.resize(self.bytes.len().next_multiple_of(8), 0),
                _ => self.raw(2 + input.u8() % 2, 0, input.short()),
            }
        }
    }

    fn operations(&mut self, input: &mut Input<'_>) {
        let mut builder = RecordBuilder::new();
        for _ in 0..=input.u8() % 4 {
            match input.u8() % 4 {
                0 => builder.push_delete(input.short()).unwrap(),
                _ => builder.push_put(input.short(), input.short()).unwrap(),
            }
        }
        let place = self.place();
        let record = builder.seal(place.log_uid, place.offset, place.seq_delta);
        self.bytes.extend_from_slice(record);
        self.next_seq += builder.operation_count();
    }

    fn sync(&mut self, behind: u64, wall_micros: u64) {
        let mark = SyncMark { synced_seq: (self.next_seq - 1).saturating_sub(behind), wall_micros };
        let place = self.place();
        self.bytes.extend_from_slice(&mark.record(place.log_uid, place.offset, place.seq_delta));
    }

    /// A record with valid checks.
    fn raw(&mut self, kind: u8, keyspace: u8, body: &[u8]) {
        let mut padded = body.to_vec();
        padded.resize(body.len().next_multiple_of(RECORD_ALIGNMENT_BYTES as usize), 0);
        let mut hash = crc32fast::Hasher::new();
        hash.update(&padded);
        let header = RecordHeader::seal_raw(kind, keyspace, body.len() as u32, hash, self.place());
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(&padded);
        if let Ok(operations) = Operations::new(body)
            && kind == RecordKind::Operations as u8
        {
            self.next_seq += operations.remaining();
        }
    }
}
