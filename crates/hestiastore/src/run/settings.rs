//! What a run is made from: settings, identity, kinds of entries, names.

use super::bloom::BloomSettings;
use crate::block::BlockLayout;
use crate::chunk::FilterPipeline;
use crate::config::Config;
use crate::error::{Error, Result};

pub(crate) const RUN_MAGIC: [u8; 8] = *b"HSTRUN\r\n";
pub(crate) const RUN_VERSION: u16 = 1;
pub(crate) const MAX_KEY_BYTES: usize = 64 * 1024 - 1;
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 30;

/// What an entry says. The numbers are the file's; those from 5 are reserved for merge operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum EntryKind {
    Put = 0,
    Delete = 1,
    /// Only in the section of range tombstones.
    RangeDelete = 2,
    /// The value begins with its expiry: 8 bytes, big-endian, wall-clock microseconds.
    PutExpiry = 3,
    /// Only in files: readers see the kind of what is pointed to.
    ValuePointer = 4,
}

impl EntryKind {
    #[inline]
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Put),
            1 => Some(Self::Delete),
            2 => Some(Self::RangeDelete),
            3 => Some(Self::PutExpiry),
            4 => Some(Self::ValuePointer),
            _ => None,
        }
    }
}

/// Parts the value of a [`EntryKind::PutExpiry`] into its expiry and the user's value.
pub(crate) fn split_expiry(value: &[u8]) -> Option<(u64, &[u8])> {
    let (expiry, value) = value.split_first_chunk()?;
    Some((u64::from_be_bytes(*expiry), value))
}

/// How runs are written.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// A multiple of 4096, up to 16 MiB.
    pub(crate) block_bytes: u32,
    /// Gathered before a write; the reference's `diskIoBufferSize`.
    pub(crate) buffer_bytes: u32,
    /// A chunk ends at so many entries, or so many bytes before compression.
    pub(crate) chunk_max_keys: u32,
    pub(crate) chunk_max_bytes: u32,
    pub(crate) pipeline: FilterPipeline,
    pub(crate) bloom: BloomSettings,
    /// The index's: a key is hashed once for all its runs.
    pub(crate) hash_seed: u64,
}

impl RunSettings {
    /// As an index with this configuration and this hash seed writes its runs.
    pub(crate) fn of(config: &Config, hash_seed: u64) -> Result<Self> {
        let names: Vec<&str> = config.chunk.filters.iter().collect();
        let bloom = match (config.bloom.enabled, config.bloom.size_bytes) {
            (false, _) => BloomSettings::Off,
            (true, None) => BloomSettings::Rate(config.bloom.false_positive_rate),
            (true, Some(bytes)) => BloomSettings::Fixed { bytes, hashes: config.bloom.hashes.unwrap_or(7) },
        };
        Ok(Self {
            block_bytes: config.io.block_bytes as u32,
            buffer_bytes: config.io.buffer_bytes.max(config.io.block_bytes) as u32,
            chunk_max_keys: config.chunk.max_keys,
            chunk_max_bytes: config.chunk.max_bytes as u32,
            pipeline: FilterPipeline::from_names(&names)?,
            bloom,
            hash_seed,
        })
    }

    pub(super) fn check(&self) -> Result<()> {
        const MAX_CHUNK_BYTES: u32 = 64 << 20;
        let mut problems = Vec::new();
        if BlockLayout::new(self.block_bytes).is_none() {
            problems
                .push(format!("block size {}: must be a multiple of 4096, up to 16 MiB", self.block_bytes));
        }
        if self.buffer_bytes == 0 || !self.buffer_bytes.is_multiple_of(1024) {
            problems.push(format!("buffer size {}: must be a multiple of 1024", self.buffer_bytes));
        }
        if self.chunk_max_keys == 0 || self.chunk_max_keys > 1 << 20 {
            problems.push(format!("chunk keys {}: must be 1 to 1048576", self.chunk_max_keys));
        }
        if self.chunk_max_bytes == 0 || self.chunk_max_bytes > MAX_CHUNK_BYTES {
            problems.push(format!("chunk bytes {}: must be 1 to 64 MiB", self.chunk_max_bytes));
        }
        if let Err(Error::InvalidConfig { problems: more }) = self.bloom.check() {
            problems.extend(more);
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::InvalidConfig { problems }) }
    }
}

/// Whose run it is and where it came from (F6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunIdentity {
    pub(crate) index_uuid: u128,
    /// Random; it names the file and salts every checksum in it.
    pub(crate) uid: u64,
    pub(crate) key_type: String,
    pub(crate) value_type: String,
    pub(crate) segment: u64,
    pub(crate) rank: u64,
    /// The manifest's edit number when the job began.
    pub(crate) edit_number: u64,
    /// Uids of the runs it was merged from.
    pub(crate) inputs: Vec<u64>,
    /// Uid of the damaged run whose remains a repair wrote into this one.
    pub(crate) salvaged_from: Option<u64>,
    /// The key range that it answers for: inclusive, exclusive (absent: infinite).
    pub(crate) answered_lower: Vec<u8>,
    pub(crate) answered_upper: Option<Vec<u8>>,
}

impl RunIdentity {
    /// Whether `key` lies in the range that the run answers for.
    pub(crate) fn answers_for(&self, key: &[u8]) -> bool {
        key >= &*self.answered_lower && self.answered_upper.as_deref().is_none_or(|upper| key < upper)
    }
}

pub(crate) fn run_file_name(uid: u64) -> String {
    format!("run-{uid:016x}.sst")
}

/// The uid in the name of a run; `None` for any other name.
pub(crate) fn parse_run_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("run-")?.strip_suffix(".sst")?;
    let uid = u64::from_str_radix(digits, 16).ok()?;
    (run_file_name(uid) == name).then_some(uid)
}

/// The hash that filters and fingerprints use: XXH3-64.
#[inline]
pub(crate) fn key_hash(seed: u64, key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key, seed)
}
