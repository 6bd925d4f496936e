//! A chunk's position, type and header.

use crate::error::{Error, Result};

pub(crate) const CHUNK_HEADER_BYTES: usize = 16;
pub(crate) const CELL_BYTES: usize = 16;

/// The number of the cell where a chunk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkPosition(pub(crate) u64);

impl ChunkPosition {
    /// The payload position of the chunk's first byte.
    pub(crate) fn payload_position(self) -> u64 {
        self.0.saturating_mul(CELL_BYTES as u64)
    }

    /// Where the next chunk begins, if this one stores `stored_bytes` behind its header.
    pub(crate) fn after(self, stored_bytes: u32) -> Self {
        Self(self.0.saturating_add(cells(stored_bytes)))
    }
}

/// Cells taken by a chunk that stores `stored_bytes` behind its header.
pub(crate) fn cells(stored_bytes: u32) -> u64 {
    (u64::from(stored_bytes) + CHUNK_HEADER_BYTES as u64).div_ceil(CELL_BYTES as u64)
}

/// What a chunk holds: the first three bytes of its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkType {
    Entries,
    Value,
    RangeTombstones,
    SparseIndex,
    BloomFilter,
    Properties,
}

impl ChunkType {
    const ALL: [Self; 6] = [
        Self::Entries,
        Self::Value,
        Self::RangeTombstones,
        Self::SparseIndex,
        Self::BloomFilter,
        Self::Properties,
    ];

    const fn tag(self) -> [u8; 3] {
        match self {
            Self::Entries => *b"ENT",
            Self::Value => *b"VAL",
            Self::RangeTombstones => *b"TMB",
            Self::SparseIndex => *b"IDX",
            Self::BloomFilter => *b"BLM",
            Self::Properties => *b"PRP",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkHeader {
    pub(crate) chunk_type: ChunkType,
    /// Bit i: filter i of the file's pipeline was applied.
    pub(crate) applied: u8,
    pub(crate) crc: u32,
    /// Bytes stored behind the header.
    pub(crate) stored_bytes: u32,
    /// Bytes before the pipeline.
    pub(crate) decoded_bytes: u32,
}

impl ChunkHeader {
    /// A header whose CRC fits `stored`.
    pub(crate) fn seal(
        chunk_type: ChunkType,
        applied: u8,
        decoded_bytes: u32,
        uid: u64,
        position: ChunkPosition,
        stored: &[u8],
    ) -> Self {
        let stored_bytes = stored.len() as u32;
        let mut header = Self { chunk_type, applied, crc: 0, stored_bytes, decoded_bytes };
        header.crc = header.compute_crc(uid, position, stored);
        header
    }

    pub(crate) fn encode(&self) -> [u8; CHUNK_HEADER_BYTES] {
        let mut out = [0u8; CHUNK_HEADER_BYTES];
        out[..4].copy_from_slice(&self.magic());
        out[4..8].copy_from_slice(&self.crc.to_be_bytes());
        out[8..12].copy_from_slice(&self.stored_bytes.to_be_bytes());
        out[12..].copy_from_slice(&self.decoded_bytes.to_be_bytes());
        out
    }

    /// Reads the fields; the CRC is not checked here.
    pub(crate) fn decode(bytes: &[u8; CHUNK_HEADER_BYTES]) -> Result<Self, String> {
        let field = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let chunk_type = ChunkType::ALL
            .into_iter()
            .find(|candidate| candidate.tag() == bytes[..3])
            .ok_or_else(|| format!("unknown chunk magic {:02x?}", &bytes[..4]))?;
        Ok(Self {
            chunk_type,
            applied: bytes[3],
            crc: field(4),
            stored_bytes: field(8),
            decoded_bytes: field(12),
        })
    }

    pub(crate) fn check_crc(
        &self,
        uid: u64,
        position: ChunkPosition,
        stored: &[u8],
        file: &str,
        offset: u64,
    ) -> Result<()> {
        let found = self.compute_crc(uid, position, stored);
        if found == self.crc {
            return Ok(());
        }
        let detail = format!("expected chunk CRC {:08x}, found {found:08x}", self.crc);
        Err(Error::corruption(file, offset, detail))
    }

    fn magic(&self) -> [u8; 4] {
        let [a, b, c] = self.chunk_type.tag();
        [a, b, c, self.applied]
    }

    fn compute_crc(&self, uid: u64, position: ChunkPosition, stored: &[u8]) -> u32 {
        let mut salt = [0u8; 28];
        salt[..4].copy_from_slice(&self.magic());
        salt[4..12].copy_from_slice(&uid.to_be_bytes());
        salt[12..20].copy_from_slice(&position.0.to_be_bytes());
        salt[20..24].copy_from_slice(&self.stored_bytes.to_be_bytes());
        salt[24..].copy_from_slice(&self.decoded_bytes.to_be_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&salt);
        hasher.update(stored);
        hasher.finalize()
    }
}
