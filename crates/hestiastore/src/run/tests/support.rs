//! Writing a run into memory, and random versions.

use std::sync::Arc;

use crate::block::memory::MemoryFiles;
use crate::directory::Directory;
use crate::run::*;

pub(super) const UUID: u128 = 0xaabb;
pub(super) const SEED: u64 = 77;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) key: Vec<u8>,
    pub(super) seq: u64,
    pub(super) kind: EntryKind,
    pub(super) value: Vec<u8>,
}

pub(super) fn settings() -> RunSettings {
    RunSettings {
        block_bytes: 4096,
        buffer_bytes: 8192,
        chunk_max_keys: 16,
        chunk_max_bytes: 16 << 10,
        pipeline: FilterPipeline::default(),
        bloom: BloomSettings::Rate(0.01),
        hash_seed: SEED,
    }
}

pub(super) fn identity(uid: u64) -> RunIdentity {
    RunIdentity {
        index_uuid: UUID,
        uid,
        key_type: "bytes".into(),
        value_type: "bytes".into(),
        segment: 1,
        rank: 2,
        edit_number: 3,
        inputs: vec![4, 5],
        salvaged_from: None,
        answered_lower: Vec::new(),
        answered_upper: None,
    }
}

pub(super) struct Written {
    pub(super) files: Arc<MemoryFiles>,
    pub(super) uid: u64,
}

impl Written {
    pub(super) fn directory(&self) -> Arc<dyn Directory> {
        Arc::<MemoryFiles>::clone(&self.files)
    }

    pub(super) fn name(&self) -> String {
        run_file_name(self.uid)
    }

    pub(super) fn open(&self) -> crate::Result<Arc<Run>> {
        self.open_with(ChunkCache::new(1 << 20))
    }

    pub(super) fn open_with(&self, cache: Arc<ChunkCache>) -> crate::Result<Arc<Run>> {
        Run::open(&self.directory(), self.uid, UUID, cache).map(Arc::new)
    }
}

/// What a verification of the whole run finds.
pub(super) fn problems_of(run: &Arc<Run>) -> Vec<crate::Error> {
    let mut check = RunCheck::new(Arc::clone(run));
    let mut passed_bytes = 0;
    while let Some(bytes) = check.step() {
        passed_bytes += bytes;
    }
    assert_eq!(passed_bytes, run.file_bytes());
    check.finish().into_parts().0
}

pub(super) fn write(versions: &[Version], settings: &RunSettings) -> Written {
    let written = Written { files: MemoryFiles::new(), uid: 0x1234_5678_9abc_def0 };
    let mut writer = RunWriter::create(&written.directory(), settings, identity(written.uid)).unwrap();
    for version in versions {
        writer.add(&version.key, version.seq, version.kind, &version.value).unwrap();
    }
    let summary = writer.finish().unwrap();
    assert_eq!(summary.properties.entries, versions.len() as u64);
    assert_eq!(summary.file_bytes, written.files.content(&written.name()).len() as u64);
    written
}

pub(super) fn version(key: &[u8], seq: u64, value: &[u8]) -> Version {
    Version { key: key.to_vec(), seq, kind: EntryKind::Put, value: value.to_vec() }
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// Of one of several shapes that stress prefixes, heads and ties.
    fn key(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => {
                let length = self.below(4);
                vec![0x00; length as usize]
            }
            1 => {
                let length = self.below(12);
                vec![0xff; length as usize]
            }
            2 => {
                let mut key = b"a/rather/long/shared/prefix/".to_vec();
                let length = self.below(3);
                key.extend(self.bytes(length));
                key
            }
            3 => format!("user{:08}", self.below(500)).into_bytes(),
            4 => self.below(300).to_be_bytes().to_vec(),
            5 => {
                let length = self.below(10);
                self.bytes(length)
            }
            6 => {
                let length = self.below(10);
                (0..length).map(|_| [0u8, 0xff][self.below(2) as usize]).collect()
            }
            _ => {
                let length = 8 + self.below(3);
                vec![b'x'; length as usize]
            }
        }
    }

    /// Versions in the order of a run, some keys with many.
    pub(super) fn versions(&mut self, keys: u64) -> Vec<Version> {
        let mut keys: Vec<Vec<u8>> = (0..keys).map(|_| self.key()).collect();
        keys.sort();
        keys.dedup();
        let mut versions = Vec::new();
        for key in keys {
            let count = match self.below(20) {
                0 => 1 + self.below(60),
                1..4 => 1 + self.below(4),
                _ => 1,
            };
            let mut seqs: Vec<u64> = (0..count).map(|_| 1 + self.below(1000)).collect();
            seqs.sort_by(|a, b| b.cmp(a));
            seqs.dedup();
            for seq in seqs {
                let (kind, value) = match self.below(10) {
                    0 => (EntryKind::Delete, Vec::new()),
                    1 => (
                        EntryKind::PutExpiry,
                        [self.below(99).to_be_bytes().to_vec(), b"v".to_vec()].concat(),
                    ),
                    2 => (EntryKind::Put, Vec::new()),
                    _ => {
                        let length = self.below(40);
                        (EntryKind::Put, self.bytes(length))
                    }
                };
                versions.push(Version { key: key.clone(), seq, kind, value });
            }
        }
        versions
    }
}
