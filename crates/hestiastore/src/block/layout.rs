//! Where a payload position lies in the file, and a block's header.

use crate::directory::File;
use crate::error::{Error, Result};

/// The file header and zeros.
pub(crate) const HEADER_PAGE_BYTES: u64 = 4096;
pub(crate) const BLOCK_HEADER_BYTES: usize = 16;

const BLOCK_MAGIC: [u8; 4] = *b"HBLK";
/// The CRC covers the block from here to its end.
const CHECKED_FROM: usize = 8;
const BLOCK_UNIT_BYTES: u32 = 4096;
const BLOCK_LIMIT_BYTES: u32 = 16 << 20;

/// The block size of a file and the arithmetic that follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockLayout {
    block_bytes: u32,
}

impl BlockLayout {
    /// `None` unless `block_bytes` is a multiple of 4 KiB, from 4 KiB to 16 MiB.
    pub(crate) fn new(block_bytes: u32) -> Option<Self> {
        let fits = (BLOCK_UNIT_BYTES..=BLOCK_LIMIT_BYTES).contains(&block_bytes);
        (fits && block_bytes.is_multiple_of(BLOCK_UNIT_BYTES)).then_some(Self { block_bytes })
    }

    pub(crate) fn block_bytes(self) -> usize {
        self.block_bytes as usize
    }

    /// Payload bytes of a full block.
    pub(crate) fn payload_bytes(self) -> usize {
        self.block_bytes as usize - BLOCK_HEADER_BYTES
    }

    /// The block that holds a payload position, and the offset in its payload.
    pub(crate) fn locate(self, position: u64) -> (u64, usize) {
        let payload = self.payload_bytes() as u64;
        (position / payload, (position % payload) as usize)
    }

    /// Whether one of the first blocks of a file validates with this layout.
    pub(crate) fn has_valid_block(self, file: &dyn File, file_bytes: u64, uid: u64) -> bool {
        const BLOCKS_TRIED: u64 = 8;
        let mut block = Vec::new();
        (0..BLOCKS_TRIED).any(|number| {
            let offset = self.block_offset(number);
            if offset.saturating_add(u64::from(self.block_bytes)) > file_bytes {
                return false;
            }
            block.resize(self.block_bytes(), 0);
            let read = file.read_at(offset, &mut block).is_ok_and(|read| read == block.len());
            read && open_block(&block, uid, number, "", offset).is_ok()
        })
    }

    pub(crate) fn block_offset(self, block: u64) -> u64 {
        HEADER_PAGE_BYTES.saturating_add(block.saturating_mul(u64::from(self.block_bytes)))
    }
}

fn block_crc(uid: u64, number: u64, checked: &[u8]) -> u32 {
    let mut salt = [0u8; 16];
    salt[..8].copy_from_slice(&uid.to_be_bytes());
    salt[8..].copy_from_slice(&number.to_be_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt);
    hasher.update(checked);
    hasher.finalize()
}

/// Fills the header of a block whose payload is complete and padded.
pub(crate) fn seal_block(block: &mut [u8], uid: u64, number: u64, data_bytes: u32) {
    let Some((header, _)) = block.split_first_chunk_mut::<BLOCK_HEADER_BYTES>() else {
        return;
    };
    header[..4].copy_from_slice(&BLOCK_MAGIC);
    header[8..12].copy_from_slice(&data_bytes.to_be_bytes());
    header[12..].copy_from_slice(&(uid as u32).to_be_bytes());
    let crc = block_crc(uid, number, &block[CHECKED_FROM..]);
    block[4..8].copy_from_slice(&crc.to_be_bytes());
}

/// Checks a whole block and returns its payload, without the padding.
pub(crate) fn open_block<'a>(
    block: &'a [u8],
    uid: u64,
    number: u64,
    file: &str,
    offset: u64,
) -> Result<&'a [u8]> {
    let damaged = |detail: String| Err(Error::corruption(file, offset, detail));
    let Some((header, payload)) = block.split_first_chunk::<BLOCK_HEADER_BYTES>() else {
        return damaged(format!("block {number} has only {} bytes", block.len()));
    };
    let field = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[..4] != BLOCK_MAGIC {
        let found = &header[..4];
        return damaged(format!("expected the block magic {BLOCK_MAGIC:02x?}, found {found:02x?}"));
    }
    let crc = block_crc(uid, number, &block[CHECKED_FROM..]);
    if crc != field(4) {
        let stored = field(4);
        return damaged(format!("expected CRC {stored:08x} of block {number}, found {crc:08x}"));
    }
    if field(12) != uid as u32 {
        return damaged(format!("block {number} carries another file's identity"));
    }
    let data_bytes = field(8) as usize;
    match payload.split_at_checked(data_bytes) {
        Some((data, padding)) if padding.iter().all(|&byte| byte == 0) => Ok(data),
        _ => damaged(format!("block {number} states {data_bytes} bytes of data")),
    }
}
