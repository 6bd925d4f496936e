//! Reads chunk after chunk with few reads of the file.

use super::open::Run;
use crate::chunk::{CHUNK_HEADER_BYTES, ChunkPosition};
use crate::error::Result;

/// Where a cursor is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// Whether the blocks around the chunks are checked too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockCheck {
    Checked,
    Unchecked,
}

/// A window of payload that was read at once.
#[derive(Debug)]
pub(super) struct ReadAhead {
    window: Vec<u8>,
    /// Payload position of the window's first byte.
    start: u64,
    check: BlockCheck,
}

impl ReadAhead {
    pub(super) fn new(check: BlockCheck) -> Self {
        Self { window: Vec::new(), start: 0, check }
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.window.capacity() as u64
    }

    /// A chunk's raw bytes: header and stored payload. Reads about `ahead_bytes` if they are not here.
    pub(super) fn chunk(
        &mut self,
        run: &Run,
        position: ChunkPosition,
        stored_bytes: u32,
        direction: Direction,
        ahead_bytes: usize,
    ) -> Result<&[u8]> {
        let start = position.payload_position();
        let length = stored_bytes as usize + CHUNK_HEADER_BYTES;
        let end = start.saturating_add(length as u64);
        if self.range(start, length).is_none() {
            let ahead = length.max(ahead_bytes) as u64;
            let (from, to) = match direction {
                Direction::Forward => (start, start.saturating_add(ahead).min(run.data_bytes()).max(end)),
                Direction::Backward => (end.saturating_sub(ahead).min(start), end),
            };
            self.fill(run, from, (to - from) as usize)?;
        }
        let missing = || run.chunks.damaged(position, "the blocks end before the chunk".into());
        self.range(start, length).ok_or_else(missing)
    }

    fn fill(&mut self, run: &Run, from: u64, length: usize) -> Result<()> {
        let blocks = run.chunks.blocks();
        // An error leaves an empty window.
        let mut window = std::mem::take(&mut self.window);
        match self.check {
            BlockCheck::Checked => {
                let (first, count) = blocks.blocks_of(from, length)?;
                blocks.read_checked(first, count, &mut window)?;
                self.start = blocks.block_position(first);
            }
            BlockCheck::Unchecked => {
                blocks.read_payload(from, length, &mut window)?;
                self.start = from;
            }
        }
        self.window = window;
        Ok(())
    }

    fn range(&self, start: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        self.window.get(from..from.checked_add(length)?)
    }
}
