//! Streams payload into blocks.

use std::sync::Arc;

use super::layout::{BLOCK_HEADER_BYTES, BlockLayout, HEADER_PAGE_BYTES, seal_block};
use crate::directory::File;
use crate::error::{Error, Result};
use crate::file_header::FileHeader;

/// Appends payload to a new file. Whole blocks are gathered and written with one call once the buffer
/// is full, so it holds up to the buffer size and one block more.
#[derive(Debug)]
pub(crate) struct BlockFileWriter {
    file: Arc<dyn File>,
    name: String,
    layout: BlockLayout,
    uid: u64,
    buffer: Vec<u8>,
    /// File offset of the buffer's first byte.
    buffer_offset: u64,
    flush_at_bytes: usize,
    /// Number of the block being filled.
    block: u64,
    /// Where that block begins in the buffer; its header is filled when it is sealed.
    block_start: usize,
}

impl BlockFileWriter {
    /// `header.parameter` must be the block size.
    pub(crate) fn new(
        file: Arc<dyn File>,
        name: String,
        header: &FileHeader,
        buffer_bytes: usize,
    ) -> Result<Self> {
        let layout = BlockLayout::new(header.parameter).ok_or_else(|| Error::InvalidConfig {
            problems: vec![format!(
                "block size {}: must be a multiple of 4096 up to 16 MiB",
                header.parameter
            )],
        })?;
        let mut buffer = Vec::with_capacity(buffer_bytes + layout.block_bytes());
        buffer.extend_from_slice(&header.encode());
        let block_start = HEADER_PAGE_BYTES as usize;
        buffer.resize(block_start + BLOCK_HEADER_BYTES, 0);
        Ok(Self {
            file,
            name,
            layout,
            uid: header.file_uid,
            buffer,
            buffer_offset: 0,
            flush_at_bytes: buffer_bytes,
            block: 0,
            block_start,
        })
    }

    /// The payload position of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.block * self.layout.payload_bytes() as u64 + self.block_filled() as u64
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.layout.payload_bytes() - self.block_filled();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.seal(self.layout.payload_bytes());
                self.open_next()?;
            }
        }
        Ok(())
    }

    /// Zeros up to the next multiple of `unit` bytes, which must divide a block's payload.
    pub(crate) fn pad_to(&mut self, unit: usize) -> Result<()> {
        const ZEROS: [u8; 16] = [0; 16];
        let excess = self.block_filled() % unit;
        if excess == 0 {
            return Ok(());
        }
        let missing = (unit - excess).min(ZEROS.len());
        self.append(&ZEROS[..missing])
    }

    /// Closes the last block, puts `trailer` behind it, and makes the content durable. Returns the file's
    /// length; `trailer` is asked for with that length known.
    pub(crate) fn finish(mut self, trailer: impl FnOnce(u64) -> Vec<u8>, trailer_bytes: u64) -> Result<u64> {
        let filled = self.block_filled();
        if filled == 0 {
            self.buffer.truncate(self.block_start);
        } else {
            let end = self.block_start + self.layout.block_bytes();
            self.buffer.resize(end, 0);
            self.seal(filled);
        }
        let length = self.buffer_offset + self.buffer.len() as u64 + trailer_bytes;
        self.buffer.extend_from_slice(&trailer(length));
        self.flush()?;
        self.file.sync().map_err(|source| Error::io("sync", self.name.as_str(), source))?;
        Ok(length)
    }

    fn block_filled(&self) -> usize {
        self.buffer.len() - self.block_start - BLOCK_HEADER_BYTES
    }

    fn seal(&mut self, data_bytes: usize) {
        if let Some(block) = self.buffer.get_mut(self.block_start..) {
            seal_block(block, self.uid, self.block, data_bytes as u32);
        }
    }

    fn open_next(&mut self) -> Result<()> {
        self.block += 1;
        if self.buffer.len() >= self.flush_at_bytes {
            self.flush()?;
        }
        self.block_start = self.buffer.len();
        self.buffer.resize(self.block_start + BLOCK_HEADER_BYTES, 0);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_at(self.buffer_offset, &self.buffer)
            .map_err(|source| Error::io("write", self.name.as_str(), source))?;
        self.buffer_offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
