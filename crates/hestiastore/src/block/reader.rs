//! Reads payload ranges, with or without the check of the blocks they lie in.

use std::sync::Arc;

use super::layout::{BLOCK_HEADER_BYTES, BlockLayout, HEADER_PAGE_BYTES, open_block};
use crate::directory::File;
use crate::error::{Error, Result};
use crate::file_header::FILE_HEADER_BYTES;

/// Reads a data block file. Shared by all readers; holds no buffer.
#[derive(Debug)]
pub(crate) struct BlockFileReader {
    file: Arc<dyn File>,
    name: Arc<str>,
    layout: BlockLayout,
    uid: u64,
    blocks: u64,
}

impl BlockFileReader {
    pub(crate) fn new(
        file: Arc<dyn File>,
        name: Arc<str>,
        layout: BlockLayout,
        uid: u64,
        blocks: u64,
    ) -> Self {
        Self { file, name, layout, uid, blocks }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn uid(&self) -> u64 {
        self.uid
    }

    pub(crate) fn block_count(&self) -> u64 {
        self.blocks
    }

    pub(crate) fn block_bytes(&self) -> u64 {
        self.layout.block_bytes() as u64
    }

    /// Payload bytes of all blocks, as if the last were full.
    pub(crate) fn payload_bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.layout.payload_bytes() as u64)
    }

    /// The file offset of a payload position; the greatest there is of one that no file can have.
    pub(crate) fn file_offset(&self, position: u64) -> u64 {
        let (block, within) = self.layout.locate(position);
        self.layout.block_offset(block).saturating_add((BLOCK_HEADER_BYTES + within) as u64)
    }

    /// Reads a payload range with one read of exactly the file range that covers it. Blocks are not
    /// checked: what is read must carry a checksum of its own.
    pub(crate) fn read_payload(&self, position: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        if length == 0 {
            return Ok(());
        }
        let last = self.last_position(position, length)?;
        let (start, end) = (self.file_offset(position), self.file_offset(last) + 1);
        out.resize((end - start) as usize, 0);
        read_exactly(&*self.file, &self.name, start, out)?;
        let (_, within) = self.layout.locate(position);
        close_gaps(out, self.layout.payload_bytes() - within, self.layout.payload_bytes());
        Ok(())
    }

    /// Reads a payload range block by block; what cannot be read, or lies behind the end of the file,
    /// becomes zeros. For a search of damaged files.
    pub(crate) fn read_payload_leniently(&self, position: u64, length: usize, out: &mut Vec<u8>) {
        out.clear();
        out.resize(length, 0);
        let mut rest = out.as_mut_slice();
        let mut at = position;
        while !rest.is_empty() {
            let (_, within) = self.layout.locate(at);
            let part = rest.len().min(self.layout.payload_bytes() - within);
            let (piece, behind) = rest.split_at_mut(part);
            if self.file.read_at(self.file_offset(at), piece).is_err() {
                piece.fill(0);
            }
            at += part as u64;
            rest = behind;
        }
    }

    /// Reads whole blocks with one read, checks each, and leaves their payload in `out`.
    pub(crate) fn read_checked(&self, first: u64, count: u64, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        let offset = self.layout.block_offset(first);
        if first.checked_add(count).is_none_or(|end| end > self.blocks) {
            let detail = format!("blocks {first} and on ({count}) wanted, the file has {}", self.blocks);
            return Err(Error::corruption(&*self.name, offset, detail));
        }
        let block_bytes = self.layout.block_bytes();
        out.resize(count as usize * block_bytes, 0);
        read_exactly(&*self.file, &self.name, offset, out)?;
        let mut payload_bytes = 0;
        for (number, block) in (first..).zip(out.chunks_exact(block_bytes)) {
            let at = self.layout.block_offset(number);
            let data = open_block(block, self.uid, number, &self.name, at)?;
            if data.len() != self.layout.payload_bytes() && number + 1 != self.blocks {
                let detail = format!("block {number} is not the last, but holds only {} bytes", data.len());
                return Err(Error::corruption(&*self.name, at, detail));
            }
            payload_bytes += data.len();
        }
        close_gaps(out, 0, self.layout.payload_bytes());
        out.truncate(payload_bytes);
        Ok(())
    }

    /// Checks that the header page holds nothing behind the header.
    pub(crate) fn check_header_page(&self) -> Result<()> {
        let mut rest = [0u8; HEADER_PAGE_BYTES as usize - FILE_HEADER_BYTES];
        read_exactly(&*self.file, &self.name, FILE_HEADER_BYTES as u64, &mut rest)?;
        match rest.iter().position(|&byte| byte != 0) {
            None => Ok(()),
            Some(at) => {
                let offset = (FILE_HEADER_BYTES + at) as u64;
                Err(Error::corruption(&*self.name, offset, "expected zeros behind the file header"))
            }
        }
    }

    /// The blocks that a payload range lies in: the first and how many.
    pub(crate) fn blocks_of(&self, position: u64, length: usize) -> Result<(u64, u64)> {
        let last = self.last_position(position, length.max(1))?;
        let (first, _) = self.layout.locate(position);
        let (end, _) = self.layout.locate(last);
        Ok((first, end - first + 1))
    }

    /// The payload position where a block begins.
    pub(crate) fn block_position(&self, block: u64) -> u64 {
        block.saturating_mul(self.layout.payload_bytes() as u64)
    }

    fn last_position(&self, position: u64, length: usize) -> Result<u64> {
        position.checked_add(length as u64 - 1).filter(|&last| last < self.payload_bytes()).ok_or_else(|| {
            let detail = format!(
                "{length} bytes wanted at payload position {position}, the file holds {}",
                self.payload_bytes()
            );
            Error::corruption(&*self.name, 0, detail)
        })
    }
}

/// Removes the block headers from a raw range whose first block contributes `first` payload bytes.
fn close_gaps(raw: &mut Vec<u8>, first: usize, payload_bytes: usize) {
    let (mut from, mut to) = (first, first);
    while from < raw.len() {
        from = (from + BLOCK_HEADER_BYTES).min(raw.len());
        let length = payload_bytes.min(raw.len() - from);
        raw.copy_within(from..from + length, to);
        from += length;
        to += length;
    }
    raw.truncate(to.min(raw.len()));
}

/// Fills `buffer` from the file, or says that the file is too short.
pub(crate) fn read_exactly(file: &dyn File, name: &str, offset: u64, buffer: &mut [u8]) -> Result<()> {
    let count = file.read_at(offset, buffer).map_err(|source| Error::io("read", name, source))?;
    if count < buffer.len() {
        let detail = format!("expected {} bytes, found {count}", buffer.len());
        return Err(Error::corruption(name, offset, detail));
    }
    Ok(())
}
