//! A directory in memory, and logs written by hand.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::directory::{Directory, DirectoryLock, File, LockMode, OpenMode};

use super::record::{RecordHeader, SealPlace};
use super::*;

pub(super) const INDEX_UUID: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

#[derive(Debug, Default)]
pub(super) struct Memory {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
}

#[derive(Debug, Default)]
struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
    bytes_read: AtomicU64,
}

impl Memory {
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let file = Arc::new(MemoryFile { bytes: Mutex::new(bytes), bytes_read: AtomicU64::new(0) });
        self.files.lock().unwrap().insert(name.into(), file);
    }

    pub(super) fn bytes_read(&self, name: &str) -> u64 {
        let files = self.files.lock().unwrap();
        files[name].bytes_read.load(Ordering::Relaxed)
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.bytes_read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Directory for Memory {
    fn location(&self) -> String {
        "memory".into()
    }

    fn create(&self, _: &str) -> io::Result<Arc<dyn File>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn open(&self, name: &str, _: OpenMode) -> io::Result<Arc<dyn File>> {
        let files = self.files.lock().unwrap();
        let file = files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(file) as Arc<dyn File>)
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().unwrap().keys().cloned().collect())
    }

    fn create_folder(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&self, _: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A log that is written record by record, without any of the live appender's machinery.
#[derive(Debug, Clone)]
pub(super) struct TestLog {
    pub(super) number: u64,
    pub(super) uid: u64,
    base_seq: u64,
    pub(super) next_seq: u64,
    /// The file so far, without the preallocated zeros.
    pub(super) bytes: Vec<u8>,
    pub(super) end: Option<(u64, u64)>,
}

impl TestLog {
    /// A header, and no BEGIN yet.
    pub(super) fn prepared(number: u64, base_seq: u64) -> Self {
        let uid = 0xabcd_0000_0000_0000 + number;
        Self {
            number,
            uid,
            base_seq,
            next_seq: base_seq,
            bytes: LogHeader::new(number, INDEX_UUID, uid, base_seq).encode().to_vec(),
            end: None,
        }
    }

    /// The first log of an index.
    pub(super) fn first(number: u64) -> Self {
        let mut log = Self::prepared(number, 1);
        log.begin(0, 0, 0);
        log
    }

    /// The log that follows `predecessor` at its present end.
    pub(super) fn after(predecessor: &TestLog) -> Self {
        let mut log = Self::prepared(predecessor.number + 1, predecessor.next_seq);
        log.begin(predecessor.uid, predecessor.offset(), predecessor.next_seq - 1);
        log
    }

    pub(super) fn begin(&mut self, uid: u64, end: u64, last_seq: u64) -> &mut Self {
        let begin = Begin {
            index_uuid: INDEX_UUID,
            log_uid: self.uid,
            predecessor_uid: uid,
            predecessor_end: end,
            predecessor_last_seq: last_seq,
            lineage: 5,
            edit_number: 9,
        };
        let record = begin.record(self.uid, self.offset(), self.delta());
        self.bytes.extend_from_slice(&record);
        self
    }

    pub(super) fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn delta(&self) -> u32 {
        (self.next_seq - self.base_seq) as u32
    }

    /// One record of `count` puts whose key and value are their seq.
    pub(super) fn puts(&mut self, count: u64) -> &mut Self {
        let mut builder = RecordBuilder::new();
        for seq in self.next_seq..self.next_seq + count {
            builder.push_put(&seq.to_be_bytes(), format!("value {seq}").as_bytes()).unwrap();
        }
        self.append(&mut builder)
    }

    pub(super) fn append(&mut self, builder: &mut RecordBuilder) -> &mut Self {
        let record = builder.seal(self.uid, self.offset(), self.delta());
        self.bytes.extend_from_slice(record);
        self.next_seq += builder.operation_count();
        self
    }

    pub(super) fn sync_mark(&mut self, synced_seq: u64) -> &mut Self {
        let mark = SyncMark { synced_seq, wall_micros: 77 };
        let record = mark.record(self.uid, self.offset(), self.delta());
        self.bytes.extend_from_slice(&record);
        self
    }

    /// A record with valid checks and whatever kind, keyspace and body.
    pub(super) fn raw(&mut self, kind: u8, keyspace: u8, body: &[u8]) -> &mut Self {
        let record = raw_record(self.uid, self.offset(), self.delta(), kind, keyspace, body);
        self.bytes.extend_from_slice(&record);
        self
    }

    /// An edit names the present end.
    pub(super) fn end_here(&mut self) -> &mut Self {
        self.end = Some((self.offset(), self.next_seq - 1));
        self
    }

    pub(super) fn flip(&mut self, offset: u64) -> &mut Self {
        self.bytes[offset as usize] ^= 0x10;
        self
    }

    pub(super) fn listed(&self) -> ListedLog {
        ListedLog { number: self.number, uid: self.uid, end: self.end }
    }

    /// Puts the file, preallocated, into the directory.
    pub(super) fn store(&self, dir: &Memory) -> ListedLog {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len().max(4096), 0);
        dir.put(&log_file_name(self.number), bytes);
        self.listed()
    }
}

pub(super) fn raw_record(
    uid: u64,
    offset: u64,
    seq_delta: u32,
    kind: u8,
    keyspace: u8,
    body: &[u8],
) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(8), 0);
    let mut hash = crc32fast::Hasher::new();
    hash.update(&padded);
    let place = SealPlace { log_uid: uid, offset, seq_delta };
    let header = RecordHeader::seal_raw(kind, keyspace, body.len() as u32, hash, place);
    let mut out = header.encode().to_vec();
    out.extend_from_slice(&padded);
    out
}

/// Everything that replay says.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) seqs: Vec<u64>,
    pub(super) end: ReplayEnd,
}

pub(super) fn run(
    dir: &Memory,
    logs: &[ListedLog],
    proven_synced_seq: u64,
    policy: RecoveryPolicy,
) -> crate::Result<Replayed> {
    let mut seqs = Vec::new();
    let expectations = Expectations { proven_synced_seq, policy };
    let end = replay(dir, logs, expectations, &mut |seq, operation| {
        if let OperationRef::Put { key, .. } = operation {
            assert_eq!(key, seq.to_be_bytes());
        }
        seqs.push(seq);
        Ok(())
    })?;
    Ok(Replayed { seqs, end })
}
