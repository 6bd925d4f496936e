//! Runs under a fuzzer: properties, footer, and whole files.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

mod image;

use std::collections::BTreeMap;
use std::sync::Arc;

#[cfg(test)]
pub(crate) use self::image::compact;
use super::bloom::{BloomFilter, BloomShape, encode_filter};
use super::cache::ChunkCache;
use super::cursor::CursorPurpose;
use super::footer::{FOOTER_BYTES, Footer};
use super::open::Run;
use super::properties::RunProperties;
use super::settings::RUN_MAGIC;
use crate::directory::{Directory, File, MemoryDirectory};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};
use crate::fuzz_input::Input;

pub use super::entries::fuzz::entries;
pub use super::sparse::fuzz::sparse;

/// No more is read of a run whose few bytes unfold into very many entries, or into large values many times.
const MAX_ENTRIES: usize = 20_000;
const MAX_VALUES: usize = 50;

/// Bytes as a Bloom filter, and as the hashes in one.
pub fn bloom(data: &[u8]) {
    let mut input = Input::new(data);
    let shape = BloomShape { blocks: 1 + u32::from(input.u8() % 16), probes: 1 + u32::from(input.u8() % 32) };
    let mut hashes = Vec::new();
    while !input.is_empty() {
        hashes.push(input.u64());
    }
    if let Ok(filter) = BloomFilter::parse(data) {
        let _ = hashes.iter().filter(|hash| filter.may_contain(**hash)).count();
        assert_eq!(filter.memory_bytes() + 8, data.len());
    }
    let filter = BloomFilter::parse(&encode_filter(shape, &hashes)).unwrap();
    assert!(hashes.iter().all(|hash| filter.may_contain(*hash)));
}

/// Bytes as the properties of a run.
pub fn properties(data: &[u8]) {
    if let Ok(properties) = RunProperties::decode(data, "f", 0) {
        assert_eq!(RunProperties::decode(&properties.encode(), "f", 0).unwrap(), properties);
    }
}

/// Bytes as a footer: as they are, and with magic and CRC put right.
pub fn footer(data: &[u8]) {
    let mut bytes: [u8; FOOTER_BYTES] = Input::new(data).array();
    for _ in 0..2 {
        if let Ok(footer) = Footer::decode(&bytes, "f", 0) {
            assert_eq!(Footer::decode(&footer.encode().try_into().unwrap(), "f", 0).unwrap(), footer);
            let _ = (footer.sections().count(), footer.section_payload_bytes());
        }
        image::seal_footer(&mut bytes);
    }
}

/// Bytes as a run's file: as they are, and as the parts of one whose checksums all fit.
pub fn run(data: &[u8]) {
    read_run(data.to_vec());
    if let Some(bytes) = image::unfold(data) {
        read_run(bytes);
    }
}

fn read_run(bytes: Vec<u8>) {
    let header = match FileHeader::decode(bytes.get(..FILE_HEADER_BYTES).unwrap_or(&bytes), RUN_MAGIC, "f") {
        Ok(header) => header,
        Err(_) => return,
    };
    let directory = MemoryDirectory::new();
    let file: Arc<dyn File> = directory.create("run").unwrap();
    file.write_at(0, &bytes).unwrap();
    let cache = ChunkCache::new(1 << 16);
    let Ok(run) = Run::open_file(file, "run".into(), header.file_uid, header.index_uuid, cache) else {
        return;
    };
    let run = Arc::new(run);
    let problems = super::RunCheck::new(Arc::clone(&run)).finish();
    let _ = (run.bytes_between(None, None), run.separators().count(), run.memory_bytes(), run.file_bytes());
    let first = run.properties().first_key.clone();
    let last = run.properties().last_key.clone();
    let _ = run.bytes_between(Some(&first), Some(&last));
    let forward = scan(&run, true);
    let backward = scan(&run, false);
    for key in [&first[..], &last, b"", b"\xff\xff\xff"] {
        let _ = run.get_alone(key, u64::MAX);
        let _ = run.cursor(CursorPurpose::Read).seek(key, 7);
        let _ = run.cursor(CursorPurpose::Read).seek_before(key);
    }
    if problems.count() == 0 {
        agrees(&run, forward.unwrap(), backward.unwrap());
    }
}

type Entries = Vec<(Vec<u8>, u64)>;

/// Keys and seqs in the order met; `None` if there was an error.
fn scan(run: &Arc<Run>, forward: bool) -> Option<Entries> {
    let purpose = if forward { CursorPurpose::Merge } else { CursorPurpose::Read };
    let mut cursor = run.cursor(purpose);
    let mut met = Vec::new();
    let mut valid = if forward { cursor.seek_to_first() } else { cursor.seek_to_last() }.ok()?;
    while valid && met.len() < MAX_ENTRIES {
        if met.len() < MAX_VALUES {
            let _ = cursor.value().ok()?;
            let _ = cursor.kind();
            let _ = cursor.stored_value_chunk();
        }
        met.push((cursor.key().to_vec(), cursor.seq()));
        valid = if forward { cursor.next() } else { cursor.prev() }.ok()?;
    }
    Some(met)
}

/// Of a run in which `verify` found nothing, all ways of reading must tell the same.
fn agrees(run: &Arc<Run>, forward: Entries, mut backward: Entries) {
    backward.reverse();
    if forward.len() == MAX_ENTRIES {
        return;
    }
    assert_eq!(forward, backward);
    assert_eq!(forward.len() as u64, run.properties().entries);
    let mut newest = BTreeMap::new();
    for (key, seq) in &forward {
        newest.entry(key).or_insert(*seq);
    }
    for (key, seq) in newest {
        let found = run.get_alone(key, u64::MAX).unwrap().unwrap();
        assert_eq!(found.seq, seq);
    }
}
