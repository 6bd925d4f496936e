//! Finds the valid chunks of a file by their own headers, without an index of them: for repair.
//!
//! A chunk's checksum covers the file's uid and its position, so that nothing but a chunk that was written
//! at that place is ever found. Cost: one pass over the file, and for candidates that prove wrong a budget.

use super::header::{CELL_BYTES, CHUNK_HEADER_BYTES, ChunkHeader, ChunkPosition, ChunkType};
use super::reader::ChunkReader;

/// How many bytes of wrong candidates are hashed before the search gives up, in lengths of the file.
const BUDGET_FILE_LENGTHS: u64 = 4;
const WINDOW_BYTES: u64 = 1 << 20;

/// A chunk whose checksum holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundChunk {
    pub(crate) chunk_type: ChunkType,
    pub(crate) position: ChunkPosition,
    pub(crate) stored_bytes: u32,
    pub(crate) decoded_bytes: u32,
}

impl FoundChunk {
    /// Where the next one begins if nothing is damaged.
    pub(crate) fn end(&self) -> ChunkPosition {
        self.position.after(self.stored_bytes)
    }
}

impl ChunkReader {
    /// All valid chunks in order. What cannot be read counts as zeros.
    pub(crate) fn scan(&self) -> Vec<FoundChunk> {
        let end = self.blocks().payload_bytes();
        let budget_bytes = end.saturating_mul(BUDGET_FILE_LENGTHS);
        let mut scan = Scan { chunks: self, end, budget_bytes, window: Vec::new(), start: 0 };
        let mut found = Vec::new();
        let mut at = ChunkPosition(0);
        while at.payload_position() < end {
            match scan.chunk_at(at) {
                Some(chunk) => {
                    at = chunk.end();
                    found.push(chunk);
                }
                None => at = ChunkPosition(at.0 + 1),
            }
        }
        found
    }
}

struct Scan<'a> {
    chunks: &'a ChunkReader,
    end: u64,
    budget_bytes: u64,
    window: Vec<u8>,
    /// Payload position of the window's first byte.
    start: u64,
}

impl Scan<'_> {
    fn chunk_at(&mut self, position: ChunkPosition) -> Option<FoundChunk> {
        let at = position.payload_position();
        let header = ChunkHeader::decode(self.bytes(at, CHUNK_HEADER_BYTES)?.first_chunk()?).ok()?;
        let length = CHUNK_HEADER_BYTES as u64 + u64::from(header.stored_bytes);
        if at.saturating_add(length) > self.end {
            return None;
        }
        self.budget_bytes = self.budget_bytes.checked_sub(length)?;
        let uid = self.chunks.blocks().uid();
        let stored = self.bytes(at, length as usize)?.get(CHUNK_HEADER_BYTES..)?;
        header.check_crc(uid, position, stored, "", at).ok()?;
        // What holds is passed over whole and costs its own length once.
        self.budget_bytes = self.budget_bytes.saturating_add(length);
        Some(FoundChunk {
            chunk_type: header.chunk_type,
            position,
            stored_bytes: header.stored_bytes,
            decoded_bytes: header.decoded_bytes,
        })
    }

    fn bytes(&mut self, at: u64, length: usize) -> Option<&[u8]> {
        let end = at.checked_add(length as u64).filter(|&end| end <= self.end)?;
        if at < self.start || end > self.start + self.window.len() as u64 {
            let wanted = (length as u64).max(WINDOW_BYTES.next_multiple_of(CELL_BYTES as u64));
            let length = wanted.min(self.end - at);
            self.chunks.blocks().read_payload_leniently(at, length as usize, &mut self.window);
            self.start = at;
        }
        let from = (at - self.start) as usize;
        self.window.get(from..from + length)
    }
}
